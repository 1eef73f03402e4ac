"""How often each frame comes: data sets by their shares, frames with rare classes more often.

In: the data sets of a run. Out: `Draws`, the weight of each frame and what else its data set says
about it, and the order of an epoch's frames. An epoch has a fixed length, so that the frame of a
sample follows from its index; a weight of 1.3 is one or two appearances, 1.3 in the mean.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg.data import Item
from tinyseg.errors import TinysegError, TrainingError
from tinyseg.recipes import Sampling
from tinyseg.training.chance import rng
from tinyseg.training.label_scan import fit_horizon, prior_of, repeat_factors, scan_labels
from tinyseg.views import LocationPrior


@dataclass(frozen=True, slots=True)
class TrainData:
    """A data set's part in a run."""

    items: Sequence[Item]
    share: float = 1.0
    """How many of the run's frames come from it, against the other data sets' shares."""
    zoom: float = 1.0
    """Factor on the recipe's zoom: below 1 where the objects are large."""


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """For each frame its appearances in an epoch (in the mean), and of its data set the zoom factor
    and the row of the horizon, as a share of the frame's height; NaN where there is none. `sets`
    tells each frame's data set, by its place in the run. `prior` is that of the frames whose
    names tell a camera, None where none does."""

    weights: Float64[np.ndarray, " n"]
    zooms: Float64[np.ndarray, " n"]
    horizons: Float64[np.ndarray, " n"]
    sets: Int64[np.ndarray, " n"]
    prior: LocationPrior | None = None

    @property
    def length(self) -> int:
        """Frames in an epoch."""
        return max(round(float(self.weights.sum())), 1)

    @staticmethod
    def even(count: int, *, horizon: float = np.nan) -> "Draws":
        """Each frame once an epoch."""
        one = np.ones(count)
        return Draws(one, one, np.full(count, horizon), np.zeros(count, np.int64))


def plan_draws(
    data: Sequence[TrainData],
    classes: Sequence[str],
    rules: Sampling,
    cache: Path,
    *,
    on_frame: Callable[[str], None] = lambda name: None,
    on_skip: Callable[[Item, TinysegError], None] | None = None,
) -> Draws:
    """What the recipe says of the frames of all data sets in a row.

    Where that takes their labels (repeats, or a horizon to be fitted), they are read once and
    summed up in the file `cache`; else some are read for the location prior. `on_frame` is told
    each name that is read. Raises TrainingError where a source wants a data set that the run has
    not, or one without a frame.
    """
    check_sources(rules, data)
    counts = [len(part.items) for part in data]
    items = [item for part in data for item in part.items]
    given = rules.copy_paste.horizon
    if not needs_labels(rules):
        horizons = [np.nan if given is None else given] * len(data)
        draws = join(data, [np.ones(count) for count in counts], horizons)
        return replace(draws, prior=prior_of(items, on_frame=on_frame, on_skip=on_skip))
    scan = scan_labels(items, classes, cache, on_frame=on_frame, on_skip=on_skip)
    ends = np.cumsum(counts).tolist()
    scans = [scan.part(end - count, end) for count, end in zip(counts, ends, strict=True)]
    fitted = [fit_horizon(one) if given is None else given for one in scans]
    repeats = [repeat_factors(one, threshold=rules.repeat) for one in scans]
    draws = join(data, repeats, [np.nan if row is None else row for row in fitted])
    return replace(draws, prior=scan.prior)


def needs_labels(rules: Sampling) -> bool:
    """Whether the labels must be read before the first step."""
    paste = rules.copy_paste
    return rules.repeat > 0 or (paste.share > 0 and paste.horizon is None)


def join(
    data: Sequence[TrainData],
    repeats: Sequence[Float64[np.ndarray, " _n"]],
    horizons: Sequence[float] | None = None,
) -> Draws:
    """Draws over the frames of all data sets in a row; `repeats` are each frame's own factors.

    The epoch is as long as the data set needs that is the largest for its share; the others go
    round more often. Raises TrainingError for a share or a zoom that is not above 0.
    """
    for part in data:
        if not (part.share > 0 and part.zoom > 0):
            got = f"share {part.share}, zoom {part.zoom}"
            raise TrainingError("a data set's share and zoom must be above 0", got=got)
    used = [i for i, part in enumerate(data) if len(part.items)]
    total = sum(data[i].share for i in used)
    length = max((ceil(repeats[i].sum() * total / data[i].share - 1e-9) for i in used), default=0)
    parts = [np.zeros((4, 0))]
    for i in used:
        weights = repeats[i] * (length * data[i].share / total / repeats[i].sum())
        horizon = np.nan if horizons is None else horizons[i]
        same = (np.full(len(weights), value) for value in (data[i].zoom, horizon, i))
        parts.append(np.stack([weights, *same]))
    weights, zooms, horizons_of_all, sets = np.concatenate(parts, axis=1)
    return Draws(weights, zooms, horizons_of_all, sets.astype(np.int64))


def check_sources(rules: Sampling, data: Sequence[TrainData]) -> None:
    """Raise TrainingError unless each source's data sets are there, and have frames together."""
    for place, source in enumerate(rules.sources):
        wanted = range(len(data)) if source.data is None else source.data
        if max(wanted, default=-1) >= len(data) or not any(len(data[i].items) for i in wanted):
            where, expected = f"sampling.sources.{place}.data", f"0 ... {len(data) - 1}"
            rule = "a source draws from data sets of the run that have frames"
            raise TrainingError(rule, where=where, expected=expected, got=list(wanted))


@lru_cache(maxsize=32)
def draws_from(draws: Draws, data: tuple[int, ...] | None) -> Draws:
    """The draws of a source that keeps to these data sets: the others' frames have no weight.

    The rarest of the frames come once an epoch, so that the order is new as seldom as it can be.
    """
    if data is None:
        return draws
    weights = np.where(np.isin(draws.sets, data), draws.weights, 0.0)
    if not weights.any():
        rule = "a source draws from data sets of the run that have frames"
        raise TrainingError(rule, where="sampling.sources", got=list(data))
    return replace(draws, weights=weights / weights[weights > 0].min())


@lru_cache(maxsize=16)
def epoch_order(draws: Draws, seed: int, epoch: int) -> Int64[np.ndarray, " length"]:
    """The frames of an epoch in order.

    Frames are laid in a random order along a line, each as long as its weight, and picked at steps
    of 1 from a random start (systematic sampling): a frame of weight w comes floor(w) or ceil(w)
    times, w times in the mean, and the number of picks is always the same.
    """
    generator = rng(seed, epoch, "order")
    laid = generator.permutation(np.flatnonzero(draws.weights))
    ends = np.cumsum(draws.weights[laid])
    picks = (np.arange(draws.length) + generator.random()) * (ends[-1] / draws.length)
    chosen = laid[np.searchsorted(ends, picks, side="right").clip(max=len(laid) - 1)]
    return chosen[generator.permutation(len(chosen))].astype(np.int64)
