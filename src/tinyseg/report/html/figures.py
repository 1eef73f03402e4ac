"""Scores, intervals, comparison and breakdown -> the first table's rows and the charts.

One entry a run, in the page's order. Counts are of labels, the same in all runs.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinyseg.calibration import Judged, calibration_error
from tinyseg.report.html.charts import (
    bar_chart,
    figure,
    precision_chart,
    short,
    size_chart,
    stack_chart,
)
from tinyseg.report.html.records import Bar, Chart, Curve, Estimate, Row
from tinyseg.scoring import (
    ALL_CLASSES,
    ANY_CLASS,
    ERRORS,
    RECALLS,
    Averages,
    Breakdown,
    ComparedRow,
    Comparison,
    ErrorKind,
    FramePairs,
    Intervals,
    Scores,
    Span,
    Within,
    average_precision,
    draw_frames,
    gather,
    match,
    precision_curves,
    resampled_precision,
)

OCTAVES = range(1, 10)
"""Sides of the sizes that charts tell apart, as powers of two; beyond them, the last holds all."""

BAND_RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """One run's pairs of all labelled frames, and the figures that follow from them."""

    name: str
    pairs: tuple[FramePairs, ...]
    scores: Scores
    intervals: Intervals
    breakdown: Breakdown


Read = Callable[[Averages], float]

READ: dict[str, Read] = {
    "ap": lambda a: a.ap,
    "ap50": lambda a: a.ap50,
    "ap_tiny": lambda a: a.ap_tiny,
    "ap_small": lambda a: a.ap_small,
    "ap_medium": lambda a: a.ap_medium,
    "ap_large": lambda a: a.ap_large,
}
"""Figures by the names that a comparison knows them by."""


def headline(runs: Sequence[Measured], comparison: Comparison | None) -> tuple[Row, ...]:
    """The rows of the first table, first the figure that runs are ranked by."""
    counts = runs[0].scores.counts
    means = [(run.scores.averages, run.intervals.averages) for run in runs]
    pooled = [(run.scores.any_class, run.intervals.any_class) for run in runs]
    both = {row.name: row for row in comparison.rows} if comparison else {}
    classes, anything = both.get(ALL_CLASSES), both.get(ANY_CLASS)
    return (
        _row(("AP", "mean over classes, IoU .50 to .95"), counts.all, means, "ap", classes),
        _row(("AP50", "loose outlines will do"), counts.all, means, "ap50", classes),
        _row(("AP tiny", _up_to(16)), counts.tiny, means, "ap_tiny", classes),
        _row(("AP small", _up_to(32)), counts.small, means, "ap_small", classes),
        _row(("AP medium", f"from 32 to 96{_SQUARE}"), counts.medium, means, "ap_medium", classes),
        _row(("AP large", f"from 96{_SQUARE}"), counts.large, means, "ap_large", classes),
        _row(("AP, any class", "all classes as one"), counts.all, pooled, "ap", anything),
        _row(("AP tiny, any class", _up_to(16)), counts.tiny, pooled, "ap_tiny", anything),
    )


_SQUARE = "\N{SUPERSCRIPT TWO} px"


def _up_to(side: int) -> str:
    return f"up to {side}{_SQUARE}"


Sure = tuple[Averages, Span]
"""Figures and their intervals."""


def _row(
    names: tuple[str, str], count: int, runs: Sequence[Sure], key: str, both: ComparedRow | None
) -> Row:
    estimates = tuple(_estimate(sure, READ[key]) for sure in runs)
    if both is None:
        return Row(*names, count, estimates)
    change = both.of(key)
    difference = Estimate(change.difference, change.low, change.high)
    return Row(*names, count, estimates, difference, change.b_better)


def _estimate(sure: Sure, read: Read) -> Estimate:
    averages, span = sure
    return Estimate(read(averages), read(span.low), read(span.high))


