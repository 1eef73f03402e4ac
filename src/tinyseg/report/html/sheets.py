"""A frame with its labels, and what each run found on it -> its Sheet: outlines and pixels.

The kinds of errors come with the pairs they were decided on; nothing is judged here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg import masks as mask_ops
from tinyseg.frame import Frame, Instances
from tinyseg.report.html.outlines import outlines
from tinyseg.report.html.pictures import picture_of
from tinyseg.report.html.records import Box, Detected, Fate, Labelled, Outlined, Sheet
from tinyseg.scoring import ERRORS, ErrorKind, FrameErrors, FramePairs, Sides

MOST_DRAWN = 300
"""Detections of a frame that are drawn, the best ones."""

NATIVE_AREA = 96**2
"""Larger objects are seen well enough at half resolution."""


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """What one run found on a frame, its pairs with the labels, and the verdicts on both."""

    instances: Instances
    pairs: FramePairs
    errors: FrameErrors


def sheet_of(frame: Frame, runs: Sequence[JudgedFrame], *, floor: float, max_bytes: int) -> Sheet:
    """The frame for the page; detections under score `floor` are left out."""
    truth = _truth(frame, runs)
    found = tuple(_found(run, frame.hw, floor) for run in runs)
    boxes, worth = _worth(truth, found)
    ignored = outlines(mask_ops.union(frame.ignore), frame.hw)[0] if len(frame.ignore) else ""
    return Sheet(
        frame.name,
        frame.hw,
        picture_of(frame.image, boxes, worth, max_bytes=max_bytes),
        ignored,
        truth,
        found,
    )


def _truth(frame: Frame, runs: Sequence[JudgedFrame]) -> tuple[Labelled, ...]:
    shapes = _shapes(frame.instances, runs[0].pairs.truth, frame.hw)
    fates = [_fates(run.errors.truth, run.errors.taker, run.pairs.iou.T) for run in runs]
    return tuple(Labelled(shape, tuple(own)) for shape, *own in zip(shapes, *fates, strict=True))


def _found(run: JudgedFrame, hw: tuple[int, int], floor: float) -> tuple[Detected, ...]:
    """The best detections from `floor` on, the lowest score first: the best is drawn on top."""
    shapes = _shapes(run.instances, run.pairs.found, hw)
    fates = _fates(run.errors.found, run.errors.target, run.pairs.iou)
    rows = zip(shapes, run.pairs.found.scores.tolist(), fates, strict=True)
    return tuple(reversed([Detected(*row) for row in rows if row[1] >= floor][:MOST_DRAWN]))


def _fates(
    kinds: Int64[np.ndarray, " rows"],
    partners: Int64[np.ndarray, " rows"],
    iou: Float64[np.ndarray, "rows others"],
) -> list[Fate]:
    """Each row's kind, and its IoU with its partner; with whatever is nearest if it has none."""
    nearest = iou.max(axis=1, initial=0.0)
    own = np.append(iou, nearest[:, None], axis=1)[np.arange(len(kinds)), partners]
    return [
        Fate(ErrorKind(kind), value)
        for kind, value in zip(kinds.tolist(), own.tolist(), strict=True)
    ]


def _shapes(instances: Instances, side: Sides, hw: tuple[int, int]) -> list[Outlined]:
    paths = outlines(instances.masks.select(side.index), hw)
    rows = zip(side.labels.tolist(), side.boxes, side.areas.tolist(), paths, strict=True)
    return [Outlined(label, _whole(box), round(area), path) for label, box, area, path in rows]


def _whole(box: Float64[np.ndarray, " 4"]) -> Box:
    x0, y0, x1, y1 = box.astype(int).tolist()
    return x0, y0, x1, y1


def _weight(fate: Fate) -> float:
    return 2.0 if fate.kind in ERRORS else 1.0


def _worth(
    truth: Sequence[Labelled], found: Sequence[Sequence[Detected]]
) -> tuple[Float64[np.ndarray, "n 4"], Float64[np.ndarray, " n"]]:
    """Boxes, and how much native pixels are worth there: errors twice, guesses by their score."""
    rows: list[tuple[Outlined, float]] = []
    for label in truth:
        rows.append((label.shape, max(_weight(fate) for fate in label.fates)))
    for run in found:
        rows += [(one.shape, one.score * _weight(one.fate)) for one in run]
    boxes = np.array([shape.box for shape, _ in rows], np.float64).reshape(len(rows), 4)
    worth = np.array([w if shape.area <= NATIVE_AREA else 0.0 for shape, w in rows], np.float64)
    return boxes, worth
