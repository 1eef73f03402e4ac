"""YOLO's folders, with polygons or boxes: files -> frames and their labels.

In: a folder with a description (data.yaml, or another .yaml with `names`), that file itself, or one
split's folder below it; beside each images/.../<name>.jpg a text file labels/.../<name>.txt with a
line an object: class number, then x y x y ... or a box, x y width height, in shares of width and
height. `names` is a list or numbered, `train`, `val` and `test` are folders or lists of pictures,
from `path` or from where the description lies; what is not where it says, as on another machine, is
looked for by the last parts of its path. Without a description a list of names does, classes.txt
or obj.names, beside the labels or above them (Label Studio, LabelImg, CVAT); pictures are in
images/ or beside their texts. Out: as from drawn.py; a picture without a text file has no objects,
as the format has it, unless no picture of the split has one. It knows neither ignore regions nor
crowds. Lines that cannot be read are faults. Refused: a description without names or
splits.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tinyseg.data import drawn
from tinyseg.data.drawn import Drawn, Rings, Size
from tinyseg.data.found import Files, Found, find_pictures, last_parts, names_below, others_among
from tinyseg.data.names import SPLIT_KINDS, TRAIN
from tinyseg.errors import DataError, TinysegError
from tinyseg.fields import read_text
from tinyseg.frame import FrameLabels
from tinyseg.image import image_hw, is_picture
from tinyseg.labels import index_of
from tinyseg.masks import CropMasks

LAYOUT = "a folder with data.yaml, images/ and labels/, or one of its folders of images"

YOLO_DESCRIPTION = "data.yaml"
IMAGES, LABELS = "images", "labels"

NAMES = ("classes.txt", "obj.names")
"""Annotators put a list of class names beside or above the labels, under these names."""

_OUTSIDE = 1.0
"""A polygon may stick out of the picture by this share of its sides."""

_ABOVE = 3
"""Folders above one split's that may hold the description."""

_HAS_NAMES = re.compile(r"^(names|nc)\s*:", re.MULTILINE)


def fits(path: Path) -> bool:
    """Whether there is a description of this format at the path or above it."""
    return _description(path) is not None


