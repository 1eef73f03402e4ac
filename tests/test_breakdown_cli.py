"""`tinyseg evaluate --breakdown` as a user has it: tables, the JSON file, own buckets, seams."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tinyseg.cli import app, main
from tinyseg.cli.judging import read_buckets
from tinyseg.data import open_data
from tinyseg.errors import DataError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.labels import WAD_CLASSES
from tinyseg.predictions import FramePredictions, Predictions, write_predictions


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small scenes in the WAD's layout, and predictions: the labels less one a frame."""
    out = tmp_path_factory.mktemp("scenes")
    words = ("synth", "--out", str(out), "--count", "2", "--size", "320x256", "--zoom", "4")
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    dataset = open_data(out, format=None, classes=WAD_CLASSES, listed=None)
    frames = tuple(_less_one(item.read_labels()) for item in dataset.items)
    write_predictions(out / "predictions.json", Predictions(WAD_CLASSES, frames))
    return out


def _less_one(labels: FrameLabels) -> FramePredictions:
    kept = labels.instances.select(np.arange(1, len(labels.instances)))
    found = Instances(kept.masks.boxes, kept.masks, kept.labels, np.full(len(kept), 0.9))
    return FramePredictions(labels.name, f"{labels.name}.jpg", labels.hw, found)


def evaluate(scenes: Path, *words: str) -> str:
    words = ("evaluate", str(scenes / "predictions.json"), "--data", str(scenes), *words)
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_breakdown_is_printed_and_written(scenes: Path, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    text = evaluate(scenes, "--breakdown", "--bucket", "pole=4:12", "--json", str(file))
    for title in ("By size", "By bucket", "By image row", "By class", "Errors", "Outlines"):
        assert title in text
    figures = json.loads(file.read_text())
    assert figures["frames"] == 2
    assert figures["breakdown"]["buckets"][-1]["name"] == "pole"
    kinds = {kind["name"]: kind for kind in figures["breakdown"]["kinds"]}
    assert (kinds["missed"]["labels"], kinds["background"]["detections"]) == (2, 0)
    assert [frame["labels"] for frame in figures["breakdown"]["errors"]] == [
        [{"row": 0, "kind": "missed", "other": None}]
    ] * 2
    assert "breakdown" not in evaluate(scenes)


def test_seams_of_a_plan(scenes: Path, tmp_path: Path) -> None:
    """Of the two missed labels each is held by a tile of 64 pixels, or cut by its border."""
    plan, file = tmp_path / "plan.yaml", tmp_path / "scores.json"
    plan.write_text("parts: [{tiles: {size: 64, overlap: 0}}]")
    text = evaluate(scenes, "--breakdown", "--plan", str(plan), "--json", str(file))
    assert "the plan's views" in text
    breakdown = json.loads(file.read_text())["breakdown"]
    assert breakdown["views_known"] is True
    kinds = {kind["name"]: kind for kind in breakdown["kinds"]}
    assert kinds["missed"]["labels"] + kinds["seam"]["labels"] == 2


def test_plans_whose_seams_are_not_known_are_refused(
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("parts: [{focus: {}}]")
    words = ("evaluate", str(scenes / "predictions.json"), "--data", str(scenes))
    monkeypatch.setattr("sys.argv", ["tinyseg", *words, "--breakdown", "--plan", str(plan)])
    with pytest.raises(SystemExit):
        main()
    assert "seams are known for plans of whole frames and tiles" in capsys.readouterr().err


def test_buckets_are_read() -> None:
    assert read_buckets(["pole=4:12", "far=:8", "near=50:"]) == {
        **{"pole": (4.0, 12.0), "far": (0.0, 8.0), "near": (50.0, 1e5)}
    }
    for text in ("pole", "pole=4", "=4:12", "pole=a:b", "pole=4:12:20"):
        with pytest.raises(DataError, match="NAME=LOW:HIGH"):
            read_buckets([text])
