"""Views of a frame, and the plans that make lists of them.

view.py       View: cut a frame to it, lift instances out of it
resample.py   the pixels of a rectangle at another size
planned.py    what a plan gives: a frame's size and camera -> views, in one pass or two
plan.py       Plan: parts, flipped or not, as a record that a file holds; made of
  plans.py      Whole and Tiles, which look once
  focus.py      Focus, which looks twice: zoomed views where tiny instances can be; from
    prior.py      where the training set has them, for a fixed camera
    hints.py      what the first pass found, low scores included
    evidence.py   the grid of expected instances that both become
    choose.py     as much of it as possible in as few rectangles
"""

from tinyseg.views.focus import PRIOR_USED, Focus
from tinyseg.views.plan import Part, Plan, read_plan, resolved
from tinyseg.views.planned import LONGEST_SIDE, SHORT_SIDE, FrameInfo, PlanLike, Planned, camera_of
from tinyseg.views.plans import Tiles, Whole
from tinyseg.views.prior import (
    LocationPrior,
    learn_prior,
    prior_from_json,
    prior_to_json,
    read_prior,
)
from tinyseg.views.resample import PADDING, resampled
from tinyseg.views.view import EVERY_SIZE, View

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
