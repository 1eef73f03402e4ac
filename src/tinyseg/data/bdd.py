"""BDD100K, and Scalabel's JSON in general: files -> frames and their labels.

In: the data set's folder, with labels/ins_seg/bitmasks/<split>/ (or seg_track_20/) and images/10k/
<split>/ (or seg_track_20/); or a .json of frames, or a folder whose labels/ hold such, with
pictures in the usual places. A bitmask is a PNG of four bytes: class, attributes (1 ignore, 2
crowd, 4 occluded, 8 truncated) and the instance in two. In the JSON an object is a run-length code,
`poly2d` (polygons with Bezier curves, several are one object) or `box2d` alone. Out: as from
drawn.py. Ignored objects and crowds, riders, and what is a person or vehicle of another class than
those of the list become the ignore region. Refused: other classes in bitmasks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tinyseg import masks as mask_ops
from tinyseg.data import drawn
from tinyseg.data.drawn import Drawn, Point, Rings, Size
from tinyseg.data.found import Files, Found, Listing, others_among
from tinyseg.data.json_kind import json_kind
from tinyseg.data.maps import labels_from_codes
from tinyseg.data.names import SPLIT_KINDS
from tinyseg.data.wad import MEANS_BACKGROUND, MEANS_IGNORE, MEANS_UNKNOWN
from tinyseg.errors import DataError, TinysegError
from tinyseg.fields import Fields, naming, read_json
from tinyseg.frame import FrameLabels
from tinyseg.image import image_hw, is_picture, read_channels
from tinyseg.labels import canonical, index_of
from tinyseg.masks import CropMasks

LAYOUT = "a folder with labels/ins_seg/ and images/10k/, or a .json of frames with labels"

IDS = {
    1: "pedestrian",
    2: "rider",
    3: "car",
    4: "truck",
    5: "bus",
    6: "train",
    7: "motorcycle",
    8: "bicycle",
    9: "traffic light",
    10: "traffic sign",
}
NAMES = {"motor": "motorcycle", "van": "car", "caravan": "car"}
"""Categories that the data set's own tools rename."""

OTHERS = ("other person", "other vehicle", "trailer")
"""Categories that the data set's own tools do not judge."""

_TRAFFIC = 8
"""The first so many classes are people and vehicles."""

_BITMASKS = {"ins_seg": "10k", "seg_track_20": "seg_track_20"}
"""Folders of labels with bitmasks, and the folder of their pictures."""

_JSONS = {"ins_seg/rles": "10k", "ins_seg/polygons": "10k", "det_20": "100k"}
_IGNORED, _CROWD = 1, 2
_CURVE_STEPS = 8


def fits(path: Path) -> bool:
    """Whether the path is such a .json, or a folder that holds bitmasks or such."""
    if path.is_file():
        return json_kind(path) == "scalabel"
    return bool(_bitmasks(path) or _jsons(path))


def splits(path: Path) -> tuple[str, ...]:
    """train, val, test: those that have labels."""
    return () if path.is_file() else tuple(_bitmasks(path) or _jsons(path))


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of a split, by name."""
    if path.is_file() or split is None:
        return _of_json(path, [], classes)
    maps = _bitmasks(path).get(split)
    if maps is not None:
        return _of_bitmasks(*maps, classes)
    return _of_json(*_jsons(path)[split], classes)


def class_ids(path: Path) -> dict[str, int]:
    """The data set's classes, with boxes or masks, and their ids."""
    masks = not path.is_file() and bool(_bitmasks(path))
    return {name: number for number, name in IDS.items() if number <= _TRAFFIC or not masks}


def read_bitmask(path: Path, name: str, classes: tuple[str, ...]) -> FrameLabels:
    """The labels of one frame from its bitmask."""
    channels = np.moveaxis(read_channels(path).astype(np.uint32), 2, 0)
    if len(channels) != 4:
        rule = "a bitmask has four channels: class, attributes, instance"
        raise DataError(rule, path=path, got=f"{len(channels)} channels")
    category, attributes, high, low = channels
    codes = category << 24 | attributes << 16 | high << 8 | low
    return labels_from_codes(codes, partial(_meaning, classes), path=path, name=name)


