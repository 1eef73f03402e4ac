"""The instances of one object in several looks (a view and a model) become one.

A pixel is in the mask where the mean coverage over the looks that show it is at least one half: so
parts on the two sides of a tile's border add up, and duplicates take a vote, weighted by score^4. A
pixel that is in none of the masks is never in it. Box sides are averaged over the looks that see
past the side. The score is the highest of the parts, less where fewer looks found the object than
could have seen it (weighted boxes fusion, Solovyev et al. 2021, averages scores instead: a look
that is worse at this size would then spoil what a better one saw).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from tinyseg.masks import HALF
from tinyseg.merge.crops import SampledMasks, Window, around, meet, part, windows
from tinyseg.merge.looks import MergeRules, Table

MOST = 0.5
"""A look that looks at this share of an object could have seen it."""

SURENESS = 4
"""The power of its score by which a look's word counts in the mask."""

BORDER = 2.0
"""View pixels from a view's border within which an instance may have been cut by it."""


@dataclass(frozen=True, slots=True)
class Objects:
    """k objects: box, label and score of each, and the members' weights in the mask."""

    boxes: Float64[np.ndarray, "k 4"]
    labels: Int64[np.ndarray, " k"]
    scores: Float64[np.ndarray, " k"]
    members: list[list[int]]
    weights: Float64[np.ndarray, " n"]


def combine(table: Table, group: Int64[np.ndarray, " n"], rules: MergeRules) -> Objects:
    """Boxes and scores of the objects that the instances belong to."""
    found, count = table.instances, int(group.max(initial=-1)) + 1
    boxes = _boxes(table, group, count)
    shares = table.looks.shares(boxes)
    visible = np.maximum(shares[group, table.look], 1e-3)
    trust = table.looks.weights[table.look] * visible
    scores = np.zeros(count)
    np.maximum.at(scores, group, found.scores)
    scores *= _found_share(table, group, boxes, shares) ** rules.unseen
    whole = np.bincount(group, ~_cut_by_view(table), count) > 0
    scores *= np.where(whole, 1.0, rules.cut)
    labels = np.zeros(count, np.int64)
    labels[group] = found.labels
    members: list[list[int]] = [[] for _ in range(count)]
    for index, at in enumerate(group.tolist()):
        members[at].append(index)
    weights = trust * np.maximum(found.scores, 1e-3) ** SURENESS
    return Objects(boxes, labels, np.clip(scores, 0.0, 1.0), members, weights)


def _boxes(table: Table, group: Int64[np.ndarray, " n"], count: int) -> Float64[np.ndarray, "k 4"]:
    """Each side averaged over the members that reach it or whose look sees past it."""
    boxes, rects = table.instances.boxes, table.looks.rects[table.look]
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, group, boxes[:, :2])
    np.maximum.at(high, group, boxes[:, 2:])
    reach = np.concatenate([low, high], axis=1)[group]
    past = np.concatenate([rects[:, :2] <= reach[:, :2], rects[:, 2:] >= reach[:, 2:]], axis=1)
    trust = (past | (boxes == reach)) * table.looks.weights[table.look, None]
    trust *= np.maximum(table.instances.scores, 1e-3)[:, None]
    sides = [
        np.bincount(group, trust[:, k] * boxes[:, k], count)
        / np.bincount(group, trust[:, k], count)
        for k in range(4)
    ]
    return np.stack(sides, axis=1)


def _found_share(
    table: Table,
    group: Int64[np.ndarray, " n"],
    boxes: Float64[np.ndarray, "k 4"],
    shares: Float64[np.ndarray, "k looks"],
) -> Float64[np.ndarray, " k"]:
    """Weight of the looks that found each object, of all that could have."""
    found = np.zeros(shares.shape, np.bool_)
    found[group, table.look] = True
    could = found | ((shares >= MOST) & table.looks.answers(boxes))
    weights = table.looks.weights
    return (found @ weights) / np.maximum(could @ weights, np.finfo(float).tiny)


def _cut_by_view(table: Table) -> Bool[np.ndarray, " n"]:
    """Which instances touch a border of their view that is not the frame's."""
    looks = table.looks
    margin = (BORDER / looks.zooms)[table.look, None]
    boxes, rects, inner = table.instances.boxes, looks.rects[table.look], looks.inner[table.look]
    near = np.concatenate(
        [boxes[:, :2] < rects[:, :2] + margin, boxes[:, 2:] > rects[:, 2:] - margin], axis=1
    )
    return np.asarray((near & inner).any(axis=1))


def fuse(
    table: Table, sampled: SampledMasks, objects: Objects, which: int
) -> tuple[Window, Bool[np.ndarray, "h w"]]:
    """The window of one object, and its pixels there."""
    members = objects.members[which]
    if len(members) == 1:
        return sampled.window(members[0]), sampled.coverage(members[0]) >= HALF
    window = around(sampled.windows[members])
    shape = window[3] - window[1], window[2] - window[0]
    covered, looked = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    rects = windows(table.looks.rects[table.look[members]]).tolist()
    for index, (x0, y0, x1, y1) in zip(members, rects, strict=True):
        weight = np.float32(objects.weights[index])
        part(covered, window, sampled.window(index))[:] += weight * sampled.coverage(index)
        part(looked, window, meet((x0, y0, x1, y1), window))[:] += weight
    return window, (covered >= (HALF - 0.5) * looked) & (looked > 0)
