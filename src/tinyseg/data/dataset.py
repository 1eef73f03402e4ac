"""Data sets: a path -> items, each of which reads one Frame when asked.

In: a folder (or COCO JSON) of one of FORMATS, a class list, and perhaps a list of names to keep.
Out: a DataSet; its items are small, pickle, and open no file until they are read. Refused: a path
that no format fits, a class list with a repeated name, and a data set of which nothing is left.
A new format is one module with `fits`, `find`, `class_ids`, `LAYOUT` and perhaps `splits`, and a
line in FORMATS; it lists one split a call, and they are joined here.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tinyseg.data import (
    bdd,
    cityscapes,
    coco,
    cvat,
    kitti,
    labelme,
    mapillary,
    mots,
    via,
    wad,
    yolo,
)
from tinyseg.data.found import Files, Found
from tinyseg.data.names import Names, chosen_split, fitting, plain_parts
from tinyseg.errors import DataError, TinysegError
from tinyseg.fields import read_text, stop
from tinyseg.frame import Frame, FrameLabels
from tinyseg.image import read_image
from tinyseg.labels import WAD_CLASSES, canonical


@dataclass(frozen=True, slots=True)
class Place:
    """A data set to open: its path, and what is not recognised from it.

    `listed` is a text file of the frames to keep, `split` one of its splits; None keeps all.
    `format` is one of FORMATS, `images` the folder of its pictures, `labelled` the classes that it
    labels, with commas between the names.
    """

    path: Path
    listed: Path | None = None
    format: str | None = None
    split: str | None = None
    images: Path | None = None
    labelled: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One frame of a data set, read when asked; `name` is unique in its data set, `split` is None
    where that has no splits.

    `load` gives all that can be read, and the broken objects as faults. Reading raises the first
    fault; with `on_fault` (the caller's, or the item's own) each fault is passed to it and its
    object is left out.
    """

    name: str
    image_path: Path
    load: Callable[[], FrameLabels]
    unlabelled: frozenset[int] = frozenset()
    split: str | None = None
    on_fault: Callable[[TinysegError], None] | None = None

    def read_labels(self, on_fault: Callable[[TinysegError], None] | None = None) -> FrameLabels:
        """The frame's labels without its picture."""
        labels, tell = self.load(), on_fault or self.on_fault or stop
        for fault in labels.faults:
            tell(fault)
        return replace(labels, unlabelled=self.unlabelled) if self.unlabelled else labels

    def read(self, on_fault: Callable[[TinysegError], None] | None = None) -> Frame:
        """The picture with its labels; every error names a file of the frame.

        The picture is upright, unless the labels' height and width fit its stored pixels alone.
        """
        try:
            labels = self.read_labels(on_fault)
            return Frame.of(read_image(self.image_path, labels.hw), labels)
        except TinysegError as error:
            if error.path is not None:
                raise
            raise error.at(path=self.image_path) from error


