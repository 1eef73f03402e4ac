"""What each kind of error costs: the average precision that would be gained without it.

Pairs and their errors come in, a KindWorth a kind goes out: TIDE's oracles (Bolya et al., 2020,
section 2.3) at IoU .5, mean over classes. Class and localisation errors are corrected if their
ground truth is unmatched and they are its best-scoring candidate; otherwise the detection is
removed, as for background, both and duplicate; missed labels are removed from the ground truth.
Seam errors are corrected like localisation errors, and their labels that no detection explains are
removed. A class without any label left has an AP of 0. The gains do not add up: errors hide each
other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64

from tinyseg.scoring.curves import curve_of
from tinyseg.scoring.error_kinds import ERRORS, FIXABLE, ErrorKind, FrameErrors
from tinyseg.scoring.matches import NOTHING
from tinyseg.scoring.pairs import FramePairs

FALSE_FOUND, FALSE_MISSED = "all false detections", "all labels not found"


@dataclass(frozen=True, slots=True)
class KindWorth:
    """A kind of error: how many detections and labels have it, and the AP50 gained without it.

    A label counts under the kind that explains it; `gain` is nan where nothing is labelled.
    """

    name: str
    detections: int
    labels: int
    gain: float


@dataclass(frozen=True, slots=True)
class _Ledger:
    """All judged detections of all frames, best first, and all labels, in flat arrays.

    `target` are rows of the labels. A fix changes `label`, `hit` and `kept` of detections, and
    which labels are `asked` for.
    """

    label: Int64[np.ndarray, " found"]
    hit: Bool[np.ndarray, " found"]
    kept: Bool[np.ndarray, " found"]
    kind: Int64[np.ndarray, " found"]
    target: Int64[np.ndarray, " found"]
    truth_label: Int64[np.ndarray, " truth"]
    truth_kind: Int64[np.ndarray, " truth"]
    asked: Bool[np.ndarray, " truth"]

    def ap50(self, class_count: int) -> float:
        """Mean over the classes that have labels; 0 for one of which none is asked for."""
        values = []
        for label in range(class_count):
            labelled = self.truth_label == label
            if labelled.any():
                own = self.kept & (self.label == label)
                instances = int(np.count_nonzero(self.asked & labelled))
                values.append(curve_of(self.hit[own], instances).mean() if instances else 0.0)
        return float(np.mean(values)) if values else math.nan


def worth_of_kinds(
    pairs: Sequence[FramePairs], errors: Sequence[FrameErrors], class_count: int
) -> tuple[KindWorth, ...]:
    """Each kind of error, then all false detections and all labels not found."""
    ledger = _ledger(pairs, errors)
    base = ledger.ap50(class_count)
    rows = []
    for kind in ERRORS:
        of_kind = ledger.kind == kind
        labels = ledger.truth_kind == kind
        gain = _fixed(ledger, kind).ap50(class_count) - base
        rows.append(_worth(kind.title, of_kind, labels, gain))
    return (*rows, *_all_together(ledger, base, class_count))


def _worth(
    name: str, found: Bool[np.ndarray, " found"], truth: Bool[np.ndarray, " truth"], gain: float
) -> KindWorth:
    return KindWorth(name, int(np.count_nonzero(found)), int(np.count_nonzero(truth)), gain)


def _all_together(ledger: _Ledger, base: float, class_count: int) -> tuple[KindWorth, KindWorth]:
    false, lost = ~ledger.hit, ledger.truth_kind != ErrorKind.RIGHT
    none = np.zeros(0, np.bool_)
    without_false = replace(ledger, kept=ledger.hit).ap50(class_count)
    without_lost = replace(ledger, asked=~lost).ap50(class_count)
    return (
        _worth(FALSE_FOUND, false, none, without_false - base),
        _worth(FALSE_MISSED, none, lost, without_lost - base),
    )


def _ledger(pairs: Sequence[FramePairs], errors: Sequence[FrameErrors]) -> _Ledger:
    first_label = np.cumsum([0, *(len(frame.truth) for frame in pairs)]).tolist()
    targets = [
        np.where(item.target == NOTHING, NOTHING, item.target + first)
        for item, first in zip(errors, first_label, strict=False)
    ]
    kind = _joined([item.found for item in errors])
    scores = np.concatenate([np.zeros(0), *(frame.found.scores for frame in pairs)])
    order = np.argsort(-scores, kind="stable")
    order = order[kind[order] != ErrorKind.IGNORED]
    truth_kind = _joined([item.truth for item in errors])
    return _Ledger(
        _joined([frame.found.labels for frame in pairs])[order],
        kind[order] == ErrorKind.RIGHT,
        np.ones(len(order), np.bool_),
        kind[order],
        _joined(targets)[order],
        _joined([frame.truth.labels for frame in pairs]),
        truth_kind,
        np.ones(len(truth_kind), np.bool_),
    )


def _joined(parts: Sequence[Int64[np.ndarray, " _k"]]) -> Int64[np.ndarray, " n"]:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _fixed(ledger: _Ledger, kind: ErrorKind) -> _Ledger:
    """The ledger as it would be without errors of one kind."""
    wrong = ledger.kind == kind
    asked = ~((ledger.truth_kind == kind) & (kind in (ErrorKind.MISSED, ErrorKind.SEAM)))
    if kind not in FIXABLE:
        return replace(ledger, kept=~wrong, asked=asked)
    right = wrong & _best_on_free_label(ledger)
    asked[ledger.target[right]] = True
    label = ledger.label.copy()
    label[right] = ledger.truth_label[ledger.target[right]]
    return replace(ledger, label=label, hit=ledger.hit | right, kept=~wrong | right, asked=asked)


def _best_on_free_label(ledger: _Ledger) -> Bool[np.ndarray, " found"]:
    """Of the detections that could be put right the best one on each label that none has found."""
    rows = np.flatnonzero(np.isin(ledger.kind, FIXABLE))
    rows = rows[ledger.truth_kind[ledger.target[rows]] != ErrorKind.RIGHT]
    _, first = np.unique(ledger.target[rows], return_index=True)
    best = np.zeros(len(ledger.kind), np.bool_)
    best[rows[first]] = True
    return best
