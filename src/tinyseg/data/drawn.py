"""What an annotator drew on a frame, object by object -> its labels: one place for all formats.

In: Drawn objects: the name of a class, where it stands in the file, and what makes its mask. Out:
FrameLabels. Parts of one class and group are one object; what is called "ignore" or is marked so
becomes the ignore region; an object of another class than those of the list is left out, told by
its name and not drawn; what cannot be drawn is a fault; what has no pixel in the picture is gone.
A box without a mask is an object with the empty mask, in its box.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool

from tinyseg import boxes as box_math, masks as mask_ops
from tinyseg.errors import DataError, TinysegError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.labels import canonical, index_of
from tinyseg.masks import CropMasks

IGNORE_LABEL = "ignore"
MAX_COORDINATE = 2**20

Point = tuple[float, float]
Size = tuple[int, int]
"""Height and width of the frame."""

Rings = list[list[float]]
"""Polygons, each x, y, x, y, ...: what is inside any of them is the object's."""

Shape = TypeVar("Shape")
"""A shape as a format has it."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One object or part of one: its class by name, its place in the file, what draws its rings or
    its mask in a frame (and may refuse to), its group, and whether it is a region that is not
    judged."""

    label: str
    where: str
    draw: Callable[[Size], CropMasks | Rings]
    group: object = None
    ignored: bool = False


@dataclass(slots=True)
class _Parts:
    """An object's parts: its label, the places in the file, rings and masks; no label, ignored."""

    label: int | None
    where: str
    rings: Rings
    masks: list[CropMasks]


def labels_of(
    objects: Sequence[Drawn],
    *,
    name: str,
    path: Path,
    hw: Size,
    classes: Sequence[str],
    faults: Sequence[TinysegError] = (),
) -> FrameLabels:
    """The labels of a frame of height and width `hw`; faults are told with the file `path`."""
    kept: dict[object, _Parts] = {}
    left_out, broken = list[str](), list(faults)
    for place, one in enumerate(objects):
        label = index_of(one.label, classes)
        if one.ignored or canonical(one.label) == IGNORE_LABEL:
            label = None
        elif label is None:
            left_out.append(one.label)
            continue
        try:
            drawn = one.draw(hw)
        except TinysegError as error:
            broken.append(error.at(path=path, where=one.where))
            continue
        key = place if one.group is None else (label, str(one.group))
        parts = kept.setdefault(key, _Parts(label, one.where, [], []))
        if isinstance(drawn, CropMasks):
            parts.masks.append(drawn)
        else:
            parts.rings += drawn
    whole, masks = _masks(list(kept.values()), hw, lambda e: broken.append(e.at(path=path)))
    masks, seen = _seen(masks, hw)
    judged = np.array([parts.label is not None for parts in whole], np.bool_)
    labels = np.array([parts.label for parts in whole if parts.label is not None], np.int64)
    instances = Instances.from_labels(masks.select(judged & seen), labels[seen[judged]])
    region = masks.select(~judged & seen)
    boxes = region.grid_hw.prod(axis=1) == 0
    ignore = CropMasks.concatenate([region.select(~boxes), mask_ops.filled(region.boxes[boxes])])
    told = frozenset[int](), tuple(left_out), tuple(broken)
    return FrameLabels(name, hw, instances, ignore, *told)


def mask_of(one: Drawn, hw: Size) -> CropMasks:
    """The mask of one object by itself."""
    shape = one.draw(hw)
    return shape if isinstance(shape, CropMasks) else mask_ops.from_polygons([shape], hw)


def _masks(
    parts: Sequence[_Parts], hw: Size, on_fault: Callable[[TinysegError], None]
) -> tuple[list[_Parts], CropMasks]:
    """Objects, and the mask of each; rings of all are drawn at once, in turn where one is bad."""
    ringed = [one for one in parts if one.rings]
    drawn: dict[int, CropMasks] = {}
    try:
        every = mask_ops.from_polygons([one.rings for one in ringed], hw)
        drawn = {id(one): every.select(np.array([n])) for n, one in enumerate(ringed)}
    except TinysegError:
        for one in ringed:
            try:
                drawn[id(one)] = mask_ops.from_polygons([one.rings], hw)
            except TinysegError as error:
                on_fault(error.at(where=one.where))
    whole = [one for one in parts if not one.rings or id(one) in drawn]
    rows = [[*one.masks, *([drawn[id(one)]] if one.rings else [])] for one in whole]
    return whole, CropMasks.concatenate([_joined(row) for row in rows])


