"""torchvision's COCO networks under another class list: the classes that both have, by name.

In: one of torchvision's Mask R-CNN checkpoints (.pth, v1 or v2, COCO's 91 labels). Out: a detector
of our class list, with the scores that the checkpoint gives: the probabilities of all its 91 labels
are computed as they were, and those of labels that we have no class for count as background. A
class of ours that COCO lacks (tricycle) is never found. Refused: checkpoints of other networks, and
class lists that share no class with COCO.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tinyseg.errors import WeightsError
from tinyseg.labels import WAD_CLASSES, index_of
from tinyseg.model import Detector
from tinyseg.networks.network import build_detector
from tinyseg.networks.transfer import coco_classes
from tinyseg.networks.weights import load_state, looks_like_torchvision, read_tensors
from tinyseg.recipes import Recipe, find_recipe, with_settings

FOCUSED = ("predict.plan=focus", "predict.budget_mp=12")
"""These networks look at 12 millions of pixels beside the whole frame, unless told otherwise."""


class SharedClasses(nn.Module):
    """Class logits of which only some are asked for: the others are added to the background.

    softmax of the result equals softmax of all logits at the columns that are kept.
    """

    def __init__(self, all_classes: nn.Linear, columns: Sequence[int | None]) -> None:
        """`columns`: the logit of each class that is asked for; None for one that is not there."""
        super().__init__()
        self.all_classes = all_classes
        kept = {column for column in columns if column is not None}
        others = [i for i in range(all_classes.out_features) if i not in kept]
        self.absent = [place for place, column in enumerate(columns, start=1) if column is None]
        self.others: Tensor
        self.columns: Tensor
        self.register_buffer("others", torch.tensor(others), persistent=False)
        self.register_buffer("columns", torch.tensor(_rows(columns)), persistent=False)

    def forward(self, seen: Float[Tensor, "n hidden"]) -> Float[Tensor, "n classes"]:
        """Background first, then the classes that are asked for."""
        logits = self.all_classes(seen)
        few = logits[:, self.columns].clone()
        few[:, 0] = logits[:, self.others].logsumexp(dim=1)
        few[:, self.absent] = -torch.inf
        return few


def load_shared(path: Path, classes: Sequence[str] = WAD_CLASSES) -> tuple[Detector, Recipe]:
    """Network and recipe of a torchvision checkpoint for this class list."""
    state = read_tensors(path)
    if not looks_like_torchvision(list(state)):
        raise WeightsError("not a checkpoint of torchvision's Mask R-CNN", path=path)
    coco = coco_classes()
    columns = [
        None if place is None else place + 1 for place in (index_of(n, coco) for n in classes)
    ]
    if all(column is None for column in columns):
        rule = "COCO has none of the classes"
        raise WeightsError(rule, path=path, got=", ".join(classes))
    recipe = recipe_of(state)
    own = tuple(f"{number} {name}" for number, name in enumerate(coco))  # "N/A" comes ten times
    detector = build_detector(recipe.model_copy(update={"classes": own}))
    load_state(detector, state, path=path)
    # Leave the heads the rows of background and of these classes, in this order
    rows = torch.tensor(_rows(columns))
    box, mask = detector.box_head, detector.mask_head
    box.register_module("classes", SharedClasses(box.classes, columns))
    _keep_rows(box.deltas, (rows[:, None] * 4 + torch.arange(4)).flatten())
    _keep_rows(mask.logits, rows)
    return detector, recipe.model_copy(update={"classes": tuple(classes)})


def recipe_of(state: dict[str, Tensor]) -> Recipe:
    """Of torchvision's two versions, the one with batch norm in its heads has no fc6."""
    if "roi_heads.box_head.fc6.weight" in state:
        recipe = with_settings(find_recipe("mask_rcnn_r50"), ["network.norm_eps=0", *FOCUSED])
    else:
        recipe = with_settings(find_recipe("mask_rcnn_r50_v2"), FOCUSED)
    return recipe


def _rows(columns: Sequence[int | None]) -> list[int]:
    """Background's row and that of each class; a class that is not there takes background's."""
    return [0, *(column or 0 for column in columns)]


def _keep_rows(layer: nn.Linear | nn.Conv2d, rows: Tensor) -> None:
    with torch.no_grad():
        layer.weight = nn.Parameter(layer.weight[rows])
        if layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias[rows])
    if isinstance(layer, nn.Linear):
        layer.out_features = len(rows)
    else:
        layer.out_channels = len(rows)
