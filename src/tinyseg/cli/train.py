"""`tinyseg train`: data sets -> weights; and a run that was cut off goes on."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
import typer
import yaml
from rich.table import Table

from tinyseg import files
from tinyseg.allocator import keep_freed_memory
from tinyseg.cli.classes import ClassesOption, named_classes
from tinyseg.cli.common import (
    DeviceOption,
    FormatOption,
    OnErrorOption,
    ThreadsOption,
    find_device,
    watching,
)
from tinyseg.cli.run_file import RunFile
from tinyseg.cli.start import InitOption, start_weights
from tinyseg.data import TRAIN, VAL, Item, Place, check_apart
from tinyseg.errors import TinysegError, TrainingError
from tinyseg.fields import read_text
from tinyseg.model import Detector
from tinyseg.networks import build_detector
from tinyseg.progress import console, progress_bar
from tinyseg.recipes import Recipe, find_recipe, recipe_from_tree, with_settings
from tinyseg.tasks import open_with
from tinyseg.training import (
    CENSUS_FRAMES,
    RECIPE_NAME,
    SCAN_NAME,
    Checkpoint,
    FrameStore,
    StepReport,
    TrainData,
    check_census,
    needs_labels,
    newest_checkpoint,
    plan_draws,
    sampled_by_camera,
    take_census,
)
from tinyseg.watch import OnError, Watch

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def train(
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="A data set: a folder, or its label file. May be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder: weights, recipe, log.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="A run's folder: go on from its newest good checkpoint, as if it had "
            "never stopped, with its own data and recipe."
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Preset of network and training: lite if not given.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: train.steps=500")
    ] = None,
    classes: ClassesOption = None,
    init: InitOption = None,
    listed: Annotated[
        list[Path] | None,
        typer.Option("--list", help="Only the frames named in this file; one for each --data."),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            help="The split that is learnt from, one for each --data; else the training split "
            "of a set that has splits and no --list."
        ),
    ] = None,
    labelled: Annotated[
        list[str] | None,
        typer.Option(
            help="The classes that a data set labels, car,person, one for each --data: objects of "
            "others may stand there without a label and are no background."
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(help="The folder of COCO's pictures, one for each --data."),
    ] = None,
    share: Annotated[
        list[float] | None,
        typer.Option(
            help="Share of the run's frames that come from each --data; evenly if not given."
        ),
    ] = None,
    zoom: Annotated[
        list[float] | None,
        typer.Option(help="Factor on the views' zoom for each --data: below 1 for large objects."),
    ] = None,
    val: Annotated[
        Path | None, typer.Option(help="Evaluate on this data set; the best weights are kept.")
    ] = None,
    val_list: Annotated[
        Path | None, typer.Option(help="Only the frames named in this file.")
    ] = None,
    val_split: Annotated[
        str | None, typer.Option(help="Only this split; else the validation split if there is one.")
    ] = None,
    val_images: Annotated[
        Path | None, typer.Option(help="The folder of its pictures, for COCO.")
    ] = None,
    format: FormatOption = None,
    on_error: OnErrorOption = OnError.stop,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Train a network on one or more data sets, or go on with a run that was cut off.

    Example: tinyseg train --data wad --list train.txt --out runs/a --set train.steps=500
    Then:    tinyseg train --resume runs/a
    """
    if resume is not None:
        learnt = (data, out, recipe, settings, classes, init, listed, split, labelled, images)
        judged = (share, zoom, val, val_list, val_split, val_images, format)
        if any((*learnt, *judged)):
            rule = "a run goes on with its own data, recipe and folder"
            raise TrainingError(rule, where="--resume", expected="no option but those of devices")
        go_on(resume, device, threads)
        return
    if not data or out is None:
        rule = "a run needs --data and --out, or --resume"
        raise TrainingError(rule, where="tinyseg train")
    base = find_recipe(recipe or "lite")
    own = named_classes(classes, data, format)
    base = base if own is None else base.model_copy(update={"classes": own})
    chosen = with_settings(base, settings or [])
    told = RunFile(
        data=_absolute(data),
        lists=_absolute(listed or []),
        splits=tuple(split or ()),
        labelled=tuple(labelled or ()),
        images=_absolute(images or []),
        shares=tuple(share or ()),
        zooms=tuple(zoom or ()),
        format=format,
        val=None if val is None else val.absolute(),
        val_list=None if val_list is None else val_list.absolute(),
        val_split=val_split,
        val_images=None if val_images is None else val_images.absolute(),
        on_error=on_error,
        init=init,
    )
    run_training(told, chosen, out, None, device=device, threads=threads)


