"""CropMasks: the record, what it is built from, how it becomes pixels, and what is measured."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from jaxtyping import Bool, Float32, UInt8, UInt16
from pycocotools import mask as coco

from tinyseg import masks as mask_ops
from tinyseg.errors import MaskError
from tinyseg.masks import CropMasks

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

REAL = Path(__file__).parents[2] / "shared/data/wad"
HW = (40, 50)

seeds = st.integers(0, 2**32 - 1)


def one(box: tuple[float, float, float, float], grid: UInt8[np.ndarray, "h w"]) -> CropMasks:
    return CropMasks.pack(np.array([box], np.float64), [grid])


def full(h: int, w: int) -> UInt8[np.ndarray, "h w"]:
    return np.full((h, w), 255, np.uint8)


def pixel_masks(seed: int, count: int = 5) -> CropMasks:
    """Random masks in pixel form, some beyond the frame, one of them empty."""
    rng = np.random.default_rng(seed)
    grids = [rng.choice([0, 255], rng.integers(1, 16, 2)).astype(np.uint8) for _ in range(count)]
    origins = [(int(x), int(y)) for x, y in rng.integers(-8, 48, (count, 2))]
    return CropMasks.pack_pixels([*origins, (3, 3)], [*grids, np.zeros((0, 0), np.uint8)])


def bitmaps_of(masks: CropMasks) -> Bool[np.ndarray, "n height width"]:
    """Each mask in the frame, placed pixel by pixel; for masks in pixel form."""
    out = np.zeros((len(masks), *HW), np.bool_)
    for canvas, box, grid in zip(out, masks.boxes.astype(int).tolist(), masks.grids(), strict=True):
        for row, column in np.argwhere(grid >= 128).tolist():
            y, x = box[1] + row, box[0] + column
            if 0 <= y < HW[0] and 0 <= x < HW[1]:
                canvas[y, x] = True
    return out


def same(a: CropMasks, b: CropMasks) -> bool:
    return all(
        np.array_equal(x, y)
        for x, y in ((a.boxes, b.boxes), (a.grid_hw, b.grid_hw), (a.coverage, b.coverage))
    )


# The record


@pytest.mark.parametrize(
    ("boxes", "grid_hw", "cells", "reason"),
    [
        ([[0, 0, 2, 2]], [[2, 2]], 3, "cells must fill"),
        ([[0, 0, 2, 2]], [[2, 2]], 5, "cells must fill"),
        ([[0, 0, 2, 2]], [[-2, -2]], 4, "cells must fill"),
        ([[0, 0, 2, 2]] * 2, [[-2, 2], [4, 2]], 4, "cells must fill"),
        ([[0, 0, 2, 2]], [[2**32, 2**32]], 0, "cells must fill"),
        ([[0, 0, 2, 2]] * 4, [[2**31, 2**31]] * 4, 0, "cells must fill"),
        ([[0, 0, 2, 2], [0, 0, float("nan"), 2]], [[0, 0]] * 2, 0, "mask 1: .*finite"),
        ([[float("-inf"), 0, 2, 2]], [[0, 0]], 0, "mask 0: .*finite"),
        ([[0, 0, 1e10, 2]], [[0, 0]], 0, "mask 0: .*finite"),
        ([[3, 0, 2, 2]], [[0, 0]], 0, "mask 0: .*x0 <= x1"),
        ([[0, 3, 2, 2]], [[0, 0]], 0, "mask 0: .*x0 <= x1"),
    ],
)
def test_records_whose_parts_do_not_fit_are_refused(
    boxes: list[list[float]], grid_hw: list[list[int]], cells: int, reason: str
) -> None:
    with pytest.raises(MaskError, match=reason):
        CropMasks(np.array(boxes, np.float64), np.array(grid_hw), np.zeros(cells, np.uint8))


def test_shapes_are_checked_where_the_tests_type_checker_is_not() -> None:
    code = """
import numpy as np
from tinyseg.errors import MaskError
from tinyseg.masks import CropMasks
for boxes, grids in (((1, 4), (2, 2)), ((1, 3), (1, 2)), ((1, 4), (1, 3)), ((4,), (1, 2))):
    try:
        CropMasks(np.zeros(boxes), np.zeros(grids, np.int64), np.zeros(0, np.uint8))
    except MaskError as error:
        print(error.rule)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["boxes are n x 4, grids n x 2, cells in one row"] * 4


