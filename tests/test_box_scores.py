"""Scores of boxes against COCOeval's, labels without masks, classes a data set does not label."""

from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from _drawn import figures, run_pycocotools
from jaxtyping import Float64
from typer.testing import CliRunner

from tinyseg import masks as mask_ops
from tinyseg.cli import app
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import write_jpeg
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.scoring.pairs import pair_frames
from tinyseg.scoring.score import Scores, score_pairs

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HW = (80, 120)
CLASSES = ("car", "person")


def boxes_alone(boxes: Float64[np.ndarray, "n 4"], labels: list[int], scores: Any) -> Instances:
    none = [np.zeros((0, 0), np.uint8)] * len(boxes)
    masks = CropMasks.pack_pixels([(0, 0)] * len(boxes), none)
    return Instances(boxes, masks, np.array(labels, np.int64), np.asarray(scores, np.float64))


def with_masks(boxes: Float64[np.ndarray, "n 4"], labels: list[int]) -> Instances:
    return replace(boxes_alone(boxes, labels, np.ones(len(boxes))), masks=mask_ops.filled(boxes))


def drawn(rng: np.random.Generator, name: str) -> tuple[FrameLabels, FramePredictions]:
    count = int(rng.integers(0, 9))
    low = rng.uniform(0, 90, (count, 2)) * (1, 0.6)
    boxes = np.concatenate([low, low + rng.uniform(2, 30, (count, 2))], axis=1)
    labels = rng.integers(0, 2, count).tolist()
    own = boxes_alone(boxes, labels, np.ones(count))
    again = rng.integers(0, count, 2 * count) if count else np.zeros(0, np.int64)
    moved = boxes[again] + rng.normal(0, 1, (len(again), 4)) * rng.choice([0, 1], (len(again), 1))
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    found = boxes_alone(moved, [labels[i] for i in again], rng.random(len(again)))
    truth = FrameLabels(name, HW, own, CropMasks.empty())
    return truth, FramePredictions(name, f"{name}.jpg", HW, found)


def to_coco(frame: int, instances: Instances) -> list[dict[str, Any]]:
    x0, y0, x1, y1 = instances.boxes.T
    rows = []
    for index, box in enumerate(np.stack([x0, y0, x1 - x0, y1 - y0], axis=1).tolist()):
        row = {"image_id": frame, "category_id": int(instances.labels[index]) + 1, "bbox": box}
        rows.append(row | {"iscrowd": 0, "area": box[2] * box[3]})
    return rows


@pytest.mark.parametrize("seed", range(12))
def test_boxes_score_as_cocoevals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [drawn(rng, f"f{number}") for number in range(int(rng.integers(1, 8)))]
    truth, found = [one for one, _ in frames], tuple(one for _, one in frames)
    pairs = pair_frames(Predictions(CLASSES, found), truth, classes=CLASSES, of_boxes=True)
    own = score_pairs(pairs, CLASSES).averages
    images = [{"id": i, "height": HW[0], "width": HW[1]} for i in range(1, len(frames) + 1)]
    rows = [row for i, one in enumerate(truth, 1) for row in to_coco(i, one.instances)]
    rows = [{**row, "id": i} for i, row in enumerate(rows, 1)]
    results = [
        {**row, "score": float(value)}
        for i, one in enumerate(found, 1)
        for row, value in zip(to_coco(i, one.instances), one.instances.scores, strict=True)
    ]
    expected = figures(run_pycocotools(images, rows, results, 2, 300, "bbox"))
    np.testing.assert_allclose(astuple(own), expected, rtol=0, atol=1e-9, equal_nan=True)


CAR, PERSON = [10.0, 10.0, 30.0, 30.0], [60.0, 20.0, 70.0, 50.0]


def scored(found: Instances, labels: FrameLabels) -> tuple[Scores, Any]:
    given = Predictions(CLASSES, (FramePredictions("a", "a.jpg", HW, found),))
    pairs = pair_frames(given, [labels], classes=CLASSES)
    return score_pairs(pairs, CLASSES), pairs[0]


