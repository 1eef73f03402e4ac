"""The run: a flat loop over batches that leaves weights, a log of every step, and checkpoints.

    RUN/recipe.yaml  weights.safetensors  log.jsonl  evaluations.jsonl  checkpoints/  tensorboard/

`weights.safetensors` is what to predict with: averaged if the recipe says so, and once there was an
evaluation the best on the validation frames; with the location prior if the run read its labels. A
run that was killed goes on from its newest good checkpoint and ends with the same bytes. A loss or
gradient that is not finite stops the run before the step; its batch is named in `stopped.json`.

Ctrl-C, or SIGTERM from a scheduler, lets the running step end: the loop asks after each step, saves
a checkpoint and ends. A second signal ends at once: the last checkpoint stands all the same.
"""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
import torch
import yaml
from lightning.fabric import Fabric

from tinyseg.errors import OutputError, TinysegError, TrainingError
from tinyseg.files import make_folder, write_whole
from tinyseg.model import Detector
from tinyseg.networks import save_weights
from tinyseg.recipes import Recipe
from tinyseg.stored import WEIGHTS_NAME
from tinyseg.training.batches import Batch, FrameStore, Portion, batches, make_sample
from tinyseg.training.checkpoint import FOLDER, Checkpoint, has_checkpoints, save_checkpoint
from tinyseg.training.launch import from_all_processes, is_lost_process
from tinyseg.training.learner import Learner, NotFiniteError
from tinyseg.training.log import EVALUATIONS_NAME, LOG_NAME, RECIPE_NAME, Board, Lines, StepReport
from tinyseg.training.sampler import shape_of
from tinyseg.training.validation import Validate, selection_score
from tinyseg.views import LocationPrior


