"""Where average precision is lost: by size, row and class, by kind of error, and at outlines.

In go the pairs of frames (`pair_frames`, with `shapes` for outlines and straight seams); out comes
a Breakdown, one record for the tables, the JSON file and the report. What each detection and label
is, frame by frame, is in its `errors`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tinyseg.scoring.bootstrap import nothing
from tinyseg.scoring.error_kinds import FrameErrors, Rects, find_errors
from tinyseg.scoring.outlines import OutlineFigures, outline_figures
from tinyseg.scoring.pairs import FramePairs
from tinyseg.scoring.shapes import ShapeRules
from tinyseg.scoring.slices import BUCKETS, SLICE_PRECISION, Slices, slice_pairs
from tinyseg.scoring.worth import KindWorth, worth_of_kinds


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
