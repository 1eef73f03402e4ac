"""`tinyseg doctor`: a data set -> what is wrong with it, and what would help."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.classes import ClassesOption, named_classes
from tinyseg.cli.common import (
    FormatOption,
    ImagesOption,
    ListOption,
    SplitOption,
    rendered,
    write_json,
)
from tinyseg.data import Place
from tinyseg.doctor import Severity, findings_to_text
from tinyseg.files import check_output
from tinyseg.labels import WAD_CLASSES
from tinyseg.progress import show_progress
from tinyseg.recipes import find_recipe
from tinyseg.tasks import examine


def doctor(
    data: Annotated[Path, typer.Argument(help="The data set: a folder, or its label file.")],
    listed: ListOption = None,
    split: SplitOption = None,
    val: Annotated[
        Path | None, typer.Option(help="The validation set: looked at too, and for leaks.")
    ] = None,
    val_list: Annotated[
        Path | None, typer.Option(help="Its frames; without --val those of the data set itself.")
    ] = None,
    val_split: Annotated[
        str | None, typer.Option(help="Its split; without --val of the data set itself.")
    ] = None,
    images: ImagesOption = None,
    val_images: Annotated[
        Path | None, typer.Option(help="Its pictures; without --val the data set's own.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="The recipe that is meant: its scales and its anchors.")
    ] = None,
    classes: ClassesOption = None,
    format: FormatOption = None,
    json: Annotated[Path | None, typer.Option(help="Also write the findings here.")] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Labels and headers only; no picture is decoded.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Frames looked at side by side.")
    ] = None,
) -> None:
    """Look for faults in a data set: files, labels, instances, leaks; and say what would help.

    Any format that --data takes is looked at: WAD, Cityscapes, KITTI, MOTS, Mapillary, BDD100K,
    YOLO, CVAT, LabelMe, VIA, COCO (docs/your-own-data.md).

    Exit status 1 where there are errors; warnings and notes leave it at 0.

    Example: tinyseg doctor wad --list train.txt --val-list val.txt --recipe tis_r50
    """
    check_output(json)
    chosen = None if recipe is None else find_recipe(recipe)
    other = None
    if val is not None or val_list is not None or val_split is not None:
        folder = images if val is None else val_images
        other = Place(data if val is None else val, val_list, format, val_split, folder)
    names = named_classes(classes, [data], format) or WAD_CLASSES
    findings = examine(
        Place(data, listed, format, split, images),
        val=other,
        classes=names,
        recipe=chosen,
        fast=fast,
        threads=threads,
        on_progress=show_progress,
    )
    if json is not None:
        write_json(json, findings.to_json())
    for part in findings_to_text(findings):
        typer.echo(rendered(part), nl=False)
    if findings.count(Severity.error):
        raise SystemExit(1)
