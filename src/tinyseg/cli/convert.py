"""`tinyseg convert`: a data set in one format -> the same in another."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import FormatOption, ImagesOption, ListOption, OnErrorOption, remark
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
    source: Annotated[Path, typer.Argument(help="A data set in any format that --data takes.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    to: Annotated[str, typer.Option(help=" | ".join(TARGETS))],
    pictures: Annotated[
        Pictures, typer.Option(help="Copy pictures, or link to where they are.")
    ] = Pictures.copy,
    classes: Annotated[
        str | None, typer.Option(help="Only these: car,person; else all that the format holds.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Only this split of the data set; of one without splits the new split's name."
        ),
    ] = None,
    polygons: Annotated[
        bool, typer.Option("--polygons", help="Polygons in COCO and LabelMe: holes are filled.")
    ] = False,
    listed: ListOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Write a data set in another format: wholly, or not at all.

    Pictures keep their bytes, but for those that an EXIF tag turns: every tool shows them as their
    labels lie. converted.yaml says how classes and frames are numbered on both sides, what was done
    to pictures, and what the format could not hold. All splits are written, each as one of its own
    where the format has them.

    Example: tinyseg convert scenes --out scenes-coco --to coco --pictures link
    """
    names = None if classes is None else [name.strip() for name in classes.split(",")]
    done = run_job(
        Place(source, listed, format, split, images),
        out,
        to,
        classes=names,
        link=pictures is Pictures.link,
        polygons=polygons,
        on_error=on_error,
        on_progress=show_progress,
        on_remark=remark,
    )
    console.print(f"{done.frames} frames with {done.instances} objects in {out}")
