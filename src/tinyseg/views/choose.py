"""Which rectangles of one size to look at: as much weight as possible in as few of them.

In: weights by octave of size and grid cell, the rectangles' size and their greatest number. Out:
rectangles inside the frame, in the order in which they were found worth it. A cell counts for a
rectangle where an instance of the octave's largest size, with half of that size around it, lies
inside; at the frame's rim there is nothing around it.

Maximum coverage is hard; this is the greedy choice (at least 1 - 1/e of the best, Nemhauser et
al. 1978) and, where it covers more, a full row of rectangles with the greedy choice of the rest;
then each rectangle in turn is moved to where it adds most, until none moves. No chance is in it.
"""

from dataclasses import dataclass
from math import ceil, isinf

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg.views.evidence import OCTAVES, Evidence, Grid

_SWEEPS = 8
_TOLERANCE = 1e-9

Spot = tuple[int, int]
"""A candidate: index of its row start, index of its column start."""

Rect = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Starts of the candidates along an axis, and the cells that each shows well, by octave."""

    starts: Float64[np.ndarray, " starts"]
    low: Int64[np.ndarray, "octaves starts"]
    high: Int64[np.ndarray, "octaves starts"]


@dataclass(frozen=True, slots=True)
class _Field:
    """The weights, and the candidates over them."""

    weights: Evidence
    rows: _Axis
    columns: _Axis

    def window(self, octave: int, spot: Spot) -> tuple[slice, slice]:
        """The cells of an octave that a candidate shows well."""
        y, x = spot
        rows = slice(self.rows.low[octave, y], self.rows.high[octave, y])
        return rows, slice(self.columns.low[octave, x], self.columns.high[octave, x])


def choose_rects(
    weights: Evidence, hw: tuple[int, int], *, side_hw: tuple[float, float], most: int, least: float
) -> list[Rect]:
    """At most `most` rectangles of side_hw frame pixels, none that adds less than `least`.

    A frame smaller than that has them stick out to the right and below.
    """
    grid = Grid.of(hw)
    rows, columns = (_axis(grid, axis, side_hw[axis]) for axis in (0, 1))
    field = _Field(weights, rows, columns)
    plain = _greedy(field, [], most, least)
    row = _full_row(field, side_hw[1], hw[1], most)
    if row:
        filled = _greedy(field, row, most, least)
        plain = max(plain, filled, key=lambda spots: _covered(field, spots))
    return [_rect(field, spot, side_hw) for spot in _settled(field, plain, least)]


def _axis(grid: Grid, axis: int, side: float) -> _Axis:
    length, centres = grid.hw[axis], grid.centres(axis)
    last = max(length - side, 0.0)
    starts = np.append(np.arange(0.0, last, grid.cell), last)
    low, high = [], []
    for reach in OCTAVES[1:]:
        # The largest octave has no largest size: nothing shows its instances whole for sure.
        first = np.where(starts <= 0, -np.inf, starts + reach)
        end = np.where(starts + side >= length, np.inf, starts + side - reach)
        begin = np.searchsorted(centres, first, side="left")
        low.append(begin)
        high.append(np.maximum(np.searchsorted(centres, end, side="right"), begin))
    return _Axis(starts, np.stack(low).astype(np.int64), np.stack(high).astype(np.int64))


def _gains(field: _Field, spots: list[Spot]) -> Float64[np.ndarray, "rows columns"]:
    """What each candidate adds to these."""
    total = np.zeros((len(field.rows.starts), len(field.columns.starts)))
    for octave, weights in enumerate(field.weights):
        if isinf(OCTAVES[octave + 1]) or not weights.any():
            continue
        left = weights.copy()
        for spot in spots:
            left[field.window(octave, spot)] = 0
        table = np.pad(left.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        top, bottom = field.rows.low[octave][:, None], field.rows.high[octave][:, None]
        begin, end = field.columns.low[octave], field.columns.high[octave]
        total += table[bottom, end] - table[top, end] - table[bottom, begin] + table[top, begin]
    return total


def _greedy(field: _Field, spots: list[Spot], most: int, least: float) -> list[Spot]:
    """These and the best of the rest, one after the other; the first of equals."""
    chosen = list(spots)
    while len(chosen) < most:
        gains = _gains(field, chosen)
        best = _best(gains)
        if gains[best] < least:
            break
        chosen.append(best)
    return chosen


def _best(gains: Float64[np.ndarray, "rows columns"]) -> Spot:
    """The first candidate within rounding of the best, so that sums in another order agree."""
    near = gains.ravel() >= gains.max() * (1 - _TOLERANCE) - 1e-15
    y, x = np.unravel_index(int(near.argmax()), gains.shape)
    return int(y), int(x)


def _full_row(field: _Field, side: float, length: int, most: int) -> list[Spot]:
    """The best row of rectangles across the whole frame; none where it takes more than `most`."""
    share = 2 * OCTAVES[3]
    if length <= side or side <= share:
        return []
    count = ceil((length - share) / (side - share))
    if count > most:
        return []
    wanted = np.linspace(0, length - side, count)
    columns = np.abs(field.columns.starts[None] - wanted[:, None]).argmin(axis=1).tolist()
    rows = [[(y, x) for x in columns] for y in range(len(field.rows.starts))]
    return max(rows, key=lambda spots: _covered(field, spots))


def _covered(field: _Field, spots: list[Spot]) -> float:
    """The weight that is shown well by at least one of these."""
    total = 0.0
    for octave, weights in enumerate(field.weights):
        shown = np.zeros(weights.shape, np.bool_)
        for spot in spots:
            shown[field.window(octave, spot)] = True
        total += float(weights[shown].sum())
    return total


def _settled(field: _Field, spots: list[Spot], least: float) -> list[Spot]:
    """Each moved to where it adds most beside the others, until none moves; idle ones dropped."""
    chosen = list(spots)
    for _ in range(_SWEEPS):
        before = list(chosen)
        for index in range(len(chosen)):
            gains = _gains(field, chosen[:index] + chosen[index + 1 :])
            best = _best(gains)
            if gains[best] > gains[chosen[index]] * (1 + 1e-6):
                chosen[index] = best
        if chosen == before:
            break
    kept: list[Spot] = []
    for spot in chosen:
        others = [one for one in chosen if one != spot]
        if spot not in kept and _gains(field, others)[spot] >= least:
            kept.append(spot)
    return kept


def _rect(field: _Field, spot: Spot, side_hw: tuple[float, float]) -> Rect:
    y, x = float(field.rows.starts[spot[0]]), float(field.columns.starts[spot[1]])
    return x, y, x + side_hw[1], y + side_hw[0]
