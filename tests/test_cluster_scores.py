"""A cluster's results as other verbs read them: part by part, and as if they were one file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_cli import run

from tinyseg.data import open_data
from tinyseg.errors import DataError, ImageError, PredictionsError
from tinyseg.frame import Instances
from tinyseg.image import write_jpeg, write_png
from tinyseg.labels import WAD_CLASSES
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.scoring.pairs import pair_frames
from tinyseg.scoring.score import scores_of
from tinyseg.scoring.tally import Tally
from tinyseg.tasks import evaluate

pytest.importorskip("pyarrow", reason="the extra [ray] is not installed")

from _parts import write_parts

from tinyseg.cluster import judging

HW = (120, 160)
FRAMES = 30
IDS = (33, 36, 39)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames in the WAD's layout with cars, persons and buses side by side."""
    root = tmp_path_factory.mktemp("labelled")
    for part in ("train_color", "train_label"):
        (root / part).mkdir()
    for number in range(FRAMES):
        rng = np.random.default_rng(number)
        label = np.full(HW, 255, np.uint16)
        for place in range(6):
            y, x = 4 + 58 * (place // 3), 4 + 52 * (place % 3)
            height, width = rng.integers(6, 50, 2).tolist()
            label[y : y + height, x : x + width] = rng.choice(IDS) * 1000 + place
        write_png(root / "train_label" / f"{number:02}_instanceIds.png", label)
        write_jpeg(root / "train_color" / f"{number:02}.jpg", np.zeros((*HW, 3), np.uint8))
    return root


def found_of(labelled: Path, seed: int = 0) -> Predictions:
    """Labels moved by some pixels, with few different scores, so that ties decide."""
    rng, dataset = np.random.default_rng(seed), open_data(labelled)
    frames = []
    for item in dataset.items:
        own = item.read_labels()
        boxes = own.instances.boxes + np.tile(rng.integers(-4, 5, (len(own.instances), 2)), 2)
        corners = np.clip(boxes[:, :2], 0, (HW[1] - 8, HW[0] - 8)).astype(int)
        sizes = (boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0])
        grids = [np.full((int(h), int(w)), 255, np.uint8) for h, w in zip(*sizes, strict=True)]
        masks = CropMasks.pack_pixels([(x, y) for x, y in corners.tolist()], grids)
        scores = rng.choice([0.25, 0.5, 0.75], len(boxes))
        classes = np.where(rng.random(len(boxes)) < 0.2, 0, own.instances.labels)
        instances = Instances(masks.boxes, masks, classes.astype(np.int64), scores)
        frames.append(FramePredictions(item.name, f"{item.name}.jpg", HW, instances))
    return Predictions(dataset.classes, tuple(frames))


def shuffled(count: int = FRAMES) -> Sequence[int]:
    return np.random.default_rng(5).permutation(count).tolist()


