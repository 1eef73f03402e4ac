"""What a run starts from: "imagenet", the package's own weights or a published checkpoint by name,
a run's folder, or a file."""

from pathlib import Path

from tinyseg.downloads import COCO, IMAGENET, OnProgress, fetch
from tinyseg.errors import WeightsError
from tinyseg.model import Detector
from tinyseg.networks.imagenet import load_imagenet, load_timm
from tinyseg.networks.transfer import transfer_weights
from tinyseg.recipes import Recipe
from tinyseg.stored import OWN, own_weights

FROM_IMAGENET = "imagenet"


def start_from(
    detector: Detector, recipe: Recipe, start: str, *, on_progress: OnProgress
) -> list[str]:
    """Fill the fresh detector from `start`; returns what was done, in words, a fact a line.

    Raises WeightsError for a name that is neither a path nor known.
    """
    if Path(start).exists():
        return transfer_weights(detector, recipe, Path(start)).lines()
    if start == FROM_IMAGENET:
        if load_imagenet(detector, recipe):
            return ["backbone from its ImageNet package"]
        name = recipe.network.backbone
        if name not in IMAGENET:
            rule = "no ImageNet weights are known for this backbone"
            raise WeightsError(rule, expected=" | ".join(IMAGENET), got=name)
        fetched = fetch(IMAGENET[name], on_progress=on_progress)
        load_timm(detector, fetched)
        return [f"backbone from {fetched.name}"]
    if start in COCO:
        path = fetch(COCO[start], on_progress=on_progress)
        return transfer_weights(detector, recipe, path).lines()
    if start == OWN:
        return transfer_weights(detector, recipe, own_weights()).lines()
    known = " | ".join(("a path", FROM_IMAGENET, OWN, *COCO))
    raise WeightsError("nothing to start from", expected=known, got=start)
