"""A job: many frames through workers on a Ray cluster, parts written, the same call goes on.

In: a Listing, an Engine, where the results go, and which cluster. Out: a Summary; the results lie
in parts (parts.py). A job's key is its settings and its frames: results of another key are refused.

Ray Data's checkpoint says which frames are written: a part's frames are noted as pending before
its files are written and as done behind them, and files of pending parts go when a job is taken up
again. What it does not see is done here: a part that somebody deleted or damaged is made anew, and
frames whose worker died again and again become rows with that reason (worker.py).
"""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson
import pyarrow as pa
import ray
import ray.data
from pyarrow import fs, parquet
from ray.data.block import BlockAccessor, BlockMetadata
from ray.data.checkpoint import CheckpointConfig
from ray.data.datasource import BlockBasedFileDatasink, Datasource, ReadTask

from tinyseg.cluster.frames import Listing, open_store, shown
from tinyseg.cluster.parts import (
    CHECKPOINT,
    FORMAT,
    FRAME,
    FRAMES,
    INSTANCES,
    VERSION,
    parts_in,
    read_job,
    read_table,
    split,
)
from tinyseg.cluster.worker import STEPS, Engine, Worker
from tinyseg.errors import DataError, OutputError, PredictionsError
from tinyseg.predictions import JOB_NAME
from tinyseg.progress import Bar, progress_bar

ANSWER_S = 5.0
"""A cluster answers within so many seconds, or is not there."""

LIGHT_CPUS = 0.25
"""Of a core, for the tasks that list frames and write parts."""

FEWEST_A_PART, MOST_A_PART, PARTS = 8, 256, 2000
"""Frames of a part: as many as give PARTS parts, between these; a killed worker loses one part."""

PENDING = ".pending"
"""How Ray ends the names of checkpoints of parts that are not written yet."""

QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}

SLOWEST = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """What a call did: frames written, of them failures, instances, seconds of each step, and the
    slowest frames; `before` were written by earlier calls."""

    frames: int
    before: int
    failed: int
    instances: int
    seconds: float
    steps: Mapping[str, float]
    slowest: tuple[tuple[str, float], ...]


@dataclass(slots=True)
class Counts:
    """What all workers have told, in an actor of its own."""

    tries: Counter[str] = field(default_factory=Counter)
    ended: set[str] = field(default_factory=set)
    totals: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    last: str = ""

    def begin(self, frame: str) -> int:
        """How often the frame was begun."""
        self.tries[frame] += 1
        return self.tries[frame]

    def end(self, frame: str, told: Mapping[str, Any]) -> None:
        """Add what became of a frame, once, also where a killed worker's part is looked at anew."""
        self.tries.pop(frame, None)
        if frame in self.ended:
            return
        self.ended.add(frame)
        self.totals.update({step: told.get(step, 0.0) for step in STEPS})
        self.totals.update({"frames": 1, "instances": told["instances"]})
        self.totals["failed"] += told["status"] != "ok"
        self.totals["pixels"] += (told.get("height") or 0) * (told.get("width") or 0)
        self.slowest = sorted([*self.slowest, (told.get("seconds") or 0.0, frame)])[-SLOWEST:]
        self.last = f"{frame}: {told['instances']}"

    def told(self) -> tuple[dict[str, float], list[tuple[float, str]], str]:
        """The totals, the slowest frames, and the last one."""
        return dict(self.totals), self.slowest, self.last


