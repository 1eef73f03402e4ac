"""`tinyseg memory`: what a training step keeps for its backward pass, for each way of keeping."""

from collections.abc import Mapping
from typing import Annotated

import torch
import typer
from rich.table import Table

from tinyseg.cli.common import rendered
from tinyseg.errors import RecipeError
from tinyseg.model import (
    GB,
    RECOMPUTE_CHOICES,
    MemoryNeed,
    Planner,
    bytes_of_weights,
    measure_activations,
    memory_need,
)
from tinyseg.networks import build_detector
from tinyseg.recipes import find_recipe, with_settings


def memory(
    recipe: Annotated[str, typer.Argument(help="Preset of network and training.")],
    view: Annotated[str, typer.Option(help="Width and height of a view in pixels.")] = "2248x1800",
    batch: Annotated[int, typer.Option(min=1, help="Views a step.")] = 1,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: memory.budget_gb=20")
    ] = None,
) -> None:
    """Predict the bytes of activations of a training step, by stage, for each choice of
    memory.recompute and for the recipe's budget. Nothing is run.

    Example: tinyseg memory mask_rcnn_r50 --view 2248x1800 --set memory.budget_gb=6
    """
    chosen = with_settings(find_recipe(recipe), settings or [])
    width, height = read_view(view)
    with torch.device("meta"):
        detector = build_detector(chosen).to_empty(device="cpu")
    detector.mixed = chosen.train.mixed is True
    profile = measure_activations(detector, batch=batch, hw=(height, width))
    columns: dict[str, MemoryNeed] = {}
    for name, make in RECOMPUTE_CHOICES.items():
        columns[name] = memory_need(profile, make(profile))
    budget = chosen.memory.budget_gb
    if budget is not None:
        segments = Planner("off", budget_gb=budget).segments(detector, profile)
        columns[f"{budget:g} GB"] = memory_need(profile, segments)
    typer.echo(rendered(to_table(f"{chosen.name}, {batch} x {width} x {height}", columns)))
    weights = bytes_of_weights(detector) / GB
    typer.echo(f"Weights, gradients and AdamW's moments: {weights:.2f} GB on top of each.")


def read_view(text: str) -> tuple[int, int]:
    """Width and height from "2248x1800"."""
    width, separator, height = text.partition("x")
    sides = (width, height)
    if not separator or not all(side.isascii() and side.isdigit() for side in sides):
        raise RecipeError("a view is written WIDTHxHEIGHT", where="--view", got=text)
    if min(int(width), int(height)) < 64:
        raise RecipeError("a view has sides of 64 pixels and more", where="--view", got=text)
    return int(width), int(height)


def to_table(title: str, columns: Mapping[str, MemoryNeed]) -> Table:
    """Megabytes by stage, a column for each choice."""
    table = Table(title=f"{title}: activations kept for the backward pass, MB")
    table.add_column("stage")
    for name in columns:
        table.add_column(name, justify="right")
    values = list(columns.values())
    for stage in values[0].kept:
        table.add_row(stage, *(_mb(p.kept[stage]) for p in values))
    table.add_section()
    table.add_row("kept", *(_mb(sum(p.kept.values())) for p in values))
    table.add_row("largest segment run again", *(_mb(p.largest) for p in values))
    table.add_row("peak", *(_mb(p.peak) for p in values))
    off = values[0].peak
    table.add_row("at once, with gradients on their way", *(_mb(p.tensors) for p in values))
    table.add_row("on a CPU, with its library's copies", *(_mb(p.on_cpu) for p in values))
    table.add_row("peak, share of off", *(f"{p.peak / off:.0%}" for p in values))
    table.add_row("operations run twice", *(f"{p.repeated:.0%}" for p in values))
    return table


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f}"
