"""Masks are sampled at pixels as `rasterise` makes them, and compared at nested steps."""

import numpy as np
from hypothesis import given, settings, strategies as st

from tinyseg import masks as mask_ops
from tinyseg.masks import CropMasks
from tinyseg.merge.crops import crop, sample, shared_points, windows


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 4))
def test_a_point_is_set_where_rasterising_sets_the_pixel(seed: int, whole: bool, step: int) -> None:
    rng = np.random.default_rng(seed)
    low, size = rng.uniform(0, 9, 2), rng.uniform(1, 20, 2)
    box = np.concatenate([low, low + size])
    box = np.rint(box) if whole else box
    hw = (int(box[3] - box[1]), int(box[2] - box[0])) if whole else (5, 6)
    grid = rng.integers(0, 256, hw).astype(np.uint8)
    masks = CropMasks.pack(box[None], [grid])
    x0, y0, x1, y1 = windows(box[None])[0].tolist()
    points = crop(grid, box, (x0, y0, x1, y1), step)
    painted = mask_ops.paint(masks, (32, 32)) > 0
    left, top, right, bottom = (edge * step for edge in points.window)
    assert points.bits.tolist() == painted[top:bottom:step, left:right:step].tolist()


def test_pixels_of_large_and_small_masks_are_counted_alike() -> None:
    boxes = np.array([[3.0, 5.0, 1003.0, 905.0], [503.0, 405.0, 563.0, 465.0]])
    grids = [np.full((900, 1000), 255, np.uint8), np.full((60, 60), 255, np.uint8)]
    sampled = sample(CropMasks.pack(boxes, grids), windows(boxes))
    assert [c.step for c in sampled.crops] == [4, 1]
    assert shared_points(*sampled.crops) == 60 * 60
    assert sampled.coverage(0).shape == (900, 1000)


def test_a_mask_outside_its_rectangle_has_no_points() -> None:
    boxes = np.array([[0.0, 0.0, 8.0, 8.0]])
    masks = CropMasks.pack(boxes, [np.full((8, 8), 255, np.uint8)])
    (found,) = sample(masks, np.array([[20, 0, 30, 30]])).crops
    assert found.coverage.size == 0
