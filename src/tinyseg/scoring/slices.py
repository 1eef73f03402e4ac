"""Average precision and recall by size, by image row and by class.

Pairs come in, a Slice a range goes out. Sizes are sides in pixels, the square root of a mask's
area; a range's own ends count where they are COCO's (buckets), the upper one does not where ranges
follow each other (the curve). Ground truth outside the range is ignored, and so are detections
matched to it, as COCO does with areas.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64

from tinyseg.errors import DataError
from tinyseg.scoring.bootstrap import nothing
from tinyseg.scoring.curves import average_precision
from tinyseg.scoring.matches import NOTHING, Pool, Within, gather, match
from tinyseg.scoring.pairs import FramePairs

LARGEST = 1e5
"""A side in pixels beyond all."""

BUCKETS = {
    "very tiny": (0.0, 8.0),
    "tiny": (0.0, 16.0),
    "small": (0.0, 32.0),
    "medium": (32.0, 96.0),
    "large": (96.0, LARGEST),
}
"""Sides in pixels, both ends included as COCO does; tiny and small hold what is smaller, too."""

CURVE_AREAS = (0.0, *(2.0**octave for octave in range(4, 18)), LARGEST**2)
"""Where the ranges of the size curve begin and end: areas double, so sides grow by 1.41."""

ROW_BANDS = 40
"""The bands of equal height that a frame is cut into: a camera's far objects fill a few of them."""

SLICE_PRECISION = 0.8
"""The precision at which recall is told, unless another is asked for."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The instances of one range of sides in pixels, or of rows as shares of the height.

    `ap` and `ap50` are means over the classes that have such instances, `any_class_ap` that of all
    classes as one, nan where there is none. `recall` is that at the Cut, all classes together.
    """

    name: str
    low: float
    high: float
    instances: int
    ap: float
    ap50: float
    any_class_ap: float
    recall: float


@dataclass(frozen=True, slots=True)
class ClassSlice:
    """One class: labels, judged detections, AP, and its recall and precision at the Cut."""

    name: str
    instances: int
    detections: int
    ap: float
    ap50: float
    recall: float
    precision: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The lowest score from which on detections of all classes have the precision, at IoU .5.

    `detections` have the score or more. Figures are nan where no score reaches the precision.
    """

    wanted: float
    score: float
    precision: float
    recall: float
    detections: int


@dataclass(frozen=True, slots=True)
class Slices:
    """All of them. The curve's ranges share nothing, the buckets may."""

    cut: Cut
    curve: tuple[Slice, ...]
    buckets: tuple[Slice, ...]
    rows: tuple[Slice, ...]
    classes: tuple[ClassSlice, ...]


def slice_pairs(
    pairs: Sequence[FramePairs],
    classes: Sequence[str],
    *,
    buckets: Mapping[str, tuple[float, float]] | None = None,
    precision: float = SLICE_PRECISION,
    max_detections: int = 300,
    tick: Callable[[], None] = nothing,
) -> Slices:
    """The slices of these frames; own `buckets`, sides in pixels by name, come after BUCKETS.

    `tick` is called once a size or row, `slice_count` times in all.
    """
    if not 0 < precision <= 1:
        raise DataError("a precision lies above 0 and up to 1", got=precision)
    pools = [gather(pairs, label, max_detections=max_detections) for label in range(len(classes))]
    hits = [_hits(pool) for pool in pools]
    cut = _cut(hits, precision)
    maker = _Maker(pools, gather(pairs, max_detections=max_detections), hits, cut, tick)
    curve = []
    for low, high in pairwise(CURVE_AREAS):
        sides = math.sqrt(low), math.sqrt(high)
        name = f"{sides[0]:.3g}-{sides[1]:.3g}" if high < LARGEST**2 else f"{sides[0]:.3g}-"
        # Areas are whole numbers, so this leaves out the upper end and nothing else.
        curve.append(maker.slice(name, sides, Within((low, high - 0.5))))
    by_bucket = [
        maker.slice(name, ends, Within((ends[0] ** 2, ends[1] ** 2)))
        for name, ends in {**BUCKETS, **check_buckets(buckets or {})}.items()
    ]
    rows = []
    for band in range(ROW_BANDS):
        ends = band / ROW_BANDS, (band + 1) / ROW_BANDS
        rows.append(maker.slice(f"{ends[0]:.1%}-{ends[1]:.1%}", ends, Within(rows_frac=ends)))
    by_class = [maker.class_slice(label, name) for label, name in enumerate(classes)]
    return Slices(cut, tuple(curve), tuple(by_bucket), tuple(rows), tuple(by_class))


