"""One annotation of COCO's form: a row of a .json -> an object, or the reason why it is none.

In: a row, the size of its image, and the ids of the categories. Out: an Annotation; and, of an
image's annotations together, masks and boxes cut to the image, and what is odd about them. Used for
labels and for results of other tools alike.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from tinyseg import boxes as box_math, masks as mask_ops
from tinyseg.errors import MaskError, TinysegError
from tinyseg.fields import Fields, Identity, is_number, shown
from tinyseg.masks import CropMasks

MARGIN = 1.0
"""Pixels that an outline may leave the frame by: half a pixel's conventions, and rounding."""

FIT_IOU, FIT_PIXELS = 0.5, 3.0
"""A box fits its mask from this IoU on, or where no side is off by more pixels than this."""

_MAX_COORDINATE = 2**20

Box = tuple[float, float, float, float]


Category = tuple[str, int | None]
"""Its name, and its place in the class list, if it has one."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """The objects of one image that are of the class list, a row each.

    Masks and boxes lie in the image. `alone` are those of which only the box is known: their mask
    is empty. `seen` are those that have a pixel, or at least a box. `left_out` names the category
    of each object that is of none of the classes.
    """

    rows: tuple[Fields, ...]
    labels: Int64[np.ndarray, " n"]
    crowd: Bool[np.ndarray, " n"]
    masks: CropMasks
    boxes: Float64[np.ndarray, "n 4"]
    alone: Bool[np.ndarray, " n"]
    seen: Bool[np.ndarray, " n"]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Checked:
    """A row whose values are sound: how its shape is written, and the shape, not yet decoded."""

    row: Fields
    category: Category
    crowd: bool
    form: str
    shape: Any


def read_annotations(
    rows: Iterable[Fields],
    hw: tuple[int, int],
    categories: Mapping[Identity, Category],
    on_fault: Callable[[TinysegError], None],
) -> Annotations:
    """The annotations of an image of this size; those of no known category, with neither mask nor
    box, or with one that is broken, go to `on_fault`, which may raise."""
    checked = []
    for row in rows:
        try:
            checked.append(_checked(row, hw, categories))
        except TinysegError as error:
            on_fault(error)
    kept = [one for one in checked if one.category[1] is not None]
    which, masks = _decoded(kept, hw, on_fault)
    own = [kept[at] for at in which]
    alone = np.array([one.form == "box" for one in own], np.bool_)
    boxes = np.where(alone[:, None], box_math.clip(masks.boxes, _frame(hw)), masks.boxes)
    return Annotations(
        tuple(one.row for one in own),
        np.array([one.category[1] for one in own], np.int64),
        np.array([one.crowd for one in own], np.bool_),
        masks,
        boxes,
        alone,
        np.where(alone, box_math.areas(boxes), mask_ops.area(masks)) > 0,
        tuple(c[0] for c in (one.category for one in checked if not one.crowd) if c[1] is None),
    )


def _checked(row: Fields, hw: tuple[int, int], categories: Mapping[Identity, Category]) -> _Checked:
    category = row.link("category_id", categories, "category-dangling")
    crowd = row.values.get("iscrowd")
    if crowd is not None and type(crowd) is not bool:
        crowd = row.whole("iscrowd") > 0
    form, shape = _shape_of(row, hw)
    if form == "none":
        form, shape = "region" if crowd else "box", box_of(row.values.get("bbox"))
    if shape is None:
        rule = "'segmentation' is polygons or run lengths, or 'bbox' is x, y, width and height"
        got = f"{shown(row.values.get('segmentation'))} and {row.values.get('bbox')!r:.60}"
        raise row.fault(rule, got=got, code="shape-missing")
    return _Checked(row, categories[category], bool(crowd), form, shape)


def _shape_of(row: Fields, hw: tuple[int, int]) -> tuple[str, Any]:
    """How the mask is written, and what is there; nothing, or empty polygons alone, are no mask."""
    shape = row.values.get("segmentation")
    if shape is None or (isinstance(shape, list) and all(one == [] for one in shape)):
        return "none", None
    if isinstance(shape, list):
        polygons = [one for one in shape if one != []]
        for number, polygon in enumerate(polygons):
            _check_polygon(polygon, row, f"polygon {number}")
        return "polygons", polygons
    counts = _counts_of(shape, row, hw)
    return "code" if isinstance(counts, str) else "counts", counts


def _decoded(
    own: Sequence[_Checked], hw: tuple[int, int], on_fault: Callable[[TinysegError], None]
) -> tuple[list[int], CropMasks]:
    """The masks of all that can be decoded, and which these are; all of one form at once."""
    which: list[int] = []
    parts: list[CropMasks] = []
    for form, decode in _DECODERS.items():
        places = [at for at, one in enumerate(own) if one.form == form]
        groups = [places] if places else []
        while groups:
            group = groups.pop()
            try:
                parts.append(decode([own[at].shape for at in group], hw))
                which += group
            except MaskError as error:
                if len(group) == 1:
                    code = "polygon-numbers" if form == "polygons" else "rle-damaged"
                    on_fault(error.at(where=own[group[0]].row.where, code=code))
                else:  # all of them anew, one by one
                    groups += [[at] for at in reversed(group)]
    order = np.argsort(np.array(which, np.int64), kind="stable")
    return sorted(which), CropMasks.concatenate(parts).select(order)


def _boxes_alone(boxes: Sequence[Box], hw: tuple[int, int]) -> CropMasks:
    return CropMasks(np.array(boxes), np.zeros((len(boxes), 2), np.int64), np.zeros(0, np.uint8))


def _regions(boxes: Sequence[Box], hw: tuple[int, int]) -> CropMasks:
    return mask_ops.filled(box_math.clip(np.array(boxes), _frame(hw)))


_DECODERS: dict[str, Callable[[list[Any], tuple[int, int]], CropMasks]] = {
    "polygons": mask_ops.from_polygons,
    "code": mask_ops.from_coco_rle,
    "counts": mask_ops.from_coco_counts,
    "box": _boxes_alone,
    "region": _regions,
}
"""What makes masks of each form of a shape."""


def _frame(hw: tuple[int, int]) -> Box:
    return 0.0, 0.0, float(hw[1]), float(hw[0])


def box_of(value: object) -> Box | None:
    """Corners from x, y, width and height; None for what is no box."""
    if not isinstance(value, list) or len(value) != 4 or not all(map(is_number, value)):
        return None
    x, y, width, height = map(float, value)
    far = max(abs(x), abs(y), width, height) > _MAX_COORDINATE
    return None if far or width <= 0 or height <= 0 else (x, y, x + width, y + height)


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
        # False for NaN too, which is neither above nor below.
        at, value = next(
            (i, v)
            for i, v in enumerate(polygon)
            if not (type(v) in (int, float) and -_MAX_COORDINATE <= v <= _MAX_COORDINATE)
        )
        rule = f"a polygon's coordinates are finite numbers up to {_MAX_COORDINATE}"
        own = Fields({}, f"{own.where}: number {at}", row.refuse)
        raise own.fault(rule, got=shown(value), code="polygon-numbers")


def doubts_of(own: Annotations, hw: tuple[int, int]) -> Iterator[TinysegError]:
    """What was read and is odd: shapes and boxes that leave the image, boxes that are none, or far
    from their masks, objects without a pixel."""
    objects = (~own.crowd).tolist()
    columns = own.boxes, own.alone.tolist(), own.seen.tolist(), objects
    for row, drawn, alone, seen, is_object in zip(own.rows, *columns, strict=True):
        fault = partial(row.fault, expected=f"within {hw[1]} x {hw[0]}")
        shape, box = row.values.get("segmentation"), box_of(row.values.get("bbox"))
        if isinstance(shape, list):
            beyond = max((_beyond(ring[0::2], ring[1::2], hw) for ring in shape if ring), default=0)
            if beyond > MARGIN:
                got = f"{beyond:.1f} px outside"
                yield fault("a polygon leaves the image", got=got, code="polygon-outside")
        if box is None and row.values.get("bbox") is not None:
            yield row.wrong("bbox", "x, y, width and height", code="box-damaged")
        if box is not None:
            beyond = _beyond(box[0::2], box[1::2], hw)
            if beyond > MARGIN:
                got = f"{beyond:.1f} px outside"
                yield fault("a box leaves the image", got=got, code="box-outside")
            told = box_math.clip(np.array([box]), _frame(hw))
            near = np.abs(told - drawn).max() <= FIT_PIXELS
            fits = near or box_math.iou(told, drawn[None])[0, 0] >= FIT_IOU
            if is_object and seen and not alone and not fits:
                got = f"box {_corners(told[0])}, mask {_corners(drawn)}"
                yield row.fault("a box fits its mask", got=got, code="box-differs")
        if is_object and not seen:
            yield row.fault("covers no pixel", code="instance-empty")


def _beyond(x: Sequence[float | int], y: Sequence[float | int], hw: tuple[int, int]) -> float | int:
    """Pixels by which corners lie outside the image."""
    return max(-min(x), -min(y), max(x) - hw[1], max(y) - hw[0])


def _corners(box: Float64[np.ndarray, "4"]) -> str:
    return ", ".join(f"{value:.0f}" for value in box)
