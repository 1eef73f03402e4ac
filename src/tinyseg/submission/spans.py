"""Sets of a frame's pixels as runs along its rows: what two share, what one has alone, their union.

In and out: starts and lengths, ascending, disjoint, none empty. No bitmap is made, so the cost is
that of sorting the runs, whatever the frame's size.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64

from tinyseg.masks import Runs

NOTHING: Runs = (np.zeros(0, np.int64), np.zeros(0, np.int64))
"""No pixel."""


def pixels(runs: Runs) -> int:
    """How many pixels the runs hold."""
    return int(runs[1].sum())


def shared(a: Runs, b: Runs) -> Runs:
    """The pixels of both."""
    edges, in_a, in_b = _levels(a, b)
    return _where(edges, in_a & in_b)


def without(a: Runs, b: Runs) -> Runs:
    """The pixels of `a` that `b` does not have."""
    edges, in_a, in_b = _levels(a, b)
    return _where(edges, in_a & ~in_b)


def joined(a: Runs, b: Runs) -> Runs:
    """The pixels of either."""
    edges, in_a, in_b = _levels(a, b)
    return _where(edges, in_a | in_b)


def any_overlap(several: Sequence[Runs]) -> bool:
    """Whether any two of the sets share a pixel."""
    starts = np.concatenate([NOTHING[0], *(runs[0] for runs in several)])
    lengths = np.concatenate([NOTHING[1], *(runs[1] for runs in several)])
    order = np.argsort(starts)
    starts, ends = starts[order], (starts + lengths)[order]
    return bool((starts[1:] < np.maximum.accumulate(ends)[:-1]).any())


def exclusive(several: Sequence[Runs]) -> list[Runs]:
    """Each set without the pixels of those before it."""
    if not any_overlap(several):
        return list(several)
    owned, kept = NOTHING, []
    for runs in several:
        kept.append(without(runs, owned))
        owned = joined(owned, runs)
    return kept


def _levels(
    a: Runs, b: Runs
) -> tuple[Int64[np.ndarray, " k"], Bool[np.ndarray, " k"], Bool[np.ndarray, " k"]]:
    """All edges, ascending, and whether the pixels after each are in `a` and in `b`."""
    edges = np.concatenate([a[0], a[0] + a[1], b[0], b[0] + b[1]])
    counts = [len(a[0]), len(a[0]), len(b[0]), len(b[0])]
    order = np.argsort(edges, kind="stable")
    in_a = np.cumsum(np.repeat([1, -1, 0, 0], counts)[order]) > 0
    in_b = np.cumsum(np.repeat([0, 0, 1, -1], counts)[order]) > 0
    return edges[order], in_a, in_b


def _where(edges: Int64[np.ndarray, " k"], inside: Bool[np.ndarray, " k"]) -> Runs:
    """Runs of the pixels after the edges that are inside, each as long as it can be."""
    if edges.size == 0:
        return NOTHING
    real = np.flatnonzero(np.diff(edges))  # of edges in one place the last says what follows
    steps = np.diff(inside[real].astype(np.int8), prepend=0, append=0)
    places = np.append(edges[real], edges[-1])
    starts, ends = places[np.flatnonzero(steps > 0)], places[np.flatnonzero(steps < 0)]
    return starts, ends - starts
