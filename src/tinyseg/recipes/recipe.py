"""Recipe: every choice of a network, its training and its use, in one checked, frozen record.

`with_settings` changes keys by their dotted names ("train.steps=200"); an unknown key or a value of
the wrong kind is refused by name. Sections: `network`, whose parts have rules of their own;
`sampling`, which views are learnt from (sampling.py); `train`, how weights are moved; `memory`,
what a step keeps and what it computes twice; `predict`, which views, and which instances are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, TypeGuard, get_type_hints

import yaml
from pydantic import Field, NonNegativeFloat, PositiveFloat, field_validator, model_validator

from tinyseg.checked import checked
from tinyseg.errors import RecipeError
from tinyseg.labels import WAD_CLASSES, index_of
from tinyseg.model import BoxRules, InputRules, ProposalRules, RecomputeChoice
from tinyseg.recipes.sampling import Sampling
from tinyseg.recipes.section import Section
from tinyseg.views import LONGEST_SIDE, SHORT_SIDE, Focus, Plan


class Network(Section):
    """The detector's parts; sizes in channels."""

    backbone: str = "resnet50"
    """Any timm model that gives feature maps at the strides 4, 8, 16 and 32."""
    frozen_stages: int = Field(default=0, ge=0, le=4)
    """The first stages of the backbone keep the weights they start with. Their feature maps are
    large, and their backward pass costs as much as that of all other stages together."""
    norm_eps: NonNegativeFloat | None = None
    """Epsilon of the backbone's batch norms; none: timm's."""
    pyramid_channels: int = Field(default=256, ge=8)
    """Channels of every pyramid level."""
    norm: bool = False
    """Batch norm in pyramid and heads."""
    proposal_depth: int = Field(default=1, ge=1)
    """Convolutions of the proposal head."""
    box_trunk: Literal["mlp", "conv"] = "mlp"
    """The box head in front of its outputs: two linear layers, or convolutions and one linear."""
    box_hidden: int = Field(default=1024, ge=8)
    """Width of the box head's linear layers."""
    context_attention: bool = False
    """CA: each pyramid level is weighted by global context (model/context.py)."""
    path_aggregation: bool = False
    """PA: a bottom-up path after the pyramid, and regions pooled from all levels
    (model/path_aggregation.py)."""
    level_layer: Literal["head", "small"] = "head"
    """With PA, the layer that each level has for itself before regions are fused: the box head's
    first layer, or a 1 x 1 convolution in front of it, which is 200 times smaller. In the mask head
    it is the first convolution."""
    pyramid_pooling: bool = False
    """PSPNet's pooling of the backbone's last stage (model/pyramid_pooling.py)."""
    class_weights: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Weight of each class in the classification loss, by class name; 1 for all others."""
    mask_depth: int = Field(default=4, ge=1)
    """Convolutions of the mask head."""
    input: InputRules = InputRules()
    """How pixels enter the network."""
    proposals: ProposalRules = ProposalRules()
    """Anchors and proposals."""
    boxes: BoxRules = BoxRules()
    """The box head's sampling and selection."""

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> "Network":
        if self.proposals.negative_iou > self.proposals.positive_iou:
            raise ValueError("proposals.negative_iou must not be above proposals.positive_iou")
        return self


Side = Annotated[int, Field(ge=32)]


class Predict(Section):
    """Defaults of `predict` for weights with this recipe."""

    short_side: Side = SHORT_SIDE
    """A whole frame is scaled to this short side, in pixels ..."""
    longest_side: Side = LONGEST_SIDE
    """... unless its long side would be longer than this."""
    largest_zoom: PositiveFloat | None = None
    """A small frame is magnified at most this many times; none: without limit."""
    input_hw: tuple[Side, Side] | None = None
    """Height and width of the network's one input size, if it has only one. Tiles and closer views
    then have this size too, since scaling and padding would cost pixels."""
    min_score: float = Field(default=0.05, ge=0, le=1)
    """Instances with a lower score, as the network gives it, are dropped in each view, before their
    masks are drawn, which takes as long as all else where hundreds are kept."""
    detections: int = Field(default=300, ge=1)
    """Most instances of a view and of a frame."""
    plan: Literal["whole", "tiles", "focus"] | Plan = "whole"
    """Which views the network gets: a plan's name, or a plan as its file would hold it."""
    budget_mp: PositiveFloat = Focus().budget_mp
    """Millions of view pixels that the plan "focus" may spend on closer views."""

    @model_validator(mode="after")
    def _no_files(self) -> "Predict":
        parts = () if isinstance(self.plan, str) else self.plan.parts
        if any(part.focus is not None and part.focus.prior is not None for part in parts):
            raise ValueError("a recipe's plan names no prior: that is kept with the weights")
        return self


