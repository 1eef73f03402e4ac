"""Plan: what is looked at, as a record that is written down, compared and sent elsewhere.

A plan in a file (YAML or JSON), and in a recipe, is a list of parts, each one kind of views for
all networks of an ensemble or for some:

    parts:
      - whole: {short_side: 1800, longest_side: 2400}
      - tiles: {size: 640, overlap: 160, zoom: 1.0, answers_for: [0, 320]}
        models: [1]
      - focus: {budget_mp: 12, prior: prior.json}
    flip: true

A path in a file starts from the file's folder.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tinyseg.checked import checked, read_tree
from tinyseg.errors import PlanError
from tinyseg.frame import Instances
from tinyseg.views.focus import Focus
from tinyseg.views.plans import READING, FrameInfo, PlanLike, Planned, Tiles, Whole
from tinyseg.views.prior import LocationPrior, read_prior


@dataclass(frozen=True, slots=True)
class Part:
    """Views of one kind, for the networks at these places of an ensemble; None is all."""

    __pydantic_config__ = READING

    whole: Whole | None = None
    tiles: Tiles | None = None
    focus: Focus | None = None
    models: tuple[Annotated[int, Field(ge=0)], ...] | None = None

    def __post_init__(self) -> None:
        if sum(kind is not None for kind in (self.whole, self.tiles, self.focus)) != 1:
            raise PlanError("a part of a plan is one of whole, tiles and focus")

    @property
    def views(self) -> PlanLike:
        """Its one kind."""
        return next(kind for kind in (self.whole, self.tiles, self.focus) if kind is not None)

    @staticmethod
    def of(kind: Whole | Tiles | Focus, models: tuple[int, ...] | None = None) -> "Part":
        """The part of this kind."""
        whole = kind if isinstance(kind, Whole) else None
        tiles = kind if isinstance(kind, Tiles) else None
        return Part(whole, tiles, kind if isinstance(kind, Focus) else None, models)


@dataclass(frozen=True, slots=True)
class Plan(PlanLike):
    """The views of all parts, in order; with `flip` each of them is mirrored right after it too.

    The second views of each part know what the first ones of all parts found.
    """

    __pydantic_config__ = READING

    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    flip: bool = False

    @staticmethod
    def of(*kinds: Whole | Tiles | Focus, flip: bool = False) -> "Plan":
        """The plan of these views, for all networks."""
        return Plan(tuple(Part.of(kind) for kind in kinds), flip)

    def first(self, info: FrameInfo) -> list[Planned]:
        """The first views of all parts."""
        return self._all(lambda views: views.first(info))

    def then(self, info: FrameInfo, found: Instances) -> list[Planned]:
        """The second views of all parts."""
        return self._all(lambda views: views.then(info, found))

    def remarks(self, info: FrameInfo) -> tuple[str, ...]:
        """What the parts say, each remark once."""
        return tuple(dict.fromkeys(r for part in self.parts for r in part.views.remarks(info)))

    def with_focus(self, change: Callable[[Focus], Focus]) -> "Plan":
        """The plan with each focus changed."""
        parts = (p if p.focus is None else replace(p, focus=change(p.focus)) for p in self.parts)
        return replace(self, parts=tuple(parts))

    def with_priors(self, move: Callable[[Path], Path]) -> "Plan":
        """The plan with the path of each prior moved."""
        return self.with_focus(
            lambda f: replace(f, prior=move(f.prior)) if isinstance(f.prior, Path) else f
        )

    def _all(self, views_of: Callable[[PlanLike], list[Planned]]) -> list[Planned]:
        plain = [
            replace(planned, models=part.models)
            for part in self.parts
            for planned in views_of(part.views)
        ]
        if not self.flip:
            return plain
        mirrored = [replace(p, view=replace(p.view, flip=not p.view.flip)) for p in plain]
        return [planned for pair in zip(plain, mirrored, strict=True) for planned in pair]


def read_plan(path: Path) -> Plan:
    """The plan of a YAML or JSON file; raises RecipeError for any other content."""
    return checked(Plan, read_tree(path), path=path).with_priors(lambda prior: path.parent / prior)


def resolved(plan: PlanLike, own: LocationPrior | None) -> PlanLike:
    """The plan with each focus' prior read, if it names a file, or being this one, if it has none:
    that of the networks' own weights."""

    def with_prior(focus: Focus) -> Focus:
        prior = focus.prior
        return replace(focus, prior=read_prior(prior) if isinstance(prior, Path) else prior or own)

    if isinstance(plan, Focus):
        return with_prior(plan)
    return plan.with_focus(with_prior) if isinstance(plan, Plan) else plan
