"""`tinyseg show`: labels or predictions drawn over the frames, or the views of a plan."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    BudgetOption,
    FormatOption,
    ImagesOption,
    ListOption,
    OnErrorOption,
    PriorOption,
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
        list[Path] | None, typer.Argument(help="Pictures to draw a plan's views on.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Data set to draw: its folder, or its label file.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Draw these instead of the labels; with --plan, what a first pass found."
        ),
    ] = None,
    listed: ListOption = None,
    split: SplitOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    frames: Annotated[
        int, typer.Option("--frames", "--count", min=1, help="At most this many frames.")
    ] = 8,
    min_score: Annotated[float, typer.Option(help="Lowest score that is drawn.")] = DRAWN_FROM,
    plan: Annotated[
        str | None,
        typer.Option(help="Draw the views of a plan: whole, tiles, focus, or its YAML file."),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="With PICTURES: draw the plan of these weights, named as in `predict`."),
    ] = None,
    budget: BudgetOption = None,
    prior: PriorOption = None,
    camera: Annotated[
        str | None, typer.Option(help="Camera of the pictures, if their names do not say it.")
    ] = None,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Draw labels or predictions on the frames of a data set, with the horizon magnified; or draw
    on pictures the views of a plan, with their zoom and cost.

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
