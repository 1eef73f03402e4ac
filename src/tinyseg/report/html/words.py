"""What the figures mean, in sentences: where the instances are lost, and to what.

In go the verdicts on each run's frames; out come a few sentences, each true of these frames and no
more than that. Runs are named where there are two.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tinyseg.report.html.charts import figure, percent
from tinyseg.report.html.sheets import JudgedFrame
from tinyseg.scoring import ALL_CLASSES, ERRORS, FEW_FRAMES, Comparison, ErrorKind, KindWorth

SMALL_PX = 32.0
SURE = 0.95
"""From this share of the resamples on, a difference counts as one."""


@dataclass(frozen=True, slots=True)
class Told:
    """One run's frames, what its kinds of errors cost, and the score that its detections need.

    `offset_px` is how far the outlines of what it found are off; nan where that is not known.
    """

    frames: Sequence[JudgedFrame]
    kinds: Sequence[KindWorth]
    cut: float
    offset_px: float = math.nan

    def labels(self, under_px: float = math.inf) -> Counter[ErrorKind]:
        """How many labels with a side under so many pixels are of each kind."""
        return Counter(
            ErrorKind(kind)
            for frame in self.frames
            for kind, area in zip(
                frame.errors.truth.tolist(), frame.pairs.truth.areas.tolist(), strict=True
            )
            if area < under_px**2
        )

    def detections(self) -> Counter[ErrorKind]:
        """How many detections from `cut` on are of each kind."""
        return Counter(
            ErrorKind(kind)
            for frame in self.frames
            for kind in frame.errors.found[frame.pairs.found.scores >= self.cut].tolist()
        )


def sentences(runs: Sequence[Told], comparison: Comparison | None) -> tuple[str, ...]:
    """The sentences, what compares two runs first; none where nothing is labelled."""
    if not runs[0].labels():
        return ()
    told = [] if comparison is None else [_of_both(runs, comparison)]
    if comparison is None:
        alone = runs[0]
        texts = [_of_labels(alone), _of_near(alone), _of_costs(alone), _of_detections(alone)]
        told += [text for text in texts if text]
    else:
        for name, run in zip("AB", runs, strict=True):
            told.append(f"{name}: {_of_labels(run)} {_of_costs(run)}".rstrip())
    frames = len(runs[0].frames)
    if frames < FEW_FRAMES:
        only = "One frame" if frames == 1 else f"{frames} frames"
        told.append(f"{only} only: other frames may well give other figures.")
    return tuple(told)


def _of_both(runs: Sequence[Told], comparison: Comparison) -> str:
    rows = {row.name: row for row in comparison.rows}
    ap = rows[ALL_CLASSES].of("ap")
    a, b = (run.labels()[ErrorKind.RIGHT] for run in runs)
    way = "higher" if ap.difference >= 0 else "lower"
    sure = max(ap.b_better, 1 - ap.b_better) >= SURE
    verdict = "" if sure else ", which settles nothing"
    return (
        f"B finds {b} labelled instances, A {a}. B's AP is {way} by {figure(abs(ap.difference))}; "
        f"it is the higher one in {percent(ap.b_better)} of the resamples{verdict}."
    )


def _of_labels(run: Told) -> str:
    kinds, small = run.labels(), run.labels(SMALL_PX)
    lost = kinds.total() - kinds[ErrorKind.RIGHT]
    side = f"{SMALL_PX:.0f}\N{SUPERSCRIPT TWO} px"
    text = f"{lost} of {kinds.total()} labelled instances are not found at any score."
    if not small:
        return text
    right = small[ErrorKind.RIGHT]
    return f"{text} Of those smaller than {side}, {right} of {small.total()} are found."


NEAR = {
    ErrorKind.LOCALISATION: "a prediction of their class on them whose outline is wrong",
    ErrorKind.SEAM: "a part of them found, cut off at a side",
    ErrorKind.CLASS: "a prediction of another class on them",
    ErrorKind.MISSED: "nothing on them that explains it",
}
"""What a label that was not found has on it."""


def _of_near(run: Told) -> str:
    """What is on the labels that were not found, and how well the outlines of found ones fit."""
    kinds = run.labels()
    lost = kinds.total() - kinds[ErrorKind.RIGHT]
    near = [f"{kinds[kind]} have {words}" for kind, words in NEAR.items() if kinds[kind]]
    parts = [f"Of the {lost} not found {', '.join(near)}."] if near else []
    if not math.isnan(run.offset_px):
        parts.append(f"Outlines of what is found are off by {run.offset_px:.1f} px in the mean.")
    return " ".join(parts)


def _of_costs(run: Told) -> str:
    """The kind of error that costs the most; nothing where none does."""
    own = {kind.title for kind in ERRORS}
    kinds = [kind for kind in run.kinds if kind.name in own and kind.gain > 0]
    if not kinds:
        return ""
    worst = max(kinds, key=lambda kind: kind.gain)
    gain, count = figure(worst.gain), f"{worst.labels} label{'' if worst.labels == 1 else 's'}"
    text = f"The costliest errors are those of {worst.name}: AP50 would gain {gain}."
    if 0 < worst.labels < worst.gain * run.labels().total() / 2:
        return f"{text[:-1]}, by {count} only, since rare classes weigh as much as others."
    return text


def _of_detections(run: Told) -> str:
    kinds = run.detections()
    wrong = {kind: kinds[kind] for kind in ERRORS if kinds[kind]}
    judged = kinds[ErrorKind.RIGHT] + sum(wrong.values())
    score = figure(run.cut)[:-1]
    if not judged:
        return f"No judged prediction reaches a score of {score}."
    text = f"From a score of {score} on, {kinds[ErrorKind.RIGHT]} of {judged} predictions are right"
    if not wrong:
        return f"{text}."
    worst = max(wrong, key=lambda kind: wrong[kind])
    text = f"{text}; the most frequent error among them is {worst.title} ({wrong[worst]})."
    if alarms := wrong.get(ErrorKind.BACKGROUND):
        pixels = sum(math.prod(frame.pairs.hw) for frame in run.frames) / 1e6
        a_frame, a_megapixel = alarms / len(run.frames), alarms / pixels
        text += f" {alarms} lie on nothing labelled or ignored: {a_frame:.2g} a frame, "
        text += f"{a_megapixel:.2g} a megapixel."
    return text