def charts(runs: Sequence[Measured], *, cut: float) -> tuple[Chart, ...]:
    """The charts that say where it is lost; detections are counted from score `cut` on."""
    names = (", A", ", B") if len(runs) > 1 else ("",)
    fates = [_fates_chart(run, name) for run, name in zip(runs, names, strict=True)]
    return (
        _size_chart(runs),
        *fates,
        _worth_chart(runs),
        _detections_chart(runs, cut),
        _scores_chart(runs),
        _class_chart(runs),
    )


# By size.


def _bins(pairs: Sequence[FramePairs]) -> list[tuple[float, float, int]]:
    """Smallest and largest side in pixels and labels of each octave, from the first with any."""
    sides = np.sqrt(np.concatenate([np.zeros(0), *(frame.truth.areas for frame in pairs)]))
    places = np.clip(np.floor(np.log2(np.maximum(sides, 1))), OCTAVES[0], OCTAVES[-1])
    counts = Counter(places.astype(int).tolist())
    used = [octave for octave in OCTAVES if counts[octave]] or [OCTAVES[0]]
    return [(2.0**o, 2.0 ** (o + 1), counts[o]) for o in range(used[0], used[-1] + 1)]


def _area_range(low: float, high: float) -> Within:
    """The areas of an octave; the first and the last also hold what is beyond."""
    first, last = low == 2.0 ** OCTAVES[0], high == 2.0 ** (OCTAVES[-1] + 1)
    return Within((0.0 if first else low**2, 1e10 if last else high**2 - 0.5))


def _size_chart(runs: Sequence[Measured]) -> Chart:
    bins, curves = _bins(runs[0].pairs), []
    for run in runs:
        pool = gather(run.pairs, max_detections=run.scores.max_detections)
        weights = draw_frames(len(run.pairs), BAND_RESAMPLES, seed=0)
        rows = []
        for low, high, _ in bins:
            matches = match(pool, _area_range(low, high))
            samples = resampled_precision(matches, weights).mean(axis=1)
            known = samples[~np.isnan(samples)]
            ends = np.percentile(known, [2.5, 97.5]).tolist() if len(known) else [np.nan, np.nan]
            middle = float(np.sqrt(low * high))
            rows.append((middle, float(average_precision(matches).mean()), *ends))
        curves.append(Curve(*zip(*rows, strict=True)))
    note = "All classes as one, IoU .50 to .95; columns count the labels, the band is the interval."
    drawn = size_chart(curves, bins, title="AP by object size")
    return Chart("AP by object size", note, drawn)


FATES = (ErrorKind.RIGHT, ErrorKind.LOCALISATION, ErrorKind.SEAM, ErrorKind.CLASS, ErrorKind.MISSED)
"""What can become of a label, in the order in which columns are stacked."""


def _fates_chart(run: Measured, name: str) -> Chart:
    """What becomes of the labels of each size, as shares of columns."""
    bins = _bins(run.pairs)
    kinds = np.concatenate([errors.truth for errors in run.breakdown.errors])
    areas = np.concatenate([frame.truth.areas for frame in run.pairs])
    columns = []
    for low, high, _ in bins:
        least, most = _area_range(low, high).area
        own = kinds[(areas >= least) & (areas <= most)]
        columns.append(tuple(int(np.count_nonzero(own == kind)) for kind in FATES))
    names = ["found", *(kind.title for kind in FATES[1:])]
    title = f"What becomes of the labels{name}"
    drawn = stack_chart(columns, [(a, b) for a, b, _ in bins], names, title=title)
    note = "By object size, at IoU .50 and any score. Seam: cut off at a side, a suspicion."
    return Chart(title, note, drawn)


# By error and class.


def _worth_chart(runs: Sequence[Measured]) -> Chart:
    """What each kind costs."""
    bars = []
    for kind, *rest in zip(*(run.breakdown.kinds for run in runs), strict=True):
        gains = [Estimate(one.gain) for one in (kind, *rest)]
        bars.append(Bar(kind.name, None, tuple(gains)))
    note = "AP50 gained if the errors of one kind were put right. Gains do not add up."
    return Chart("What errors cost", note, bar_chart(bars, title="AP50 gained by kind of error"))


