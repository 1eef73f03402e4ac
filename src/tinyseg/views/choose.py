"""Which rectangles of one size to look at: as much weight as possible in as few of them.

In: weights by octave of size and grid cell, the rectangles' size and their greatest number. Out:
rectangles inside the frame, in the order in which they were found worth it. A cell counts for a
rectangle where an instance of the octave's largest size, with half of that size around it, lies
inside; at the frame's rim there is nothing around it.

Maximum coverage is hard; this is the greedy choice (at least 1 - 1/e of the best, Nemhauser et
al. 1978) and, where it covers more, a full row of rectangles with the greedy choice of the rest;
then each rectangle in turn is moved to where it adds most, until none moves. No chance is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg.views.evidence import OCTAVES, Evidence, Grid

_SWEEPS = 4
_TOLERANCE = 1e-9

Spot = tuple[int, int]
"""A candidate: index of its row start, index of its column start."""

Rect = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Starts of the candidates along an axis, and the cells that each shows well, by octave."""

    side: float
    starts: Float64[np.ndarray, " starts"]
    low: Int64[np.ndarray, "octaves starts"]
    high: Int64[np.ndarray, "octaves starts"]

    def around(self, index: int) -> slice:
        """The candidates that overlap this one."""
        start = self.starts[index]
        first = np.searchsorted(self.starts, start - self.side, side="right")
        return slice(int(first), int(np.searchsorted(self.starts, start + self.side, side="left")))


def choose_rects(
    weights: Evidence, hw: tuple[int, int], *, side_hw: tuple[float, float], most: int, least: float
) -> list[Rect]:
    """At most `most` rectangles of side_hw frame pixels, none that adds less than `least`.

    A frame smaller than that has them stick out to the right and below.
    """
    grid = Grid.of(hw)
    board = _Board(weights, *(_axis(grid, axis, side_hw[axis]) for axis in (0, 1)))
    plain = _greedy(board, [], most, least)
    covered = board.covered()
    row = _full_row(board, side_hw[1], hw[1], most)
    if row:
        board.clear()
        filled = _greedy(board, row, most, least)
        plain = filled if board.covered() > covered * (1 + _TOLERANCE) else plain
    return [_rect(board, spot, side_hw) for spot in _settled(board, plain, least)]


def _axis(grid: Grid, axis: int, side: float) -> _Axis:
    length, centres = grid.hw[axis], grid.centres(axis)
    last = max(length - side, 0.0)
    starts = np.append(np.arange(0.0, last, grid.cell), last)
    low, high = [], []
    for reach in OCTAVES[1:]:
        # The last octave has no largest size: only what spans the whole frame shows all of it.
        first = np.where(starts <= 0, -np.inf, starts + reach)
        end = np.where(starts + side >= length, np.inf, starts + side - reach)
        begin = np.searchsorted(centres, first, side="left")
        low.append(begin)
        high.append(np.maximum(np.searchsorted(centres, end, side="right"), begin))
    return _Axis(side, starts, np.stack(low).astype(np.int64), np.stack(high).astype(np.int64))


