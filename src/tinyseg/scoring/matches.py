"""COCO's greedy matching over many frames: which detections are right, at each IoU.

A Pool holds the detections and labels of one class (or of all, taken as one) of all frames in flat
arrays, with the pairs of IoU .5 and above; `match` decides for one range of areas and rows who is
a true positive at each IoU. Average precision (`curves`) needs no more than that.

The rules are pycocotools' own, ties included (Lin et al., Microsoft COCO, 2014): best score first;
a detection takes the free label of the highest IoU, one that counts before one that does not; a
detection that takes a label that does not count, lies on the ignore region by that share of itself,
or takes nothing and is itself outside the range, is not judged.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Real

from tinyseg.errors import PredictionsError
from tinyseg.scoring.pairs import FramePairs, Sides, which_of_class

IOUS = np.linspace(0.5, 0.95, 10)
"""The IoU thresholds .50:.05:.95."""

NOTHING = -1
"""In place of a label's row where a detection takes none."""

_ALMOST_ONE = 1 - 1e-10


@dataclass(frozen=True, slots=True)
class Within:
    """Which instances count: mask areas in pixels, both ends included as COCO does, and rows.

    A row is that of the box's centre as a share of the frame's height, from `rows_frac[0]` up to
    but without `rows_frac[1]`.
    """

    area: tuple[float, float] = (0.0, 1e10)
    rows_frac: tuple[float, float] = (-math.inf, math.inf)

    def holds(
        self, areas: Real[np.ndarray, " n"], rows_frac: Float64[np.ndarray, " n"]
    ) -> Bool[np.ndarray, " n"]:
        """Which of these areas and rows lie within."""
        low, high = self.area
        top, bottom = self.rows_frac
        large = (areas >= low) & (areas <= high)
        return np.asarray(large & (rows_frac >= top) & (rows_frac < bottom))


EVERYTHING = Within()


@dataclass(frozen=True, slots=True)
class Members:
    """One side of a Pool, frame after frame: where each row comes from, and what ranges ask for.

    `row` is the row in the frame's Sides; `frame` counts the frames from 0.
    """

    frame: Int64[np.ndarray, " n"]
    row: Int64[np.ndarray, " n"]
    areas: Real[np.ndarray, " n"]
    rows_frac: Float64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, slots=True)
class CandidatePairs:
    """The pairs of a Pool of IoU .5 and above: rows of its two sides, ordered by detection."""

    found: Int64[np.ndarray, " k"]
    truth: Int64[np.ndarray, " k"]
    iou: Float64[np.ndarray, " k"]


@dataclass(frozen=True, slots=True)
class Pool:
    """Detections and labels of one class over `frames` frames; detections of a frame best first.

    `order` is the order of `found` by score over all frames, equal ones as the frames come.
    """

    frames: int
    truth: Members
    found: Members
    scores: Float64[np.ndarray, " found"]
    on_ignore: Float64[np.ndarray, " found"]
    candidates: CandidatePairs
    order: Int64[np.ndarray, " found"]


@dataclass(frozen=True, slots=True)
class Matches:
    """The detections of a Pool, best first, and what became of them at each of the IOUS.

    `row` and `label_row` are rows of the Pool's `found` and `truth`, the latter NOTHING where no
    label was taken; `ignored` is neither true nor false. `instances` counts a frame's labels that
    are to be found.
    """

    frame: Int64[np.ndarray, " n"]
    score: Float64[np.ndarray, " n"]
    row: Int64[np.ndarray, " n"]
    true_positive: Bool[np.ndarray, "ious n"]
    ignored: Bool[np.ndarray, "ious n"]
    label_row: Int64[np.ndarray, "ious n"]
    instances: Int64[np.ndarray, " frames"]


def gather(
    pairs: Sequence[FramePairs], label: int | None = None, *, max_detections: int = 300
) -> Pool:
    """The detections and labels of one class of all frames; without a `label`, of all as one.

    Up to `max_detections`, best first, count on a frame.
    """
    if max_detections < 1:
        raise PredictionsError("max_detections is at least 1", got=max_detections)
    truth_rows = [np.flatnonzero(which_of_class(f.truth, label)) for f in pairs]
    found_rows = [np.flatnonzero(which_of_class(f.found, label))[:max_detections] for f in pairs]
    scores = _joined(f.found.scores[rows] for f, rows in zip(pairs, found_rows, strict=True))
    return Pool(
        len(pairs),
        _members([f.truth for f in pairs], [f.hw for f in pairs], truth_rows),
        _members([f.found for f in pairs], [f.hw for f in pairs], found_rows),
        scores,
        _joined(f.on_ignore[rows] for f, rows in zip(pairs, found_rows, strict=True)),
        _candidates(pairs, found_rows, truth_rows),
        np.argsort(-scores, kind="stable"),
    )


def _joined(parts: Iterable[Float64[np.ndarray, " _k"]]) -> Float64[np.ndarray, " n"]:
    return np.concatenate([np.zeros(0), *parts])


def _members(
    sides: Sequence[Sides],
    sizes_hw: Sequence[tuple[int, int]],
    rows: Sequence[Int64[np.ndarray, " _k"]],
) -> Members:
    nothing = np.zeros(0, np.int64)
    counts = [len(r) for r in rows]
    areas = [side.areas[r] for side, r in zip(sides, rows, strict=True)]
    centres = [
        side.boxes[r][:, 1::2].sum(axis=1) / (2 * height)
        for side, r, (height, _) in zip(sides, rows, sizes_hw, strict=True)
    ]
    frame = np.repeat(np.arange(len(rows)), counts)
    return Members(
        frame,
        np.concatenate([nothing, *rows]),
        np.concatenate([nothing, *areas]),
        _joined(centres),
    )


