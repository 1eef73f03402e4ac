"""Records -> charts as inline SVG.

An entry a run goes in, one class of lines or bars a run comes out (`run0`, `run1`). Figures lie in
0 ... 1, but for bars of counts; nan is a gap. Nothing here knows what a figure means.

Figures are put in letters here too. Colours, widths and letters come from the page's style sheet by
class names; coordinates are those of the chart's own viewBox.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from tinyseg.report.html.records import Bar, Curve, Estimate

MINUS, TO = "\N{MINUS SIGN}", "\N{THIN SPACE}\N{EN DASH}\N{THIN SPACE}"


def line(x0: float, y0: float, x1: float, y1: float, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>'


def rectangle(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A filled rectangle; a negative width is none."""
    places = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {places}/>'


def dot(x: float, y: float, kind: str) -> str:
    """A filled circle."""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def way(points: Sequence[tuple[float, float]], kind: str, *, closed: bool = False) -> str:
    """A line through the points."""
    places = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path class="{kind}" d="M{places}{"z" if closed else ""}"/>'


def text(x: float, y: float, words: str, anchor: str, *, kind: str = "", after: str = "") -> str:
    """Letters at a place; `after` follows them in the softer colour."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    more = f'<tspan dx="8">{escape(after)}</tspan>' if after else ""
    return f'<text class="{kind}" {place}>{escape(words)}{more}</text>'


def drawing(parts: Sequence[str], width: float, height: float, *, title: str) -> str:
    """The parts as one picture, with a title for those who do not see it."""
    head = f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img">'
    return f"{head}<title>{escape(title)}</title>{''.join(parts)}</svg>"


def figure(value: float) -> str:
    """`.123`, `1.000`, or a dash where there is nothing to measure."""
    return "\N{EN DASH}" if math.isnan(value) else _bare(f"{value:.3f}")


def short(value: float) -> str:
    """`.25`, `1`."""
    return _bare(f"{value:.3g}")


def _bare(number: str) -> str:
    return number.removeprefix("0") if number.startswith("0.") else number


def interval(estimate: Estimate) -> str:
    """Both ends, or nothing where there is no interval."""
    if math.isnan(estimate.low):
        return ""
    return f"{figure(estimate.low)}{TO}{figure(estimate.high)}"


def signed(value: float) -> str:
    """`+.012`, or a true minus and `.012`."""
    if math.isnan(value):
        return figure(value)
    return ("+" if value >= 0 else MINUS) + figure(abs(value))


def signed_interval(estimate: Estimate) -> str:
    """Both ends signed, or nothing where there is no interval."""
    if math.isnan(estimate.low):
        return ""
    return f"{signed(estimate.low)} to {signed(estimate.high)}"


def percent(share: float | None) -> str:
    """`97 %`, or nothing; what is not quite all or none is not rounded to it."""
    if share is None or math.isnan(share):
        return ""
    if 0 < share < 0.005 or 0.995 <= share < 1:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.0f} %"


WIDTH, HEIGHT = 560.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 8.0, 24.0, 34.0
"""Room around the size chart for its axes' letters."""

COUNTS_SHARE = 0.34
"""Height of the highest column of counts over the plot's."""

STACK_TOP, LEGEND_WIDTH = 22.0, 118.0

SQUARE, SQUARE_MARGIN, SQUARE_RIM = 170.0, 22.0, 4.0

BAR_ROW, BAR_THICK, BAR_STEP = 27.0, 10.0, 13.0
NAME_WIDTH, COUNT_WIDTH, VALUE_WIDTH = 142.0, 36.0, 122.0


