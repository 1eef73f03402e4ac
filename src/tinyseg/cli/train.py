"""`tinyseg train`: a data set -> weights."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from tinyseg.build import build_detector
from tinyseg.cli.common import (
    DataOption,
    DeviceOption,
    FormatOption,
    ListOption,
    OnError,
    OnErrorOption,
    Skipped,
    ThreadsOption,
    find_device,
    open_with,
)
from tinyseg.cli.start import InitOption, start_weights
from tinyseg.progress import console, progress_bar
from tinyseg.recipes import find_recipe, with_settings
from tinyseg.train.batches import FrameStore
from tinyseg.train.loop import StepReport
from tinyseg.train.loop import train as run_training


def train(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="The run's folder: weights, recipe, log.")],
    recipe: Annotated[str, typer.Option(help="Preset of network and training.")] = "lite",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: train.steps=500")
    ] = None,
    init: InitOption = None,
    listed: ListOption = None,
    format: FormatOption = None,
    on_error: OnErrorOption = OnError.stop,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Train a network on a data set.

    Example: tinyseg train --data wad --list train.txt --out runs/a --set train.steps=500
    """
    chosen = with_settings(find_recipe(recipe), settings or [])
    where = find_device(device, threads)
    dataset = open_with(data, format, listed, chosen.classes)
    skipped = Skipped(on_error)
    torch.manual_seed(chosen.train.seed)
    detector = build_detector(chosen)
    start = start_weights(detector, chosen, init)
    size = sum(p.numel() for p in detector.parameters()) / 1e6
    console.print(f"{chosen.name}: {size:.2f} M parameters, {start}, {len(dataset.items)} frames")
    frames = FrameStore(dataset.items, on_skip=lambda item, error: skipped(item.name, error))
    with progress_bar("training", chosen.train.steps) as bar:
        run_training(
            detector, chosen, frames, out, device=where, on_step=lambda s: bar.advance(_note(s))
        )
    skipped.report()
    console.print(f"weights and log in {out}")


def _note(report: StepReport) -> str:
    return f"loss {report.total:.3f}, waiting {report.data_wait_s / report.step_s:.0%}"
