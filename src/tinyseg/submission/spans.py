"""Which of several masks own a frame's pixels, worked out on runs along the rows.

In: for each mask starts and lengths, ascending, disjoint, none empty; the masks best first. All
edges together cut the frame into pieces that each mask holds wholly or not at all; a piece belongs
to the first mask that holds it. No bitmap is made, so the cost is that of sorting the runs,
whatever the frame's size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Int64

from tinyseg.masks import Runs

NOTHING: Runs = (np.zeros(0, np.int64), np.zeros(0, np.int64))
"""No pixel."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A mask with pixels that masks before it have: how many, and whose the first of them is."""

    mask: int
    pixels: int
    owner: int


def any_overlap(several: Sequence[Runs]) -> bool:
    """Whether any two of the masks share a pixel."""
    starts, ends = _edges(several)
    order = np.argsort(starts)
    return bool((starts[order][1:] < np.maximum.accumulate(ends[order])[:-1]).any())


def exclusive(several: Sequence[Runs]) -> list[Runs]:
    """Each mask without the pixels of those before it."""
    if not any_overlap(several):
        return list(several)
    claims = _claims(several)
    kept = claims.owner[claims.piece] == claims.mask
    return [
        runs if kept[own].all() else _joined(claims.edges, claims.piece[own][kept[own]])
        for runs, own in zip(several, claims.of_each(len(several)), strict=True)
    ]


def overlaps(several: Sequence[Runs]) -> list[Shared]:
    """The masks that share pixels with masks before them."""
    if not any_overlap(several):
        return []
    claims, found = _claims(several), []
    for mask, own in enumerate(claims.of_each(len(several))):
        owner = claims.owner[claims.piece[own]]
        shared = np.flatnonzero(owner < mask)
        if shared.size:
            pixels = np.diff(claims.edges)[claims.piece[own][shared]].sum()
            found.append(Shared(mask, int(pixels), int(owner[shared[0]])))
    return found


@dataclass(frozen=True, slots=True)
class _Claims:
    """Pieces between neighbouring edges, the mask and piece of every claim, and pieces' owners."""

    edges: Int64[np.ndarray, " k"]
    mask: Int64[np.ndarray, " c"]
    piece: Int64[np.ndarray, " c"]
    owner: Int64[np.ndarray, " p"]

    def of_each(self, count: int) -> list[slice]:
        """Where the claims of each mask are, its pieces ascending."""
        cuts = np.searchsorted(self.mask, np.arange(count + 1)).tolist()
        return [slice(start, end) for start, end in pairwise(cuts)]


def _claims(several: Sequence[Runs]) -> _Claims:
    starts, ends = _edges(several)
    edges = np.unique(np.concatenate([starts, ends]))
    first, last = np.searchsorted(edges, starts), np.searchsorted(edges, ends)
    counts = last - first  # pieces of each run
    before = np.repeat(np.cumsum(counts) - counts, counts)
    piece = np.repeat(first, counts) + np.arange(counts.sum()) - before
    of_run = np.repeat(np.arange(len(several)), [len(runs[0]) for runs in several])
    mask = np.repeat(of_run, counts)
    owner = np.full(len(edges) - 1, len(several))
    np.minimum.at(owner, piece, mask)
    return _Claims(edges, mask, piece, owner)


def _edges(several: Sequence[Runs]) -> Runs:
    """Starts and ends of all runs."""
    starts = np.concatenate([NOTHING[0], *(runs[0] for runs in several)])
    lengths = np.concatenate([NOTHING[1], *(runs[1] for runs in several)])
    return starts, starts + lengths


def _joined(edges: Int64[np.ndarray, " k"], pieces: Int64[np.ndarray, " p"]) -> Runs:
    """Runs of these pieces, each as long as it can be."""
    new = np.diff(pieces, prepend=-2) > 1
    starts, ends = edges[pieces[new]], edges[pieces[np.roll(new, -1)] + 1]
    return starts, ends - starts
