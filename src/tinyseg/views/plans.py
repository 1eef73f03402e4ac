"""Plans of one pass: the whole frame, at several scales, and tiles of it.

What every plan takes besides its own measures is `answers_for`: the range of sizes, square roots
of box areas in frame pixels, that its views answer for.
"""

from math import ceil, inf

from tinyseg.errors import DataError
from tinyseg.views.plan import FrameInfo, Plan, Planned, together
from tinyseg.views.view import EVERY_SIZE, View


def whole(
    *,
    short_side: int = 1800,
    longest_side: int | None = 2400,
    largest_zoom: float = inf,
    answers_for: tuple[float, float] = EVERY_SIZE,
) -> Plan:
    """The whole frame in one view, its short side brought to `short_side` unless the other side
    would then be over `longest_side`, or the frame be magnified more than `largest_zoom` times."""
    longest = inf if longest_side is None else longest_side
    if min(short_side, longest) < 1:
        got = f"{short_side}, {longest_side}"
        raise DataError("a whole view needs sides of at least 1 pixel", got=got)
    if not largest_zoom > 0:
        raise DataError("a whole view needs a zoom above 0", got=largest_zoom)

    def first(info: FrameInfo) -> list[Planned]:
        height, width = info.hw
        scale = min(short_side / min(info.hw), longest / max(info.hw), largest_zoom)
        out_hw = (max(round(height * scale), 1), max(round(width * scale), 1))
        rect = (0.0, 0.0, float(width), float(height))
        return [Planned(View(rect, out_hw, answers_for=answers_for))]

    return Plan(first)


def scales(*short_sides: int, longest_side: int | None = None) -> Plan:
    """The whole frame once for each short side."""
    return together(*(whole(short_side=side, longest_side=longest_side) for side in short_sides))


def tiles(
    *,
    size: int,
    overlap: int,
    zoom: float = 1.0,
    band: tuple[int, int] | None = None,
    answers_for: tuple[float, float] = EVERY_SIZE,
) -> Plan:
    """Square views of size x size view pixels that cover the frame, or its half-open `band` of
    rows, neighbours sharing at least `overlap` frame pixels.

    A view of what is smaller than a tile sticks out to the right and below, and so may the last
    one, by a part of a pixel. A frame whose rows end above the band has no tiles.
    """
    if not 0 < zoom < inf:
        raise DataError("tiles need a zoom above 0", got=zoom)
    side = size / zoom
    if not 0 <= overlap < int(side):
        expected = f"0 ... {int(side) - 1}"
        raise DataError("tiles overlap by less than their side", expected=expected, got=overlap)
    if band is not None and not 0 <= band[0] < band[1]:
        raise DataError("a band of rows starts at 0 or below it and has a height", got=band)

    def first(info: FrameInfo) -> list[Planned]:
        height, width = info.hw
        top, bottom = (0, height) if band is None else (band[0], min(band[1], height))
        if top >= bottom:
            return []
        rows = [top + y for y in starts(bottom - top, side, overlap)]
        rects = [(x, y, x + side, y + side) for y in rows for x in starts(width, side, overlap)]
        return [Planned(View(rect, (size, size), answers_for=answers_for)) for rect in rects]

    return Plan(first)


def starts(length: int, side: float, overlap: int) -> list[float]:
    """Whole-pixel starts of the fewest windows that cover 0 ... length, spread evenly."""
    if length <= side:
        return [0.0]
    last, stride = ceil(length - side), int(side) - overlap
    steps = ceil(last / stride)
    return [float(i * last // steps) for i in range(steps + 1)]
