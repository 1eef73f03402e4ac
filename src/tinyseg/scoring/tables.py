"""Scores, breakdowns, intervals and comparisons as plain JSON types and as tables for a terminal of
80 columns. Figures of what no label has are null in JSON and "-" in the tables.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple

import numpy as np
from jaxtyping import Int64
from rich.table import Table

from tinyseg.scoring.bootstrap import FEW_FRAMES, FIGURES, LEVEL_PERCENT, Intervals, Span
from tinyseg.scoring.breakdown import Breakdown, OutlineFigures
from tinyseg.scoring.compare import ANY_CLASS, Comparison, Difference
from tinyseg.scoring.error_kinds import ErrorKind, KindWorth
from tinyseg.scoring.matches import NOTHING
from tinyseg.scoring.pairs import FramePairs, Sides
from tinyseg.scoring.score import Averages, Counts, Scores
from tinyseg.scoring.slices import ClassSlice, Cut, Slice

HEADS = ("AP50", "AP75", "AP_tiny", "AP_s", "AP_m", "AP_l", "AP")
"""Heads of the columns, in the order of Averages' fields."""


def scores_to_json(scores: Scores) -> dict[str, object]:
    """All figures under the names of the records' fields, unrounded."""
    return {key: to_plain(value) for key, value in asdict(scores).items()}


