"""Instances of many views and models -> the frame's.

Rows of what was seen (looks.py) are sampled at pixels (crops.py), linked across looks (links.py),
fused (fuse.py) and set against each other (resolve.py). The result doesn't depend on the order of
what was seen, and every pixel of it lies in the mask of some input. Memory goes with the boxes'
areas, never with frames times instances.
"""

from collections.abc import Sequence

import numpy as np

from tinyseg.frame import Instances
from tinyseg.merge.crops import around, sample, windows
from tinyseg.merge.fuse import combine, fuse
from tinyseg.merge.links import groups
from tinyseg.merge.looks import MergeRules, Seen, tabulate
from tinyseg.merge.resolve import resolve


def merge(seen: Sequence[Seen], frame_hw: tuple[int, int], rules: MergeRules) -> Instances:
    """The frame's instances, best first, masks in pixel form; none where nothing was seen.

    Instances come in frame pixels, masks as the network drew them. What lies outside its view or
    the frame, and what covers no pixel, is left out.
    """
    table = tabulate(seen, frame_hw, rules)
    if not len(table.look):
        return Instances.empty()
    sampled = sample(table.instances.masks, windows(table.looks.rects)[table.look])
    objects = combine(table, groups(table, sampled, rules.link_iou), rules)
    frames = np.array([around(sampled.windows[m]) for m in objects.members], np.int64)
    most = rules.most(frame_hw)
    return resolve(objects, frames, lambda k: fuse(table, sampled, objects, k), rules, most)
