"""A run's curves and pictures for TensorBoard, in RUN/tensorboard.

Scalars of every step; scores of every evaluation; and pictures: a view as it is learnt from, with
its labels dotted, what is not judged hatched, and what the network finds in it.
"""

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch.utils.tensorboard import SummaryWriter

from tinyseg.errors import TrainingError
from tinyseg.evaluate.score import Averages
from tinyseg.frame import Frame
from tinyseg.model.detector import Detector
from tinyseg.report.overlay import draw_overlay
from tinyseg.train.log import StepReport

NAME = "tensorboard"


class Board:
    """Writes what happens at each step; a run that goes on hides what came after its start."""

    def __init__(self, run: Path, *, first: int) -> None:
        try:
            self._writer = SummaryWriter(str(run / NAME), purge_step=first)
        except OSError as error:
            rule = "TensorBoard's files cannot be written"
            raise TrainingError(rule, path=run, got=error) from None

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
            self._writer.add_scalar(name, value, report.step)

    def add_scores(self, step: int, averages: Averages) -> None:
        """Average precision on the validation frames; what they have no label for is left out."""
        for field in fields(averages):
            value = float(getattr(averages, field.name))
            if not np.isnan(value):
                self._writer.add_scalar(f"validation/{field.name}", value, step)

    def add_picture(
        self, step: int, view: Frame, detector: Detector, classes: tuple[str, ...]
    ) -> None:
        """One view, with labels and findings."""
        picture = look(view, detector, classes)
        self._writer.add_image("view", picture, step, dataformats="HWC")

    def close(self) -> None:
        """The end; what was written stays."""
        self._writer.close()


def look(
    view: Frame, detector: Detector, classes: tuple[str, ...]
) -> UInt8[np.ndarray, "_height _width 3"]:
    """The view with what the network, in evaluation mode, finds in it and what is labelled."""
    pixels = torch.from_numpy(np.ascontiguousarray(view.image.transpose(2, 0, 1)))[None]
    (found,) = detector.detect(pixels.to(detector.mean.device))
    return draw_overlay(
        view.image, found, classes, ignore=view.ignore, truth=view.instances, strip=False
    )
