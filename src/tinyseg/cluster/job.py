"""A job: many frames through workers on a Ray cluster, parts written, the same call goes on.

In: a Listing, an Engine, where the results go, and which cluster. Out: a Summary; the results lie
in parts (parts.py). A job's key is its settings and its frames: results of another key are refused.

Ray Data's checkpoint says which frames are written: a part's frames are noted as pending before
its files are written and as done behind them, and files of pending parts go when a job is taken up
again. What it does not see is done here: a part that somebody deleted or damaged is made anew
(resume.py), and frames whose worker died again and again become rows that say so (worker.py).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import ray
import ray.data
from pyarrow import fs
from ray.data.block import BlockAccessor, BlockMetadata
from ray.data.checkpoint import CheckpointConfig, CheckpointManager
from ray.data.datasource import BlockBasedFileDatasink, Datasource, ReadTask
from ray.exceptions import RayError, RayTaskError

from tinyseg.allocator import keep_freed_memory
from tinyseg.cluster.connect import connected
from tinyseg.cluster.counts import Counts, Ledger, Told, followed
from tinyseg.cluster.frames import Listing, open_store, shown
from tinyseg.cluster.parts import (
    CHECKPOINT,
    FORMAT,
    FRAMES,
    INSTANCES,
    VERSION,
    part_size,
    split,
    write_table,
)
from tinyseg.cluster.resume import claim, is_ours, missing, refused, writable
from tinyseg.cluster.worker import STEPS, Engine, Worker
from tinyseg.errors import DataError, OutputError
from tinyseg.files import check_folder
from tinyseg.progress import progress_bar

LIGHT_CPUS = 0.25
"""Of a core, for the tasks that list frames and write parts."""

ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}
"""An actor works in a thread of its process, to which glibc gives a heap of its own that returns
what is freed, whatever `keep_freed_memory` says; a frame took a sixth longer."""


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


class _Looking:
    """What Ray Data makes an actor of."""

    def __init__(self, engine: Any, stores: Any, actor: Any) -> None:
        keep_freed_memory()
        self.worker = Worker(ray.get(engine), ray.get(stores), Ledger(actor))

    def __call__(self, block: pa.Table) -> pa.Table:
        return self.worker(block)


class _Known(CheckpointManager):
    """Ray would read all that is noted once more: frames of whole parts were left out before."""

    def load_checkpoint(self, *_: Any, **__: Any) -> tuple[None, int]:
        return None, 0


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
    """Writes the two files of a part, frames last."""

    def __init__(self, folder: str, store: fs.FileSystem, *, model: str, plan: str) -> None:
        super().__init__(folder, filesystem=store, file_format="parquet")
        self.hashes = model, plan

    def write_block(self, block: BlockAccessor, block_index: int, ctx: Any) -> None:
        name = self.filename_provider.get_filename_for_task(ctx.kwargs["write_uuid"], ctx.task_idx)
        frames, instances = split(block.to_arrow(), *self.hashes)
        write_table(self.filesystem, f"{self.path}/{INSTANCES}/{name}", instances)
        write_table(self.filesystem, f"{self.path}/{FRAMES}/{name}", frames)


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
    (store, folder), told, begun = open_store(out), shown(out), time.monotonic()
    key = key_of(engine, listing)
    if store.type_name == "local":
        check_folder(Path(folder))  # before a cluster starts
    with writable(told):
        is_ours(store, folder, key, told)  # or refused
        rest, before = missing(store, folder, listing)
    done = Told()
    if rest.num_rows:
        with connected(cluster, workers, threads=engine.threads, device=engine.device) as many:
            with writable(told):
                claim(store, folder, key, told)
            try:
                done = _run(rest, listing.stores, engine, store, folder, many)
            except RayError as error:
                raise plain(error, told) from None
        with writable(told):
            left, _ = missing(store, folder, listing)
        if left.num_rows:
            rule = "frames are not written: call again, which goes on with them"
            raise OutputError(rule, path=told, got=f"{left.num_rows} of {len(listing)}")
    totals = done.totals
    return Summary(
        len(listing) - before,
        before,
        int(totals["failed"]),
        int(totals["instances"]),
        time.monotonic() - begun,
        {step: float(totals[step]) for step in STEPS},
        tuple((name, seconds) for seconds, name in reversed(done.slowest)),
    )


def key_of(engine: Engine, listing: Listing) -> dict[str, Any]:
    """What the results follow from, as it is written down."""
    frames = {"count": len(listing), "sha256": listing.digest}
    about = {"format": FORMAT, "version": VERSION, "classes": engine.classes}
    return dict(orjson.loads(orjson.dumps({**about, **engine.settings, "frames": frames})))


def plain(error: RayError, told: str) -> Exception:
    """What went wrong, without Ray's words; a fault of ours as it is."""
    cause: BaseException | None = error
    while isinstance(cause, RayTaskError):
        cause = cause.cause
    if isinstance(cause, OSError):
        return refused(cause, told)
    if isinstance(cause, RayError):
        rule = "the cluster stopped working: call again, which goes on with what is missing"
        return DataError(rule, where="cluster", got=type(cause).__name__)
    return error


def _run(
    frames: pa.Table,
    stores: tuple[fs.FileSystem, ...],
    engine: Engine,
    store: fs.FileSystem,
    folder: str,
    workers: int,
) -> Told:
    """Look at these frames; what the workers told."""
    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.checkpoint_config = CheckpointConfig(
        id_column="frame",
        checkpoint_path=f"{folder}/{CHECKPOINT}",
        delete_checkpoint_on_success=False,
        override_filesystem=store,
        checkpoint_manager_cls=_Known,
    )
    size = part_size(frames.num_rows, workers)
    counts: Any = ray.remote(Counts).options(num_cpus=0, max_restarts=-1).remote()
    given = ray.put(engine), ray.put(stores), counts
    takes: dict[str, Any] = {"num_cpus": engine.threads, "runtime_env": {"env_vars": ONE_HEAP}}
    if engine.device != "cpu":
        takes["num_gpus"] = 1
    with ray.data.DataContext.current(context):
        read = ray.data.read_datasource(
            _Blocks(frames, size),
            num_cpus=LIGHT_CPUS,
            override_num_blocks=-(-frames.num_rows // size),
        )
        found = read.map_batches(
            _Looking,
            fn_constructor_args=given,
            batch_format="pyarrow",
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=workers),
            **takes,
        )
        hashes = [_short_hash(engine.settings.get(key)) for key in ("networks", "plan")]
        sink = _Parts(folder, store, model=hashes[0], plan=hashes[1])
        with progress_bar("predicting", frames.num_rows) as bar, followed(counts, bar):
            found.write_datasink(sink, ray_remote_args={"num_cpus": LIGHT_CPUS})
    told: Told = ray.get(counts.tell.remote())
    return told


def _short_hash(settings: object) -> str:
    return sha256(orjson.dumps(settings, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
