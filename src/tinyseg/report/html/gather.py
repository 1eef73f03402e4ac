"""Judged runs of one data set -> the Page: which frames to show, which figures, in which words.

Refuses more than two runs. Frames are read one at a time and let go: what stays of a frame is its
sheet.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tinyseg.errors import DataError
from tinyseg.frame import Frame, Instances
from tinyseg.predictions import Predictions
from tinyseg.report.html.figures import Measured, charts, headline, precision_charts
from tinyseg.report.html.records import Finding, Page, Sheet
from tinyseg.report.html.sheets import JudgedFrame, sheet_of
from tinyseg.report.html.words import Told, sentences
from tinyseg.scoring import Comparison, ErrorKind

MOST_RUNS = 2
PAGE_SHARE = 0.93
"""Share of the page's bytes that is for pictures and outlines; the rest for all else."""

OUTLINE_SHARE = 0.85
"""Share of a frame's bytes for its pictures."""


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """One run's figures, and its judged frames in the order of the figures' pairs."""

    measured: Measured
    frames: tuple[JudgedFrame, ...]

    @staticmethod
    def of(measured: Measured, predictions: Predictions) -> "JudgedRun":
        """The run whose figures were made of these predictions."""
        found = {frame.name: frame.instances for frame in predictions.frames}
        rows = zip(measured.pairs, measured.breakdown.errors, strict=True)
        frames = [
            JudgedFrame(found.get(pairs.name, Instances.empty()), pairs, errors)
            for pairs, errors in rows
        ]
        return JudgedRun(measured, tuple(frames))

    @property
    def offset_px(self) -> float:
        """How far the outlines of what was found are off in the mean; nan where not measured."""
        outlines = self.measured.breakdown.outlines
        return math.nan if outlines is None else outlines.offsets[0].offset_px


@dataclass(frozen=True, slots=True)
class PageChoice:
    """What the user chose: the page's title, most frames with pictures, scores, and size.

    The slider begins at score `cut`; detections under `floor` are left out of pictures.
    """

    title: str
    frames: int
    cut: float
    floor: float
    max_bytes: int


def worst_frames(runs: Sequence[JudgedRun], most: int) -> list[int]:
    """Places of the frames with the most errors in any run, in the data set's order."""
    if not 1 <= len(runs) <= MOST_RUNS or not runs[0].frames:
        got = f"{len(runs)} runs of {[len(run.frames) for run in runs]} frames"
        raise DataError("a report shows one run or two, of one frame or more", got=got)
    kinds = [[np.concatenate([f.errors.truth, f.errors.found]) for f in run.frames] for run in runs]
    errors = np.array([[np.count_nonzero(k > ErrorKind.IGNORED) for k in own] for own in kinds])
    order = np.argsort(-errors.max(axis=0), kind="stable")
    return sorted(order[:most].tolist())


def sheets_of(
    runs: Sequence[JudgedRun], places: Sequence[int], frames: Iterable[Frame], choice: PageChoice
) -> list[Sheet]:
    """The sheets of the chosen places, whose frames come in the same order."""
    most = int(choice.max_bytes * PAGE_SHARE * OUTLINE_SHARE / max(len(places), 1))
    return [
        sheet_of(frame, [run.frames[place] for run in runs], floor=choice.floor, max_bytes=most)
        for place, frame in zip(places, frames, strict=True)
    ]


def page_of(
    runs: Sequence[JudgedRun],
    comparison: Comparison | None,
    sheets: Sequence[Sheet],
    choice: PageChoice,
    *,
    classes: Sequence[str],
    findings: Sequence[Finding] = (),
    advice: Sequence[str] = (),
) -> Page:
    """The page of one run, or of two and their `comparison`."""
    measured, judged, shown = [run.measured for run in runs], len(runs[0].frames), len(sheets)
    note = "Every frame that was judged."
    if shown < judged:
        note = f"Of {judged:,} frames the {shown:,} with the most errors, here and in the gallery."
    told = [
        Told(run.frames, run.measured.breakdown.kinds, choice.cut, run.offset_px) for run in runs
    ]
    return Page(
        title=choice.title,
        facts=_facts(measured[0]),
        runs=tuple(one.name for one in measured),
        classes=tuple(classes),
        words=sentences(told, comparison),
        headline=headline(measured, comparison),
        charts=charts(measured, cut=choice.cut),
        small_charts=precision_charts(measured),
        sheets=tuple(sheets),
        cut=choice.cut,
        floor=choice.floor,
        frames_note=note,
        footer=_footer(measured[0], choice),
        findings=tuple(findings),
        advice=tuple(advice),
    )


def _facts(one: Measured) -> str:
    sizes = sorted({pairs.hw for pairs in one.pairs}, reverse=True)
    pixels = " and ".join(f"{w} \N{MULTIPLICATION SIGN} {h}" for h, w in sizes[:2])
    pixels = f"up to {pixels.split(' and ')[0]}" if len(sizes) > 2 else pixels
    scores = one.scores
    return f"{scores.instances:,} labelled instances on {scores.frames:,} frames of {pixels} px"


def _footer(one: Measured, choice: PageChoice) -> tuple[str, ...]:
    intervals = one.intervals
    return (
        "AP by COCO's rules on masks, IoU .50 to .95, up to "
        f"{one.scores.max_detections} detections of a class a frame; the region that is not judged "
        "counts as a crowd of every class.",
        f"Intervals hold 95 % of {intervals.resamples:,} resamples of the {intervals.frames:,} "
        "frames. Frames of one drive are not independent: true intervals are wider.",
        "Kinds of errors are those of TIDE, at IoU .50; seam is ours: a part of an object, cut "
        "off at a straight side. Pictures are at native resolution where small objects are, "
        f"elsewhere shrunk; predictions of a score under {choice.floor:.2f} are not drawn.",
    )
