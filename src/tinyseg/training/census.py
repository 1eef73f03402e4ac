"""What there is to learn, counted before the first step: a typo costs a minute then, not a night.

In: the items of each data set of a run. Out: a Census of each; of a large data set from frames
spread evenly over it. Refused: data sets without a single instance of the run's classes.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from tinyseg.data import Item
from tinyseg.errors import TinysegError, TrainingError

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
