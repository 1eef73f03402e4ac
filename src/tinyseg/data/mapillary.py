"""Mapillary Vistas, versions 1.1 to 2.0: files -> frames and their labels.

In: a folder with training/ and validation/, or one of them, each with images/<name>.jpg and
instances/<name>.png (in v1.2/ or v2.0/, the newer goes first), and config.json or config_<version>
.json there or above; or, where there are no instances/, panoptic/<name>.png and its .json. An
instance map's value is label * 256 + instance, a label's place in the configuration's list; a
panoptic map's colour is the id of a segment, red + 256 green + 65,536 blue. Out: as from wad.py. A
class has the name that people read. Crowds, groups, labels that are not evaluated, and people and
vehicles outside the chosen list become the ignore region; other labels are background.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import orjson
from jaxtyping import Int16

from tinyseg.data.found import Files, Found
from tinyseg.data.maps import labels_from_codes, table_of
from tinyseg.data.names import split_folders
from tinyseg.data.wad import (
    MEANS_BACKGROUND,
    MEANS_IGNORE,
    MEANS_UNKNOWN,
    images_by_stem,
    labels_from_map,
)
from tinyseg.errors import DataError
from tinyseg.fields import naming, read_object
from tinyseg.frame import FrameLabels
from tinyseg.image import read_channels, read_label
from tinyseg.labels import canonical, index_of

LAYOUT = "a folder with training/images/ and training/instances/ (or v2.0/instances/, panoptic/)"

VERSIONS = ("v2.0", "v1.2", "")
STEP = 256

_MAPS, _PANOPTIC = "instances", "panoptic"
_TRAFFIC = ("human--", "object--vehicle--")
"""What may be taken for a class of the list where it is not in it."""

Meaning = dict[int, int]
"""What each label or category means, as in wad.py."""


def fits(path: Path) -> bool:
    """Whether the folder, or one called as a split, has this layout and its configuration."""
    bases = [path, *split_folders(path)] if path.is_dir() else []
    return any(_labels_in(base) is not None for base in bases)


def splits(path: Path) -> tuple[str, ...]:
    """The folders called as splits that have labels."""
    if _labels_in(path) is not None:
        return ()
    return tuple(folder.name for folder in split_folders(path) if _labels_in(folder) is not None)


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of a split, by name."""
    base = path if split is None else path / split
    folder = _labels_in(base)
    if folder is None:
        raise DataError("no folder of labels", path=base, expected=LAYOUT)
    pictures = images_by_stem(base / "images")
    if folder.name == _PANOPTIC:
        maps = _panoptic(folder, classes)
    else:
        known = {label.number: label.meaning(classes) for label in _labels(folder)}
        meanings = table_of(lambda label: known.get(label, MEANS_UNKNOWN), step=STEP)
        reader = partial(read_map, meanings=meanings)
        maps = {p.stem: (p, reader) for p in sorted(folder.glob("*.png"))}
    frames: dict[str, Files] = {}
    for name in sorted(pictures.keys() & maps.keys()):
        label, read = maps[name]
        frames[name] = pictures[name], partial(read, label, name)
    labelled = tuple(class_ids(base))
    return Found(frames, tuple(sorted(pictures.keys() ^ maps.keys())), labelled)


def class_ids(path: Path) -> dict[str, int]:
    """The labels with instances that are evaluated and are no groups, and their ids."""
    bases = [path, *split_folders(path)]
    folder = next(folder for base in bases if (folder := _labels_in(base)) is not None)
    labels = _categories(folder) if folder.name == _PANOPTIC else _labels(folder)
    learnt = (label for label in labels if label.is_thing and label.is_judged)
    return {one.name: one.number for one in learnt if not canonical(one.name).endswith("group")}