def go_on(run: Path, device: str, threads: int | None) -> None:
    """From the newest good checkpoint; from the start if the run had not made any."""
    told = RunFile.read(run)
    found = newest_checkpoint(run)
    for error in found.refused:
        console.print(f"[yellow]passed over[/] {error}", highlight=False)
    start = found.checkpoint
    if start is None and found.refused:
        raise TrainingError("no checkpoint of the run can be read", path=run)
    recipe = _own_recipe(run) if start is None else recipe_from_tree(start.recipe)
    if start is not None and start.step >= recipe.train.steps:
        console.print(f"the run in {run} has taken all of its {recipe.train.steps} steps")
        return
    run_training(told, recipe, run, start, device=device, threads=threads)


def run_training(
    told: RunFile,
    recipe: Recipe,
    out: Path,
    start: Checkpoint | None,
    *,
    device: str,
    threads: int | None,
) -> None:
    """The run on this machine, or on those that torchrun started.

    What can be refused is, weights, data and folder, before anything is written.
    """
    # Lightning takes two seconds to import, which no other verb should pay.
    from tinyseg.training import check_folder, launch_processes, open_folder, train, validate_on

    keep_freed_memory()
    files.check_folder(out)
    watch = watching(told.on_error)
    parts = _parts(told, recipe, watch)
    fabric = launch_processes(find_device(device, threads))
    console.quiet = not fabric.is_global_zero
    if start is None and fabric.is_global_zero:
        check_folder(out)
    torch.manual_seed(recipe.train.seed)
    detector = build_detector(recipe)
    origin = f"step {start.step}" if start else start_weights(detector, recipe, told.init)
    validate = None
    if told.val is not None:
        place = Place(told.val, told.val_list, told.format, told.val_split, told.val_images)
        judged = open_with(place, recipe.classes, kind=VAL, watch=watch)
        check_apart([item for part in parts for item in part.items], judged.items)
        validate = validate_on(judged.items, recipe, fabric.device, on_skip=watch)
    if start is None:
        show_census(told.data, parts, recipe.classes, watch)
    frames = store_of(parts, recipe, watch, out)
    if recipe.train.mixed == "auto":
        recipe = with_precision(recipe, detector, fabric)
    if start is None and fabric.is_global_zero:
        open_folder(out, recipe)
        told.write(out)
    size = sum(p.numel() for p in detector.parameters()) / 1e6
    console.print(f"{recipe.name}: {size:.2f} M parameters, {origin}, {len(frames.items)} frames")
    first = 0 if start is None else start.step
    with progress_bar("training", recipe.train.steps - first) as bar:
        train(
            detector,
            recipe,
            frames,
            out,
            fabric=fabric,
            on_step=lambda report: bar.advance(note(report)),
            validate=validate,
            start=start,
        )
    watch.report()
    console.print(f"weights and log in {out}")


