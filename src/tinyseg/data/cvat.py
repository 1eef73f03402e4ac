"""CVAT's XML for images, version 1.1 -> frames and their labels.

In: annotations.xml or a folder with it (or with one other such .xml), pictures in images/ or
beside, perhaps below a folder of their subset, found by the last parts of their names. Subsets are
splits. Shapes are polygons, masks (runs along the rows of their box, background first), ellipses,
and boxes, of which no mask is known; shapes of one label and group are one object. A shape whose
attribute is_crowd says so is not judged. Points, lines, cuboids of labels that are learnt are
faults. Out: as from drawn.py. Refused: XML of videos, whose shapes are tracks.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import orjson

from tinyseg.data import drawn
from tinyseg.data.drawn import IGNORE_LABEL, Drawn, Rings, Size
from tinyseg.data.found import Found, Listing
from tinyseg.errors import DataError, TinysegError
from tinyseg.frame import FrameLabels
from tinyseg.image import image_hw
from tinyseg.labels import canonical
from tinyseg.masks import MAX_FRAME_PIXELS, CropMasks

LAYOUT = "annotations.xml of CVAT for images, and a folder images/"

NAME = "annotations.xml"
_HEAD_BYTES = 4096
_IS_CROWD = ("is_crowd", "iscrowd", "crowd")
_NO_SHAPES = ("tag", "attribute")

Shape = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Image:
    """A picture: its name, its subset, its size as stated, and its shapes with their kinds."""

    name: str
    subset: str
    hw: tuple[int, int] | None
    shapes: list[Shape]


def fits(path: Path) -> bool:
    """Whether the path is such a file or holds one."""
    return _file(path) is not None


def splits(path: Path) -> tuple[str, ...]:
    """The subsets, where there are several."""
    names = dict.fromkeys(image.subset for image in _images(_known(path)) if image.subset)
    return tuple(names) if len(names) > 1 else ()


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of the file or one of its subsets, by name."""
    file = _known(path)
    images = [image for image in _images(file) if split is None or image.subset == split]
    folder = file.parent / "images" if (file.parent / "images").is_dir() else file.parent
    listing = Listing()

    def read(file: Path, name: str, picture: Path, image: _Image) -> Callable[[], FrameLabels]:
        shapes = orjson.dumps(image.shapes)  # until they are read, they are kept as text
        return partial(_read, file, name, picture, image.hw, shapes, classes)

    listing.take(file, folder, [(image.name, image) for image in images], read)
    return listing.found(class_ids(path))


def class_ids(path: Path) -> dict[str, int]:
    """The labels that the file's head lists, in their order, else those of its shapes, sorted."""
    file = _known(path)
    head = takewhile(lambda element: element.tag != "image", _elements(file))
    labels = (element for element in head if element.tag == "label")
    listed = dict.fromkeys((label.findtext("name") or "").strip() for label in labels)
    names = list(listed) or sorted({s["label"] for i in _images(file) for s in i.shapes})
    kept = [name for name in names if canonical(name) != IGNORE_LABEL]
    return {name: place for place, name in enumerate(kept)}


def _file(path: Path) -> Path | None:
    if path.is_file():
        return path if _is_cvat(path) else None
    if _is_cvat(path / NAME):
        return path / NAME
    others = [file for file in sorted(path.glob("*.xml")) if _is_cvat(file)]
    return others[0] if len(others) == 1 else None


def _known(path: Path) -> Path:
    file = _file(path)
    if file is None:
        raise DataError("no annotations of CVAT", path=path, expected=LAYOUT)
    return file


def _is_cvat(path: Path) -> bool:
    if path.suffix.lower() != ".xml" or not path.is_file():
        return False
    with path.open("rb") as file:
        return b"<annotations" in file.read(_HEAD_BYTES)


def _elements(path: Path) -> Iterator[ElementTree.Element]:
    """Elements that have ended, in their order."""
    try:
        for _, element in ElementTree.iterparse(path, events=("end",)):
            yield element
    except ElementTree.ParseError as error:
        where = f"line {error.position[0]}"
        raise DataError("is not XML", path=path, where=where) from None
    except (LookupError, ValueError):
        rule = "is XML of an encoding that is known"
        raise DataError(rule, path=path, where="line 1", expected="UTF-8") from None
    except OSError as error:
        raise DataError("cannot be read", path=path, got=error.strerror) from None


