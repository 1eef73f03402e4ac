"""What a run's weights start from, told on the console while it is fetched and when it is done."""

from typing import Annotated

import typer

from tinyseg.model import Detector
from tinyseg.networks import load_imagenet, start_from
from tinyseg.progress import console, told_while_fetching
from tinyseg.recipes import Recipe

InitOption = Annotated[
    str | None,
    typer.Option(
        "--init",
        help="Start from: a run, a weights file, maskrcnn_resnet50_fpn_coco, "
        "maskrcnn_resnet50_fpn_v2_coco, tinyseg-lite (the package's own), or imagenet.",
    ),
]


def start_weights(detector: Detector, recipe: Recipe, init: str | None) -> str:
    """Fill the fresh network; without `init`, from ImageNet weights that are installed, if any."""
    if init is None:
        return "ImageNet weights" if load_imagenet(detector, recipe) else "random weights"
    with told_while_fetching(init) as tell:
        lines = start_from(detector, recipe, init, on_progress=tell)
    for line in lines:
        console.print(f"{init}: {line}", highlight=False)
    return f"weights from {init}"
