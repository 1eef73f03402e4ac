"""Intervals and comparisons as plain JSON types and as tables for a terminal of 80 columns.

Figures that no label has are null in JSON and "-" in the tables.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple

from rich.table import Table

from tinyseg.evaluate.bootstrap import FEW_FRAMES, FIGURES, LEVEL_PERCENT, Intervals, Span
from tinyseg.evaluate.compare import ALL_CLASSES, ANY_CLASS, Comparison, Difference
from tinyseg.evaluate.table import FIGURES as HEADS
from tinyseg.evaluate.table import figure_text


def few_frames_text(frames: int) -> str:
    """What to say of intervals over so many frames; empty where they are enough."""
    if frames >= FEW_FRAMES:
        return ""
    plural = "frame is" if frames == 1 else "frames are"
    return f"{frames} {plural} too few: these intervals mean little under {FEW_FRAMES} frames"


def intervals_to_json(intervals: Intervals, classes: Sequence[str]) -> dict[str, object]:
    """Each figure's two ends under its name, unrounded, in rows named as in Scores."""
    return {
        "level_percent": LEVEL_PERCENT,
        "frames": intervals.frames,
        "resamples": intervals.resamples,
        "too_few_frames": intervals.few,
        "averages": _span_to_json(intervals.averages),
        "any_class": _span_to_json(intervals.any_class),
        "classes": [
            {"name": name, "averages": _span_to_json(span)}
            for name, span in zip(classes, intervals.classes, strict=True)
        ],
    }


def _span_to_json(span: Span) -> dict[str, object]:
    pairs = zip(FIGURES, astuple(span.low), astuple(span.high), strict=True)
    return {name: None if math.isnan(low) else [low, high] for name, low, high in pairs}


def intervals_table(intervals: Intervals, classes: Sequence[str]) -> Table:
    """The two ends of every figure, row by row as in the table of scores."""
    caption = _caption(intervals.frames, intervals.resamples)
    table = Table(title=_TITLE, caption=caption, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("class", no_wrap=True)
    for head in HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_row(ALL_CLASSES, *_spans(intervals.averages), style="bold")
    table.add_row(ANY_CLASS, *_spans(intervals.any_class), end_section=True)
    for name, span in zip(classes, intervals.classes, strict=True):
        table.add_row(name, *_spans(span))
    return table


_TITLE = f"{LEVEL_PERCENT:.0f} % intervals"


def _caption(frames: int, resamples: int) -> str:
    text = f"{resamples:,} resamples of {frames:,} frames"
    few = few_frames_text(frames)
    return f"{text}; {few}" if few else text


def _spans(span: Span) -> Iterator[str]:
    return (
        "-" if math.isnan(low) else f"{figure_text(low)}-{figure_text(high)}"
        for low, high in zip(astuple(span.low), astuple(span.high), strict=True)
    )


def comparison_to_json(comparison: Comparison) -> dict[str, object]:
    """Every row and figure, unrounded, with `difference` = B - A."""
    return {
        "level_percent": LEVEL_PERCENT,
        "frames": comparison.frames,
        "resamples": comparison.resamples,
        "too_few_frames": comparison.few,
        "rows": [
            {"name": row.name, "figures": [_difference_to_json(one) for one in row.differences]}
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
    caption = f"{_caption(comparison.frames, comparison.resamples)}; B better: share of resamples"
    table = Table(title="B - A", caption=caption, box=None, pad_edge=False)
    table.add_column("class", no_wrap=True)
    for head in ("figure", "A", "B", "B - A", _TITLE.removesuffix("s"), "B better"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in comparison.rows[:2]:
        for place, one in enumerate(row.differences):
            last = place + 1 == len(row.differences)
            table.add_row("" if place else row.name, *_cells(one), end_section=last)
    for row in comparison.rows[2:]:
        table.add_row(row.name, *_cells(row.of("ap")))
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