def test_a_label_without_a_mask_is_not_judged_and_ignores_its_box() -> None:
    one, box = with_masks(np.array([CAR]), [0]), boxes_alone(np.array([PERSON]), [0], [1.0])
    labels = FrameLabels("a", HW, Instances.concatenate([one, box]), CropMasks.empty())
    found = replace(with_masks(np.array([PERSON, CAR]), [0, 0]), scores=np.array([0.9, 0.5]))
    scores, pairs = scored(found, labels)
    assert scores.averages.ap == pytest.approx(1)
    assert scores.instances == 1
    assert pairs.no_mask == (1, 0)
    mask_known = replace(labels, instances=one)
    assert scored(found, mask_known)[0].averages.ap == pytest.approx(0.5)


def test_classes_that_a_data_set_does_not_label_are_left_out() -> None:
    labels = FrameLabels("a", HW, with_masks(np.array([CAR]), [0]), CropMasks.empty())
    found = replace(with_masks(np.array([PERSON, CAR]), [1, 0]), scores=np.array([0.9, 0.5]))
    assert scored(found, labels)[0].any_class.ap == pytest.approx(0.5)
    scores, pairs = scored(found, replace(labels, unlabelled=frozenset({1})))
    assert scores.any_class.ap == scores.averages.ap == pytest.approx(1)
    assert (pairs.unlabelled, pairs.unknown_class) == (1, 0)
    assert scores.detections == 1


def write_set(root: Path, found: Instances) -> tuple[Path, Path]:
    root.mkdir()
    write_jpeg(root / "a.jpg", np.zeros((*HW, 3), np.uint8))
    rows: list[dict[str, Any]] = []
    for number, (x0, y0, x1, y1) in enumerate((CAR, PERSON), start=1):
        row = {"id": number, "image_id": 1, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
        rows.append(row | {"area": 1, "iscrowd": 0})
    rows[0]["segmentation"] = [[10, 10, 30, 10, 30, 30, 10, 30]]
    image = {"id": 1, "file_name": "a.jpg", "height": HW[0], "width": HW[1]}
    categories = [{"id": 1, "name": "car"}]
    document = {"images": [image], "categories": categories, "annotations": rows}
    (root / "instances.json").write_bytes(orjson.dumps(document))
    given = Predictions(CLASSES, (FramePredictions("a", "a.jpg", HW, found),))
    write_predictions(root.parent / "found.json", given)
    return root, root.parent / "found.json"


def told(*words: str | Path) -> str:
    ended = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    return " ".join(ended.output.split())


def test_the_verbs_say_what_is_left_out(tmp_path: Path) -> None:
    boxes = np.array([CAR, PERSON, CAR, CAR])
    masks, scores = mask_ops.filled(boxes), np.array([0.9, 0.8, 0.7, 0.6])
    found = Instances(boxes, masks, np.array([0, 0, 1, 0]), scores)
    root, path = write_set(tmp_path / "set", found)
    figures = tmp_path / "s.json"
    output = told("evaluate", path, "--data", root, "--detections", "2", "--json", figures)
    assert "1 labels are boxes without masks" in output
    assert "1 detections of classes that their frame's data set does not label" in output
    assert "1 detections on 1 frames come after the best 2 of their class" in output
    assert orjson.loads(figures.read_bytes())["averages"]["ap"] == pytest.approx(1)
    assert "come after" not in told("evaluate", path, "--data", root)
    shown = told("evaluate", path, "--data", root, "--boxes", "--json", figures)
    assert "Box AP" in shown
    assert "Mask AP" not in shown
    assert orjson.loads(figures.read_bytes())["instances"] == 2
    assert "boxes without masks" in told(
        "evaluate", path, "--against", path, "--data", root, "--resamples", "3"
    )
    ended = CliRunner().invoke(
        app, ["evaluate", str(path), "--data", str(root), "--boxes", "--breakdown"]
    )
    assert "need masks" in str(ended.exception)
