"""Recipes: presets, settings by dotted names, and everything that is refused."""

import json

import pytest
from pydantic import ValidationError

from tinyseg.errors import RecipeError
from tinyseg.labels import WAD_CLASSES
from tinyseg.recipes import RECIPES, Recipe, find_recipe, lite, recipe_from_tree, with_settings


@pytest.mark.parametrize("name", RECIPES)
def test_presets_have_their_name_and_pass_through_json(name: str) -> None:
    recipe = find_recipe(name)
    assert recipe.name == name
    assert recipe.classes == WAD_CLASSES
    assert recipe_from_tree(json.loads(recipe.model_dump_json())) == recipe
    assert with_settings(recipe, []) == recipe


def test_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"mask_rcnn_r50_v2 \| lite .*, got light"):
        find_recipe("light")


def test_settings_change_their_keys_and_nothing_else() -> None:
    changed = with_settings(
        lite(),
        [
            "train.steps=7",
            "sampling.zoom=[0.25, 4]",
            "network.proposals.kept=[20, 10]",
            "network.boxes.min_score=0.2",
            "network.norm_eps=0.5",
            "classes=[car, bus]",
            "train.steps=8",
        ],
    )
    assert changed.train == lite().train.model_copy(update={"steps": 8})
    assert changed.sampling == lite().sampling.model_copy(update={"zoom": (0.25, 4.0)})
    assert changed.network.proposals.kept == (20, 10)
    assert changed.network.boxes.min_score == 0.2
    assert changed.network.norm_eps == 0.5
    assert changed.classes == ("car", "bus")
    back = ("network.proposals.kept=[500, 1000]", "network.boxes.min_score=0.01")
    assert with_settings(changed, [*back, "network.norm_eps=null"]).network == lite().network
    assert lite().train.steps != 8


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("train.steps", "a setting is written key=value (got train.steps)"),
        ("train.step=1", "train.step: unknown key"),
        ("steps=1", "steps: unknown key"),
        ("training.steps=1", "training.steps: unknown section"),
        ("train.steps.more=1", "train.steps.more: unknown section"),
        ("network.boxes.score=1", "network.boxes.score: unknown key"),
        ("train.steps=[", "train.steps: the value is not YAML"),
        ("train.steps=many", "train.steps: Input should be a valid integer"),
        ("train.steps=1.5", "train.steps: Input should be a valid integer"),
        ("train.steps=0", "train.steps: Input should be greater than or equal to 1"),
        ("sampling.view=100", "sampling.view.0: Input should be a multiple of 32"),
        ("train.seed=-1", "train.seed: "),
        ("train.mixed=perhaps", "train.mixed."),
        ("train.learning_rate=.nan", "train.learning_rate: "),
        ("train.clip_norm=.inf", "train.clip_norm: "),
        ("sampling.zoom=[2, 1]", "sampling: zoom must be (lowest, highest)"),
        ("sampling.zoom=[0, 1]", "sampling.zoom.0: Input should be greater than 0"),
        ("sampling.zoom=[1]", "sampling.zoom.1: Field required"),
        ("network.box_trunk=tree", "network.box_trunk: Input should be 'mlp' or 'conv'"),
        ("network.proposals.anchor_sizes=[1, 2]", "network.proposals.anchor_sizes.2: "),
        ("network.proposals.kept=[0, 1]", "network.proposals.kept.0: "),
        ("network.proposals.negative_iou=0.9", "network: proposals.negative_iou must not be above"),
        ("network.proposals.nms_iou=1.1", "network.proposals.nms_iou: "),
        ("network.boxes.sampled=-3", "network.boxes.sampled: Input should be greater than 0"),
        ("network.boxes=3", "network.boxes: "),
        ("network.input.pad_to=0", "network.input.pad_to: Input should be greater than 0"),
        ("network.input.std=[1, 0, 1]", "network.input.std.1: "),
        ("network=null", "network: "),
        ("classes=[]", "classes: "),
        ("classes=[car, bus, car]", "a class is named twice"),
        ("classes=car", "classes: "),
        ("name=3", "name: Input should be a valid string"),
        ("predict.short_side=0", "predict.short_side: "),
    ],
)
def test_wrong_settings_are_refused_by_name(setting: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        with_settings(lite(), [setting])
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("tree", [None, 3, [], {}, {"name": "a", "extra": 1}, {"train": {}}])
def test_trees_that_are_no_recipe_are_refused(tree: object) -> None:
    with pytest.raises(RecipeError):
        recipe_from_tree(tree)


def test_recipes_are_frozen() -> None:
    recipe: Recipe = lite()
    with pytest.raises(ValidationError, match="frozen"):
        recipe.train.steps = 3
