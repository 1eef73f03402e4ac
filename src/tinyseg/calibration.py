"""Score calibration: a model's scores -> the share of such detections that are right.

In: predictions and labels of a validation set. A detection is right where it is matched to an
object of its class at mask IoU .5, best score first, each object once; one that lies on the ignore
region, or whose class the data set does not label, counts for neither. Out: a curve a model, so
that scores of several models mean the same before they are merged: p = 1 / (1 + exp(-z)) with
z = slope * log(s / (1 - s)) + offset + offset of the class, Platt's scaling (Platt 1999,
Probabilistic outputs for support vector machines, with its smoothed targets; the fit is Newton's
method, as Lin, Lin and Weng 2007). A class has an offset of its own as far as its detections speak
for one: it is drawn to 0 by a normal prior. The slope is positive, so no order within a class
changes. Refused: scores that fall where the share of right ones rises.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64
from pydantic import BaseModel, ConfigDict, PositiveFloat

from tinyseg import masks as mask_ops
from tinyseg.checked import checked
from tinyseg.errors import DataError
from tinyseg.files import write_whole
from tinyseg.frame import FrameLabels, Instances

MATCH_IOU = 0.5
IGNORED_SHARE = 0.5
"""A detection without a match, so much of which lies on the ignore region, is not judged."""

EDGE = 1e-6
"""Scores are kept this far from 0 and 1, where their log-odds end."""

RIDGE = 1e-3
"""Weight of (slope - 1)^2 / 2 in the fit: the slope of scores that are all alike is 1."""

CLASS_RIDGE = 1.0
"""The same of each class's own offset: before any detection, two thirds lie within 1 of 0."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores and class indices of detections, and which of them are right."""

    scores: Float64[np.ndarray, " n"]
    right: Bool[np.ndarray, " n"]
    labels: Int64[np.ndarray, " n"]

    @staticmethod
    def concatenate(parts: Iterable["Judged"]) -> "Judged":
        """All of all parts, in order."""
        found = list(parts)
        return Judged(
            np.concatenate([np.zeros(0), *(p.scores for p in found)]),
            np.concatenate([np.zeros(0, np.bool_), *(p.right for p in found)]),
            np.concatenate([np.zeros(0, np.int64), *(p.labels for p in found)]),
        )


