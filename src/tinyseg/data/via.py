"""The VGG Image Annotator's JSON, projects and plain exports -> frames and their labels.

In: a .json of version 1 or 2, or a folder with some, pictures beside it (found by the last parts of
their names, which may be web addresses). Folders called train, val ... are splits. Regions are
polygons, polylines (closed), rectangles, circles and ellipses; points are faults where their class
is learnt. A region's class is its only attribute, or the one called label, class, name, category or
type; a region without attributes is an "object". Out: as from drawn.py, sizes by the pictures.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from tinyseg.data import drawn
from tinyseg.data.drawn import IGNORE_LABEL, Drawn, Rings, Size
from tinyseg.data.found import Found, Listing
from tinyseg.data.json_kind import json_kind
from tinyseg.data.names import split_folders
from tinyseg.errors import DataError, TinysegError
from tinyseg.fields import Fields, naming, read_object
from tinyseg.frame import FrameLabels
from tinyseg.image import image_hw
from tinyseg.labels import canonical

LAYOUT = "a .json of the VGG Image Annotator, or a folder with it and the pictures"

UNNAMED = "object"
_CLASS_KEYS = ("label", "class", "name", "category", "type", "object")
_CROWD_KEYS = ("iscrowd", "is_crowd", "crowd", IGNORE_LABEL)


def fits(path: Path) -> bool:
    """Whether the file, or one of the folder or of its splits, is the annotator's."""
    return bool(_files(path)) or (path.is_dir() and bool(splits(path)))


def splits(path: Path) -> tuple[str, ...]:
    """The folders called as splits that hold a file, where the folder itself holds none."""
    if path.is_file() or _files(path):
        return ()
    return tuple(folder.name for folder in split_folders(path) if _files(folder))


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of all files of the folder or split, by name."""
    listing = Listing()
    for file in _files(path if split is None else path / split):
        listing.take(
            file,
            file.parent,
            list(_entries(file)),
            # Until they are read, regions are kept as text
            lambda own, name, picture, regions: partial(
                _read, own, name, picture, orjson.dumps(regions), classes
            ),
        )
    return listing.found()


def class_ids(path: Path) -> dict[str, int]:
    """The classes of all regions, sorted, and their places."""
    names: dict[str, str] = {}
    for folder in (path, *(path / split for split in splits(path))):
        for file in _files(folder):
            for _, regions in _entries(file):
                for region in regions:
                    own = _class_of(region)
                    names.setdefault(canonical(own), own)
    names.pop(IGNORE_LABEL, None)
    return {name: place for place, name in enumerate(sorted(names.values()))}


def _files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(path.glob("*.json"))
    return [file for file in files if json_kind(file) == "via"]


def _entries(path: Path) -> Iterator[tuple[str, list[object]]]:
    """Name and regions of each picture."""
    document = read_object(path).values
    images = document.get("_via_img_metadata", document)
    for key, value in images.items() if isinstance(images, dict) else []:
        entry = Fields(value if isinstance(value, dict) else {}, repr(key))
        with naming(path):
            name = entry.text("filename")
        regions = entry.values.get("regions") or []
        if isinstance(regions, dict):
            regions = list(regions.values())
        yield name, regions if isinstance(regions, list) else [regions]


def _read(
    path: Path, name: str, picture: Path, text: bytes, classes: tuple[str, ...]
) -> FrameLabels:
    objects: list[Drawn] = []
    faults: list[TinysegError] = []
    for index, region in enumerate(orjson.loads(text)):
        where = f"{name}: region {index}"
        shape = region.get("shape_attributes") if isinstance(region, dict) else None
        if not isinstance(shape, dict):
            rule = "a region has shape_attributes"
            faults.append(DataError(rule, path=path, where=where, got=repr(region)[:60]))
            continue
        draw = drawn.by_kind(_SHAPES, str(shape.get("name")), shape)
        objects.append(Drawn(_class_of(region), where, draw, ignored=_is_crowd(region)))
    hw = image_hw(picture)
    return drawn.labels_of(objects, name=name, path=path, hw=hw, classes=classes, faults=faults)


def _class_of(region: object) -> str:
    """The class that the attributes name; of several choices that are ticked the first."""
    own = region.get("region_attributes") if isinstance(region, dict) else None
    told = {str(key): value for key, value in own.items()} if isinstance(own, dict) else {}
    told = {key: v for key, v in told.items() if canonical(key) not in _CROWD_KEYS}
    plain = {canonical(key): value for key, value in told.items()}
    value: object = next((plain[key] for key in _CLASS_KEYS if plain.get(key)), None)
    if value is None and len(told) == 1:
        value = next(iter(told.values()))
    if isinstance(value, dict):
        value = next((key for key, ticked in value.items() if ticked), None)
    return str(value).strip() if value not in (None, "") else UNNAMED


def _is_crowd(region: Mapping[str, Any]) -> bool:
    own = region.get("region_attributes")
    told = own.items() if isinstance(own, dict) else []
    said = [value for key, value in told if canonical(str(key)) in _CROWD_KEYS]
    return any(str(value).strip().lower() in ("1", "true", "yes") for value in said)


def _numbers(shape: Mapping[str, Any], *keys: str) -> list[float]:
    return drawn.numbers([shape.get(key) for key in keys])


def _polygon(shape: Mapping[str, Any], hw: Size) -> Rings:
    x, y = (drawn.numbers(shape.get(f"all_points_{axis}")) for axis in "xy")
    if len(x) != len(y):
        raise DataError("a polygon has an x for each y", got=f"{len(x)} and {len(y)}")
    return drawn.polygon(list(zip(x, y, strict=True)))


def _rectangle(shape: Mapping[str, Any], hw: Size) -> Rings:
    x, y, width, height = _numbers(shape, "x", "y", "width", "height")
    return drawn.rectangle([(x, y), (x + width, y + height)])


def _circle(shape: Mapping[str, Any], hw: Size) -> Rings:
    x, y, radius = _numbers(shape, "cx", "cy", "r")
    return drawn.ellipse((x, y), (radius, radius))


def _ellipse(shape: Mapping[str, Any], hw: Size) -> Rings:
    x, y, along, across = _numbers(shape, "cx", "cy", "rx", "ry")
    (angle,) = drawn.numbers([shape.get("theta") or 0])
    return drawn.ellipse((x, y), (along, across), angle=angle)


_SHAPES: dict[str, Callable[[Mapping[str, Any], Size], Rings]] = {
    "polygon": _polygon,
    "polyline": _polygon,
    "rect": _rectangle,
    "circle": _circle,
    "ellipse": _ellipse,
}
