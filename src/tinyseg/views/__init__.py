"""Views of a frame, and the plans that make lists of them.

view.py       View: cut a frame to it, lift instances out of it; its pixels
plan.py       Plan: parts, flipped or not, as a record that a file holds; made of
  plans.py      what a part gives, views in one pass or two; Whole and Tiles, which look once
  focus.py      Focus, which looks twice: zoomed views where tiny instances can be; from
    prior.py      where the training set has them, for a fixed camera
    evidence.py   and what the first pass found: the grid of expected instances of both
    choose.py     as much of it as possible in as few rectangles
"""

from tinyseg.views.focus import PRIOR_USED, Focus
from tinyseg.views.plan import Part, Plan, read_plan, resolved
from tinyseg.views.plans import (
    LONGEST_SIDE,
    SHORT_SIDE,
    FrameInfo,
    PlanLike,
    Planned,
    Tiles,
    Whole,
    camera_of,
)
from tinyseg.views.prior import (
    LocationPrior,
    learn_prior,
    prior_from_json,
    prior_to_json,
    read_prior,
)
from tinyseg.views.view import EVERY_SIZE, PADDING, View, resampled

__all__ = [
    "EVERY_SIZE",
    "LONGEST_SIDE",
    "PADDING",
    "PRIOR_USED",
    "SHORT_SIDE",
    "Focus",
    "FrameInfo",
    "LocationPrior",
    "Part",
    "Plan",
    "PlanLike",
    "Planned",
    "Tiles",
    "View",
    "Whole",
    "camera_of",
    "learn_prior",
    "prior_from_json",
    "prior_to_json",
    "read_plan",
    "read_prior",
    "resampled",
    "resolved",
]
