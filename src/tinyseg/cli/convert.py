"""`tinyseg convert`: a data set in one format -> the same in another."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    FormatOption,
    ImagesOption,
    ListOption,
    OnErrorOption,
    class_names,
    remark,
)
from tinyseg.conversion import TARGETS
from tinyseg.data import Place
from tinyseg.progress import console, show_progress
from tinyseg.tasks import convert as run_job
from tinyseg.watch import OnError


class Pictures(StrEnum):
    """How pictures get to the new place."""

    copy = "copy"
    link = "link"


def convert(
    source: Annotated[Path, typer.Argument(help="Data set, in any format that is read.")],
    out: Annotated[Path, typer.Option(help="Folder to create.")],
    to: Annotated[str, typer.Option(help=f"Format to write: {' | '.join(TARGETS)}.")],
    pictures: Annotated[
        Pictures, typer.Option(help="Copy the pictures, or link to them.")
    ] = Pictures.copy,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Only these classes: car,person; default: all that the new format holds."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Only this split; if the data set has no splits, the name of the new one."
        ),
    ] = None,
    polygons: Annotated[
        bool,
        typer.Option("--polygons", help="Write polygons in COCO and LabelMe; holes are filled."),
    ] = False,
    listed: ListOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Write a data set in another format, as a whole or not at all.

    All splits are written. Pictures keep their bytes, except those with an EXIF orientation, which
    are written turned as their labels are. converted.yaml says how classes and frames are numbered
    on both sides, what was done to pictures, and what the new format could not hold.

    Example: tinyseg convert scenes --out scenes-coco --to coco --pictures link
    """
    done = run_job(
        Place(source, listed, format, split, images),
        out,
        to,
        classes=class_names(classes),
        link=pictures is Pictures.link,
        polygons=polygons,
        on_error=on_error,
        on_progress=show_progress,
        on_remark=remark,
    )
    console.print(f"{done.frames} frames with {done.instances} objects in {out}")