def test_parts_score_as_one_file_to_the_last_digit(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order frames lie in parts, and however these are dealt out."""
    found = found_of(labelled)
    write_predictions(tmp_path / "found.json", found)
    parts = write_parts(tmp_path / "parts", found, shuffled(), 4)
    whole = evaluate(tmp_path / "found.json", labelled)
    assert 0.2 < whole.scores.averages.ap < 0.9
    for size in (1, 9, 64):
        monkeypatch.setattr(judging, "FRAMES_A_SHARD", size)
        assert repr(evaluate(parts, labelled).scores) == repr(whole.scores)
    told: list[str] = []
    boxes, other = (
        evaluate(path, labelled, boxes=True, max_detections=2, on_remark=told.append).scores
        for path in (parts, tmp_path / "found.json")
    )
    assert repr(boxes) == repr(other) != repr(whole.scores)
    assert told[0] == told[1]
    assert "come after the best 2 of their class" in told[0]


def test_the_order_of_frames_decides_between_equal_scores(labelled: Path) -> None:
    """What the test above would not see if shards were joined as they come."""
    found, items = found_of(labelled), open_data(labelled).items
    pairs = pair_frames(found, (i.read_labels() for i in items), classes=WAD_CLASSES)
    figures = set()
    for places in (range(FRAMES), range(FRAMES)[::-1]):
        halves = [
            Tally.of(pairs[side::2], len(WAD_CLASSES), places=places[side::2]) for side in (1, 0)
        ]
        figures.add(repr(scores_of(Tally.joined(halves), WAD_CLASSES)))
    assert len(figures) == 2


def test_frames_that_one_side_lacks(labelled: Path, tmp_path: Path) -> None:
    found = found_of(labelled)
    extra = replace(found.frames[0], name="elsewhere")
    some = replace(found, frames=(*found.frames[3:], extra))
    write_predictions(tmp_path / "found.json", some)
    parts = write_parts(tmp_path / "parts", some, shuffled(len(some.frames)), 4)
    with pytest.raises(PredictionsError, match="3 of 30 missing, such as 00, 01"):
        evaluate(parts, labelled)
    own = evaluate(parts, labelled, allow_missing=True).scores
    assert (own.missing_frames, own.extra_frames) == (3, 1)
    assert repr(own) == repr(evaluate(tmp_path / "found.json", labelled, allow_missing=True).scores)


def test_labels_that_cannot_be_read_are_told_as_ever(labelled: Path, tmp_path: Path) -> None:
    root = tmp_path / "labelled"
    for folder in ("train_color", "train_label"):
        (root / folder).mkdir(parents=True)
        for path in (labelled / folder).iterdir():
            (root / folder / path.name).symlink_to(path)
    bad = root / "train_label/07_instanceIds.png"
    bad.unlink()
    bad.write_bytes(b"no label")
    found = found_of(labelled)
    write_predictions(tmp_path / "found.json", found)
    parts = write_parts(tmp_path / "parts", found, shuffled(), 4)
    with pytest.raises(ImageError, match=r"07_instanceIds\.png"):
        evaluate(parts, root)
    told: tuple[list[str], list[str]] = [], []
    scores = [
        evaluate(path, root, on_error="skip", on_remark=own.append).scores
        for path, own in zip((parts, tmp_path / "found.json"), told, strict=True)
    ]
    assert repr(scores[0]) == repr(scores[1])
    assert told[0] == told[1]
    assert "1 frames skipped" in told[0]


def test_predictions_of_another_size_are_refused(labelled: Path, tmp_path: Path) -> None:
    found = found_of(labelled)
    turned = replace(found.frames[4], hw=HW[::-1], instances=Instances.empty())
    some = replace(found, frames=(*found.frames[:4], turned, *found.frames[5:]))
    parts = write_parts(tmp_path / "parts", some, shuffled(), 4)
    with pytest.raises(PredictionsError, match=r"04: predictions and labels need one frame size"):
        evaluate(parts, labelled)


def test_a_cluster_scores_parts_alone(labelled: Path, tmp_path: Path) -> None:
    write_predictions(tmp_path / "found.json", found_of(labelled))
    with pytest.raises(DataError, match="cluster: a cluster scores its own"):
        evaluate(tmp_path / "found.json", labelled, cluster="local")


def test_a_submission_of_parts_is_that_of_the_file(labelled: Path, tmp_path: Path) -> None:
    found = found_of(labelled)
    write_predictions(tmp_path / "found.json", found)
    parts = write_parts(tmp_path / "parts", found, range(FRAMES), 7)
    words = ("--size", f"{HW[1]}x{HW[0]}", "--min-score", "0.5")
    said = [
        run("submit", str(given), "--out", str(tmp_path / name), *words)
        for given, name in ((tmp_path / "found.json", "a.csv"), (parts, "b.csv"))
    ]
    assert said[0].replace("a.csv", "b.csv") == said[1]
    rows = (tmp_path / "a.csv").read_text()
    assert rows == (tmp_path / "b.csv").read_text()
    assert rows.count("\n") > FRAMES
