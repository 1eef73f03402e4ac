"""Plans by name and from files: a word or a YAML file -> Plan.

    views:
      - {plan: whole, short_side: 1800, longest_side: 2400, flip: true}
      - {plan: tiles, size: 1024, overlap: 128, zoom: 2, band: [1560, 2280], answers_for: [0, 96]}
      - {plan: focus, budget_mp: 12, source: both, prior: prior.json, models: [1]}

Every entry may be flipped (its mirror images are added), be for some models only (by their place
on the command line), and answer for a range of sizes. A focus follows from what all the other
entries find; alone, from the whole frame. A prior's path starts at the file's folder; a prior that
is handed over takes the place of those named. Unknown keys and wrong values are refused by name.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tinyseg.errors import PlanError, TinysegError
from tinyseg.views.focus import SMALL, Zoomed, focus
from tinyseg.views.plan import Plan, flipped, for_models, together
from tinyseg.views.plans import scales, tiles, whole
from tinyseg.views.prior import LocationPrior, read_prior
from tinyseg.views.view import EVERY_SIZE


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: bool = False
    models: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None


class _Whole(_Entry):
    plan: Literal["whole"]
    short_side: int = Field(default=1800, ge=32)
    longest_side: int | None = Field(default=2400, ge=32)
    answers_for: tuple[float, float] = EVERY_SIZE

    def build(self) -> Plan:
        return whole(
            short_side=self.short_side,
            longest_side=self.longest_side,
            answers_for=self.answers_for,
        )


class _Scales(_Entry):
    plan: Literal["scales"]
    short_sides: Annotated[tuple[Annotated[int, Field(ge=32)], ...], Field(min_length=1)]
    longest_side: int | None = Field(default=None, ge=32)

    def build(self) -> Plan:
        return scales(*self.short_sides, longest_side=self.longest_side)


class _Tiles(_Entry):
    plan: Literal["tiles"]
    size: int = Field(default=640, ge=32)
    overlap: int = Field(default=160, ge=0)
    zoom: float = Field(default=1.0, gt=0)
    band: tuple[int, int] | None = None
    answers_for: tuple[float, float] = EVERY_SIZE

    def build(self) -> Plan:
        return tiles(
            size=self.size,
            overlap=self.overlap,
            zoom=self.zoom,
            band=self.band,
            answers_for=self.answers_for,
        )


class _Focus(_Entry):
    plan: Literal["focus"]
    budget_mp: float = Field(default=12.0, gt=0)
    zoom: float = Field(default=2.0, gt=0)
    view_hw: tuple[int, int] = (512, 1024)
    source: Literal["prior", "first", "both"] = "both"
    prior: str | None = None
    answers_for: tuple[float, float] = SMALL

    def build(self, prior: LocationPrior | None, budget_mp: float) -> Plan:
        zoomed = Zoomed(budget_mp, self.zoom, self.view_hw, self.answers_for)
        return focus(zoomed, source=self.source, prior=prior, first=together())


class _PlanFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    views: Annotated[
        tuple[
            Annotated[_Whole | _Scales | _Tiles | _Focus, Field(discriminator="plan")],
            ...,
        ],
        Field(min_length=1),
    ]


def read_plan(
    path: Path, *, prior: LocationPrior | None = None, budget_mp: float | None = None
) -> Plan:
    """The plan of a YAML file; `prior` and `budget_mp` take the place of its focuses' own."""
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise PlanError("no such plan", path=path, got=error.strerror) from error
    except (yaml.YAMLError, ValueError) as error:
        raise PlanError("a plan is a YAML file", path=path, got=str(error)) from error
    try:
        return _build(_checked(tree), path.parent, prior, budget_mp)
    except TinysegError as error:
        raise PlanError(
            error.rule,
            path=error.path or path,
            where=error.where,
            expected=error.expected,
            got=error.got,
        ) from error


def _checked(tree: object) -> _PlanFile:
    try:
        return _PlanFile.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or None
        rule, got = first["msg"].removeprefix("Value error, "), first.get("input")
        raise PlanError(rule, where=where, got=None if isinstance(got, dict) else got) from None


def _build(
    file: _PlanFile, folder: Path, prior: LocationPrior | None, budget_mp: float | None
) -> Plan:
    alone = all(isinstance(entry, _Focus) for entry in file.views)
    parts: list[Plan] = [whole()] if alone else []
    for index, entry in enumerate(file.views):
        try:
            plan = _plan_of(entry, folder, prior, budget_mp)
        except TinysegError as error:
            raise error.at(where=f"views.{index}") from error
        chosen = plan if entry.models is None else for_models(plan, entry.models)
        parts.append(flipped(chosen) if entry.flip else chosen)
    return together(*parts)


def _plan_of(
    entry: _Whole | _Scales | _Tiles | _Focus,
    folder: Path,
    prior: LocationPrior | None,
    budget_mp: float | None,
) -> Plan:
    """An entry's own views; a focus' first pass are the other entries."""
    if not isinstance(entry, _Focus):
        return entry.build()
    own = read_prior(folder / entry.prior) if prior is None and entry.prior else prior
    return entry.build(own, entry.budget_mp if budget_mp is None else budget_mp)


NAMED: dict[str, Callable[[LocationPrior | None, float | None], Plan]] = {
    "whole": lambda prior, budget_mp: whole(),
    "tiles": lambda prior, budget_mp: together(whole(), tiles(size=640, overlap=160)),
    "focus": lambda prior, budget_mp: focus(
        Zoomed() if budget_mp is None else Zoomed(budget_mp), prior=prior
    ),
}
"""Plans by name: the whole frame; it and native tiles; it and zoomed views where they pay."""


def find_plan(
    name: str, *, prior: LocationPrior | None = None, budget_mp: float | None = None
) -> Plan:
    """One of NAMED, or the plan of the file of this name; raises PlanError for neither."""
    if name in NAMED:
        return NAMED[name](prior, budget_mp)
    if not Path(name).is_file():
        expected = f"{' | '.join(NAMED)} or a YAML file"
        raise PlanError("no plan or file of this name", expected=expected, got=name)
    return read_plan(Path(name), prior=prior, budget_mp=budget_mp)
