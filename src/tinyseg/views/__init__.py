"""Views of a frame, and the plans that make lists of them.

view.py       View: cut a frame to it, lift instances out of it
resample.py   the pixels of a rectangle at another size
plan.py       Plan: a frame's size and camera -> views, in one pass or two; plans together, flipped
plans.py      the plans of one pass: whole frame, scales, tiles
focus.py      the plan of two: zoomed views where tiny instances can be; from
  prior.py      where the training set has them, for a fixed camera
  hints.py      what the first pass found, low scores included
  evidence.py   the grid of expected instances that both become
  choose.py     as much of it as possible in as few rectangles
"""

from tinyseg.views.focus import Zoomed, focus
from tinyseg.views.plan import FrameInfo, Plan, Planned, camera_of, flipped, for_models, together
from tinyseg.views.plans import scales, tiles, whole
from tinyseg.views.prior import (
    LocationPrior,
    learn_prior,
    prior_from_json,
    prior_to_json,
    read_prior,
)
from tinyseg.views.resample import PADDING
from tinyseg.views.view import EVERY_SIZE, View

__all__ = [
    "EVERY_SIZE",
    "PADDING",
    "FrameInfo",
    "LocationPrior",
    "Plan",
    "Planned",
    "View",
    "Zoomed",
    "camera_of",
    "flipped",
    "focus",
    "for_models",
    "learn_prior",
    "prior_from_json",
    "prior_to_json",
    "read_prior",
    "scales",
    "tiles",
    "together",
    "whole",
]
