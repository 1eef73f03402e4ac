"""One annotation of COCO's form: a row of a .json -> an object, or the reason why it is none.

In: a row, the size of its image, and the ids of the categories. Out: an Annotation; and, of an
image's annotations together, masks and boxes cut to the image, and what is odd about them. Used for
labels and for results of other tools alike.
"""

import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from tinyseg import boxes as box_math
from tinyseg import masks as mask_ops
from tinyseg.errors import MaskError, TinysegError
from tinyseg.fields import Fields, Identity, is_number, shown
from tinyseg.masks import CropMasks

MARGIN = 1.0
"""Pixels that an outline may leave the frame by: half a pixel's conventions, and rounding."""

FIT_IOU, FIT_PIXELS = 0.5, 3.0
"""A box fits its mask from this IoU on, or where no side is off by more pixels than this."""

_MAX_COORDINATE = 2**20

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object that can be read: its row, the id of its category, its mask and its box.

    The mask lies in the image, and is None where only the box is known; the box, x0, y0, x1 and y1,
    may stick out of it, and is None where `bbox` is none.
    """

    row: Fields
    category: Identity
    crowd: bool
    mask: CropMasks | None
    box: Box | None


def in_frame(
    own: Sequence[Annotation], hw: tuple[int, int]
) -> tuple[CropMasks, Float64[np.ndarray, "n 4"], Bool[np.ndarray, " n"]]:
    """Masks and boxes in an image of this size, and which of them have a pixel there, or at least
    a box."""
    alone = np.array([one.mask is None for one in own], np.bool_)
    no_cells = np.zeros((0, 0), np.uint8)
    parts = [one.mask or CropMasks.pack(np.array([one.box]), [no_cells]) for one in own]
    masks = CropMasks.concatenate(parts)
    boxes = np.where(alone[:, None], box_math.clip(masks.boxes, _frame(hw)), masks.boxes)
    return masks, boxes, np.where(alone, box_math.areas(boxes), mask_ops.area(masks)) > 0


def read_annotation(row: Fields, hw: tuple[int, int], known: Container[Identity]) -> Annotation:
    """One annotation of an image of this size; raises an error that names it for one of no known
    category, and for one with neither mask nor box."""
    category = row.identity("category_id")
    if category not in known:
        raise row.fault("'category_id' leads nowhere", got=category, code="category-dangling")
    crowd = row.values.get("iscrowd")
    if crowd is not None and type(crowd) is not bool:
        crowd = row.whole("iscrowd") > 0
    box, mask = _box_of(row.values.get("bbox")), _mask_of(row, hw)
    if mask is None and box is None:
        rule = "'segmentation' is polygons or run lengths, or 'bbox' is x, y, width and height"
        got = f"{shown(row.values.get('segmentation'))} and {row.values.get('bbox')!r:.60}"
        raise row.fault(rule, got=got, code="shape-missing")
    if mask is None and crowd:
        mask = mask_ops.filled(box_math.clip(np.array([box]), _frame(hw)))
    return Annotation(row, category, bool(crowd), mask, box)


def _frame(hw: tuple[int, int]) -> Box:
    return 0.0, 0.0, float(hw[1]), float(hw[0])


def _box_of(value: object) -> Box | None:
    """Corners from x, y, width and height; None for what is no box."""
    if not isinstance(value, list) or len(value) != 4 or not all(map(is_number, value)):
        return None
    x, y, width, height = map(float, value)
    far = max(abs(x), abs(y), width, height) > _MAX_COORDINATE
    return None if far or width <= 0 or height <= 0 else (x, y, x + width, y + height)


def _mask_of(row: Fields, hw: tuple[int, int]) -> CropMasks | None:
    """The mask of polygons or run lengths; None where there is nothing, or empty polygons alone."""
    shape = row.values.get("segmentation")
    polygons = [one for one in shape if one != []] if isinstance(shape, list) else []
    if shape is None or (isinstance(shape, list) and not polygons):
        return None
    try:
        if polygons:
            for number, polygon in enumerate(polygons):
                _check_polygon(polygon, row, f"polygon {number}")
            return mask_ops.from_polygons([polygons], hw)
        counts = _counts_of(shape, row, hw)
        if isinstance(counts, str):
            return mask_ops.from_coco_rle([counts], hw)
        return mask_ops.from_coco_counts([counts], hw)
    except MaskError as error:
        code = "polygon-numbers" if polygons else "rle-damaged"
        raise error.at(where=row.where, code=code) from None


def _counts_of(shape: object, row: Fields, hw: tuple[int, int]) -> str | list[int]:
    """Run lengths of an image of this size: whole numbers, or their code."""
    if not isinstance(shape, dict):
        rule = "'segmentation' is a list of polygons or an object with size and counts"
        raise row.fault(rule, got=shown(shape), code="shape-missing")
    size, counts = shape.get("size"), shape.get("counts")
    if size != list(hw):
        rule = "a run-length code has its image's size [height, width]"
        got = size if isinstance(size, list) and len(size) == 2 else shown(size)
        raise row.fault(rule, expected=list(hw), got=got, code="rle-size")
    if isinstance(counts, str) and counts.isascii():
        return counts
    if not isinstance(counts, list):
        rule = "'counts' is a list of whole numbers, or their code in ASCII"
        raise row.fault(rule, got=shown(counts), code="rle-damaged")
    for at, count in enumerate(counts):
        if type(count) is not int or not 0 <= count <= hw[0] * hw[1]:
            rule = "a run length is a whole number from 0 to the image's pixels"
            own = Fields({}, f"{row.where}: count {at}", row.refuse)
            raise own.fault(rule, got=shown(count), code="rle-damaged")
    return counts


def _check_polygon(polygon: Any, row: Fields, place: str) -> None:
    own = Fields({}, f"{row.where}: {place}", row.refuse)
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        rule = "a polygon is a list of x, y, x, y, ..., of three corners or more"
        raise own.fault(rule, got=shown(polygon), code="polygon-short")
    # Tens of millions of numbers come by here: whole lists first, the culprit only if there is one.
    plain = {*map(type, polygon)} <= {int, float}
    if not (
        plain
        and min(polygon) >= -_MAX_COORDINATE
        and max(polygon) <= _MAX_COORDINATE
        and math.isfinite(sum(polygon))
    ):
        at, value = next((i, v) for i, v in enumerate(polygon) if not _is_coordinate(v))
        rule = f"a polygon's coordinates are finite numbers up to {_MAX_COORDINATE}"
        own = Fields({}, f"{own.where}: number {at}", row.refuse)
        raise own.fault(rule, got=shown(value), code="polygon-numbers")


def _is_coordinate(value: Any) -> bool:
    # False for NaN too, which is neither above nor below.
    return type(value) in (int, float) and -_MAX_COORDINATE <= value <= _MAX_COORDINATE


def doubts_of(
    own: Sequence[Annotation],
    boxes: Float64[np.ndarray, "n 4"],
    seen: Bool[np.ndarray, " n"],
    hw: tuple[int, int],
) -> Iterator[TinysegError]:
    """What was read and is odd: shapes and boxes that leave the image, boxes that are none, or far
    from their masks, objects without a pixel."""
    for one, box, is_seen in zip(own, boxes, seen.tolist(), strict=True):
        fault = partial(one.row.fault, expected=f"within {hw[1]} x {hw[0]}")
        shape = one.row.values.get("segmentation")
        if isinstance(shape, list):
            beyond = max((_beyond(ring[0::2], ring[1::2], hw) for ring in shape if ring), default=0)
            if beyond > MARGIN:
                got = f"{beyond:.1f} px outside"
                yield fault("a polygon leaves the image", got=got, code="polygon-outside")
        if one.box is None:
            if one.row.values.get("bbox") is not None:
                yield one.row.wrong("bbox", "x, y, width and height", code="box-damaged")
        else:
            beyond = _beyond(one.box[0::2], one.box[1::2], hw)
            if beyond > MARGIN:
                yield fault(
                    "a box leaves the image", got=f"{beyond:.1f} px outside", code="box-outside"
                )
            told = box_math.clip(np.array([one.box]), _frame(hw))
            if one.mask is not None and is_seen and not one.crowd and not _fit(told, box[None]):
                got = f"box {_corners(told[0])}, mask {_corners(box)}"
                yield one.row.fault("a box fits its mask", got=got, code="box-differs")
        if not is_seen and not one.crowd:
            yield one.row.fault("covers no pixel", code="instance-empty")


def _beyond(x: Sequence[float | int], y: Sequence[float | int], hw: tuple[int, int]) -> float | int:
    """Pixels by which corners lie outside the image."""
    return max(-min(x), -min(y), max(x) - hw[1], max(y) - hw[0])


def _fit(told: Float64[np.ndarray, "1 4"], drawn: Float64[np.ndarray, "1 4"]) -> bool:
    near = bool(np.abs(told - drawn).max() <= FIT_PIXELS)
    return near or float(box_math.iou(told, drawn)[0, 0]) >= FIT_IOU


def _corners(box: Float64[np.ndarray, "4"]) -> str:
    return ", ".join(f"{value:.0f}" for value in box)
