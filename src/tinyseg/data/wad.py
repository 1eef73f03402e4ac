"""WAD folders (and what the project's own generator writes): files -> frames and their labels.

In: a folder with a picture `train_color/<stem>.jpg` (or of another type) and a label map
`train_label/<stem>_instanceIds.png`. Out: for each stem with both files its picture and the
function that reads its labels; the other stems as missing. In a label map, class = value // 1000
and instance = value % 1000; 255 is background.
65535, riders (37), groups (161 ... 168) and classes outside the chosen list become the frame's
ignore region. Refused: label values with another class.
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Int16, UInt16

from tinyseg import masks as mask_ops
from tinyseg.data.found import Found, others_among
from tinyseg.errors import DataError, TinysegError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import is_picture, read_label
from tinyseg.labels import WAD_BACKGROUND, WAD_IDS, WAD_IGNORE, WAD_RIDER, index_of

LAYOUT = "a folder with train_color/ and train_label/"

MEANS_IGNORE, MEANS_BACKGROUND, MEANS_UNKNOWN = -1, -2, -3
"""What a label value can mean other than a class index (0 and above)."""

_LABEL_SUFFIX = "_instanceIds"
_INSTANCES = 1000
_GROUPS = range(161, 169)


def fits(path: Path) -> bool:
    """Whether the folder has this layout."""
    return (path / "train_color").is_dir() and (path / "train_label").is_dir()


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of the folder, by name."""
    images = images_by_stem(path / "train_color")
    labels = {
        p.stem.removesuffix(_LABEL_SUFFIX): p
        for p in path.glob(f"train_label/*{_LABEL_SUFFIX}.png")
    }

    def reader(name: str) -> Callable[[], FrameLabels]:
        return partial(read_labels, labels[name], name, classes)

    remarks = others_among(path.glob("train_color/*"), "train_color")
    return pair(images, labels, reader, labelled=tuple(WAD_IDS.values()), remarks=remarks)


def class_ids(path: Path) -> dict[str, int]:
    """The challenge's classes, whatever the folder, and the ids of their labels."""
    return {name: number for number, name in WAD_IDS.items()}


def images_by_stem(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their stems; raises DataError for two of one stem."""
    found: dict[str, Path] = {}
    for path in sorted(filter(is_picture, folder.glob("*"))):
        if path.stem in found:
            rule = "a frame has one picture"
            raise DataError(rule, path=path, got=f"also {found[path.stem].name}")
        found[path.stem] = path
    return found


def pair(
    images: dict[str, Path],
    labels: dict[str, Path],
    reader: Callable[[str], Callable[[], FrameLabels]],
    *,
    labelled: tuple[str, ...],
    remarks: tuple[str, ...],
) -> Found:
    """The names that have both files, with the label reader of each, and those that have one."""
    both = sorted(images.keys() & labels.keys())
    frames = {n: (images[n], reader(n)) for n in both}
    return Found(frames, tuple(sorted(images.keys() ^ labels.keys())), labelled, remarks)


def read_labels(path: Path, name: str, classes: tuple[str, ...]) -> FrameLabels:
    """The labels of one frame from its label map."""
    return labels_from_map(read_label(path), path=path, name=name, meanings=meanings_of(classes))


def labels_from_map(
    label: UInt16[np.ndarray, "h w"],
    *,
    path: Path,
    name: str,
    meanings: Int16[np.ndarray, "65536"],
    step: int = _INSTANCES,
) -> FrameLabels:
    """Labels from a label map and what each value means: a class index or one of the three above;
    the class is value // step.

    Raises DataError for a value of unknown meaning, before a mask is made: a foreign picture, with
    a mask for each of its thousands of values, would fill the memory.
    """
    background = int(np.argmax(meanings == MEANS_BACKGROUND))
    values, boxes = mask_ops.value_boxes(label, background=background)
    meaning = meanings[values].astype(np.int64)
    if (meaning == MEANS_UNKNOWN).any():
        raise _unknown_value(label, path, meanings, step)
    kept = meaning != MEANS_BACKGROUND
    values, boxes, meaning = values[kept], boxes[kept], meaning[kept]
    try:
        masks = mask_ops.cut_values(label, values, boxes)
    except TinysegError as error:
        raise error.at(path=path) from error
    is_object = meaning >= 0
    instances = Instances.from_labels(masks.select(is_object), meaning[is_object])
    return FrameLabels(name, label.shape, instances, masks.select(~is_object))


def _unknown_value(
    label: UInt16[np.ndarray, "h w"], path: Path, meanings: Int16[np.ndarray, "65536"], step: int
) -> DataError:
    pixels = np.bincount(label.ravel(), minlength=2**16)
    unknown = np.flatnonzero((meanings == MEANS_UNKNOWN) & (pixels > 0))
    value, others = int(unknown[0]), len(unknown) - 1
    known = (meanings[: 2**16 // step * step] != MEANS_UNKNOWN).reshape(-1, step).all(axis=1)
    classes = np.flatnonzero(known)
    got = f"{value // step} on {pixels[value]} pixels"
    got += f", and {others} other values" if others else ""
    rule = f"the class of a label value, value // {step}, must be known"
    expected = f"{classes[0]} ... {classes[-1]}"
    return DataError(rule, path=path, where=f"value {value}", expected=expected, got=got)


@cache
def meanings_of(classes: tuple[str, ...]) -> Int16[np.ndarray, "65536"]:
    """What each value of a WAD label map means under this class list."""
    table = np.full(2**16, MEANS_UNKNOWN, np.int16)
    for class_id, name in {**WAD_IDS, WAD_RIDER: "rider"}.items():
        # A rider is never scored, whatever the class list says.
        index = None if class_id == WAD_RIDER else index_of(name, classes)
        first = class_id * _INSTANCES
        table[first : first + _INSTANCES] = MEANS_IGNORE if index is None else index
    table[_GROUPS.start : _GROUPS.stop] = MEANS_IGNORE
    table[WAD_IGNORE], table[WAD_BACKGROUND] = MEANS_IGNORE, MEANS_BACKGROUND
    return table
