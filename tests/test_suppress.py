"""The measure that merging is held against: plain suppression, by hand and by the textbook."""

import numpy as np
import pytest
from _suppress import suppress
from hypothesis import given, settings, strategies as st
from jaxtyping import Float64

from tinyseg.frame import Instances
from tinyseg.masks import CropMasks

BOX = (10.0, 10.0, 20.0, 20.0)
NEAR = (11.0, 10.0, 21.0, 20.0)  # IoU with BOX: 90 / 110
FAR = (40.0, 10.0, 50.0, 20.0)


def instances(*rows: tuple[tuple[float, float, float, float], int, float]) -> Instances:
    boxes = np.array([row[0] for row in rows], np.float64).reshape(-1, 4)
    grids = [np.full((1, 1), 100 + i, np.uint8) for i in range(len(rows))]
    labels = np.array([row[1] for row in rows], np.int64)
    return Instances(boxes, CropMasks.pack(boxes, grids), labels, np.array([r[2] for r in rows]))


def test_of_duplicates_the_best_stays_with_its_mask() -> None:
    first, second = instances((BOX, 0, 0.5), (FAR, 0, 0.4)), instances((NEAR, 0, 0.8))
    kept = suppress([first, second], iou=0.5, keep=10)
    assert kept.boxes.tolist() == [list(NEAR), list(FAR)]
    assert kept.scores.tolist() == [0.8, 0.4]
    assert kept.masks.coverage.tolist() == [100, 101]
    assert kept.masks.boxes.tolist() == [list(NEAR), list(FAR)]


def test_overlap_up_to_the_limit_is_no_duplicate() -> None:
    found = instances((BOX, 0, 0.5), (NEAR, 0, 0.8))
    assert len(suppress([found], iou=90 / 110 + 1e-9, keep=10)) == 2
    assert len(suppress([found], iou=90 / 110 - 1e-9, keep=10)) == 1


@pytest.mark.parametrize("shift", [0.0, -11.0, -21.0, -22.0, -30.0, -1000.0])
def test_other_classes_stay_wherever_the_view_reached(shift: float) -> None:
    rows = [(NEAR, 0, 0.9), (BOX, 1, 0.8), (BOX, 2, 0.7), (BOX, 1, 0.6)]
    plain = instances(*rows)
    boxes, masks = plain.boxes + shift, plain.masks.shift(shift, shift)
    moved = Instances(boxes, masks, plain.labels, plain.scores)
    assert suppress([moved], iou=0.5, keep=10).labels.tolist() == [0, 1, 2]


def test_keep_is_a_limit_and_nothing_gives_nothing() -> None:
    found = instances((BOX, 0, 0.5), (FAR, 0, 0.4))
    assert suppress([found], iou=0.5, keep=1).scores.tolist() == [0.5]
    assert len(suppress([], iou=0.5, keep=9)) == 0
    assert len(suppress([Instances.empty(), Instances.empty()], iou=0.5, keep=9)) == 0


def by_hand(found: Instances, iou: float) -> list[int]:
    """Greedy suppression as in the textbook: best first, each out that meets a kept one."""
    kept: list[int] = []
    for i in np.argsort(-found.scores).tolist():
        rivals = [k for k in kept if found.labels[k] == found.labels[i]]
        if all(overlap(found.boxes[i], found.boxes[k]) <= iou for k in rivals):
            kept.append(i)
    return kept


def overlap(a: Float64[np.ndarray, " 4"], b: Float64[np.ndarray, " 4"]) -> float:
    width, height = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    shared = max(width, 0) * max(height, 0)
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 3))
def test_order_does_not_matter_and_the_textbook_agrees(seed: int, count: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-30, 30, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 30, (count, 2))], axis=1)
    grids = [np.full((1, 1), 255, np.uint8)] * count
    scores, labels = rng.permutation(count) / count, rng.integers(0, 3, count)
    found = Instances(boxes, CropMasks.pack(boxes, grids), labels, scores)
    expected = found.scores[by_hand(found, 0.4)].tolist()
    shuffled = found.select(rng.permutation(count))
    cuts = np.array_split(np.arange(count), parts + 1)
    kept = suppress([shuffled.select(cut) for cut in cuts], iou=0.4, keep=count)
    assert kept.scores.tolist() == expected
