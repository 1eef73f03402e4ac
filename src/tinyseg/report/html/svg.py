"""SVG's few words that charts are made of, and figures in letters.

Colours, widths and letters come from the page's style sheet by class names; coordinates are those
of the chart's own viewBox.
"""

import math
from collections.abc import Sequence
from html import escape

from tinyseg.report.html.records import Estimate

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
