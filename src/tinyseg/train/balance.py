"""How often each frame comes: data sets by their shares, frames with rare classes more often.

In: the data sets of a run. Out: `Draws`, the weight of each frame and what else its data set says
about it, and the order of an epoch's frames. An epoch has a fixed length, so that the frame of a
sample follows from its index; a weight of 1.3 is one or two appearances, 1.3 in the mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from jaxtyping import Float64, Int64

from tinyseg.data import Item
from tinyseg.errors import TrainingError
from tinyseg.train.chance import rng


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
    """For each frame its appearances in an epoch (in the mean) and its data set's zoom factor."""

    weights: Float64[np.ndarray, " n"]
    zooms: Float64[np.ndarray, " n"]

    @property
    def length(self) -> int:
        """Frames in an epoch."""
        return max(round(float(self.weights.sum())), 1)

    @staticmethod
    def even(count: int) -> "Draws":
        """Each frame once an epoch."""
        return Draws(np.ones(count), np.ones(count))


def join(data: Sequence[TrainData], repeats: Sequence[Float64[np.ndarray, " _n"]]) -> Draws:
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
    weights, zooms = [np.zeros(0)], [np.zeros(0)]
    for i in used:
        weights.append(repeats[i] * (length * data[i].share / total / repeats[i].sum()))
        zooms.append(np.full(len(data[i].items), float(data[i].zoom)))
    return Draws(np.concatenate(weights), np.concatenate(zooms))


@lru_cache(maxsize=4)
def epoch_order(draws: Draws, seed: int, epoch: int) -> Int64[np.ndarray, " length"]:
    """The frames of an epoch in order.

    Frames are laid in a random order along a line, each as long as its weight, and picked at steps
    of 1 from a random start (systematic sampling): a frame of weight w comes floor(w) or ceil(w)
    times, w times in the mean, and the number of picks is always the same.
    """
    generator = rng(seed, epoch, "order")
    laid = generator.permutation(len(draws.weights))
    ends = np.cumsum(draws.weights[laid])
    picks = (np.arange(draws.length) + generator.random()) * (ends[-1] / draws.length)
    chosen = laid[np.searchsorted(ends, picks, side="right").clip(max=len(laid) - 1)]
    return chosen[generator.permutation(len(chosen))].astype(np.int64)
