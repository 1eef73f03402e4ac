"""`tinyseg convert`: a data set in one format -> the same in another."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    FormatOption,
    ImagesOption,
    ListOption,
    OnError,
    OnErrorOption,
    Skipped,
    open_with,
)
from tinyseg.conversion import TARGETS, Wanted, kept_classes
from tinyseg.conversion import convert as run_job
from tinyseg.data import TRAIN, Place, class_ids, splits_of
from tinyseg.errors import DataError
from tinyseg.files import check_folder
from tinyseg.labels import index_of
from tinyseg.progress import console, progress_bar


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
    check_folder(out)
    ids = class_ids(source, format)
    own = list(ids) if classes is None else [name.strip() for name in classes.split(",")]
    unknown = [name for name in own if index_of(name, list(ids)) is None]
    if unknown:
        rule = "only classes of the data set can be converted"
        raise DataError(rule, where="--classes", expected=", ".join(ids), got=", ".join(unknown))
    kept = kept_classes(to, own)
    left = [name for name in own if name not in kept]
    if left:
        console.print(f"[yellow]left out[/], {to} has no such class: {', '.join(left)}")
    splits = splits_of(source, format)
    skipped = Skipped(on_error)
    place = Place(source, listed, format, split if splits else None, images)
    dataset = open_with(place, kept, skipped=skipped)
    with progress_bar("converting", len(dataset.items)) as bar:
        done = run_job(
            dataset,
            out,
            Wanted(to, pictures.value, split or TRAIN, polygons),
            source_ids=ids,
            on_frame=bar.advance,
            on_error=skipped,
        )
    for line in done.told():
        console.print(line, highlight=False)
    for line in done.lost.told():
        console.print(f"[yellow]lost:[/] {line}", highlight=False)
    skipped.report()
    console.print(f"{done.frames} frames with {done.instances} objects in {out}")
