"""Instances of many views and models -> the frame's.

Rows of what was seen (looks.py) are sampled at pixels (crops.py), linked across looks (links.py),
fused (fuse.py) and set against each other (`resolve`). The result doesn't depend on the order of
what was seen, and every pixel of it lies in the mask of some input. Memory goes with the boxes'
areas, never with frames times instances.

Of two objects in one place the better one stays, and a pixel may have one owner: objects are taken
best first. Only neighbours are compared, by their pixels: so an object behind
another, whose box is covered and whose visible pixels are not, stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from tinyseg.frame import Instances
from tinyseg.masks import CropMasks, tighten
from tinyseg.merge.crops import Window, around, meet, meeting_pairs, part, sample, windows
from tinyseg.merge.fuse import Objects, combine, fuse
from tinyseg.merge.links import groups
from tinyseg.merge.looks import MergeRules, Seen, tabulate


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixels of an object in its window, and their number."""

    window: Window
    bits: Bool[np.ndarray, "h w"]
    area: int


def resolve(
    objects: Objects,
    windows: Int64[np.ndarray, "k 4"],
    fused: Callable[[int], tuple[Window, Bool[np.ndarray, "h w"]]],
    rules: MergeRules,
    most: int,
) -> Instances:
    """At most so many objects, best first; `fused` makes the pixels of one when asked."""
    neighbours = _neighbours(windows)
    kept: dict[int, Pixels] = {}
    for index in np.argsort(-objects.scores, kind="stable").tolist():
        if len(kept) == most:
            break
        found = _pixels(*fused(index))
        better = [i for i in neighbours[index] if i in kept]
        if any(_beaten(objects.labels, index, i, found, kept[i], rules) for i in better):
            continue
        if rules.exclusive:
            # The pixels that none of the owners has
            owners = [kept[i] for i in better]
            bits = found.bits.copy()
            for owner in owners:
                window = meet(found.window, owner.window)
                part(bits, found.window, window)[:] &= ~part(owner.bits, owner.window, window)
            found = _pixels(found.window, bits)
        if found.area:
            kept[index] = found
    which = np.array(list(kept), np.int64)
    origins = [found.window[:2] for found in kept.values()]
    grids: list[UInt8[np.ndarray, "_h _w"]] = [
        found.bits.view(np.uint8) * np.uint8(255) for found in kept.values()
    ]
    masks = tighten(CropMasks.pack_pixels(origins, grids))
    boxes: Float64[np.ndarray, "k 4"] = objects.boxes[which]
    return Instances(boxes, masks, objects.labels[which], objects.scores[which])


def _neighbours(windows: Int64[np.ndarray, "k 4"]) -> list[list[int]]:
    """For each object those whose windows meet its own, ascending."""
    found: list[list[int]] = [[] for _ in range(len(windows))]
    first, second = meeting_pairs(windows.astype(np.float64))
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        found[i].append(j)
        found[j].append(i)
    return found


def _pixels(window: Window, bits: Bool[np.ndarray, "h w"]) -> Pixels:
    return Pixels(window, bits, int(np.count_nonzero(bits)))


def _beaten(
    labels: Int64[np.ndarray, " k"],
    index: int,
    rival: int,
    found: Pixels,
    better: Pixels,
    rules: MergeRules,
) -> bool:
    """Whether an object lies where a better one is."""
    shared = _shared(found, better)
    either = found.area + better.area - shared
    if labels[index] != labels[rival]:
        return shared > rules.conflict_iou * either
    return shared > rules.same_iou * either or shared > rules.inside * found.area


def _shared(a: Pixels, b: Pixels) -> int:
    window = x0, y0, x1, y1 = meet(a.window, b.window)
    if x1 <= x0 or y1 <= y0:
        return 0
    both = part(a.bits, a.window, window) & part(b.bits, b.window, window)
    return int(np.count_nonzero(both))


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
