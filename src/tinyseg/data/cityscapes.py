"""Cityscapes folders: files -> frames and their labels.

In: a folder with `leftImg8bit/<split>/<city>/<name>_leftImg8bit.png` (or another picture) and
`gtFine/<split>/<city>/<name>_gtFine_instanceIds.png`, a split at a time. Out: as from wad.py.
In a label map, 1000 and above are instances, class = value // 1000; 24 ... 33 alone is a group of
that class; 0 ... 23 is background. Riders, groups and classes outside the chosen list become the
frame's ignore region. Refused: other values, and a name that occurs twice in a split.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Int16

from tinyseg.data.found import Found, others_among
from tinyseg.data.wad import MEANS_BACKGROUND, MEANS_IGNORE, MEANS_UNKNOWN, labels_from_map, pair
from tinyseg.errors import DataError
from tinyseg.frame import FrameLabels
from tinyseg.image import is_picture, read_label
from tinyseg.labels import CITYSCAPES_IDS, index_of

LAYOUT = "a folder with leftImg8bit/<split>/<city>/ and gtFine/<split>/<city>/"

IMAGE_SUFFIX = "_leftImg8bit"
SIDES = ("leftImg8bit", "gtFine")
LABEL_SUFFIX = "_gtFine_instanceIds"

CLASSES = tuple(name for name in CITYSCAPES_IDS.values() if name != "rider")
"""A rider is labelled apart from its bicycle, unlike the person of other data sets: ignored."""


def fits(path: Path) -> bool:
    """Whether the folder has this layout."""
    return (path / "leftImg8bit").is_dir() and (path / "gtFine").is_dir()


def splits(path: Path) -> tuple[str, ...]:
    """The folders of both sides."""
    pictures, labels = ({p.name for p in path.glob(f"{side}/*/")} for side in SIDES)
    return tuple(sorted(pictures & labels))


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of a split, by name; of all folders where no split has both sides."""
    own = split or "*"
    pictures = sorted(path.glob(f"leftImg8bit/{own}/*/*"))
    images = _by_name(filter(is_picture, pictures), IMAGE_SUFFIX)
    labels = _by_name(sorted(path.glob(f"gtFine/{own}/*/*.png")), LABEL_SUFFIX)

    def reader(name: str) -> Callable[[], FrameLabels]:
        return partial(read_labels, labels[name], name, classes)

    remarks = others_among(pictures, "leftImg8bit")
    return pair(images, labels, reader, labelled=CLASSES, remarks=remarks)


def read_labels(path: Path, name: str, classes: tuple[str, ...]) -> FrameLabels:
    """The labels of one frame from its label map."""
    return labels_from_map(read_label(path), path=path, name=name, meanings=meanings_of(classes))


def class_ids(path: Path) -> dict[str, int]:
    """Cityscapes' classes with instances but for riders, whatever the folder, and their ids."""
    return {name: number for number, name in CITYSCAPES_IDS.items() if name in CLASSES}


def _by_name(paths: Iterable[Path], suffix: str) -> dict[str, Path]:
    """Those whose names end so, by what stands before."""
    found: dict[str, Path] = {}
    for path in (path for path in paths if path.stem.endswith(suffix)):
        name = path.stem.removesuffix(suffix)
        if name in found:
            rule = "a name occurs once in a split"
            raise DataError(rule, path=path, where=name, got=f"also {found[name]}")
        found[name] = path
    return found


@cache
def meanings_of(classes: tuple[str, ...]) -> Int16[np.ndarray, "65536"]:
    """What each value of a Cityscapes label map means under this class list."""
    table = np.full(2**16, MEANS_UNKNOWN, np.int16)
    table[: min(CITYSCAPES_IDS)] = MEANS_BACKGROUND
    for class_id, name in CITYSCAPES_IDS.items():
        index = index_of(name, classes) if name in CLASSES else None
        table[class_id] = MEANS_IGNORE
        table[class_id * 1000 : (class_id + 1) * 1000] = MEANS_IGNORE if index is None else index
    return table
