"""LabelMe's files, and X-AnyLabeling's: one .json a picture -> frames and their labels.

In: a folder of .json files, itself or in folders below it, each naming its picture (`imagePath`,
from where the .json lies, or the last parts of that path; a picture of the same name beside it goes
first) or holding it (`imageData`). Shapes are masks, polygons, rectangles, turned ones, and
circles; shapes of one label and one group_id are one object. A size that is not stated is the
picture's. Out: as from drawn.py. Folders called train, val ... are splits. Points and lines of
labels that are learnt are faults. Files of other tools beside are passed over, and counted.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from tinyseg import masks as mask_ops
from tinyseg.data import drawn
from tinyseg.data.drawn import IGNORE_LABEL, Drawn, Point, Rings, Size
from tinyseg.data.found import Files, Found, find_pictures, names_below, others_among
from tinyseg.data.json_kind import any_of_kind, json_kind
from tinyseg.data.names import kind_of
from tinyseg.errors import DataError, TinysegError
from tinyseg.fields import Fields, is_text, read_json
from tinyseg.frame import FrameLabels
from tinyseg.image import image_hw, is_picture
from tinyseg.labels import canonical
from tinyseg.masks import CropMasks

LAYOUT = "a folder with a .json for each picture"

LABELME_BOX_FLAG = "box"
"""A flag of rectangles that stand for a box of which no mask is known."""

_PNG = b"\x89PNG\r\n\x1a\n"

_Draw = Callable[[Mapping[str, Any], Size], CropMasks | Rings]


@dataclass(frozen=True, slots=True)
class LabelmeShape:
    """One shape of a file: what is drawn, and its score as it stands there."""

    drawn: Drawn
    score: object


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file: the picture's name as it stands there, its height and width (None where the file
    does not say them), the shapes, and what is broken."""

    image_path: str
    hw: tuple[int, int] | None
    shapes: tuple[LabelmeShape, ...]
    faults: tuple[TinysegError, ...]


def fits(path: Path) -> bool:
    """Whether the file, or one of the folder's first, is LabelMe's."""
    if path.is_file():
        return json_kind(path) == "labelme"
    return any_of_kind(path, "labelme", "*.json", "*/*.json", "*/*/*.json")


