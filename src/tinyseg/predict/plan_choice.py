"""PlanChoice -> Plan: from what a file or the command line says to the views themselves.

In: names, files (YAML or JSON, see `recipes.prediction`) and wishes. Out: a choice, which can be
written down, and its plan. Paths in a file start from the file's folder. Refused: files that are
not a plan, with the key and the rule, and wishes that the plan has no use for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import yaml
from pydantic import ValidationError

from tinyseg.errors import RecipeError
from tinyseg.recipes import FocusViews, PlanChoice, PlanPart, Recipe, TileViews, WholeViews
from tinyseg.views import (
    EVERY_SIZE,
    LocationPrior,
    Plan,
    Zoomed,
    flipped,
    focus,
    for_models,
    read_prior,
    tiles,
    together,
    whole,
)

TILE_OVERLAP = 0.25
"""Share of a tile's side that neighbouring tiles have in common, unless said otherwise."""

TILE_ANSWERS = 0.5
"""Tiles beside a view of the whole frame answer for objects up to this share of their side."""


def make_plan(choice: PlanChoice, prior: LocationPrior | None = None) -> Plan:
    """The plan that the choice describes; reads the files that it names.

    A focus that names no prior takes this one: that of the networks' own weights.
    """
    plan = together(*(_make_part(part, prior) for part in choice.parts))
    return flipped(plan) if choice.flip else plan


def _make_part(part: PlanPart, prior: LocationPrior | None) -> Plan:
    plan = _make_views(part, prior)
    return plan if part.models is None else for_models(plan, part.models)


def _make_views(part: PlanPart, prior: LocationPrior | None) -> Plan:
    if part.whole is not None:
        return _whole(part.whole)
    if part.tiles is not None:
        return _tiles(part.tiles)
    if part.focus is not None:
        return _focus(part.focus, prior)
    raise RecipeError("a part of a plan is one of whole, tiles and focus")


def _whole(views: WholeViews) -> Plan:
    return whole(
        short_side=views.short_side,
        longest_side=views.longest_side,
        largest_zoom=views.largest_zoom or inf,
        answers_for=views.answers_for or EVERY_SIZE,
    )


def _tiles(views: TileViews) -> Plan:
    return tiles(
        size=views.size,
        overlap=_overlap(views),
        zoom=views.zoom,
        band=views.band,
        answers_for=views.answers_for or EVERY_SIZE,
    )


def _overlap(views: TileViews) -> int:
    """Frame pixels that neighbouring tiles share."""
    side = views.size / views.zoom
    return round(side * TILE_OVERLAP) if views.overlap is None else views.overlap


