"""Pure geometry on arrays of boxes, `(n, 4)` as x0, y0, x1, y1 in pixels.

Boxes are half open, here and everywhere: pixel column c covers [c, c + 1), so the box of the
single pixel in column 2, row 1 is (2, 1, 3, 2), its width is x1 - x0 = 1, its centre (2.5, 1.5).

        0   1   2   3
      0 +---+---+---+
        |   |   |   |
      1 +---+---#===#      x0 = 2, y0 = 1
        |   |   # * #
      2 +---+---#===#      x1 = 3, y1 = 2
"""

import numpy as np
from jaxtyping import Float64, Int64


def sizes(boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 2"]:
    """Width and height of each box; never negative."""
    return np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)


def areas(boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, " n"]:
    """Area of each box in square pixels; 0 where a box is empty or turned inside out."""
    return np.asarray(sizes(boxes).prod(axis=1))


def clip(
    boxes: Float64[np.ndarray, "n 4"], rect: tuple[float, float, float, float]
) -> Float64[np.ndarray, "n 4"]:
    """Each box cut to the rectangle (x0, y0, x1, y1); one outside becomes empty, on its rim."""
    low = np.array([rect[0], rect[1], rect[0], rect[1]])
    high = np.array([rect[2], rect[3], rect[2], rect[3]])
    return np.clip(boxes, low, high)


def intersections(
    a: Float64[np.ndarray, "n 4"], b: Float64[np.ndarray, "m 4"]
) -> Float64[np.ndarray, "n m"]:
    """Area shared by each box of `a` and each of `b`, in square pixels."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray(np.maximum(high - low, 0.0).prod(axis=2))


def iou(a: Float64[np.ndarray, "n 4"], b: Float64[np.ndarray, "m 4"]) -> Float64[np.ndarray, "n m"]:
    """Intersection over union of each box of `a` and each of `b`; 0 for a pair of empty boxes."""
    shared = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def overlapping_pairs(
    a: Float64[np.ndarray, "n 4"], b: Float64[np.ndarray, "m 4"]
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
    """Index pairs (into `a`, into `b`) of boxes that share some area, ordered by `a`, then `b`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    first, second = np.nonzero((high > low).all(axis=2))
    return first.astype(np.int64), second.astype(np.int64)
