"""The command line as a user has it: verbs, files left behind, errors in one line."""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from _tiny_network import TINY
from typer.testing import CliRunner

from tinyseg.cli import GONE, VERBS, app, main
from tinyseg.networks import build_detector, save_weights
from tinyseg.predictions import read_predictions
from tinyseg.recipes import Recipe, find_recipe, with_settings

SMALL = (
    *TINY,
    "sampling.view=64",
    "train.steps=2",
    "train.mixed=false",
    "predict.short_side=128",
    "predict.longest_side=192",
    "predict.detections=20",
)


def run(*words: str) -> str:
    """Run a verb; anything but success fails the test with its output."""
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """Run the program as a user would; it must end with status 2; returns what it said."""
    monkeypatch.setattr("sys.argv", ["tinyseg", *words])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 2
    return capsys.readouterr().err


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small scenes in the WAD's layout."""
    out = tmp_path_factory.mktemp("scenes")
    run("synth", "--out", str(out), "--count", "3", "--size", "320x256", "--zoom", "4")
    return out


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network that finds something everywhere."""
    torch.manual_seed(0)
    recipe: Recipe = with_settings(find_recipe("lite"), SMALL)
    detector = build_detector(recipe)
    path = tmp_path_factory.mktemp("weights") / "some.safetensors"
    save_weights(path, detector, recipe)
    return path


def test_the_whole_way(scenes: Path, tmp_path: Path) -> None:
    settings = [word for setting in SMALL for word in ("--set", setting)]
    run("train", "--data", str(scenes), "--out", str(tmp_path / "run"), *settings)
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in log] == [0, 1]
    assert all(np.isfinite(row["total"]) and row["total"] > 0 for row in log)

    found = tmp_path / "found"
    words = ("--weights", str(tmp_path / "run"), "--out", str(found), "--tile", "128", "--overlay")
    run("predict", str(scenes / "train_color"), *words)
    stems = (scenes / "train.txt").read_text().split()
    predictions = read_predictions(found / "predictions.json")
    assert [frame.name for frame in predictions.frames] == stems
    assert all((found / f"{stem}_overlay.jpg").stat().st_size > 1000 for stem in stems)
    document = json.loads((found / "predictions.json").read_text())
    assert document["images"][0]["file_name"] == f"{stems[0]}.jpg"

    scores = tmp_path / "scores.json"
    table = run("evaluate", str(found), "--data", str(scenes), "--json", str(scores))
    assert "AP_tiny" in table
    assert "car" in table
    assert json.loads(scores.read_text())["frames"] == 3

    run("show", "--data", str(scenes), "--predictions", str(found), "--out", str(tmp_path / "seen"))
    assert len(list((tmp_path / "seen").glob("*_overlay.jpg"))) == 3


def test_predict_takes_globs_and_skips_bad_files(
    scenes: Path, weights: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    shutil.copytree(scenes / "train_color", pictures)
    (pictures / "a_broken.jpg").write_bytes(b"not a picture")
    words = (f"{pictures}/*.jpg", "--weights", str(weights), "--out", str(tmp_path / "found"))
    run("predict", *words, "--on-error", "skip")
    assert len(read_predictions(tmp_path / "found/predictions.json").frames) == 3


def test_predict_stops_at_a_bad_file_and_keeps_what_is_done(
    scenes: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = tmp_path / "pictures"
    shutil.copytree(scenes / "train_color", pictures)
    (pictures / "z_broken.jpg").write_bytes(b"not a picture")
    out = str(tmp_path / "found")
    told = fails(
        capsys, monkeypatch, "predict", str(pictures), "--weights", str(weights), "--out", out
    )
    assert "z_broken.jpg" in told
    assert len(read_predictions(tmp_path / "found/predictions.json").frames) == 3


NOWHERE = "json: cannot be written (got No such file or directory)"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train --data {scenes} --out o --recipe huge", "no recipe of this name"),
        ("train --data {scenes} --out o --set train.speed=9", "unknown key"),
        ("train --data {scenes} --out o --set train.steps=-1", "train.steps"),
        ("train --data nowhere --out o", "nowhere"),
        ("train --data {scenes} --out o --device quantum", "no such device"),
        ("predict nothing.jpg --weights w --out o", "nothing.jpg"),
        ("predict {scenes}/train_color --weights w --out o", "no such weights file"),
        ("evaluate nothing.json --data {scenes}", "nothing.json"),
        ("synth --out o --size huge", "WIDTHxHEIGHT"),
        ("evaluate {scenes} --data {scenes} --json nowhere/s.json", NOWHERE),
        ("evaluate {scenes} --against {scenes} --data {scenes} --json nowhere/s.json", NOWHERE),
        ("report {scenes} --data {scenes} --out nowhere/r.html", NOWHERE.replace("json", "html")),
        ("doctor {scenes} --json nowhere/d.json", NOWHERE),
        ("convert {scenes} --out o --to coco --classes car,unicorn", "unicorn"),
        ("evaluate --unknown", "No such option"),
    ],
)
def test_bad_words_end_with_one_clear_line(
    words: str,
    said: str,
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    told = fails(capsys, monkeypatch, *words.format(scenes=scenes).split())
    assert said in told
    assert "Traceback" not in told


SCAN = "--set sampling.repeat=0.5"
"""Reads all labels first, and keeps what they say in the run's folder."""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"--data {{scenes}} --init nowhere {SCAN}", "nothing to start from"),
        (f"--data {{scenes}} --init {{scenes}} {SCAN}", "no such weights file"),
        (f"--data {{scenes}} --val nowhere {SCAN}", "nowhere"),
        (f"--data {{broken}} {SCAN}", "instanceIds.png"),
    ],
)
def test_a_run_that_cannot_start_leaves_no_folder(
    words: str,
    said: str,
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, out = tmp_path / "broken", tmp_path / "run"
    shutil.copytree(scenes, broken)
    next((broken / "train_label").iterdir()).write_bytes(b"not a picture")
    sets = [word for setting in SMALL for word in ("--set", setting)]
    given = words.format(scenes=scenes, broken=broken).split()
    assert said in fails(capsys, monkeypatch, "train", "--out", str(out), *given, *sets)
    assert not out.exists()


def test_another_run_is_refused_before_anything_is_written(
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = {"weights.safetensors": b"dear", "labels.json": b"its own"}
    for name, content in kept.items():
        (tmp_path / name).write_bytes(content)
    words = ["train", "--data", str(scenes), "--out", str(tmp_path), *SCAN.split()]
    assert "another run" in fails(capsys, monkeypatch, *words)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept


def test_an_interruption_is_told_and_has_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("tinyseg.cli.synth"), "write_wad", interrupted)
    monkeypatch.setattr("sys.argv", ["tinyseg", "synth", "--out", str(tmp_path / "o")])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("verb", GONE)
def test_verbs_of_before_answer_with_the_new_call(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["tinyseg", verb, "a", "--data", "b"])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 2
    assert GONE[verb] in capsys.readouterr().err


def test_an_error_is_told_with_its_brackets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in brackets is markup for the console."""
    assert "gone[b].jpg" in fails(capsys, monkeypatch, "predict", "gone[b].jpg")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    assert f"Example: tinyseg {verb}" in " ".join(run(verb, "--help").split())
