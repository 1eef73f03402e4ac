"""Where average precision is lost: by size, row and class, by kind of error, and at outlines.

In go the pairs of frames (`pair_frames`, with `shapes` for outlines and straight seams); out comes
a Breakdown, one record for the tables, the JSON file and the report. What each detection and label
is, frame by frame, is in its `errors`.

How well outlines fit is boundary AP, and how many pixels they are off. Boundary AP (Cheng et al.,
Boundary IoU, 2021) is COCO's AP with the smaller of mask IoU and boundary IoU in place of mask IoU;
the ignore region is held against whole masks. Offsets are those of true positives at mask IoU .5.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from tinyseg.scoring.bootstrap import nothing
from tinyseg.scoring.curves import average_precision
from tinyseg.scoring.error_kinds import (
    ErrorKind,
    FrameErrors,
    KindWorth,
    Rects,
    find_errors,
    worth_of_kinds,
)
from tinyseg.scoring.matches import gather, match
from tinyseg.scoring.pairs import FramePairs
from tinyseg.scoring.shapes import ShapeRules
from tinyseg.scoring.slices import BUCKETS, SLICE_PRECISION, Slices, slice_pairs


@dataclass(frozen=True, slots=True)
class OffsetSlice:
    """True positives whose labels have sides of a range in pixels, and how far outlines are off.

    Means over them in pixels, nan where there are none: `offset_px` without direction, `growth_px`
    positive where detections are larger than their labels.
    """

    name: str
    pairs: int
    offset_px: float
    growth_px: float


@dataclass(frozen=True, slots=True)
class OutlineFigures:
    """Boundary AP: mean over classes, and all classes as one; and offsets, all sizes first.

    `distances_px` are the smallest and largest width of a boundary on these frames.
    """

    ap: float
    ap50: float
    any_class_ap: float
    distances_px: tuple[int, int]
    offsets: tuple[OffsetSlice, ...]


def outline_figures(
    pairs: Sequence[FramePairs],
    errors: Sequence[FrameErrors],
    class_count: int,
    *,
    rules: ShapeRules,
    buckets: Mapping[str, tuple[float, float]],
    max_detections: int = 300,
) -> OutlineFigures | None:
    """The figures at the `rules` by which shapes were measured; None where they were not."""
    if not pairs or any(frame.shapes is None for frame in pairs):
        return None
    bounded = []
    for frame in pairs:
        # The smaller of both IoUs, 0 for pairs that are no match at any threshold
        iou = np.zeros_like(frame.iou)
        if (shapes := frame.shapes) is not None:
            rows = shapes.found, shapes.truth
            iou[rows] = np.minimum(frame.iou[rows], shapes.boundary_iou)
        bounded.append(replace(frame, iou=iou))
    tables = [_table(bounded, label, max_detections) for label in range(class_count)]
    known = [table for table in tables if not np.isnan(table).any()]
    by_class = np.mean(known, axis=0) if known else np.full(1, np.nan)
    distances = [rules.distance_px(frame.hw) for frame in pairs]
    return OutlineFigures(
        float(by_class.mean()),
        float(by_class[0]),
        float(_table(bounded, None, max_detections).mean()),
        (min(distances), max(distances)),
        _offsets(pairs, errors, {"all": (0.0, math.inf), **buckets}),
    )


def _table(
    pairs: Sequence[FramePairs], label: int | None, max_detections: int
) -> Float64[np.ndarray, " ious"]:
    return average_precision(match(gather(pairs, label, max_detections=max_detections)))


def _offsets(
    pairs: Sequence[FramePairs],
    errors: Sequence[FrameErrors],
    buckets: Mapping[str, tuple[float, float]],
) -> tuple[OffsetSlice, ...]:
    """Means over the true positives with shapes, by the area of their labels."""
    areas, offsets, growths = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0)]
    for frame, item in zip(pairs, errors, strict=True):
        if (shapes := frame.shapes) is not None:
            right = item.found[shapes.found] == ErrorKind.RIGHT
            right &= item.target[shapes.found] == shapes.truth
            areas.append(frame.truth.areas[shapes.truth[right]])
            offsets.append(shapes.offset_px[right])
            growths.append(shapes.growth_px[right])
    area, offset, growth = (np.concatenate(parts) for parts in (areas, offsets, growths))
    out = []
    for name, (low, high) in buckets.items():
        inside = (area >= low**2) & (area <= high**2)
        figures = _mean(offset, inside), _mean(growth, inside)
        out.append(OffsetSlice(name, int(np.count_nonzero(inside)), *figures))
    return tuple(out)


def _mean(values: Float64[np.ndarray, " k"], which: Bool[np.ndarray, " k"]) -> float:
    return float(values[which].mean()) if which.any() else math.nan


@dataclass(frozen=True, slots=True)
class Breakdown:
    """All of it. `kinds` counts errors and tells what AP50 gains without each.

    `outlines` is None where shapes were not measured; `errors` has an item a frame, in the order
    of the pairs. `views_known` tells whether seams were held against views or guessed.
    """

    slices: Slices
    kinds: tuple[KindWorth, ...]
    outlines: OutlineFigures | None
    errors: tuple[FrameErrors, ...]
    views_known: bool


def break_down(
    pairs: Sequence[FramePairs],
    classes: Sequence[str],
    *,
    buckets: Mapping[str, tuple[float, float]] | None = None,
    precision: float = SLICE_PRECISION,
    shapes: ShapeRules | None = None,
    views: Mapping[str, Rects] | None = None,
    max_detections: int = 300,
    tick: Callable[[], None] = nothing,
) -> Breakdown:
    """The breakdown of frames whose labels are indices into `classes`.

    `buckets` are own ranges of sides in pixels by name, `precision` that at which recall is told,
    `shapes` the rules by which shapes were measured (those of a plain ShapeRules if not given),
    `views` the rectangles that were looked at on a frame, by its name; `tick` is called
    `slice_count` times on the way. Raises DataError where a bucket or the precision is out of
    range.
    """
    slices = slice_pairs(
        pairs,
        classes,
        buckets=buckets,
        precision=precision,
        max_detections=max_detections,
        tick=tick,
    )
    errors = find_errors(pairs, len(classes), views=views, max_detections=max_detections)
    outlines = outline_figures(
        pairs,
        errors,
        len(classes),
        rules=shapes or ShapeRules(),
        buckets={**BUCKETS, **(buckets or {})},
        max_detections=max_detections,
    )
    kinds = worth_of_kinds(pairs, errors, len(classes))
    return Breakdown(slices, kinds, outlines, tuple(errors), views is not None)