def show_census(
    names: Sequence[Path], parts: Sequence[TrainData], classes: Sequence[str], watch: Watch
) -> None:
    """Print what there is to learn; stop where there is nothing, warn of classes without any."""
    total = sum(min(len(part.items), CENSUS_FRAMES) for part in parts)
    with progress_bar("counting labels", total) as bar:
        counted = [
            take_census(
                part.items,
                classes,
                on_frame=bar.advance,
                on_skip=lambda item, error: watch(item.name, error),
            )
            for part in parts
        ]
    table = Table("instances", *(name.name for name in names), box=None)
    for index, name in enumerate(classes):
        shown = [
            "not labelled" if index in one.unlabelled else str(one.instances[index])
            for one in counted
        ]
        table.add_row(name, *shown)
    table.add_row("boxes without a mask", *(str(one.boxes_alone) for one in counted))
    table.add_row("crowds, ignore regions", *(str(one.ignored) for one in counted))
    table.add_row("frames without an instance", *(str(one.empty) for one in counted))
    table.add_row("frames counted", *(f"{one.read} of {one.frames}" for one in counted))
    console.print(table)
    for path, one in zip(names, counted, strict=True):
        if one.left_out:
            words = ", ".join(f"{name} {count}" for name, count in one.left_out.most_common(10))
            console.print(f"[yellow]labels left out of {path.name}:[/] {words}", highlight=False)
    missing = check_census(counted, classes)
    if missing:
        console.print(f"[yellow]no instance of {', '.join(missing)}[/]", highlight=False)


def with_precision(recipe: Recipe, detector: Detector, fabric: "Fabric") -> Recipe:
    """The recipe with train.mixed decided, by the first process for all."""
    from tinyseg.training import mixed_pays

    pays, figures = mixed_pays(detector.to(fabric.device), fabric.device)
    pays = bool(fabric.broadcast(pays))
    console.print(f"{'bfloat16' if pays else 'float32'}: {figures}", highlight=False)
    decided = recipe.train.model_copy(update={"mixed": pays})
    return recipe.model_copy(update={"train": decided})


def store_of(parts: Sequence[TrainData], recipe: Recipe, watch: Watch, out: Path) -> FrameStore:
    """The frames of all data sets in a row, drawn by their shares; if the recipe needs to know all
    labels first, they are summed up in a file of the run's folder."""
    items: list[Item] = [item for part in parts for item in part.items]

    def skip(item: Item, error: TinysegError) -> None:
        watch(item.name, error)

    read = items if needs_labels(recipe.sampling) else sampled_by_camera(items)
    with progress_bar("reading labels", len(read)) as bar:
        draws = plan_draws(
            parts,
            recipe.classes,
            recipe.sampling,
            out / SCAN_NAME,
            on_frame=bar.advance,
            on_skip=skip,
        )
    return FrameStore(items, on_skip=skip, draws=draws)


def _parts(told: RunFile, recipe: Recipe, watch: Watch) -> list[TrainData]:
    count = len(told.data)
    lists: Sequence[Path | None] = told.lists or (None,) * count
    splits: Sequence[str | None] = told.splits or (None,) * count
    labelled: Sequence[str | None] = told.labelled or (None,) * count
    images: Sequence[Path | None] = told.images or (None,) * count
    shares, zooms = told.shares or (1.0,) * count, told.zooms or (1.0,) * count
    options = {
        "--list": lists,
        "--split": splits,
        "--labelled": labelled,
        "--images": images,
        "--share": shares,
        "--zoom": zooms,
    }
    for name, given in options.items():
        if len(given) != count:
            rule = "one for each --data, or none"
            raise TrainingError(rule, where=name, expected=count, got=len(given))
    places = [
        Place(data, listed, told.format, split, folder, own)
        for data, listed, split, folder, own in zip(
            told.data, lists, splits, images, labelled, strict=True
        )
    ]
    sets = [open_with(one, recipe.classes, kind=TRAIN, watch=watch) for one in places]
    parts = zip(sets, shares, zooms, strict=True)
    return [TrainData(one.items, share, zoom) for one, share, zoom in parts]


def _own_recipe(run: Path) -> Recipe:
    try:
        return recipe_from_tree(yaml.safe_load(read_text(run / RECIPE_NAME, TrainingError)))
    except yaml.YAMLError:
        raise TrainingError("the run's recipe is not YAML", path=run / RECIPE_NAME) from None


def _absolute(paths: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(path.absolute() for path in paths)


def note(report: StepReport) -> str:
    """One step for the eye: loss, speed, how long it waited for data, memory."""
    speed, waited = report.images / report.step_s, report.data_wait_s / report.step_s
    memory = f"{report.memory_mb / 1024:.1f} GB"
    return f"loss {report.total:.3f}, {speed:.1f} images/s, waiting {waited:.0%}, {memory}"