def test_grids_are_windows_on_the_coverage() -> None:
    grids = [np.arange(6, dtype=np.uint8).reshape(2, 3), full(0, 0), full(1, 2)]
    masks = CropMasks.pack_pixels([(0, 0), (5, 5), (7, 7)], grids)
    assert masks.offsets().tolist() == [0, 6, 6, 8]
    assert masks.boxes.tolist() == [[0, 0, 3, 2], [5, 5, 5, 5], [7, 7, 9, 8]]
    for index, (grid, expected) in enumerate(zip(masks.grids(), grids, strict=True)):
        assert np.array_equal(grid, expected)
        assert np.array_equal(masks.grid(index), expected)
    assert np.shares_memory(masks.grid(0), masks.coverage)


def test_moves_by_hand() -> None:
    masks = one((2, 3, 5, 5), np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    assert masks.shift(1.5, -2.0).boxes.tolist() == [[3.5, 1, 6.5, 3]]
    assert masks.scale(2.0, 0.5).boxes.tolist() == [[4, 1.5, 10, 2.5]]
    flipped = masks.flip(10.0)
    assert flipped.boxes.tolist() == [[5, 3, 8, 5]]
    assert flipped.grid(0).tolist() == [[3, 2, 1], [6, 5, 4]]
    assert same(flipped.flip(10.0), masks)


def test_select_and_concatenate() -> None:
    masks = pixel_masks(0)
    chosen = masks.select(np.array([3, 0, 3, 5]))
    for index, original in enumerate((3, 0, 3, 5)):
        assert np.array_equal(chosen.grid(index), masks.grid(original))
    which = np.array([True, False, True, False, False, True])
    assert same(masks.select(which), masks.select(np.array([0, 2, 5])))
    parts = [masks.select(np.arange(2)), CropMasks.empty(), masks.select(np.arange(2, 6))]
    assert same(CropMasks.concatenate(parts), masks)
    assert same(CropMasks.concatenate([]), CropMasks.empty())
    assert len(masks.select(np.zeros(0, np.int64))) == 0


def test_pixel_form_is_an_integral_box_with_cells_of_a_pixel() -> None:
    boxes = [(0, 0, 2, 2), (0.5, 0, 2.5, 2), (0, 0, 4, 2), (-3, 1, -1, 3)]
    masks = CropMasks.pack(np.array(boxes, np.float64), [full(2, 2)] * 4)
    assert masks.in_pixel_form().tolist() == [True, False, False, True]


# Built from label maps


def assert_as_by_loop(label: UInt16[np.ndarray, "h w"], background: int) -> None:
    """Bit-equal to looking for each value in the whole map."""
    values, masks = mask_ops.from_label_map(label, background=background)
    present = np.flatnonzero(np.bincount(label.ravel(), minlength=2**16))
    assert values.tolist() == [v for v in present.tolist() if v != background]
    for value, box, grid in zip(values, masks.boxes.tolist(), masks.grids(), strict=True):
        bitmap = label == value
        rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
        x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert box == [x0, y0, x1, y1]
        assert np.array_equal(grid, (label[y0:y1, x0:x1] == value) * np.uint8(255))


@settings(max_examples=80, deadline=None)
@given(seeds, st.integers(0, 20), st.integers(0, 20), st.sampled_from([1, 2, 4, 30]))
def test_label_map_is_as_by_loop(seed: int, height: int, width: int, kinds: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice([0, 1, 255, 256, 33000, 65280, 65535, *range(500, 523)], kinds)
    label = rng.choice(values, (height, width)).astype(np.uint16)
    label[: height // 3] = 255
    for layout in (label, np.asfortranarray(label), label[:, ::2], label.astype(">u2")):
        assert_as_by_loop(layout, 255)
    assert_as_by_loop(label, 0)


def test_label_map_without_objects() -> None:
    values, masks = mask_ops.from_label_map(np.full((8, 8), 255, np.uint16), background=255)
    assert (len(values), len(masks)) == (0, 0)


def test_real_label_maps_are_as_by_loop() -> None:
    if not REAL.is_dir():
        pytest.skip(f"the real frames are not here: {REAL}")
    paths = sorted((REAL / "train_label").glob("*.png"))
    assert len(paths) == 15
    for path in paths:
        label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert label is not None
        assert_as_by_loop(label.astype(np.uint16, copy=False), 255)


# Built from bitmaps, RoI grids and polygons


def test_bitmaps_are_cropped() -> None:
    rng = np.random.default_rng(0)
    bitmaps = [rng.random(HW) < density for density in (0, 0.001, 0.01, 0.5, 1)]
    masks = mask_ops.from_bitmaps(bitmaps)
    assert np.array_equal(bitmaps_of(masks), bitmaps)
    assert masks.in_pixel_form().all()
    assert masks.grid_hw[0].tolist() == [0, 0]
    assert same(mask_ops.tighten(masks), masks)
    assert len(mask_ops.from_bitmaps([])) == 0


def test_roi_grids_become_coverage() -> None:
    probabilities = np.array([[[0.0, 0.5], [1.0, 2.0]], [[-1.0, 0.2], [0.499, 0.501]]], np.float32)
    boxes = np.array([[0.5, 0, 3, 3], [1, 1, 2, 2.5]])
    masks = mask_ops.from_roi_grids(boxes, probabilities)
    assert masks.coverage.tolist() == [0, 128, 255, 255, 0, 51, 127, 128]
    assert masks.boxes.tolist() == boxes.tolist()
    none = mask_ops.from_roi_grids(np.zeros((0, 4)), np.zeros((0, 28, 28), np.float32))
    assert len(none) == 0
    with pytest.raises(MaskError, match="must be numbers"):
        mask_ops.from_roi_grids(boxes, np.where(probabilities > 1, np.nan, probabilities))


# Stretched grids become pixels


def centres_inside(box: tuple[float, float, float, float]) -> Bool[np.ndarray, "h w"]:
    y, x = np.arange(HW[0])[:, None] + 0.5, np.arange(HW[1]) + 0.5
    return (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])


@settings(max_examples=100, deadline=None)
@given(seeds, st.sampled_from([1, 2, 3, 7, 28]), st.booleans())
def test_full_grid_covers_its_boxs_pixel_centres_but_for_round_corners(
    seed: int, cells: int, halves: bool
) -> None:
    rng = np.random.default_rng(seed)
    x0, y0 = rng.uniform(-10, 40, 2)
    w, h = rng.uniform(0.1, 30, 2)
    box = (x0, y0, x0 + w, y0 + h)
    if halves:
        # Sides through pixel centres are the hardest: the value there is one half exactly.
        box = tuple(round(2 * edge) / 2 for edge in box)
    painted = mask_ops.paint(one(box, full(cells, cells)), HW) > 0
    inside = centres_inside(box)
    assert not (painted & ~inside).any()
    y, x = np.nonzero(inside & ~painted)
    # Missing are only pixels less than half a cell from two sides at once.
    half_w, half_h = (box[2] - box[0]) / cells / 2, (box[3] - box[1]) / cells / 2
    assert (np.minimum(x + 0.5 - box[0], box[2] - x - 0.5) < half_w).all()
    assert (np.minimum(y + 0.5 - box[1], box[3] - y - 0.5) < half_h).all()


def bilinear(
    grid: Float32[np.ndarray, "h w"], out_hw: tuple[int, int]
) -> Float32[np.ndarray, "H W"]:
    """The grid with a ring of zeros, brought to out_hw by torch, without the ring."""
    h, w = grid.shape
    padded = torch.from_numpy(np.pad(grid, 1))[None, None]
    fine_h, fine_w = out_hw[0] // h, out_hw[1] // w
    size = (out_hw[0] + 2 * fine_h, out_hw[1] + 2 * fine_w)
    out = torch.nn.functional.interpolate(padded, size, mode="bilinear", align_corners=False)
    return out[0, 0, fine_h:-fine_h, fine_w:-fine_w].numpy()


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 5), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5))
def test_stretching_is_torchs_bilinear(seed: int, h: int, w: int, fy: int, fx: int) -> None:
    rng = np.random.default_rng(seed)
    grid = rng.integers(0, 256, (h, w), dtype=np.uint8)
    out_hw = (h * fy, w * fx)
    box = (3.0, 2.0, 3.0 + out_hw[1], 2.0 + out_hw[0])
    painted = mask_ops.paint(one(box, grid), HW)[2 : 2 + out_hw[0], 3 : 3 + out_hw[1]] > 0
    values = bilinear(grid.astype(np.float32), out_hw)
    sure = np.abs(values - 127.5) > 0.05
    assert np.array_equal(painted[sure], (values > 127.5)[sure])


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_stretching_at_any_box_is_interpolation_point_by_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    h, w = rng.integers(1, 9, 2)
    grid = rng.integers(0, 256, (h, w), dtype=np.uint8)
    x0, y0 = rng.uniform(-5, 45, 2)
    x1, y1 = x0 + rng.uniform(0.3, 30), y0 + rng.uniform(0.3, 30)
    painted = mask_ops.paint(one((x0, y0, x1, y1), grid), HW) > 0
    padded = np.pad(grid.astype(float), 1)
    inside = centres_inside((x0, y0, x1, y1))
    for y, x in rng.integers(0, HW, (60, 2)).tolist():
        if not inside[y, x]:
            assert not painted[y, x]
            continue
        v, u = (y + 0.5 - y0) / (y1 - y0) * h + 0.5, (x + 0.5 - x0) / (x1 - x0) * w + 0.5
        top, left, fy, fx = int(v), int(u), v % 1, u % 1
        block = padded[top : top + 2, left : left + 2]
        value = np.array([1 - fy, fy]) @ block @ np.array([1 - fx, fx])
        assert abs(value - 127.5) < 0.05 or painted[y, x] == (value > 127.5)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_pixel_form_stays_bit_equal(seed: int) -> None:
    masks = pixel_masks(seed)
    free, framed = mask_ops.rasterise(masks), mask_ops.rasterise(masks, HW)
    assert same(free, mask_ops.tighten(masks))
    assert np.array_equal(bitmaps_of(free), bitmaps_of(masks))
    assert np.array_equal(bitmaps_of(framed), bitmaps_of(masks))
    assert same(mask_ops.rasterise(framed, HW), framed)
    assert (framed.boxes >= 0).all()
    assert (framed.boxes <= np.array([HW[1], HW[0]] * 2)).all()