def splits(path: Path) -> tuple[str, ...]:
    """Those that the description names and that are there; none of one split's folder alone."""
    description = _known_description(path)
    tree = _read(description)
    if path.is_dir() and path.absolute() != _root(description).absolute():
        return ()
    given = [kind for kind in SPLIT_KINDS if tree.get(kind)]
    if not given:
        rule = "a description names folders or lists of pictures"
        raise DataError(rule, path=description, expected=" | ".join(SPLIT_KINDS))
    there = [kind for kind in given if all(_places(kind, tree, description).values())]
    return tuple(there or given)


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of a split, or of the folder that the path is, by name."""
    description = _known_description(path)
    tree = _read(description)
    names = _names(tree, description)
    if all(index_of(name, classes) is None for name in names):
        rule = "no class of the data set is in the class list"
        raise DataError(rule, path=description, expected=", ".join(classes), got=", ".join(names))
    named = {kind: _places(kind, tree, description) for kind in SPLIT_KINDS if tree.get(kind)}
    gone = [f"{kind}: {word}" for kind in named for word, at in named[kind].items() if at is None]
    remarks = [f"no such folder or list: {', '.join(gone)}"] if gone else []
    missing: list[str] = []
    # One split's folder, or the images/ in it
    inner = path / IMAGES if path.name != IMAGES and (path / IMAGES).is_dir() else path
    places = [inner] if split is None else _there(split, tree, description)
    pictures = list(dict.fromkeys(_pictures(places, _root(description), missing)))
    found: dict[str, Files] = {}
    for name, picture in zip(names_below(_root(description), pictures), pictures, strict=True):
        text = yolo_label_file(picture)
        found[name] = picture, partial(read_labels, text, picture, name, names, classes)
    for place in filter(Path.is_dir, places):
        remarks += others_among(place.rglob("*"), place.name)
        texts = {*yolo_label_file(place / "any.jpg").parent.rglob("*.txt")}
        texts -= {yolo_label_file(picture) for picture in pictures}
        missing += sorted(text.stem for text in texts if text.name not in NAMES)
    if found and not any(yolo_label_file(picture).is_file() for picture, _ in found.values()):
        first = yolo_label_file(next(iter(found.values()))[0])
        remarks.append(f"no picture has a text file of labels, such as {first}")
        missing, found = [*missing, *found], {}
    return Found(dict(sorted(found.items())), tuple(missing), names, tuple(remarks))


def class_ids(path: Path) -> dict[str, int]:
    """The names that the description gives, in the order of their numbers."""
    description = _known_description(path)
    names = _names(_read(description), description)
    return {name: number for number, name in enumerate(names)}


def yolo_label_file(picture: Path) -> Path:
    """images/.../<name>.jpg -> labels/.../<name>.txt, the last images/ of the path."""
    parts = list(picture.parts)
    at = len(parts) - 1 - parts[::-1].index(IMAGES) if IMAGES in parts else None
    if at is not None:
        parts[at] = LABELS
    return Path(*parts).with_suffix(".txt")


def read_labels(
    path: Path, picture: Path, name: str, names: Sequence[str], classes: Sequence[str]
) -> FrameLabels:
    """The labels of one picture from its text file, if it has one."""
    hw = image_hw(picture)
    faults: list[TinysegError] = []
    objects = list(_objects(path, names, faults)) if path.is_file() else []
    return drawn.labels_of(objects, name=name, path=path, hw=hw, classes=classes, faults=faults)


def _objects(path: Path, names: Sequence[str], faults: list[TinysegError]) -> Iterator[Drawn]:
    """What each line says, those without a class of the description to the faults."""
    for place, line in enumerate(read_text(path).splitlines(), start=1):
        fields, where = line.split(), f"line {place}"
        if not fields:
            continue
        number = _number(fields[0])
        if number is None or not (number.is_integer() and 0 <= number < len(names)):
            rule = "no such class" if number is not None else _LINE
            expected = f"0 ... {len(names) - 1}"
            got = line.strip()[:60] if number is None else fields[0]
            faults.append(DataError(rule, path=path, where=where, expected=expected, got=got))
        else:
            yield Drawn(names[int(number)], where, partial(_draw, fields[1:]))


_LINE = "a line is a class number and coordinates"


def _draw(fields: Sequence[str], hw: Size) -> CropMasks | Rings:
    """The polygon or the box in pixels; raises DataError for what is neither."""
    shares = []
    for field in fields:
        share = _number(field)
        if share is None:
            raise DataError(_LINE, got=" ".join(fields)[:60])
        if not -_OUTSIDE <= share <= 1 + _OUTSIDE:  # NaN too
            rule = "coordinates are shares of width and height"
            raise DataError(rule, expected="0 ... 1", got=field)
        shares.append(share)
    pixels = np.array(shares).reshape(-1, 2) * (hw[1], hw[0]) if len(shares) % 2 == 0 else None
    if pixels is None or len(shares) < 4:
        rule = "an object is a box, or a polygon: x and y of three corners or more"
        raise DataError(rule, got=f"{len(shares)} numbers")
    if len(shares) == 4:
        (x, y), (width, height) = pixels.tolist()
        return drawn.box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return drawn.polygon([(x, y) for x, y in pixels.tolist()])


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None


def _description(path: Path) -> Path | None:
    """The description's file: the path itself, or in its folder, or above one split's folder."""
    if path.is_file():
        return path if path.suffix in (".yaml", ".yml") else None
    own = _described(path)
    if own is not None:
        return own
    below = path.name == IMAGES or (path / IMAGES).is_dir()
    above = [folder for folder in path.absolute().parents[:_ABOVE] if folder.name != IMAGES]
    if below or IMAGES in path.absolute().parts[-_ABOVE:]:
        return next((one for one in map(_described, above) if one is not None), None)
    return None


def _described(folder: Path) -> Path | None:
    """data.yaml, or the folder's only .yaml that names classes."""
    if (folder / YOLO_DESCRIPTION).is_file():
        return folder / YOLO_DESCRIPTION
    files = [path for end in ("yaml", "yml") for path in sorted(folder.glob(f"*.{end}"))]
    naming = [path for path in files if _HAS_NAMES.search(_text(path))]
    if naming:
        return naming[0] if len(naming) == 1 else None
    places = [where / name for where in (folder, folder / LABELS) for name in NAMES]
    names = next(filter(Path.is_file, places), None)
    labels = folder / LABELS if (folder / LABELS).is_dir() else folder
    # Folders may be deep, and those above a data set anybody's: looked through for names alone.
    if names is None or all(path.name in NAMES for path in labels.rglob("*.txt")):
        return None
    return names


