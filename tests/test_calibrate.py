"""Calibration: matching by hand, the fit against known curves and the definition of its optimum."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Bool, Float64
from typer.testing import CliRunner

from tinyseg.calibration import (
    RIDGE,
    Calibration,
    Judged,
    calibrated,
    calibration_error,
    fit,
    log_loss,
    read_calibration,
    right_or_wrong,
    write_calibration,
)
from tinyseg.cli import app
from tinyseg.errors import DataError, PredictionsError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import write_jpeg, write_png
from tinyseg.labels import WAD_BACKGROUND, WAD_CLASSES
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.tasks import calibrate as run_fit

CLASSES = ("car", "person")


def cars(scores: Float64[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> Judged:
    """Detections of one class."""
    return Judged(scores, right, np.zeros(len(scores), np.int64))


def curve(calibration: Calibration, scores: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Calibrated scores of cars."""
    return calibration(scores, np.zeros(len(scores), np.int64), CLASSES)


def squares(*boxes: tuple[int, int, int, int]) -> CropMasks:
    """Full masks of these boxes."""
    grids = [np.full((y1 - y0, x1 - x0), 255, np.uint8) for x0, y0, x1, y1 in boxes]
    return CropMasks.pack(np.array(boxes, np.float64).reshape(-1, 4), grids)


def test_judging_by_hand() -> None:
    truth = squares((0, 0, 10, 10), (20, 0, 30, 10))
    labels = FrameLabels(
        "f",
        (60, 60),
        Instances.from_labels(truth, np.array([0, 1])),
        squares((40, 40, 60, 60)),
    )
    masks = squares(
        (0, 0, 10, 9),  # right, IoU .9, but second best of its object
        (0, 0, 10, 10),  # right: the best score of the object
        (20, 0, 30, 10),  # the other class's object: wrong
        (45, 45, 50, 50),  # on the ignore region: not judged
        (40, 30, 50, 38),  # nothing there: wrong
    )
    scores = np.array([0.5, 0.9, 0.8, 0.7, 0.1])
    found = Instances(masks.boxes, masks, np.array([0, 0, 0, 0, 1]), scores)
    judged = right_or_wrong(found, labels)
    assert judged.scores.tolist() == [0.9, 0.8, 0.5, 0.1]
    assert judged.right.tolist() == [True, False, False, False]
    assert judged.labels.tolist() == [0, 0, 0, 1]
    partly = replace(labels, unlabelled=frozenset({1}))
    assert right_or_wrong(found, partly).labels.tolist() == [0, 0, 0]  # nobody labels the other


def test_a_frame_without_anything() -> None:
    labels = FrameLabels("f", (9, 9), Instances.empty(), CropMasks.empty())
    assert len(right_or_wrong(Instances.empty(), labels).scores) == 0


def drawn(count: int, slope: float, offset: float) -> Judged:
    """Detections whose chance to be right is a known curve of their score."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.01, 0.99, count)
    odds = slope * np.log(scores / (1 - scores)) + offset
    return cars(scores, rng.uniform(size=count) < 1 / (1 + np.exp(-odds)))


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.5, -1.0), (2.0, 0.7)])
def test_the_fit_finds_a_known_curve(slope: float, offset: float) -> None:
    judged = drawn(20000, slope, offset)
    found = fit(judged, CLASSES)
    assert found.slope == pytest.approx(slope, rel=0.06)
    assert found.offset == pytest.approx(offset, abs=0.06)
    assert log_loss(calibrated(judged, found, CLASSES)) <= log_loss(judged) + 1e-6
    assert fit(judged, CLASSES) == found


def test_the_fit_is_where_the_gradient_ends() -> None:
    """The mean of the calibrated scores is the mean of Platt's smoothed targets, by hand."""
    judged = cars(np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, True, False, True]))
    found = fit(judged, CLASSES)
    target = np.where(judged.right, 3 / 4, 1 / 4)
    error = curve(found, judged.scores) - target
    odds = np.log(judged.scores / (1 - judged.scores))
    assert error.sum() == pytest.approx(-0.0, abs=1e-8)
    assert (error * odds).sum() + RIDGE * (found.slope - 1) == pytest.approx(0, abs=1e-8)


def test_equal_scores_keep_the_slope() -> None:
    judged = cars(np.full(40, 0.9), np.arange(40) < 10)
    found = fit(judged, CLASSES)
    assert curve(found, np.array([0.9]))[0] == pytest.approx(0.25, abs=0.02)
    assert found.slope > 0


