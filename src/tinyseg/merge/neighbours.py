"""Which boxes meet: all pairs that share some area, without looking at every pair.

A hierarchy of grids, a hash join on each: a box lives on the grid whose cells are just larger than
it, so in four cells at most, and every smaller box asks in its own four cells of that grid.
The work is in the number of boxes, the number of grids (about ten), and the pairs found.
"""

import numpy as np
from jaxtyping import Float64, Int64

Pairs = tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]


def meeting_pairs(boxes: Float64[np.ndarray, "n 4"]) -> Pairs:
    """Indices (i, j), i < j, of boxes that share some area, in ascending order."""
    # For each box the exponent of a power of two that is no less than its sides
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0).max(axis=1, initial=1.0)
    level = np.ceil(np.log2(sides)).astype(np.int64)
    codes = [np.zeros(0, np.int64)]
    for at in np.unique(level).tolist():
        hosts, guests = np.flatnonzero(level == at), np.flatnonzero(level <= at)
        codes.append(_met_on_grid(boxes, hosts, guests, 2.0**at))
    first, second = np.divmod(np.unique(np.concatenate(codes)), max(len(boxes), 1))
    return first, second


def _met_on_grid(
    boxes: Float64[np.ndarray, "n 4"],
    hosts: Int64[np.ndarray, " h"],
    guests: Int64[np.ndarray, " g"],
    cell: float,
) -> Int64[np.ndarray, " k"]:
    """i * n + j of the pairs of a host and a guest that share a cell and some area, i < j."""
    host, host_key = _in_cells(boxes, hosts, cell)
    guest, guest_key = _in_cells(boxes, guests, cell)
    order = np.argsort(host_key, kind="stable")
    host, host_key = host[order], host_key[order]
    first = np.searchsorted(host_key, guest_key, side="left")
    count = np.searchsorted(host_key, guest_key, side="right") - first
    # One row for each meeting: the k-th of a guest is with the k-th host of its cell.
    rank = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    a, b = np.repeat(guest, count), host[np.repeat(first, count) + rank]
    i, j = np.minimum(a, b), np.maximum(a, b)
    low = np.maximum(boxes[i, :2], boxes[j, :2])
    high = np.minimum(boxes[i, 2:], boxes[j, 2:])
    met = (i < j) & (high > low).all(axis=1)
    return np.asarray(i[met] * len(boxes) + j[met])


def _in_cells(
    boxes: Float64[np.ndarray, "n 4"], which: Int64[np.ndarray, " m"], cell: float
) -> Pairs:
    """Indices of boxes, once for each corner, and the key of the cell that the corner lies in."""
    low = np.floor(boxes[which, :2] / cell).astype(np.int64)
    high = np.floor(boxes[which, 2:] / cell).astype(np.int64)
    wide, tall = (low != high).T
    corners = (
        (low[:, 0], low[:, 1], np.ones(len(which), np.bool_)),
        (high[:, 0], low[:, 1], wide),
        (low[:, 0], high[:, 1], tall),
        (high[:, 0], high[:, 1], wide & tall),
    )
    keys = np.concatenate([(x + y * 2**31)[kept] for x, y, kept in corners])
    return np.concatenate([which[kept] for _, _, kept in corners]), keys