def test_soft_cells_count_from_one_half() -> None:
    masks = one((1, 1, 4, 2), np.array([[127, 128, 255]], np.uint8))
    pixels = mask_ops.rasterise(masks)
    assert pixels.boxes.tolist() == [[2, 1, 4, 2]]
    assert pixels.coverage.tolist() == [255, 255]
    assert mask_ops.area(masks).tolist() == [2]


def test_masks_without_pixels_stay_in_the_row() -> None:
    boxes = np.array([[0, 0, 5, 5], [2.6, 2.6, 3.4, 3.4], [9, 9, 9, 9], [90, 90, 99, 99.5]])
    masks = CropMasks.pack(boxes, [full(0, 0), full(3, 3), full(2, 2), full(2, 2)])
    pixels = mask_ops.rasterise(masks, HW)
    assert pixels.grid_hw.tolist() == [[0, 0]] * 4
    # Of the last one's 9 x 10 pixels its coarse cells leave the corners out.
    assert mask_ops.area(masks).tolist() == [0, 0, 0, 75]
    assert mask_ops.iou(masks, masks).diagonal().tolist() == [0, 0, 0, 1]


def test_rasterising_refuses_more_than_memory_may_hold() -> None:
    vast = one((0, 0, 2.0**31, 2.0**31), full(28, 28))
    with pytest.raises(MaskError, match="may take"):
        mask_ops.rasterise(vast)
    # The centre of this one's cells is far away: nothing of it is seen.
    assert mask_ops.area(mask_ops.rasterise(vast, HW)).tolist() == [0]


