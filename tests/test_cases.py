"""Users' files that once failed, each with the outcome that is right (../shared/data/cases)."""

import shutil
from pathlib import Path

import pytest
from _tiny_network import TINY
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.data import open_data
from tinyseg.errors import TinysegError
from tinyseg.predictions import read_predictions

CASES = Path(__file__).parents[2] / "shared/data/cases"
SMALL = [
    *("--set", "train.steps=1", "--set", "train.mixed=false", "--set", "sampling.view=64"),
    *(word for setting in TINY for word in ("--set", setting)),
    *("--set", "predict.short_side=96", "--set", "predict.longest_side=96"),
]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A copy of the case that the test's parameter names, as the working folder."""
    source = CASES / str(request.param)
    if not source.is_dir():
        pytest.skip(f"the users' files are not here: {source}")
    monkeypatch.chdir(shutil.copytree(source, tmp_path / "case"))
    return tmp_path / "case"


def run(*words: str) -> tuple[str, TinysegError | None]:
    """What a verb says, in one line, and how it was refused."""
    result = CliRunner().invoke(app, list(words))
    error = result.exception if isinstance(result.exception, TinysegError) else None
    ended = isinstance(result.exception, SystemExit)  # the doctor's way to say "errors"
    assert result.exception is None or ended or error is not None, result.output
    return " ".join(result.output.split()), error


def of_case(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [name], indirect=True)


@of_case("06-train-on-nothing")
def test_a_run_says_what_there_is_to_learn(case: Path) -> None:
    told, error = run("train", "--data", "labelme", "--out", "r1", *SMALL)
    assert "labels left out of labelme: scratch 1, dent 1" in told
    assert "nothing to learn" in str(error)
    crowds = ["--data", "crowds/instances_x.json", "--classes", "data"]
    told, error = run("train", *crowds, "--out", "r2", *SMALL)
    assert "crowds or ignore regions" in str(error)
    typo = ["--data", "typo/instances_x.json", "--classes", "car,truk"]
    told, error = run("train", *typo, "--out", "r3", *SMALL)
    assert error is None
    assert "no instance of truk" in told
    told, _ = run("doctor", "crowds/instances_x.json", "--classes", "data")
    assert "crowd" in told
    assert sorted(p.name for p in case.glob("r*")) == ["r3"]


@of_case("07-train-takes-val-too")
def test_training_takes_the_training_split(case: Path) -> None:
    words = ["--classes", "data", "--out"]
    told, error = run("train", "--data", "yolo", "--val", "yolo/images/val", *words, "r1", *SMALL)
    assert error is None
    assert "1 frames" in told
    told, error = run("train", "--data", "coco", *words, "r2", *SMALL)
    assert error is None
    assert "2 frames" in told
    _, error = run("convert", "yolo", "--out", "c", "--to", "coco", "--split", "train")
    assert error is None
    names = [item.name for item in open_data(case / "c", classes=["car"]).items]
    assert len(names) == 1
    assert "train1" in names[0]


@of_case("08-other-picture-formats")
def test_pictures_of_every_kind_are_read(case: Path) -> None:
    _, error = run("predict", "pics", "--out", "out", "--plan", "whole")
    assert error is None
    frames = read_predictions(case / "out/predictions.json").frames
    assert len(frames) == len(list((case / "pics").iterdir()))
    _, error = run("predict", "only-bmp", "--out", "out2", "--plan", "whole")
    assert error is None
    told, _ = run("doctor", "yolo", "--classes", "data")
    assert "3 frames" in told or "4 frames" in told


@of_case("10-broken-video")
def test_a_broken_video_costs_itself_and_a_cut_one_is_told(case: Path) -> None:
    words = ["--plan", "whole"]
    told, error = run("predict", "vids", "--out", "out", *words, "--on-error", "skip")
    assert error is None
    assert "broken.mp4" in told
    assert len(read_predictions(case / "out/predictions.json").frames) > 0
    told, _ = run("predict", "trunc.avi", "--out", "out2", *words, "--on-error", "skip")
    assert "ends after 2 of the 3 frames" in told
