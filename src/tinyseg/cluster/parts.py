"""The results of a job: Parquet parts, which DuckDB, pandas and Polars read without this package.

    OUT/job.json                what the results follow from, and the classes
    OUT/frames/<part>.parquet     a row a frame: FRAME
    OUT/instances/<part>.parquet  a row an instance: INSTANCE
    OUT/checkpoint/             which frames are written, for the next call

A part is a few frames and their instances, in two files of one name. In: a folder or an address.
Out: Predictions, frame by frame or whole. Boxes are x, y, width, height in pixels of the frame;
`rle` is COCO's compressed code, down the columns; `class_id` counts from 1. Refused: folders of
another form or version, parts that are damaged, and a part of which one file is missing.
"""

import contextlib
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs, parquet

from tinyseg import masks as mask_ops
from tinyseg.cluster.frames import open_store, shown
from tinyseg.errors import PredictionsError
from tinyseg.frame import Instances
from tinyseg.predictions import JOB_NAME, FramePredictions, Predictions

FORMAT, VERSION = "tinyseg parts", 1
FRAMES, INSTANCES, CHECKPOINT = "frames", "instances", "checkpoint"

HALF = ".part"
"""How a file's name ends until it is whole."""

FEWEST_A_PART, MOST_A_PART, PARTS = 8, 256, 2000
"""A killed worker loses one part; each part costs a little in Ray and in the store."""

_OF_FRAME = [
    ("frame", pa.string()),
    ("path", pa.string()),
    ("camera", pa.string()),
    ("height", pa.int32()),
    ("width", pa.int32()),
]
_OF_INSTANCE = [
    ("class", pa.string()),
    ("class_id", pa.int32()),
    ("score", pa.float64()),
    ("x", pa.float64()),
    ("y", pa.float64()),
    ("w", pa.float64()),
    ("h", pa.float64()),
    ("area", pa.int64()),
    ("rle", pa.string()),
]
_OF_LOOK = [
    ("status", pa.string()),
    ("error", pa.string()),
    ("attempts", pa.int32()),
    ("seconds", pa.float64()),
    ("views", pa.int32()),
    ("view_pixels", pa.int64()),
]
ROW = pa.schema([*_OF_FRAME, *_OF_LOOK, ("instances", pa.list_(pa.struct(_OF_INSTANCE)))])
"""What a worker gives for each frame: a row that cannot be torn apart."""

FRAME = pa.schema(
    [*_OF_FRAME, *_OF_LOOK, ("count", pa.int32()), ("model", pa.string()), ("plan", pa.string())]
)
INSTANCE = pa.schema([*_OF_FRAME[:1], *_OF_FRAME[2:], *_OF_INSTANCE])