class _Board:
    """The weights, the rectangles laid on them, and what each candidate would add to those."""

    def __init__(self, weights: Evidence, rows: _Axis, columns: _Axis) -> None:
        self.weights, self.rows, self.columns = weights, rows, columns
        self.layers = [i for i, weight in enumerate(weights) if weight.any()]
        self.clear()

    def clear(self) -> None:
        """Take all rectangles away."""
        self.times = np.zeros(self.weights.shape, np.int32)
        self.gains = np.zeros((len(self.rows.starts), len(self.columns.starts)))
        self._refresh(slice(0, len(self.rows.starts)), slice(0, len(self.columns.starts)))

    def lay(self, spot: Spot, times: int = 1) -> None:
        """Lay a rectangle; with -1 take it away. Only candidates that overlap it have new gains."""
        for octave in self.layers:
            self.times[octave][self._window(octave, spot)] += times
        self._refresh(self.rows.around(spot[0]), self.columns.around(spot[1]))

    def covered(self, spots: Sequence[Spot] | None = None) -> float:
        """The weight that is shown well by what is laid, or by these spots instead."""
        total = 0.0
        for octave in self.layers:
            shown = self.times[octave] > 0
            if spots is not None:
                shown = np.zeros_like(shown)
                for spot in spots:
                    shown[self._window(octave, spot)] = True
            total += float(self.weights[octave][shown].sum())
        return total

    def best(self) -> Spot:
        """The first candidate within rounding of the best: sums in another order agree."""
        near = self.gains.ravel() >= self.gains.max() * (1 - _TOLERANCE) - 1e-12
        y, x = np.unravel_index(int(near.argmax()), self.gains.shape)
        return int(y), int(x)

    def _window(self, octave: int, spot: Spot) -> tuple[slice, slice]:
        """The cells of an octave that a candidate shows well."""
        (y, x), rows, columns = spot, self.rows, self.columns
        return (
            slice(int(rows.low[octave, y]), int(rows.high[octave, y])),
            slice(int(columns.low[octave, x]), int(columns.high[octave, x])),
        )

    def _refresh(self, ys: slice, xs: slice) -> None:
        """The gains of a block of candidates, by sums over the cells that they show."""
        gains = np.zeros((ys.stop - ys.start, xs.stop - xs.start))
        for octave in self.layers:
            top, bottom = self.rows.low[octave, ys], self.rows.high[octave, ys]
            begin, end = self.columns.low[octave, xs], self.columns.high[octave, xs]
            cells = (octave, slice(top.min(), bottom.max()), slice(begin.min(), end.max()))
            left = np.where(self.times[cells] == 0, self.weights[cells], 0.0)
            down = np.pad(left.cumsum(axis=0), ((1, 0), (0, 0)))
            strips = down[bottom - top.min()] - down[top - top.min()]
            along = np.pad(strips.cumsum(axis=1), ((0, 0), (1, 0)))
            gains += along[:, end - begin.min()] - along[:, begin - begin.min()]
        self.gains[ys, xs] = gains


def _greedy(board: _Board, spots: list[Spot], most: int, least: float) -> list[Spot]:
    """These and the best of the rest, one after the other, all laid on the board."""
    for spot in spots:
        board.lay(spot)
    chosen = list(spots)
    while len(chosen) < most:
        best = board.best()
        if board.gains[best] < least:
            break
        board.lay(best)
        chosen.append(best)
    return chosen


def _full_row(board: _Board, side: float, length: int, most: int) -> list[Spot]:
    """The best row of rectangles across the whole frame; none where it takes more than `most`."""
    share = 2 * OCTAVES[3]
    if length <= side or side <= share:
        return []
    count = ceil((length - share) / (side - share))
    if count > most:
        return []
    wanted = np.linspace(0, length - side, count)
    columns = np.abs(board.columns.starts[None] - wanted[:, None]).argmin(axis=1).tolist()
    rows = [[(y, x) for x in columns] for y in range(len(board.rows.starts))]
    return max(rows, key=board.covered)


def _settled(board: _Board, spots: list[Spot], least: float) -> list[Spot]:
    """Each moved to where it adds most beside the others, until none moves; idle ones dropped."""
    board.clear()
    for spot in spots:
        board.lay(spot)
    chosen = list(spots)
    for _ in range(_SWEEPS):
        before = list(chosen)
        for index, spot in enumerate(before):
            board.lay(spot, -1)
            best = board.best()
            if board.gains[best] > board.gains[spot] * (1 + 1e-6):
                chosen[index] = best
            board.lay(chosen[index])
        if chosen == before:
            break
    kept = []
    for spot in chosen:
        board.lay(spot, -1)
        if board.gains[spot] >= least:
            board.lay(spot)
            kept.append(spot)
    return kept


def _rect(board: _Board, spot: Spot, side_hw: tuple[float, float]) -> Rect:
    y, x = float(board.rows.starts[spot[0]]), float(board.columns.starts[spot[1]])
    return x, y, x + side_hw[1], y + side_hw[0]
