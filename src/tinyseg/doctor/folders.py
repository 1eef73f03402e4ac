"""Folders of pictures and label maps, the WAD's and Cityscapes', listed leniently.

In: the data set's folder and the class list. Out: a Survey. Beside pairs it looks at what the
readers would pass over in silence: files with another ending, and names in two splits.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tinyseg.data import cityscapes, wad
from tinyseg.doctor import kinds
from tinyseg.doctor.kinds import Fault
from tinyseg.doctor.label_maps import Code, look_at_map
from tinyseg.doctor.sources import ExaminedFrame, Survey
from tinyseg.image import ENDINGS
from tinyseg.labels import CITYSCAPES_IDS, WAD_BACKGROUND, WAD_IDS, WAD_RIDER


def survey_wad(path: Path, classes: tuple[str, ...], split: str | None = None) -> Survey:
    """train_color/<stem>.jpg (or another picture) and train_label/<stem>_instanceIds.png."""
    code = wad_code(classes)
    pictures, odd = _sorted_out(path.glob("train_color/*"), *ENDINGS)
    labels, odd_labels = _sorted_out(path.glob("train_label/*"), "_instanceIds.png")
    return _paired(path, pictures, labels, code, [*odd, *odd_labels])


def survey_cityscapes(path: Path, classes: tuple[str, ...], split: str | None = None) -> Survey:
    """leftImg8bit/<split>/<city>/ and gtFine/<split>/<city>/."""
    code = cityscapes_code(classes)
    endings = [f"_leftImg8bit{ending}" for ending in ENDINGS]
    pictures, odd = _sorted_out(path.glob(f"leftImg8bit/{split or '*'}/*/*"), *endings)
    # Maps of classes, colours and polygons lie beside by custom.
    labels, _ = _sorted_out(path.glob(f"gtFine/{split or '*'}/*/*"), "_gtFine_instanceIds.png")
    return _paired(path, pictures, labels, code, odd)


def wad_code(classes: tuple[str, ...]) -> Code:
    """How the WAD writes labels."""
    lone = (*WAD_IDS, WAD_RIDER)
    other = cityscapes.meanings_of(classes)
    return Code("wad", wad.meanings_of(classes), WAD_BACKGROUND, lone, False, other)


def cityscapes_code(classes: tuple[str, ...]) -> Code:
    """How Cityscapes writes labels."""
    own, other = cityscapes.meanings_of(classes), wad.meanings_of(classes)
    return Code("cityscapes", own, 0, tuple(CITYSCAPES_IDS), True, other)


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
