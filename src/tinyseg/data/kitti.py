"""KITTI's instance segmentation: files -> frames and their labels.

In: a folder with training/image_2/<name>.png and training/instance/<name>.png, or training/ itself.
Out: as from wad.py. In a label map value = class * 256 + instance, with Cityscapes' class ids;
instance 0 of a class that has instances is a group. Groups, riders and classes outside the chosen
list become the frame's ignore region. Refused: classes that Cityscapes does not have.
"""

from functools import cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Int16

from tinyseg.data.cityscapes import CLASSES, class_ids
from tinyseg.data.found import Found, others_among
from tinyseg.data.maps import table_of
from tinyseg.data.wad import (
    MEANS_BACKGROUND,
    MEANS_IGNORE,
    MEANS_UNKNOWN,
    images_by_stem,
    labels_from_map,
    pair,
)
from tinyseg.frame import FrameLabels
from tinyseg.image import read_label
from tinyseg.labels import CITYSCAPES_IDS, index_of

LAYOUT = "a folder with training/image_2/ and training/instance/"
STEP = 256

__all__ = ["LAYOUT", "class_ids", "find", "fits", "read_labels"]


def fits(path: Path) -> bool:
    """Whether the folder has this layout."""
    return all((_base(path) / name).is_dir() for name in ("image_2", "instance"))


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of the folder, by name."""
    base = _base(path)
    labels = {p.stem: p for p in sorted((base / "instance").glob("*.png"))}
    images = images_by_stem(base / "image_2")
    return pair(
        images,
        labels,
        lambda name: partial(read_labels, labels[name], name, classes),
        labelled=CLASSES,
        remarks=others_among((base / "image_2").glob("*"), "image_2"),
    )


def read_labels(path: Path, name: str, classes: tuple[str, ...]) -> FrameLabels:
    """The labels of one frame from its label map."""
    meanings = meanings_of(classes)
    return labels_from_map(read_label(path), path=path, name=name, meanings=meanings, step=STEP)


@cache
def meanings_of(classes: tuple[str, ...]) -> Int16[np.ndarray, "65536"]:
    """What each value of a KITTI label map means under this class list."""

    def meaning(class_id: int) -> int:
        if class_id not in CITYSCAPES_IDS:
            return MEANS_BACKGROUND if class_id < min(CITYSCAPES_IDS) else MEANS_UNKNOWN
        name = CITYSCAPES_IDS[class_id]
        index = index_of(name, classes) if name in CLASSES else None
        return MEANS_IGNORE if index is None else index

    table = table_of(meaning, step=STEP)
    for class_id in CITYSCAPES_IDS:
        table[class_id * STEP] = MEANS_IGNORE
    return table


def _base(path: Path) -> Path:
    return path / "training" if (path / "training").is_dir() else path