def test_a_class_has_an_offset_as_far_as_its_detections_speak_for_one() -> None:
    """Persons are right half as often at the same score: many say so, and one hardly does."""
    rng = np.random.default_rng(0)
    offsets = []
    for persons in (1, 4000):
        labels = np.repeat([0, 1], [4000, persons])
        scores = rng.uniform(0.05, 0.95, len(labels))
        odds = np.log(scores / (1 - scores)) - 1.5 * labels
        judged = Judged(scores, rng.uniform(size=len(labels)) < 1 / (1 + np.exp(-odds)), labels)
        found = fit(judged, CLASSES)
        offsets.append(found.classes["person"] - found.classes["car"])
        before, after = (
            calibration_error(judged),
            calibration_error(calibrated(judged, found, CLASSES)),
        )
        assert after <= before + 0.005
    assert after < 0.02 < before
    assert offsets[1] == pytest.approx(-1.5, abs=0.2)
    assert abs(offsets[0]) < 0.8


def test_expected_calibration_error_by_hand() -> None:
    judged = cars(np.array([0.25, 0.25, 0.95]), np.array([True, False, True]))
    assert calibration_error(judged) == pytest.approx((2 * 0.25 + 0.05) / 3)


def test_order_is_kept() -> None:
    scores = np.linspace(0, 1, 101)
    out = curve(Calibration(slope=0.3, offset=-2), scores)
    assert (np.diff(out) >= 0).all()
    assert (out > 0).all()
    assert (out < 1).all()
    np.testing.assert_allclose(curve(Calibration(), scores)[1:-1], scores[1:-1], atol=1e-12)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="right and wrong"):
        fit(cars(np.array([0.5]), np.array([True])), CLASSES)
    scores = np.linspace(0.01, 0.99, 99)
    with pytest.raises(DataError, match="must not fall"):
        fit(cars(scores, scores < 0.5), CLASSES)
    (tmp_path / "c.json").write_text('{"slope": -1}')
    with pytest.raises(DataError, match=r"c.json: slope: not a calibration"):
        read_calibration(tmp_path / "c.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_calibration(tmp_path / "none.json")


def test_the_file_comes_back(tmp_path: Path) -> None:
    calibration = Calibration(slope=0.7, offset=-0.25, classes={"car": 0.1}, right=3, wrong=9)
    write_calibration(tmp_path / "c.json", calibration)
    assert read_calibration(tmp_path / "c.json") == calibration
    (tmp_path / "old.json").write_text(
        '{"format": "tinyseg-calibration/1", "slope": 2, "offset": 1}'
    )
    assert read_calibration(tmp_path / "old.json").classes == {}


def test_the_verb_fits_a_predictions_file(tmp_path: Path) -> None:
    label = np.full((60, 60), WAD_BACKGROUND, np.uint16)
    label[0:10, 0:10] = 33000
    for folder in ("train_color", "train_label"):
        (tmp_path / folder).mkdir()
    write_jpeg(tmp_path / "train_color/f.jpg", np.zeros((60, 60, 3), np.uint8))
    write_png(tmp_path / "train_label/f_instanceIds.png", label)
    masks = squares((0, 0, 10, 9), (30, 30, 40, 40), (40, 40, 50, 50))
    found = Instances(masks.boxes, masks, np.zeros(3, np.int64), np.array([0.9, 0.6, 0.2]))
    frame = FramePredictions("f", "f.jpg", (60, 60), found)
    write_predictions(tmp_path / "p.json", Predictions(WAD_CLASSES, (frame,)))
    out = tmp_path / "c.json"
    words = ["calibrate", str(tmp_path / "p.json"), "--data", str(tmp_path), "--out", str(out)]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    calibration = read_calibration(out)
    assert (calibration.right, calibration.wrong) == (1, 2)
    assert calibration == fit(cars(found.scores, np.array([True, False, False])), WAD_CLASSES)
    twice = run_fit([tmp_path / "p.json"] * 2, [tmp_path] * 2).calibration
    assert (twice.right, twice.wrong) == (2, 4)
    other = Predictions(("car", "tree"), (frame,))
    write_predictions(tmp_path / "other.json", other)
    with pytest.raises(PredictionsError, match="same classes"):
        run_fit([tmp_path / "p.json", tmp_path / "other.json"], [tmp_path] * 2)
    with pytest.raises(PredictionsError, match="for each data set"):
        run_fit([tmp_path / "p.json"] * 2, [tmp_path])