@dataclass(frozen=True, slots=True)
class Label:
    """A label: its id, the name that people read, the kinds that it belongs to ("object--vehicle"),
    whether it has instances, and whether it is evaluated."""

    number: int
    name: str
    kinds: str
    is_thing: bool
    is_judged: bool

    def meaning(self, classes: tuple[str, ...]) -> int:
        """As in wad.py."""
        if not self.is_judged or canonical(self.name).endswith("group"):
            return MEANS_IGNORE
        index = index_of(self.name, classes) if self.is_thing else None
        if index is not None:
            return index
        return (
            MEANS_IGNORE if self.is_thing and self.kinds.startswith(_TRAFFIC) else MEANS_BACKGROUND
        )


def read_map(path: Path, name: str, *, meanings: Int16[np.ndarray, "65536"]) -> FrameLabels:
    """The labels of one frame from its map of instances."""
    return labels_from_map(read_label(path), path=path, name=name, meanings=meanings, step=STEP)


def read_segments(path: Path, name: str, *, segments: bytes, meanings: Meaning) -> FrameLabels:
    """The labels of one frame from its panoptic map; `segments` are [id, category, crowd] each.

    What is in no segment was labelled by nobody: it is not judged.
    """
    kinds = {0: MEANS_IGNORE}
    for number, category, crowd in orjson.loads(segments):
        kinds[number] = MEANS_IGNORE if crowd else meanings.get(category, MEANS_UNKNOWN)
    red, green, blue = np.moveaxis(read_channels(path)[..., :3].astype(np.uint32), 2, 0)
    codes = red + green * 256 + blue * 65536
    return labels_from_codes(
        codes, lambda code: kinds.get(code, MEANS_UNKNOWN), path=path, name=name
    )


def _labels_in(base: Path) -> Path | None:
    """Where a split's maps are: instances first, the newer version first."""
    if not (base / "images").is_dir():
        return None
    for version in VERSIONS:
        folder = base / version / _MAPS
        if folder.is_dir() and _configuration(folder) is not None:
            return folder
    folders = (base / version / _PANOPTIC for version in VERSIONS)
    return next((one for one in folders if one.is_dir() and _panoptic_json(one)), None)


def _configuration(folder: Path) -> Path | None:
    version = folder.parent.name if folder.parent.name in VERSIONS else ""
    names = [f"config_{version}.json", "config.json"] if version else ["config.json"]
    above = list(folder.parents)[: 4 if version else 3]
    return next((a / name for name in names for a in above if (a / name).is_file()), None)


def _labels(folder: Path) -> list[Label]:
    path = _configuration(folder)
    if path is None:
        raise DataError("no configuration", path=folder, expected="config.json with 'labels'")
    labels = []
    with naming(path):
        for number, entry in enumerate(read_object(path).entries("labels")):
            about = (bool(entry.values.get(key, True)) for key in ("instances", "evaluate"))
            labels.append(Label(number, entry.text("readable"), entry.text("name"), *about))
    return labels


def _panoptic_json(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("panoptic*.json"), reverse=True)), None)


def _categories(folder: Path) -> list[Label]:
    path = _panoptic_json(folder) or folder
    labels = []
    with naming(path):
        for entry in read_object(path).entries("categories"):
            thing, above = entry.values.get("isthing", 1), str(entry.values.get("supercategory"))
            own = entry.whole("id"), entry.text("name")
            labels.append(Label(*own, above, bool(thing), True))
    return labels


def _panoptic(
    folder: Path, classes: tuple[str, ...]
) -> dict[str, tuple[Path, Callable[[Path, str], FrameLabels]]]:
    """The map and the reader of each picture that the .json names."""
    path = _panoptic_json(folder) or folder
    meanings = {label.number: label.meaning(classes) for label in _categories(folder)}
    found: dict[str, tuple[Path, Callable[[Path, str], FrameLabels]]] = {}
    with naming(path):
        for entry in read_object(path).entries("annotations"):
            name = entry.text("file_name")
            segments = [
                (own.whole("id"), own.whole("category_id"), int(bool(own.values.get("iscrowd"))))
                for own in entry.entries("segments_info")
            ]
            read = partial(read_segments, segments=orjson.dumps(segments), meanings=meanings)
            found[Path(name).stem] = folder / name, read
    return found