def _meaning(classes: tuple[str, ...], code: int) -> int:
    category, attributes = code >> 24, code >> 16 & 255
    if category == 0:
        return MEANS_IGNORE if attributes & (_IGNORED | _CROWD) else MEANS_BACKGROUND
    if category not in IDS:
        return MEANS_UNKNOWN
    index = index_of(IDS[category], classes)
    return MEANS_IGNORE if index is None or attributes & (_IGNORED | _CROWD) else index


def _bitmasks(path: Path) -> dict[str, tuple[Path, Path]]:
    """Folders of bitmasks and pictures by split."""
    for labels, pictures in _BITMASKS.items():
        sides = path / "labels" / labels / "bitmasks", path / "images" / pictures
        found = {kind: (sides[0] / kind, sides[1] / kind) for kind in SPLIT_KINDS}
        found = {kind: both for kind, both in found.items() if all(map(Path.is_dir, both))}
        if found:
            return found
    return {}


def _of_bitmasks(labels: Path, pictures: Path, classes: tuple[str, ...]) -> Found:
    """Pictures and bitmasks of one name, which may be in folders of videos."""
    images = {_stem(p, pictures): p for p in _files(pictures) if is_picture(p)}
    maps = {_stem(p, labels): p for p in _files(labels) if p.suffix == ".png"}
    frames: dict[str, Files] = {
        name: (images[name], partial(read_bitmask, maps[name], name, classes))
        for name in sorted(images.keys() & maps.keys())
    }
    known = tuple(IDS.values())[:_TRAFFIC]
    remarks = others_among(_files(pictures), pictures.name)
    return Found(frames, tuple(sorted(images.keys() ^ maps.keys())), known, remarks)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _stem(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


# JSON


def _jsons(path: Path) -> dict[str, tuple[Path, list[Path]]]:
    """Files of frames and folders of pictures by split."""
    for labels, pictures in _JSONS.items():
        files = {
            kind: file
            for kind in SPLIT_KINDS
            for file in sorted((path / "labels" / labels).glob(f"*_{kind}.json"))
        }
        if files:
            images = path / "images" / pictures
            return {kind: (file, [images / kind]) for kind, file in files.items()}
    return {}


def _of_json(path: Path, folders: Sequence[Path], classes: tuple[str, ...]) -> Found:
    """The frames of one .json; without folders pictures are looked for in the usual ones."""
    entries = list(_entries(path))
    names = [name for name, _ in entries[:20]]
    places = (one for one in [*folders, *_usual(path)] if any((one / n).is_file() for n in names))
    where, listing = next(places, path.parent), Listing()

    def read(file: Path, name: str, picture: Path, entry: object) -> Callable[[], FrameLabels]:
        text = orjson.dumps(entry)  # until it is read, it is kept as text
        return partial(_read, file, name, picture, text, classes)

    listing.take(path, where, entries, read, below=False)
    return listing.found(IDS.values())


def _usual(path: Path) -> Iterator[Path]:
    """Where pictures are, seen from a .json: images/10k/train ... above it, or beside it."""
    split = next((kind for kind in SPLIT_KINDS if kind in path.stem.lower()), "")
    for above in list(path.absolute().parents)[:5]:
        for folder in ("images/10k", "images/100k", "images/seg_track_20", "images"):
            yield from (above / folder / split, above / folder)
        yield above


def _entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and contents of each frame; a frame of a video is in the folder of its name."""
    document: Any = read_json(path)[0]
    rows = document.get("frames") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise DataError("is a list of frames", path=path, got=type(document).__name__)
    for entry in Fields({"frames": rows}).entries("frames"):
        with naming(path):
            name, video = entry.text("name"), entry.values.get("videoName")
        inside = isinstance(video, str) and video and "/" not in name
        yield (f"{video}/{name}" if inside else name), entry.values


def _read(
    path: Path, name: str, picture: Path, text: bytes, classes: tuple[str, ...]
) -> FrameLabels:
    labels = orjson.loads(text).get("labels") or []
    faults: list[TinysegError] = []
    objects: list[Drawn] = []
    for index, row in enumerate(labels if isinstance(labels, list) else [labels]):
        where = f"{name}: label {index}"
        if isinstance(row, dict) and isinstance(row.get("category"), str):
            category = canonical(row["category"])
            category = NAMES.get(category, category)
            attributes = row.get("attributes")
            told = attributes if isinstance(attributes, dict) else {}
            ignored = any(told.get(key) is True for key in ("crowd", "ignored", "ignore"))
            people_and_vehicles = [canonical(name) for name in list(IDS.values())[:_TRAFFIC]]
            other = category in people_and_vehicles and index_of(category, classes) is None
            aside = ignored or other or category in OTHERS
            objects.append(Drawn(category, where, partial(_draw, row), ignored=aside))
        else:
            rule = "a label is an object with a category"
            faults.append(DataError(rule, path=path, where=where, got=repr(row)[:60]))
    hw = image_hw(picture)
    return drawn.labels_of(objects, name=name, path=path, hw=hw, classes=classes, faults=faults)


def _draw(row: Mapping[str, Any], hw: Size) -> CropMasks | Rings:
    code, rings, box = (row.get(key) for key in ("rle", "poly2d", "box2d"))
    if isinstance(code, dict):
        size, counts = code.get("size"), code.get("counts")
        if size != list(hw):
            rule = "a run-length code has its image's size [height, width]"
            raise DataError(rule, expected=list(hw), got=repr(size)[:60])
        if not (isinstance(counts, str) and counts.isascii()):
            raise DataError("a run-length code is text in ASCII", got=repr(counts)[:60])
        return mask_ops.from_coco_rle([counts], hw)
    if rings:
        return [ring for corners in _rings(rings) for ring in drawn.polygon(corners)]
    if isinstance(box, dict):
        return drawn.box(*drawn.numbers([box.get(key) for key in ("x1", "y1", "x2", "y2")]))
    raise DataError("an object has rle, poly2d or box2d", got=", ".join(map(str, row)))


def _rings(rings: object) -> list[list[Point]]:
    """Corners of each polygon: vertices with a type each, or rows of x, y and type, as of 2018."""
    if not isinstance(rings, list):
        raise DataError("poly2d is a list of polygons", got=repr(rings)[:60])
    if all(isinstance(ring, dict) for ring in rings):
        return [_corners(drawn.points(r.get("vertices")), str(r.get("types", ""))) for r in rings]
    if not all(isinstance(row, list) and len(row) == 3 for row in rings):
        raise DataError("poly2d is a list of polygons", got=repr(rings)[:60])
    types = "".join(str(row[2]) for row in rings)
    return [_corners(drawn.points([row[:2] for row in rings]), types)]


def _corners(vertices: Sequence[Point], types: str) -> list[Point]:
    """The ring with its curves as steps: three C after a corner are two control points and the
    curve's end, which is the ring's begin where it lacks."""
    corners: list[Point] = []
    at, closed = 0, [*vertices, *vertices[:1]]
    while at < len(vertices):
        if types[at : at + 1] == "C" and corners and at + 2 < len(closed):
            corners += _curve(corners[-1], *closed[at : at + 3])
            at += 3
        else:
            corners.append(vertices[at])
            at += 1
    return corners


def _curve(a: Point, b: Point, c: Point, d: Point) -> list[Point]:
    """Points on a cubic Bezier curve after its begin, the last is its end."""
    t = np.arange(1, _CURVE_STEPS + 1)[:, None] / _CURVE_STEPS
    points = np.array([a, b, c, d])
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return [(x, y) for x, y in (weights @ points).tolist()]
