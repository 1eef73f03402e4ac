"""`tinyseg train`: data sets -> weights; and a run that was cut off goes on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tinyseg import tasks
from tinyseg.allocator import keep_freed_memory
from tinyseg.cli.common import (
    ClassesOption,
    DeviceOption,
    FormatOption,
    OnErrorOption,
    RecipeOption,
    SettingsOption,
    ThreadsOption,
    class_names,
    only_with,
    remark,
    rendered,
    val_place,
    written_options,
)
from tinyseg.data import Place
from tinyseg.errors import TrainingError
from tinyseg.progress import console, show_progress
from tinyseg.watch import OnError

Value = TypeVar("Value")


def train(
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Data set: its folder, or its label file; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run, for weights, recipe and log.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a run to continue from its newest good checkpoint, as if it had "
            "never stopped, with its own data and recipe."
        ),
    ] = None,
    recipe: RecipeOption = None,
    settings: SettingsOption = None,
    classes: ClassesOption = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="Weights to start from: a run, a file, maskrcnn_resnet50_fpn_coco, "
            "maskrcnn_resnet50_fpn_v2_coco, tinyseg-lite (the package's own), or imagenet.",
        ),
    ] = None,
    listed: Annotated[
        list[Path] | None,
        typer.Option(
            "--list", help="Only the frames named in this text file; one for each --data."
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            help="Split to train on, one for each --data; default: the training split, if there "
            "is one and no --list."
        ),
    ] = None,
    labelled: Annotated[
        list[str] | None,
        typer.Option(
            help="Classes that a data set labels: car,person; one for each --data. Objects of "
            "other classes are then not taken for background."
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of COCO's pictures, one for each --data."),
    ] = None,
    share: Annotated[
        list[float] | None,
        typer.Option(help="Share of the run's frames from each --data; default: equal shares."),
    ] = None,
    view_zoom: Annotated[
        list[float] | None,
        typer.Option(
            "--view-zoom",
            "--zoom",
            help="Factor on the views' zoom for each --data; below 1 if its objects are large.",
        ),
    ] = None,
    val: Annotated[
        Path | None,
        typer.Option(
            help="Validation set: it is scored during the run, and the best weights are kept."
        ),
    ] = None,
    val_list: Annotated[
        Path | None, typer.Option(help="Frames to validate on: of --val, else of --data.")
    ] = None,
    val_split: Annotated[
        str | None, typer.Option(help="Split to validate on: of --val, else of --data.")
    ] = None,
    val_images: Annotated[
        Path | None, typer.Option(help="Folder of the validation set's pictures, for COCO.")
    ] = None,
    format: FormatOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Count the labels and predict the memory of a training step; write nothing.",
        ),
    ] = False,
    on_error: OnErrorOption = OnError.stop,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Train a network on one or more data sets, or continue an interrupted run.

    Example: tinyseg train --data wad --list train.txt --out runs/a --set train.steps=500
    Then:    tinyseg train --resume runs/a
    Example: tinyseg train --recipe mask_rcnn_r50 --set memory.budget_gb=6 --dry-run
    """
    keep_freed_memory()
    if resume is not None:
        other = set(written_options()) - {"--resume", "--device", "--threads"}
        if other:
            rule = "a run goes on with its own data, recipe and folder"
            got, expected = ", ".join(sorted(other)), "no option but --device and --threads"
            raise TrainingError(rule, where="--resume", expected=expected, got=got)
        tasks.resume(
            resume,
            device=device,
            threads=threads,
            on_start=tell,
            on_progress=show_progress,
            on_remark=remark,
        )
        return
    paths = data or []
    if not dry_run and (not paths or out is None):
        rule = "a run needs --data and --out, or --resume"
        raise TrainingError(rule, where="tinyseg train")
    columns = (
        one_each("--list", listed, paths, None),
        one_each("--split", split, paths, None),
        one_each("--images", images, paths, None),
        one_each("--labelled", labelled, paths, None),
        one_each("--share", share, paths, 1.0),
        one_each("--view-zoom", view_zoom, paths, 1.0),
    )
    sets = [
        tasks.TrainingSet(Place(path, one, format, split_, folder, own), part, zoom)
        for path, one, split_, folder, own, part, zoom in zip(paths, *columns, strict=True)
    ]
    only_with("--val, or one --data", "--val-list", "--val-split", met=len(sets) == 1 or val)
    only_with("--val", "--val-images", met=val is not None)
    tasks.train(
        sets,
        out or Path(),
        recipe=recipe or "lite",
        settings=settings or [],
        classes=class_names(classes),
        init=init,
        val=val_place(sets[0].place, val, val_list, val_split, val_images) if sets else None,
        dry_run=dry_run,
        device=device,
        threads=threads,
        on_error=on_error,
        on_start=print_plan if dry_run else tell,
        on_progress=show_progress,
        on_remark=remark,
    )


def one_each(
    name: str, given: Sequence[Value] | None, data: Sequence[Path], none: Value
) -> Sequence[Value]:
    """What an option says of each data set."""
    if given and len(given) != len(data):
        rule = "one for each --data, or none"
        raise TrainingError(rule, where=name, expected=len(data), got=len(given))
    return given or [none] * len(data)


def tell(outlook: "tasks.Outlook") -> None:
    """What the run is about to do, on the console."""
    if outlook.censuses:
        console.print(outlook.census_table())
    for line in _lines(outlook):
        console.print(line, highlight=False)


def print_plan(outlook: "tasks.Outlook") -> None:
    """The same as results, with what a step will hold."""
    if outlook.censuses:
        typer.echo(rendered(outlook.census_table()))
    if outlook.memory is not None:
        typer.echo(rendered(outlook.memory.table()))
    for line in _lines(outlook):
        typer.echo(line)


def _lines(outlook: "tasks.Outlook") -> list[str]:
    left = [
        f"labels left out of {name}: "
        + ", ".join(f"{word} {count}" for word, count in one.left_out.most_common(10))
        for name, one in zip(outlook.names, outlook.censuses, strict=True)
        if one.left_out
    ]
    what = f"{outlook.parameters / 1e6:.2f} M parameters, {outlook.origin}"
    frames = f"{outlook.frames} frames" if outlook.names else "no data given"
    last = f"{outlook.recipe.name}: {what}, {frames}"
    written = "" if outlook.memory is not None else f"; weights and log in {outlook.out}"
    return [*left, *outlook.notes, last + written]
