"""Scores as plain JSON types and as a table for a terminal of 80 columns.

Figures of sizes that no label has are null in JSON and "-" in the table.
"""

import math
from dataclasses import asdict, astuple

from rich.table import Table

from tinyseg.scoring.score import Averages, Counts, Scores

FIGURES = ("AP50", "AP75", "AP_tiny", "AP_s", "AP_m", "AP_l", "AP")
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
    table = Table(title=f"{what.capitalize()} AP", caption=caption, box=None, pad_edge=False)
    table.add_column("class", no_wrap=True)
    for head in ("n", "tiny", "small", *FIGURES):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_row("all classes", *_cells(scores.counts, scores.averages), style="bold")
    table.add_row("any class", *_cells(scores.counts, scores.any_class), end_section=True)
    for item in scores.classes:
        table.add_row(item.name, *_cells(item.counts, item.averages))
    return table


def _cells(counts: Counts, averages: Averages) -> list[str]:
    figures = [figure_text(value) for value in astuple(averages)]
    return [str(counts.all), str(counts.tiny), str(counts.small), *figures]


def figure_text(value: float) -> str:
    """`.123`, `1.000`, or `-` where there is nothing to score."""
    if math.isnan(value):
        return "-"
    return f"{value:.3f}".removeprefix("0")