def _detections_chart(runs: Sequence[Measured], cut: float) -> Chart:
    """What the detections from `cut` on are."""
    counted = []
    for run in runs:
        rows = zip(run.pairs, run.breakdown.errors, strict=True)
        counted.append(Counter(k for p, e in rows for k in e.found[p.found.scores >= cut].tolist()))
    shown = [ErrorKind.RIGHT, *(k for k in ERRORS if k is not ErrorKind.MISSED), ErrorKind.IGNORED]
    words = {ErrorKind.RIGHT: "correct", ErrorKind.IGNORED: "not judged"}
    bars = [
        Bar(words.get(kind, kind.title), None, tuple(Estimate(float(c[kind])) for c in counted))
        for kind in shown
    ]
    note = f"From a score of {cut:.2f} on, at IoU .50."
    drawn = bar_chart(bars, title="Detections by kind", whole=True)
    return Chart("What the detections are", note, drawn)


def _scores_chart(runs: Sequence[Measured]) -> Chart:
    """How many detections of each tenth of the scores are right: a reliability diagram."""
    judged = [_judged(run) for run in runs]
    errors = " and ".join(figure(calibration_error(one)) for one in judged)
    bars = []
    for tenth in range(10):
        inside = [one.right[np.minimum(one.scores * 10, 9).astype(int) == tenth] for one in judged]
        if any(len(right) for right in inside):
            shares = [Estimate(right.mean() if len(right) else np.nan) for right in inside]
            name = f"score {short(tenth / 10)} to {short((tenth + 1) / 10)}"
            count = len(inside[0]) if len(runs) == 1 else None
            bars.append(Bar(name, count, tuple(shares)))
    title = "How often a score is right"
    note = (
        "Share of the judged detections that are right at IoU .50: within its range of scores, "
        f"where scores mean what they say. Expected calibration error {errors}."
    )
    return Chart(title, note, bar_chart(bars, title=title))


def _judged(run: Measured) -> Judged:
    scores = np.concatenate([np.zeros(0), *(frame.found.scores for frame in run.pairs)])
    kinds = np.concatenate([np.zeros(0, int), *(one.found for one in run.breakdown.errors)])
    kept = kinds != ErrorKind.IGNORED
    right = kinds[kept] == ErrorKind.RIGHT
    return Judged(scores[kept], right, np.zeros(len(right), np.int64))


def _class_chart(runs: Sequence[Measured]) -> Chart:
    """AP of every class that has instances."""
    bars = []
    for index, one in enumerate(runs[0].scores.classes):
        sure = [(run.scores.classes[index].averages, run.intervals.classes[index]) for run in runs]
        if one.counts.all:
            estimates = tuple(_estimate(item, READ["ap50"]) for item in sure)
            bars.append(Bar(one.name, one.counts.all, estimates))
    note = "Labelled instances in grey; the line is the 95 % interval over frames."
    return Chart("AP50 by class", note, bar_chart(bars, title="AP50 by class"))


def precision_charts(runs: Sequence[Measured]) -> tuple[Chart, ...]:
    """Precision over recall at IoU .50: all classes as one, then each class that has instances."""
    named: list[tuple[int | None, str]] = [(None, "any class")]
    classes = enumerate(runs[0].scores.classes)
    named += [(index, one.name) for index, one in classes if one.counts.all]
    drawn = []
    for label, name in named:
        curves, figures = [], []
        for run in runs:
            most = run.scores.max_detections
            precision = precision_curves(match(gather(run.pairs, label, max_detections=most)))[0]
            figures.append(figure(float(precision.mean())))
            # What is found at no score is no point of the line.
            reached = precision[: int(np.count_nonzero(precision > 0))]
            curves.append(Curve(tuple(RECALLS[: len(reached)].tolist()), tuple(reached.tolist())))
        found = any(curve.xs for curve in curves)
        note = "AP50 " + " and ".join(figures) if found else "none found"
        chart = precision_chart(curves, title=f"Precision over recall, {name}")
        drawn.append(Chart(name, note, chart))
    return tuple(drawn)
