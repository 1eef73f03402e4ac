"""What a format's reader says of a data set: its frames, and whatever is wrong with them.

In: a path, its format and the class list. Out: a Survey. Readers do the checks, here they are told:
what a reader refuses is an error, what it finds odd a warning, and what it reads is looked at as
masks. So the doctor and the other verbs know one truth.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np

from tinyseg import masks as mask_ops
from tinyseg.data import FORMATS, Found, list_frames, names_apart, splits_of
from tinyseg.doctor import kinds
from tinyseg.doctor.instances import apart_faults, overlap_faults, small_faults
from tinyseg.doctor.kinds import Fault
from tinyseg.doctor.label_maps import MOSTLY
from tinyseg.doctor.labels import LabelLook, Objects
from tinyseg.doctor.sources import ExaminedFrame, Survey
from tinyseg.errors import TinysegError
from tinyseg.frame import FrameLabels
from tinyseg.image import is_picture


def survey_read(
    path: Path, classes: tuple[str, ...], split: str | None, *, format: str, images: Path | None
) -> Survey:
    """The frames that the format's reader lists, each split by itself."""
    sources: dict[str, ExaminedFrame] = {}
    halves: dict[str, Fault] = {}
    faults: list[Fault] = []
    listings: dict[str | None, Found] = {}
    lacking = kinds.PICTURE_MISSING if FORMATS[format].takes_images else kinds.HALF_MISSING
    splits: tuple[str | None, ...] = (split,)
    try:
        splits = splits if split is not None else splits_of(path, format) or splits
    except TinysegError as error:
        return Survey({}, {}, (reader_fault(error, _place(error, path)),))
    for own in splits:
        try:
            listings |= list_frames(path, format, classes, (own,), images)
        except TinysegError as error:
            faults.append(reader_fault(error, _place(error, path)))
    pictures: set[Path] = set()
    for own, found in names_apart(listings).items():
        faults += [
            reader_fault(error, _place(error, path)) for error in (*found.faults, *found.doubts)
        ]
        for name, (picture, read) in found.frames.items():
            if picture in pictures:
                faults.append(Fault(kinds.NAME_TWICE, name, f"again in {own}"))
            else:
                sources[name] = ExaminedFrame(name, picture, partial(look_at_labels, name, read))
            pictures.add(picture)
        halves |= {name: Fault(lacking, name) for name in found.missing}
    if path.is_dir() and split is None:
        faults += _unlisted(sources.values())
    return Survey(sources, halves, tuple(faults))


def reader_fault(error: TinysegError, place: str) -> Fault:
    """A reader's error as a fault of a frame or a file."""
    return Fault(kinds.BY_CODE.get(error.code or "", kinds.LABEL_REFUSED), place, error.reason)


def _place(error: TinysegError, path: Path) -> str:
    """The file that the error is about."""
    return path.name if error.path is None else Path(error.path).name


def _unlisted(sources: Iterable[ExaminedFrame]) -> Iterator[Fault]:
    """Pictures beside those that have labels; only of folders that hold some, not below them."""
    known = {source.picture for source in sources}
    for folder in sorted({picture.parent for picture in known}):
        for path in sorted(filter(is_picture, folder.iterdir())):
            if path not in known:
                yield Fault(kinds.PICTURE_UNLISTED, path.name, f"in {folder}")


def look_at_labels(name: str, read: Callable[[], FrameLabels]) -> LabelLook:
    """What a reader's labels say."""
    try:
        labels = read()
    except TinysegError as error:
        return LabelLook.unreadable(reader_fault(error, name))
    own = labels.instances
    masks = mask_ops.rasterise(own.masks)
    areas = mask_ops.area(masks)
    faults = [reader_fault(error, name) for error in (*labels.faults, *labels.doubts)]
    places = labels.places or tuple(f"instance {index}" for index in range(len(own)))
    drawn = np.flatnonzero(own.has_mask)
    names = [places[index] for index in drawn]
    alone = np.flatnonzero(~own.has_mask)
    faults += [Fault(kinds.BOX_ALONE, name, places[index]) for index in alone]
    faults += small_faults(areas[drawn], name, names)
    own_masks, own_areas = masks.select(drawn), areas[drawn]
    faults += apart_faults(own_masks, own_areas, name, names, width=labels.hw[1])
    faults += overlap_faults(own_masks, own.labels[drawn], name, names)
    ignored = float(mask_ops.area(labels.ignore).sum() / (labels.hw[0] * labels.hw[1]))
    if ignored > MOSTLY:
        faults.append(Fault(kinds.IGNORE_LARGE, name, f"{ignored:.0%} of the pixels"))
    objects = Objects(own.labels, own.boxes, areas)
    about = _digest(labels), len(labels.ignore), labels.left_out
    return LabelLook(labels.hw, objects, tuple(faults), *about)


def _digest(labels: FrameLabels) -> bytes:
    """What tells the labels of two frames apart; empty where nothing is labelled."""
    own = labels.instances
    if len(own) == 0:
        return b""
    parts = (own.labels, own.boxes, own.masks.coverage)
    return blake2b(
        b"".join(np.ascontiguousarray(p).tobytes() for p in parts), digest_size=16
    ).digest()
