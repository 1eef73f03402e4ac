"""COCO instances JSON: files -> frames and their labels.

In: an instances .json, or a folder with one or several, each a split. Polygons, plain and
compressed run lengths are read; an object of which only `bbox` is known has the empty mask. Ids are
whole numbers or texts, `iscrowd` may be a boolean or lack, and a size that lacks or is below 1 is
the picture's own. Out: as from wad.py; a frame's name is its picture's path below the image folder,
where `file_name` is looked for (found.py). Crowds become the frame's ignore region. Categories
outside the chosen class list are left as background, crowds of them too: COCO labels all its
categories, so nothing hides there. Objects that cover no pixel are left out.

Refused when opened: no such lists, no category of the class list, no picture. Faults of the set:
images without id, name or picture of their own, annotations of no known image. Faults of an image:
annotations with a repeated id, an unknown category, a polygon that is not finite, a negative run
length. Annotations are checked and decoded when their image is read; until then they are kept as
JSON text, a fraction of the objects' memory.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tinyseg import masks as mask_ops
from tinyseg.data.annotation import Category, doubts_of, read_annotations
from tinyseg.data.found import Files, Found, find_pictures
from tinyseg.data.names import kind_of
from tinyseg.errors import DataError, TinysegError
from tinyseg.fields import (
    Fields,
    Identity,
    Object,
    entry_of,
    identity,
    read_json,
    repeated,
    shown,
    stop,
)
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import image_hw
from tinyseg.labels import canonical, index_of

LAYOUT = "an instances .json, or a folder with one or several, itself or in annotations/"

_INSTANCES = "instances_"
_ROBOFLOW = "_annotations.coco.json"

_KEPT = ("category_id", "iscrowd", "segmentation", "bbox")

OnFault = Callable[[TinysegError], None]


@dataclass(slots=True)
class _Image:
    """An image that the JSON names, and its annotations as they stand there; `hw` is None where the
    picture itself must be asked."""

    key: Identity
    file_name: str
    hw: tuple[int, int] | None
    rows: list[Object] = field(default_factory=list)
    faults: list[TinysegError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What an image's labels are read from; `rows` is JSON text where that keeps every value."""

    path: Path
    name: str
    picture: Path
    hw: tuple[int, int] | None
    rows: bytes | list[Object]
    faults: tuple[TinysegError, ...]
    categories: Mapping[Identity, Category]


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


def find(
    path: Path, classes: tuple[str, ...], split: str | None = None, images: Path | None = None
) -> Found:
    """The frames of a JSON, or of that of a folder's split; pictures lie in the folder `images`, or
    in one of the usual ones."""
    json_path, *others = instances_files(path, split)
    if others:
        raise DataError("a split has one .json", path=path, got=f"{json_path} and {others[0]}")
    faults: list[TinysegError] = []
    try:
        top, plain = _document(json_path)
        listed = _images(top, faults.append)
        categories = _with_labels(_categories(top, faults.append), classes)
        _hand_out(top.rows("annotations"), listed, faults.append)
    except TinysegError as error:
        raise [*faults, error][0].at(path=json_path) from None
    given = [image.file_name for image in listed.values()]
    folder, names, several = _pictures(json_path, given, images, faults.append)
    frames: dict[str, Files] = {}
    for key, image in listed.items():
        name = names.get(image.file_name)
        if name in frames:
            rule = "a picture is named once"
            faults.append(DataError(rule, where=f"image {key}", got=name, code="name-twice"))
        elif name is not None:
            rows = _packed(image.rows) if plain else image.rows
            broken = tuple(error.at(path=json_path) for error in image.faults)
            sheet = _Sheet(json_path, name, folder / name, image.hw, rows, broken, categories)
            frames[name] = folder / name, partial(read_labels, sheet)
    for name in several:
        rule = "'file_name' fits a picture of its own"
        faults.append(DataError(rule, got=f"{shown(name)}, as others do", code="file-name"))
    odd = [f"{end} for {shown(name)}" for name, end in names.items() if name != end]
    missing = {image.file_name for image in listed.values()} - names.keys() - set(several)
    return Found(
        dict(sorted(frames.items())),
        tuple(sorted(missing)),
        labelled=tuple(name for name, _ in categories.values()),
        remarks=tuple(f"{len(odd)} pictures by parts of their names: {one}" for one in odd[:1]),
        faults=tuple(error.at(path=json_path) for error in faults),
        doubts=tuple(error.at(path=json_path) for error in _named_alike(categories)),
        ids={names.get(image.file_name, image.file_name): image.key for image in listed.values()},
    )


def _packed(rows: list[Object]) -> bytes | list[Object]:
    """As JSON text, but for what is nested deeper than its writer goes."""
    try:
        return orjson.dumps(rows)
    except orjson.JSONEncodeError:
        return rows


def coco_class_names(path: Path) -> tuple[str, ...]:
    """The categories of one JSON or of all JSONs of a folder, in the order of their ids."""
    return tuple(class_ids(path))


def class_ids(path: Path) -> dict[str, Identity]:
    """The categories' ids by name, in their order; of several JSONs the first one's."""
    ids: dict[str, Identity] = {}
    for json_path in instances_files(path):
        try:
            names = _categories(_document(json_path)[0], stop)
        except TinysegError as error:
            raise error.at(path=json_path) from None
        order = sorted(names, key=lambda key: (isinstance(key, str), key))
        ids |= {names[key]: key for key in order if names[key] not in ids}
    return ids


