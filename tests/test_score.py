"""Scores against pycocotools on bitmaps, and against figures worked out by hand."""

import io
import json
import math
from dataclasses import astuple
from pathlib import Path

import cv2
import numpy as np
import pytest
from _drawn import (
    CLASSES,
    Bitmap,
    Drawn,
    box,
    draw_frame,
    pycocotools_averages,
    rectangle,
    to_records,
)
from hypothesis import given, settings, strategies as st
from rich.console import Console

from tinyseg import masks as mask_ops
from tinyseg.errors import DataError, PredictionsError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.labels import WAD_BACKGROUND, WAD_CLASSES, WAD_IDS
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.scoring.score import Averages, Scores, score_frames
from tinyseg.scoring.tables import figure_text, scores_table, scores_to_json

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def assert_equals_pycocotools(frames: list[Drawn], max_detections: int = 300) -> Scores:
    predictions, truth = to_records(frames)
    scores = score_frames(predictions, truth, classes=CLASSES, max_detections=max_detections)
    mean, rows = pycocotools_averages(frames, len(CLASSES), max_detections)
    any_class, _ = pycocotools_averages(frames, 1, max_detections)
    assert_close(scores.averages, mean)
    assert_close(scores.any_class, any_class)
    for own, row in zip(scores.classes, rows, strict=True):
        assert_close(own.averages, row)
    return scores


def assert_close(own: Averages, expected: list[float]) -> None:
    np.testing.assert_allclose(astuple(own), expected, rtol=0, atol=1e-9, equal_nan=True)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 4), st.sampled_from([300, 300, 10, 11]))
