"""KITTI MOTS and MOTSChallenge: tracked objects' masks, frame by frame -> frames and their labels.

In: a folder, or its train/ and val/, with instances/<sequence>/<frame>.png or, for those without,
instances_txt/<sequence>.txt, and pictures in image_02/, training/image_02/ or images/; or folders
<sequence>/ with gt/gt.txt and img1/. A label map's value is class * 1000 + track; a text's line is
frame, that value, class, height, width and COCO's run-length code. Class 1 is a car, 2 a
pedestrian; 10 is what nobody judges. Out: as from wad.py; classes outside the chosen list become
the ignore region too. A broken line is a fault of its frame. Refused: other values.
"""

from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Int16

from tinyseg import masks as mask_ops
from tinyseg.data import drawn
from tinyseg.data.drawn import Drawn, Size
from tinyseg.data.found import Files, Found, others_among
from tinyseg.data.maps import table_of
from tinyseg.data.names import split_folders
from tinyseg.data.wad import MEANS_BACKGROUND, MEANS_IGNORE, MEANS_UNKNOWN, labels_from_map
from tinyseg.errors import DataError, TinysegError
from tinyseg.fields import read_text
from tinyseg.frame import FrameLabels
from tinyseg.image import image_hw, is_picture, read_label
from tinyseg.labels import index_of
from tinyseg.masks import CropMasks

LAYOUT = "a folder with instances/ or instances_txt/ and image_02/, or <sequence>/gt/ and img1/"

IDS = {1: "car", 2: "pedestrian"}
IGNORED = 10

_MAPS, _TEXTS = "instances", "instances_txt"
_PICTURES = ("image_02", "images", "training/image_02", "img1")
_TEXT_OF_SEQUENCE = "gt/gt.txt"


def fits(path: Path) -> bool:
    """Whether the folder, or one called as a split, has this layout."""
    return path.is_dir() and any(map(_has_labels, [path, *split_folders(path)]))


def splits(path: Path) -> tuple[str, ...]:
    """The folders called as splits that have labels."""
    if _has_labels(path):
        return ()
    return tuple(one.name for one in split_folders(path) if _has_labels(one))


def find(path: Path, classes: tuple[str, ...], split: str | None = None) -> Found:
    """The frames of all sequences, by sequence and number."""
    base = path if split is None else path / split
    frames: dict[str, Files] = {}
    missing: list[str] = []
    faults: list[TinysegError] = []
    remarks: list[str] = []
    for sequence, folder, labels in _sequences(base):
        pictures = {p.stem: p for p in sorted(filter(is_picture, folder.iterdir()))}
        remarks += others_among(folder.iterdir(), sequence)
        if labels.is_dir():
            maps = {p.stem: p for p in sorted(labels.glob("*.png"))}
            missing += [f"{sequence}/{stem}" for stem in sorted(pictures.keys() ^ maps.keys())]
            for stem in sorted(pictures.keys() & maps.keys()):
                name = f"{sequence}/{stem}"
                frames[name] = pictures[stem], partial(read_map, maps[stem], name, classes)
        else:
            lines = _by_frame(labels, faults)
            for stem, picture in pictures.items():
                name = f"{sequence}/{stem}"
                own = tuple(lines.get(int(stem), ())) if stem.isdecimal() else ()
                frames[name] = picture, partial(read_lines, labels, own, picture, name, classes)
    return Found(frames, tuple(missing), tuple(IDS.values()), tuple(remarks), tuple(faults))


def class_ids(path: Path) -> dict[str, int]:
    """The two classes, whatever the folder, and their ids."""
    return {name: number for number, name in IDS.items()}


def read_map(path: Path, name: str, classes: tuple[str, ...]) -> FrameLabels:
    """The labels of one frame from its label map."""
    meanings = meanings_of(classes)
    return labels_from_map(read_label(path), path=path, name=name, meanings=meanings)


def read_lines(
    path: Path,
    lines: Sequence[tuple[int, str]],
    picture: Path,
    name: str,
    classes: tuple[str, ...],
) -> FrameLabels:
    """The labels of one frame from its lines in the sequence's text."""
    hw, objects = image_hw(picture), list[Drawn]()
    faults: list[TinysegError] = []
    for place, line in lines:
        try:
            where = f"line {place}"
            fields = line.split()
            if len(fields) != 6 or not all(field.isdecimal() for field in fields[:5]):
                rule = "a line is frame, id, class, height, width and a run-length code"
                raise DataError(rule, where=where, got=line[:60])
            class_id, size = int(fields[2]), (int(fields[3]), int(fields[4]))
            if class_id != IGNORED and class_id not in IDS:
                expected = f"{' | '.join(map(str, IDS))} | {IGNORED}"
                raise DataError("no such class", where=where, expected=expected, got=class_id)
            label = IDS.get(class_id, drawn.IGNORE_LABEL)
            ignored = index_of(label, classes) is None
            objects.append(Drawn(label, where, partial(_draw, fields[5], size), ignored=ignored))
        except TinysegError as error:
            faults.append(error.at(path=path))
    return drawn.labels_of(objects, name=name, path=path, hw=hw, classes=classes, faults=faults)


@cache
def meanings_of(classes: tuple[str, ...]) -> Int16[np.ndarray, "65536"]:
    """What each value of a label map means under this class list."""

    def meaning(class_id: int) -> int:
        if class_id == IGNORED:
            return MEANS_IGNORE
        index = index_of(IDS[class_id], classes) if class_id in IDS else MEANS_UNKNOWN
        return MEANS_IGNORE if index is None else index

    table = table_of(meaning, step=1000)
    table[0] = MEANS_BACKGROUND
    return table


def _draw(code: str, size: Size, hw: Size) -> CropMasks:
    if size != hw:
        rule = "image and label need one size (height, width)"
        raise DataError(rule, expected=hw, got=size)
    return mask_ops.from_coco_rle([code], hw)


def _has_labels(base: Path) -> bool:
    return any(True for _ in _sequences(base))


def _sequences(base: Path) -> Iterator[tuple[str, Path, Path]]:
    """Name, folder of pictures and folder or text of labels of each sequence."""
    near = [base, base / "training"]
    labels = {p.stem: p for folder in near for p in sorted((folder / _TEXTS).glob("*.txt"))}
    labels |= {p.name: p for folder in near for p in sorted((folder / _MAPS).glob("*/"))}
    for name, own in sorted(labels.items()):
        places = [base / folder / name for folder in _PICTURES]
        pictures = next((place for place in places if place.is_dir()), None)
        if pictures is not None:
            yield name, pictures, own
    for text in sorted(base.glob(f"*/{_TEXT_OF_SEQUENCE}")):
        folder = text.parents[1]
        if (folder / "img1").is_dir():
            yield folder.name, folder / "img1", text


def _by_frame(text: Path, faults: list[TinysegError]) -> dict[int, list[tuple[int, str]]]:
    """Lines with their places by the number of the frame, which each begins with."""
    found: dict[int, list[tuple[int, str]]] = {}
    for place, line in enumerate(read_text(text).splitlines(), start=1):
        number = line.split(maxsplit=1)[:1]
        if number and not number[0].isdecimal():
            rule = "a line begins with the number of its frame"
            faults.append(DataError(rule, path=text, where=f"line {place}", got=line[:60]))
        elif number:
            found.setdefault(int(number[0]), []).append((place, line))
    return found
