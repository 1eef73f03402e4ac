"""A recipe -> what a step of its training will hold, stage by stage; nothing is run."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from rich.table import Table

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
from tinyseg.recipes import Recipe
from tinyseg.training import largest_shape


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the largest step of a recipe keeps for its backward pass: `batch` views of height and
    width `hw`. `choices` are by the name of what memory.recompute may be, and by the recipe's
    budget; `weights_gb` (10^9 bytes) come on top of each: weights, gradients, AdamW's moments."""

    batch: int
    hw: tuple[int, int]
    choices: Mapping[str, MemoryNeed]
    weights_gb: float

    def table(self) -> Table:
        """Megabytes by stage, a column for each choice, for a terminal, as rich's table."""
        size = f"{self.batch} x {self.hw[1]} x {self.hw[0]}"
        table = Table(title=f"{size}: activations kept for the backward pass, MB")
        table.add_column("stage")
        for name in self.choices:
            table.add_column(name, justify="right")
        values = list(self.choices.values())
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
        table.caption = (
            f"Weights, gradients and AdamW's moments: {self.weights_gb:.2f} GB on top of each."
        )
        return table


def forecast(recipe: Recipe) -> Forecast:
    """What a step on the recipe's largest views will hold."""
    batch, hw = recipe.train.batch, largest_shape(recipe.sampling).out_hw
    with torch.device("meta"):
        detector = build_detector(recipe).to_empty(device="cpu")
    detector.mixed = recipe.train.mixed is True
    profile = measure_activations(detector, batch=batch, hw=hw)
    choices: dict[str, MemoryNeed] = {
        name: memory_need(profile, make(profile)) for name, make in RECOMPUTE_CHOICES.items()
    }
    budget = recipe.memory.budget_gb
    if budget is not None:
        segments = Planner("off", budget_gb=budget).segments(detector, profile)
        choices[f"{budget:g} GB"] = memory_need(profile, segments)
    return Forecast(batch, hw, choices, bytes_of_weights(detector) / GB)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f}"
