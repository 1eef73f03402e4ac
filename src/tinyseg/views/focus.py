"""Focus: the whole frame first, then zoomed views of where tiny instances can be.

A stated budget of view pixels is spent where most is expected to be gained: instances expected by
the prior of the frame's camera, by what the first pass found, or by both, times what seeing one
of that size closer is worth. Zoomed views have one size, so that they go through the network
together, and answer for small sizes only; the whole frame answers for all, and at half and a
quarter of its scale for large ones. A frame that the prior does not fit is looked at by its hints
alone, and the remarks say so; where nothing at all is known, the rows around the middle of the
frame are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path

import numpy as np
from pydantic import InstanceOf, NonNegativeInt, PositiveFloat

from tinyseg.errors import PlanError
from tinyseg.frame import Instances
from tinyseg.views.choose import choose_rects
from tinyseg.views.evidence import Evidence, Grid, gain_of_zoom, hints
from tinyseg.views.plans import (
    LONGEST_SIDE,
    READING,
    SHORT_SIDE,
    FrameInfo,
    PlanLike,
    Planned,
    Range,
    Whole,
    check_range,
)
from tinyseg.views.prior import LocationPrior, read_prior
from tinyseg.views.view import EVERY_SIZE, View

MEGA = 10**6

LEAST = 1e-3
"""A view that is expected to gain fewer instances than this is not looked at."""

UNKNOWN = 0.3
"""Small instances expected in a frame of which nothing is known, per octave."""


PRIOR_USED = "the prior of camera"
"""How the remark begins that all is as it should be."""


@dataclass(frozen=True, slots=True)
class Focus(PlanLike):
    """The whole frame, at coarser scales too, then zoomed views where small instances are expected.

    `budget_mp` is the pixels of all zoomed views, in millions; with `budget_share` they are also at
    most so many times the whole view's pixels, but for one view: a small frame needs fewer. `view`
    is the height and width of a zoomed view in its own pixels, `answers_for` the object sizes that
    its detections are kept for.
    `source` says where instances are expected from: "prior" (the location prior), "first" (what the
    first view showed, low scores included) or "both". With "prior" there is no second pass, and a
    frame that the prior does not fit gets no zoomed view. `short_side`, `longest_side`,
    `largest_zoom` and `coarser` are those of the whole view.
    """

    __pydantic_config__ = READING

    budget_mp: PositiveFloat = 12.0
    zoom: PositiveFloat = 1.4
    view: tuple[int, int] = (640, 1280)
    answers_for: Range = (0.0, 80.0)
    source: str = "both"
    prior: InstanceOf[LocationPrior] | Path | None = None
    """Where instances stand, or a file that says so; else a predictor takes its networks' own."""
    short_side: int = SHORT_SIDE
    longest_side: int | None = LONGEST_SIDE
    largest_zoom: PositiveFloat | None = None
    budget_share: PositiveFloat | None = None
    coarser: NonNegativeInt = 2

    def __post_init__(self) -> None:
        if not (0 < self.zoom < inf and min(self.view) >= 32 and self.most >= 1):
            rule = "a focus needs a zoom above 0, views of 32 pixels, and a budget for one"
            got = f"zoom {self.zoom}, views of {self.view}, {self.budget_mp} MP"
            raise PlanError(rule, got=got)
        if self.source not in SOURCES:
            rule = "unknown source of a focus"
            raise PlanError(rule, expected=" | ".join(SOURCES), got=self.source)
        check_range(self.answers_for)
        _ = self.whole  # checks its sides and looks

    @property
    def whole(self) -> Whole:
        """The first view, and the coarser ones."""
        sides = self.short_side, self.longest_side, self.largest_zoom
        return Whole(*sides, coarser=self.coarser)

    @property
    def most(self) -> int:
        """The number of views that the budget pays for."""
        return int(min(self.budget_mp, 1e6) * MEGA / (self.view[0] * self.view[1]) + 1e-9)

    def first(self, info: FrameInfo) -> list[Planned]:
        """The whole frame; by the prior alone the other views too."""
        once = self.whole.first(info)[:1]
        return once + self._look(info, Instances.empty()) if self.source == "prior" else once

    def then(self, info: FrameInfo, found: Instances) -> list[Planned]:
        """The coarser views and the zoomed ones, if they have to wait for the first one."""
        return [] if self.source == "prior" else self._look(info, found)

    def remarks(self, info: FrameInfo) -> tuple[str, ...]:
        """Whether a prior is used."""
        prior = self._prior()
        if self.source == "first":
            return ()
        if prior is None:
            return ("there is no prior: views follow from the first pass alone",)
        own, reason = prior.find(info), prior.why_not(info)
        if own is not None:
            return (f"{PRIOR_USED} {own.camera} is used, learned on {own.frames} frames",)
        return () if reason is None else (reason,)

    def _prior(self) -> LocationPrior | None:
        if self.source == "prior" and self.prior is None:
            raise PlanError("a focus by the prior alone needs a prior")
        return read_prior(self.prior) if isinstance(self.prior, Path) else self.prior

    def _most_beside(self, once: Planned) -> int:
        """The number of zoomed views beside this view of the whole frame."""
        if self.budget_share is None:
            return self.most
        paid = self.budget_share * prod(once.view.out_hw) / prod(self.view)
        return max(min(self.most, int(paid + 1e-9)), 1)

    def _look(self, info: FrameInfo, found: Instances) -> list[Planned]:
        evidence = SOURCES[self.source](info, found, self._prior())
        once, *coarser = self.whole.first(info)
        weights = (
            evidence * gain_of_zoom(zoom=self.zoom, scale=min(once.view.scale_xy))[:, None, None]
        )
        side_hw = (self.view[0] / self.zoom, self.view[1] / self.zoom)
        most = self._most_beside(once)
        rects = choose_rects(weights, info.hw, side_hw=side_hw, most=most, least=LEAST)
        sizes = self.answers_for or EVERY_SIZE
        zoomed = [Planned(View(rect, self.view, answers_for=sizes)) for rect in rects]
        # Not before: what is large would be counted twice where small instances are expected
        return coarser + zoomed


def _by_prior(info: FrameInfo, found: Instances, prior: LocationPrior | None) -> Evidence:
    expected = None if prior is None else prior.expected(info)
    return np.zeros(Grid.of(info.hw).shape) if expected is None else expected


def _by_first(info: FrameInfo, found: Instances, prior: LocationPrior | None) -> Evidence:
    # Little, around the middle rows, evenly over the columns
    grid = Grid.of(info.hw)
    octaves, _, columns = grid.shape
    away = grid.centres(0) / info.hw[0] - 0.5
    rows = np.exp(-0.5 * (away / 0.1) ** 2)
    cells = np.repeat((rows / rows.sum() / columns)[:, None], columns, axis=1)
    unknown = np.repeat(UNKNOWN * cells[None], octaves, axis=0)
    return hints(found, info.hw) + unknown


def _by_both(info: FrameInfo, found: Instances, prior: LocationPrior | None) -> Evidence:
    expected = None if prior is None else prior.expected(info)
    if expected is None:
        return _by_first(info, found, prior)
    return expected + hints(found, info.hw)


SOURCES: dict[str, Callable[[FrameInfo, Instances, LocationPrior | None], Evidence]] = {
    "prior": _by_prior,
    "first": _by_first,
    "both": _by_both,
}
"""What the zoomed views follow from."""
