"""The presets: functions that return a Recipe, and their names."""

from collections.abc import Callable

from tinyseg.errors import RecipeError
from tinyseg.model.box_head import BoxRules
from tinyseg.model.detector import InputRules
from tinyseg.model.proposals import ProposalRules
from tinyseg.recipes.network import Network
from tinyseg.recipes.recipe import Recipe


def mask_rcnn_r50() -> Recipe:
    """torchvision's maskrcnn_resnet50_fpn (v1): the base system of the slides' first row."""
    return Recipe(name="mask_rcnn_r50")


def mask_rcnn_r50_v2() -> Recipe:
    """torchvision's maskrcnn_resnet50_fpn_v2: batch norm and deeper heads (Li et al. 2021)."""
    network = Network(norm=True, proposal_depth=2, box_trunk="conv")
    return Recipe(name="mask_rcnn_r50_v2", network=network)


def lite() -> Recipe:
    """Under 6 M parameters, for a CPU: EfficientNet-Lite0, narrow pyramid, tiny anchors."""
    network = Network(
        backbone="tf_efficientnet_lite0",
        pyramid_channels=96,
        box_hidden=256,
        input=InputRules(mean=(127.0,) * 3, std=(128.0,) * 3, pad_to=64, aligned=True),
        proposals=ProposalRules(
            anchor_sizes=(12.0, 28.0, 64.0, 144.0, 320.0),
            positive_iou=0.5,
            negative_iou=0.3,
            kept_before_nms=(500, 1000),
            kept=(500, 1000),
        ),
        boxes=BoxRules(sampled=256, min_score=0.01, detections=300),
    )
    return Recipe(name="lite", network=network)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "mask_rcnn_r50": mask_rcnn_r50,
    "mask_rcnn_r50_v2": mask_rcnn_r50_v2,
    "lite": lite,
}


def find_recipe(name: str) -> Recipe:
    """The preset of this name."""
    if name not in RECIPES:
        raise RecipeError("no recipe of this name", expected=" | ".join(RECIPES), got=name)
    return RECIPES[name]()