def part_size(frames: int, workers: int) -> int:
    """How many frames a part has: as many as give PARTS parts, FEWEST to MOST, and each worker two
    of them."""
    size = min(max(frames // PARTS, FEWEST_A_PART), MOST_A_PART)
    return max(1, min(size, -(-frames // (2 * workers))))


def split(rows: pa.Table, model: str, plan: str) -> tuple[pa.Table, pa.Table]:
    """The two tables of a part, FRAME and INSTANCE, from rows of ROW and the two hashes."""
    rows = rows.cast(ROW).combine_chunks()
    nested = rows["instances"].combine_chunks()
    counts = pc.fill_null(pc.list_value_length(nested), 0).cast(pa.int32())
    frames = rows.drop_columns(["instances"]).append_column("count", counts)
    for name, value in (("model", model), ("plan", plan)):
        frames = frames.append_column(name, pa.array([value] * rows.num_rows, pa.string()))
    owner, own = pc.list_parent_indices(nested), pc.list_flatten(nested)
    columns = {name: rows[name].take(owner) for name in ("frame", "camera", "height", "width")}
    columns |= {name: pc.struct_field(own, name) for name, _ in _OF_INSTANCE}
    return frames.cast(FRAME), pa.table(columns).cast(INSTANCE)


def is_parts(address: str) -> bool:
    """Whether results of this form lie there."""
    store, folder = open_store(address)
    try:
        return store.get_file_info(f"{folder}/{JOB_NAME}").type == fs.FileType.File
    except OSError:
        return False


def read_job(store: fs.FileSystem, folder: str) -> dict[str, Any] | None:
    """What job.json says, None where there is none."""
    path = f"{folder}/{JOB_NAME}"
    try:
        with store.open_input_stream(path) as file:
            job = orjson.loads(file.read())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError:
        raise PredictionsError("cannot be read as JSON", path=path) from None
    expected = {"format": FORMAT, "version": VERSION}
    got = {key: job.get(key) for key in expected} if isinstance(job, dict) else None
    if got != expected:
        rule = "is no job's: name another folder"
        raise PredictionsError(rule, path=path, expected=expected, got=got)
    return dict(job)


def files_in(store: fs.FileSystem, folder: str, ending: str) -> list[str]:
    """The files of a folder, which may be missing, whose names end so."""
    infos = store.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return [one.path for one in infos if one.type == fs.FileType.File and one.path.endswith(ending)]


def parts_in(store: fs.FileSystem, folder: str) -> set[str]:
    """The Parquet files of a folder, by name without ending."""
    files = files_in(store, folder, ".parquet")
    return {posixpath.basename(path).removesuffix(".parquet") for path in files}


def write_table(store: fs.FileSystem, path: str, table: pa.Table) -> None:
    """A file of a part."""
    data = pa.BufferOutputStream()
    parquet.write_table(table, data, compression="zstd")
    put(store, path, data.getvalue())


def put(store: fs.FileSystem, path: str, data: bytes | pa.Buffer) -> None:
    """A file that is there when it is whole: on a disk by another name until then; an object in a
    store is not there before its upload ends."""
    beside = f"{path}{HALF}" if store.type_name == "local" else path
    try:
        with store.open_output_stream(beside) as file:
            file.write(data)
    except OSError:
        with contextlib.suppress(OSError):
            store.delete_file(beside)
        raise
    if beside != path:
        store.move(beside, path)


def read_parts(address: str) -> Predictions:
    """All that was found, in memory; frames that failed are left out."""
    return Predictions(classes_of(address), tuple(frames_in(address)))


def classes_of(address: str) -> tuple[str, ...]:
    """The class list of the results there."""
    store, folder = open_store(address)
    job = read_job(store, folder)
    if job is None:
        raise PredictionsError("no results of a job", path=shown(address), expected=JOB_NAME)
    return tuple(job["classes"])


def frames_in(address: str, parts: Sequence[str] | None = None) -> Iterator[FramePredictions]:
    """The frames that were looked at, of all parts or of these, one part in memory at a time."""
    store, folder = open_store(address)
    for name in _whole_parts(store, folder) if parts is None else parts:
        frames = read_table(store, f"{folder}/{FRAMES}/{name}.parquet", FRAME)
        instances = read_table(store, f"{folder}/{INSTANCES}/{name}.parquet", INSTANCE)
        yield from _joined(frames, instances, f"{folder}/{INSTANCES}/{name}.parquet")


def names_in(address: str) -> dict[str, tuple[FramePredictions, ...]]:
    """The frames that were looked at, by part, without their instances."""
    store, folder = open_store(address)
    found = {}
    for name in _whole_parts(store, folder):
        frames = read_table(store, f"{folder}/{FRAMES}/{name}.parquet", FRAME)
        seen = frames.filter(pc.equal(frames["status"], "ok"))
        rows = seen.select(["frame", "path", "height", "width"]).to_pylist()
        found[name] = tuple(
            FramePredictions(
                row["frame"],
                posixpath.basename(row["path"]),
                (row["height"], row["width"]),
                Instances.empty(),
            )
            for row in rows
        )
    return found


def _whole_parts(store: fs.FileSystem, folder: str) -> list[str]:
    """The names of the parts; refused where one of a part's two files is missing."""
    names = {part: parts_in(store, f"{folder}/{part}") for part in (FRAMES, INSTANCES)}
    found = sorted(names[FRAMES] | names[INSTANCES])
    for name in found:
        for part, own in names.items():
            if name not in own:
                rule = "a part has two files: call predict again, which makes it anew"
                raise PredictionsError(rule, path=f"{folder}/{part}/{name}.parquet", got="none")
    return found


def read_table(store: fs.FileSystem, path: str, schema: pa.Schema) -> pa.Table:
    """A file of a part, refused where it is damaged or has other columns."""
    try:
        with store.open_input_file(path) as file:
            return parquet.read_table(file, use_threads=False).cast(schema)
    except (OSError, pa.ArrowInvalid, pa.ArrowTypeError, ValueError):
        rule = "is damaged, or no part of this version"
        raise PredictionsError(rule, path=path) from None


def _joined(frames: pa.Table, instances: pa.Table, path: str) -> Iterator[FramePredictions]:
    """Each frame of a part with its instances, which stand in the frames' order."""
    counts = np.asarray(frames["count"])
    ends = counts.cumsum()
    names = frames["frame"].to_pylist()
    expected = [name for name, count in zip(names, counts, strict=True) for _ in range(count)]
    if instances["frame"].to_pylist() != expected:
        rule = "instances stand in their frames' order, as many as the frames' part counts"
        raise PredictionsError(rule, path=path)
    for row, start, count in zip(frames.to_pylist(), ends - counts, counts, strict=True):
        if row["status"] == "ok":
            hw = row["height"], row["width"]
            found = instances.slice(int(start), int(count))
            yield FramePredictions(
                row["frame"], posixpath.basename(row["path"]), hw, _of(found, hw)
            )


def _of(rows: pa.Table, hw: tuple[int, int]) -> Instances:
    column: Mapping[str, np.ndarray] = {
        name: np.asarray(rows[name]) for name in ("x", "y", "w", "h", "class_id", "score")
    }
    x, y = column["x"], column["y"]
    boxes = np.stack([x, y, x + column["w"], y + column["h"]], axis=1)
    masks = mask_ops.from_coco_rle(rows["rle"].to_pylist(), hw)
    return Instances(boxes, masks, column["class_id"].astype(np.int64) - 1, column["score"])