def _images(path: Path) -> list[_Image]:
    found = []
    for element in _elements(path):
        if element.tag == "track":
            rule = "a track of a video is not read: export 'CVAT for images'"
            raise DataError(rule, path=path, where=f"track {element.get('id')}")
        if element.tag == "image":
            found.append(_image(element, path))
            element.clear()  # what was read is not kept
    return found


def _image(element: ElementTree.Element, path: Path) -> _Image:
    name = element.get("name")
    if not name:
        raise DataError("an image has a name", path=path, where=f"image {element.get('id')}")
    sides = [element.get(key, "") for key in ("height", "width")]
    stated = all(side.isdecimal() and 0 < int(side) < 2**31 for side in sides)
    shapes = []
    for shape in element:
        if shape.tag in _NO_SHAPES:
            continue
        said = {a.get("name", ""): (a.text or "").strip().lower() for a in shape.iter("attribute")}
        crowd = any(said.get(key) in ("true", "1") for key in _IS_CROWD)
        own = {"kind": shape.tag, "label": "", **shape.attrib}
        shapes.append(own | {"crowd": "1"} if crowd else own)
    hw = (int(sides[0]), int(sides[1])) if stated else None
    return _Image(name, element.get("subset", ""), hw, shapes)


def _read(
    path: Path,
    name: str,
    picture: Path,
    hw: Size | None,
    text: bytes,
    classes: tuple[str, ...],
) -> FrameLabels:
    objects: list[Drawn] = []
    faults: list[TinysegError] = []
    for index, shape in enumerate(orjson.loads(text)):
        where, kind = f"{name}: {shape['kind']} {index}", shape["kind"]
        if not shape["label"].strip():
            faults.append(DataError("a shape has a label", path=path, where=where))
            continue
        draw = drawn.by_kind(_SHAPES, kind, shape)
        group = shape.get("group_id") if shape.get("group_id") not in ("", "0") else None
        objects.append(Drawn(shape["label"], where, draw, group, "crowd" in shape))
    size = image_hw(picture) if hw is None else hw
    return drawn.labels_of(objects, name=name, path=path, hw=size, classes=classes, faults=faults)


def _numbers(shape: Shape, *keys: str) -> list[float]:
    return drawn.numbers([_number(shape.get(key)) for key in keys])


def _number(text: str | None) -> float | str | None:
    """The number that a text says, else the text, for the checks to refuse."""
    try:
        return float(text or "")
    except ValueError:
        return text


def _polygon(shape: Shape, hw: Size) -> Rings:
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
    return drawn.polygon(drawn.points([[_number(value) for value in pair] for pair in pairs]))


def _ellipse(shape: Shape, hw: Size) -> Rings:
    x, y, along, across = _numbers(shape, "cx", "cy", "rx", "ry")
    (angle,) = drawn.numbers([_number(shape.get("rotation", "0"))])
    return drawn.ellipse((x, y), (along, across), angle=math.radians(angle))


def _box(shape: Shape, hw: Size) -> CropMasks:
    """The box; of a turned one the upright box around it."""
    x0, y0, x1, y1 = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
    (angle,) = drawn.numbers([_number(shape.get("rotation", "0"))])
    turn, tilt = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    width, height = (x1 - x0) * turn + (y1 - y0) * tilt, (x1 - x0) * tilt + (y1 - y0) * turn
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    if angle == 0:
        return drawn.box(x0, y0, x1, y1)
    return drawn.box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _mask(shape: Shape, hw: Size) -> CropMasks:
    """Runs of background and object in turn, along the rows of the mask's own box."""
    left, top, width, height = (round(v) for v in _numbers(shape, "left", "top", "width", "height"))
    texts = [text.strip() for text in shape.get("rle", "").split(",")]
    runs = [int(text) for text in texts if text.isdecimal() and len(text) < 12]
    cells = width * height
    if min(width, height) < 1 or cells > MAX_FRAME_PIXELS:
        raise DataError("a mask has a width and a height", got=f"{width} x {height}")
    if len(runs) != len(texts) or sum(runs) != cells:
        rule = "a mask's runs are whole numbers that fill its box"
        raise DataError(rule, expected=cells, got=sum(runs) if len(runs) == len(texts) else "text")
    values = np.arange(len(runs), dtype=np.uint8) % 2 * np.uint8(255)
    grid = np.repeat(values, runs).reshape(height, width)
    return CropMasks.pack_pixels([(left, top)], [grid])


_SHAPES: Mapping[str, Callable[[Shape, Size], CropMasks | Rings]] = {
    "polygon": _polygon,
    "mask": _mask,
    "ellipse": _ellipse,
    "box": _box,
}
