"""What a merger is given and what it goes by, Seen and MergeRules; and all that was seen as one
table: every instance with the look it comes from.

Rows stand in an order that follows from their content alone, so that nothing after this depends
on the order of what came in. Instances of a size that their view doesn't answer for are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from zlib import crc32

import numpy as np
from jaxtyping import Bool, Float64, Int64
from pydantic import ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from tinyseg import boxes as box_math
from tinyseg.frame import Instances
from tinyseg.views import View

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one model found in one view: instances in frame pixels, not rasterised.

    The same view and model together are a look; two objects of one look are two objects.
    """

    view: View
    instances: Instances
    model: int = 0


@dataclass(frozen=True, slots=True)
class MergeRules:
    """How instances of many looks become the frame's; shares and IoU are of mask pixels."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    link_iou: Share = 0.4
    """Two looks show one object where their masks agree by so much in what both look at."""
    same_iou: Share = 0.5
    """An instance that overlaps a better one of its class by more is left out."""
    inside: Share = 0.6
    """So is one that lies by more than this share in a better one of its class."""
    conflict_iou: Share = 0.6
    """And one that overlaps a better one of another class by more than this."""
    unseen: NonNegativeFloat = 0.5
    """An object has its surest look's score, times (looks that found it / looks that could have) to
    this power."""
    cut: Share = 0.5
    """Scores of what only looks found whose border cuts it are multiplied by this."""
    model_weights: tuple[PositiveFloat, ...] = ()
    """Weight of each model in masks and among the looks that could have; 1 where there is none."""
    exclusive: bool = False
    """A pixel belongs to one instance, the better one."""
    keep: PositiveInt = 300
    """Most instances of a frame of up to `keep_pixels`; a larger one has more in proportion."""
    keep_pixels: PositiveInt | None = 2710 * 3384
    """The WAD's frame, on which 300 were chosen; None for `keep` on frames of any size."""

    def most(self, hw: tuple[int, int]) -> int:
        """Most instances of a frame of this height and width."""
        if self.keep_pixels is None:
            return self.keep
        return self.keep * max(hw[0] * hw[1], self.keep_pixels) // self.keep_pixels


@dataclass(frozen=True, slots=True)
class Looks:
    """The looks, each a view by a model: its rectangle inside the frame, zoom and weight.

    `inner` tells which of a rectangle's sides have more of the frame beyond them.
    """

    views: tuple[View, ...]
    rects: Float64[np.ndarray, "looks 4"]
    inner: Bool[np.ndarray, "looks 4"]
    zooms: Float64[np.ndarray, " looks"]
    weights: Float64[np.ndarray, " looks"]

    def shares(self, boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n looks"]:
        """The share of each box that each look looks at."""
        shared = box_math.intersections(boxes, self.rects)
        whole = box_math.areas(boxes)[:, None]
        return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)

    def answers(self, boxes: Float64[np.ndarray, "n 4"]) -> Bool[np.ndarray, "n looks"]:
        """Which looks answer for boxes of this size."""
        rows = [view.answers(boxes) for view in self.views]
        return np.stack(rows, axis=1) if rows else np.zeros((len(boxes), 0), np.bool_)


@dataclass(frozen=True, slots=True)
class Table:
    """n instances, the look of each, and the looks."""

    instances: Instances
    look: Int64[np.ndarray, " n"]
    looks: Looks


def tabulate(seen: Sequence[Seen], frame_hw: tuple[int, int], rules: MergeRules) -> Table:
    """One table of all that was seen, in canonical order."""
    keys = [_look_key(s) for s in seen]
    distinct = sorted(set(keys))
    number = {key: i for i, key in enumerate(distinct)}
    kept = [s.instances.select(s.view.answers(s.instances.boxes)) for s in seen]
    look = np.repeat([number[key] for key in keys], [len(k) for k in kept]).astype(np.int64)
    instances = Instances.concatenate(kept)
    order = _canonical_order(instances, look)
    by_key = dict(zip(keys, seen, strict=True))
    looks = _looks([by_key[key] for key in distinct], frame_hw, rules)
    return Table(instances.select(order), look[order], looks)


LookKey = tuple[tuple[float, ...], tuple[int, int], bool, tuple[float, float], int]


def _look_key(seen: Seen) -> LookKey:
    view = seen.view
    return view.rect, view.out_hw, view.flip, view.answers_for, seen.model


def _looks(seen: Sequence[Seen], frame_hw: tuple[int, int], rules: MergeRules) -> Looks:
    views = tuple(s.view for s in seen)
    frame = (0.0, 0.0, float(frame_hw[1]), float(frame_hw[0]))
    rects = np.array([view.rect for view in views], np.float64).reshape(-1, 4)
    inner = np.concatenate([rects[:, :2] > 0, rects[:, 2:] < frame[2:]], axis=1)
    zooms = np.sqrt([view.scale_xy[0] * view.scale_xy[1] for view in views])
    given = rules.model_weights
    weights = [given[s.model] if s.model < len(given) else 1.0 for s in seen]
    return Looks(views, box_math.clip(rects, frame), inner, zooms, np.array(weights, np.float64))


def _canonical_order(
    instances: Instances, look: Int64[np.ndarray, " n"]
) -> Int64[np.ndarray, " n"]:
    """By look, then best first; ties by label, boxes, and at last the checksum of the cells."""
    masks = instances.masks
    checksum = np.array([crc32(g.tobytes()) for g in masks.grids()], np.float64)
    columns = (*masks.boxes.T, *instances.boxes.T, instances.labels, -instances.scores, look)
    return np.lexsort((checksum, *masks.grid_hw.T, *columns)).astype(np.int64)
