"""Detections, best first -> precision at each recall, for all frames or for samples of them.

A sample says how often each frame counts, so frames drawn anew need no matching anew. Precision
only falls while false ones follow each other and only rises while true ones do, so counts are
needed where a run of true ones ends, and nowhere else. Of the detections + - + + - (3 labels):

    ends of runs       1      4
    true up to there   1      3
    of so many         1      4
    precision        1.00   .75
    recall up to     1/3     1        precision at a recall: the best of any end that reaches it

(Everingham et al., The Pascal visual object classes challenge, 2010, section 4.2; COCO reads it at
101 recalls.)
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from tinyseg.scoring.matches import Matches

RECALLS = np.linspace(0.0, 1.0, 101)
"""The recalls at which precision is read."""

_BLOCK_SUMS = 2**19
"""So many detections times samples are counted at once: more do not stay in a core's cache."""


def precision_curves(
    matches: Matches, frame_weights: Int64[np.ndarray, " frames"] | None = None
) -> Float64[np.ndarray, "ious recalls"]:
    """Precision at each of the IOUS and RECALLS, made to fall; nan where nothing is to be found.

    `frame_weights` says how often each frame counts: a bootstrap's sample.
    """
    weights = np.ones(len(matches.instances), np.int64) if frame_weights is None else frame_weights
    return np.stack([rows[0] for rows in _curves(matches, weights[None])])


def average_precision(
    matches: Matches, frame_weights: Int64[np.ndarray, " frames"] | None = None
) -> Float64[np.ndarray, " ious"]:
    """Average precision at each of the IOUS; nan where nothing is to be found."""
    return np.asarray(precision_curves(matches, frame_weights).mean(axis=1))


def resampled_precision(
    matches: Matches, weights: Int64[np.ndarray, "samples frames"]
) -> Float64[np.ndarray, "samples ious"]:
    """What `average_precision` gives for each row of weights, many rows at a time."""
    return np.stack([rows.mean(axis=1) for rows in _curves(matches, weights)], axis=1)


def curve_of(
    true_positive: Bool[np.ndarray, " n"], instances: int
) -> Float64[np.ndarray, " recalls"]:
    """The precision curve of detections, best first, all of them judged, of `instances` labels."""
    judged = np.flatnonzero(true_positive) + 1
    return _curve(np.arange(1, len(judged) + 1), judged, _needed(np.array([instances]))[0])


def _curves(
    matches: Matches, weights: Int64[np.ndarray, "samples frames"]
) -> Iterator[Float64[np.ndarray, "samples recalls"]]:
    """The curves of every sample, one IoU after the other."""
    instances = weights @ matches.instances
    needed, nothing = _needed(instances), instances == 0
    block = max(8, _BLOCK_SUMS // max(1, len(matches.frame)))
    blocks = [weights[i : i + block].astype(np.int32) for i in range(0, len(weights), block)]
    for hit, ignored in zip(matches.true_positive, matches.ignored, strict=True):
        curves = np.zeros((len(weights), len(RECALLS)))
        if hit.any():
            # Judged detections and true ones: how many up to the end of each run of true ones
            frame, true = matches.frame[~ignored], hit[~ignored]
            ends = np.flatnonzero(true & ~np.append(true[1:], False)) + 1
            frame, true = frame[: ends[-1]], true[: ends[-1]]
            sides = ((frame[true], np.cumsum(true)[ends - 1]), (frame, ends))
            counts = (pair for some in blocks for pair in zip(*_counted(some, sides), strict=True))
            for sample, (found, judged) in enumerate(counts):
                curves[sample] = _curve(found, judged, needed[sample])
        curves[nothing] = np.nan
        yield curves


def _counted(
    weights: Int32[np.ndarray, "samples frames"],
    sides: Sequence[tuple[Int64[np.ndarray, " _n"], Int64[np.ndarray, " runs"]]],
) -> Iterator[Int32[np.ndarray, "samples runs"]]:
    """Of each side's detections, of these frames, how many there are in each sample up to ends."""
    for frames, ends in sides:
        sums = np.cumsum(np.take(weights, frames, axis=1), axis=1, dtype=np.int32)
        yield sums[:, ends - 1]


def _needed(instances: Int64[np.ndarray, " samples"]) -> Int64[np.ndarray, "samples recalls"]:
    """The fewest true positives that reach each recall, as floating-point division decides it."""
    total = np.maximum(instances, 1)[:, None].astype(np.float64)
    count = np.ceil(RECALLS * total)
    count -= (count > 0) & ((count - 1) / total >= RECALLS)
    count += count / total < RECALLS
    return count.astype(np.int64)


def _curve(true: np.ndarray, judged: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """Precision at each recall: the best at any end that has found at least as much.

    Counts of true and of judged detections up to each end of a run, and how many true ones each
    recall needs. Called for each sample: shapes are not spelt out, since tests check those a call.
    """
    out = np.zeros(len(needed))
    reached = np.searchsorted(true, needed.astype(true.dtype))
    reached = reached[: np.searchsorted(reached, len(true))]
    if len(reached):
        best = np.maximum.reduceat(true / np.maximum(judged, 1), reached)
        out[: len(reached)] = np.maximum.accumulate(best[::-1])[::-1]
    return out
