"""`tinyseg show`: labels or predictions drawn over the frames, or the views of a plan."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    FormatOption,
    ImagesOption,
    ListOption,
    OnErrorOption,
    SplitOption,
    megapixels,
    only_with,
    remark,
    written_options,
)
from tinyseg.data import Place
from tinyseg.errors import DataError
from tinyseg.progress import console, show_progress
from tinyseg.report import DRAWN_FROM
from tinyseg.tasks import PlanChoice, show as show_frames, show_plan
from tinyseg.watch import OnError

OF_PLANS = ("--weights", "--budget", "--prior", "--camera")
OF_DATA = ("--list", "--split", "--format", "--images", "--frames", "--min-score", "--on-error")


def show(
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")],
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="Pictures, for --plan alone.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="The data set: a folder, or its label file.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Show these instead of the labels; with --plan, what a first pass found."
        ),
    ] = None,
    listed: ListOption = None,
    split: SplitOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    frames: Annotated[
        int, typer.Option("--frames", "--count", min=1, help="At most this many frames.")
    ] = 8,
    min_score: Annotated[float, typer.Option(help="Lowest score shown.")] = DRAWN_FROM,
    plan: Annotated[
        str | None,
        typer.Option(help="Draw the views of whole, tiles, focus, or a plan's YAML file."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="The network that is to look, as in `predict`, and its own plan."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="View pixels that focus may spend: 12MP.")
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(help="Where instances stand, for the plan focus; else as --weights know it."),
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="The frames' camera, where their names do not tell it.")
    ] = None,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Draw labels or predictions over the frames of a data set, with a strip that magnifies the
    horizon; or, on pictures, the views of a plan: where is looked at, how closely, at what cost.

    Example: tinyseg show --data wad --list val.txt --predictions found/predictions.json --out seen
    Example: tinyseg show a_Camera_5.jpg --plan focus --budget 4.4MP --prior prior.json --out seen
    """
    views = plan is not None or bool(set(written_options()) & set(OF_PLANS))
    if (data is None) == (not pictures) or views != bool(pictures):
        rule = "frames of --data are shown, or pictures with the views of --plan or --weights"
        raise DataError(rule, where="tinyseg show")
    only_with("--data", *OF_DATA, met=data)
    if data is None:
        show_plan(
            pictures or [],
            out,
            PlanChoice(weights, plan, megapixels(budget), prior, camera),
            predictions=predictions,
            on_views=lambda text: console.print(text, highlight=False),
            on_progress=show_progress,
            on_remark=remark,
        )
        return
    drawn = show_frames(
        Place(data, listed, format, split, images),
        out,
        predictions=predictions,
        count=frames,
        min_score=min_score,
        on_error=on_error,
        on_progress=show_progress,
        on_remark=remark,
    )
    console.print(f"{drawn} pictures in {out}, scores from {min_score}")