def read_labels(sheet: _Sheet) -> FrameLabels:
    """The labels of one image from its own annotations."""
    hw = sheet.hw or image_hw(sheet.picture)
    faults = list(sheet.faults)
    rows: list[Object] = orjson.loads(sheet.rows) if isinstance(sheet.rows, bytes) else sheet.rows
    fields = [Fields(row, row["where"]) for row in rows]
    own = read_annotations(fields, hw, sheet.categories, faults.append)
    objects = np.flatnonzero(own.seen & ~own.crowd)
    ones = np.ones(len(objects))
    return FrameLabels(
        sheet.name,
        hw,
        Instances(own.boxes[objects], own.masks.select(objects), own.labels[objects], ones),
        own.masks.select(own.seen & own.crowd),
        left_out=own.left_out,
        faults=tuple(error.at(path=sheet.path) for error in faults),
        doubts=tuple(doubts_of(own, hw)),
        places=tuple(str(own.rows[at].where) for at in objects),
    )


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


def _pictures(
    json_path: Path, names: Sequence[str], images: Path | None, on_fault: OnFault
) -> tuple[Path, dict[str, str], tuple[str, ...]]:
    """The image folder, and what `find_pictures` finds there: it is the first of the usual ones
    that holds any of the names, or else the end of one."""
    near, above = json_path.parent, json_path.parent.parent
    # instances_train2017.json -> train2017
    split = json_path.stem.rsplit("_", 1)[-1]
    usual = [near / "images", near / split, above / split, above / "images" / split]
    usual += [near / "images" / split, above / "images", near]
    folders = [folder for folder in (usual if images is None else [images]) if folder.is_dir()]
    holding = [f for f in folders if any(os.path.isfile(f / name) for name in names)]
    for folder in holding[:1] or folders:
        found, several = find_pictures(folder, names, below=folder != near or images is not None)
        if found:
            return folder, found, several
    rule = f"none of the {len(names)} images was found"
    expected = f"in {' or '.join(map(str, usual if images is None else [images]))}"
    on_fault(DataError(rule, expected=expected, code="no-frames"))
    return near, {}, ()


def _document(path: Path) -> tuple[Fields, bool]:
    """The file's JSON object, whatever is in it, and whether it is JSON to the letter."""
    document, plain = read_json(path)
    if not isinstance(document, dict):
        rule = "a COCO .json is one JSON object"
        raise DataError(rule, got=shown(document), code="json-damaged")
    return Fields(document), plain


def _images(top: Fields, on_fault: OnFault) -> dict[Identity, _Image]:
    """By id."""
    images = {}
    for key, row in top.parts("images", "image", on_fault):
        try:
            images[key] = _Image(key, row.text("file_name"), _size_of(row))
        except TinysegError as error:
            on_fault(error)
    return images


def _size_of(row: Fields) -> tuple[int, int] | None:
    """Height and width, or None where a tool wrote that it does not know: nothing, 0 or -1."""
    given = [row.values.get(side) for side in ("height", "width")]
    if any(side is None or (type(side) is int and side < 1) for side in given):
        return None
    height, width = (row.whole(side, low=1) for side in ("height", "width"))
    if height * width > mask_ops.MAX_FRAME_PIXELS:
        rule = f"an image has at most {mask_ops.MAX_FRAME_PIXELS} pixels"
        raise row.fault(rule, got=f"height {height} x width {width}")
    return height, width


def _categories(top: Fields, on_fault: OnFault) -> dict[Identity, str]:
    """Names by id."""
    names = {}
    for key, row in top.parts("categories", "category", on_fault):
        try:
            names[key] = row.text("name")
        except TinysegError as error:
            on_fault(error)
    return names


def _with_labels(
    names: Mapping[Identity, str], classes: tuple[str, ...]
) -> dict[Identity, Category]:
    """Names and places in the class list by id; raises DataError where none has a place."""
    found = {key: (name, index_of(name, classes)) for key, name in names.items()}
    if all(label is None for _, label in found.values()):
        rule, got = "no category is in the class list", ", ".join(names.values()) or "no category"
        raise DataError(rule, expected=", ".join(classes), got=got, code="category-none")
    return found


def _named_alike(categories: Mapping[Identity, Category]) -> Iterator[TinysegError]:
    """Categories that are one class."""
    first: dict[str, Identity] = {}
    for key, (name, _) in categories.items():
        other = first.setdefault(canonical(name), key)
        if other != key:
            got = f"{name}: ids {other} and {key}"
            yield DataError("a category comes once", got=got, code="category-twice")


def _hand_out(rows: list[Any], images: Mapping[Identity, _Image], on_fault: OnFault) -> None:
    """Gives each annotation to its image, or what is wrong with it; that of none to `on_fault`."""
    taken: set[Identity] = set()
    for index, row in enumerate(rows):
        key = identity(row.get("image_id")) if isinstance(row, dict) else None
        image = None if key is None else images.get(key)
        place = f"annotations[{index}]"
        try:
            number, own = entry_of(row, place, "annotation")
            if number in taken:
                raise repeated(own, place, "annotation")
            taken.add(number)
            own_image = images[own.link("image_id", images, "image-dangling")]
            own_image.rows.append({"where": own.where, **{k: row[k] for k in _KEPT if k in row}})
        except TinysegError as error:
            (on_fault if image is None else image.faults.append)(error)