# Cutting and tightening


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_cut_keeps_what_lies_inside(seed: int) -> None:
    masks = pixel_masks(seed)
    x0, y0, w, h = np.random.default_rng(seed).uniform((-9, -9, 0.1, 0.1), (45, 45, 40, 40))
    rect = (x0, y0, x0 + w, y0 + h)
    inside = centres_inside(rect)
    seen = mask_ops.cut(masks, rect)
    assert np.array_equal(bitmaps_of(seen), bitmaps_of(masks) & inside)
    assert same(mask_ops.tighten(seen), seen)
    assert seen.in_pixel_form().all()


def test_cut_of_stretched_cells_goes_by_their_centres() -> None:
    masks = one((0, 0, 8, 4), np.array([[10, 20], [30, 40]], np.uint8))
    left = mask_ops.cut(masks, (-5.0, 0.5, 5.0, 2.5))
    assert left.boxes.tolist() == [[0, 0, 4, 2]]
    assert left.coverage.tolist() == [10]
    assert mask_ops.cut(masks, (0.0, 0.0, 2.0, 4.0)).coverage.size == 0
    assert mask_ops.cut(masks, (50.0, 0.0, 60.0, 4.0)).grid_hw.tolist() == [[0, 0]]


def test_tighten_by_hand() -> None:
    grid = np.zeros((4, 6), np.uint8)
    grid[1, 2] = grid[2, 4] = 9
    tight = mask_ops.tighten(one((10, 10, 16, 18), grid))
    assert tight.boxes.tolist() == [[12, 12, 15, 16]]
    assert tight.grid(0).tolist() == [[9, 0, 0], [0, 0, 9]]


