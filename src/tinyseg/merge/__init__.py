"""Instances of several views and models -> the frame's.

merger.py       merge: the steps below in turn; of what overlaps the better one stays
looks.py        Seen, MergeRules, and all that was seen as one table
crops.py        masks at few enough pixels to keep them all; which boxes meet
links.py        which instances of different looks are one object: parts at a tile's border too
fuse.py         one mask, box and score for each object
"""

from tinyseg.merge.looks import MergeRules, Seen
from tinyseg.merge.merger import merge

__all__ = ["MergeRules", "Seen", "merge"]
