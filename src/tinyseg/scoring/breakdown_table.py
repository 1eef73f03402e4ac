"""A Breakdown as plain JSON types and as tables for a terminal of 80 columns.

Figures of what no label has are null in JSON and "-" in the tables.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Int64
from rich.table import Table

from tinyseg.scoring.breakdown import Breakdown
from tinyseg.scoring.error_kinds import ErrorKind, FrameErrors
from tinyseg.scoring.matches import NOTHING
from tinyseg.scoring.outlines import OutlineFigures
from tinyseg.scoring.pairs import FramePairs, Sides
from tinyseg.scoring.slices import ClassSlice, Cut, Slice
from tinyseg.scoring.table import figure_text, to_plain
from tinyseg.scoring.worth import KindWorth

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
    errors = [_errors(frame, item) for frame, item in zip(pairs, result.errors, strict=True)]
    return {**{key: to_plain(value) for key, value in figures.items()}, "errors": errors}


def _errors(frame: FramePairs, errors: FrameErrors) -> dict[str, object]:
    return {
        "name": frame.name,
        "detections": _rows(frame.found, errors.found, frame.truth, errors.target),
        "labels": _rows(frame.truth, errors.truth, frame.found, errors.taker),
    }


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
    return [
        _slice_table("By size", "side, px", slices.curve, _cut_text(slices.cut)),
        _slice_table("By bucket", "bucket", slices.buckets, _bucket_text(slices.buckets)),
        _slice_table("By image row", "of height", slices.rows, "the row of the box's centre"),
        _class_table(slices.classes),
        _kind_table(result.kinds, result.views_known),
        *([] if result.outlines is None else [_outline_table(result.outlines)]),
    ]


def _table(title: str, first: str, heads: Sequence[str], caption: str) -> Table:
    table = Table(title=title, caption=caption, box=None, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _slice_table(title: str, first: str, slices: Sequence[Slice], caption: str) -> Table:
    """Ranges without a label are left out."""
    table = _table(title, first, ("n", "AP", "AP50", "any class", "recall"), caption)
    table.add_column("AP50 as a bar", no_wrap=True, style="cyan")
    for item in slices:
        if not item.instances:
            continue
        figures = (item.ap, item.ap50, item.any_class_ap, item.recall)
        texts = [figure_text(value) for value in figures]
        table.add_row(item.name, f"{item.instances:,}", *texts, _bar(item.ap50))
    return table


def _bar(value: float) -> str:
    return "" if np.isnan(value) else "█" * round(value * BAR_WIDTH)


def _cut_text(cut: Cut) -> str:
    if np.isnan(cut.score):
        return f"no score has a precision of {figure_text(cut.wanted)}: no recall"
    return (
        f"recall at score {figure_text(cut.score)} and above, which {cut.detections:,} detections "
        f"have; there precision is "
        f"{figure_text(cut.precision)} (wanted {figure_text(cut.wanted)}) and recall of all sizes "
        f"{figure_text(cut.recall)}, IoU .5"
    )


def _bucket_text(buckets: Sequence[Slice]) -> str:
    sides = [f"{item.name} {item.low:g}-{item.high:g}" for item in buckets if item.high < 1e5]
    return f"sides in px (root of the area): {', '.join(sides)}; ends included, as COCO does"


def _class_table(classes: Sequence[ClassSlice]) -> Table:
    heads = ("n", "found", "AP", "AP50", "recall", "precision")
    table = _table("By class", "class", heads, "recall and precision at the same score")
    for item in classes:
        figures = (item.ap, item.ap50, item.recall, item.precision)
        texts = [figure_text(value) for value in figures]
        table.add_row(item.name, f"{item.instances:,}", f"{item.detections:,}", *texts)
    return table


def _kind_table(kinds: Sequence[KindWorth], views_known: bool) -> Table:
    seams = "the plan's views" if views_known else "straight sides only, so a suspicion"
    caption = f"gains do not add up: errors hide each other; seams by {seams}"
    table = _table("Errors", "kind", ("detections", "labels", "AP50 gained"), caption)
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
    table = _table("Outlines of true positives", "bucket", ("n", "off, px", "growth, px"), caption)
    for item in outlines.offsets:
        texts = ["-" if np.isnan(v) else f"{v:.2f}" for v in (item.offset_px, item.growth_px)]
        table.add_row(item.name, f"{item.pairs:,}", *texts)
    return table
