"""Boxes that meet are found without looking at all pairs."""

import numpy as np
from hypothesis import given, settings, strategies as st
from jaxtyping import Float64

from tinyseg.merge.crops import meeting_pairs


def by_all_pairs(boxes: Float64[np.ndarray, "n 4"]) -> list[tuple[int, int]]:
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    first, second = np.nonzero((high > low).all(axis=2))
    return [(i, j) for i, j in zip(first.tolist(), second.tolist(), strict=True) if i < j]


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.booleans())
def test_all_pairs_agree(seed: int, count: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-100, 200, (count, 2))
    boxes = np.concatenate([low, low + np.exp(rng.uniform(-2, 6, (count, 2)))], axis=1)
    boxes = np.rint(boxes / 4) * 4 if whole else boxes
    first, second = meeting_pairs(boxes)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == by_all_pairs(boxes)


def test_touching_and_empty_boxes_do_not_meet() -> None:
    boxes = np.array([[0, 0, 4, 4], [4, 0, 8, 4], [2, 2, 2, 9], [0, 0, 4, 4]], np.float64)
    first, second = meeting_pairs(boxes)
    assert (first.tolist(), second.tolist()) == ([0], [3])
