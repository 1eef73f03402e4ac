"""COCO instances JSON: files -> frames and their labels.

In: an instances .json, or a folder with one or several, each a split. Polygons, plain and
compressed run lengths are read. Out: as from wad.py; a frame's name is its `file_name`. Crowds
become the frame's ignore region. Categories outside the chosen class list are left as background,
crowds of them too: COCO labels all its categories, so nothing hides there. Objects that cover no
pixel are left out. Refused when opened: no such lists, images and categories with wrong keys or
types, annotations of no known image. Refused when its image is read: an annotation with a repeated
id, an unknown category, a polygon that is not finite, a negative run length. Geometry is decoded
then; until then each image keeps its annotations as JSON text, a fraction of the objects' memory.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import orjson

from tinyseg import masks as mask_ops
from tinyseg.data.found import Files, Found
from tinyseg.data.splits import kind_of
from tinyseg.errors import DataError, TinysegError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.labels import index_of
from tinyseg.masks import CropMasks

LAYOUT = "an instances .json, or a folder with one or several, itself or in annotations/"

_INSTANCES = "instances_"
_ROBOFLOW = "_annotations.coco.json"

_MAX_WHOLE = 2**53
_MAX_COORDINATE = 2**20

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Image:
    """An image that the JSON names."""

    file_name: str
    hw: tuple[int, int]


def fits(path: Path) -> bool:
    """Whether the path is a .json or a folder that holds one."""
    return path.suffix == ".json" if path.is_file() else bool(_json_files(path))


def splits(path: Path) -> tuple[str, ...]:
    """What the files of a folder are called after `instances_`; none of one file alone, unless its
    name is that of a split."""
    names = [] if path.is_file() else [split_name(one) for one in instances_files(path)]
    return tuple(names) if len(names) > 1 or any(map(kind_of, names)) else ()


def split_name(json_path: Path) -> str:
    """train2017 of instances_train2017.json; the folder's name of Roboflow's files."""
    if json_path.name == _ROBOFLOW:
        return json_path.parent.name
    return json_path.stem.removeprefix(_INSTANCES)


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of one JSON or of all JSONs of a folder, by file name."""
    frames: dict[str, Files] = {}
    missing: list[str] = []
    files = instances_files(path, split)
    for json_path in files:
        images = _read_instances(json_path, classes)
        folder = image_folder(json_path, [image.file_name for image, _ in images])
        for image, annotations in images:
            name, image_path = image.file_name, folder / image.file_name
            if name in frames:
                rule = "a file name occurs once in all .json that are joined"
                raise DataError(rule, path=json_path, where=name, got=f"also {frames[name][0]}")
            if os.path.isfile(image_path):
                frames[name] = image_path, partial(read_labels, json_path, image, annotations)
            else:
                missing.append(name)
    labelled = tuple(_ids_of(files))
    return Found(dict(sorted(frames.items())), tuple(sorted(missing)), labelled)


def coco_class_names(path: Path) -> tuple[str, ...]:
    """The categories of one JSON or of all JSONs of a folder, in the order of their ids."""
    return tuple(class_ids(path))


def class_ids(path: Path) -> dict[str, int]:
    """The categories' ids by name, in their order; of several JSONs the first one's."""
    return _ids_of(instances_files(path))