def to_plain(value: object) -> object:
    """Dicts, lists and numbers as they are, tuples as lists, nan as null."""
    if isinstance(value, dict):
        return {key: to_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def scores_table(scores: Scores, what: str = "mask") -> Table:
    """The mean over classes, all classes as one, and each class, with numbers of instances."""
    caption = (
        f"{scores.instances:,} instances, {scores.detections:,} detections, "
        f"{scores.frames:,} frames; {what} AP at IoU .50:.05:.95, up to {scores.max_detections} "
        "of a class a frame; tiny: up to 16² px, s(mall): 32², m: 96²"
    )
    heads = ("class", "n", "tiny", "small", *HEADS)
    table = plain_table(f"{what.capitalize()} AP", heads, caption)
    table.add_row("all classes", *_cells(scores.counts, scores.averages), style="bold")
    table.add_row("any class", *_cells(scores.counts, scores.any_class), end_section=True)
    for item in scores.classes:
        table.add_row(item.name, *_cells(item.counts, item.averages))
    return table


def plain_table(title: str, heads: Sequence[str], caption: str | None = None) -> Table:
    """A table without lines: names in its first column, figures in the others."""
    table = Table(title=title, caption=caption, box=None, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=True)
    return table


def _cells(counts: Counts, averages: Averages) -> list[str]:
    figures = [figure_text(value) for value in astuple(averages)]
    return [str(counts.all), str(counts.tiny), str(counts.small), *figures]


def figure_text(value: float) -> str:
    """`.123`, `1.000`, or `-` where there is nothing to score."""
    if math.isnan(value):
        return "-"
    return f"{value:.3f}".removeprefix("0")


BAR_WIDTH = 12
"""Characters of a bar that stands for 1."""


def breakdown_to_json(result: Breakdown, pairs: Sequence[FramePairs]) -> dict[str, object]:
    """All figures under the names of the records' fields, unrounded; errors as lists a frame.

    Detections and labels are named by their row in the predictions' and the data set's frame.
    """
    figures = {
        **asdict(result.slices),
        "kinds": [asdict(kind) for kind in result.kinds],
        "outlines": None if result.outlines is None else asdict(result.outlines),
        "views_known": result.views_known,
    }
    errors = [
        {
            "name": frame.name,
            "detections": _rows(frame.found, item.found, frame.truth, item.target),
            "labels": _rows(frame.truth, item.truth, frame.found, item.taker),
        }
        for frame, item in zip(pairs, result.errors, strict=True)
    ]
    return {**{key: to_plain(value) for key, value in figures.items()}, "errors": errors}


def _rows(
    own: Sides,
    kinds: Int64[np.ndarray, " n"],
    others: Sides,
    other_rows: Int64[np.ndarray, " n"],
) -> list[dict[str, object]]:
    """What is wrong on one side, with the row of its partner on the other."""
    rows: list[dict[str, object]] = []
    for place in np.flatnonzero(kinds > ErrorKind.IGNORED).tolist():
        other = int(other_rows[place])
        partner = None if other == NOTHING else int(others.index[other])
        kind = ErrorKind(int(kinds[place])).title
        rows.append({"row": int(own.index[place]), "kind": kind, "other": partner})
    return rows


def breakdown_tables(result: Breakdown) -> list[Table]:
    """By size as a curve and in buckets, by row and by class; errors; outlines."""
    slices = result.slices
    sides = [f"{one.name} {one.low:g}-{one.high:g}" for one in slices.buckets if one.high < 1e5]
    note = f"sides in px (root of the area): {', '.join(sides)}; ends included, as COCO does"
    return [
        _slice_table("By size", "side, px", slices.curve, _cut_text(slices.cut)),
        _slice_table("By bucket", "bucket", slices.buckets, note),
        _slice_table("By image row", "of height", slices.rows, "the row of the box's centre"),
        _class_table(slices.classes),
        _kind_table(result.kinds, result.views_known),
        *([] if result.outlines is None else [_outline_table(result.outlines)]),
    ]


def _slice_table(title: str, first: str, slices: Sequence[Slice], caption: str) -> Table:
    """Ranges without a label are left out."""
    table = plain_table(title, (first, "n", "AP", "AP50", "any class", "recall"), caption)
    table.add_column("AP50 as a bar", no_wrap=True, style="cyan")
    for item in slices:
        if not item.instances:
            continue
        figures = (item.ap, item.ap50, item.any_class_ap, item.recall)
        texts = [figure_text(value) for value in figures]
        bar = "" if np.isnan(item.ap50) else "█" * round(item.ap50 * BAR_WIDTH)
        table.add_row(item.name, f"{item.instances:,}", *texts, bar)
    return table


def _cut_text(cut: Cut) -> str:
    if np.isnan(cut.score):
        return f"no score has a precision of {figure_text(cut.wanted)}: no recall"
    return (
        f"recall at score {figure_text(cut.score)} and above, which {cut.detections:,} detections "
        f"have; there precision is "
        f"{figure_text(cut.precision)} (wanted {figure_text(cut.wanted)}) and recall of all sizes "
        f"{figure_text(cut.recall)}, IoU .5"
    )


def _class_table(classes: Sequence[ClassSlice]) -> Table:
    heads = ("class", "n", "found", "AP", "AP50", "recall", "precision")
    table = plain_table("By class", heads, "recall and precision at the same score")
    for item in classes:
        figures = (item.ap, item.ap50, item.recall, item.precision)
        texts = [figure_text(value) for value in figures]
        table.add_row(item.name, f"{item.instances:,}", f"{item.detections:,}", *texts)
    return table


def _kind_table(kinds: Sequence[KindWorth], views_known: bool) -> Table:
    seams = "the plan's views" if views_known else "straight sides only, so a suspicion"
    caption = f"gains do not add up: errors hide each other; seams by {seams}"
    table = plain_table("Errors", ("kind", "detections", "labels", "AP50 gained"), caption)
    for kind in kinds:
        gain = "-" if np.isnan(kind.gain) else f"{kind.gain:+.3f}"
        table.add_row(kind.name, f"{kind.detections:,}", f"{kind.labels:,}", gain)
    return table


def _outline_table(outlines: OutlineFigures) -> Table:
    low, high = outlines.distances_px
    width = f"{low}" if low == high else f"{low}-{high}"
    caption = (
        f"boundary AP {figure_text(outlines.ap)}, AP50 {figure_text(outlines.ap50)}, any class "
        f"{figure_text(outlines.any_class_ap)}, boundaries {width} px wide: what is "
        "narrower than two of them is all boundary; growth: + is larger than the label"
    )
    heads = ("bucket", "n", "off, px", "growth, px")
    table = plain_table("Outlines of true positives", heads, caption)
    for item in outlines.offsets:
        texts = ["-" if np.isnan(v) else f"{v:.2f}" for v in (item.offset_px, item.growth_px)]
        table.add_row(item.name, f"{item.pairs:,}", *texts)
    return table


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
    table = plain_table(_TITLE, ("class", *HEADS), _caption(intervals))
    table.padding = (0, 1, 0, 0)
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
                "figures": [
                    to_plain({**asdict(one), "difference": one.difference})
                    for one in row.differences
                ],
            }
            for row in comparison.rows
        ],
    }


def comparison_table(comparison: Comparison) -> Table:
    """All figures of the mean over classes and of all classes as one; the AP of each class."""
    heads = ("class", "frames", "figure", "A", "B", "B - A", _TITLE.removesuffix("s"), "B better")
    table = plain_table("B - A", heads, _caption(comparison))
    for row in comparison.rows[:2]:
        for place, one in enumerate(row.differences):
            last = place + 1 == len(row.differences)
            names = ("", "") if place else (row.name, f"{row.frames:,}")
            table.add_row(*names, *_interval_cells(one), end_section=last)
    for row in comparison.rows[2:]:
        cells = _interval_cells(row.of("ap"))
        table.add_row(row.name, f"{row.frames:,}", *cells, style=_style(row.frames))
    return table


def _interval_cells(one: Difference) -> tuple[str, ...]:
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
