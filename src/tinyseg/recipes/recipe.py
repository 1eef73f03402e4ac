"""Recipe: every choice of a network, its training and its use, in one checked, frozen record.

`with_settings` changes keys by their dotted names ("train.steps=200"); an unknown key or a value
of the wrong kind is refused by name.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import yaml
from pydantic import Field, model_validator

from tinyseg.checked import checked
from tinyseg.errors import RecipeError
from tinyseg.labels import WAD_CLASSES, index_of
from tinyseg.recipes.memory import Memory
from tinyseg.recipes.network import Network
from tinyseg.recipes.prediction import Predict
from tinyseg.recipes.sampling import Sampling
from tinyseg.recipes.section import Section
from tinyseg.recipes.training import Train


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
    tree = recipe.model_dump()
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator:
            raise RecipeError("a setting is written key=value", got=setting)
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise RecipeError("the value is not YAML", where=name, got=text) from None
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
    return checked(Recipe, tree)
