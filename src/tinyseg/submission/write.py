"""Predictions -> a submission file, frame by frame, whole or not at all.

In: frames in native pixels, in any class list. Out: the file, and what became of the instances.
Left out and counted: scores under the cut or 0, classes that the challenge does not score,
instances without a pixel of their own. Refused: a frame of another size than its picture, one that
is no test picture, and one that comes twice.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tinyseg import masks as mask_ops
from tinyseg.errors import MaskError, PredictionsError
from tinyseg.files import whole_file
from tinyseg.labels import WAD_IDS, index_of
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.submission import spans
from tinyseg.submission.pictures import Pictures
from tinyseg.submission.row import row_to_text
from tinyseg.submission.rules import HEADER


@dataclass(frozen=True, slots=True)
class Cuts:
    """What is left out: scores below the least; where `exclusive`, pixels a better one has too."""

    min_score: float = 0.0
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the instances, and which of the test pictures have no predictions."""

    frames: int
    rows: int
    under_score: int
    other_classes: int
    without_pixel: int
    missing: tuple[str, ...]


def write_submission(
    path: Path,
    predictions: Iterable[Predictions],
    pictures: Pictures | None = None,
    *,
    cuts: Cuts | None = None,
    meet: Callable[[str], None] = lambda name: None,
) -> Written:
    """Write the frames in their order, an instance a row, best first; `meet` is told each name.

    Raises PredictionsError as above, and OutputError where the file cannot be written; the path
    then holds what it held before.
    """
    writer = _Writer(pictures or Pictures(), cuts or Cuts())
    with whole_file(path) as file:
        file.write(f"{HEADER}\n".encode())
        for given in predictions:
            for frame in given.frames:
                file.write(writer.text(frame, given.classes).encode())
                meet(frame.name)
    return writer.written()


class _Writer:
    """Turns frames into rows, and counts what it leaves out."""

    def __init__(self, pictures: Pictures, cuts: Cuts) -> None:
        self.pictures, self.cuts = pictures, cuts
        self.names: dict[str, str] = {}
        self.rows = self.under_score = self.other_classes = self.without_pixel = 0

    def text(self, frame: FramePredictions, classes: tuple[str, ...]) -> str:
        """The frame's rows."""
        where = f"frame {frame.name!r}"
        image_id = self.pictures.image_id(frame.name)
        if image_id in self.names:
            rule, got = "a picture's predictions come once", f"{self.names[image_id]!r} before"
            raise PredictionsError(rule, where=where, got=got)
        self.names[image_id] = frame.name
        expected = self.pictures.hw(image_id)
        if frame.hw != expected:
            rule = "predictions are made on the test picture's own pixels (height, width)"
            raise PredictionsError(rule, where=where, expected=expected, got=frame.hw)
        scored = np.array([number > 0 for number in _label_ids(classes)])[frame.instances.labels]
        sure = (frame.instances.scores >= self.cuts.min_score) & (frame.instances.scores > 0)
        self.other_classes += int((~scored).sum())
        self.under_score += int((scored & ~sure).sum())
        order = np.argsort(-frame.instances.scores, kind="stable")
        found = frame.instances.select(order[(scored & sure)[order]])
        try:
            runs = mask_ops.to_row_runs(found.masks, frame.hw)
        except MaskError as error:
            raise PredictionsError(error.rule, where=where, got=error.got) from error
        if self.cuts.exclusive:
            runs = spans.exclusive(runs)
        label_ids = [_label_ids(classes)[label] for label in found.labels.tolist()]
        columns = zip(label_ids, found.scores.tolist(), runs, strict=True)
        rows = [row_to_text(image_id, *fields) for fields in columns if len(fields[2][0])]
        self.rows += len(rows)
        self.without_pixel += len(found) - len(rows)
        return "".join(rows)

    def written(self) -> Written:
        """What became of all."""
        left_out = (self.under_score, self.other_classes, self.without_pixel)
        missing = tuple(self.pictures.missing(self.names))
        return Written(len(self.names), self.rows, *left_out, missing)


@cache
def _label_ids(classes: tuple[str, ...]) -> tuple[int, ...]:
    """The challenge's id of each class, 0 where it scores none of this name."""
    ids = {index_of(name, classes): number for number, name in WAD_IDS.items()}
    return tuple(ids.get(index, 0) for index in range(len(classes)))
