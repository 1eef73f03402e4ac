"""Pairs of a frame: overlaps against pycocotools, order, limits, and outlines by brute force."""

import numpy as np
import pytest
from _drawn import CLASSES, Bitmap, Drawn, box, draw_frame, near, rectangle, to_records
from hypothesis import given, settings, strategies as st
from jaxtyping import Float64
from pycocotools import mask as coco_mask

from tinyseg import masks as mask_ops
from tinyseg.errors import DataError, PredictionsError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.scoring.error_kinds import ErrorKind, find_errors
from tinyseg.scoring.pairs import FramePairs, pair_frames
from tinyseg.scoring.shapes import ShapeRules, measure_shapes

HW = (40, 60)
FIRST, SECOND = box(HW, 0, 0, 10, 10), box(HW, 20, 20, 40, 30)


def one_pair(drawn: Drawn, most: int = 300) -> FramePairs:
    predictions, truth = to_records([drawn])
    (frame,) = pair_frames(predictions, truth, classes=CLASSES, max_detections=most)
    return frame


def encoded(bitmaps: list[Bitmap]) -> list[object]:
    return [coco_mask.encode(np.asfortranarray(bitmap.astype(np.uint8))) for bitmap in bitmaps]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_overlaps_equal_pycocotools(seed: int) -> None:
    drawn = draw_frame(np.random.default_rng(seed), most_found=12)
    frame = one_pair(drawn)
    found, truth = [b for b, _, _ in drawn.found], [b for b, _ in drawn.labels]
    order = np.argsort([-s for _, _, s in drawn.found], kind="stable")
    assert frame.found.index.tolist() == order.tolist()
    if found and truth:
        expected = coco_mask.iou(encoded(found), encoded(truth), [0] * len(truth))[order]
        np.testing.assert_array_equal(frame.iou, expected)
    if found and drawn.ignore:
        region = encoded([np.logical_or.reduce(drawn.ignore)])
        expected = coco_mask.iou(encoded(found), region, [1])[order, 0]
        np.testing.assert_allclose(frame.on_ignore, expected, rtol=0, atol=1e-15)


def test_a_side_says_what_it_holds() -> None:
    found = [(FIRST, 0, 0.2), (SECOND, 2, 0.9)]
    frame = one_pair(Drawn(HW, [(SECOND, 1)], [], found))
    assert frame.truth.labels.tolist() == [1]
    assert frame.truth.boxes.tolist() == [[20, 20, 40, 30]]
    assert (frame.truth.areas.tolist(), frame.truth.scores.tolist()) == ([200], [1.0])
    assert frame.found.labels.tolist() == [2, 0]
    assert (frame.found.index.tolist(), frame.found.areas.tolist()) == ([1, 0], [200, 100])
    assert frame.iou.tolist() == [[1.0], [0.0]]
    assert frame.on_ignore.tolist() == [0.0, 0.0]


def test_the_best_of_each_class_are_kept() -> None:
    found = [(FIRST, c, s) for c, s in [(0, 0.1), (1, 0.2), (0, 0.3), (0, 0.3), (1, 0.4), (2, 0.5)]]
    frame = one_pair(Drawn(HW, [], [], found), most=2)
    assert frame.found.index.tolist() == [5, 4, 2, 3, 1]
    assert frame.beyond == 1


def test_frames_not_predicted_and_classes_not_known() -> None:
    predictions, truth = to_records([Drawn(HW, [(FIRST, 0)], [], [(FIRST, 1, 0.5)])] * 2)
    one = type(predictions)(("lamp", "tram", "van"), predictions.frames[:1])
    with pytest.raises(PredictionsError, match="1 of 2 missing, such as f1"):
        pair_frames(one, truth, classes=CLASSES)
    known, missing = pair_frames(one, truth, classes=CLASSES, allow_missing=True)
    assert (known.missing, known.unknown_class, len(known.found)) == (False, 1, 0)
    assert (missing.missing, missing.iou.shape, missing.shapes) == (True, (0, 1), None)


def test_an_empty_frame_has_empty_pairs() -> None:
    predictions, truth = to_records([Drawn(HW, [], [FIRST], [])])
    (frame,) = pair_frames(predictions, truth, classes=CLASSES, shapes=ShapeRules())
    assert (frame.iou.shape, frame.on_ignore.shape) == ((0, 0), (0,))
    assert frame.shapes is not None
    assert frame.shapes.straight.shape == (0, 4)
    assert pair_frames(predictions, [], classes=CLASSES) == []


def test_what_is_no_boundary_is_refused() -> None:
    for dilation, least in ((0.0, 1), (1.0, 1), (0.02, 0)):
        with pytest.raises(DataError, match="boundary"):
            ShapeRules(dilation, least)
    assert ShapeRules().distance_px((2710, 3384)) == 87  # .02 of a diagonal of 4,335 pixels
    assert ShapeRules(min_px=3).distance_px((60, 80)) == 3


