"""Recipes: every choice of a network, its training and its use, in checked, frozen records.

recipe.py     Recipe and its sections; changing keys by dotted names; reading plain values
sampling.py   the section of views           section.py    what all sections have in common
described.py  all keys as a file with types and meaning
presets.py    functions that return a Recipe, by name
"""

from tinyseg.recipes.described import described
from tinyseg.recipes.presets import (
    RECIPES,
    find_recipe,
    lite,
    mask_rcnn_r50,
    mask_rcnn_r50_v2,
    read_recipe_file,
)
from tinyseg.recipes.recipe import (
    Memory,
    Network,
    Predict,
    Recipe,
    Train,
    recipe_from_tree,
    with_changes,
    with_settings,
)
from tinyseg.recipes.sampling import AnySource, Mosaic, Sampling, Tile, Whole
from tinyseg.recipes.section import Section

__all__ = [
    "RECIPES",
    "AnySource",
    "Memory",
    "Mosaic",
    "Network",
    "Predict",
    "Recipe",
    "Sampling",
    "Section",
    "Tile",
    "Train",
    "Whole",
    "described",
    "find_recipe",
    "lite",
    "mask_rcnn_r50",
    "mask_rcnn_r50_v2",
    "read_recipe_file",
    "recipe_from_tree",
    "with_changes",
    "with_settings",
]