def _ids_of(files: Sequence[Path]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for json_path in files:
        try:
            categories = _checked_categories(parse_json(json_path))
        except DataError as error:
            raise error.at(path=json_path) from error
        ids |= {categories[key]: key for key in sorted(categories) if categories[key] not in ids}
    return ids


def read_labels(json_path: Path, image: _Image, annotations: bytes) -> FrameLabels:
    """The labels of one image from its own annotations."""
    rows = orjson.loads(annotations)
    for row in rows:
        if "broken" in row:
            raise DataError(path=json_path, **row["broken"])
    masks = CropMasks.concatenate([_decode(row, json_path, image.hw) for row in rows])
    # A crowd's label is -1.
    labels = np.array([row["label"] for row in rows], np.int64)
    visible = mask_ops.area(masks) > 0
    objects, crowds = visible & (labels >= 0), visible & (labels < 0)
    instances = Instances.from_labels(masks.select(objects), labels[objects])
    return FrameLabels(image.file_name, image.hw, instances, masks.select(crowds))


def _decode(row: _Row, json_path: Path, hw: tuple[int, int]) -> CropMasks:
    """One mask inside the image: an annotator's polygon may stick out."""
    shape = row["shape"]
    try:
        if isinstance(shape, list):
            return mask_ops.from_polygons([shape], hw)
        if isinstance(shape, str):
            return mask_ops.from_coco_rle([shape], hw)
        return mask_ops.from_coco_counts([shape["counts"]], hw)
    except TinysegError as error:
        raise error.at(path=json_path, where=f"annotation {row['id']}") from error


def _json_files(folder: Path) -> list[Path]:
    """Instances files of the folder or its annotations/; any .json if none has that name."""
    found = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    named = [p for p in found if p.name.startswith(_INSTANCES)]
    return named or sorted(folder.glob(f"*/{_ROBOFLOW}")) or found


def instances_files(path: Path, split: str | None = None) -> list[Path]:
    """The .json that a path stands for, or its split's; raises DataError where it has none."""
    files = [path] if path.is_file() else _json_files(path)
    if split is not None:
        files = [one for one in files if split_name(one) == split]
    if not files:
        raise DataError("no .json", path=path, expected=LAYOUT)
    return files


def image_folder(json_path: Path, file_names: Sequence[str]) -> Path:
    """The first of the usual folders that holds any of the images."""
    near, above = json_path.parent, json_path.parent.parent
    # instances_train2017.json -> train2017
    split = json_path.stem.rsplit("_", 1)[-1]
    folders = [near / "images", near / split, above / split, above / "images" / split]
    folders += [near / "images" / split, above / "images", near]
    for folder in folders:
        if folder.is_dir() and any(os.path.isfile(folder / name) for name in file_names):
            return folder
    rule = f"none of the {len(file_names)} images was found"
    raise DataError(rule, path=json_path, expected=f"in {' or '.join(map(str, folders))}")


def _read_instances(path: Path, classes: tuple[str, ...]) -> list[tuple[_Image, bytes]]:
    """The images of one JSON, each with its annotations of the chosen classes as JSON text."""
    try:
        document = parse_json(path)
        images, categories = _checked_images(document), _checked_categories(document)
        labels = {key: index_of(name, classes) for key, name in categories.items()}
        if all(label is None for label in labels.values()):
            rule, names = "no category is in the class list", ", ".join(categories.values())
            raise DataError(rule, expected=", ".join(classes), got=names or "no category")
        texts = _annotation_texts(document, images, labels)
    except DataError as error:
        raise error.at(path=path) from error
    return [(image, b"[" + b",".join(texts[key]) + b"]") for key, image in images.items()]


def parse_json(path: Path) -> _Row:
    """The file's JSON object, whatever is in it; raises DataError where it is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError("the .json cannot be read", got=error.strerror or error) from error
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        document = _parse_leniently(data, error)
    if not isinstance(document, dict):
        raise DataError("a COCO .json is one JSON object", got=_shown(document))
    return document


def _parse_leniently(data: bytes, error: orjson.JSONDecodeError) -> object:
    """NaN and Infinity are no JSON, but Python writes them: let the checks say where one is."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise DataError("the file is not JSON", got=error) from error


def _checked_images(document: _Row) -> dict[int, _Image]:
    """By id."""
    images = {}
    for key, (row, where) in _checked_rows(document, "images", "image").items():
        name = _text(row, "file_name", where)
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            rule = "'file_name' is a path below the image folder, written with '/'"
            raise DataError(rule, where=where, got=_shown(name))
        height, width = (_whole(row, side, where, low=1) for side in ("height", "width"))
        if height * width > mask_ops.MAX_FRAME_PIXELS:
            rule = f"an image has at most {mask_ops.MAX_FRAME_PIXELS} pixels"
            raise DataError(rule, where=where, got=f"height {height} x width {width}")
        images[key] = _Image(name, (height, width))
    return images


def _checked_categories(document: _Row) -> dict[int, str]:
    """Names by id."""
    rows = _checked_rows(document, "categories", "category")
    return {key: _text(row, "name", where) for key, (row, where) in rows.items()}


def _annotation_texts(
    document: _Row, images: dict[int, _Image], labels: dict[int, int | None]
) -> dict[int, list[bytes]]:
    """What `read_labels` needs of each annotation, by image id: id, label (-1: crowd) and shape.

    A broken annotation of a known image becomes that image's error, to be raised when it is read.
    """
    texts: dict[int, list[bytes]] = {key: [] for key in images}
    taken: set[int] = set()
    for index, row in enumerate(_list_of(document, "annotations")):
        place = f"annotations[{index}]"
        try:
            kept = _checked_annotation(row, place, taken, images, labels)
        except DataError as error:
            image_id = row.get("image_id") if isinstance(row, dict) else None
            if type(image_id) is not int or image_id not in images:
                raise
            expected = None if error.expected is None else str(error.expected)
            told = {"where": error.where, "expected": expected, "got": str(error.got)}
            kept = {"broken": {"rule": error.rule, **told}}
        if kept is not None:
            texts[row["image_id"]].append(orjson.dumps(kept))
    return texts


def _checked_annotation(
    row: object,
    place: str,
    taken: set[int],
    images: dict[int, _Image],
    labels: dict[int, int | None],
) -> _Row | None:
    """Id, label and shape of one annotation; None if its class is not in the list."""
    row, key, where = _checked_row(row, place, taken, "annotation")
    image = images[_known(row, "image_id", where, images)]
    label = labels[_known(row, "category_id", where, labels)]
    crowd = _whole(row, "iscrowd", where, low=0) if "iscrowd" in row else 0
    shape = _checked_shape(row.get("segmentation"), image.hw, where)
    return None if label is None else {"id": key, "label": -1 if crowd else label, "shape": shape}


def _checked_shape(shape: object, hw: tuple[int, int], where: str) -> object:
    """Polygons, {"counts": ...} or compressed counts: finite, not negative, of the image size."""
    if isinstance(shape, list):
        for number, polygon in enumerate(shape):
            _check_polygon(polygon, f"{where}: polygon {number}")
        if shape:
            return shape
    if not isinstance(shape, dict):
        rule = "'segmentation' is a list of polygons or an object with size and counts"
        raise DataError(rule, where=where, got=_shown(shape))
    if shape.get("size") != list(hw):
        rule = "a run-length code has its image's size [height, width]"
        raise DataError(rule, where=where, expected=list(hw), got=_shown(shape.get("size")))
    counts = shape.get("counts")
    if isinstance(counts, str) and counts.isascii():
        return counts
    if not isinstance(counts, list):
        rule = "'counts' is a list of whole numbers, or their code in ASCII"
        raise DataError(rule, where=where, got=_shown(counts))
    for at, count in enumerate(counts):
        if type(count) is not int or not 0 <= count <= hw[0] * hw[1]:
            rule = "a run length is a whole number from 0 to the image's pixels"
            raise DataError(rule, where=f"{where}: count {at}", got=_shown(count))
    return {"counts": counts}


def _check_polygon(polygon: object, where: str) -> None:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        rule = "a polygon is a list of x, y, x, y, ..., of three corners or more"
        raise DataError(rule, where=where, got=_shown(polygon))
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
        raise DataError(rule, where=f"{where}: number {at}", got=_shown(value))


def _is_coordinate(value: Any) -> bool:
    # False for NaN too, which is neither above nor below.
    return type(value) in (int, float) and -_MAX_COORDINATE <= value <= _MAX_COORDINATE


def _checked_rows(document: _Row, key: str, noun: str) -> dict[int, tuple[_Row, str]]:
    """The objects of one list by id, each with how an error names it ("image 17")."""
    checked: dict[int, tuple[_Row, str]] = {}
    taken: set[int] = set()
    for index, row in enumerate(_list_of(document, key)):
        row, own, where = _checked_row(row, f"{key}[{index}]", taken, noun)
        checked[own] = row, where
    return checked


def _list_of(document: _Row, key: str) -> list[Any]:
    rows = document.get(key)
    if not isinstance(rows, list):
        rule = f"a COCO .json has a list '{key}'"
        raise DataError(rule, got=_shown(rows) if key in document else "no such key")
    return rows


def _checked_row(row: object, place: str, taken: set[int], noun: str) -> tuple[_Row, int, str]:
    """An object of a list, its id, which joins those that are taken, and how an error names it."""
    if not isinstance(row, dict):
        rule = f"each of '{place.partition('[')[0]}' is a JSON object"
        raise DataError(rule, where=place, got=_shown(row))
    own = _whole(row, "id", place, low=0)
    if own in taken:
        raise DataError("an id occurs once", where=f"{noun} {own}", got=f"again at {place}")
    taken.add(own)
    return row, own, f"{noun} {own}"


def _whole(row: _Row, key: str, where: str, *, low: int) -> int:
    value = row.get(key)
    # A bool is an int to isinstance.
    if type(value) is not int or not low <= value <= _MAX_WHOLE:
        rule = f"'{key}' is a whole number from {low} to {_MAX_WHOLE}"
        raise DataError(rule, where=where, got=_shown(value) if key in row else "no such key")
    return value


def _text(row: _Row, key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        rule = f"'{key}' is text"
        raise DataError(rule, where=where, got=_shown(value) if key in row else "no such key")
    return value


def _known(row: _Row, key: str, where: str, known: dict[int, Any]) -> int:
    value = _whole(row, key, where, low=0)
    if value not in known:
        raise DataError(f"'{key}' leads nowhere", where=where, got=value)
    return value


def _shown(value: object) -> str:
    """A value in few words, for an error."""
    if isinstance(value, list | dict):
        return f"a {'list' if isinstance(value, list) else 'JSON object'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