def splits(path: Path) -> tuple[str, ...]:
    """Folders with the names of splits, where all .json lie in such."""
    if path.is_file() or any(path.glob("*.json")):
        return ()
    folders = sorted({sheet.relative_to(path).parts[0] for sheet in path.rglob("*.json")})
    return tuple(folders) if all(map(kind_of, folders)) else ()


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of the folder or its split, by the names of their .json."""
    taken: dict[Path, Path] = {}
    missing, others = [], 0
    beside: dict[Path, dict[str, Path]] = {}
    for sheet in _sheets(path if split is None else path / split):
        if sheet.parent not in beside:
            beside[sheet.parent] = {
                path.stem: path for path in sorted(filter(is_picture, sheet.parent.iterdir()))
            }
        picture = beside[sheet.parent].get(sheet.stem)
        if picture is None and json_kind(sheet) != "labelme":
            others += 1
            continue
        picture = picture or _picture_of(sheet)
        if picture is None:
            missing.append(sheet.stem)
        else:
            taken[sheet] = picture
    found: dict[str, Files] = {
        name: (picture, partial(read_labels, sheet, picture, name, classes))
        for name, (sheet, picture) in zip(
            names_below(path, list(taken)), taken.items(), strict=True
        )
    }
    remarks = [f"{others} files of another tool passed over"] if others else []
    for folder in beside:
        remarks += others_among(folder.iterdir(), folder.name)
    return Found(found, tuple(missing), remarks=tuple(remarks))


def class_ids(path: Path) -> dict[str, int]:
    """The labels of all files that can be read, sorted, and their places; reads them all."""
    names: dict[str, str] = {}
    for sheet in _sheets(path):
        try:
            shapes = read_sheet(sheet).shapes
        except TinysegError:
            continue  # told when its frame is read
        for shape in shapes:
            names.setdefault(canonical(shape.drawn.label), shape.drawn.label)
    names.pop(IGNORE_LABEL, None)
    return {name: place for place, name in enumerate(sorted(names.values()))}


def read_labels(path: Path, picture: Path, name: str, classes: tuple[str, ...]) -> FrameLabels:
    """The labels of one file."""
    sheet = read_sheet(path)
    hw = image_hw(picture) if sheet.hw is None else sheet.hw
    shapes = [shape.drawn for shape in sheet.shapes]
    return drawn.labels_of(
        shapes, name=name, path=path, hw=hw, classes=classes, faults=sheet.faults
    )


def read_sheet(path: Path) -> Sheet:
    """A file with all of its shapes, none of them drawn; raises DataError for what is no such
    file."""
    document = _load(path)
    shapes: list[LabelmeShape] = []
    faults: list[TinysegError] = []
    for place, row in enumerate(document.rows("shapes")):
        try:
            shapes.append(_shape(row, f"shape {place}"))
        except TinysegError as error:
            faults.append(error.at(path=path))
    name = str(document.values.get("imagePath"))
    return Sheet(name, _stated_hw(document, path), tuple(shapes), tuple(faults))


def _stated_hw(document: Fields, path: Path) -> tuple[int, int] | None:
    height, width = (document.values.get(key) for key in ("imageHeight", "imageWidth"))
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        return None
    if height * width > mask_ops.MAX_FRAME_PIXELS:
        rule = f"a picture has 1 ... {mask_ops.MAX_FRAME_PIXELS} pixels"
        raise DataError(rule, path=path, got=f"height {height} x width {width}")
    return height, width


def _sheets(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.json"))


def _load(path: Path) -> Fields:
    document, _ = read_json(path)
    if not isinstance(document, dict) or "shapes" not in document:
        raise DataError("is not a LabelMe file", path=path, expected="an object with 'shapes'")
    return Fields(document)


def _picture_of(sheet: Path) -> Path | None:
    """The picture that the file names, else the file itself where the picture is inside it."""
    try:
        document = _load(sheet)
    except TinysegError:
        return None
    named = document.values.get("imagePath")
    if is_text(named):
        path = sheet.parent / named.replace("\\", "/")
        if path.is_file():
            return path
        found, _ = find_pictures(sheet.parent, [named], below=False)
        if named in found:
            return sheet.parent / found[named]
    return sheet if document.values.get("imageData") else None


def _shape(row: object, where: str) -> LabelmeShape:
    if not isinstance(row, dict) or not isinstance(row.get("label"), str | int):
        rule = "a shape is an object with a label"
        raise DataError(rule, where=where, got=repr(row)[:60])
    kind = str(row.get("shape_type") or "polygon")
    flags = row.get("flags")
    if isinstance(flags, dict) and flags.get(LABELME_BOX_FLAG) is True:
        kind = LABELME_BOX_FLAG
    draw = drawn.by_kind(_KINDS, kind, row)
    own = Drawn(str(row["label"]), where, draw, row.get("group_id"))
    return LabelmeShape(own, row.get("score"))


def _mask_of(shape: Mapping[str, Any], hw: Size) -> CropMasks:
    corners = drawn.points(shape.get("points"))
    try:
        data = base64.b64decode(shape.get("mask") or "", validate=True)
    except (TypeError, binascii.Error, ValueError):
        data = b""
    pixels = _decoded(data)
    if pixels is None or not corners:
        raise DataError("a mask is a PNG in base64, and the corner where it lies")
    grid = (pixels > 0).astype(np.uint8) * np.uint8(255)
    return CropMasks.pack_pixels([(round(corners[0][0]), round(corners[0][1]))], [grid])


def _decoded(data: bytes) -> UInt8[np.ndarray, "h w"] | None:
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    if not data.startswith(_PNG) or not 0 < width * height <= mask_ops.MAX_FRAME_PIXELS:
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        return None


def _by_points(draw: Callable[[list[Point]], CropMasks | Rings]) -> _Draw:
    return lambda shape, hw: draw(drawn.points(shape.get("points")))


def _box_of(corners: list[Point]) -> CropMasks:
    if len(corners) != 2:
        raise DataError("a rectangle has two corners", got=len(corners))
    (x0, y0), (x1, y1) = corners
    return drawn.box(x0, y0, x1, y1)


_KINDS: dict[str, _Draw] = {
    "mask": _mask_of,
    "polygon": _by_points(drawn.polygon),
    "rectangle": _by_points(drawn.rectangle),
    "circle": _by_points(drawn.circle),
    "rotation": _by_points(drawn.polygon),
    "quadrilateral": _by_points(drawn.polygon),
    "oriented_rectangle": _by_points(drawn.polygon),
    LABELME_BOX_FLAG: _by_points(_box_of),
}
