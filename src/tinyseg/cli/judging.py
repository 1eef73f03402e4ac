"""What `tinyseg evaluate` adds on demand: intervals, and the challenge's own rule."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tinyseg.data import LISTS_FOLDER, ClipOf, clips_from_lists, clips_from_pattern
from tinyseg.errors import DataError
from tinyseg.progress import console, progress_bar
from tinyseg.scoring.bootstrap import intervals
from tinyseg.scoring.interval_table import intervals_table, intervals_to_json
from tinyseg.scoring.pairs import FramePairs
from tinyseg.scoring.wad_rule import score_wad
from tinyseg.scoring.wad_table import READINGS, sweep_table, wad_classes_table, wad_to_json


class Rule(StrEnum):
    """By which rules predictions are scored."""

    coco = "coco"
    wad = "wad"


class Draw(StrEnum):
    """What a resample draws: frames one by one, or whole clips."""

    frames = "frames"
    clips = "clips"


RuleOption = Annotated[
    Rule, typer.Option("--rule", help="wad: also by the challenge's rule, with a score-cut sweep.")
]
IntervalsOption = Annotated[
    bool, typer.Option("--intervals", help="Also 95 % intervals over resamples of the frames.")
]
ClipsOption = Annotated[
    Path | None,
    typer.Option("--clips", help="Which clips frames are from: video lists, a folder or one."),
]
ClipPatternOption = Annotated[
    str | None,
    typer.Option("--clip-pattern", help="... or a regular expression over frame names."),
]
ResamplesOption = Annotated[int, typer.Option("--resamples", min=1, help="How often to draw.")]
DrawOption = Annotated[
    Draw, typer.Option("--draw", help="Resample frames, or whole clips, whose frames are alike.")
]

Section = tuple[dict[str, object], list[Table]]
"""Figures for JSON, and the tables that show them."""


BoxesOption = Annotated[
    bool, typer.Option("--boxes", help="Score boxes instead of masks, by COCO's rules.")
]
DetectionsOption = Annotated[
    int, typer.Option("--detections", min=1, help="Most of a class that count on a frame.")
]


def tell_left_out(pairs: Sequence[FramePairs], most: int) -> None:
    """Say what of both sides is not judged, with its count."""
    beyond = [one.beyond for one in pairs if one.beyond]
    counts = {
        "labels are boxes without masks: their boxes are ignored (--boxes scores boxes)": sum(
            one.no_mask[0] for one in pairs
        ),
        "detections are boxes without masks and are left out (--boxes scores boxes)": sum(
            one.no_mask[1] for one in pairs
        ),
        "detections of classes that their frame's data set does not label are left out": sum(
            one.unlabelled for one in pairs
        ),
        f"detections on {len(beyond)} frames come after the best {most} of their class and do not "
        "count (--detections)": sum(beyond),
    }
    for what, count in counts.items():
        if count:
            console.print(f"[yellow]{count}[/] {what}", highlight=False)


def find_clips(
    data: Path, clips: Path | None, pattern: str | None, *, wanted: bool
) -> ClipOf | None:
    """How a frame's clip is known: as asked for, else where wanted by the data set's own lists."""
    if clips is not None and pattern is not None:
        rule = "clips come from lists or from a pattern"
        raise DataError(rule, where="--clips, --clip-pattern", got="both")
    if pattern is not None:
        return clips_from_pattern(pattern)
    if clips is None and wanted and (data / LISTS_FOLDER).is_dir():
        clips = data / LISTS_FOLDER
    return None if clips is None else clips_from_lists(clips)


def drawn_by(draw: Draw, clip_of: ClipOf | None) -> ClipOf | None:
    """What makes resamples draw whole clips; None draws frames one by one."""
    if draw is Draw.frames:
        return None
    if clip_of is None:
        rule = "to draw clips it must be known which clip a frame is from"
        raise DataError(rule, where="--draw clips", expected="--clips or --clip-pattern")
    return clip_of


def interval_section(
    pairs: Sequence[FramePairs],
    classes: Sequence[str],
    drawn: ClipOf | None,
    resamples: int,
    max_detections: int,
) -> Section:
    """The intervals of all figures by COCO's rules."""
    with progress_bar("drawing frames anew", len(classes) + 1) as bar:
        spans = intervals(
            pairs,
            classes,
            resamples=resamples,
            max_detections=max_detections,
            clip_of=drawn,
            tick=bar.advance,
        )
    return intervals_to_json(spans, classes), [intervals_table(spans, classes)]


def wad_section(
    pairs: Sequence[FramePairs],
    classes: Sequence[str],
    clip_of: ClipOf | None,
    *,
    interval_at: Callable[[float], tuple[float, float]] | None,
) -> Section:
    """The score-cut sweep by the challenge's rule, and each class's figures.

    `interval_at` gives the interval of the pooled AP at a cut: it is told of no cut and the best.
    """
    scores = score_wad(pairs, classes, clip_of=clip_of)
    sweep = sweep_table(scores)
    figures = wad_to_json(scores)
    if interval_at is not None:
        cuts = sorted({0.0, scores.best(READINGS["pooled"]).cut})
        spans = {cut: interval_at(cut) for cut in cuts}
        figures["pooled_intervals"] = [{"cut": c, "interval": list(s)} for c, s in spans.items()]
        texts = [f"{low:.3f} ... {high:.3f} at cut {cut:.2f}" for cut, (low, high) in spans.items()]
        sweep.caption = f"{sweep.caption}\npooled, 95 %: {', '.join(texts)}"
    return figures, [sweep, wad_classes_table(scores)]
