"""`tinyseg report` as a user has it: predictions and a data set -> one file, or one clear line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.data import open_data
from tinyseg.errors import TinysegError
from tinyseg.frame import Instances
from tinyseg.predictions import FramePredictions, Predictions, write_predictions


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small scenes, and the labels of the larger instances as predictions of two runs."""
    out = tmp_path_factory.mktemp("scenes")
    run("synth", "--out", str(out), "--count", "2", "--size", "320x256", "--zoom", "4")
    dataset = open_data(out)
    for name, share in (("one", 0.5), ("two", 0.8)):
        frames = []
        for item in dataset.items:
            labels = item.read_labels()
            some = labels.instances.select(np.arange(round(share * len(labels.instances))))
            found = replace(some, scores=np.linspace(0.9, 0.2, len(some)))
            frames.append(FramePredictions(item.name, item.image_path.name, labels.hw, found))
        (out / name).mkdir()
        predictions = Predictions(dataset.classes, tuple(frames))
        write_predictions(out / name / "predictions.json", predictions)
    return out


def test_two_runs_and_the_data_sets_faults(scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    words = ("--data", str(scenes), "--out", str(out), "--resamples", "20", "--frames", "1")
    run("report", str(scenes / "one"), str(scenes / "two"), *words, "--doctor")
    html = out.read_text("utf-8")
    assert "one and two" in html
    assert "Of 2 frames the 1 with the most errors" in html
    assert "B finds" in html
    assert 'id="findings"' in html


def test_one_run_without_a_detection(scenes: Path, tmp_path: Path) -> None:
    dataset = open_data(scenes)
    hw = dataset.items[0].read_labels().hw
    frames = [
        FramePredictions(item.name, item.name, hw, Instances.empty()) for item in dataset.items
    ]
    write_predictions(tmp_path / "none.json", Predictions(dataset.classes, tuple(frames)))
    out = tmp_path / "report.html"
    words = ("--data", str(scenes), "--out", str(out), "--resamples", "5")
    run("report", str(tmp_path / "none.json"), *words)
    assert "No judged prediction reaches a score of .50." in out.read_text("utf-8")


def test_a_file_that_cannot_be_written_is_named(scenes: Path, tmp_path: Path) -> None:
    words = ["report", str(scenes / "one"), "--data", str(scenes), "--resamples", "5"]
    out = tmp_path / "no" / "such" / "report.html"
    with pytest.raises(TinysegError, match=r"report\.html"):
        CliRunner().invoke(app, [*words, "--out", str(out)], catch_exceptions=False)
