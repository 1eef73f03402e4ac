"""Frames that are paired -> what their scores follow from, so small that a million frames fit.

In: FramePairs of some frames, and the place of each in the data set. Out: Tallies, which add up:
those of all shards together give the scores that all frames at once give, to the last digit,
whatever the order. A detection is matched within its frame alone; across frames its score counts,
and ten bits in each range of areas. That is 64 bytes a detection, by class and as one class.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64, UInt16

from tinyseg.scoring.curves import curve_of
from tinyseg.scoring.matches import IOUS, Within, gather, match
from tinyseg.scoring.pairs import FramePairs

AREA_RANGES = {
    "all": (0.0, 1e10),
    "tiny": (0.0, 16.0**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Mask areas in pixels, both ends included, as COCO does: 32 x 32 is small and medium."""


@dataclass(frozen=True, slots=True)
class ClassTally:
    """Detections of one class, or of all as one, best first; of labels those to be found.

    `frame` is the place of a detection's frame in the data set. Bit k of `hits` and `ignored` says
    whether it is a true positive, or is not judged, at IOUS[k], in each of AREA_RANGES.
    """

    frame: Int32[np.ndarray, " n"]
    scores: Float64[np.ndarray, " n"]
    hits: UInt16[np.ndarray, "ranges n"]
    ignored: UInt16[np.ndarray, "ranges n"]
    instances: Int64[np.ndarray, " ranges"]

    @staticmethod
    def of(
        pairs: Sequence[FramePairs],
        places: Int32[np.ndarray, " frames"],
        label: int | None,
        max_detections: int,
    ) -> "ClassTally":
        """The tally of one class, or of all as one, on these frames."""
        pool = gather(pairs, label, max_detections=max_detections)
        ranges = [match(pool, Within(limits)) for limits in AREA_RANGES.values()]
        return ClassTally(
            places[ranges[0].frame],
            ranges[0].score,
            np.stack([_to_bits(one.true_positive) for one in ranges]),
            np.stack([_to_bits(one.ignored) for one in ranges]),
            np.array([one.instances.sum() for one in ranges], np.int64),
        )

    @staticmethod
    def joined(parts: Sequence["ClassTally"]) -> "ClassTally":
        """The tally of all their frames: equal scores stand as their frames in the data set."""
        frame = np.concatenate([one.frame for one in parts])
        scores = np.concatenate([one.scores for one in parts])
        order = np.lexsort((frame, -scores))
        return ClassTally(
            frame[order],
            scores[order],
            np.concatenate([one.hits for one in parts], axis=1)[:, order],
            np.concatenate([one.ignored for one in parts], axis=1)[:, order],
            np.sum([one.instances for one in parts], axis=0),
        )

    def average_precision(self, which: int) -> Float64[np.ndarray, " ious"]:
        """In one of AREA_RANGES, at each of the IOUS; nan where nothing is to be found."""
        instances = int(self.instances[which])
        if not instances:
            return np.full(len(IOUS), np.nan)
        levels = zip(_of_bits(self.hits[which]), _of_bits(self.ignored[which]), strict=True)
        curves = [curve_of(hit[~ignored], instances) for hit, ignored in levels]
        return np.asarray(np.stack(curves).mean(axis=1))


def _to_bits(levels: Bool[np.ndarray, "ious n"]) -> UInt16[np.ndarray, " n"]:
    bits = np.zeros(levels.shape[1], np.uint16)
    for level, row in enumerate(levels):
        bits |= row.astype(np.uint16) << np.uint16(level)
    return bits


def _of_bits(bits: UInt16[np.ndarray, " n"]) -> Iterable[Bool[np.ndarray, " n"]]:
    return ((bits >> np.uint16(level)) & np.uint16(1) == 1 for level in range(len(IOUS)))


@dataclass(frozen=True, slots=True)
class Remainder:
    """How many frames and detections there are, and what of both sides is not judged.

    `missing` frames are not in the predictions; `no_mask_labels` and `no_mask_found` are boxes
    alone, where masks are judged; `unlabelled` are detections of classes that their frame's data
    set does not label; `beyond`, on `frames_beyond`, come after the most that count of a class.
    """

    frames: int = 0
    missing: int = 0
    detections: int = 0
    unknown_class: int = 0
    unlabelled: int = 0
    no_mask_labels: int = 0
    no_mask_found: int = 0
    beyond: int = 0
    frames_beyond: int = 0

    @staticmethod
    def of(pairs: Sequence[FramePairs]) -> "Remainder":
        """That of these frames."""
        return Remainder(
            len(pairs),
            sum(one.missing for one in pairs),
            sum(len(one.found) + one.beyond for one in pairs),
            sum(one.unknown_class for one in pairs),
            sum(one.unlabelled for one in pairs),
            sum(one.no_mask[0] for one in pairs),
            sum(one.no_mask[1] for one in pairs),
            sum(one.beyond for one in pairs),
            sum(one.beyond > 0 for one in pairs),
        )

    @staticmethod
    def sum(parts: Sequence["Remainder"]) -> "Remainder":
        """That of all their frames."""
        return Remainder(*(sum(column) for column in zip(*map(astuple, parts), strict=True)))


@dataclass(frozen=True, slots=True)
class Tally:
    """What the scores of some frames follow from; see `scores_of` in score.py."""

    by_class: tuple[ClassTally, ...]
    any_class: ClassTally
    remainder: Remainder

    @staticmethod
    def of(
        pairs: Sequence[FramePairs],
        classes: int,
        *,
        places: Sequence[int] | None = None,
        max_detections: int = 300,
    ) -> "Tally":
        """The tally of these frames, whose `places` in the data set are theirs here if nothing is
        said."""
        own = np.arange(len(pairs)) if places is None else np.array(places)
        tallies = [
            ClassTally.of(pairs, own.astype(np.int32), label, max_detections)
            for label in [*range(classes), None]
        ]
        return Tally(tuple(tallies[:-1]), tallies[-1], Remainder.of(pairs))

    @staticmethod
    def joined(parts: Sequence["Tally"]) -> "Tally":
        """The tally of all their frames; no frame is in two of them."""
        return Tally(
            tuple(ClassTally.joined(one) for one in zip(*(p.by_class for p in parts), strict=True)),
            ClassTally.joined([part.any_class for part in parts]),
            Remainder.sum([part.remainder for part in parts]),
        )