class Calibration(BaseModel):
    """p = sigmoid(slope * log-odds(score) + offset + the class's own offset)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal["tinyseg-calibration/1", "tinyseg-calibration/2"] = "tinyseg-calibration/2"
    """The first had no offsets of classes."""
    slope: PositiveFloat = 1.0
    offset: float = 0.0
    classes: dict[str, float] = {}
    """Offsets of classes by name; of others 0."""
    right: int = 0
    wrong: int = 0
    """How many detections of each kind it was fitted on."""

    def __call__(
        self,
        scores: Float64[np.ndarray, " n"],
        labels: Int64[np.ndarray, " n"],
        classes: Sequence[str],
    ) -> Float64[np.ndarray, " n"]:
        """Calibrated scores; `labels` are indices into the names of `classes`. Within a class the
        order of size stays."""
        own = np.array([self.classes.get(name, 0.0) for name in classes])
        return _sigmoid(self.slope * _log_odds(scores) + self.offset + own[labels])


def calibrated(judged: Judged, calibration: Calibration, classes: Sequence[str]) -> Judged:
    """The same detections with calibrated scores."""
    return replace(judged, scores=calibration(judged.scores, judged.labels, classes))


def right_or_wrong(found: Instances, labels: FrameLabels) -> Judged:
    """Which instances of one frame are right; those on its ignore region are left out, and those of
    classes that it does not label."""
    order = np.argsort(-found.scores, kind="stable")
    found = found.select(order)
    right = np.zeros(len(found), np.bool_)
    for label in np.unique(found.labels).tolist():
        mine = np.flatnonzero(found.labels == label)
        objects = labels.instances.masks.select(labels.instances.labels == label)
        right[mine] = _matched(mask_ops.iou(found.masks.select(mine), objects))
    ignored = mask_ops.share_inside(found.masks, labels.ignore) >= IGNORED_SHARE
    labelled = ~np.isin(found.labels, sorted(labels.unlabelled))
    kept = (right | ~ignored) & labelled
    return Judged(found.scores[kept], right[kept], found.labels[kept])


def _matched(iou: Float64[np.ndarray, "n m"]) -> Bool[np.ndarray, " n"]:
    """Each row in turn takes the free column it agrees with best, if that is enough."""
    free = iou.copy()
    right = np.zeros(len(iou), np.bool_)
    if iou.shape[1] == 0:
        return right
    for row in range(len(iou)):
        best = int(free[row].argmax())
        if free[row, best] >= MATCH_IOU:
            right[row] = True
            free[:, best] = -1.0
    return right


def fit(judged: Judged, classes: Sequence[str]) -> Calibration:
    """The calibration with the least log loss on these detections of the named classes.

    Raises DataError without a detection of each kind, or where higher scores are less often right.
    """
    right, wrong = int(judged.right.sum()), int((~judged.right).sum())
    if not (right and wrong):
        rule = "calibration needs right and wrong detections"
        raise DataError(rule, got=f"{right} right, {wrong} wrong")
    target = np.where(judged.right, (right + 1) / (right + 2), 1 / (wrong + 2))
    met = np.unique(judged.labels)
    own = (judged.labels[:, None] == met).astype(np.float64)
    inputs = np.column_stack([_log_odds(judged.scores), np.ones(len(target)), own])
    slope, offset, *offsets = _minimise(inputs, target)
    if slope <= 0:
        rule = "scores must not fall where more detections are right"
        raise DataError(rule, expected="a slope above 0", got=f"{slope:.4g}")
    named = {classes[label]: value for label, value in zip(met, offsets, strict=True)}
    return Calibration(slope=slope, offset=offset, classes=named, right=right, wrong=wrong)


def log_loss(judged: Judged) -> float:
    """Mean of -log of the probability given to what came out, in nats."""
    scores = judged.scores.clip(EDGE, 1 - EDGE)
    return float(-np.log(np.where(judged.right, scores, 1 - scores)).mean())


def calibration_error(judged: Judged) -> float:
    """Expected calibration error (Naeini et al. 2015): how far the share of right ones is from the
    mean score, over ten ranges of score, each by its number of detections."""
    place = np.minimum((judged.scores * 10).astype(np.int64), 9)
    apart = np.bincount(place, weights=judged.right - judged.scores, minlength=10)
    return float(np.abs(apart).sum() / max(len(judged.scores), 1))


def _minimise(inputs: Float64[np.ndarray, "n d"], target: Float64[np.ndarray, " n"]) -> list[float]:
    """Weights of slope, offset and classes of least cross-entropy, by Newton's method with halved
    steps."""
    at = start = np.eye(1, inputs.shape[1])[0]
    ridge = np.array([RIDGE, 0.0, *[CLASS_RIDGE] * (len(at) - 2)])

    def objective(at: Float64[np.ndarray, " d"]) -> float:
        z = inputs @ at
        return float((np.logaddexp(0, z) - target * z).sum() + ridge @ (at - start) ** 2 / 2)

    for _ in range(100):
        p = _sigmoid(inputs @ at)
        gradient = inputs.T @ (p - target) + ridge * (at - start)
        curvature = (inputs * (p * (1 - p))[:, None]).T @ inputs + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        before, size = objective(at), 1.0
        while size > 1e-6 and objective(at - size * step) > before:
            size /= 2
        at = at - size * step
        if np.abs(step).max() < 1e-10:
            break
    return at.tolist()


def _log_odds(scores: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    inner = scores.clip(EDGE, 1 - EDGE)
    return np.asarray(np.log(inner) - np.log1p(-inner))


def _sigmoid(z: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    return np.asarray(np.exp(-np.logaddexp(0, -z)))


def write_calibration(path: Path, calibration: Calibration) -> None:
    """The calibration as JSON."""
    write_whole(path, (calibration.model_dump_json(indent=2) + "\n").encode())


def read_calibration(path: Path) -> Calibration:
    """The calibration of a file; raises DataError for any other content."""
    try:
        return calibration_from_json(path.read_bytes(), path=path)
    except OSError as error:
        raise DataError("cannot be read", path=path, got=error.strerror) from error


def noted_calibration(text: str | None, *, path: Path) -> Calibration | None:
    """The calibration that a weights file's header has; None where it has none."""
    return None if text is None else calibration_from_json(text, path=path)


def calibration_from_json(text: str | bytes, *, path: Path) -> Calibration:
    """The calibration that stands in a file; raises DataError for any other content."""
    return checked(Calibration, text, error=DataError, path=path, rule="not a calibration: ")