def _candidates(
    pairs: Sequence[FramePairs],
    found_rows: Sequence[Int64[np.ndarray, " _k"]],
    truth_rows: Sequence[Int64[np.ndarray, " _m"]],
) -> CandidatePairs:
    found, truth, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    first_found = first_truth = 0
    for frame, own, theirs in zip(pairs, found_rows, truth_rows, strict=True):
        iou = frame.iou[np.ix_(own, theirs)]
        rows, columns = np.nonzero(iou >= IOUS[0])
        found.append(rows + first_found)
        truth.append(columns + first_truth)
        values.append(iou[rows, columns])
        first_found += len(own)
        first_truth += len(theirs)
    return CandidatePairs(np.concatenate(found), np.concatenate(truth), np.concatenate(values))


def match(pool: Pool, within: Within = EVERYTHING) -> Matches:
    """Who found what, at each of the IOUS, when the labels `within` are those to be found."""
    judged = within.holds(pool.truth.areas, pool.truth.rows_frac)
    pairs = pool.candidates
    taken = np.full((len(IOUS), len(pool.found)), NOTHING)
    crossed = _crossed(pairs, len(pool.found), len(pool.truth))
    plain = np.flatnonzero(~crossed)
    _take_first(pool, judged, plain[np.argsort(pairs.truth[plain], kind="stable")], taken)
    _take_in_turn(pool, judged, np.flatnonzero(crossed), taken)
    hit = taken != NOTHING
    # The entry that NOTHING points at is never looked at.
    true_positive = hit & np.append(judged, False)[taken]
    outside = ~within.holds(pool.found.areas, pool.found.rows_frac)
    covered = pool.on_ignore >= np.minimum(IOUS, _ALMOST_ONE)[:, None]
    ignored = ~true_positive & (hit | covered | outside)
    order = pool.order
    return Matches(
        pool.found.frame[order],
        pool.scores[order],
        order,
        true_positive[:, order],
        ignored[:, order],
        taken[:, order],
        np.bincount(pool.truth.frame[judged], minlength=pool.frames),
    )


def _crossed(pairs: CandidatePairs, found: int, truth: int) -> Bool[np.ndarray, " k"]:
    """The pairs that a detection with a choice of labels has a part in, however many steps away.

    Masks that do not overlap cannot both have an IoU above .5 with a detection, so there are few.
    """
    crossed = np.bincount(pairs.found, minlength=found)[pairs.found] > 1
    count = -1
    while count != (count := int(np.count_nonzero(crossed))):
        labels, detections = np.zeros(truth, np.bool_), np.zeros(found, np.bool_)
        labels[pairs.truth[crossed]] = True
        detections[pairs.found[labels[pairs.truth]]] = True
        crossed = detections[pairs.found]
    return crossed


def _take_first(
    pool: Pool,
    judged: Bool[np.ndarray, " truth"],
    rows: Int64[np.ndarray, " k"],
    taken: Int64[np.ndarray, "ious found"],
) -> None:
    """Candidates by label and score, each detection with one: the first that may takes it."""
    if not len(rows):
        return
    found, truth = pool.candidates.found[rows], pool.candidates.truth[rows]
    iou, ignore = pool.candidates.iou[rows], pool.on_ignore[found]
    starts = np.flatnonzero(np.diff(truth, prepend=-1))
    place = np.arange(len(rows))
    for level, threshold in enumerate(np.minimum(IOUS, _ALMOST_ONE).tolist()):
        rather_ignored = ~judged[truth] & (ignore >= np.maximum(threshold, iou))
        may = (iou >= threshold) & ~rather_ignored
        first = np.minimum.reduceat(np.where(may, place, len(rows)), starts)
        winners = first[first < len(rows)]
        taken[level, found[winners]] = truth[winners]


def _take_in_turn(
    pool: Pool,
    judged: Bool[np.ndarray, " truth"],
    rows: Int64[np.ndarray, " k"],
    taken: Int64[np.ndarray, "ious found"],
) -> None:
    """Candidates ordered by detection: each detection in turn takes the best that is left."""
    if not len(rows):
        return
    found = pool.candidates.found[rows]
    starts = np.flatnonzero(np.diff(found, prepend=-1))
    free = np.ones((len(IOUS), len(pool.truth)), np.bool_)
    for own in np.split(rows, starts[1:]):
        detection = int(pool.candidates.found[own[0]])
        labels, iou = pool.candidates.truth[own], pool.candidates.iou[own]
        choice = _choose(free[:, labels], iou, judged[labels], pool.on_ignore[detection].item())
        for level in np.flatnonzero(choice != NOTHING).tolist():
            label = labels[choice[level]]
            free[level, label] = False
            taken[level, detection] = label


def _choose(
    free: Bool[np.ndarray, "ious k"],
    iou: Float64[np.ndarray, " k"],
    judged: Bool[np.ndarray, " k"],
    on_ignore: float,
) -> Int64[np.ndarray, " ious"]:
    """Which of k labels a detection takes at each IoU: those that count first, ties to the last."""
    thresholds = np.minimum(IOUS, _ALMOST_ONE)
    may = free & (iou >= thresholds[:, None])
    counting = may & judged
    # The ignore region stands for one more label that does not count, the last of all.
    barred = (on_ignore >= thresholds)[:, None] & (iou <= on_ignore)
    others = may & ~judged & ~barred & ~counting.any(axis=1)[:, None]
    values = np.where(counting | others, iou, -1.0)
    last_best = len(iou) - 1 - values[:, ::-1].argmax(axis=1)
    return np.where(values.max(axis=1) >= 0, last_best, NOTHING)