def size_chart(
    curves: Sequence[Curve], counts: Sequence[tuple[float, float, int]], *, title: str
) -> str:
    """Figures over object size in pixels, in octaves, in front of columns of `counts`.

    `counts` are (smallest side, largest side, instances), sides 1 or more, from small to large.
    """
    low, high = math.log2(max(counts[0][0], 1.0)), math.log2(counts[-1][1])

    def x_of(side: float) -> float:
        share = (math.log2(max(side, 1.0)) - low) / max(high - low, 1e-9)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    # The least of .1, .2, .5 and 1 that no figure goes beyond.
    values = [v for c in curves for v in (*c.ys, *c.high) if not math.isnan(v)]
    top = next((top for top in (0.1, 0.2, 0.5) if max(values, default=1.0) <= top), 1.0)

    def y_of(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP)

    # Faint columns of counts, as high as their share of the largest, with their numbers on top
    most, floor = max((count for *_, count in counts), default=0), HEIGHT - BOTTOM
    parts = []
    for least, largest, count in counts:
        if count:
            left, right = x_of(least), x_of(largest)
            tall = count / most * (floor - TOP) * COUNTS_SHARE
            parts.append(rectangle(left + 1, floor - tall, right - left - 2, tall, "count"))
            parts.append(text((left + right) / 2, TOP - 9, f"{count:,}", "middle"))
    levels = [top * n / 5 for n in range(6)] if top < 1 else [0.0, 0.25, 0.5, 0.75, 1.0]
    end = WIDTH - RIGHT
    parts += [line(LEFT, y_of(v), end, y_of(v), "grid" if v else "axis") for v in levels]
    parts += [text(LEFT - 7, y_of(v) + 4, short(v), "end") for v in levels]
    octaves = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    parts += [text(x_of(2.0**n), HEIGHT - 16, str(2**n), "middle") for n in octaves]
    parts.append(text(WIDTH - RIGHT, HEIGHT - 1, "object size, px", "end"))
    for run, curve in enumerate(curves):
        parts += _curve(curve, run, x_of, y_of)
    return drawing(parts, WIDTH, HEIGHT, title=title)


@dataclass(frozen=True, slots=True)
class _Point:
    """A point of a curve on the drawing: middle, and the interval's ends if it has one."""

    x: float
    y: float
    low: float
    high: float


def _curve(
    curve: Curve, run: int, x_of: Callable[[float], float], y_of: Callable[[float], float]
) -> list[str]:
    """The line with dots on the band of its intervals, broken where there is no figure."""
    unknown = [math.nan] * len(curve.xs)
    low, high = curve.low or unknown, curve.high or unknown
    rows = zip(curve.xs, curve.ys, low, high, strict=True)
    points = [_Point(x_of(x), y_of(y), y_of(a), y_of(b)) for x, y, a, b in rows]
    parts: list[str] = []
    for gap, group in groupby(points, key=lambda point: math.isnan(point.y)):
        piece = [] if gap else list(group)
        if len(piece) > 1:
            rim = [(p.x, p.high) for p in piece] + [(p.x, p.low) for p in reversed(piece)]
            if not any(math.isnan(y) for _, y in rim):
                parts.append(way(rim, f"band run{run}", closed=True))
            parts.append(way([(p.x, p.y) for p in piece], f"line run{run}"))
        parts += [dot(p.x, p.y, f"dot run{run}") for p in piece]
    return parts


def stack_chart(
    columns: Sequence[Sequence[int]],
    sides: Sequence[tuple[float, float]],
    names: Sequence[str],
    *,
    title: str,
) -> str:
    """A column a size, all of one height, cut by shares: `columns` count each of `names`.

    `sides` are smallest and largest side in pixels. Above a column stands its sum.
    """
    floor, step = HEIGHT - BOTTOM, (WIDTH - LEGEND_WIDTH) / len(columns)
    room = floor - STACK_TOP
    parts = []
    for place, (counts, (low, _)) in enumerate(zip(columns, sides, strict=True)):
        left, total = place * step, sum(counts)
        middle, bottom = left + step / 2 - 2, floor
        for kind, count in enumerate(counts):
            part = count / max(total, 1) * room
            bottom -= part
            if count:
                parts.append(rectangle(left, bottom, step - 4, part - 1, f"part{kind}"))
            if part > 15:
                parts.append(
                    text(middle, bottom + part / 2 + 4, f"{count:,}", "middle", kind=f"in{kind}")
                )
        parts.append(text(middle, STACK_TOP - 6, f"{total:,}", "middle"))
        parts.append(text(left - 2, floor + 16, f"{low:g}", "middle" if place else "start"))
    right = WIDTH - LEGEND_WIDTH - 4
    parts.append(text(right, floor + 16, f"{sides[-1][1]:g}", "end"))
    parts.append(text(right, HEIGHT - 1, "object size, px", "end"))
    # The names beside the columns, in the order in which they are stacked
    for place, name in enumerate(names):
        y = floor - 14 - place * 21
        parts.append(rectangle(right + 20, y, 12.0, 12.0, f"part{place}"))
        parts.append(text(right + 39, y + 10, name, "start"))
    return drawing(parts, WIDTH, HEIGHT, title=title)


