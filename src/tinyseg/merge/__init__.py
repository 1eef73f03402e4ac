"""Instances of several views and models -> the frame's.

rules.py      Seen and MergeRules
merger.py     merge
suppress.py   plain non-maximum suppression over boxes
"""

from tinyseg.merge.merger import merge
from tinyseg.merge.rules import MergeRules, Seen
from tinyseg.merge.suppress import suppress

__all__ = ["MergeRules", "Seen", "merge", "suppress"]
