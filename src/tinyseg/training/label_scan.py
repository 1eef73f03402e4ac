"""What the labels of a run's frames say in sum: which frame has which class, sizes by rows, prior;
and whether there is anything to learn.

In: the items of a data set, read once, and a JSON file beside the run that keeps the result. Out:
LabelScan; from it the repeat factors of frames and the row of the horizon; and the location prior
of the frames whose names tell their cameras. A file of other frames or classes, or a damaged one,
is not used: the labels are read again.

Repeat factors are those of Gupta et al. 2019 (LVIS), appendix: r(c) = max(1, sqrt(t / f(c))) with
f(c) the share of frames that have class c, and r(frame) = max over its classes of r(c).

A Census is what there is to learn, counted before the first step: a typo costs a minute then, not a
night. Of a large data set it is counted on frames spread evenly over it. Refused: data sets without
a single instance of the run's classes.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from jaxtyping import Float64, Int64
from pydantic import BaseModel, ConfigDict, ValidationError

from tinyseg.data import Item
from tinyseg.errors import DataError, TinysegError, TrainingError
from tinyseg.files import make_folder, write_whole
from tinyseg.frame import FrameLabels
from tinyseg.views import LocationPrior, camera_of, learn_prior, prior_from_json, prior_to_json

SCAN_NAME = "labels.json"
"""The file in a run's folder."""

HORIZONS = np.arange(0.2, 0.8, 0.005)
"""Rows that are tried for the horizon, as shares of the frame's height."""

LARGEST_SPREAD = 0.4
"""Sizes must follow their distance to the horizon within a factor of exp(0.4) in the mean; pictures
of no fixed camera (COCO: .63) have no horizon, a driving camera (WAD: .33, Cityscapes: .24) has."""

FEWEST_OBJECTS = 20

PRIOR_FRAMES = 300
"""A run that does not read all labels reads this many for the prior."""


@dataclass(frozen=True, slots=True)
class LabelScan:
    """The labelled objects of `frames` frames: frame index, class, and upper and lower edge as
    shares of the frame's height; and where they stand, if the frames' names tell their cameras."""

    frames: int
    frame: Int64[np.ndarray, " n"]
    labels: Int64[np.ndarray, " n"]
    tops: Float64[np.ndarray, " n"]
    bottoms: Float64[np.ndarray, " n"]
    prior: LocationPrior | None = None

    def part(self, first: int, last: int) -> "LabelScan":
        """Only frames first ... last - 1, which count from 0 in the result; without the prior."""
        own = (self.frame >= first) & (self.frame < last)
        parts = self.labels[own], self.tops[own], self.bottoms[own]
        return LabelScan(last - first, self.frame[own] - first, *parts)


def repeat_factors(scan: LabelScan, *, threshold: float) -> Float64[np.ndarray, " frames"]:
    """How often each frame comes in an epoch, in the mean; 1 for frames without a rare class."""
    factors = np.ones(scan.frames)
    if len(scan.labels) == 0:
        return factors
    pairs = np.unique(np.stack([scan.frame, scan.labels], axis=1), axis=0)
    frequency = np.bincount(pairs[:, 1]) / scan.frames
    of_class = np.sqrt(threshold / np.maximum(frequency, 1e-12))
    np.maximum.at(factors, pairs[:, 0], of_class[pairs[:, 1]])
    return factors


def fit_horizon(scan: LabelScan) -> float | None:
    """Row of the horizon as a share of the frame's height; None where sizes do not follow one.

    On a plane, seen by a level camera, an object of height H has h = k (bottom - horizon) pixels
    with k = H / camera height. The row that makes h / (bottom - horizon) most alike within each
    class is taken; an object that stands above it counts as one off by a factor of e.
    """
    if len(scan.labels) < FEWEST_OBJECTS:
        return None
    spreads = np.array([_spread(scan, float(row)) for row in HORIZONS])
    best = int(spreads.argmin())
    return float(HORIZONS[best]) if spreads[best] <= LARGEST_SPREAD else None


