"""`tinyseg evaluate --rule wad --intervals` and `--against` as a user has them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_cli import fails, run

from tinyseg.data import open_data
from tinyseg.predictions import FramePredictions, Predictions, write_predictions


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small scenes in the WAD's layout."""
    out = tmp_path_factory.mktemp("scenes")
    run("synth", "--out", str(out), "--count", "3", "--size", "320x256", "--zoom", "4")
    return out


@pytest.fixture(scope="module")
def found(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Predictions that are the labels, and the same where every second one is lost."""
    dataset, folder = open_data(scenes), tmp_path_factory.mktemp("found")
    frames = []
    for item in dataset.items:
        own = item.read_labels()
        scores = np.linspace(0.9, 0.1, len(own.instances))
        instances = replace(own.instances, scores=scores)
        frames.append(FramePredictions(own.name, f"{own.name}.jpg", own.hw, instances))
    write_predictions(folder / "all.json", Predictions(dataset.classes, tuple(frames)))
    halves = [
        replace(f, instances=f.instances.select(np.arange(0, len(f.instances), 2))) for f in frames
    ]
    write_predictions(folder / "half.json", Predictions(dataset.classes, tuple(halves)))
    return folder / "all.json", folder / "half.json"


def test_evaluate_by_the_challenges_rule(
    scenes: Path, found: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "scores.json"
    words = (
        "--rule",
        "wad",
        "--clip-pattern",
        ".+",
        "--intervals",
        "--json",
        str(out),
        "--resamples",
        "20",
    )
    told = run("evaluate", str(found[0]), "--data", str(scenes), *words)
    assert "Mask AP by the challenge's rule" in told
    assert "3 frames are too few" in told
    figures = json.loads(out.read_text())
    assert figures["challenge"]["cuts"][0]["pooled"] == figures["averages"]["ap"] == 1
    shown = [len(item.read_labels().instances) > 0 for item in open_data(scenes).items]
    assert figures["challenge"]["clips"] == sum(shown)
    assert figures["intervals"]["any_class"]["ap"] == [1, 1]
    run("evaluate", str(found[0]), "--data", str(scenes), *words, "--detections", "1")
    few = json.loads(out.read_text())
    assert few["challenge"]["cuts"][0]["pooled"] == few["averages"]["ap"] < 1
    assert few["challenge"]["pooled_intervals"][0]["interval"][1] < 1


def test_clips_come_from_the_data_sets_own_lists(
    scenes: Path, found: tuple[Path, Path], tmp_path: Path
) -> None:
    own, out = tmp_path / "own", tmp_path / "scores.json"
    shutil.copytree(scenes, own)
    (own / "train_video_list").mkdir()
    stems = (scenes / "train.txt").read_text().split()
    (own / "train_video_list/road01_image_list_train.txt").write_text("\n".join(stems[:2]))
    words = ("evaluate", str(found[1]), "--data", str(own), "--json", str(out))
    assert "1 frame of no known clip" in run(*words, "--rule", "wad")
    challenge = json.loads(out.read_text())["challenge"]
    assert challenge["frames_without_clip"] == 1
    run(*words, "--rule", "wad", "--clips", str(own / "train_video_list"))
    assert json.loads(out.read_text())["challenge"] == challenge


def test_compare_says_which_is_better(
    scenes: Path, found: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "compared.json"
    words = ("--data", str(scenes), "--resamples", "50", "--json", str(out))
    told = run("evaluate", str(found[1]), "--against", str(found[0]), *words)
    assert "B better" in told
    any_class = json.loads(out.read_text())["rows"][1]
    ap = any_class["figures"][-1]
    assert (any_class["name"], ap["figure"], ap["b"], ap["b_better"]) == ("any class", "ap", 1, 1)
    assert ap["difference"] == 1 - ap["a"] > 0


def test_clips_can_be_drawn_whole(scenes: Path, found: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "scores.json"
    clips = ("--draw", "clips", "--clip-pattern", "^synth", "--resamples", "20")
    words = ("--data", str(scenes), "--intervals", "--json", str(out))
    told = run("evaluate", str(found[1]), *words, *clips)
    assert "20 resamples of 1 clip of 3 frames" in told
    figures = json.loads(out.read_text())
    ap = figures["any_class"]["ap"]
    # One clip is always drawn whole: nothing varies.
    assert figures["intervals"]["any_class"]["ap"] == pytest.approx([ap, ap])


def test_compare_has_help_with_an_example() -> None:
    told = " ".join(run("evaluate", "--help").split())
    assert "Example: tinyseg evaluate before --against after" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("evaluate {a} --against nothing.json --data {scenes}", "nothing.json"),
        ("evaluate {a} --data {scenes} --rule wad --clips x --clip-pattern y", "or from a pattern"),
        ("evaluate {a} --data {scenes} --clips x", "--clips: the option has no effect without"),
        ("evaluate {a} --data {scenes} --resamples 9", "--intervals or --against"),
        ("evaluate {a} --data {scenes} --draw clips", "--intervals or --against"),
        ("evaluate {a} --data {scenes} --bucket a=1:2 --precision 0", "--bucket, --precision"),
        ("evaluate {a} --data {scenes} --plan p.yaml", "expected --breakdown"),
        ("evaluate {a} --against {a} --data {scenes} --breakdown", "without --against"),
        ("report {a} --data {scenes} --clip-pattern x", "expected --draw clips"),
        ("evaluate {a} --against {a} --data {scenes} --draw clips", "which clip a frame is from"),
        ("evaluate {a} --data {scenes} --rule wad --clip-pattern (", "regular expression"),
        ("evaluate {a} --data {scenes} --rule wad --clips {scenes}/train_color", "no video list"),
    ],
)
def test_bad_words_end_with_one_clear_line(
    words: str,
    said: str,
    scenes: Path,
    found: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = fails(capsys, monkeypatch, *words.format(scenes=scenes, a=found[0]).split())
    assert said in told
    assert "Traceback" not in told