@dataclass(frozen=True, slots=True)
class DataSet:
    """Items in order, with the class list that their labels index.

    `missing` are names that are listed, or found, without both a picture and a label. `unlabelled`
    are the class indices that no frame labels. `splits` are those that the data set has, `split`
    the one that was opened, or None. `remarks` are sentences for the user. `ids` are the frames'
    ids in the files, by name (a number where they have one); they include frames that were not
    opened.
    """

    format: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    missing: tuple[str, ...]
    unlabelled: frozenset[int] = frozenset()
    splits: tuple[str, ...] = ()
    split: str | None = None
    remarks: tuple[str, ...] = ()
    ids: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is recognised and listed, and its layout in words."""

    fits: Callable[[Path], bool]
    find: Callable[..., Found]
    """Of a path, a class list and a split; and of a folder of `images`, where it takes one."""
    layout: str
    class_ids: Callable[[Path], Mapping[str, int | str]]
    splits: Callable[[Path], tuple[str, ...]] = lambda path: ()
    takes_images: bool = False
    numbers_classes: bool = True
    """False where the ids of classes are places in a list that nothing but this package makes."""


FORMATS = {
    "wad": Format(wad.fits, wad.find, wad.LAYOUT, wad.class_ids),
    "cityscapes": Format(
        cityscapes.fits,
        cityscapes.find,
        cityscapes.LAYOUT,
        cityscapes.class_ids,
        cityscapes.splits,
    ),
    "kitti": Format(kitti.fits, kitti.find, kitti.LAYOUT, kitti.class_ids),
    "mots": Format(mots.fits, mots.find, mots.LAYOUT, mots.class_ids, mots.splits),
    "mapillary": Format(
        mapillary.fits,
        mapillary.find,
        mapillary.LAYOUT,
        mapillary.class_ids,
        mapillary.splits,
    ),
    "bdd": Format(bdd.fits, bdd.find, bdd.LAYOUT, bdd.class_ids, bdd.splits),
    "yolo": Format(yolo.fits, yolo.find, yolo.LAYOUT, yolo.class_ids, yolo.splits),
    "cvat": Format(
        cvat.fits, cvat.find, cvat.LAYOUT, cvat.class_ids, cvat.splits, numbers_classes=False
    ),
    "labelme": Format(
        labelme.fits,
        labelme.find,
        labelme.LAYOUT,
        labelme.class_ids,
        labelme.splits,
        numbers_classes=False,
    ),
    "via": Format(via.fits, via.find, via.LAYOUT, via.class_ids, via.splits, numbers_classes=False),
    "coco": Format(coco.fits, coco.find, coco.LAYOUT, coco.class_ids, coco.splits, True),
}
"""The formats by name, in the order in which they are tried."""


def open_data(
    path: Path,
    *,
    format: str | None = None,
    classes: Sequence[str] = WAD_CLASSES,
    listed: Path | None = None,
    labelled: Sequence[str] | None = None,
    split: str | None = None,
    images: Path | None = None,
    on_fault: Callable[[TinysegError], None] | None = None,
) -> DataSet:
    """The data set at a path, without reading a picture or a label.

    Without `format` it is recognised; without `split` all of its splits are joined. Items come
    sorted by name, or in the order of the file `listed`, which names the frames to keep, one a
    line: stems or file names, or one of the WAD's video lists. `labelled` names the classes that
    the data set labels, where its files do not say so themselves; `images` is where its pictures
    are, for formats whose files name them. What is broken in the set itself, and later in its
    frames, is raised, or handed to `on_fault`. Raises DataError where no item is left.
    """
    names = _checked_classes(classes)
    chosen = recognise(path) if format is None else _checked_format(format)
    splits = FORMATS[chosen].splits(path)
    taken = splits or (None,) if split is None else (chosen_split(split, splits, path),)
    listings = list_frames(path, chosen, names, taken, images)
    found: dict[str, Item] = {}
    for own, listing in listings.items():
        for fault in listing.faults:
            (on_fault or stop)(fault)
        unlabelled = _unlabelled(names, listing.labelled if labelled is None else labelled)
        for name, files in listing.frames.items():
            found[name] = Item(name, *files, unlabelled, own, on_fault)
    ids: dict[str, int | str] = {n: n for one in listings.values() for n in one.frames}
    ids |= {name: key for listing in listings.values() for name, key in listing.ids.items()}
    missing = [name for listing in listings.values() for name in listing.missing]
    remarks = tuple(dict.fromkeys(line for one in listings.values() for line in one.remarks))
    if listed is not None:
        kept, missing = _select(list(found), listed)
        found = {name: found[name] for name in kept}
    if not found:
        rule = "no frame has both an image and a label"
        source = None if listed is None else f"listed in {listed}"
        expected = FORMATS[chosen].layout
        got = "; ".join([f"{len(missing)} without one of the two", *remarks])
        raise DataError(rule, path=path, where=source, expected=expected, got=got)
    items = tuple(found.values()) if listed else tuple(found[name] for name in sorted(found))
    nowhere = frozenset.intersection(*(item.unlabelled for item in items))
    only = None if split is None else taken[0]
    return DataSet(chosen, names, items, tuple(missing), nowhere, splits, only, remarks, ids)


def list_frames(
    path: Path,
    format: str,
    classes: tuple[str, ...],
    taken: Sequence[str | None],
    images: Path | None = None,
) -> dict[str | None, Found]:
    """What the format's reader lists of the splits that are taken, None where there are none.

    A name that occurs in several splits has its own before it.
    """
    own = FORMATS[format]
    if images is None:
        return names_apart({one: own.find(path, classes, one) for one in taken})
    if not own.takes_images or not images.is_dir():
        rule = "a folder of pictures is for labels that name them"
        expected = " | ".join(name for name, one in FORMATS.items() if one.takes_images)
        got = format if images.is_dir() else f"{images}: no such folder"
        raise DataError(rule, path=path, expected=expected, got=got)
    return names_apart({one: own.find(path, classes, one, images) for one in taken})


def names_apart(listings: dict[str | None, Found]) -> dict[str | None, Found]:
    """The listings with their split before each name that occurs in several."""
    counts = Counter(name for listing in listings.values() for name in listing.frames)
    if not counts or max(counts.values()) == 1:
        return listings
    told = {}
    for split, listing in listings.items():
        own = {name: name if counts[name] == 1 else f"{split}/{name}" for name in listing.frames}
        frames: dict[str, Files] = {
            own[name]: (picture, partial(_called, own[name], read))
            for name, (picture, read) in listing.frames.items()
        }
        ids = {own.get(name, name): number for name, number in listing.ids.items()}
        told[split] = replace(listing, frames=frames, ids=ids)
    return told


def _called(name: str, read: Callable[[], FrameLabels]) -> FrameLabels:
    return replace(read(), name=name)


def splits_of(path: Path, format: str | None = None) -> tuple[str, ...]:
    """The data set's splits; none where all of its frames are together."""
    chosen = recognise(path) if format is None else _checked_format(format)
    return FORMATS[chosen].splits(path)


