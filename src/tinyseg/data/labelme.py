"""LabelMe's files: one .json a picture -> frames and their labels.

In: a folder of .json files, each naming its picture (`imagePath`, from where the .json lies; a
picture of the same name beside it will do). Shapes are masks, polygons and rectangles; shapes of
one label and one group_id are one object. Out: as from wad.py. Shapes labelled "ignore" become the
frame's ignore region; labels outside the chosen class list are background. Refused: other kinds of
shapes, masks that are no PNG, files that are not LabelMe's. Pictures kept inside the .json are not
read.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

import cv2
import numpy as np
import orjson

from tinyseg import masks as mask_ops
from tinyseg.data.found import Files, Found
from tinyseg.errors import DataError, TinysegError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.labels import canonical, index_of
from tinyseg.masks import CropMasks

LAYOUT = "a folder with a .json for each picture"

IGNORE_LABEL = "ignore"
PICTURES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")

_HEAD_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of a file: what it is called, its mask, its score (1 if none) and its group."""

    label: str
    mask: CropMasks
    score: float
    group: int | str | None
    where: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file: the picture's name as it stands there, its height and width, and the shapes."""

    image_path: str
    hw: tuple[int, int]
    shapes: tuple[Shape, ...]


def fits(path: Path) -> bool:
    """Whether the folder's first .json has shapes: LabelMe's begin with a version and shapes."""
    first = next(iter(sorted(path.glob("*.json"))), None) if path.is_dir() else None
    if first is None:
        return False
    with first.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return b'"shapes"' in head and b'"annotations"' not in head


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of the folder, by the names of their .json."""
    found: dict[str, Files] = {}
    missing = []
    for sheet in sorted(path.glob("*.json")):
        picture = _picture(sheet)
        if picture is None:
            missing.append(sheet.stem)
        else:
            found[sheet.stem] = picture, partial(read_labels, sheet, classes)
    return Found(found, tuple(missing))


def class_ids(path: Path) -> dict[str, int]:
    """The labels of all files, sorted, and their places; reads them all."""
    names: dict[str, str] = {}
    for sheet in sorted(path.glob("*.json")):
        shapes = _load(sheet).get("shapes")
        for shape in shapes if isinstance(shapes, list) else []:
            if isinstance(shape, dict) and isinstance(shape.get("label"), str):
                names.setdefault(canonical(shape["label"]), shape["label"])
    names.pop(IGNORE_LABEL, None)
    return {name: place for place, name in enumerate(sorted(names.values()))}


def read_labels(path: Path, classes: tuple[str, ...]) -> FrameLabels:
    """The labels of one file."""
    sheet = read_sheet(path)
    area = (0.0, 0.0, float(sheet.hw[1]), float(sheet.hw[0]))
    objects: dict[object, list[Shape]] = {}
    ignored = []
    for place, shape in enumerate(sheet.shapes):
        if canonical(shape.label) == IGNORE_LABEL:
            ignored.append(shape.mask)
        elif index_of(shape.label, classes) is not None:
            key = place if shape.group is None else (shape.label, str(shape.group))
            objects.setdefault(key, []).append(shape)
    parts = [_joined([shape.mask for shape in shapes]) for shapes in objects.values()]
    labels = [index_of(shapes[0].label, classes) for shapes in objects.values()]
    masks = mask_ops.cut(CropMasks.concatenate(parts), area)
    seen = mask_ops.area(masks) > 0
    known = np.array(labels, np.int64)[seen]
    region = mask_ops.cut(CropMasks.concatenate(ignored), area)
    instances = Instances.from_labels(masks.select(seen), known)
    return FrameLabels(path.stem, sheet.hw, instances, region)


def read_sheet(path: Path) -> Sheet:
    """A file with all of its shapes; raises DataError with the shape's place."""
    document = _load(path)
    try:
        hw = int(document["imageHeight"]), int(document["imageWidth"])
        shapes, name = list(document["shapes"]), str(document["imagePath"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError("is not a LabelMe file", path=path, got=repr(error)) from None
    if min(hw) < 1 or hw[0] * hw[1] > mask_ops.MAX_FRAME_PIXELS:
        rule = f"a picture has 1 ... {mask_ops.MAX_FRAME_PIXELS} pixels"
        raise DataError(rule, path=path, got=f"height {hw[0]} x width {hw[1]}")
    read = tuple(_shape(shape, hw, path, f"shape {place}") for place, shape in enumerate(shapes))
    return Sheet(name, hw, read)


def _load(path: Path) -> dict[str, Any]:
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise DataError("cannot be read", path=path, got=error.strerror) from error
    except orjson.JSONDecodeError as error:
        raise DataError("is not a LabelMe file", path=path, got=str(error)) from None
    if not isinstance(document, dict):
        raise DataError("is not a LabelMe file", path=path, got=type(document).__name__)
    return document


def _picture(sheet: Path) -> Path | None:
    """The picture of the same name, or the one that the file names; None if neither is there."""
    beside = [sheet.with_suffix(ending) for ending in PICTURES]
    found = next((path for path in beside if path.is_file()), None)
    if found is not None:
        return found
    named = _load(sheet).get("imagePath")
    if not isinstance(named, str) or "\0" in named:
        return None
    path = sheet.parent / PureWindowsPath(named).as_posix()
    return path if path.is_file() else None


def _shape(shape: object, hw: tuple[int, int], path: Path, where: str) -> Shape:
    rule = f"a shape has a label and is a {', a '.join(_KINDS)}"
    if not isinstance(shape, dict):
        raise DataError(rule, path=path, where=where, got=repr(shape)[:60])
    kind = shape.get("shape_type", "polygon")
    try:
        mask = _KINDS[kind](shape, hw)
        score = 1.0 if shape.get("score") is None else float(shape["score"])
        return Shape(str(shape["label"]), mask, score, shape.get("group_id"), where)
    except TinysegError as error:
        raise DataError(rule, path=path, where=where, got=error) from None
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        got = f"a {kind}" if kind not in _KINDS else repr(error)
        raise DataError(rule, path=path, where=where, got=got) from None


def _joined(masks: list[CropMasks]) -> CropMasks:
    return masks[0] if len(masks) == 1 else mask_ops.union(CropMasks.concatenate(masks))


def _mask_of(shape: Mapping[str, Any], hw: tuple[int, int]) -> CropMasks:
    (x0, y0), _ = shape["points"]
    data = base64.b64decode(shape["mask"], validate=True)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise ValueError("the mask is not a PNG")
    grid = (pixels > 0).astype(np.uint8) * np.uint8(255)
    return CropMasks.pack_pixels([(int(x0), int(y0))], [grid])


def _polygon_of(shape: Mapping[str, Any], hw: tuple[int, int]) -> CropMasks:
    corners = [float(value) for point in shape["points"] for value in point]
    return mask_ops.from_polygons([[corners]], hw)


def _rectangle_of(shape: Mapping[str, Any], hw: tuple[int, int]) -> CropMasks:
    (x0, y0), (x1, y1) = ((float(x), float(y)) for x, y in shape["points"])
    return mask_ops.from_polygons([[[x0, y0, x1, y0, x1, y1, x0, y1]]], hw)


_KINDS: dict[str, Callable[[Mapping[str, Any], tuple[int, int]], CropMasks]] = {
    "mask": _mask_of,
    "polygon": _polygon_of,
    "rectangle": _rectangle_of,
}