def test_scores_equal_pycocotools(seed: int, count: int, max_detections: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [draw_frame(rng, most_found=25) for _ in range(count)]
    assert_equals_pycocotools(frames, max_detections)


@pytest.mark.parametrize("max_detections", [100, 300])
def test_scores_equal_pycocotools_beyond_a_hundred_detections(max_detections: int) -> None:
    rng = np.random.default_rng(5)
    frames = [draw_frame(rng, most_found=5) for _ in range(3)]
    hw = (90, 90)
    target = box(hw, 20, 20, 50, 50)
    # The true one comes 150th: COCO's usual limit of 100 would never see it.
    found = [(rectangle(hw, rng), 0, 1 - i / 1000) for i in range(400)]
    found[149] = (target, 0, 1 - 149 / 1000)
    frames.append(Drawn(hw, [(target, 0)], [], found))
    assert_equals_pycocotools(frames, max_detections)
    alone = assert_equals_pycocotools(frames[-1:], max_detections)
    assert (alone.averages.ap > 0) == (max_detections == 300)


def one_frame(*found: tuple[Bitmap, int, float], ignore: list[Bitmap] | None = None) -> Drawn:
    """A car of 10 x 10, a person of 40 x 40 pixels and what was found."""
    hw = (100, 100)
    labels = [(box(hw, 0, 0, 10, 10), 0), (box(hw, 50, 50, 90, 90), 1)]
    return Drawn(hw, labels, ignore or [], list(found))


HW = (100, 100)
CAR, PERSON = box(HW, 0, 0, 10, 10), box(HW, 50, 50, 90, 90)


def test_perfect_predictions_score_one() -> None:
    scores = assert_equals_pycocotools([one_frame((CAR, 0, 0.9), (PERSON, 1, 0.8))])
    nan = math.nan
    assert astuple(scores.averages) == pytest.approx((1, 1, 1, 1, 1, nan, 1), nan_ok=True)
    assert astuple(scores.any_class) == pytest.approx((1, 1, 1, 1, 1, nan, 1), nan_ok=True)
    assert astuple(scores.classes[2].averages) == pytest.approx((nan,) * 7, nan_ok=True)
    assert [astuple(c.counts) for c in scores.classes] == [
        (1, 1, 1, 0, 0),
        (1, 0, 0, 1, 0),
        (0, 0, 0, 0, 0),
    ]
    assert astuple(scores.counts) == (2, 1, 1, 1, 0)
    assert (scores.frames, scores.instances, scores.detections) == (1, 2, 2)


def test_a_false_one_before_the_true_one_halves_the_precision() -> None:
    wrong = box(HW, 20, 20, 30, 30)
    scores = assert_equals_pycocotools([one_frame((CAR, 0, 0.5), (wrong, 0, 0.9))])
    assert scores.classes[0].averages.ap == pytest.approx(0.5)
    assert scores.classes[1].averages.ap == 0.0
    assert scores.averages.ap == pytest.approx(0.25)


def test_iou_decides_at_which_thresholds_a_mask_counts() -> None:
    most = box(HW, 0, 0, 10, 7)  # 70 of 100 pixels: found at .50, .55, .60, .65, .70
    scores = assert_equals_pycocotools([one_frame((most, 0, 0.9))])
    averages = scores.classes[0].averages
    assert (averages.ap50, averages.ap75) == pytest.approx((1.0, 0.0))
    assert averages.ap == pytest.approx(0.5)


def test_what_lies_in_the_ignore_region_is_not_judged() -> None:
    inside, half = box(HW, 20, 20, 30, 30), box(HW, 25, 30, 35, 40)
    region = [box(HW, 20, 20, 30, 30), box(HW, 20, 30, 30, 40)]
    for wrong, expected in ((inside, 1.0), (half, 0.9 * 0.5 + 0.1)):
        for label in (0, 1):
            found = [(CAR, 0, 0.5), (PERSON, 1, 0.5), (wrong, label, 0.9)]
            scores = assert_equals_pycocotools([one_frame(*found, ignore=region)])
            assert scores.classes[label].averages.ap == pytest.approx(expected)
            assert scores.classes[1 - label].averages.ap == pytest.approx(1.0)
    assert scores.instances == 2


def test_the_wrong_class_counts_only_where_classes_are_told_apart() -> None:
    scores = assert_equals_pycocotools([one_frame((CAR, 1, 0.9), (PERSON, 0, 0.8))])
    assert scores.averages.ap == 0.0
    assert scores.any_class.ap == pytest.approx(1.0)


def test_ranges_include_both_ends() -> None:
    hw = (40, 40)
    edge = box(hw, 0, 0, 32, 32)
    scores = assert_equals_pycocotools([Drawn(hw, [(edge, 0)], [], [(edge, 0, 1.0)])])
    assert astuple(scores.counts) == (1, 0, 1, 1, 0)
    assert (scores.averages.ap_small, scores.averages.ap_medium) == pytest.approx((1.0, 1.0))


def test_nothing_to_score_is_nan_and_nothing_found_is_zero() -> None:
    nothing = assert_equals_pycocotools([])
    assert all(math.isnan(value) for value in astuple(nothing.averages))
    no_labels = assert_equals_pycocotools([Drawn(HW, [], [], [(CAR, 0, 0.9)])])
    assert math.isnan(no_labels.averages.ap)
    assert no_labels.detections == 1
    not_found = assert_equals_pycocotools([one_frame()])
    assert not_found.averages.ap == 0.0
    assert not_found.any_class.ap == 0.0
    assert not_found.averages.ap_tiny == 0.0
    assert math.isnan(not_found.averages.ap_large)


def test_frames_are_matched_by_name_and_classes_too() -> None:
    predictions, truth = to_records([one_frame((CAR, 0, 0.9)), one_frame((PERSON, 1, 0.8))])
    one, two = predictions.frames
    found = Instances.concatenate([one.instances, two.instances])
    labels = np.array([1, 2])  # a pedestrian and a train in the list below
    frame = FramePredictions(
        "f0",
        "f0.jpg",
        one.hw,
        Instances(found.boxes, found.masks.select(np.array([1, 0])), labels, found.scores),
    )
    extra = FramePredictions("x", "x.jpg", (3, 3), Instances.empty())
    mixed = Predictions(("motorbike", "Pedestrian", "train"), (extra, frame))
    scores = score_frames(mixed, truth[:1], classes=CLASSES)
    assert (scores.extra_frames, scores.unknown_class, scores.detections) == (1, 1, 1)
    assert scores.classes[1].averages.ap == pytest.approx(1.0)
    assert scores.classes[0].averages.ap == 0.0
    assert scores.mean_over(["pedestrian"]).ap == pytest.approx(1.0)


def test_missing_frames_are_an_error_unless_allowed() -> None:
    predictions, truth = to_records([one_frame((CAR, 0, 0.9))] * 5)
    some = Predictions(CLASSES, predictions.frames[:1])
    with pytest.raises(PredictionsError, match="4 of 5 missing, such as f1, f2, f3"):
        score_frames(some, iter(truth), classes=CLASSES)
    scores = score_frames(some, iter(truth), classes=CLASSES, allow_missing=True)
    assert (scores.missing_frames, scores.frames, scores.extra_frames) == (4, 5, 0)
    # One car of five: recall .2, which is 21 of the 101 recall points.
    assert scores.classes[0].averages.ap == pytest.approx(21 / 101)


def test_what_does_not_fit_is_refused() -> None:
    predictions, truth = to_records([one_frame((CAR, 0, 0.9))])
    (frame,) = predictions.frames
    smaller = FramePredictions(frame.name, frame.file_name, (50, 100), frame.instances)
    with pytest.raises(PredictionsError, match=r"f0: .*\(100, 100\), got \(50, 100\)"):
        score_frames(Predictions(CLASSES, (smaller,)), truth, classes=CLASSES)
    with pytest.raises(DataError, match="f0: labels are indices"):
        score_frames(predictions, truth, classes=("car",))
    with pytest.raises(DataError, match="f0: a frame is labelled twice"):
        score_frames(predictions, truth * 2, classes=CLASSES)
    with pytest.raises(DataError, match="one name or more"):
        score_frames(predictions, truth, classes=("car", "car"))
    with pytest.raises(PredictionsError, match="max_detections"):
        score_frames(predictions, truth, classes=CLASSES, max_detections=0)
    with pytest.raises(DataError, match=r"not among the scored classes .*tram"):
        score_frames(predictions, truth, classes=CLASSES).mean_over(["car", "tram"])


def test_labels_and_predictions_without_a_pixel_in_the_frame_are_left_out() -> None:
    predictions, truth = to_records([one_frame((CAR, 0, 0.9), (PERSON, 1, 0.9))])
    (frame,) = predictions.frames
    outside = frame.instances.masks.shift(500.0, 0.0)
    far = Instances(outside.boxes, outside, frame.instances.labels, np.ones(2))
    more = Instances.concatenate([frame.instances, far])
    labels = FrameLabels("f0", HW, Instances.concatenate([truth[0].instances, far]), outside)
    found = Predictions(CLASSES, (FramePredictions("f0", "f0.jpg", HW, more),))
    scores = score_frames(found, [labels], classes=CLASSES)
    assert (scores.instances, scores.detections) == (2, 2)
    assert scores.averages.ap == pytest.approx(1.0)


def test_the_mean_over_classes_leaves_out_those_without_instances() -> None:
    scores = assert_equals_pycocotools([one_frame((CAR, 0, 0.9))])
    assert scores.mean_over(["car", "person", "bus"]) == scores.averages
    assert scores.mean_over(["car", "bus"]).ap == pytest.approx(1.0)
    assert math.isnan(scores.mean_over(["car"]).ap_medium)
    assert math.isnan(scores.mean_over([]).ap)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    predictions, truth = to_records([one_frame((CAR, 0, 0.9), ignore=[PERSON]), one_frame()])
    score_frames(predictions, truth, classes=CLASSES)
    score_frames(Predictions(CLASSES, ()), [], classes=CLASSES)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_scores_as_json_and_as_a_table() -> None:
    scores = assert_equals_pycocotools([one_frame((CAR, 0, 0.9))])
    plain = json.loads(json.dumps(scores_to_json(scores), allow_nan=False))
    assert plain["averages"]["ap"] == pytest.approx(0.5)
    assert plain["averages"]["ap_large"] is None
    assert plain["classes"][1] == {
        "name": "person",
        "counts": {"all": 1, "tiny": 0, "small": 0, "medium": 1, "large": 0},
        "averages": {**dict.fromkeys(plain["averages"], 0.0)}
        | {
            "ap_tiny": None,
            "ap_small": None,
            "ap_large": None,
        },
    }
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(scores_table(scores))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["car", "1", "1", "1", "1.000", "1.000", "1.000", "1.000", "-", "-", "1.000"] in lines
    assert ["person", "1", "0", "0", ".000", ".000", "-", "-", ".000", "-", ".000"] in lines
    assert ["bus", "0", "0", "0", *["-"] * 7] in lines


def test_figures_have_three_decimals() -> None:
    assert [figure_text(v) for v in (0.1234, 0.9996, 0.0, math.nan)] == [
        ".123",
        "1.000",
        ".000",
        "-",
    ]


WAD = Path(__file__).parents[2] / "shared/data/wad"


@pytest.mark.skipif(not WAD.is_dir(), reason=f"no real frames in {WAD}")
def test_real_labels_scored_as_predictions_are_perfect() -> None:
    path = next(WAD.rglob("*_instanceIds.png"))
    label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert label is not None
    values, masks = mask_ops.from_label_map(label.astype(np.uint16), background=WAD_BACKGROUND)
    scored = np.isin(values // 1000, list(WAD_IDS))
    places = [list(WAD_IDS).index(v // 1000) for v in values[scored].tolist()]
    hw = (label.shape[0], label.shape[1])
    own = Instances.from_labels(masks.select(scored), np.array(places, np.int64))
    truth = FrameLabels("real", hw, own, masks.select(~scored))
    found = Predictions(WAD_CLASSES, (FramePredictions("real", path.name, hw, own),))
    scores = score_frames(found, [truth], classes=WAD_CLASSES)
    assert scores.averages.ap == pytest.approx(1.0)
    assert scores.instances == len(own)


def test_an_ignore_region_may_hold_masks_that_are_not_pixels() -> None:
    """A soft grid over part of the frame becomes the same pixels that rasterising gives."""
    soft = mask_ops.from_roi_grids(np.array([[18.5, 19.0, 33.0, 41.5]]), np.ones((1, 4, 4), "f4"))
    bitmap = mask_ops.paint(soft, HW) > 0
    found = (box(HW, 20, 20, 30, 30), 0, 0.9)
    drawn = one_frame((CAR, 0, 0.5), found, ignore=[bitmap])
    scores = assert_equals_pycocotools([drawn])
    predictions, truth = to_records([drawn])
    labels = FrameLabels("f0", HW, truth[0].instances, CropMasks.concatenate([soft, soft]))
    assert score_frames(predictions, [labels], classes=CLASSES).averages == scores.averages
