"""Recipes: every choice of a network, its training and its use, in one checked, frozen record.

A preset is a function that returns a Recipe. `with_settings` changes keys by their dotted names
("train.steps=200"); an unknown key or a value of the wrong kind is refused by name. The rules of
the detector's parts are the parts' own records: nothing is said twice.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    ValidationError,
    model_validator,
)

from tinyseg.errors import RecipeError
from tinyseg.labels import WAD_CLASSES
from tinyseg.model.box_head import BoxRules
from tinyseg.model.detector import InputRules
from tinyseg.model.proposals import ProposalRules


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Network(_Section):
    """The detector's parts; sizes in channels."""

    backbone: str = "resnet50"
    norm_eps: NonNegativeFloat | None = None
    pyramid_channels: int = Field(default=256, ge=8)
    norm: bool = False
    """Batch norm in pyramid and heads."""
    proposal_depth: int = Field(default=1, ge=1)
    box_trunk: Literal["mlp", "conv"] = "mlp"
    box_hidden: int = Field(default=1024, ge=8)
    mask_depth: int = Field(default=4, ge=1)
    input: InputRules = InputRules()
    proposals: ProposalRules = ProposalRules()
    boxes: BoxRules = BoxRules()

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> "Network":
        if self.proposals.negative_iou > self.proposals.positive_iou:
            raise ValueError("proposals.negative_iou must not be above proposals.positive_iou")
        return self


class Train(_Section):
    """The run: views are square, `view` pixels wide, cut from native frames."""

    steps: int = Field(default=2000, ge=1)
    batch: int = Field(default=2, ge=1)
    view: int = Field(default=640, ge=64, multiple_of=32)
    zoom: tuple[PositiveFloat, PositiveFloat] = (0.5, 2.0)
    """Each view draws its zoom from this range, evenly in its logarithm."""
    near_share: float = Field(default=0.8, ge=0, le=1)
    """Share of views placed around an instance; the others lie anywhere in the frame."""
    views_per_frame: int = Field(default=4, ge=1)
    """Views cut from a frame once it is decoded."""
    min_visible: float = Field(default=0.25, ge=0, le=1)
    """Objects cut by the view's edge below this share of their area are ignored, not learnt."""
    flip: bool = True
    colour: float = Field(default=0.3, ge=0, le=1)
    learning_rate: float = Field(default=4e-4, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    warm_up: int = Field(default=100, ge=0)
    clip_norm: float = Field(default=5.0, gt=0)
    mixed: bool = False
    """Backbone and pyramid in bfloat16, the rest in float32. On a CPU the backward pass of
    depthwise convolutions is slower in bfloat16 than in float32 (benchmarks/train_step.py)."""
    save_every: int = Field(default=250, ge=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _zoom_in_order(self) -> "Train":
        if self.zoom[0] > self.zoom[1]:
            raise ValueError("zoom must be (lowest, highest)")
        return self


class Predict(_Section):
    """What `predict` does unless told otherwise: the whole frame in one view."""

    short_side: int = Field(default=1800, ge=32)
    longest_side: int = Field(default=2400, ge=32)
    min_score: float = Field(default=0.01, ge=0, le=1)
    detections: int = Field(default=300, ge=1)
    """Lowest score and largest number of instances that are kept, of a view and of a frame."""


class Recipe(_Section):
    """One system: its classes, network, training and use."""

    name: str
    classes: Annotated[tuple[str, ...], Field(min_length=1)] = WAD_CLASSES
    network: Network = Network()
    train: Train = Train()
    predict: Predict = Predict()

    @model_validator(mode="after")
    def _classes_differ(self) -> "Recipe":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class is named twice")
        return self


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


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with each "section.key=value" put in; values are read as YAML."""
    tree = recipe.model_dump()
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator:
            raise RecipeError("a setting is written key=value", got=setting)
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RecipeError("the value is not YAML", where=name, got=str(error)) from None
        _put(tree, name, value)
    return recipe_from_tree(tree)


def _put(tree: dict[str, Any], name: str, value: object) -> None:
    """Set a key by its dotted name; every part but the last must be there."""
    *sections, key = name.split(".")
    place = tree
    for section in sections:
        if not isinstance(place.get(section), dict):
            raise RecipeError("unknown section", where=name, expected=sorted(place), got=section)
        place = place[section]
    if key not in place:
        raise RecipeError("unknown key", where=name, expected=sorted(place), got=key)
    place[key] = value


def recipe_from_tree(tree: object) -> Recipe:
    """A recipe from plain values (a YAML or JSON file's), every key and value checked."""
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or None
        rule, got = first["msg"].removeprefix("Value error, "), first.get("input")
        raise RecipeError(rule, where=where, got=None if isinstance(got, dict) else got) from None
