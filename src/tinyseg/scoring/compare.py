"""Which of two sets of predictions is better on the same frames, and how sure that is.

In go the pairs of both, made with the same labels; out come the difference B - A of every figure
of Scores, its 95 % interval, and the share of resamples in which B is better. Both are scored on
the same resamples of the frames, so what makes a frame hard for both cancels (a paired bootstrap:
Efron and Tibshirani, An introduction to the bootstrap, 1993).

Refuses pairs of different frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from tinyseg.errors import DataError
from tinyseg.scoring.bootstrap import (
    FEW_FRAMES,
    FIGURES,
    RESAMPLES,
    ClipOf,
    class_frames,
    draw_units,
    ends,
    nothing,
    resampled,
    units_of,
)
from tinyseg.scoring.pairs import FramePairs

ALL_CLASSES, ANY_CLASS = "all classes", "any class"


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of A and of B; `low` ... `high` holds B - A in 95 % of the resamples.

    `b_better` is the share of resamples in which B's is higher, ties counted half: .5 says that
    nothing is known. All are nan where no frame shows what the figure is about.
    """

    figure: str
    a: float
    b: float
    low: float
    high: float
    b_better: float

    @property
    def difference(self) -> float:
        """B - A on the frames as they are."""
        return self.b - self.a


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """The figures of one class, of the mean over classes, or of all classes as one.

    `frames` counts those with an instance of the class: where they are few, so is what is known.
    """

    name: str
    frames: int
    differences: tuple[Difference, ...]

    def of(self, figure: str) -> Difference:
        """The difference of one of FIGURES."""
        return self.differences[FIGURES.index(figure)]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows: the mean over classes, all classes as one, each class.

    `drawn` counts what was drawn from: the frames, or their clips.
    """

    rows: tuple[ComparedRow, ...]
    frames: int
    resamples: int
    drawn: int

    @property
    def few(self) -> bool:
        """Whether too few were drawn from for the intervals to mean much."""
        return self.drawn < FEW_FRAMES


def compare_scores(
    a: Sequence[FramePairs],
    b: Sequence[FramePairs],
    classes: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    max_detections: int = 300,
    clip_of: ClipOf | None = None,
    tick: Callable[[], None] = nothing,
) -> Comparison:
    """B against A on the frames of both, which come in one order; the same seed, the same answer.

    With `clip_of`, which tells the clip of a frame's name, whole clips are drawn. `tick` is called
    once a class and once more, for A and for B. Raises DataError where the frames or their labels
    differ, and without frames or resamples.
    """
    _check_same_frames(a, b)
    units = units_of(a, clip_of)
    drawn = draw_units(units, resamples, seed=seed)
    # The first sample is the frames as they are.
    weights = np.concatenate([np.ones((1, len(a)), np.int64), drawn])
    values_a, values_b = (
        resampled(pairs, classes, weights, max_detections=max_detections, tick=tick)
        for pairs in (a, b)
    )
    names = (ALL_CLASSES, ANY_CLASS, *classes)
    shown = (len(a), len(a), *class_frames(a, len(classes)))
    rows = [
        ComparedRow(name, frames, _differences(values_a[:, place], values_b[:, place]))
        for place, (name, frames) in enumerate(zip(names, shown, strict=True))
    ]
    return Comparison(tuple(rows), len(a), resamples, len(np.unique(units)))


def _check_same_frames(a: Sequence[FramePairs], b: Sequence[FramePairs]) -> None:
    names_a, names_b = ([frame.name for frame in pairs] for pairs in (a, b))
    if names_a != names_b:
        rule, got = "A and B are scored on the same frames, in one order", _only(names_b, names_a)
        raise DataError(rule, expected=_only(names_a, names_b), got=got)
    for one, other in zip(a, b, strict=True):
        same = np.array_equal(one.truth.labels, other.truth.labels)
        if not (same and np.array_equal(one.truth.areas, other.truth.areas)):
            raise DataError("A and B are scored with the same labels", where=one.name)


def _only(names: Sequence[str], others: Sequence[str]) -> str:
    own = [name for name in names if name not in set(others)]
    return f"{len(names)} frames" + (f", of them only here {', '.join(own[:3])}" if own else "")


def _differences(
    a: Float64[np.ndarray, "samples figures"], b: Float64[np.ndarray, "samples figures"]
) -> tuple[Difference, ...]:
    change = (b - a)[1:]
    low, high = ends(change[:, None])
    known = ~np.isnan(change)
    better = (np.where(known, np.sign(change), 0.0).sum(axis=0) / known.sum(axis=0).clip(1) + 1) / 2
    better[~known.any(axis=0)] = np.nan
    columns = (a[0], b[0], low[0], high[0], better)
    figures = zip(FIGURES, *(column.tolist() for column in columns), strict=True)
    return tuple(Difference(*parts) for parts in figures)