def _focus(views: FocusViews, own: LocationPrior | None) -> Plan:
    first = whole(
        short_side=views.short_side,
        longest_side=views.longest_side,
        largest_zoom=views.largest_zoom or inf,
    )
    prior = own if views.prior is None else read_prior(views.prior)
    zoomed = Zoomed(
        budget_mp=views.budget_mp,
        zoom=views.zoom,
        out_hw=views.view,
        answers_for=views.answers_for or EVERY_SIZE,
    )
    return focus(zoomed, source=views.source, prior=prior, first=first)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller says about the plan: `plan` is a name or a file; None where nothing is said."""

    plan: str | None = None
    tile: int | None = None
    budget_mp: float | None = None
    prior: Path | None = None
    scales: tuple[int, ...] = ()
    flip: bool = False


def choose(wishes: Wishes, recipe: Recipe, own: PlanChoice | None = None) -> PlanChoice:
    """The choice that the wishes make; without a named plan `own`, or what the recipe says."""
    choice = _named_choice(wishes, recipe, own)
    if wishes.budget_mp is not None or wishes.prior is not None:
        choice = _with_focus(choice, wishes)
    if wishes.scales:
        choice = with_scales(choice, wishes.scales)
    return choice.model_copy(update={"flip": True}) if wishes.flip else choice


def _named_choice(wishes: Wishes, recipe: Recipe, own: PlanChoice | None) -> PlanChoice:
    name = wishes.plan or ("tiles" if wishes.tile is not None else None)
    if name is None:
        return default_choice(recipe) if own is None else own
    return NAMED[name](recipe, wishes.tile) if name in NAMED else read_choice(Path(name))


def _with_focus(choice: PlanChoice, wishes: Wishes) -> PlanChoice:
    """The choice with this budget and prior where it focuses; refused where it does not. Several
    parts share the budget as they did."""
    budgets = [part.focus.budget_mp for part in choice.parts if part.focus is not None]
    if not budgets:
        rule = "a budget and a prior belong to the plan focus"
        got = wishes.plan or "a plan without focus"
        raise RecipeError(rule, where="--plan", expected="--plan focus", got=got)
    more = 1.0 if wishes.budget_mp is None else wishes.budget_mp / sum(budgets)

    def wished(part: PlanPart) -> PlanPart:
        if part.focus is None:
            return part
        said = {"budget_mp": part.focus.budget_mp * more, "prior": wishes.prior or part.focus.prior}
        return part.model_copy(update={"focus": part.focus.model_copy(update=said)})

    return choice.model_copy(update={"parts": tuple(wished(part) for part in choice.parts)})


def default_choice(recipe: Recipe) -> PlanChoice:
    """The plan that the recipe says."""
    plan = recipe.predict.plan
    return NAMED[plan](recipe, None) if isinstance(plan, str) else plan


def whole_choice(recipe: Recipe) -> PlanChoice:
    """The whole frame in one view, as the recipe says."""
    return PlanChoice(parts=(PlanPart(whole=_whole_of(recipe)),))


def tiles_choice(recipe: Recipe, tile: int | None = None) -> PlanChoice:
    """The whole frame, and native tiles of this side for what is small beside them."""
    side = TileViews().size if tile is None else tile
    views = TileViews(size=side, answers_for=(0.0, side * TILE_ANSWERS))
    return PlanChoice(parts=(PlanPart(whole=_whole_of(recipe)), PlanPart(tiles=views)))


def focus_choice(recipe: Recipe) -> PlanChoice:
    """The whole frame, and closer looks where tiny instances may be."""
    limits = recipe.predict
    views = FocusViews(
        budget_mp=limits.budget_mp,
        short_side=limits.short_side,
        longest_side=limits.longest_side,
        largest_zoom=limits.largest_zoom,
    )
    return PlanChoice(parts=(PlanPart(focus=views),))


NAMED: dict[str, Callable[[Recipe, int | None], PlanChoice]] = {
    "whole": lambda recipe, tile: whole_choice(recipe),
    "tiles": lambda recipe, tile: tiles_choice(recipe, tile),
    "focus": lambda recipe, tile: focus_choice(recipe),
}
"""The plans that have a name, from a recipe and the side of its tiles."""


def _whole_of(recipe: Recipe) -> WholeViews:
    limits = recipe.predict
    return WholeViews(
        short_side=limits.short_side,
        longest_side=limits.longest_side,
        largest_zoom=limits.largest_zoom,
    )


def with_scales(choice: PlanChoice, short_sides: Sequence[int]) -> PlanChoice:
    """The choice with the whole frame at each of these short sides, in place of its own."""
    wholes = [WholeViews(short_side=side, longest_side=None) for side in short_sides]
    others = [part for part in choice.parts if part.whole is None]
    return choice.model_copy(update={"parts": (*(PlanPart(whole=w) for w in wholes), *others)})


def read_choice(path: Path) -> PlanChoice:
    """The plan of a YAML or JSON file; raises RecipeError for any other content."""
    if not path.is_file():
        expected = f"{' | '.join(NAMED)} | a file"
        raise RecipeError("no plan of this name", expected=expected, got=path)
    try:
        choice = PlanChoice.model_validate(read_tree(path))
    except ValidationError as error:
        raise told(error, path=path) from None
    return with_priors(choice, lambda prior: path.parent / prior)


def with_priors(choice: PlanChoice, move: Callable[[Path], Path]) -> PlanChoice:
    """The choice with the path of each prior moved."""
    return choice.model_copy(update={"parts": tuple(_moved(p, move) for p in choice.parts)})


def _moved(part: PlanPart, move: Callable[[Path], Path]) -> PlanPart:
    if part.focus is None or part.focus.prior is None:
        return part
    focused = part.focus.model_copy(update={"prior": move(part.focus.prior)})
    return part.model_copy(update={"focus": focused})


def read_tree(path: Path) -> object:
    """The plain values of a YAML or JSON file; raises RecipeError if it is neither."""
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise RecipeError("cannot be read", path=path, got=error.strerror) from error
    except (yaml.YAMLError, ValueError) as error:
        got = " ".join(str(error).split())
        raise RecipeError("is neither YAML nor JSON", path=path, got=got) from None


def told(error: ValidationError, *, path: Path) -> RecipeError:
    """The first thing wrong in a file, with its place there."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or None
    got = first.get("input")
    rule = first["msg"].removeprefix("Value error, ")
    return RecipeError(rule, path=path, where=where, got=None if isinstance(got, dict) else got)