def slow_edge(bitmap: Bitmap) -> Float64[np.ndarray, "k 2"]:
    """Pixels of the mask with a neighbour, above, below, left or right, that is not."""
    padded = np.pad(bitmap, 1)
    inner = padded[1:-1, 1:-1].copy()
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        inner &= padded[dy : dy + bitmap.shape[0], dx : dx + bitmap.shape[1]]
    return np.argwhere(bitmap & ~inner).astype(np.float64)


def slow_offset(a: Bitmap, b: Bitmap) -> tuple[float, float]:
    edge_a, edge_b = slow_edge(a), slow_edge(b)
    away = np.hypot(*(edge_a[:, None] - edge_b[None]).transpose(2, 0, 1))
    to_b, to_a = away.min(axis=1), away.min(axis=0)
    inside = [b[int(y), int(x)] for y, x in edge_a]
    growth = np.where(inside, -to_b, to_b).mean()
    return float(np.concatenate([to_b, to_a]).mean()), float(growth)


def slow_boundary(bitmap: Bitmap, distance: int) -> Bitmap:
    """Pixels whose square of side 2 d + 1 is not all mask; beyond the frame there is none."""
    padded = np.pad(bitmap, distance)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * distance + 1,) * 2)
    return np.asarray(bitmap & ~windows.all(axis=(2, 3)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_outlines_equal_a_slow_second_way(seed: int, distance: int) -> None:
    rng = np.random.default_rng(seed)
    hw = (int(rng.integers(2, 40)), int(rng.integers(2, 40)))
    truth = [rectangle(hw, rng) for _ in range(3)]
    found = [near(bitmap, rng) for bitmap in truth]
    if not all(bitmap.any() for bitmap in found):
        return
    masks, labels = mask_ops.from_bitmaps(found), mask_ops.from_bitmaps(truth)
    iou = mask_ops.iou(masks, labels)
    same = np.eye(3, dtype=np.bool_)
    shapes = measure_shapes(masks, labels, iou, same, distance)
    assert list(zip(shapes.found, shapes.truth, strict=True)) == list(
        zip(*np.nonzero(iou >= 0.5), strict=True)
    )
    for place, (i, j) in enumerate(zip(shapes.found, shapes.truth, strict=True)):
        if i == j:
            offset, growth = slow_offset(found[i], truth[j])
            assert shapes.offset_px[place] == pytest.approx(offset, abs=1e-5)
            assert shapes.growth_px[place] == pytest.approx(growth, abs=1e-5)
        else:
            assert np.isnan([shapes.offset_px[place], shapes.growth_px[place]]).all()
        a, b = slow_boundary(found[i], distance), slow_boundary(truth[j], distance)
        assert shapes.boundary_iou[place] == pytest.approx((a & b).sum() / (a | b).sum(), abs=1e-12)


def test_outlines_by_hand() -> None:
    """A square of 10 and one of 12 around it: each edge pixel is 1 off, corners the root of 2."""
    inner, outer = box((20, 20), 5, 5, 15, 15), box((20, 20), 4, 4, 16, 16)
    masks, labels = mask_ops.from_bitmaps([outer]), mask_ops.from_bitmaps([inner])
    shapes = measure_shapes(masks, labels, mask_ops.iou(masks, labels), np.ones((1, 1), "?"), 1)
    outward = (40 + 4 * np.sqrt(2)) / 44  # the outer ring has 44 pixels, the inner one 36
    assert shapes.growth_px[0] == pytest.approx(outward, abs=1e-6)
    assert shapes.offset_px[0] == pytest.approx((outward * 44 + 36) / 80, abs=1e-6)
    assert shapes.boundary_iou[0] == 0.0
    assert shapes.straight.tolist() == [[1.0] * 4]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_every_true_positive_has_an_offset(seed: int) -> None:
    frames = [draw_frame(np.random.default_rng(seed), most_found=20)]
    predictions, truth = to_records(frames)
    pairs = pair_frames(predictions, truth, classes=CLASSES, shapes=ShapeRules())
    shapes = pairs[0].shapes
    assert shapes is not None
    measured = {
        (i, j): value
        for i, j, value in zip(
            shapes.found.tolist(), shapes.truth.tolist(), shapes.offset_px.tolist(), strict=True
        )
    }
    (errors,) = find_errors(pairs, len(CLASSES))
    for row in np.flatnonzero(errors.found == ErrorKind.RIGHT).tolist():
        assert measured[row, int(errors.target[row])] >= 0


def test_masks_that_are_not_pixels_are_paired_as_what_they_become() -> None:
    soft = mask_ops.from_roi_grids(np.array([[18.5, 9.0, 33.0, 31.5]]), np.ones((1, 4, 4), "f4"))
    labels = Instances.from_labels(soft, np.zeros(1, np.int64))
    predictions, _ = to_records([Drawn(HW, [], [], [(mask_ops.paint(soft, HW) > 0, 0, 0.5)])])
    truth = FrameLabels("f0", HW, labels, mask_ops.CropMasks.empty())
    (frame,) = pair_frames(predictions, [truth], classes=CLASSES)
    assert frame.iou.tolist() == [[1.0]]
