"""Intervals and comparisons as plain JSON types and as tables for a terminal of 80 columns.

Figures that no label has are null in JSON and "-" in the tables.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple

from rich.table import Table

from tinyseg.scoring.bootstrap import FEW_FRAMES, FIGURES, LEVEL_PERCENT, Intervals, Span
from tinyseg.scoring.compare import ANY_CLASS, Comparison, Difference
from tinyseg.scoring.table import FIGURES as HEADS, figure_text


def few_text(drawn: int, what: str = "frame") -> str:
    """What to say of intervals over so many frames or clips; empty where they are enough."""
    if drawn >= FEW_FRAMES:
        return ""
    own = f"{drawn} {what} is" if drawn == 1 else f"{drawn} {what}s are"
    return f"{own} too few: these intervals mean little under {FEW_FRAMES}"


def intervals_to_json(intervals: Intervals, classes: Sequence[str]) -> dict[str, object]:
    """Each figure's two ends under its name, unrounded, in rows named as in Scores."""
    return {
        "level_percent": LEVEL_PERCENT,
        "frames": intervals.frames,
        "resamples": intervals.resamples,
        "drawn": intervals.drawn,
        "too_few": intervals.few,
        "averages": _span_to_json(intervals.averages),
        "any_class": _span_to_json(intervals.any_class),
        "classes": [
            {"name": name, "frames": frames, "averages": _span_to_json(span)}
            for name, frames, span in zip(
                classes, intervals.class_frames, intervals.classes, strict=True
            )
        ],
    }


def _span_to_json(span: Span) -> dict[str, object]:
    pairs = zip(FIGURES, astuple(span.low), astuple(span.high), strict=True)
    return {name: None if math.isnan(low) else [low, high] for name, low, high in pairs}


def intervals_table(intervals: Intervals, classes: Sequence[str]) -> Table:
    """The two ends of every figure: of the mean over classes, all classes as one, each class."""
    caption = _caption(intervals)
    table = Table(title=_TITLE, caption=caption, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("class", no_wrap=True)
    for head in HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_row("mean", *_spans(intervals.averages), style="bold")
    table.add_row(ANY_CLASS, *_spans(intervals.any_class), end_section=True)
    rows = zip(classes, intervals.classes, intervals.class_frames, strict=True)
    for name, span, frames in rows:
        table.add_row(name, *_spans(span), style=_style(frames))
    return table


def _style(frames: int) -> str | None:
    """Rows are dim where few frames show the class."""
    return "dim" if frames < FEW_FRAMES else None


_TITLE = f"{LEVEL_PERCENT:.0f} % intervals"


def _caption(shown: Intervals | Comparison) -> str:
    by_clip = shown.drawn < shown.frames
    clips = "1 clip" if shown.drawn == 1 else f"{shown.drawn:,} clips"
    what = f"{clips} of {shown.frames:,}" if by_clip else f"{shown.frames:,}"
    text = f"{shown.resamples:,} resamples of {what} frames"
    few = few_text(shown.drawn, "clip" if by_clip else "frame")
    return f"{text}\n{few}" if few else text


def _spans(span: Span) -> Iterator[str]:
    return (
        "-" if math.isnan(low) else f"{_end_text(low)}-{_end_text(high)}"
        for low, high in zip(astuple(span.low), astuple(span.high), strict=True)
    )


def _end_text(value: float) -> str:
    """Four characters, so that seven intervals stand in a row of 80."""
    return figure_text(value)[:4]


def comparison_to_json(comparison: Comparison) -> dict[str, object]:
    """Every row and figure, unrounded, with `difference` = B - A."""
    return {
        "level_percent": LEVEL_PERCENT,
        "frames": comparison.frames,
        "resamples": comparison.resamples,
        "drawn": comparison.drawn,
        "too_few": comparison.few,
        "rows": [
            {
                "name": row.name,
                "frames": row.frames,
                "figures": [_difference_to_json(one) for one in row.differences],
            }
            for row in comparison.rows
        ],
    }


def _difference_to_json(one: Difference) -> dict[str, object]:
    values = {**asdict(one), "difference": one.difference}
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in values.items()
    }


def comparison_table(comparison: Comparison) -> Table:
    """All figures of the mean over classes and of all classes as one; the AP of each class."""
    caption = _caption(comparison)
    table = Table(title="B - A", caption=caption, box=None, pad_edge=False)
    table.add_column("class", no_wrap=True)
    for head in ("frames", "figure", "A", "B", "B - A", _TITLE.removesuffix("s"), "B better"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in comparison.rows[:2]:
        for place, one in enumerate(row.differences):
            last = place + 1 == len(row.differences)
            names = ("", "") if place else (row.name, f"{row.frames:,}")
            table.add_row(*names, *_cells(one), end_section=last)
    for row in comparison.rows[2:]:
        cells = _cells(row.of("ap"))
        table.add_row(row.name, f"{row.frames:,}", *cells, style=_style(row.frames))
    return table


def _cells(one: Difference) -> tuple[str, ...]:
    head = HEADS[FIGURES.index(one.figure)]
    interval = "-" if math.isnan(one.low) else f"{signed_text(one.low)} ... {signed_text(one.high)}"
    values = (figure_text(one.a), figure_text(one.b), signed_text(one.difference), interval)
    return (head, *values, figure_text(one.b_better))


def signed_text(value: float) -> str:
    """`+.012`, `-.300`, ` .000`, or `-` where there is nothing to score."""
    if math.isnan(value):
        return "-"
    rounded = round(value, 3)
    sign = "+" if rounded > 0 else "-" if rounded < 0 else " "
    return f"{sign}{figure_text(abs(rounded))}"
