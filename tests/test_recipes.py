"""Recipes: presets, settings by dotted names, and everything that is refused."""

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.errors import RecipeError
from tinyseg.labels import WAD_CLASSES
from tinyseg.recipes import (
    RECIPES,
    Recipe,
    described,
    find_recipe,
    lite,
    recipe_from_tree,
    with_settings,
)
from tinyseg.recipes.recipe import is_section, keys_of
from tinyseg.training.loop import open_folder


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
        ("training.steps=1", "training: unknown key (expected name, classes, network,"),
        ("train.steps.more=1", "train.steps: Input should be a valid integer"),
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


def test_a_file_changes_its_base(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text("base: lite\nsampling: {view: 448}\ntrain: {steps: 7}\n")
    small = find_recipe(tmp_path / "small.yaml")
    assert small.name == "small"
    expected = with_settings(lite(), ["sampling.view=448", "train.steps=7", "name=small"])
    assert small == expected
    (tmp_path / "own").mkdir()
    text = (
        "base: ../small.yaml\nname: mine\nnetwork: {class_weights: {car: 2}, boxes: {sampled: 9}}\n"
    )
    (tmp_path / "own/mine.yaml").write_text(text)
    mine = find_recipe(str(tmp_path / "own/mine.yaml"))
    changes = ["name=mine", "network.class_weights={car: 2}", "network.boxes.sampled=9"]
    assert mine == with_settings(small, changes)
    assert mine.network.boxes.detections == lite().network.boxes.detections


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_run_writes_can_be_given_back(name: str, tmp_path: Path) -> None:
    open_folder(tmp_path / "run", find_recipe(name))
    assert find_recipe(tmp_path / "run/recipe.yaml") == find_recipe(name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("base: lite\ntrain: {step: 1}", "train.step: unknown key (expected steps, batch,"),
        ("base: lite\nnetwork: {boxes: {score: 1}}", "network.boxes.score: unknown key (expected "),
        ("base: lite\nsampling: {sources: [{kind: tile, viev: 64}]}", "unknown key"),
        ("base: huge", "base: no recipe of this name (expected a file | mask_rcnn_r50 |"),
        ("base: [lite]", "base: a base is a preset or a file"),
        ("base: r.yaml", "base: the file is its own base"),
        (
            "base: lite\ntrain: {steps: 0}",
            "train.steps: Input should be greater than or equal to 1",
        ),
        ("- lite", "a recipe is keys and values"),
        ("train: [", "is neither YAML nor JSON"),
    ],
)
def test_wrong_files_are_refused_by_name_and_key(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        find_recipe(tmp_path / "r.yaml")
    assert told in str(caught.value)
    assert "viev" not in text or "expected kind, share, data, view, zoom" in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/r.yaml")


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_shown_is_a_file_of_the_recipe(name: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(described(find_recipe(name)))
    assert find_recipe(path) == find_recipe(name)


def test_every_key_is_shown_with_its_type_and_a_line_of_meaning() -> None:
    lines = described(lite()).splitlines()
    keys = [i for i, line in enumerate(lines) if re.match(r" *\w+:( |$)", line)]
    assert len(keys) == len(leaves(Recipe))
    for place in keys:
        above, key = lines[place - 1].strip(), lines[place]
        assert re.match(r"# [^.].{8,}", above), key
    text = "\n".join(lines)
    assert "# whole number from 1. Optimizer steps of the run.\n  steps: 2000" in text
    assert "# mlp | conv. " in text
    assert "# 5 x number above 0. " in text
    for kind in ("tile", "whole", "mosaic"):
        assert f"# a source of the kind {kind}: " in text
    for line in lines[lines.index(next(x for x in lines if "kind tile" in x)) :]:
        assert not line.startswith("#   ") or re.match(r"#   \w+: .+\. .{8,}", line), line


def leaves(kind: type) -> list[str]:
    """Names of the keys of a section and of those in it."""
    found = []
    for name, inner in keys_of(kind).items():
        found.append(name)
        if is_section(inner):
            found += leaves(inner)
    return found


def test_recipe_show_prints_names_and_recipes() -> None:
    names = CliRunner().invoke(app, ["recipe", "show"]).stdout
    assert [line.partition(":")[0] for line in names.splitlines()] == list(RECIPES)
    shown = CliRunner().invoke(app, ["recipe", "show", "tis_r50"]).stdout
    assert shown == described(find_recipe("tis_r50"))
