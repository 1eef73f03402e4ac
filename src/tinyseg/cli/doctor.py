"""`tinyseg doctor`: a data set -> what is wrong with it, and what would help."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    ClassesOption,
    FormatOption,
    ImagesOption,
    ListOption,
    SplitOption,
    class_names,
    only_with,
    rendered,
    val_place,
    write_json,
)
from tinyseg.data import Place
from tinyseg.doctor import Severity, findings_to_text
from tinyseg.files import check_output
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
        Path | None, typer.Option(help="The folder of its pictures, for COCO.")
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
    workers: Annotated[
        int | None,
        typer.Option("--workers", "--threads", min=1, help="Frames looked at side by side."),
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
    only_with("--val", "--val-images", met=val)
    own = Place(data, listed, format, split, images)
    findings = examine(
        own,
        val=val_place(own, val, val_list, val_split, val_images),
        classes=class_names(classes),
        recipe=chosen,
        fast=fast,
        workers=workers,
        on_progress=show_progress,
    )
    if json is not None:
        write_json(json, findings.to_json())
    for part in findings_to_text(findings):
        typer.echo(rendered(part), nl=False)
    if findings.count(Severity.error):
        raise SystemExit(1)
