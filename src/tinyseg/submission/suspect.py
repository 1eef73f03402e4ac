"""Runs that keep every rule and are still wrong: counted down the columns, or from 1.

Both variants circulate. Small masks alone cannot tell; these tests speak only where they can:

Down the columns: read along the rows, such a mask is scattered over the frame's width; read down
the columns, it fills a good part of its box.
From 1: masks that touch the frame's right border spill one pixel into each next row; and where
many masks begin in column 1, some would begin in column 0.
"""

from tinyseg.masks import Runs

LEAST_RUNS = 4
LEAST_FILL, LEAST_GAIN = 0.25, 3.0
"""A mask is read down the columns where that fills so much of its box, and so much more of it."""

LEAST_SPILLS = 2
LEAST_BESIDE = 20
"""So many masks that begin in column 1, and none in column 0, are no accident."""


def looks_column_major(runs: Runs, frame_hw: tuple[int, int]) -> bool:
    """Whether the mask is compact only when its runs are read down the columns."""
    if len(runs[0]) < LEAST_RUNS:
        return False
    height, width = frame_hw
    along, down = _fill(runs, width), _fill(runs, height)
    return down >= LEAST_FILL and down >= LEAST_GAIN * along


def _fill(runs: Runs, line: int) -> float:
    """Share of the box around the runs, on lines of this length, that they fill."""
    starts, lengths = runs
    last = starts + lengths - 1
    rows = int(last[-1] // line - starts[0] // line) + 1
    first_column, last_column = starts % line, last % line
    crossing = bool((last_column < first_column).any()) or int(lengths.max()) >= line
    columns = line if crossing else int(last_column.max() - first_column.min()) + 1
    return int(lengths.sum()) / (rows * columns)


def looks_one_based(runs: Runs, frame_hw: tuple[int, int]) -> bool:
    """Whether the mask spills just one pixel over the right border, in several rows."""
    starts, lengths = runs
    width = frame_hw[1]
    first = starts % width
    beyond = first + lengths - width
    spilled = beyond > 0
    at_left = bool((first == 0).any())
    return int(spilled.sum()) >= LEAST_SPILLS and not at_left and bool((beyond[spilled] == 1).all())


class LeftBorder:
    """Counts the masks of a whole file that begin in columns 0 and 1."""

    def __init__(self) -> None:
        self.at_border = self.beside = 0

    def add(self, runs: Runs, width: int) -> None:
        """Count one mask."""
        first = int((runs[0] % width).min())
        self.at_border += first == 0
        self.beside += first == 1

    def looks_shifted(self) -> bool:
        """Whether masks begin beside the border and never at it."""
        return self.at_border == 0 and self.beside >= LEAST_BESIDE