def precision_chart(curves: Sequence[Curve], *, title: str) -> str:
    """Precision over recall, both 0 ... 1, in a small square; an empty curve is not drawn."""
    room = SQUARE - SQUARE_MARGIN - SQUARE_RIM

    def x_of(value: float) -> float:
        return SQUARE_MARGIN + value * room

    def y_of(value: float) -> float:
        return SQUARE - SQUARE_MARGIN - value * room

    levels = (0.0, 0.25, 0.5, 0.75, 1.0)
    parts = [line(x_of(0.0), y_of(v), x_of(1.0), y_of(v), "grid" if v else "axis") for v in levels]
    parts += [text(x_of(0.0) - 5, y_of(v) + 4, short(v), "end") for v in (0.0, 0.5, 1.0)]
    parts += [text(x_of(v), SQUARE - 6, short(v), "middle") for v in (0.5, 1.0)]
    for run, curve in enumerate(curves):
        points = [(x_of(x), y_of(y)) for x, y in zip(curve.xs, curve.ys, strict=True)]
        if points:
            parts.append(way([(points[0][0], points[0][1]), *points], f"line run{run}"))
    return drawing(parts, SQUARE, SQUARE, title=title)


def bar_chart(bars: Sequence[Bar], *, title: str, whole: bool = False) -> str:
    """Level bars, one a run, with whiskers where intervals are known; `whole` ones are counts."""
    runs = max((len(bar.runs) for bar in bars), default=1)
    row = BAR_ROW + (runs - 1) * BAR_STEP
    ends = [_end(estimate) for bar in bars for estimate in bar.runs]
    scale = (WIDTH - NAME_WIDTH - VALUE_WIDTH) / max([*ends, 1e-9])
    parts = [line(NAME_WIDTH, 0.0, NAME_WIDTH, row * len(bars), "axis")]
    for place, bar in enumerate(bars):
        first = place * row + (row - runs * BAR_STEP) / 2
        right, y = NAME_WIDTH - 10, place * row + row / 2 + 4
        if bar.count is not None:
            parts.append(text(right, y, f"{bar.count:,}", "end"))
            right -= COUNT_WIDTH
        parts.append(text(right, y, bar.name, "end", kind="strong"))
        for run, estimate in enumerate(bar.runs):
            parts += _bar(estimate, run, first + run * BAR_STEP, scale=scale, whole=whole)
    return drawing(parts, WIDTH, max(row * len(bars), 1.0), title=title)


def _end(estimate: Estimate) -> float:
    """How far a bar or its whisker reaches."""
    return max([v for v in (estimate.value, estimate.high) if not math.isnan(v)], default=0.0)


def _bar(estimate: Estimate, run: int, top: float, *, scale: float, whole: bool) -> list[str]:
    middle, value = top + BAR_THICK / 2, estimate.value
    if math.isnan(value):
        return [text(NAME_WIDTH + 7, middle + 4, "nothing to measure", "start")]
    width = max(value * scale, 0.8)
    parts = [rectangle(NAME_WIDTH, top, width, BAR_THICK, f"bar-fill run{run}")]
    if not math.isnan(estimate.low):
        left, right = (NAME_WIDTH + end * scale for end in (estimate.low, estimate.high))
        parts.append(line(left, middle, right, middle, "whisker"))
        parts += [line(x, middle - 3, x, middle + 3, "whisker") for x in (left, right)]
    words = f"{value:,.0f}" if whole else figure(value)
    place = NAME_WIDTH + _end(estimate) * scale + 7
    value_text = text(place, middle + 4, words, "start", kind="value", after=interval(estimate))
    return [*parts, value_text]