class _Ledger:
    """The actor, as a worker sees it."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def begin(self, frame: str) -> int:
        return int(ray.get(self.actor.begin.remote(frame)))

    def end(self, frame: str, told: Mapping[str, Any]) -> None:
        self.actor.end.remote(frame, told)


class _Looking:
    """What Ray Data makes an actor of."""

    def __init__(self, engine: Any, stores: Any, actor: Any) -> None:
        self.worker = Worker(ray.get(engine), ray.get(stores), _Ledger(actor))

    def __call__(self, block: pa.Table) -> pa.Table:
        return self.worker(block)


class _Blocks(Datasource):
    """A listing, so many frames a block."""

    def __init__(self, table: pa.Table, size: int) -> None:
        self.table, self.size = table, size

    @property
    def name(self) -> str:
        return "Frames"

    def estimate_inmemory_data_size(self) -> int | None:
        return int(self.table.nbytes)

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
        starts = range(0, self.table.num_rows, self.size)
        blocks = [self.table.slice(start, self.size).combine_chunks() for start in starts]
        return [ReadTask(_given(block), _about(block), schema=block.schema) for block in blocks]


def _given(block: pa.Table) -> Any:
    # A slice pickles with the whole table's buffers; a copy of its rows does not.
    own = pa.Table.from_pylist(block.to_pylist(), schema=block.schema)
    return lambda: [own]


def _about(block: pa.Table) -> BlockMetadata:
    return BlockMetadata(
        num_rows=block.num_rows, size_bytes=block.nbytes, input_files=None, exec_stats=None
    )


class _Parts(BlockBasedFileDatasink):
    """Writes the two files of a part, instances first."""

    def __init__(self, folder: str, store: fs.FileSystem, *, model: str, plan: str) -> None:
        super().__init__(folder, filesystem=store, file_format="parquet")
        self.hashes, self.renames = (model, plan), _renames(store)

    def write_block(self, block: BlockAccessor, block_index: int, ctx: Any) -> None:
        name = self.filename_provider.get_filename_for_task(ctx.kwargs["write_uuid"], ctx.task_idx)
        tables = split(block.to_arrow(), *self.hashes)
        for folder, table in zip((FRAMES, INSTANCES), tables, strict=True):
            path = f"{self.path}/{folder}/{name}"
            with _whole(self.filesystem, path, renames=self.renames) as file:
                parquet.write_table(table, file, compression="zstd")


@contextlib.contextmanager
def _whole(store: fs.FileSystem, path: str, *, renames: bool) -> Iterator[Any]:
    """A file that is there when it is whole."""
    beside = f"{path}.part" if renames else path
    with store.open_output_stream(beside) as file:
        yield file
    if renames:
        store.move(beside, path)


def _renames(store: fs.FileSystem) -> bool:
    """Whether a file is there before it is whole, as on disks; an object in a store is not."""
    return bool(store.type_name == "local")


def predict_on_cluster(
    listing: Listing,
    engine: Engine,
    out: str,
    *,
    cluster: str = "auto",
    workers: int | None = None,
) -> Summary:
    """Look at the listing's frames and write their parts to a folder or an address.

    `cluster` is `local` (this machine, ended behind the job), `auto` (one that runs here or that
    RAY_ADDRESS names, else local), ray://HOST:PORT, or an address as Ray takes it. `workers` hold
    the networks, each with the engine's threads as cores (or a GPU); without it as many as fit.

    Raises DataError where the cluster cannot be reached, OutputError where nothing can be written,
    PredictionsError where `out` holds results of something else.
    """
    store, folder = open_store(out)
    _claim(store, folder, engine, listing, shown(out))
    missing, before = _missing(store, folder, listing)
    begun = time.monotonic()
    totals: Counter[str] = Counter()
    slowest: list[tuple[float, str]] = []
    if missing.num_rows:
        with connected(cluster, workers, threads=engine.threads, device=engine.device) as many:
            told = _run(missing, listing.stores, engine, store, folder, many)
        totals.update(told[0])
        slowest = told[1]
        left, _ = _missing(store, folder, listing)
        if left.num_rows:
            rule = "frames are not written: call again, which goes on with them"
            raise OutputError(rule, path=shown(out), got=f"{left.num_rows} of {len(listing)}")
    return Summary(
        len(listing) - before,
        before,
        int(totals["failed"]),
        int(totals["instances"]),
        time.monotonic() - begun,
        {step: float(totals[step]) for step in STEPS},
        tuple((name, seconds) for seconds, name in reversed(slowest)),
    )


def _claim(store: fs.FileSystem, folder: str, engine: Engine, listing: Listing, told: str) -> None:
    """Write down what the results follow from, or refuse a folder where that is something else."""
    frames = {"count": len(listing), "sha256": listing.digest}
    about = {"format": FORMAT, "version": VERSION, "classes": engine.classes}
    key = orjson.loads(orjson.dumps({**about, **engine.settings, "frames": frames}))
    known = read_job(store, folder)
    if known is not None and known != key:
        keys = sorted(k for k in known.keys() | key.keys() if known.get(k) != key.get(k))
        rule = "the folder holds results that follow from something else: name another, or empty it"
        raise PredictionsError(rule, path=told, got=f"another {' and another '.join(keys)}")
    try:
        for part in (FRAMES, INSTANCES, CHECKPOINT):
            store.create_dir(f"{folder}/{part}", recursive=True)
        if known is None:
            with _whole(store, f"{folder}/{JOB_NAME}", renames=_renames(store)) as file:
                file.write(orjson.dumps(key, option=orjson.OPT_INDENT_2))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "the store refuses it"
        raise OutputError("cannot be written", path=told, got=reason) from None


def _missing(store: fs.FileSystem, folder: str, listing: Listing) -> tuple[pa.Table, int]:
    """The frames that are in no part yet, and how many are; what there is of parts that are not
    whole, or not noted as done, is taken away."""
    noted = parts_in(store, f"{folder}/{CHECKPOINT}").keys()
    done = {name for name in noted if not name.endswith(PENDING)}
    sides = [parts_in(store, f"{folder}/{side}").keys() for side in (FRAMES, INSTANCES)]
    names = {name.removesuffix(PENDING) for name in noted}.union(*sides)
    written: set[str] = set()
    for name in names:
        own = _frames_of(store, folder, name) if name in done else None
        written.update(own or ())
        _take_away(store, f"{folder}/{CHECKPOINT}/{name}{PENDING}.parquet")
        for part in (FRAMES, INSTANCES, CHECKPOINT) if own is None else ():
            _take_away(store, f"{folder}/{part}/{name}.parquet")
    rest = [name not in written for name in listing.table["frame"].to_pylist()]
    return listing.table.filter(pa.array(rest, pa.bool_())), len(written)


def _frames_of(store: fs.FileSystem, folder: str, name: str) -> list[str] | None:
    """The frames of a part; None where one of its files is missing or damaged."""
    try:
        frames = read_table(store, f"{folder}/{FRAMES}/{name}.parquet", FRAME)
        with store.open_input_file(f"{folder}/{INSTANCES}/{name}.parquet") as file:
            rows = parquet.read_metadata(file).num_rows
    except (PredictionsError, OSError, pa.ArrowInvalid):
        return None
    return frames["frame"].to_pylist() if rows == sum(frames["count"].to_pylist()) else None


def _take_away(store: fs.FileSystem, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        store.delete_file(path)


@contextlib.contextmanager
def connected(
    cluster: str, workers: int | None, *, threads: int = 1, device: str = "cpu"
) -> Iterator[int]:
    """A cluster to work on, and how many workers of so many threads, or of a GPU, it gets; one of
    this machine's own is ended behind it. Raises DataError where none answers."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    was_connected = ray.is_initialized()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if not was_connected and not reached(cluster):
            workers = workers or max(1, (os.cpu_count() or 1) // threads)
            # Light tasks are given cores of their own: workers take all that there are.
            many = workers * threads + 2
            with _niceness():
                ray.init(address="local", num_cpus=many, include_dashboard=False, **QUIET)
        total: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        if workers is None and device == "cpu":
            workers = max(1, int((total.get("CPU", 1) - 1) // threads))
        yield workers or max(1, int(total.get("GPU", 1)))
    finally:
        if not was_connected:
            ray.shutdown()
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)  # Ray leaves its own


@contextlib.contextmanager
def _niceness() -> Iterator[None]:
    """Workers that start run as `predict` does; Ray's own way lets everything else run first."""
    name = "RAY_worker_niceness"
    known = os.environ.get(name)
    os.environ[name] = known or "0"
    try:
        yield
    finally:
        if known is None:
            del os.environ[name]


def reached(cluster: str) -> bool:
    """Whether a cluster is connected to; False where one of this machine's own is to be started."""
    if cluster == "local":
        return False
    address = os.environ.get("RAY_ADDRESS", "auto") if cluster == "auto" else cluster
    try:
        if address != "auto":
            place = urlsplit(address if "://" in address else f"ray://{address}")
            # Ray itself tries for minutes.
            socket.create_connection((place.hostname, place.port or 10001), ANSWER_S).close()
        ray.init(address=address, **QUIET)
    except (OSError, ValueError, RuntimeError):
        if address == "auto":
            return False
        rule = "no cluster answers there"
        raise DataError(rule, where="cluster", got=address) from None
    return True


def _run(
    missing: pa.Table,
    stores: tuple[fs.FileSystem, ...],
    engine: Engine,
    store: fs.FileSystem,
    folder: str,
    workers: int,
) -> tuple[dict[str, float], list[tuple[float, str]]]:
    """Look at these frames; what the workers counted."""
    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.checkpoint_config = CheckpointConfig(
        id_column="frame",
        checkpoint_path=f"{folder}/{CHECKPOINT}",
        delete_checkpoint_on_success=False,
        override_filesystem=store,
    )
    size = min(max(missing.num_rows // PARTS, FEWEST_A_PART), MOST_A_PART)
    size = max(1, min(size, -(-missing.num_rows // (2 * workers))))
    counts: Any = ray.remote(Counts).options(num_cpus=0, max_restarts=-1).remote()
    given = ray.put(engine), ray.put(stores), counts
    takes: dict[str, Any] = {"num_cpus": engine.threads}
    if engine.device != "cpu":
        takes["num_gpus"] = 1
    with ray.data.DataContext.current(context):
        frames = ray.data.read_datasource(
            _Blocks(missing, size),
            num_cpus=LIGHT_CPUS,
            override_num_blocks=-(-missing.num_rows // size),
        )
        found = frames.map_batches(
            _Looking,
            fn_constructor_args=given,
            batch_format="pyarrow",
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=workers),
            **takes,
        )
        hashes = [_short_hash(engine.settings.get(key)) for key in ("networks", "plan")]
        sink = _Parts(folder, store, model=hashes[0], plan=hashes[1])
        with progress_bar("predicting", missing.num_rows) as bar, _followed(counts, bar):
            found.write_datasink(sink, ray_remote_args={"num_cpus": LIGHT_CPUS})
    told: tuple[dict[str, float], list[tuple[float, str]], str] = ray.get(counts.told.remote())
    return told[:2]


@contextlib.contextmanager
def _followed(counts: Any, bar: Bar) -> Iterator[None]:
    """The bar goes on with what the workers tell, four times a second."""
    over = threading.Event()

    def follow() -> None:
        shown = 0
        while not over.wait(0.25):
            with contextlib.suppress(Exception):  # the job's own end says what is wrong
                totals, _, last = ray.get(counts.told.remote(), timeout=5)
                for _ in range(int(totals.get("frames", 0)) - shown):
                    bar.advance(f"{last}, {_limit(totals)}")
                    shown += 1

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _short_hash(settings: object) -> str:
    return sha256(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _limit(totals: Mapping[str, float]) -> str:
    """Which step takes most of the workers' time."""
    step = max(STEPS, key=lambda one: totals.get(one, 0.0))
    whole = sum(totals.get(one, 0.0) for one in STEPS)
    return f"{step.removesuffix('_s')} {totals.get(step, 0.0) / whole:.0%}" if whole else ""
