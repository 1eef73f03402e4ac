"""The weights in the package: small, what their card says, and able to find things."""

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tinyseg.calibration import calibration_error, right_or_wrong
from tinyseg.cli import app
from tinyseg.data import open_data
from tinyseg.labels import WAD_CLASSES
from tinyseg.networks import load_detector
from tinyseg.predict import default_plan, load_predictor
from tinyseg.predictions import read_predictions
from tinyseg.report import DRAWN_FROM
from tinyseg.scenes import write_wad
from tinyseg.scoring.score import score_frames
from tinyseg.stored import own_weights, read_notes, read_weights_prior

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "data" / "wad"


def test_they_are_small_and_complete() -> None:
    file = own_weights()
    detector, recipe = load_detector(file)
    assert recipe.name == "lite"
    assert recipe.classes == WAD_CLASSES
    focused = [part.focus for part in default_plan(recipe.predict).parts]
    assert [one is not None and one.largest_zoom == 1 for one in focused] == [True, True]
    assert sum(p.numel() for p in detector.parameters()) < 6_000_000
    assert file.stat().st_size <= 12_000_000
    assert read_weights_prior(file) is not None


def test_their_licence_and_card_go_along() -> None:
    notes = read_notes(own_weights())
    assert notes.licence == (own_weights().parent / "LICENCE").read_text().strip()
    assert "not for commercial use" in notes.licence
    assert {"data", "training", "figures", "limits"} <= notes.card.keys()


def test_the_model_card_is_of_this_file() -> None:
    digest = hashlib.sha256(own_weights().read_bytes()).hexdigest()
    assert digest in (ROOT / "docs" / "model-card.md").read_text()


def test_predict_without_an_option_finds_a_rendered_streets_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the frame's size, to be quick; all the rest as a user would do it."""
    write_wad(tmp_path / "scenes", count=1, seed=2, height=1355, width=1692)
    monkeypatch.chdir(tmp_path)
    (picture,) = (tmp_path / "scenes" / "train_color").glob("*.jpg")
    result = CliRunner().invoke(app, ["predict", str(picture)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "found" / f"{picture.stem}_overlay.jpg").is_file()
    found = read_predictions(tmp_path / "found" / "predictions.json")
    truth = [item.read_labels() for item in open_data(tmp_path / "scenes").items]
    assert score_frames(found, truth, classes=found.classes).any_class.ap50 > 0.25


@pytest.mark.skipif(not REAL.is_dir(), reason="the real frames of the WAD are not here")
def test_a_real_street_that_they_never_saw() -> None:
    item = next(i for i in open_data(REAL, listed=REAL / "val.txt").items if "033806186" in i.name)
    frame = item.read()
    judged = right_or_wrong(load_predictor()(frame.image, camera="6"), item.read_labels())
    drawn = judged.scores > DRAWN_FROM
    assert judged.right[drawn].sum() >= 5
    assert judged.right[drawn].mean() > 0.5
    assert calibration_error(judged) < 0.1