class Train(Section):
    """The run: `batch` x `accumulate` x processes views a step."""

    steps: int = Field(default=2000, ge=1)
    """Optimizer steps of the run."""
    batch: int = Field(default=2, ge=1)
    """Views that go through the network together, in each process."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are averaged before a step is taken."""
    learning_rate: float = Field(default=4e-4, gt=0)
    """Highest learning rate of AdamW."""
    weight_decay: float = Field(default=0.02, ge=0)
    """Weight decay of AdamW."""
    warm_up: int = Field(default=100, ge=0)
    """Steps over which the learning rate rises to its highest value."""
    schedule: Literal["cosine", "steps"] = "cosine"
    """How the learning rate falls afterwards."""
    drops: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.67, 0.89)
    """Fractions of the run at which the schedule "steps" divides the learning rate by ten."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which becomes the run's result;
    0: the result is the last weights."""
    clip_norm: float = Field(default=5.0, gt=0)
    """Gradients with a larger norm are scaled down to it."""
    mixed: bool | Literal["auto"] = "auto"
    """Backbone, pyramid and mask head compute in bfloat16, the rest in float32 (on a CPU depthwise
    convolutions too). "auto": `tinyseg train` measures before the first step which is faster."""
    save_every: int = Field(default=250, ge=1)
    """Steps between checkpoints."""
    keep: int = Field(default=3, ge=1)
    """Checkpoints that are kept. A run resumes from the one before if the newest is damaged."""
    evaluate_every: int = Field(default=1000, ge=1)
    """Steps between evaluations, where validation frames are given."""
    picture_every: int = Field(default=250, ge=0)
    """Steps between TensorBoard's pictures; 0: none."""
    seed: int = Field(default=0, ge=0)
    """Seed of all random choices; the same seed, machine and threads give the same run."""


class Memory(Section):
    """Recomputation of activations in the backward pass; `train --dry-run` prints the bytes."""

    recompute: RecomputeChoice = "off"
    """off: everything is kept. sqrt: segments with the least peak. all: every block by itself."""
    budget_gb: PositiveFloat | None = None
    """Instead: the fewest operations run twice such that what a step needs at once, with weights,
    gradients and AdamW's moments, fits this many GB (10^9 bytes). The process itself, about 1 GB,
    and a GPU's library come on top."""

    @field_validator("recompute", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        return "off" if value is False else value  # YAML reads a bare off as false

    @model_validator(mode="after")
    def _one_of_both(self) -> "Memory":
        if self.budget_gb is not None and self.recompute != "off":
            raise ValueError("either recompute or budget_gb says what is kept, not both")
        return self


class Recipe(Section):
    """One system: its classes, network, training and use."""

    name: str
    """The preset's name, or your own."""
    classes: Annotated[tuple[str, ...], Field(min_length=1)] = WAD_CLASSES
    """Class names in the order of the network's labels."""
    network: Network = Network()
    """The network's parts."""
    sampling: Sampling = Sampling()
    """Which views of which frames are learnt from."""
    train: Train = Train()
    """The training run."""
    memory: Memory = Memory()
    """What a training step keeps, and what it computes again."""
    predict: Predict = Predict()
    """Defaults of prediction."""

    @model_validator(mode="after")
    def _classes_differ(self) -> "Recipe":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class is named twice")
        return self

    @model_validator(mode="after")
    def _weighted_classes_are_there(self) -> "Recipe":
        for name in self.network.class_weights:
            if index_of(name, self.classes) is None:
                raise ValueError(f"network.class_weights names {name}, which is not in classes")
        return self


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with each "section.key=value" put in; values are read as YAML."""
    tree: object = recipe.model_dump()
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator:
            raise RecipeError("a setting is written key=value", got=setting)
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise RecipeError("the value is not YAML", where=name, got=text) from None
        for key in reversed(name.split(".")):
            value = {key: value}
        tree = _changed(Recipe, tree, value)
    return recipe_from_tree(tree)


def with_changes(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with these keys changed, as in a file: sections hold the keys that change. Raises
    RecipeError for a key that is not there, with those that are."""
    return recipe_from_tree(_changed(Recipe, recipe.model_dump(), changes))


def _changed(section: type, tree: Any, changes: object, place: str = "") -> object:
    """The plain values of a section, with what changes in it."""
    if not isinstance(changes, Mapping):
        return changes
    known, new = keys_of(section), dict(tree)
    for key, value in changes.items():
        where = f"{place}{key}"
        if key not in known:
            raise RecipeError("unknown key", where=where, expected=", ".join(known))
        deeper = known[key]
        inside = is_section(deeper)
        new[key] = _changed(deeper, tree[key], value, f"{where}.") if inside else value
    return new


def is_section(kind: object) -> TypeGuard[type]:
    """Whether values of this type are records with keys of their own."""
    return isinstance(kind, type) and (issubclass(kind, Section) or is_dataclass(kind))


def keys_of(section: type) -> dict[str, Any]:
    """A section's keys in their order, with the types of their values."""
    hints = get_type_hints(section, include_extras=True)
    if issubclass(section, Section):
        return {name: hints[name] for name in section.model_fields}
    return {field.name: hints[field.name] for field in fields(section)}  # type: ignore[arg-type]


def recipe_from_tree(tree: object) -> Recipe:
    """A recipe from plain values (a YAML or JSON file's), every key and value checked."""
    return checked(Recipe, tree)
