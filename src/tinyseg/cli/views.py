"""`tinyseg views`: a plan drawn on a picture. `tinyseg prior`: where instances stand, learned."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    DataOption,
    FormatOption,
    ImagesOption,
    ListOption,
    OnErrorOption,
    SplitOption,
    megapixels,
    watching,
)
from tinyseg.data import TRAIN, Names, Place, class_ids, file_below, names_of
from tinyseg.errors import DataError
from tinyseg.files import check_output, make_folder, write_whole
from tinyseg.frame import Instances
from tinyseg.image import read_image, write_jpeg
from tinyseg.networks import put_prior
from tinyseg.predict import choose_plan, load_member
from tinyseg.predictions import Predictions
from tinyseg.progress import console, progress_bar, told_while_fetching
from tinyseg.recipes import find_recipe
from tinyseg.report import draw_plan
from tinyseg.stored import find_weights, read_recipe, read_weights_prior
from tinyseg.tasks import open_with, read_all_labels, read_given
from tinyseg.views import FrameInfo, learn_prior, prior_to_json, resolved
from tinyseg.watch import OnError


def views(
    images: Annotated[list[Path], typer.Argument(help="Pictures.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures with the views.")],
    weights: Annotated[
        str | None,
        typer.Option(
            help="The network that is to look, as in `predict`: its plan, sizes and prior count."
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(help="whole, tiles, focus, or a plan's YAML file; else focus, or --weights'."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="View pixels that focus may spend: 12MP.")
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(help="Where instances stand, for the plan focus; else as --weights know it."),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="What a first pass found, for the second one.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="The frames' camera, where their names do not tell it.")
    ] = None,
) -> None:
    """Draw the views of a plan on pictures: where is looked at, how closely, at what cost.

    Example: tinyseg views a_Camera_5.jpg --plan focus --budget 4.4MP --prior prior.json --out seen
    """
    make_folder(out)
    if weights is None:
        limits, own, plan = find_recipe("lite").predict, None, plan or "focus"
    else:
        with told_while_fetching(weights) as tell:
            member = load_member(find_weights(weights, on_progress=tell))
        limits, own = member.predict, member.prior
    named = choose_plan(limits, plan=plan, budget_mp=megapixels(budget), prior=prior)
    chosen = resolved(named, own)
    given = None if predictions is None else read_given(predictions)
    with progress_bar("drawing", len(images)) as bar:
        for path, name in zip(images, names_of(images), strict=True):
            image = read_image(path)
            info = FrameInfo.named(path.name, (image.shape[0], image.shape[1]))
            info = info if camera is None else FrameInfo(info.hw, camera)
            found = Instances.empty() if given is None else _found(given, path, info.hw)
            first, then = chosen.first(info), chosen.then(info, found)
            remarks = chosen.remarks(info)
            picture = draw_plan(image, first, then, found=found.boxes, remarks=remarks)
            file = file_below(out, name, "_views.jpg")
            make_folder(file.parent)
            write_jpeg(file, picture)
            bar.advance(path.name)
            pixels = sum(p.view.out_hw[0] * p.view.out_hw[1] for p in [*first, *then])
            counts = f"{len(first)} views, then {len(then)}, {pixels / 1e6:.1f} MP in all"
            console.print("; ".join([f"{path.name}: {counts}", *remarks]), highlight=False)


def _found(given: Predictions, path: Path, hw: tuple[int, int]) -> Instances:
    """What the file holds for this picture."""
    name = Names(frame.name for frame in given.frames).one(path.as_posix())
    own = [frame for frame in given.frames if frame.name == name]
    if not own:
        raise DataError("the predictions do not hold this frame", path=path)
    if own[0].hw != hw:
        rule = "predictions and picture need one size (height, width)"
        raise DataError(rule, path=path, expected=hw, got=own[0].hw)
    return own[0].instances


def prior(
    data: DataOption,
    out: Annotated[Path | None, typer.Option(help="The file to write: JSON.")] = None,
    into: Annotated[
        Path | None, typer.Option(help="The weights file that shall bring the prior with it.")
    ] = None,
    listed: ListOption = None,
    split: SplitOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    camera: Annotated[
        str | None, typer.Option(help="The camera of all frames, where their names do not tell it.")
    ] = None,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Learn where instances of which size stand, for each camera and frame size.

    Where the data set has splits, the training split is taken. With --into, `predict --plan focus`
    uses it by itself; the weights file is written anew, with another checksum, and replaces a prior
    that it had.

    Example: tinyseg prior --data wad --list train.txt --into runs/a
    """
    if out is None and into is None:
        raise DataError("a prior goes to a file of its own or into a weights file", where="--into")
    check_output(out)
    if into is not None:
        read_weights_prior(into)  # refuses what is no weights file before the labels are read
    classes = tuple(class_ids(data, format)) if into is None else read_recipe(into).classes
    watch = watching(on_error)
    place = Place(data, listed, format, split, images)
    dataset = open_with(place, classes, kind=TRAIN, watch=watch)
    with watch.stage("reading labels", len(dataset.items)) as stage:
        learned = learn_prior(read_all_labels(dataset.items, watch, stage), camera=camera)
    if out is not None:
        write_whole(out, prior_to_json(learned).encode())
    if into is not None:
        put_prior(into, learned)
    for one in learned.cameras:
        size = f"{one.hw[1]} x {one.hw[0]}"
        text = f"camera {one.camera}, {size}: {one.counts.sum()} instances on {one.frames} frames"
        console.print(text, highlight=False)
    watch.report()
