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

from tinyseg.errors import DataError
from tinyseg.frame import FrameLabels
from tinyseg.labels import index_of
from tinyseg.predictions import Predictions
from tinyseg.scoring.pairs import FramePairs, pair_frames
from tinyseg.scoring.tally import AREA_RANGES, ClassTally, Tally


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


def score_frames(
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
    tally = Tally.of(pairs, len(classes), max_detections=max_detections)
    return scores_of(tally, classes, predicted=predicted, max_detections=max_detections)


def scores_of(
    tally: Tally,
    classes: Sequence[str],
    *,
    predicted: int | None = None,
    max_detections: int = 300,
) -> Scores:
    """Scores of a tally, be it one of all frames or several that were joined."""
    scored = [
        ClassScore(name, Counts(*one.instances.tolist()), _averages(one))
        for name, one in zip(classes, tally.by_class, strict=True)
    ]
    counts = Counts(*tally.any_class.instances.tolist())
    rest = tally.remainder
    return Scores(
        Averages.mean([one.averages for one in scored]),
        _averages(tally.any_class),
        tuple(scored),
        counts,
        frames=rest.frames,
        instances=counts.all,
        detections=rest.detections,
        max_detections=max_detections,
        extra_frames=0 if predicted is None else predicted - rest.frames + rest.missing,
        missing_frames=rest.missing,
        unknown_class=rest.unknown_class,
    )


def _averages(tally: ClassTally) -> Averages:
    """The figures of one class, or of all classes as one."""
    tables = [tally.average_precision(which) for which in range(len(AREA_RANGES))]
    whole, tiny, small, medium, large = (float(table.mean()) for table in tables)
    ap50, ap75 = float(tables[0][0]), float(tables[0][5])
    return Averages(ap50, ap75, tiny, small, medium, large, whole)
