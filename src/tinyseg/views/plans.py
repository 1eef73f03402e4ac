"""Plans: from a frame's height and width to the views to look at."""

from collections.abc import Callable
from math import ceil

from tinyseg.errors import DataError
from tinyseg.views.view import View

Plan = Callable[[tuple[int, int]], list[View]]
"""From a frame's height and width to the views to look at."""


def whole(*, short_side: int, longest_side: int) -> Plan:
    """The whole frame in one view, its short side brought to `short_side` unless the other side
    would then be over `longest_side`."""

    def plan(frame_hw: tuple[int, int]) -> list[View]:
        height, width = frame_hw
        scale = min(short_side / min(frame_hw), longest_side / max(frame_hw))
        out_hw = (max(round(height * scale), 1), max(round(width * scale), 1))
        return [View((0.0, 0.0, float(width), float(height)), out_hw)]

    return plan


def tiles(*, size: int, overlap: int, zoom: float = 1.0) -> Plan:
    """Square views of size x size view pixels that cover the frame, neighbours sharing at least
    `overlap` frame pixels; a view of a smaller frame sticks out of it to the right and below, and
    so may the last one, by a part of a pixel."""
    if not zoom > 0:
        raise DataError("tiles need a zoom above 0", got=zoom)
    side = size / zoom
    if not 0 <= overlap < int(side):
        expected = f"0 ... {int(side) - 1}"
        raise DataError("tiles overlap by less than their side", expected=expected, got=overlap)

    def plan(frame_hw: tuple[int, int]) -> list[View]:
        rows, columns = (_starts(length, side, overlap) for length in frame_hw)
        return [View((x, y, x + side, y + side), (size, size)) for y in rows for x in columns]

    return plan


def together(*plans: Plan) -> Plan:
    """The views of all plans, in order."""
    return lambda frame_hw: [view for plan in plans for view in plan(frame_hw)]


def _starts(length: int, side: float, overlap: int) -> list[float]:
    """Whole-pixel starts of the fewest windows that cover 0 ... length, spread evenly."""
    if length <= side:
        return [0.0]
    last, stride = ceil(length - side), int(side) - overlap
    steps = ceil(last / stride)
    return [float(i * last // steps) for i in range(steps + 1)]
