"""What a run writes down of each step: RUN/log.jsonl for programs, RUN/tensorboard for people.

A line of log.jsonl is the step's losses and times; evaluations have a file of the same kind. A run
that goes on from a checkpoint first cuts both back to the checkpoint's step, so that its log is
that of a run that never stopped, but for the fields in `TIMES`.

TensorBoard gets scalars of every step; scores of every evaluation; and pictures: a view as it is
learnt from, with its labels dotted, what is not judged hatched, and what the network finds in it.
Events are written in the step itself: TensorBoard's own writer does it in a thread, where a full
disk is lost.
"""

import os
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import torch
from jaxtyping import UInt8
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from tinyseg.files import write_whole, writing
from tinyseg.frame import Frame
from tinyseg.model import Detector
from tinyseg.report import draw_overlay
from tinyseg.scoring import Averages

RECIPE_NAME = "recipe.yaml"
LOG_NAME = "log.jsonl"
EVALUATIONS_NAME = "evaluations.jsonl"
TIMES = ("step_s", "data_wait_s", "memory_mb")
"""Fields of a step's line that differ from run to run."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did; losses are means over all processes, frames those of the first one."""

    step: int
    losses: dict[str, float]
    total: float
    gradient_norm: float
    learning_rate: float
    images: int
    """Views that all processes learnt from in this step."""
    step_s: float
    data_wait_s: float
    memory_mb: float
    """The most that was held so far: of the GPU's memory, or of the process."""
    frames: list[str]


class Lines:
    """A file of JSON lines that grows; refuses nothing but a disk that does not take them."""

    def __init__(self, path: Path, *, first: int) -> None:
        """Open the file, cut back to the lines of steps before `first`."""
        self._path = path
        with writing(path):
            _cut(path, first)
            self._file = path.open("ab")

    def add(self, row: Any) -> None:
        """One line; a record or a dict with its step."""
        with writing(self._path):
            self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def sync(self) -> None:
        """Put what was added on the disk."""
        with writing(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """The end; the lines stay."""
        with writing(self._path):
            self._file.close()


def _cut(path: Path, first: int) -> None:
    """Keep the whole lines of the steps before `first`; a killed run may have left half a line."""
    if not path.exists():
        return
    data = path.read_bytes()
    kept = b"".join(line for line in data.splitlines(keepends=True) if _is_before(line, first))
    if kept != data:
        write_whole(path, kept)


def _is_before(line: bytes, first: int) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        return orjson.loads(line)["step"] < first
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False


NAME = "tensorboard"
FLUSH_EVERY = 10
"""Steps that a reader of the curves may be behind."""


class Board:
    """Writes what happens at each step; a run that goes on hides what came after its start."""

    def __init__(self, run: Path, *, first: int) -> None:
        self._run = run
        with writing(run / NAME):
            (run / NAME).mkdir(exist_ok=True)
            self._file = (run / NAME / f"events.out.tfevents.{time.time_ns()}").open("xb")
        self._records = RecordWriter(self._file)
        self._add(Event(wall_time=time.time(), file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.START)
        self._add(Event(wall_time=time.time(), step=first, session_log=start))

    def add_step(self, report: StepReport) -> None:
        """Losses, gradient, learning rate, and speed."""
        values = {f"loss/{name}": value for name, value in report.losses.items()}
        values |= {
            "loss/total": report.total,
            "step/gradient_norm": report.gradient_norm,
            "step/learning_rate": report.learning_rate,
            "step/images_per_s": report.images / report.step_s,
            "step/data_wait_frac": report.data_wait_s / report.step_s,
            "step/memory_mb": report.memory_mb,
        }
        for name, value in values.items():
            self._add_value(report.step, Summary.Value(tag=name, simple_value=value))

    def add_scores(self, step: int, averages: Averages) -> None:
        """Average precision on the validation frames; what they have no label for is left out."""
        for field in fields(averages):
            value = float(getattr(averages, field.name))
            if not np.isnan(value):
                named = f"validation/{field.name}"
                self._add_value(step, Summary.Value(tag=named, simple_value=value))

    def add_picture(
        self, step: int, view: Frame, detector: Detector, classes: tuple[str, ...]
    ) -> None:
        """One view, with labels and findings."""
        picture = look(view, detector, classes)
        height, width, channels = picture.shape
        encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
        image = Summary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=encoded
        )
        self._add_value(step, Summary.Value(tag="view", image=image))

    def close(self) -> None:
        """The end; what was written stays."""
        with writing(self._run / NAME):
            self._file.close()

    def _add_value(self, step: int, value: Any) -> None:
        self._add(Event(wall_time=time.time(), step=step, summary=Summary(value=[value])))
        if step % FLUSH_EVERY == 0:
            with writing(self._run / NAME):
                self._file.flush()

    def _add(self, event: Any) -> None:
        with writing(self._run / NAME):
            self._records.write(event.SerializeToString())


def look(
    view: Frame, detector: Detector, classes: tuple[str, ...]
) -> UInt8[np.ndarray, "_height _width 3"]:
    """The view with what the network, in evaluation mode, finds in it and what is labelled."""
    pixels = torch.from_numpy(np.ascontiguousarray(view.image.transpose(2, 0, 1)))[None]
    (found,) = detector.detect(pixels.to(detector.mean.device))
    return draw_overlay(
        view.image, found, classes, ignore=view.ignore, truth=view.instances, strip=False
    )
