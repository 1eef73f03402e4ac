"""Masks -> outlines along the edges of their pixels, which enclose exactly these pixels.

In: masks in any form. Out: rings of pixel corners, each [[x, y], ...] without its first corner
again: outer ones run with the mask on their right (clockwise as seen, y down), holes the other way
round. Pixels that touch at a corner only are apart. `one_ring` joins the rings of a mask by bridges
without width, for formats that hold one polygon an object. An empty mask has no ring.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from tinyseg.masks.raster import rasterise
from tinyseg.masks.record import HALF, CropMasks

Ring = Int64[np.ndarray, "_k 2"]

STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
"""East, south, west, north: what an edge of each direction adds to (x, y)."""


def outlines(masks: CropMasks) -> list[list[Ring]]:
    """The rings of each mask, largest first."""
    pixels = rasterise(masks)
    corners = pixels.boxes.astype(np.int64)[:, :2]
    return [
        [ring + corner for ring in _rings(grid)]
        for corner, grid in zip(corners, pixels.grids(), strict=True)
    ]


def enclosed(ring: Ring) -> int:
    """Pixels inside a ring, below zero for a hole (the shoelace formula)."""
    x, y = ring[:, 0], ring[:, 1]
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) // 2


def one_ring(rings: Sequence[Ring]) -> Ring:
    """All rings as one: from where two are closest a bridge leads over and back again."""
    joined = rings[0]
    for ring in rings[1:]:
        here, there = _closest(joined, ring)
        turned = np.roll(ring, -there, axis=0)
        parts = (joined[: here + 1], turned, turned[:1], joined[here:])
        joined = np.concatenate(parts)
    return joined


def _closest(a: Ring, b: Ring) -> tuple[int, int]:
    """The corners of two rings that are next to each other, one of them near b's first corner."""
    at = int(np.abs(a - b[0]).sum(axis=1).argmin())
    back = int(np.abs(b - a[at]).sum(axis=1).argmin())
    return int(np.abs(a - b[back]).sum(axis=1).argmin()), back


def _rings(grid: UInt8[np.ndarray, "h w"]) -> list[Ring]:
    """Rings in the grid's own pixels; edges are followed with the mask on the right."""
    edges = _edges(np.pad(grid >= HALF, 1))
    rings = []
    while edges:
        start = next(iter(edges))
        rings.append(_follow(edges, start))
    return sorted(rings, key=lambda ring: -abs(enclosed(ring)))


def _edges(bits: Bool[np.ndarray, "h w"]) -> dict[tuple[int, int], list[int]]:
    """Directions of the edges that leave each corner (x, y); `bits` has a border of one pixel."""
    found: dict[tuple[int, int], list[int]] = {}
    inner = bits[1:-1, 1:-1]
    sides = (  # the neighbour beyond the edge, and where the edge starts in its pixel
        (bits[:-2, 1:-1], (0, 0)),
        (bits[1:-1, 2:], (1, 0)),
        (bits[2:, 1:-1], (1, 1)),
        (bits[1:-1, :-2], (0, 1)),
    )
    for direction, (beyond, (dx, dy)) in enumerate(sides):
        rows, columns = np.nonzero(inner & ~beyond)
        for x, y in zip((columns + dx).tolist(), (rows + dy).tolist(), strict=True):
            found.setdefault((x, y), []).append(direction)
    return found


def _follow(edges: dict[tuple[int, int], list[int]], start: tuple[int, int]) -> Ring:
    """Take one ring's edges out, from corner to corner; only corners where it turns are kept."""
    at, before, corners = start, -1, []
    first = edges[start][0]
    while True:
        out = edges[at]
        # Where two edges leave, the right turn keeps pixels that touch at a corner apart.
        turn = (before + 1) % 4
        direction = turn if before >= 0 and turn in out else out[0]
        if at == start and before < 0:
            direction = first
        out.remove(direction)
        if not out:
            del edges[at]
        if direction != before:
            corners.append(at)
        at, before = (at[0] + STEPS[direction][0], at[1] + STEPS[direction][1]), direction
        if at == start:
            break
    if before == first and len(corners) > 1:
        corners.pop(0)
    return np.array(corners, np.int64).reshape(-1, 2)