def _spread(scan: LabelScan, horizon: float) -> float:
    """Mean over objects of |log(h / distance) - its class's median|, at most 1 each."""
    distance = scan.bottoms - horizon
    off = np.ones(len(distance))
    standing = distance > 0.002
    for label in np.unique(scan.labels):
        own = np.flatnonzero(standing & (scan.labels == label))
        if len(own) > 2:
            heights = np.maximum(scan.bottoms[own] - scan.tops[own], 1e-6)
            ratios = np.log(heights / distance[own])
            off[own] = np.abs(ratios - np.median(ratios))
    return float(np.minimum(off, 1.0).mean())


def scan_labels(
    items: Sequence[Item],
    classes: Sequence[str],
    cache: Path,
    *,
    on_frame: Callable[[str], None] = lambda name: None,
    on_skip: Callable[[Item, TinysegError], None] | None = None,
) -> LabelScan:
    """The scan of these items: from the file if it fits, else read, and written there.

    `on_frame` is told each name that was read; with `on_skip` unreadable labels count as empty.
    """
    names = tuple(item.name for item in items)
    kept = _kept(cache, names, tuple(classes))
    if kept is not None:
        return kept
    scan = _sum_up(_read(items, on_frame, on_skip))
    file = _File(
        names=list(names),
        classes=list(classes),
        frame=scan.frame.tolist(),
        labels=scan.labels.tolist(),
        tops=scan.tops.tolist(),
        bottoms=scan.bottoms.tolist(),
        prior=None if scan.prior is None else prior_to_json(scan.prior),
    )
    make_folder(cache.parent)
    write_whole(cache, orjson.dumps(file.model_dump()))
    return scan


def _read(
    items: Sequence[Item],
    on_frame: Callable[[str], None],
    on_skip: Callable[[Item, TinysegError], None] | None,
) -> list[FrameLabels | None]:
    read: list[FrameLabels | None] = []
    for item in items:
        try:
            read.append(item.read_labels())
        except TinysegError as error:
            if on_skip is None:
                raise
            on_skip(item, error)
            read.append(None)
        on_frame(item.name)
    return read


