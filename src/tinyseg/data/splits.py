"""A data set's splits by name: train, val, test, under the names that are in use for them.

In: the names that a format's files have (`train2017`, `valid`, `testing` ...) and the one that is
asked for. Out: the one that is meant. Refused: a name that fits none, or several.
"""

from collections.abc import Sequence
from pathlib import Path

from tinyseg.errors import DataError

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