def split_of_kind(path: Path, kind: str, format: str | None = None) -> str | None:
    """The data set's split of a kind, `train` or `val`; None where it has none of it."""
    splits = splits_of(path, format)
    return chosen_split(kind, splits, path) if fitting(kind, splits) else None


def _unlabelled(classes: tuple[str, ...], labelled: Sequence[str] | None) -> frozenset[int]:
    """The classes of the list that are not among those that the data set labels."""
    if labelled is None:
        return frozenset()
    own = {canonical(name) for name in labelled}
    return frozenset(i for i, name in enumerate(classes) if canonical(name) not in own)


def class_ids(path: Path, format: str | None = None) -> Mapping[str, int | str]:
    """The data set's own classes, those that its format has or that it names, and their ids."""
    chosen = recognise(path) if format is None else _checked_format(format)
    ids = FORMATS[chosen].class_ids(path)
    if not ids:
        raise DataError("the data set names no class", path=path)
    return ids


def recognise(path: Path) -> str:
    """The name of the first format whose layout the path has; raises DataError if none fits."""
    if not os.path.exists(path):
        raise DataError("no such file or folder", path=path)
    for name, one in FORMATS.items():
        if one.fits(path):
            return name
    expected, got = "; ".join(f"{name}: {one.layout}" for name, one in FORMATS.items()), "a file"
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir())
        got = f"a folder with {', '.join(names[:8]) or 'nothing'}" + (", ..." if names[8:] else "")
    raise DataError("the format is not recognised", path=path, expected=expected, got=got)


def _checked_format(name: str) -> str:
    if name not in FORMATS:
        raise DataError("unknown format", expected=" | ".join(FORMATS), got=name)
    return name


def _checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    if not classes or len({canonical(name) for name in classes}) != len(classes):
        rule = "a class list holds at least one name and none twice"
        raise DataError(rule, got=", ".join(classes) or "no name")
    return tuple(classes)


def _select(names: list[str], listed: Path) -> tuple[list[str], list[str]]:
    """The names that the file lists, in its order and once each, and what else it lists."""
    own, kept, missing = Names(names), dict[str, None](), dict[str, None]()
    for line, entry in read_list(listed):
        try:
            name = own.one(entry)
        except DataError as error:
            raise error.at(path=listed, where=f"line {line}") from None
        if name is None:
            missing["/".join(plain_parts(entry))] = None
        else:
            kept[name] = None
    return list(kept), list(missing)


def read_list(path: Path) -> list[tuple[int, str]]:
    """Line numbers and first fields of a list; a WAD video list has image, tab, label."""
    lines = read_text(path).splitlines()
    fields = [(number, line.split("\t")[0].strip()) for number, line in enumerate(lines, start=1)]
    return [(number, field) for number, field in fields if field]
