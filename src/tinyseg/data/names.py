r"""Which frame a name means, and which split: one rule for all verbs and formats.

A frame's identity is its path below the data set's root. In: names as files, lists and predictions
write them, with / or \, with or without a picture's ending (in capitals too). A shorter name, the
last parts of a path, means the frame that it fits, and so does a longer one, such as a whole path.
Refused: a name that fits several frames equally well.

Splits too are known by the names in use for them (`train2017`, `valid`, `testing` ...); a name that
fits none of a data set's, or several, is refused.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from tinyseg.errors import DataError
from tinyseg.image import ENDINGS

CITYSCAPES_ENDING = "_leftImg8bit"


def plain_parts(name: str) -> tuple[str, ...]:
    """The parts of a name's path, the last without the endings of pictures."""
    *folders, last = name.replace("\\", "/").split("/")
    stem, dot, ending = last.rpartition(".")
    last = stem if stem and f"{dot}{ending}".lower() in ENDINGS else last
    folders = [part for part in folders if part not in ("", ".")]
    return (*folders, last.removesuffix(CITYSCAPES_ENDING))


def frame_key(name: str) -> str:
    """The last part of a name, without the endings of pictures."""
    return plain_parts(name)[-1]


class Names:
    """The frames of a data set, to be asked for by what somebody calls them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._own = dict.fromkeys(names)
        self._by_last: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for name in self._own:
            parts = plain_parts(name)
            self._by_last.setdefault(parts[-1], []).append((parts, name))

    def fitting(self, name: str) -> list[str]:
        """The frames that the name fits best: it itself, the same path, one that goes on to the
        left, or the longest that it goes on from."""
        if name in self._own:
            return [name]
        parts = plain_parts(name)
        near = self._by_last.get(parts[-1], [])
        same = [own for known, own in near if known == parts]
        above = [own for known, own in near if known[-len(parts) :] == parts]
        below = [(len(known), own) for known, own in near if parts[-len(known) :] == known]
        longest = max(below, default=(0, ""))[0]
        return same or above or [own for length, own in below if length == longest]

    def one(self, name: str) -> str | None:
        """The frame that the name means, None for none; raises DataError where several fit."""
        own = self.fitting(name)
        if len(own) > 1:
            rule = "a shorter name must fit one frame: write more of its path"
            raise DataError(rule, where=name, got=", ".join(own))
        return own[0] if own else None


def apart(names: Sequence[str]) -> list[str]:
    """The names without the endings of pictures, but for those that would be alike."""
    plain = ["/".join(plain_parts(name)) for name in names]
    counts = Counter(plain)
    return [one if counts[one] == 1 else name for one, name in zip(plain, names, strict=True)]


def file_below(folder: Path, name: str, ending: str) -> Path:
    """A file of the frame's name, in the folders that the name has; never outside of this one."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    inside = [part.replace(":", "_") for part in parts if part not in ("/", "..")]
    return folder.joinpath(*inside[:-1], f"{inside[-1]}{ending}")


def names_of(paths: Iterable[Path]) -> list[str]:
    """Names for files: their own, and where two would be alike, all their paths below the folder
    that holds all of them, without the endings of pictures where they are apart without."""
    files = [Path(os.path.abspath(path)) for path in paths]
    stems = [path.stem for path in files]
    if len(set(stems)) == len(stems):
        return stems
    above = os.path.commonpath([path.parent for path in files])
    short = [path.relative_to(above) for path in files]
    counts = Counter(path.with_suffix("") for path in short)
    return [
        (path if counts[path.with_suffix("")] > 1 else path.with_suffix("")).as_posix()
        for path in short
    ]


TRAIN, VAL, TEST = SPLIT_KINDS = ("train", "val", "test")


def kind_of(split: str) -> str | None:
    """`train` of train2017 and training, `val` of valid and dev; None for other names."""
    plain = split.strip().lower()
    if plain.startswith(("dev", "minival")):
        return VAL
    return next((kind for kind in SPLIT_KINDS if plain.startswith(kind)), None)


def split_folders(path: Path) -> list[Path]:
    """The folders there that are called as splits are."""
    return [folder for folder in sorted(path.glob("*/")) if kind_of(folder.name)]


def fitting(asked: str, splits: Sequence[str]) -> list[str]:
    """The splits that the name may mean: the one called so, else those of its kind."""
    if asked in splits:
        return [asked]
    kind = kind_of(asked)
    return [split for split in splits if kind is not None and kind_of(split) == kind]


def chosen_split(asked: str, splits: Sequence[str], path: Path) -> str:
    """The one split that is meant; raises DataError where none or several fit."""
    fits = fitting(asked, splits)
    if len(fits) == 1:
        return fits[0]
    rule = "several splits fit" if fits else "the data set has no such split"
    expected = " | ".join(fits or splits) or "a data set with splits"
    raise DataError(rule, path=path, where="split", expected=expected, got=asked)
