"""What kind of error each false detection and each missed label is, and what each kind costs.

Pairs of frames come in; a FrameErrors a frame goes out. Kinds are those of TIDE (Bolya et al.,
2020, section 2.2) at its thresholds, tried in its order: localisation (the right class, IoU .1 to
.5), class (IoU .5 with another class), duplicate, background (IoU under .1 with everything), both
(what is left); a label that nothing found and no such error explains is missed.

One kind is ours and comes before them: seam. A detection that lies in a label of its class, which
goes on beyond one of its sides, was cut there: by a view's border where those are known, else if
the side is straight; a box that ends too early can look the same, so that is a suspicion.

What a kind costs is the average precision that would be gained without it, a KindWorth: TIDE's
oracles (Bolya et al., 2020, section 2.3) at IoU .5, mean over classes. Class and localisation
errors are corrected if their ground truth is unmatched and they are its best-scoring candidate;
otherwise the detection is removed, as for background, both and duplicate; missed labels are removed
from the ground truth. Seam errors are corrected like localisation errors, and their labels that no
detection explains are removed. A class without any label left has an AP of 0. The gains do not add
up: errors hide each other.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float64, Int64

from tinyseg.scoring.curves import curve_of
from tinyseg.scoring.matches import NOTHING, gather, match
from tinyseg.scoring.pairs import FramePairs

FOUND_IOU, BACKGROUND_IOU = 0.5, 0.1


class ErrorKind(IntEnum):
    """What a detection or a label is; RIGHT and IGNORED are no errors."""

    RIGHT = 0
    IGNORED = 1
    MISSED = 2
    BACKGROUND = 3
    LOCALISATION = 4
    CLASS = 5
    BOTH = 6
    DUPLICATE = 7
    SEAM = 8

    @property
    def title(self) -> str:
        """Its name in tables and files."""
        return self.name.lower()


ERRORS = tuple(kind for kind in ErrorKind if kind > ErrorKind.IGNORED)
"""The kinds that are errors."""

FIXABLE = (ErrorKind.LOCALISATION, ErrorKind.CLASS, ErrorKind.SEAM)
"""The kinds of detections that explain why a label is not found: put right, they would find it."""

Rects = Float64[np.ndarray, "views 4"]


@dataclass(frozen=True, slots=True)
class SeamRules:
    """When a detection counts as cut off at a side.

    It lies in the label by at least `inside`, which goes on for `beyond` of its own extent and
    `beyond_px`, and the side is as long as `across` of the label's. The side is straight by the
    share `straight` of its length, which is at least `side_px`, or within `border_px` of a view's
    border.
    """

    inside: float = 0.7
    across: float = 0.5
    beyond: float = 0.15
    beyond_px: float = 3.0
    straight: float = 0.8
    side_px: float = 6.0
    border_px: float = 2.0


SEAMS = SeamRules()


@dataclass(frozen=True, slots=True)
class FrameErrors:
    """One frame's verdicts, rows as in its pairs.

    `found` and `truth` hold Kinds. `target` is the label that a detection is held against, for a
    duplicate the one that was found before; `taker` the detection that found a label, or that
    explains why it is not found; NOTHING where there is none.
    """

    name: str
    found: Int64[np.ndarray, " found"]
    target: Int64[np.ndarray, " found"]
    truth: Int64[np.ndarray, " truth"]
    taker: Int64[np.ndarray, " truth"]


def find_errors(
    pairs: Sequence[FramePairs],
    class_count: int,
    *,
    views: Mapping[str, Rects] | None = None,
    max_detections: int = 300,
) -> list[FrameErrors]:
    """The errors of every frame at IoU .5.

    `views` are the rectangles, in frame pixels, that were looked at on a frame, by its name. On a
    frame without them seams are told by straight sides, if its pairs have shapes.
    """
    matched = _match(pairs, class_count, max_detections)
    return [
        _judge_frame(frame, taken, ignored, (views or {}).get(frame.name))
        for frame, (taken, ignored) in zip(pairs, matched, strict=True)
    ]


_Matched = tuple[Int64[np.ndarray, " found"], Bool[np.ndarray, " found"]]


def _match(pairs: Sequence[FramePairs], class_count: int, most: int) -> list[_Matched]:
    """The label that each detection found at IoU .5, or NOTHING, and which are not judged."""
    out = [(np.full(len(f.found), NOTHING), np.zeros(len(f.found), np.bool_)) for f in pairs]
    for label in range(class_count):
        pool = gather(pairs, label, max_detections=most)
        matches = match(pool)
        own = pool.found.row[matches.row]
        theirs = np.append(pool.truth.row, NOTHING)[matches.label_row[0]]
        for frame, row, other, ignored in zip(
            matches.frame.tolist(), own.tolist(), theirs.tolist(), matches.ignored[0], strict=True
        ):
            out[frame][0][row] = other
            out[frame][1][row] = ignored
    return out


def _judge_frame(
    frame: FramePairs,
    taken: Int64[np.ndarray, " found"],
    ignored: Bool[np.ndarray, " found"],
    views: Rects | None,
) -> FrameErrors:
    same = frame.found.labels[:, None] == frame.truth.labels[None, :]
    kinds, target = _kinds(frame, same)
    cut, cut_label = _cut(frame, same, views)
    kinds[cut], target[cut] = ErrorKind.SEAM, cut_label[cut]
    right = taken != NOTHING
    kinds[right], target[right] = ErrorKind.RIGHT, taken[right]
    kinds[ignored] = ErrorKind.IGNORED
    target[ignored] = NOTHING
    # What each label is, and the best detection that found it or explains why it is not found
    truth = np.full(len(frame.truth), int(ErrorKind.MISSED))
    taker = np.full(len(frame.truth), NOTHING)
    for some in (FIXABLE, (ErrorKind.RIGHT,)):
        rows = np.flatnonzero(np.isin(kinds, some))[::-1]
        truth[target[rows]] = kinds[rows]
        taker[target[rows]] = rows
    if views is not None:
        whole = _in_view(frame.truth.boxes, views).any(axis=1)
        truth[(truth == ErrorKind.MISSED) & ~whole] = ErrorKind.SEAM
    return FrameErrors(frame.name, kinds, target, truth, taker)


def _kinds(
    frame: FramePairs, same: Bool[np.ndarray, "found truth"]
) -> tuple[Int64[np.ndarray, " found"], Int64[np.ndarray, " found"]]:
    """What each detection is if it is false, and the label that says so."""
    kinds = np.full(len(frame.found), int(ErrorKind.BACKGROUND))
    target = np.full(len(frame.found), NOTHING)
    if not frame.iou.size:
        return kinds, target
    (own, own_label), (other, other_label), (any_class, label) = (
        (table.max(axis=1), table.argmax(axis=1))
        for table in (np.where(same, frame.iou, 0), np.where(same, 0, frame.iou), frame.iou)
    )
    # The first rule that holds has the last word.
    for kind, holds, labels in (
        (ErrorKind.BOTH, any_class > BACKGROUND_IOU, label),
        (ErrorKind.DUPLICATE, own >= FOUND_IOU, own_label),
        (ErrorKind.CLASS, other >= FOUND_IOU, other_label),
        (ErrorKind.LOCALISATION, (own >= BACKGROUND_IOU) & (own <= FOUND_IOU), own_label),
    ):
        kinds[holds], target[holds] = kind, labels[holds]
    return kinds, target


def _cut(
    frame: FramePairs, same: Bool[np.ndarray, "found truth"], views: Rects | None
) -> tuple[Bool[np.ndarray, " found"], Int64[np.ndarray, " found"]]:
    """Which detections are a label's part, cut off at a side, and the label."""
    if not frame.iou.size:
        return np.zeros(len(frame.found), np.bool_), np.full(len(frame.found), NOTHING)
    areas = frame.found.areas[:, None] + frame.truth.areas[None, :]
    shared = frame.iou * areas / (1 + frame.iou)
    inside = np.where(same, shared / frame.found.areas[:, None], 0)
    label = inside.argmax(axis=1)
    boxes, around = frame.found.boxes, frame.truth.boxes[label]
    # How far the label goes on beyond each side: left, top, right, bottom.
    beyond = (boxes - around) * np.array([1, 1, -1, -1])
    extent = np.tile(around[:, 2:] - around[:, :2], (1, 2))
    goes_on = beyond >= np.maximum(SEAMS.beyond * extent, SEAMS.beyond_px)
    goes_on &= _side_lengths(boxes) >= SEAMS.across * _side_lengths(around)
    if views is not None:  # along the same side of a view that the box is in
        near = np.abs(boxes[:, None] - views[None]) <= SEAMS.border_px
        goes_on &= (near & _in_view(boxes, views)[..., None]).any(axis=1)
    elif frame.shapes is not None:  # a straight side
        long = _side_lengths(boxes) >= SEAMS.side_px
        goes_on &= (frame.shapes.straight >= SEAMS.straight) & long
    else:
        goes_on[:] = False
    return goes_on.any(axis=1) & (inside.max(axis=1) >= SEAMS.inside), label


