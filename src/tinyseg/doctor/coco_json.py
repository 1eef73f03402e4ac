"""COCO .json files, listed leniently: lists, keys, ids, categories, images and their files.

In: a .json or a folder of them, and the class list. Out: a Survey; its frames keep their
annotations as JSON text until they are looked at, a fraction of the objects' memory.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import orjson

from tinyseg.data.coco import image_folder, instances_files, parse_json
from tinyseg.doctor import kinds
from tinyseg.doctor.coco_annotations import (
    Image,
    Known,
    Row,
    check_annotation,
    id_of,
    shown,
    shown_keys,
    text_of,
)
from tinyseg.doctor.coco_masks import look_at_annotations
from tinyseg.doctor.kinds import Fault, Kind
from tinyseg.doctor.sources import Source, Survey
from tinyseg.errors import DataError
from tinyseg.labels import canonical, index_of
from tinyseg.masks import MAX_FRAME_PIXELS

_PICTURES = (".jpg", ".jpeg", ".png")


def survey_coco(path: Path, classes: tuple[str, ...], split: str | None = None) -> Survey:
    """The frames of one .json or of all of a folder, by file name."""
    sources: dict[str, Source] = {}
    halves: dict[str, Fault] = {}
    faults: list[Fault] = []
    folders: set[Path] = set()
    for json_path in instances_files(path, split):
        images = _read(json_path, classes, faults)
        folder = _folder(json_path, images)
        folders |= set() if folder is None else {folder}
        for image, rows in images:
            name, picture = image.file_name, (folder or json_path.parent) / image.file_name
            if name in sources or name in halves:
                faults.append(Fault(kinds.NAME_TWICE, name, f"again in {json_path.name}"))
            elif picture.is_file():
                look = partial(look_at_annotations, rows, image)
                sources[name] = Source(name, picture, look)
            else:
                halves[name] = Fault(kinds.PICTURE_MISSING, name, f"in {picture.parent}")
    if path.is_dir() and split is None:
        faults += _unlisted(folders, {*sources, *halves})
    return Survey(dict(sorted(sources.items())), dict(sorted(halves.items())), tuple(faults))


def _folder(json_path: Path, images: list[tuple[Image, bytes]]) -> Path | None:
    """Where the pictures are; None if none of them is anywhere."""
    try:
        return image_folder(json_path, [image.file_name for image, _ in images])
    except DataError:
        return None


def _unlisted(folders: set[Path], names: set[str]) -> Iterator[Fault]:
    """Pictures beside those that are named; only of folders that hold some, not below them."""
    for folder in sorted(folders):
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in _PICTURES and path.name not in names:
                yield Fault(kinds.PICTURE_UNLISTED, path.name, f"in {folder}")


def _read(
    json_path: Path, classes: tuple[str, ...], faults: list[Fault]
) -> list[tuple[Image, bytes]]:
    """The images of one .json, each with its sound annotations of the class list as JSON text."""
    place = json_path.name
    try:
        document = parse_json(json_path)
    except DataError as error:
        told = error.rule if error.got is None else f"{error.rule}: {error.got}"
        faults.append(Fault(kinds.JSON_DAMAGED, place, told))
        return []
    images = _images(document, place, faults)
    labels = _labels(document, classes, place, faults)
    known = Known(images, labels)
    texts: dict[int, list[bytes]] = {key: [] for key in images}
    for index, row in enumerate(_list_of(document, "annotations", place, faults)):
        kept = check_annotation(row, f"{place}, annotations[{index}]", known, faults)
        if kept is not None and isinstance(row, dict):
            texts[row["image_id"]].append(orjson.dumps(kept))
    return [(image, b"[" + b",".join(texts[key]) + b"]") for key, image in images.items()]


def _list_of(document: Row, key: str, place: str, faults: list[Fault]) -> list[object]:
    rows = document.get(key)
    if isinstance(rows, list):
        return rows
    faults.append(Fault(kinds.JSON_LIST, place, f"'{key}' is {shown(rows)}"))
    return []


def _images(document: Row, place: str, faults: list[Fault]) -> dict[int, Image]:
    """By id, those that are sound."""
    images: dict[int, Image] = {}
    for key, row, where in _rows(document, "images", kinds.IMAGE_ID_TWICE, place, faults):
        name, height, width = text_of(row, "file_name"), id_of(row, "height"), id_of(row, "width")
        if name is None or not height or not width:
            told = shown_keys(row, "file_name", "height", "width")
            faults.append(Fault(kinds.JSON_KEY, where, told))
        elif height * width > MAX_FRAME_PIXELS:
            faults.append(Fault(kinds.JSON_KEY, where, f"{height} x {width} pixels"))
        elif PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            faults.append(Fault(kinds.FILE_NAME, where, name))
        else:
            images[key] = Image(name, (height, width))
    return images


def _labels(
    document: Row, classes: tuple[str, ...], place: str, faults: list[Fault]
) -> dict[int, int | None]:
    """Class index by category id, None outside the class list."""
    labels: dict[int, int | None] = {}
    names: dict[str, int] = {}
    for key, row, where in _rows(document, "categories", kinds.CATEGORY_ID_TWICE, place, faults):
        name = text_of(row, "name")
        if name is None:
            faults.append(Fault(kinds.JSON_KEY, where, shown_keys(row, "name")))
            continue
        labels[key] = index_of(name, classes)
        if canonical(name) in names:
            told = f"{name}: ids {names[canonical(name)]} and {key}"
            faults.append(Fault(kinds.CATEGORY_TWICE, place, told))
        names.setdefault(canonical(name), key)
        if labels[key] is None:
            faults.append(Fault(kinds.CATEGORY_FOREIGN, place, name))
    if labels and all(label is None for label in labels.values()):
        told = f"{', '.join(names)}; the class list: {', '.join(classes)}"
        faults.append(Fault(kinds.CATEGORY_NONE, place, told))
    return labels


def _rows(
    document: Row, key: str, twice: Kind, place: str, faults: list[Fault]
) -> Iterator[tuple[int, Row, str]]:
    """The objects of a list with an id of their own: id, object, and where it stands."""
    taken: set[int] = set()
    for index, row in enumerate(_list_of(document, key, place, faults)):
        where = f"{place}, {key}[{index}]"
        own = id_of(row, "id") if isinstance(row, dict) else None
        if not isinstance(row, dict) or own is None:
            told = shown_keys(row, "id") if isinstance(row, dict) else shown(row)
            faults.append(Fault(kinds.JSON_KEY, where, told))
        elif own in taken:
            faults.append(Fault(twice, where, f"id {own}"))
        else:
            taken.add(own)
            yield own, row, where
