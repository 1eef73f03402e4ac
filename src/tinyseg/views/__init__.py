"""Views of a frame, and the plans that make lists of them.

view.py       View: cut a frame to it, lift instances out of it
resample.py   the pixels of a rectangle at another size
plans.py      whole frame, tiles, and several plans together
"""

from tinyseg.views.plans import Plan, tiles, together, whole
from tinyseg.views.resample import PADDING
from tinyseg.views.view import View

__all__ = ["PADDING", "Plan", "View", "tiles", "together", "whole"]
