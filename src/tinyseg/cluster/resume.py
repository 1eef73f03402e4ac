"""What a folder of results holds already: whose results they are, and which frames are missing.

In: the store and folder, and a job's key or listing. Out: the frames that are in no part. What is
not whole, or not noted as done, is taken away: parts with a file that is missing or damaged, files
of parts that were pending when their worker died, and halves of files. Refused: results of another
key, and a place where nothing can be written.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs, parquet

from tinyseg.cluster.frames import Listing
from tinyseg.cluster.parts import (
    CHECKPOINT,
    FRAME,
    FRAMES,
    HALF,
    INSTANCES,
    files_in,
    parts_in,
    put,
    read_job,
    read_table,
)
from tinyseg.errors import OutputError, PredictionsError
from tinyseg.predict import check_same
from tinyseg.predictions import JOB_NAME

READERS = 16
"""Parts that are looked at together."""

PENDING = ".pending"
"""How Ray ends the names of checkpoints of parts that are not written yet."""


@contextlib.contextmanager
def writable(told: str) -> Iterator[None]:
    """What the store refuses inside is told of this place."""
    try:
        yield
    except OSError as error:
        raise refused(error, told) from None


def refused(error: OSError, told: str) -> OutputError:
    """The system's reason, and that nothing is lost."""
    reason = os.strerror(error.errno) if error.errno else "the store refuses it"
    rule = "cannot be written: mend that and call again, which goes on with what is missing"
    return OutputError(rule, path=told, got=reason)


def is_ours(store: fs.FileSystem, folder: str, key: Mapping[str, Any], told: str) -> bool:
    """Whether a folder holds results of this key; refused where they follow from something else."""
    known = read_job(store, folder)
    if known is None:
        return False
    check_same(known, key, told)
    return True


def claim(store: fs.FileSystem, folder: str, key: Mapping[str, Any], told: str) -> None:
    """Write down what the results follow from, unless another job did so in the meantime."""
    known = is_ours(store, folder, key, told)
    for part in (FRAMES, INSTANCES, CHECKPOINT):
        store.create_dir(f"{folder}/{part}", recursive=True)
    if not known:
        put(store, f"{folder}/{JOB_NAME}", orjson.dumps(key, option=orjson.OPT_INDENT_2))


def missing(store: fs.FileSystem, folder: str, listing: Listing) -> tuple[pa.Table, int]:
    """The frames that are in no part yet, and how many are."""
    for side in (FRAMES, INSTANCES):
        for path in files_in(store, f"{folder}/{side}", HALF):
            _take_away(store, path)
    noted = parts_in(store, f"{folder}/{CHECKPOINT}")
    pending = {name for name in noted if name.endswith(PENDING)}
    done = noted - pending
    sides = [parts_in(store, f"{folder}/{side}") for side in (FRAMES, INSTANCES)]
    names = sorted({name.removesuffix(PENDING) for name in noted}.union(*sides))
    written: set[str] = set()
    with ThreadPoolExecutor(READERS) as pool:  # a store answers many at once
        looks = pool.map(lambda name: _frames_of(store, folder, name, name in done), names)
        for name, own in zip(names, looks, strict=True):
            written.update(own or ())
            for part in (FRAMES, INSTANCES, CHECKPOINT) if own is None else ():
                _take_away(store, f"{folder}/{part}/{name}.parquet")
    for name in pending:
        _take_away(store, f"{folder}/{CHECKPOINT}/{name}.parquet")
    rest = [name not in written for name in listing.table["frame"].to_pylist()]
    return listing.table.filter(pa.array(rest, pa.bool_())), len(written)


def _frames_of(store: fs.FileSystem, folder: str, name: str, done: bool) -> list[str] | None:
    """The frames of a part; None where it is not done, or one of its files missing or damaged."""
    if not done:
        return None
    try:
        frames = read_table(store, f"{folder}/{FRAMES}/{name}.parquet", FRAME)
        with store.open_input_file(f"{folder}/{INSTANCES}/{name}.parquet") as file:
            rows = parquet.read_metadata(file).num_rows
    except (PredictionsError, OSError, pa.ArrowInvalid):
        return None
    return frames["frame"].to_pylist() if rows == pc.sum(frames["count"]).as_py() else None


def _take_away(store: fs.FileSystem, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        store.delete_file(path)