def _joined(parts: Sequence[CropMasks]) -> CropMasks:
    if len(parts) == 1:
        return parts[0]
    drawn = [part for part in parts if part.grid_hw.any()]
    return mask_ops.union(CropMasks.concatenate(drawn)) if drawn else parts[0]


def _seen(masks: CropMasks, hw: Size) -> tuple[CropMasks, Bool[np.ndarray, " n"]]:
    """The masks cut to the picture, and which of them show there."""
    frame = (0.0, 0.0, float(hw[1]), float(hw[0]))
    alone = masks.grid_hw.prod(axis=1) == 0
    cut = mask_ops.cut(masks, frame)
    boxes = np.where(alone[:, None], box_math.clip(masks.boxes, frame), cut.boxes)
    shown = np.where(alone, box_math.areas(boxes) > 0, mask_ops.area(cut) > 0)
    return CropMasks(boxes, cut.grid_hw, cut.coverage), shown


def numbers(values: object, count: int | None = None) -> list[float]:
    """Numbers up to MAX_COORDINATE, as many as stated; raises DataError for anything else."""
    if not isinstance(values, list | tuple) or (count is not None and len(values) != count):
        expected = "a list" if count is None else f"a list of {count}"
        raise DataError("coordinates are a list", expected=expected, got=repr(values)[:60])
    for value in values:
        if type(value) not in (int, float) or not abs(value) <= MAX_COORDINATE:  # NaN too
            rule = f"coordinates are numbers up to {MAX_COORDINATE}"
            raise DataError(rule, got=repr(value)[:60])
    return [float(value) for value in values]


def points(values: object) -> list[Point]:
    """Pairs x, y; raises DataError for anything else."""
    if not isinstance(values, list | tuple):
        raise DataError("corners are pairs x, y", got=repr(values)[:60])
    return [(x, y) for x, y in (numbers(pair, 2) for pair in values)]


def polygon(corners: Sequence[Point]) -> Rings:
    """The ring through three corners or more."""
    if len(corners) < 3:
        raise DataError("a polygon has three corners or more", got=len(corners))
    return [[value for corner in corners for value in corner]]


def rectangle(corners: Sequence[Point]) -> Rings:
    """The upright rectangle between two opposite corners, or the ring through all four."""
    if len(corners) not in (2, 4):
        raise DataError("a rectangle has two or four corners", got=len(corners))
    if len(corners) == 4:
        return polygon(corners)
    (x0, y0), (x1, y1) = corners
    return polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def ellipse(centre: Point, radii: Point, *, angle: float = 0.0) -> Rings:
    """An ellipse whose axes are turned by an angle in radians from x towards y.

    Its polygon's sides stay within a thirtieth of a pixel.
    """
    if not 0 < min(radii) <= max(radii) <= MAX_COORDINATE:
        raise DataError(f"radii lie above 0, up to {MAX_COORDINATE}", got=list(radii))
    sides = max(12, math.ceil(4 * math.pi * math.sqrt(max(radii))))
    turns = np.arange(sides) * (2 * math.pi / sides)
    along, across = radii[0] * np.cos(turns), radii[1] * np.sin(turns)
    x = centre[0] + along * math.cos(angle) - across * math.sin(angle)
    y = centre[1] + along * math.sin(angle) + across * math.cos(angle)
    return polygon(list(zip(x.tolist(), y.tolist(), strict=True)))


def circle(corners: Sequence[Point]) -> Rings:
    """The circle around the first point through the second."""
    if len(corners) != 2:
        raise DataError("a circle has a centre and a point on it", got=len(corners))
    radius = math.dist(*corners)
    return ellipse(corners[0], (radius, radius))


def box(x0: float, y0: float, x1: float, y1: float) -> CropMasks:
    """A box of which no mask is known; raises DataError where it has no width or height."""
    values = numbers([x0, y0, x1, y1])
    if x1 <= x0 or y1 <= y0:
        raise DataError("a box has a width and a height", got=values)
    return CropMasks.pack(np.array([values]), [np.zeros((0, 0), np.uint8)])


def by_kind(
    kinds: Mapping[str, Callable[[Shape, Size], CropMasks | Rings]], kind: str, shape: Shape
) -> Callable[[Size], CropMasks | Rings]:
    """What draws a shape of this kind; of one that encloses nothing or is not known it raises
    DataError when it is to draw."""
    if kind in kinds:
        return partial(kinds[kind], shape)

    def refuse(hw: Size) -> CropMasks:
        raise DataError("a shape encloses an object", expected=" | ".join(kinds), got=f"a {kind}")

    return refuse
