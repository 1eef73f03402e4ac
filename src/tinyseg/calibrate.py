"""Score calibration: a model's scores -> the share of such detections that are right.

In: predictions and labels of a validation set. A detection is right where it is matched to an
object of its class at mask IoU .5, best score first, each object once; one that lies on the ignore
region counts for neither. Out: two numbers a model, so that scores of several models mean the same
before they are merged: p = 1 / (1 + exp(-(slope * log(s / (1 - s)) + offset))), Platt's scaling
(Platt 1999, Probabilistic outputs for support vector machines, with its smoothed targets; the fit
is Newton's method, as Lin, Lin and Weng 2007). The slope is positive, so no order of one model's
detections changes. Refused: scores that fall where the share of right ones rises.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64
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


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores of detections, and which of them are right."""

    scores: Float64[np.ndarray, " n"]
    right: Bool[np.ndarray, " n"]

    @staticmethod
    def concatenate(parts: Iterable["Judged"]) -> "Judged":
        """All of all parts, in order."""
        found = list(parts)
        scores = [np.zeros(0), *(p.scores for p in found)]
        right = [np.zeros(0, np.bool_), *(p.right for p in found)]
        return Judged(np.concatenate(scores), np.concatenate(right))


class Calibration(BaseModel):
    """p = sigmoid(slope * log-odds(score) + offset)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal["tinyseg-calibration/1"] = "tinyseg-calibration/1"
    slope: PositiveFloat = 1.0
    offset: float = 0.0
    right: int = 0
    wrong: int = 0
    """How many detections of each kind it was fitted on."""

    def __call__(self, scores: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Calibrated scores, in the same order of size."""
        return _sigmoid(self.slope * _log_odds(scores) + self.offset)


def right_or_wrong(found: Instances, labels: FrameLabels) -> Judged:
    """Which instances of one frame are right; those on its ignore region are left out."""
    order = np.argsort(-found.scores, kind="stable")
    found = found.select(order)
    right = np.zeros(len(found), np.bool_)
    for label in np.unique(found.labels).tolist():
        mine = np.flatnonzero(found.labels == label)
        objects = labels.instances.masks.select(labels.instances.labels == label)
        right[mine] = _matched(mask_ops.iou(found.masks.select(mine), objects))
    ignored = mask_ops.share_inside(found.masks, labels.ignore) >= IGNORED_SHARE
    kept = right | ~ignored
    return Judged(found.scores[kept], right[kept])


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


def fit(judged: Judged) -> Calibration:
    """The calibration with the least log loss on these detections.

    Raises DataError without a detection of each kind, or where higher scores are less often right.
    """
    right, wrong = int(judged.right.sum()), int((~judged.right).sum())
    if not (right and wrong):
        rule = "calibration needs right and wrong detections"
        raise DataError(rule, got=f"{right} right, {wrong} wrong")
    target = np.where(judged.right, (right + 1) / (right + 2), 1 / (wrong + 2))
    slope, offset = _minimise(_log_odds(judged.scores), target)
    if slope <= 0:
        rule = "scores must not fall where more detections are right"
        raise DataError(rule, expected="a slope above 0", got=f"{slope:.4g}")
    return Calibration(slope=slope, offset=offset, right=right, wrong=wrong)


def log_loss(judged: Judged, calibration: Calibration | None = None) -> float:
    """Mean of -log of the probability given to what came out, in nats."""
    scores = judged.scores if calibration is None else calibration(judged.scores)
    scores = scores.clip(EDGE, 1 - EDGE)
    return float(-np.log(np.where(judged.right, scores, 1 - scores)).mean())


def _minimise(
    x: Float64[np.ndarray, " n"], target: Float64[np.ndarray, " n"]
) -> tuple[float, float]:
    """Slope and offset of least cross-entropy, by Newton's method with halved steps."""
    at = np.array([1.0, 0.0])
    inputs = np.stack([x, np.ones_like(x)], axis=1)
    for _ in range(100):
        p = _sigmoid(inputs @ at)
        gradient = inputs.T @ (p - target) + RIDGE * np.array([at[0] - 1, 0.0])
        curvature = (inputs * (p * (1 - p))[:, None]).T @ inputs + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        before, size = _objective(inputs, target, at), 1.0
        while size > 1e-6 and _objective(inputs, target, at - size * step) > before:
            size /= 2
        at = at - size * step
        if np.abs(step).max() < 1e-10:
            break
    return float(at[0]), float(at[1])


def _objective(
    inputs: Float64[np.ndarray, "n 2"],
    target: Float64[np.ndarray, " n"],
    at: Float64[np.ndarray, "2"],
) -> float:
    z = inputs @ at
    loss = np.logaddexp(0, z) - target * z
    return float(loss.sum() + RIDGE / 2 * (at[0] - 1) ** 2)


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


def calibration_from_json(text: str | bytes, *, path: Path) -> Calibration:
    """The calibration that stands in a file; raises DataError for any other content."""
    return checked(Calibration, text, error=DataError, path=path, rule="not a calibration: ")