def slice_count(buckets: Mapping[str, tuple[float, float]]) -> int:
    """How many sizes and rows there are with these own buckets."""
    return len(CURVE_AREAS) - 1 + len(BUCKETS) + len(buckets) + ROW_BANDS


def check_buckets(buckets: Mapping[str, tuple[float, float]]) -> Mapping[str, tuple[float, float]]:
    """The buckets as they are; raises DataError for one turned round or with a taken name."""
    for name, (low, high) in buckets.items():
        if name in BUCKETS:
            raise DataError("a bucket of one's own needs a name of its own", got=repr(name))
        if not 0 <= low < high:
            rule = "a bucket goes from a side in pixels, 0 or more, to a longer one"
            raise DataError(rule, where=name, got=f"{low:g} to {high:g}")
    return buckets


@dataclass(frozen=True, slots=True)
class _Hits:
    """One class at IoU .5: judged detections, best first, and the score that found each label.

    `found_at` is below every score where nothing found it.
    """

    scores: Float64[np.ndarray, " judged"]
    true: Bool[np.ndarray, " judged"]
    found_at: Float64[np.ndarray, " truth"]


def _hits(pool: Pool) -> _Hits:
    matches = match(pool)
    judged, taken = ~matches.ignored[0], matches.label_row[0]
    found_at = np.full(len(pool.truth), -1.0)
    found_at[taken[taken != NOTHING]] = matches.score[taken != NOTHING]
    return _Hits(matches.score[judged], matches.true_positive[0][judged], found_at)


def _cut(hits: Sequence[_Hits], wanted: float) -> Cut:
    """The lowest score at which all classes' detections from there on have the precision."""
    scores = np.concatenate([np.zeros(0), *(h.scores for h in hits)])
    order = np.argsort(-scores)
    scores = scores[order]
    true = np.cumsum(np.concatenate([np.zeros(0, np.bool_), *(h.true for h in hits)])[order])
    precision = true / np.arange(1, len(true) + 1)
    # A score is a cut for all that have it, so only the last of equal ones is a place to cut.
    last = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
    places = np.flatnonzero(last & (precision >= wanted))
    instances = sum(len(h.found_at) for h in hits)
    if not len(places) or not instances:
        return Cut(wanted, math.nan, math.nan, math.nan, 0)
    place = places[-1]
    recall = float(true[place]) / instances
    return Cut(wanted, float(scores[place]), float(precision[place]), recall, int(place) + 1)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes slices of pools: each class's, and that of all classes as one."""

    pools: Sequence[Pool]
    any_class: Pool
    hits: Sequence[_Hits]
    cut: Cut
    tick: Callable[[], None]

    def slice(self, name: str, ends: tuple[float, float], within: Within) -> Slice:
        self.tick()
        inside = [within.holds(p.truth.areas, p.truth.rows_frac) for p in self.pools]
        instances = sum(int(np.count_nonzero(own)) for own in inside)
        if not instances:
            return Slice(name, *ends, 0, *[math.nan] * 4)
        tables = [
            average_precision(match(pool, within))
            for pool, own in zip(self.pools, inside, strict=True)
            if own.any()
        ]
        by_class = np.mean(tables, axis=0)
        any_class = average_precision(match(self.any_class, within)).mean()
        found_at = np.concatenate(
            [h.found_at[own] for h, own in zip(self.hits, inside, strict=True)]
        )
        ap, ap50 = float(by_class.mean()), float(by_class[0])
        return Slice(name, *ends, instances, ap, ap50, float(any_class), self._recall(found_at))

    def class_slice(self, label: int, name: str) -> ClassSlice:
        hits = self.hits[label]
        table = average_precision(match(self.pools[label]))
        over = hits.scores >= self.cut.score
        precision = float(hits.true[over].mean()) if over.any() else math.nan
        counts = len(hits.found_at), len(hits.scores)
        recall = self._recall(hits.found_at)
        return ClassSlice(name, *counts, float(table.mean()), float(table[0]), recall, precision)

    def _recall(self, found_at: Float64[np.ndarray, " k"]) -> float:
        if math.isnan(self.cut.score) or not len(found_at):
            return math.nan
        return float(np.mean(found_at >= self.cut.score))
