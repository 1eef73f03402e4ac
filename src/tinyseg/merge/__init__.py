"""Instances of several views and models -> the frame's.

rules.py        Seen and MergeRules
merger.py       merge: the steps below in turn
looks.py        all that was seen as one table, in an order of its own
crops.py        masks at the pixels of the frame, few enough to keep them all
neighbours.py   which boxes meet, without looking at every pair
links.py        which instances of different looks are one object
fuse.py         one mask, box and score for each object
resolve.py      what overlaps: the better one stays
"""

from tinyseg.merge.merger import merge
from tinyseg.merge.rules import MergeRules, Seen

__all__ = ["MergeRules", "Seen", "merge"]
