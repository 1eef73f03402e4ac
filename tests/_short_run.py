"""Short runs in processes of their own, which tests may kill, and folders that save all the time.

Imported by the tests and, before any of them starts, by the server that the processes fork from.
"""

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from _small_frames import items
from _tiny_network import TINY

import tinyseg.training.loop
import tinyseg.training.validation
from tinyseg.cli import app
from tinyseg.errors import TrainingError
from tinyseg.networks import build_detector
from tinyseg.recipes import Recipe, find_recipe, with_settings
from tinyseg.training.batches import FrameStore
from tinyseg.training.checkpoint import (
    Checkpoint,
    newest_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from tinyseg.training.launch import launch_processes
from tinyseg.training.log import LOG_NAME, TIMES, StepReport

STEPS = 10
PATIENCE_S = 400.0
SMALL = (
    *TINY,
    "sampling.view=64",
    "train.warm_up=3",
    "train.ema=0.9",
    "train.mixed=false",
    "train.save_every=2",
    "train.picture_every=4",
    f"train.steps={STEPS}",
)
BOTH = ("classes=[car, person]", *SMALL)


def small_recipe(*settings: str) -> Recipe:
    return with_settings(find_recipe("lite"), [*BOTH, *settings])


def server() -> Any:
    """Processes that fork from a server with everything imported: a start costs nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["_short_run"])
    own = [str(Path(__file__).parent), str(Path(tinyseg.__file__).parents[1])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(own))  # for the server's own imports
        ensure_running()
    return context


def start(target: Callable[..., None], *words: object) -> BaseProcess:
    process: BaseProcess = server().Process(target=target, args=words)
    process.start()
    return process


def finish(process: BaseProcess) -> None:
    process.join(PATIENCE_S)
    assert process.exitcode == 0, process.exitcode


def start_or_go_on(data: Path, run: Path, seed: int = 0) -> None:
    """The command line's run of STEPS steps, from the start or from where it was cut off."""
    torch.set_num_threads(1)
    words = ["train", "--resume", str(run)]
    if not (run / "run.json").exists():
        settings = [w for s in (*SMALL, f"train.seed={seed}") for w in ("--set", s)]
        words = ["train", "--data", str(data), "--out", str(run), *settings]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    app([*words, "--device", "cpu"], standalone_mode=False)


def result(run: Path) -> tuple[Checkpoint, list[dict[str, Any]]]:
    """A finished run's last checkpoint, and its log without the times."""
    rows = [orjson.loads(line) for line in (run / LOG_NAME).read_bytes().splitlines()]
    kept = [{name: row[name] for name in row if name not in TIMES} for row in rows]
    return read_checkpoint(run / "checkpoints" / f"step-{STEPS:06d}"), kept


def numbered(step: int) -> Checkpoint:
    """A checkpoint whose tensors say which step it is of."""
    weights = {"a": torch.full((50_000,), float(step)), "b": torch.full((3, 5), float(step))}
    return Checkpoint(step, weights, None, {"step/a": torch.tensor(float(step))}, {}, None)


def save_for_ever(run: Path, first: int) -> None:
    """One checkpoint after another; the last that was saved is noted in a file."""
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    (run / "begun").touch()
    for step in range(first, 10**6):
        save_checkpoint(run, numbered(step), keep=2)
        with (run / "noted").open("a") as file:
            file.write(f"{step}\n")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def torchrun_names(rank: int, world: int, port: int, *, nodes: int = 1) -> dict[str, str]:
    """What torchrun puts into the environment of one process; each of several nodes has one, and
    the first of them an address of its own."""
    local = world // nodes
    counts = {"WORLD_SIZE": world, "LOCAL_WORLD_SIZE": local, "GROUP_WORLD_SIZE": nodes}
    places = {"RANK": rank, "LOCAL_RANK": rank % local, "GROUP_RANK": rank // local}
    numbers = {k: str(v) for k, v in (counts | places | {"MASTER_PORT": port}).items()}
    address = "127.0.0.1" if nodes == 1 else "127.0.0.2"
    return numbers | {"MASTER_ADDR": address, "TORCHELASTIC_RUN_ID": "test"}


def stop_itself(folder: Path, run: Path) -> None:
    """A run of small frames that gets SIGTERM from itself after step 2. Ends well where the run
    ends by it, and gives the signal back."""

    def stop(report: StepReport) -> None:
        if report.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    torch.set_num_threads(1)
    recipe = small_recipe("train.save_every=100")
    frames = FrameStore(items(folder))
    fabric = launch_processes(torch.device("cpu"))
    with pytest.raises(KeyboardInterrupt):
        tinyseg.training.loop.train(
            build_detector(recipe), recipe, frames, run, fabric=fabric, on_step=stop
        )
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def train_in_double(
    folder: Path,
    run: Path,
    settings: Sequence[str],
    environment: dict[str, str],
    dies_at: int | None = None,
) -> None:
    """A run of small frames in float64, as one of the processes that the environment tells, from
    its newest checkpoint on if it has one; where an error of ours ends it, that is written down.
    After the step `dies_at` it is killed."""

    def die_if_due(report: StepReport) -> None:
        if report.step == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    os.environ.update(environment)
    torch.set_num_threads(1)
    recipe = small_recipe(*settings)
    torch.manual_seed(0)
    detector = build_detector(recipe).double()
    try:
        tinyseg.training.loop.train(
            detector,
            recipe,
            FrameStore(items(folder)),
            run,
            fabric=launch_processes(torch.device("cpu")),
            on_step=die_if_due,
            start=newest_checkpoint(run).checkpoint,
        )
    except TrainingError as error:
        (run / f"error-{environment.get('RANK', 0)}").write_text(str(error))
        os._exit(2)  # as a launcher ends what is left
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def main() -> None:
    """Under torchrun: folder, run, settings."""
    import sys

    with suppress(KeyboardInterrupt):
        train_in_double(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:], {})


if __name__ == "__main__":
    main()
