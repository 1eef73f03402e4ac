"""Which classes a verb is about: the recipe's, those of the data sets, or a list of names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.data import class_ids

OF_THE_DATA = "data"

ClassesOption = Annotated[
    str | None,
    typer.Option(
        "--classes",
        help=f"Names: car,person; or '{OF_THE_DATA}' for those that the data sets have; else the "
        "challenge's seven.",
    ),
]


def named_classes(
    text: str | None, data: Sequence[Path], format: str | None
) -> tuple[str, ...] | None:
    """The names that the option means, None where it says nothing.

    Of several data sets the names are joined, in the order in which they come.
    """
    if text is None:
        return None
    if text.strip() != OF_THE_DATA:
        return tuple(name.strip() for name in text.split(","))
    return tuple(dict.fromkeys(name for path in data for name in class_ids(path, format)))