def _root(description: Path) -> Path:
    return description.parent.parent if description.parent.name == LABELS else description.parent


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, ValueError):
        return ""


def _known_description(path: Path) -> Path:
    return _description(path) or path / YOLO_DESCRIPTION


def _read(description: Path) -> dict[str, Any]:
    if description.name in NAMES:
        names = [line.strip() for line in _text(description).splitlines() if line.strip()]
        root = _root(description)
        usual = {kind: (f"{kind}.txt", f"{IMAGES}/{kind}") for kind in SPLIT_KINDS}
        there = {kind: [p for p in own if (root / p).exists()] for kind, own in usual.items()}
        apart = {kind: own for kind, own in there.items() if own}
        return {"names": names, **(apart or {TRAIN: IMAGES if (root / IMAGES).is_dir() else "."})}
    rule = "the description cannot be read"
    try:
        tree = yaml.safe_load(description.read_text("utf-8-sig"))
    except OSError as error:
        raise DataError(rule, path=description, got=error.strerror) from None
    except (ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = None if mark is None else f"line {mark.line + 1}"
        raise DataError(rule, path=description, where=where, expected="YAML") from None
    if not isinstance(tree, dict):
        rule = "a description is YAML with names and splits"
        raise DataError(rule, path=description, got=type(tree).__name__)
    return tree


def _names(tree: dict[str, Any], description: Path) -> tuple[str, ...]:
    """A list of names, names by their numbers 0, 1, 2 ..., or class0 ... where only `nc` counts."""
    names, count = tree.get("names"), tree.get("nc")
    if names is None and type(count) is int and count > 0:
        names = [f"class{number}" for number in range(count)]
    if isinstance(names, dict) and sorted(map(str, names)) == sorted(map(str, range(len(names)))):
        names = [names[number] for number in sorted(names, key=int)]
    if not (isinstance(names, list) and names and all(isinstance(n, str | int) for n in names)):
        rule = "'names' are texts, in a list or by the numbers 0, 1, 2 ..."
        raise DataError(rule, path=description, got=repr(tree.get("names"))[:60])
    return tuple(str(name) for name in names)


def _places(split: str, tree: dict[str, Any], description: Path) -> dict[str, Path | None]:
    """What the description says of a split, folders of pictures and lists of them, and where they
    are."""
    given = tree[split]
    words: list[Any] = given if isinstance(given, list) else [given]
    if not all(isinstance(word, str) for word in words):
        rule = "a split is a folder or list of pictures, or several"
        raise DataError(rule, path=description, where=split, got=repr(given)[:60])
    own, root = _root(description), tree.get("path")
    roots = [_at(str(root), [own]) or own, own] if root else [own]
    return {word: _at(word, roots) for word in words}


def _at(word: str, roots: Sequence[Path]) -> Path | None:
    """Where it is: as written, else by the last parts of its path; `images` alone says nothing."""
    parts = last_parts(word)
    ends = ["/".join(parts[at:]) for at in range(len(parts))]
    ends = [word, *(end for end in ends if end != IMAGES or len(parts) == 1)]
    return next((root / end for end in ends for root in roots if (root / end).exists()), None)


def _there(split: str, tree: dict[str, Any], description: Path) -> list[Path]:
    places = _places(split, tree, description)
    for word, place in places.items():
        if place is None or not (place.is_dir() or place.suffix == ".txt"):
            rule = "no such folder or list"
            raise DataError(rule, path=description, where=split, got=word)
    return [place for place in places.values() if place is not None]


def _pictures(places: Sequence[Path], root: Path, missing: list[str]) -> Iterator[Path]:
    """The pictures of folders and lists; what lists name and is not there joins the missing."""
    for place in places:
        if place.is_dir():
            yield from sorted(filter(is_picture, place.rglob("*")))
            continue
        names = [line.strip() for line in _text(place).splitlines() if line.strip()]
        found = {name: Path(name) for name in names if Path(name).is_absolute()}
        found = {name: path for name, path in found.items() if path.is_file()}
        for folder in (place.parent, root):
            rest = [name for name in names if name not in found]
            near, _ = find_pictures(folder, rest, below=False)
            found |= {name: folder / end for name, end in near.items()}
        yield from (found[name] for name in names if name in found)
        missing += [name for name in names if name not in found]
