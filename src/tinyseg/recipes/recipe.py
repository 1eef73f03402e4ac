"""Recipe: every choice of a network, its training and its use, in one checked, frozen record.

`with_settings` changes keys by their dotted names ("train.steps=200"); an unknown key or a value
of the wrong kind is refused by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeGuard, get_type_hints

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
