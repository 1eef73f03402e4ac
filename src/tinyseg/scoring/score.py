"""Mask average precision by COCO's rules, in native pixels.

Predictions and labels of the same frames go in; Scores come out: AP over IoU .50:.05:.95 at 101
recall points (Lin et al., Microsoft COCO, 2014), by class, over all classes, and with all classes
taken as one; for all sizes and by mask area, the ranges' ends included as COCO does. The ignore
region of a frame is a crowd annotation of every class: what lies there is not judged.

Refuses what `pairs` refuses: frames missing, sizes that differ. `matches` does the counting;
pycocotools gives the same figures (tests/test_score.py).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from tinyseg.errors import DataError
from tinyseg.frame import FrameLabels
from tinyseg.labels import index_of
from tinyseg.predictions import Predictions
from tinyseg.scoring.matches import Within, average_precision, gather, match
from tinyseg.scoring.pairs import FramePairs, pair_frames, which_of_class

AREA_RANGES = {
    "all": (0.0, 1e10),
    "tiny": (0.0, 16.0**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Mask areas in pixels, both ends included, as COCO does: 32 x 32 is small and medium."""


@dataclass(frozen=True, slots=True)
class Averages:
    """Average precision 0 ... 1; nan where no label is of that size, 0 where none was found."""

    ap50: float
    ap75: float
    ap_tiny: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ap: float

    @staticmethod
    def mean(items: Sequence["Averages"]) -> "Averages":
        """Each figure's mean over the items that have it."""
        columns = zip(*(astuple(item) for item in items), strict=True)
        return Averages(*(_mean(column) for column in columns)) if items else _NOTHING


_NOTHING = Averages(*[math.nan] * 7)


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


@dataclass(frozen=True, slots=True)
class Counts:
    """How many labelled instances there are, in all and in each range of areas."""

    all: int
    tiny: int
    small: int
    medium: int
    large: int


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: how many instances were labelled, and how well they were found."""

    name: str
    counts: Counts
    averages: Averages


@dataclass(frozen=True, slots=True)
class Scores:
    """What predictions are worth on labelled frames.

    `averages` is the mean over the classes that have instances (of that size), `any_class` what
    is left when all classes are one. `detections` counts those that were judged, on the labelled
    frames and of known classes; `extra_frames` are predicted but not labelled, `missing_frames`
    labelled but not in the predictions, `unknown_class` detections were dropped for their class.
    """

    averages: Averages
    any_class: Averages
    classes: tuple[ClassScore, ...]
    counts: Counts
    frames: int
    instances: int
    detections: int
    max_detections: int
    extra_frames: int
    missing_frames: int
    unknown_class: int

    def mean_over(self, names: Sequence[str]) -> Averages:
        """The mean over some classes, aliases understood; those without instances do not count."""
        own = [c.name for c in self.classes]
        places = [index_of(name, own) for name in names]
        if None in places:
            unknown = [n for n, place in zip(names, places, strict=True) if place is None]
            raise DataError("not among the scored classes", expected=own, got=unknown)
        return Averages.mean([self.classes[p].averages for p in places if p is not None])


def score(
    predictions: Predictions,
    truth: Iterable[FrameLabels],
    *,
    classes: Sequence[str],
    max_detections: int = 300,
    allow_missing: bool = False,
) -> Scores:
    """Scores of the predictions on labelled frames, whose labels are indices into `classes`.

    Up to `max_detections` of each class, best first, count on a frame. A labelled frame that the
    predictions do not name is an error, unless `allow_missing` takes it as one with no detection.
    Labels and predictions without a pixel in the frame are left out.
    """
    pairs = pair_frames(
        predictions,
        truth,
        classes=classes,
        max_detections=max_detections,
        allow_missing=allow_missing,
    )
    return score_pairs(
        pairs, classes, predicted=len(predictions.frames), max_detections=max_detections
    )


def score_pairs(
    pairs: Sequence[FramePairs],
    classes: Sequence[str],
    *,
    predicted: int | None = None,
    max_detections: int = 300,
) -> Scores:
    """Scores of frames that are paired already.

    `predicted` is the number of frames in the predictions, those not labelled included.
    """
    by_class = [_averages(pairs, label, max_detections) for label in range(len(classes))]
    scored = [
        ClassScore(name, _counts(pairs, label), averages)
        for label, (name, averages) in enumerate(zip(classes, by_class, strict=True))
    ]
    missing = sum(frame.missing for frame in pairs)
    counts = _counts(pairs, None)
    return Scores(
        Averages.mean(by_class),
        _averages(pairs, None, max_detections),
        tuple(scored),
        counts,
        frames=len(pairs),
        instances=counts.all,
        detections=sum(len(frame.found) + frame.beyond for frame in pairs),
        max_detections=max_detections,
        extra_frames=0 if predicted is None else predicted - len(pairs) + missing,
        missing_frames=missing,
        unknown_class=sum(frame.unknown_class for frame in pairs),
    )


def _averages(pairs: Sequence[FramePairs], label: int | None, max_detections: int) -> Averages:
    """The figures of one class, or of all classes as one."""
    pool = gather(pairs, label, max_detections=max_detections)
    tables = {
        name: average_precision(match(pool, Within(limits))) for name, limits in AREA_RANGES.items()
    }
    whole, tiny, small, medium, large = (float(tables[name].mean()) for name in AREA_RANGES)
    ap50, ap75 = float(tables["all"][0]), float(tables["all"][5])
    return Averages(ap50, ap75, tiny, small, medium, large, whole)


def _counts(pairs: Sequence[FramePairs], label: int | None) -> Counts:
    """Instances of one class, or of all, in each range of areas."""
    areas = [frame.truth.areas[which_of_class(frame.truth, label)] for frame in pairs]
    values = np.concatenate([np.zeros(0, np.int64), *areas])
    inside = [(values >= low) & (values <= high) for low, high in AREA_RANGES.values()]
    return Counts(*(int(np.count_nonzero(mask)) for mask in inside))