# Measuring


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_areas_and_overlaps_are_pycocotools_own(seed: int) -> None:
    a = mask_ops.rasterise(pixel_masks(seed), HW)
    b = mask_ops.rasterise(pixel_masks(seed + 1, count=3), HW)
    codes = [
        [coco.encode(np.asfortranarray(bitmap.astype(np.uint8))) for bitmap in bitmaps_of(masks)]
        for masks in (a, b)
    ]
    assert mask_ops.area(a).tolist() == coco.area(codes[0]).tolist()
    theirs = coco.iou(codes[0], codes[1], [0] * len(b))
    seen = np.add.outer(mask_ops.area(a), mask_ops.area(b)) > 0
    assert np.allclose(mask_ops.iou(a, b), np.where(seen, theirs, 0))
    as_crowd = coco.iou(codes[0], [coco.merge(codes[1])], [1])[:, 0]
    # An empty mask is divided by nothing there, and gives 0 here.
    expected = np.where(mask_ops.area(a) > 0, as_crowd, 0)
    assert np.allclose(mask_ops.share_inside(a, b), expected)
    sums = bitmaps_of(a).reshape(len(a), -1).astype(int) @ bitmaps_of(b).reshape(len(b), -1).T
    assert np.array_equal(mask_ops.intersections(a, b), sums)


def test_overlaps_with_nothing() -> None:
    some, none = pixel_masks(0), CropMasks.empty()
    assert mask_ops.iou(some, none).shape == (6, 0)
    assert mask_ops.iou(none, some).shape == (0, 6)
    assert mask_ops.share_inside(some, none).tolist() == [0] * 6
    assert mask_ops.share_inside(none, some).shape == (0,)
    assert mask_ops.area(none).shape == (0,)


def test_stretched_masks_are_measured_in_pixels() -> None:
    a, b = one((0, 0, 20, 20), full(28, 28)), one((10, 0, 30, 20), full(28, 28))
    assert mask_ops.area(a).tolist() == [400]
    assert mask_ops.iou(a, b).tolist() == [[200 / 600]]
    assert mask_ops.share_inside(a, b).tolist() == [0.5]


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_union_with_and_without_groups(seed: int) -> None:
    masks = pixel_masks(seed)
    bitmaps = bitmaps_of(masks)
    assert np.array_equal(bitmaps_of(mask_ops.union(masks)), [bitmaps.any(axis=0)])
    assert np.array_equal(mask_ops.paint(masks, HW) > 0, bitmaps.any(axis=0))
    groups = np.random.default_rng(seed).choice([0, 2, 3], len(masks))
    merged = mask_ops.union(masks, groups)
    assert len(merged) == groups.max() + 1
    for group, bitmap in enumerate(bitmaps_of(merged)):
        assert np.array_equal(bitmap, bitmaps[groups == group].any(axis=0))


def test_union_of_nothing() -> None:
    none = CropMasks.empty()
    assert mask_ops.union(none).grid_hw.tolist() == [[0, 0]]
    assert len(mask_ops.union(none, np.zeros(0, np.int64))) == 0


def test_paint_of_nothing() -> None:
    assert not mask_ops.paint(CropMasks.empty(), HW).any()
