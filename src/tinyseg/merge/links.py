"""Which instances of different looks are one object.

Two looks can be compared where both look. There, and only there, the masks of one object agree
(part against whole, part against part), and those of neighbours don't. Links are made the best
agreement first, and never bring two instances of one look together: what one look told apart
stays apart.
"""

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg.merge.crops import (
    Crop,
    Pairs,
    SampledMasks,
    Window,
    meet,
    meeting_pairs,
    rescaled,
    shared_points,
    windows,
)
from tinyseg.merge.looks import Table

DOUBT = 4.0
"""Pixels of disagreement that every comparison is charged, so that a few pixels are no evidence."""


def groups(table: Table, sampled: SampledMasks, link_iou: float) -> Int64[np.ndarray, " n"]:
    """The object 0, 1, ... of each instance, numbered by first appearance."""
    first, second = meeting_pairs(sampled.windows.astype(np.float64))
    labels, look = table.instances.labels, table.look
    rivals = (labels[first] == labels[second]) & (look[first] != look[second])
    pairs = first[rivals], second[rivals]
    agreement = agreements(table, sampled, pairs)
    strong = np.flatnonzero(agreement >= link_iou)
    best_first = strong[np.argsort(-agreement[strong], kind="stable")]
    links = zip(pairs[0][best_first].tolist(), pairs[1][best_first].tolist(), strict=True)
    return _joined(look.tolist(), list(links))


def agreements(table: Table, sampled: SampledMasks, pairs: Pairs) -> Float64[np.ndarray, " k"]:
    """IoU of each pair inside what both of their looks look at, less a little for few pixels."""
    first, second = pairs
    rects = windows(table.looks.rects)
    crops = sampled.crops
    own = np.array([np.count_nonzero(c.bits) * c.step**2 for c in crops], np.int64)
    a, b = (
        _seen_by(sampled, own, mine, rects[table.look[others]])
        for mine, others in (pairs, (second, first))
    )
    both = [
        shared_points(crops[i], crops[j])
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]
    shared = np.array(both, np.float64)
    return shared / (np.maximum(a + b - shared, shared) + DOUBT)


def _seen_by(
    sampled: SampledMasks,
    own: Int64[np.ndarray, " n"],
    which: Int64[np.ndarray, " k"],
    rects: Int64[np.ndarray, "k 4"],
) -> Float64[np.ndarray, " k"]:
    """Pixels of each of these instances that lie in the rectangle beside it."""
    pixels = own[which].astype(np.float64)
    window = sampled.windows[which]
    cut = (window[:, :2] < rects[:, :2]) | (window[:, 2:] > rects[:, 2:])
    for k in np.flatnonzero(cut.any(axis=1)).tolist():
        x0, y0, x1, y1 = rects[k].tolist()
        pixels[k] = _count(sampled.crops[which[k]], (x0, y0, x1, y1))
    return pixels


def _count(crop: Crop, window: Window) -> int:
    """Pixels of a mask within a window of pixels."""
    x0, y0, x1, y1 = inner = meet(crop.window, rescaled(window, crop.step))
    if x1 <= x0 or y1 <= y0:
        return 0
    return int(np.count_nonzero(crop.inside(inner, crop.step))) * crop.step**2


def _joined(look: list[int], links: list[tuple[int, int]]) -> Int64[np.ndarray, " n"]:
    """Union-find over the links in turn, but for those that would put two of one look together."""
    parent = list(range(len(look)))
    looks = [1 << at for at in look]

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in links:
        a, b = sorted((root(i), root(j)))
        if not looks[a] & looks[b]:
            parent[b] = a
            looks[a] |= looks[b]
    roots = np.array([root(i) for i in range(len(look))], np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