def sampled_by_camera(items: Sequence[Item]) -> list[Item]:
    """Up to PRIOR_FRAMES of the items whose names tell their cameras, evenly over the list."""
    own = [item for item in items if camera_of(item.name) is not None]
    kept = min(len(own), PRIOR_FRAMES)
    return [own[i * len(own) // kept] for i in range(kept)]


def prior_of(
    items: Sequence[Item],
    *,
    on_frame: Callable[[str], None] = lambda name: None,
    on_skip: Callable[[Item, TinysegError], None] | None = None,
) -> LocationPrior | None:
    """The location prior of some of the items, read for it alone; None if no name tells a camera.

    It is that of `sampled_by_camera`: a histogram so coarse needs no more frames than that, and a
    run that goes on learns the same.
    """
    read = _read(sampled_by_camera(items), on_frame, on_skip)
    return _prior([one for one in read if one is not None])


def _sum_up(read: Sequence[FrameLabels | None]) -> LabelScan:
    frame, labels, edges = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros((0, 2))]
    for index, one in enumerate(read):
        if one is not None:
            frame.append(np.full(len(one.instances), index))
            labels.append(one.instances.labels)
            edges.append(one.instances.boxes[:, [1, 3]] / one.hw[0])
    # Rounded as the file keeps them, so that a run that goes on fits the same horizon.
    tops, bottoms = np.round(np.concatenate(edges), 5).T
    columns = np.concatenate(frame), np.concatenate(labels), tops, bottoms
    return LabelScan(len(read), *columns, _prior([one for one in read if one is not None]))


def _prior(frames: Sequence[FrameLabels]) -> LocationPrior | None:
    try:
        return learn_prior(frames)
    except DataError:  # no frame's name tells its camera
        return None


class _File(BaseModel):
    """The JSON file; frames and classes by name, objects in columns."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    names: list[str]
    classes: list[str]
    frame: list[int]
    labels: list[int]
    tops: list[float]
    bottoms: list[float]
    prior: str | None
    """As `prior_to_json` writes it."""


def _kept(cache: Path, names: tuple[str, ...], classes: tuple[str, ...]) -> LabelScan | None:
    """The file's scan if it is of these frames and classes."""
    try:
        file = _File.model_validate_json(cache.read_bytes())
        prior = None if file.prior is None else prior_from_json(file.prior)
    except (OSError, ValidationError, DataError):
        return None
    count, objects = len(names), len(file.frame)
    fits = file.names == list(names) and file.classes == list(classes)
    fits &= objects == len(file.labels) == len(file.tops) == len(file.bottoms)
    fits &= all(0 <= i < count for i in file.frame)
    if not fits or not all(0 <= i < len(classes) for i in file.labels):
        return None
    frame, labels = (np.array(c, np.int64) for c in (file.frame, file.labels))
    tops, bottoms = (np.array(c, np.float64) for c in (file.tops, file.bottoms))
    return LabelScan(count, frame, labels, tops, bottoms, prior)


CENSUS_FRAMES = 500
"""Frames of a data set that are read; all where none of these has an instance."""


@dataclass(frozen=True, slots=True)
class Census:
    """Counts over `read` of the `frames` of a data set.

    `instances` are by class, `ignored` the regions that are not judged (crowds, groups),
    `boxes_alone` the instances without a mask, `empty` the frames without an instance; `left_out`
    counts labels outside the class list by name.
    """

    frames: int
    read: int
    instances: Int64[np.ndarray, " classes"]
    ignored: int
    boxes_alone: int
    empty: int
    left_out: Counter[str]
    unlabelled: frozenset[int]


def take_census(
    items: Sequence[Item],
    classes: Sequence[str],
    *,
    on_frame: Callable[[str], None] = lambda name: None,
    on_skip: Callable[[Item, TinysegError], None] | None = None,
) -> Census:
    """Count the labels of up to CENSUS_FRAMES items, and go on until an instance is found.

    With `on_skip` what cannot be read is told to it and left out.
    """
    spread = [i * len(items) // CENSUS_FRAMES for i in range(CENSUS_FRAMES)]
    first = dict.fromkeys(range(len(items)) if len(items) <= CENSUS_FRAMES else spread)
    rest = (place for place in range(len(items)) if place not in first)
    counts, left_out = np.zeros(len(classes), np.int64), Counter[str]()
    read = ignored = boxes_alone = empty = 0
    for turn, place in enumerate([*first, *rest]):
        if turn >= len(first) and counts.any():
            break
        item = items[place]
        try:
            labels = item.read_labels()
        except TinysegError as error:
            if on_skip is None:
                raise
            on_skip(item, error)
            continue
        finally:
            on_frame(item.name)
        read += 1
        counts += np.bincount(labels.instances.labels, minlength=len(classes))
        ignored += len(labels.ignore)
        boxes_alone += int((~labels.instances.has_mask).sum())
        empty += len(labels.instances) == 0
        left_out.update(labels.left_out)
    unlabelled = frozenset[int]().union(*(item.unlabelled for item in items))
    return Census(len(items), read, counts, ignored, boxes_alone, empty, left_out, unlabelled)


def check_census(parts: Sequence[Census], classes: Sequence[str]) -> tuple[str, ...]:
    """The classes without an instance; raises TrainingError where none has any."""
    total = sum((part.instances for part in parts), np.zeros(len(classes), np.int64))
    if not total.any():
        names = Counter[str]()
        for part in parts:
            names += part.left_out
        ignored = sum(part.ignored for part in parts)
        came = [f"{count} of {name}" for name, count in names.most_common(5)]
        came += [f"{ignored} crowds or ignore regions"] if ignored else []
        rule = "there is nothing to learn: no frame has an instance of these classes"
        raise TrainingError(rule, expected=", ".join(classes), got=", ".join(came) or "no label")
    return tuple(name for name, count in zip(classes, total, strict=True) if count == 0)
