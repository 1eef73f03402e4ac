"""The presets: functions that return a Recipe, and their names."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tinyseg.checked import read_tree
from tinyseg.errors import RecipeError
from tinyseg.model import BoxRules, InputRules, ProposalRules
from tinyseg.recipes.recipe import Network, Recipe, with_changes
from tinyseg.recipes.sampling import VTR, Sampling


def mask_rcnn_r50() -> Recipe:
    """torchvision's maskrcnn_resnet50_fpn (v1), tensor for tensor; 44.0 M parameters."""
    return Recipe(name="mask_rcnn_r50")


def mask_rcnn_r50_v2() -> Recipe:
    """torchvision's maskrcnn_resnet50_fpn_v2: batch norm and deeper heads (Li et al. 2021); 45.9 M
    parameters."""
    network = Network(norm=True, proposal_depth=2, box_trunk="conv")
    return Recipe(name="mask_rcnn_r50_v2", network=network)


def lite() -> Recipe:
    """For a CPU: EfficientNet-Lite0, a pyramid of 96 channels, small anchors; 5.07 M parameters."""
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


TIS_ANCHORS = ProposalRules(
    anchor_sizes=(8.0, 18.0, 40.0, 88.0, 194.0),
    similarity="larger",
    nwd_scale=8.0,
    positive_iou=0.5,
    negative_iou=0.3,
)
"""Anchors from 8 pixels on; boxes of 6 to 16 pixels are assigned by NWD, larger ones by IoU. At a
zoom of 0.66 every object of the challenge's labelled frames below 16 pixels has about ten positive
anchors, where torchvision's sizes and IoU give it none but its nearest."""


def _tis(name: str, backbone: str, *, pyramid_pooling: bool = False) -> Recipe:
    """The whole training side of the slides' method: CA, PA, and varied training resolution."""
    network = Network(
        backbone=backbone,
        context_attention=True,
        path_aggregation=True,
        pyramid_pooling=pyramid_pooling,
        input=InputRules(aligned=True),
        proposals=TIS_ANCHORS,
        boxes=BoxRules(min_score=0.01, detections=300),
    )
    return Recipe(name=name, network=network, sampling=Sampling(sources=VTR))


def tis_r50() -> Recipe:
    """The challenge winners' network with ResNet-50: context attention (CA), path aggregation (PA)
    and varied training resolution (VTR); 89 M parameters, 29.0 on the challenge's server."""
    return _tis("tis_r50", "resnet50")


def tis_pspnet152() -> Recipe:
    """The same with ResNet-152 and PSPNet's pyramid pooling on its last stage; 146 M parameters,
    32.4 on the server with a multi-scale test."""
    return _tis("tis_pspnet152", "resnet152", pyramid_pooling=True)


def tis_seresnet152() -> Recipe:
    """The same with SE-ResNet-152 (Hu et al. 2018), which "SENet-152" in the winners' slides is
    taken for; 130 M parameters, 31.9 on the server."""
    return _tis("tis_seresnet152", "legacy_seresnet152")


def tis_senet154() -> Recipe:
    """The same with SENet-154, the other network that may have been meant; 178 M parameters."""
    return _tis("tis_senet154", "legacy_senet154")


def tis_lite() -> Recipe:
    """`lite` with CA, PA and anchors from 8 pixels; 5.97 M parameters."""
    base = lite()
    network = base.network.model_copy(
        update={
            "context_attention": True,
            "path_aggregation": True,
            "level_layer": "small",
            "proposals": replace(
                base.network.proposals,
                anchor_sizes=TIS_ANCHORS.anchor_sizes,
                similarity=TIS_ANCHORS.similarity,
                nwd_scale=TIS_ANCHORS.nwd_scale,
            ),
        }
    )
    return base.model_copy(update={"name": "tis_lite", "network": network})


RECIPES: dict[str, Callable[[], Recipe]] = {
    "mask_rcnn_r50": mask_rcnn_r50,
    "mask_rcnn_r50_v2": mask_rcnn_r50_v2,
    "lite": lite,
    "tis_r50": tis_r50,
    "tis_pspnet152": tis_pspnet152,
    "tis_seresnet152": tis_seresnet152,
    "tis_senet154": tis_senet154,
    "tis_lite": tis_lite,
}


def find_recipe(name: Path | str) -> Recipe:
    """The preset of this name, or the recipe of a file: see `read_recipe_file`."""
    if name in RECIPES:
        return RECIPES[str(name)]()
    if not Path(name).is_file():
        expected = " | ".join(("a file", *RECIPES))
        raise RecipeError("no recipe of this name", expected=expected, got=name)
    return read_recipe_file(Path(name))


def read_recipe_file(path: Path, *, above: tuple[Path, ...] = ()) -> Recipe:
    """The recipe of a YAML file: all that differs from its `base`, a preset or another file, whose
    path starts from this one. Without a base what is left out has its default; such a file is what
    a run writes. `above` are the files that name this one as their base.

        base: lite
        sampling: {view: 448}
        train: {steps: 3300, learning_rate: 0.0003}

    Raises RecipeError, for unknown keys with those that are known.
    """
    if path.resolve() in above:
        raise RecipeError("the file is its own base", path=path, where="base")
    tree = read_tree(path)
    if not isinstance(tree, dict):
        raise RecipeError("a recipe is keys and values", path=path)
    base = tree.pop("base", None)
    if base is None:
        start = Recipe(name=path.stem)
    elif isinstance(base, str):
        beside = path.parent / base
        if base not in RECIPES and beside.is_file():
            start = read_recipe_file(beside, above=(*above, path.resolve()))
        else:
            try:
                start = find_recipe(base)
            except RecipeError as error:
                raise (error if error.path else error.at(path=path, where="base")) from None
        start = start.model_copy(update={"name": path.stem})
    else:
        raise RecipeError("a base is a preset or a file", path=path, where="base", got=base)
    try:
        return with_changes(start, tree)
    except RecipeError as error:
        raise error.at(path=path) from None
