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
    data: Annotated[Path, typer.Argument(help="Data set: its folder, or its label file.")],
    listed: ListOption = None,
    split: SplitOption = None,
    val: Annotated[
        Path | None,
        typer.Option(help="Validation set: examined too, and both are checked for leaks."),
    ] = None,
    val_list: Annotated[
        Path | None,
        typer.Option(help="Frames of the validation set; without --val, of the data set."),
    ] = None,
    val_split: Annotated[
        str | None,
        typer.Option(help="Split of the validation set; without --val, of the data set."),
    ] = None,
    images: ImagesOption = None,
    val_images: Annotated[
        Path | None, typer.Option(help="Folder of the validation set's pictures, for COCO.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Recipe that will be trained: objects are compared with its scales and anchors."
        ),
    ] = None,
    classes: ClassesOption = None,
    format: FormatOption = None,
    json: Annotated[Path | None, typer.Option(help="Also write the findings to this file.")] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Read labels and picture headers only.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", "--threads", min=1, help="Frames that are read at the same time."
        ),
    ] = None,
) -> None:
    """Find faults in a data set (files, labels, instances, leaks) and say what would help.

    It reads WAD, Cityscapes, KITTI, MOTS, Mapillary, BDD100K, YOLO, CVAT, LabelMe, VIA and COCO
    (docs/your-own-data.md). The exit status is 1 if there are errors, else 0.

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
