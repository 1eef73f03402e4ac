"""Plan names, files and the options of the command line -> a Plan.

Refused: files that are not a plan, with the key and the rule, and options that the plan has no use
for.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tinyseg.errors import RecipeError
from tinyseg.recipes import Predict
from tinyseg.views import Focus, Part, Plan, Tiles, Whole, read_plan

TILE_ANSWERS = 0.5
"""Tiles beside a view of the whole frame answer for objects up to this share of their side, and so
do the closer looks of a network whose one input size shows little of the whole frame."""

NAMES = ("whole", "tiles", "focus")


def choose_plan(
    limits: Predict,
    own: Plan | None = None,
    *,
    plan: str | None = None,
    tile: int | None = None,
    budget_mp: float | None = None,
    prior: Path | None = None,
    scales: Sequence[int] = (),
    flip: bool = False,
) -> Plan:
    """The plan of this name or file, changed as the rest says; if none is named `own`, or what the
    recipe says. `scales` are the short sides of whole frames in place of the plan's own."""
    name = plan or ("tiles" if tile is not None else None)
    if tile is not None and name != "tiles":
        rule = "a tile's side belongs to the plan tiles"
        raise RecipeError(rule, where="tile", expected="the plan tiles", got=name)
    if name is None:
        chosen = default_plan(limits) if own is None else own
    elif name in NAMES:
        chosen = named_plan(name, limits, tile)
    elif Path(name).is_file():
        chosen = read_plan(Path(name))
    else:
        expected = f"{' | '.join(NAMES)} | a file"
        raise RecipeError("no plan of this name", expected=expected, got=name)
    if budget_mp is not None or prior is not None:
        chosen = _focused(chosen, budget_mp, prior, name)
    if scales:
        wholes = [Part.of(Whole(side, None)) for side in scales]
        others = [part for part in chosen.parts if part.whole is None]
        chosen = replace(chosen, parts=(*wholes, *others))
    return replace(chosen, flip=chosen.flip or flip)


def default_plan(limits: Predict) -> Plan:
    """The plan that the recipe says."""
    plan = limits.plan
    return named_plan(plan, limits) if isinstance(plan, str) else plan


def named_plan(name: str, limits: Predict, tile: int | None = None) -> Plan:
    """`whole`; `tiles`: that, coarser looks for what is large, and native tiles of this side for
    what is small beside them; or `focus`: in place of tiles, closer looks where tiny instances may
    be. Sides as in the recipe; a network with one size of input gets no coarser look."""
    sides = limits.short_side, limits.longest_side, limits.largest_zoom
    coarser = Focus().coarser if limits.input_hw is None else 0
    if name == "focus":
        short, longest, zoom = sides
        focus = Focus(
            limits.budget_mp,
            short_side=short,
            longest_side=longest,
            largest_zoom=zoom,
            coarser=coarser,
        )
        if limits.input_hw is not None:
            sizes = (0.0, min(limits.input_hw) * TILE_ANSWERS)
            focus = replace(focus, zoom=1.0, view=limits.input_hw, answers_for=sizes)
        return Plan.of(focus)
    if name == "tiles":
        side = min(limits.input_hw or (Tiles().size,)) if tile is None else tile
        small = Tiles(side, answers_for=(0.0, side * TILE_ANSWERS))
        return Plan.of(Whole(*sides, coarser=coarser), small)
    return Plan.of(Whole(*sides))


def _focused(plan: Plan, budget_mp: float | None, prior: Path | None, name: str | None) -> Plan:
    """The plan with this budget and prior where it focuses; refused where it does not. Several
    parts share the budget as they did; one that is asked for holds for small frames too."""
    budget = sum(part.focus.budget_mp for part in plan.parts if part.focus is not None)
    if budget == 0:
        rule, got = "a budget and a prior belong to the plan focus", name or "a plan without focus"
        raise RecipeError(rule, where="plan", expected="focus", got=got)

    def changed(focus: Focus) -> Focus:
        focus = replace(focus, prior=prior or focus.prior)
        if budget_mp is None:
            return focus
        return replace(focus, budget_mp=focus.budget_mp * budget_mp / budget, budget_share=None)

    return plan.with_focus(changed)
