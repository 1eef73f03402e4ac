"""Scores under the challenge's rule as plain JSON types and as tables for a terminal."""

import math
from dataclasses import asdict, replace

from rich.table import Table

from tinyseg.scoring.table import figure_text
from tinyseg.scoring.wad_rule import CutScore, WadScores

READINGS = {
    "pooled": lambda one: one.pooled,
    "per_clip": lambda one: one.per_clip,
}
"""The two readings of "all video clips"."""


def wad_to_json(scores: WadScores) -> dict[str, object]:
    """Every cut, unrounded, and under `best` the cut that each reading likes best."""
    best = {name: scores.best(reading).cut for name, reading in READINGS.items()}
    if not scores.clips:
        del best["per_clip"]
    return {
        "rule": "wad",
        **asdict(replace(scores, cuts=())),
        "cuts": [_cut_to_json(one) for one in scores.cuts],
        "best": best,
    }


def _cut_to_json(one: CutScore) -> dict[str, object]:
    values = asdict(one) | {"classes": [_plain(value) for value in one.classes]}
    return {k: _plain(v) if isinstance(v, float) else v for k, v in values.items()}


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def sweep_table(scores: WadScores) -> Table:
    """The score cuts, with the best of each reading marked."""
    caption = (
        f"{sum(scores.instances):,} instances, {scores.frames:,} frames; {_clips_text(scores)}"
    )
    table = Table(
        title="Mask AP by the challenge's rule", caption=caption, box=None, pad_edge=False
    )
    for head in ("score cut", "found", "pooled AP50", "pooled AP", "per clip", ""):
        table.add_column(head, justify="right", no_wrap=True)
    best = {name: scores.best(reading) for name, reading in READINGS.items()}
    if not scores.clips:
        del best["per_clip"]
    for one in scores.cuts:
        marks = [name.replace("_", " ") for name, own in best.items() if own is one]
        figures = map(figure_text, (one.pooled_50, one.pooled, one.per_clip))
        mark = f"best {' and '.join(marks)}" if marks else ""
        cut = f"{one.cut:.2f}".removeprefix("0")
        style = "bold" if marks else None
        table.add_row(cut, f"{one.detections:,}", *figures, mark, style=style)
    return table


def _clips_text(scores: WadScores) -> str:
    if not scores.clips:
        return "which clips they are from is not known"
    text = f"{scores.clips:,} clips with instances"
    without = scores.frames_without_clip
    frames = "1 frame" if without == 1 else f"{without:,} frames"
    return text + (f", {frames} of no known clip" if without else "")


def wad_classes_table(scores: WadScores) -> Table:
    """Each class's pooled AP with everything handed in, and at the cut that is best pooled."""
    first, best = scores.cuts[0], scores.best(READINGS["pooled"])
    table = Table(title="By class, pooled", box=None, pad_edge=False)
    table.add_column("class", no_wrap=True)
    shown = [first] if best is first else [first, best]
    for head in ("n", *(f"cut {one.cut:.2f}" for one in shown)):
        table.add_column(head, justify="right", no_wrap=True)
    for place, (name, count) in enumerate(zip(scores.classes, scores.instances, strict=True)):
        table.add_row(name, f"{count:,}", *(figure_text(one.classes[place]) for one in shown))
    return table
