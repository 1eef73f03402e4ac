"""Views of a frame, and the plans that make lists of them.

view.py       View: cut a frame to it, lift instances out of it
resample.py   the pixels of a rectangle at another size
plan.py       Plan: a frame's size and camera -> views, in one pass or two; plans together, flipped
plans.py      the plans of one pass: whole frame, scales, tiles
"""

from tinyseg.views.plan import FrameInfo, Plan, Planned, camera_of, flipped, for_models, together
from tinyseg.views.plans import scales, tiles, whole
from tinyseg.views.resample import PADDING
from tinyseg.views.view import EVERY_SIZE, View

__all__ = [
    "EVERY_SIZE",
    "PADDING",
    "FrameInfo",
    "Plan",
    "Planned",
    "View",
    "camera_of",
    "flipped",
    "for_models",
    "scales",
    "tiles",
    "together",
    "whole",
]