def _side_lengths(boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 4"]:
    """Lengths of each box's sides: left, top, right, bottom."""
    return np.tile((boxes[:, 2:] - boxes[:, :2])[:, ::-1], (1, 2))


def _in_view(boxes: Float64[np.ndarray, "n 4"], views: Rects) -> Bool[np.ndarray, "n views"]:
    low = boxes[:, None, :2] >= views[None, :, :2] - SEAMS.border_px
    high = boxes[:, None, 2:] <= views[None, :, 2:] + SEAMS.border_px
    return np.asarray((low & high).all(axis=2))


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
    false, lost = ~ledger.hit, ledger.truth_kind != ErrorKind.RIGHT
    none = np.zeros(0, np.bool_)
    without_false = replace(ledger, kept=ledger.hit).ap50(class_count)
    without_lost = replace(ledger, asked=~lost).ap50(class_count)
    return (
        *rows,
        _worth(FALSE_FOUND, false, none, without_false - base),
        _worth(FALSE_MISSED, none, lost, without_lost - base),
    )


def _worth(
    name: str, found: Bool[np.ndarray, " found"], truth: Bool[np.ndarray, " truth"], gain: float
) -> KindWorth:
    return KindWorth(name, int(np.count_nonzero(found)), int(np.count_nonzero(truth)), gain)


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
    # Of the detections that could be put right the best one on each label that none has found
    rows = np.flatnonzero(np.isin(ledger.kind, FIXABLE))
    rows = rows[ledger.truth_kind[ledger.target[rows]] != ErrorKind.RIGHT]
    _, first = np.unique(ledger.target[rows], return_index=True)
    best = np.zeros(len(ledger.kind), np.bool_)
    best[rows[first]] = True
    right = wrong & best
    asked[ledger.target[right]] = True
    label = ledger.label.copy()
    label[right] = ledger.truth_label[ledger.target[right]]
    return replace(ledger, label=label, hit=ledger.hit | right, kept=~wrong | right, asked=asked)
