"""Box geometry against numbers worked out by hand and against painted pixels."""

import numpy as np
from hypothesis import given, strategies as st
from jaxtyping import Bool, Float64

from tinyseg import boxes as box_math

A = np.array([[0.0, 0.0, 4.0, 2.0]])
SIDE = 12

coordinates = st.integers(0, SIDE)
some_boxes = st.lists(st.tuples(*[coordinates] * 4), max_size=4).map(
    lambda rows: np.array(rows, np.float64).reshape(-1, 4)
)


def paint(box: Float64[np.ndarray, " 4"]) -> Bool[np.ndarray, "side side"]:
    """The pixels of an integral box, by the definition: column c covers [c, c + 1)."""
    centre = np.arange(SIDE) + 0.5
    inside_x, inside_y = ((centre > box[i]) & (centre < box[i + 2]) for i in (0, 1))
    return inside_y[:, None] & inside_x


def test_single_pixel_has_unit_size_and_area() -> None:
    box = np.array([[2.0, 1.0, 3.0, 2.0]])
    assert box_math.sizes(box).tolist() == [[1, 1]]
    assert box_math.areas(box).tolist() == [1]


def test_empty_and_inside_out_boxes_have_no_area() -> None:
    bad = np.array([[3.0, 3.0, 3.0, 9.0], [5.0, 5.0, 2.0, 2.0]])
    assert box_math.areas(bad).tolist() == [0, 0]
    assert box_math.iou(bad, A).tolist() == [[0], [0]]
    assert box_math.iou(bad, bad).tolist() == [[0, 0], [0, 0]]


def test_iou_by_hand() -> None:
    others = np.array([[2.0, 0.0, 6.0, 2.0], [4.0, 0.0, 6.0, 2.0], [0.0, 0.0, 4.0, 2.0]])
    assert box_math.intersections(A, others).tolist() == [[4, 0, 8]]
    assert np.allclose(box_math.iou(A, others), [[4 / 12, 0, 1]])


def test_clip_by_hand() -> None:
    boxes = np.array([[-3.0, -3.0, 5.0, 5.0], [20.0, 1.0, 30.0, 2.0], [1.0, 1.0, 2.0, 2.0]])
    expected = [[0, 0, 5, 4], [10, 1, 10, 2], [1, 1, 2, 2]]
    assert box_math.clip(boxes, (0.0, 0.0, 10.0, 4.0)).tolist() == expected


def test_no_boxes() -> None:
    none = np.zeros((0, 4))
    assert box_math.areas(none).shape == (0,)
    assert box_math.clip(none, (0.0, 0.0, 1.0, 1.0)).shape == (0, 4)
    assert box_math.iou(none, A).shape == (0, 1)
    assert box_math.iou(A, none).shape == (1, 0)
    assert [part.size for part in box_math.overlapping_pairs(none, A)] == [0, 0]


@given(some_boxes, some_boxes)
def test_overlaps_are_those_of_painted_pixels(
    a: Float64[np.ndarray, "n 4"], b: Float64[np.ndarray, "m 4"]
) -> None:
    shared = np.zeros((len(a), len(b)))
    iou = np.zeros_like(shared)
    for i, j in np.ndindex(shared.shape):
        first, second = paint(a[i]), paint(b[j])
        shared[i, j] = (first & second).sum()
        iou[i, j] = shared[i, j] / max((first | second).sum(), 1)
    assert np.array_equal(box_math.intersections(a, b), shared)
    assert np.allclose(box_math.iou(a, b), iou)
    pairs = np.stack(box_math.overlapping_pairs(a, b), axis=1)
    assert np.array_equal(pairs, np.argwhere(shared > 0))
