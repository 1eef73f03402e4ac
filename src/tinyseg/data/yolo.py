"""YOLO's segmentation folders: files -> frames and their labels.

In: a folder with data.yaml (`names`, and `train`, `val`, `test`: folders or lists of pictures),
that file itself, or one split's folder below images/; beside each images/.../<name>.jpg a text file
labels/.../<name>.txt with a line an object: class number, then x y x y ... in shares of width and
height. Out: as from wad.py; a picture without a text file has no objects, as the format has it. It
knows neither ignore regions nor crowds; classes outside the chosen list are background. Refused:
class numbers without a name, boxes instead of polygons, numbers that are no share of a side, one
name twice in a split, and folders in which no picture has a text file.
"""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tinyseg import masks as mask_ops
from tinyseg.data.found import Files, Found
from tinyseg.data.splits import KINDS
from tinyseg.errors import DataError, TinysegError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import image_hw
from tinyseg.labels import index_of
from tinyseg.masks import CropMasks

LAYOUT = "a folder with data.yaml, images/ and labels/, or one of its folders of images"

DESCRIPTION = "data.yaml"
PICTURES = (".jpg", ".jpeg", ".png")

_OUTSIDE = 1.0
"""A polygon may stick out of the picture by this share of its sides."""


def fits(path: Path) -> bool:
    """Whether there is a description of this format at the path or above it."""
    description = _description(path)
    return description is not None and description.is_file()


def splits(path: Path) -> tuple[str, ...]:
    """Those that the description names; none of one split's folder alone."""
    description = _description(path) or path / DESCRIPTION
    tree = _read(description)
    if _is_one_split(path, description):
        return ()
    given = tuple(kind for kind in KINDS if tree.get(kind))
    if not given:
        rule = "a description names folders or lists of pictures"
        raise DataError(rule, path=description, expected=" | ".join(KINDS))
    return given


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of a split, or of the folder that the path is, by name."""
    description = _description(path) or path / DESCRIPTION
    tree = _read(description)
    names = _names(tree, description)
    labels = tuple(index_of(name, classes) for name in names)
    if all(label is None for label in labels):
        rule = "no class of the data set is in the class list"
        raise DataError(rule, path=description, expected=", ".join(classes), got=", ".join(names))
    pictures = [path] if split is None else _places(tree[split], tree, description)
    found: dict[str, Files] = {}
    for picture in _pictures(pictures, description):
        if found.get(picture.stem, (picture,))[0] != picture:
            rule = "a name occurs once in a split"
            raise DataError(rule, path=picture, got=f"also {found[picture.stem][0]}")
        text = label_file(picture)
        found[picture.stem] = picture, partial(read_labels, text, picture, labels)
    if found and not any(label_file(picture).is_file() for picture, _ in found.values()):
        first = label_file(next(iter(found.values()))[0])
        rule = "no picture has a text file of labels"
        raise DataError(rule, path=description, expected=f"{first}, for one")
    return Found(dict(sorted(found.items())), labelled=names)


def class_ids(path: Path) -> dict[str, int]:
    """The names that the description gives, in the order of their numbers."""
    description = _description(path) or path / DESCRIPTION
    names = _names(_read(description), description)
    return {name: number for number, name in enumerate(names)}


def label_file(picture: Path) -> Path:
    """images/.../<name>.jpg -> labels/.../<name>.txt, the last images/ of the path."""
    parts = list(picture.parts)
    at = len(parts) - 1 - parts[::-1].index("images") if "images" in parts else None
    if at is not None:
        parts[at] = "labels"
    return Path(*parts).with_suffix(".txt")


def read_labels(path: Path, picture: Path, labels: tuple[int | None, ...]) -> FrameLabels:
    """The labels of one picture; `labels` is the index of each class number, None for others."""
    hw = image_hw(picture)
    rows = list(_rows(path, len(labels))) if path.is_file() else []
    kept = [(labels[number], shares, where) for number, shares, where in rows]
    masks = [_mask(shares, hw, path, w) for label, shares, w in kept if label is not None]
    known = np.array([label for label, _, _ in kept if label is not None], np.int64)
    whole = CropMasks.concatenate(masks)
    seen = mask_ops.area(whole) > 0
    instances = Instances.from_labels(whole.select(seen), known[seen])
    return FrameLabels(picture.stem, hw, instances, CropMasks.empty())


def _rows(path: Path, classes: int) -> Iterator[tuple[int, list[float], str]]:
    """Class number, coordinates and place of each line."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError("the labels cannot be read", path=path, got=error) from error
    for place, line in enumerate(lines, start=1):
        if line.strip():
            yield (*_checked(line.split(), classes, path, f"line {place}"), f"line {place}")