class StopWish:
    """Listens while it is entered; does nothing outside the main thread."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopWish":
        """Take over the signals."""
        if threading.current_thread() is threading.main_thread():
            for one in (signal.SIGINT, signal.SIGTERM):
                self._before[one] = signal.signal(one, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        """Give them back."""
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


STOPPED_NAME = "stopped.json"


def train(
    detector: Detector,
    recipe: Recipe,
    frames: FrameStore,
    out: Path,
    *,
    fabric: Fabric,
    on_step: Callable[[StepReport], None],
    validate: Validate | None = None,
    start: Checkpoint | None = None,
) -> None:
    """Train the detector in place, from `start` on if that is given: then `out` is its folder.

    KeyboardInterrupt leaves the loop once weights and a checkpoint are saved.
    """
    if not frames.items:
        raise TrainingError("there is no frame to learn from", path=out)
    rules, first = recipe.train, 0 if start is None else start.step
    if start is None and fabric.is_global_zero:
        open_folder(out, recipe)
    fabric.barrier()
    learner = Learner(detector, recipe, fabric)
    if start is not None:
        learner.restore(start, out)
    portion = Portion(fabric.global_rank, fabric.world_size, rules.accumulate)
    coming = batches(frames, recipe, fabric.device, first=first, last=rules.steps, portion=portion)
    best = None if start is None else start.best
    with (
        Keeper(out, learner, first=first, best=best, prior=frames.draws.prior) as keeper,
        closing(coming),
        StopWish() as wish,
    ):
        if start is None:
            keeper.save(0)
        for step in range(first, rules.steps):
            started = time.perf_counter()
            parts = list(islice(coming, rules.accumulate))
            waited = time.perf_counter() - started
            with named(step, parts, fabric, out):
                taken = learner.take_step(step, parts, stop=wish.asked)
            report = StepReport(
                step=step,
                losses=taken.losses,
                total=sum(taken.losses.values()),
                gradient_norm=taken.gradient_norm,
                learning_rate=taken.learning_rate,
                images=rules.batch * rules.accumulate * fabric.world_size,
                step_s=time.perf_counter() - started,
                data_wait_s=waited,
                memory_mb=memory_mb(fabric.device),
                frames=[name for part in parts for name in part.names],
            )
            keeper.note(report)
            on_step(report)
            done, last = step + 1, step + 1 == rules.steps
            if rules.picture_every and done % rules.picture_every == 0:
                keeper.show(step, frames)
            if validate is not None and (last or done % rules.evaluate_every == 0):
                keeper.evaluate(done, validate)
            if last or taken.stop or done % rules.save_every == 0:
                keeper.save_usable()
                keeper.save(done)  # last, so that all that stands at this step is on the disk
            if taken.stop and not last:
                raise KeyboardInterrupt


class Keeper:
    """The run's folder, written by the first process alone; the others' calls do nothing."""

    def __init__(
        self,
        out: Path,
        learner: Learner,
        *,
        first: int,
        best: float | None,
        prior: LocationPrior | None = None,
    ) -> None:
        self._out, self._learner, self._best, self._prior = out, learner, best, prior
        self._writes = learner.fabric.is_global_zero
        if self._writes:
            self._log = Lines(out / LOG_NAME, first=first)
            self._evaluations = Lines(out / EVALUATIONS_NAME, first=first)
            self._board = Board(out, first=first)

    def __enter__(self) -> "Keeper":
        """Open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Close all; a run that ends early leaves weights if the disk takes them."""
        if not self._writes:
            return
        hidden = () if kind is None else (KeyboardInterrupt, TinysegError)
        if kind is not None:
            with suppress(*hidden):  # must not hide why the run ended
                self.save_usable()
        for file in (self._log, self._evaluations, self._board):
            with suppress(*hidden):
                file.close()

    def note(self, report: StepReport) -> None:
        """A step into the log and the curves."""
        if self._writes:
            self._log.add(report)
            self._board.add_step(report)

    def show(self, step: int, frames: FrameStore) -> None:
        """The first view of the step, made again, as a picture."""
        if not self._writes:
            return
        recipe, portion = self._learner.recipe, self._learner.fabric.world_size
        index = step * recipe.train.batch * recipe.train.accumulate * portion
        shape = shape_of(step, recipe.sampling, recipe.train.seed)
        view = make_sample(frames, index, shape, recipe)
        self._board.add_picture(step, view, self._learner.usable(), recipe.classes)

    def evaluate(self, done: int, validate: Validate) -> None:
        """Scores after `done` steps; the best so far become the weights to predict with."""
        if not self._writes:
            return
        network = self._learner.usable()
        averages = validate(network)
        self._evaluations.add({"step": done - 1, "averages": averages})
        self._board.add_scores(done - 1, averages)
        if self._best is None or selection_score(averages) >= self._best:  # later if alike
            self._best = selection_score(averages)
            self._write(network)

    def save(self, done: int) -> None:
        """A checkpoint after `done` steps, whose log is on the disk before it."""
        if not self._writes:
            return
        self._log.sync()
        self._evaluations.sync()
        checkpoint = self._learner.checkpoint(done, self._best)
        save_checkpoint(self._out, checkpoint, keep=self._learner.recipe.train.keep)

    def save_usable(self) -> None:
        """The weights to predict with, as long as no evaluation has chosen any."""
        if self._writes and self._best is None:
            self._write(self._learner.usable())

    def _write(self, network: Detector) -> None:
        path, recipe = self._out / WEIGHTS_NAME, self._learner.recipe
        save_weights(path, network, recipe, prior=self._prior)


@contextmanager
def named(step: int, parts: list[Batch], fabric: Fabric, out: Path) -> Iterator[None]:
    """A step that cannot be taken is told with the frames of its batch, and written down; one that
    another process left, with how to go on."""
    try:
        yield
    except NotFiniteError as error:
        frames = from_all_processes(fabric, [name for part in parts for name in part.names])
        told = error.at(where=f"step {step}, frames {frames}")
        if fabric.is_global_zero:
            note = {"step": step, "frames": frames, "why": str(told)}
            with suppress(OutputError):
                write_whole(out / STOPPED_NAME, orjson.dumps(note, option=orjson.OPT_INDENT_2))
        raise told from None
    except RuntimeError as error:
        if not is_lost_process(error, fabric):
            raise
        rule = "another process of the run is gone, with its machine or alone"
        expected = "the same torchrun on every machine, with --resume: it goes on from a checkpoint"
        raise TrainingError(rule, path=out, where=f"step {step}", expected=expected) from None


def check_folder(out: Path) -> None:
    """Refuses a folder with another run's weights; makes none."""
    if (out / WEIGHTS_NAME).exists() or has_checkpoints(out):
        rule = "the folder holds another run's weights"
        raise TrainingError(rule, path=out, expected="a new folder, or the run to be resumed")


def open_folder(out: Path, recipe: Recipe) -> None:
    """The run's folder with its recipe; an earlier run's files are not overwritten."""
    make_folder(out)
    check_folder(out)
    write_whole(out / RECIPE_NAME, yaml.safe_dump(recipe.model_dump(mode="json")).encode())
    make_folder(out / FOLDER)


def memory_mb(device: torch.device) -> float:
    """The most that was held so far: of a GPU's memory, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 2**10 if os.uname().sysname == "Linux" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
