"""Where a data set's frames lie, told leniently: nothing that is wrong stops the listing.

Survey is what each format's listing gives: complete frames by name,
frames of which one half is missing, and faults of the set as a whole. `chosen` keeps the frames of
a list file and says what is wrong with the list.

Of most formats the reader says it all (`survey_read`). Readers do the checks, here they are told:
what a reader refuses is an error, what it finds odd a warning, and what it reads is looked at as
masks. So the doctor and the other verbs know one truth.

Folders of pictures and label maps, the WAD's and Cityscapes', are listed here: beside pairs it
looks at what the readers would pass over in silence: files with another ending, and names in two
splits.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np

from tinyseg import masks as mask_ops
from tinyseg.data import (
    FORMATS,
    Found,
    Names,
    cityscapes,
    frame_key,
    list_frames,
    names_apart,
    read_list,
    splits_of,
    wad,
)
from tinyseg.doctor import kinds
from tinyseg.doctor.kinds import Fault
from tinyseg.doctor.label_maps import MOSTLY, Code, look_at_map
from tinyseg.doctor.labels import LabelLook, Objects, apart_faults, overlap_faults, small_faults
from tinyseg.errors import TinysegError
from tinyseg.fields import read_text
from tinyseg.frame import FrameLabels
from tinyseg.image import ENDINGS, is_picture
from tinyseg.labels import CITYSCAPES_IDS, WAD_BACKGROUND, WAD_IDS, WAD_RIDER


@dataclass(frozen=True, slots=True)
class ExaminedFrame:
    """One frame: its picture's path, and what looks at its labels."""

    name: str
    picture: Path
    labels: Callable[[], LabelLook]


@dataclass(frozen=True, slots=True)
class Survey:
    """Frames by name, half frames by name, and what is wrong with the set itself."""

    sources: dict[str, ExaminedFrame]
    halves: dict[str, Fault]
    faults: tuple[Fault, ...] = ()


def chosen(survey: Survey, listed: Path | None) -> tuple[list[ExaminedFrame], list[Fault]]:
    """The frames to look at, and the faults of listing; without a list all of them."""
    if listed is None:
        return list(survey.sources.values()), [*survey.faults, *survey.halves.values()]
    known = Names([*survey.sources, *survey.halves])
    kept: dict[str, ExaminedFrame] = {}
    faults, seen = list(survey.faults), set[str]()
    for line, entry in read_list(listed):
        own, place = known.fitting(entry), f"{listed.name}, line {line}"
        name = own[0] if len(own) == 1 else entry
        if name in seen:
            faults.append(Fault(kinds.LISTED_TWICE, place, entry))
        elif not own:
            faults.append(Fault(kinds.LISTED_MISSING, place, entry))
        elif len(own) > 1:
            faults.append(Fault(kinds.LISTED_AMBIGUOUS, place, ", ".join(own)))
        elif name in survey.halves:
            faults.append(survey.halves[name])
        else:
            kept[name] = survey.sources[name]
        seen.add(name)
    return list(kept.values()), faults + list(_pair_faults(listed))


def _pair_faults(listed: Path) -> Iterator[Fault]:
    """Lines of a WAD video list whose two columns are of different frames."""
    for number, line in enumerate(read_text(listed).splitlines(), start=1):
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) < 2 or not fields[0] or not fields[1]:
            continue
        picture, label = fields[:2]
        if frame_key(picture) != frame_key(label).removesuffix("_instanceIds"):
            detail = f"{frame_key(picture)} and {frame_key(label)}"
            yield Fault(kinds.LISTED_PAIR, f"{listed.name}, line {number}", detail)


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
        return Survey({}, {}, (reader_fault(error, path),))
    for own in splits:
        try:
            listings |= list_frames(path, format, classes, (own,), images)
        except TinysegError as error:
            faults.append(reader_fault(error, path))
    pictures: set[Path] = set()
    for own, found in names_apart(listings).items():
        faults += [reader_fault(error, path) for error in (*found.faults, *found.doubts)]
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


def reader_fault(error: TinysegError, place: str | Path) -> Fault:
    """A reader's error as a fault of a frame; with a path, of the file that the error is about."""
    if isinstance(place, Path):
        place = Path(error.path or place).name
    return Fault(kinds.BY_CODE.get(error.code or "", kinds.LABEL_REFUSED), place, error.reason)


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


def survey_wad(path: Path, classes: tuple[str, ...], split: str | None = None) -> Survey:
    """train_color/<stem>.jpg (or another picture) and train_label/<stem>_instanceIds.png."""
    own, other = wad.meanings_of(classes), cityscapes.meanings_of(classes)
    code = Code(own, WAD_BACKGROUND, (*WAD_IDS, WAD_RIDER), False, other)
    pictures, odd = _sorted_out(path.glob("train_color/*"), *ENDINGS)
    labels, odd_labels = _sorted_out(path.glob("train_label/*"), "_instanceIds.png")
    return _paired(path, pictures, labels, code, [*odd, *odd_labels])


def survey_cityscapes(path: Path, classes: tuple[str, ...], split: str | None = None) -> Survey:
    """leftImg8bit/<split>/<city>/ and gtFine/<split>/<city>/."""
    own, other = cityscapes.meanings_of(classes), wad.meanings_of(classes)
    code = Code(own, 0, tuple(CITYSCAPES_IDS), True, other)
    endings = [f"_leftImg8bit{ending}" for ending in ENDINGS]
    pictures, odd = _sorted_out(path.glob(f"leftImg8bit/{split or '*'}/*/*"), *endings)
    # Maps of classes, colours and polygons lie beside by custom.
    labels, _ = _sorted_out(path.glob(f"gtFine/{split or '*'}/*/*"), "_gtFine_instanceIds.png")
    return _paired(path, pictures, labels, code, odd)


def _sorted_out(paths: Iterator[Path], *endings: str) -> tuple[dict[str, list[Path]], list[Path]]:
    """Files that the reader takes, by name, and those that it passes over."""
    taken: dict[str, list[Path]] = {}
    odd = []
    for path in sorted(paths):
        plain = path.with_suffix(path.suffix.lower()).name
        ending = next((end for end in endings if plain.endswith(end)), None)
        if path.name.startswith("."):
            continue
        if ending is not None:
            taken.setdefault(plain.removesuffix(ending), []).append(path)
        elif path.is_file():
            odd.append(path)
    return taken, odd


def _paired(
    root: Path,
    pictures: dict[str, list[Path]],
    labels: dict[str, list[Path]],
    code: Code,
    odd: list[Path],
) -> Survey:
    faults = [Fault(kinds.FILE_UNREAD, str(path.relative_to(root))) for path in odd]
    for found in (pictures, labels):
        twice = {name: paths for name, paths in found.items() if len(paths) > 1}
        for name, paths in twice.items():
            told = " and ".join(str(path.relative_to(root)) for path in paths)
            faults.append(Fault(kinds.NAME_TWICE, name, told))
    sources, halves = {}, {}
    for name in sorted(pictures.keys() | labels.keys()):
        if name not in labels:
            place = str(pictures[name][0].relative_to(root))
            halves[name] = Fault(kinds.LABEL_MISSING, name, place)
        elif name not in pictures:
            halves[name] = Fault(
                kinds.PICTURE_MISSING, name, str(labels[name][0].relative_to(root))
            )
        else:
            look = partial(look_at_map, labels[name][0], name, code)
            sources[name] = ExaminedFrame(name, pictures[name][0], look)
    return Survey(sources, halves, tuple(faults))