def _checked(fields: list[str], classes: int, path: Path, where: str) -> tuple[int, list[float]]:
    try:
        values = [float(field) for field in fields]
    except ValueError:
        rule = "a line is a class number and coordinates"
        raise DataError(rule, path=path, where=where, got=" ".join(fields)[:60]) from None
    number, shares = values[0], values[1:]
    if not (number.is_integer() and 0 <= number < classes):
        expected = f"0 ... {classes - 1}"
        raise DataError("no such class", path=path, where=where, expected=expected, got=fields[0])
    if len(shares) < 6 or len(shares) % 2:
        rule = "an object is a polygon: x and y of three corners or more"
        got = "a box" if len(shares) == 4 else f"{len(shares)} numbers"
        raise DataError(rule, path=path, where=where, got=got)
    if not all(math.isfinite(v) and -_OUTSIDE <= v <= 1 + _OUTSIDE for v in shares):
        worst = next(f for f, v in zip(fields[1:], shares, strict=True) if not 0 <= v <= 1)
        rule = "coordinates are shares of width and height"
        raise DataError(rule, path=path, where=where, expected="0 ... 1", got=worst)
    return int(number), shares


def _mask(shares: list[float], hw: tuple[int, int], path: Path, where: str) -> CropMasks:
    """The polygon's pixels of the picture."""
    corners = np.array(shares).reshape(-1, 2) * (hw[1], hw[0])
    try:
        return mask_ops.from_polygons([[corners.ravel().tolist()]], hw)
    except TinysegError as error:
        raise error.at(path=path, where=where) from error


def _description(path: Path) -> Path | None:
    """The description's file, from the path itself, its folder, or where images/ lies."""
    if path.is_file():
        return path if path.suffix in (".yaml", ".yml") else None
    if (path / DESCRIPTION).is_file():
        return path / DESCRIPTION
    above = [folder.parent for folder in (path, *path.parents) if folder.name == "images"]
    return next((folder / DESCRIPTION for folder in above), None)


def _read(description: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(description.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        got = " ".join(str(error).split())
        raise DataError("the description cannot be read", path=description, got=got) from None
    if not isinstance(tree, dict):
        rule = "a description is YAML with names and splits"
        raise DataError(rule, path=description, got=type(tree).__name__)
    return tree


def _names(tree: dict[str, Any], description: Path) -> tuple[str, ...]:
    """A list of names, or names by their numbers 0, 1, 2 ..."""
    names = tree.get("names")
    if isinstance(names, dict) and sorted(map(str, names)) == sorted(map(str, range(len(names)))):
        names = [names[number] for number in sorted(names, key=int)]
    if not (isinstance(names, list) and names and all(isinstance(n, str | int) for n in names)):
        rule = "'names' are texts, in a list or by the numbers 0, 1, 2 ..."
        raise DataError(rule, path=description, got=repr(tree.get("names"))[:60])
    return tuple(str(name) for name in names)


def _is_one_split(path: Path, description: Path) -> bool:
    return path.is_dir() and path != description.parent


def _places(given: object, tree: dict[str, Any], description: Path) -> list[Path]:
    """What the description says of a split: folders of pictures and lists of them."""
    root = description.parent / str(tree.get("path") or "")
    if not root.is_dir():  # often an absolute path of another machine
        root = description.parent
    words: list[Any] = given if isinstance(given, list) else [given]
    if not all(isinstance(word, str) for word in words):
        rule = "a split is a folder or list of pictures, or several"
        raise DataError(rule, path=description, got=repr(given)[:60])
    return [root / word for word in words]


def _pictures(places: list[Path], description: Path) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from sorted(p for p in place.rglob("*") if p.suffix.lower() in PICTURES)
        elif place.suffix == ".txt" and place.is_file():
            lines = place.read_text("utf-8").splitlines()
            yield from (place.parent / line.strip() for line in lines if line.strip())
        else:
            raise DataError("no such folder or list", path=description, got=place)
