"""Focus: the whole frame first, then zoomed views of where tiny instances can be.

A stated budget of view pixels is spent where most is expected to be gained: instances expected by
the prior of the frame's camera, by what the first pass found, or by both, times what seeing one
of that size closer is worth. Zoomed views have one size, so that they go through the network
together, and answer for small sizes only; the whole frame answers for all. A frame that the prior
does not fit is looked at by its hints alone, and the plan's remarks say so; where nothing at all
is known, the rows around the middle of the frame are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from tinyseg.errors import DataError
from tinyseg.frame import Instances
from tinyseg.views.choose import choose_rects
from tinyseg.views.evidence import Evidence, Grid, worth
from tinyseg.views.hints import hints
from tinyseg.views.plan import FrameInfo, Plan, Planned
from tinyseg.views.plans import whole
from tinyseg.views.prior import LocationPrior
from tinyseg.views.view import View

MEGA = 10**6

LEAST = 1e-3
"""A view that is expected to gain fewer instances than this is not looked at."""

UNKNOWN = 0.3
"""Small instances expected in a frame of which nothing is known, per octave."""

CLOSER = (0.0, 80.0)
"""Sizes, square roots of box areas in frame pixels, that the zoomed views answer for."""


@dataclass(frozen=True, slots=True)
class Zoomed:
    """The zoomed views: their pixels together, their zoom and size, and what they answer for."""

    budget_mp: float = 12.0
    zoom: float = 1.4
    out_hw: tuple[int, int] = (640, 1280)
    answers_for: tuple[float, float] = CLOSER

    def __post_init__(self) -> None:
        if not (0 < self.zoom < inf and min(self.out_hw) >= 32 and self.most >= 1):
            rule = "a focus needs a zoom above 0, views of 32 pixels, and a budget for one"
            got = f"zoom {self.zoom}, views of {self.out_hw}, {self.budget_mp} MP"
            raise DataError(rule, got=got)

    @property
    def most(self) -> int:
        """The number of views that the budget pays for."""
        return int(min(self.budget_mp, 1e6) * MEGA / (self.out_hw[0] * self.out_hw[1]) + 1e-9)


Source = Callable[[FrameInfo, Instances, LocationPrior | None], Evidence]


def focus(
    zoomed: Zoomed = Zoomed(),
    *,
    source: str = "both",
    prior: LocationPrior | None = None,
    first: Plan | None = None,
) -> Plan:
    """A first pass (the whole frame unless said otherwise), then zoomed views.

    `source` says what they follow from: "prior", "first" (its detections and low-score hints) or
    "both". With "prior" they belong to the first pass: nothing has to be waited for. A frame that
    the prior does not fit has no zoomed views then, nor one that the first pass magnifies as much.
    """
    if source not in SOURCES:
        raise DataError("unknown source of a focus", expected=" | ".join(SOURCES), got=source)
    if source == "prior" and prior is None:
        raise DataError("a focus by the prior alone needs a prior")
    once = whole() if first is None else first

    def look(info: FrameInfo, found: Instances) -> list[Planned]:
        evidence = SOURCES[source](info, found, prior)
        return _look(info, evidence, zoomed, _scale(once, info))

    def remarks(info: FrameInfo) -> tuple[str, ...]:
        return once.remarks(info) + _remarks(info, source, prior)

    if source == "prior":
        nothing = Instances.empty()
        return Plan(lambda info: once.first(info) + look(info, nothing), once.then, remarks)
    return Plan(once.first, lambda info, found: once.then(info, found) + look(info, found), remarks)


def _look(info: FrameInfo, evidence: Evidence, zoomed: Zoomed, scale: float) -> list[Planned]:
    weights = evidence * worth(zoom=zoomed.zoom, scale=scale)[:, None, None]
    side_hw = (zoomed.out_hw[0] / zoomed.zoom, zoomed.out_hw[1] / zoomed.zoom)
    rects = choose_rects(weights, info.hw, side_hw=side_hw, most=zoomed.most, least=LEAST)
    views = [View(rect, zoomed.out_hw, answers_for=zoomed.answers_for) for rect in rects]
    return [Planned(view) for view in views]


def _scale(once: Plan, info: FrameInfo) -> float:
    """How closely the first pass sees the frame: view pixels per frame pixel of its widest view."""
    views = [planned.view for planned in once.first(info)]
    widest = max(views, key=lambda view: view.rect[2] - view.rect[0], default=None)
    return 0.0 if widest is None else min(widest.scale_xy)


def _by_prior(info: FrameInfo, found: Instances, prior: LocationPrior | None) -> Evidence:
    expected = None if prior is None else prior.expected(info)
    return np.zeros(Grid.of(info.hw).shape) if expected is None else expected


def _by_first(info: FrameInfo, found: Instances, prior: LocationPrior | None) -> Evidence:
    return hints(found, info.hw) + _unknown(info)


def _by_both(info: FrameInfo, found: Instances, prior: LocationPrior | None) -> Evidence:
    expected = None if prior is None else prior.expected(info)
    if expected is None:
        return _by_first(info, found, prior)
    return expected + hints(found, info.hw)


SOURCES: dict[str, Source] = {"prior": _by_prior, "first": _by_first, "both": _by_both}
"""What the zoomed views follow from."""


def _unknown(info: FrameInfo) -> Evidence:
    """Little, around the middle rows, evenly over the columns."""
    grid = Grid.of(info.hw)
    octaves, _, columns = grid.shape
    away = grid.centres(0) / info.hw[0] - 0.5
    rows = np.exp(-0.5 * (away / 0.1) ** 2)
    cells = np.repeat((rows / rows.sum() / columns)[:, None], columns, axis=1)
    return np.repeat(UNKNOWN * cells[None], octaves, axis=0)


def _remarks(info: FrameInfo, source: str, prior: LocationPrior | None) -> tuple[str, ...]:
    if source == "first":
        return ()
    if prior is None:
        return ("there is no prior: views follow from the first pass alone",)
    reason = prior.why_not(info)
    own = prior.find(info)
    if own is not None:
        return (f"the prior of camera {own.camera} is used, learned on {own.frames} frames",)
    return () if reason is None else (reason,)
