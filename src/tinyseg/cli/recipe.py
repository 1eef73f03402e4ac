"""`tinyseg recipe`: what a recipe's keys are, with their values, types and meaning."""

import inspect
from enum import StrEnum
from typing import Annotated

import typer

from tinyseg.recipes import RECIPES, described, find_recipe


class Action(StrEnum):
    """What is done with a recipe."""

    show = "show"


def recipe(
    action: Annotated[Action, typer.Argument(help="Print it, as a file that --recipe takes.")],
    name: Annotated[
        str | None, typer.Argument(help="A preset's name, or a recipe's file; without: all names.")
    ] = None,
) -> None:
    """Print all keys of a recipe with values, types and a line of meaning each; what is printed is
    a recipe's file. A file needs to hold only what differs from its `base`.

    Example: tinyseg recipe show lite
    Example: tinyseg recipe show mine.yaml > all-keys.yaml
    """
    if name is not None:
        typer.echo(described(find_recipe(name)), nl=False)
        return
    for preset, make in RECIPES.items():
        typer.echo(f"{preset}: {' '.join((inspect.getdoc(make) or '').split())}")
