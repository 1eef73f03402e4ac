"""Weights to give away: half precision, what the file says, and predicting without an option."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from _street import street
from _tiny_network import TINY, lively
from typer.testing import CliRunner

from tinyseg import masks as mask_ops, stored
from tinyseg.calibration import Calibration, write_calibration
from tinyseg.cli import app
from tinyseg.errors import DataError, RecipeError, WeightsError
from tinyseg.image import read_image, read_label, write_jpeg
from tinyseg.model.detector import Detector
from tinyseg.networks import (
    build_detector,
    export_weights,
    load_detector,
    save_weights,
    start_from,
    transfer_weights,
)
from tinyseg.networks.weights import folded, halved
from tinyseg.predict import Predictor, choose_plan, load_member, load_predictor
from tinyseg.predictions import read_predictions
from tinyseg.recipes import Recipe, find_recipe, with_settings
from tinyseg.report import DRAWN_FROM
from tinyseg.stored import Notes, find_weights, read_notes, read_weights_prior
from tinyseg.views import Plan, Tiles, learn_prior, prior_to_json

SMALL = (
    *TINY,
    "network.norm=true",
    "predict.short_side=128",
    "predict.longest_side=192",
    "predict.detections=20",
)
CPU = torch.device("cpu")


def quiet(done: int, total: int | None) -> None:
    pass


def network() -> tuple[Detector, Recipe]:
    recipe = with_settings(find_recipe("lite"), SMALL)
    return lively(recipe, 0), recipe


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "weights.safetensors"
    save_weights(path, *network(), prior=learn_prior([street(hw=(200, 300))]))
    return path.parent


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    small = np.random.default_rng(0).integers(0, 255, (25, 38, 3), np.uint8)
    write_jpeg(tmp_path / "photo.jpg", cv2.resize(small, (300, 200)))
    return tmp_path / "photo.jpg"


def run(*words: str) -> str:
    """Run a verb; anything but success fails the test; returns all that it said."""
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_run_becomes_a_small_file_that_says_what_it_is(source: Path, tmp_path: Path) -> None:
    out, notes = tmp_path / "lite.safetensors", Notes(None, "non-commercial", {"data": "streets"})
    written = export_weights(source, out, settings=["predict.plan=focus"], notes=notes)
    given = source / "weights.safetensors"
    assert written.size_bytes == out.stat().st_size < 0.55 * given.stat().st_size
    assert read_notes(out) == notes
    ours, theirs = read_weights_prior(out), read_weights_prior(source)
    assert ours is not None
    assert theirs is not None
    assert prior_to_json(ours) == prior_to_json(theirs)
    detector, recipe = load_detector(out)
    assert recipe.predict.plan == "focus"
    assert {p.dtype for p in detector.parameters()} == {torch.float32}
    again = export_weights(out, tmp_path / "again.safetensors")
    assert read_notes(tmp_path / "again.safetensors") == notes
    assert again.recipe == recipe
    fresh = build_detector(recipe)
    assert transfer_weights(fresh, recipe, out).fresh == ()


def test_norms_without_statistics_compute_the_same() -> None:
    detector, recipe = network()
    state, norms = folded(detector)
    assert len(norms) > 20
    assert not any("running_" in name for name in state)
    other = build_detector(recipe)
    other.load_state_dict(state, strict=False)
    picture = torch.randn(1, 3, 128, 192)
    with torch.no_grad():
        pairs = zip(detector.backbone(picture), other.backbone(picture), strict=True)
        for ours, theirs in pairs:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_half_precision_changes_detections_little(
    source: Path, photo: Path, tmp_path: Path
) -> None:
    export_weights(source, tmp_path / "half.safetensors")
    image = read_image(photo)
    whole, half = (
        Predictor(path, device=CPU)(image) for path in (source, tmp_path / "half.safetensors")
    )
    alike = mask_ops.iou(whole.masks, half.masks).max(axis=1) >= 0.99
    assert alike.sum() >= len(whole) - 1 > 5


def test_a_number_beyond_half_precision_is_refused() -> None:
    with pytest.raises(WeightsError, match="a: half precision holds numbers up to 65504"):
        halved({"a": torch.tensor([1e6])})


@pytest.mark.parametrize("setting", ["classes=[car]", "network.mask_depth=2", "train.steps=1"])
def test_only_the_use_may_change(source: Path, tmp_path: Path, setting: str) -> None:
    with pytest.raises(RecipeError, match="changes in its use alone"):
        export_weights(source, tmp_path / "w.safetensors", settings=[setting])
    assert list(tmp_path.iterdir()) == []


def test_the_verb_tells_size_licence_and_card(source: Path, tmp_path: Path) -> None:
    write_calibration(tmp_path / "c.json", Calibration(slope=0.5))
    (tmp_path / "card.yaml").write_text("data: made streets\nsteps: 600\n")
    out = tmp_path / "lite.safetensors"
    told = run(
        *("export", str(source), "--out", str(out), "--set", "predict.plan=focus"),
        *("--calibration", str(tmp_path / "c.json"), "--licence", "CC BY-NC 4.0"),
        *("--card", str(tmp_path / "card.yaml")),
    )
    for said in (f"{out.stat().st_size} bytes", "focus, 12 MP", "CC BY-NC", "steps: 600"):
        assert said in told
    member = load_member(out)
    assert member.calibration == Calibration(slope=0.5)
    assert load_member(out, calibration=Calibration()).calibration == Calibration()


@pytest.mark.parametrize("name", ["m.pt", "m"])
def test_weights_are_written_under_no_other_ending(source: Path, tmp_path: Path, name: str) -> None:
    ended = CliRunner().invoke(app, ["export", str(source), "--out", str(tmp_path / name)])
    assert isinstance(ended.exception, DataError)
    assert "a file's ending says its format" in str(ended.exception)
    assert "m.safetensors" in str(ended.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["- a", "a: [1]", "a: {b: c}", "a: b: c", "12"])
def test_a_card_is_texts_by_name(source: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "card.yaml").write_text(text)
    words = (
        "export",
        str(source),
        "--out",
        str(tmp_path / "w.safetensors"),
        "--card",
        str(tmp_path / "card.yaml"),
    )
    ended = CliRunner().invoke(app, list(words))
    assert isinstance(ended.exception, DataError)
    assert "card" in str(ended.exception)


def test_a_package_without_weights_says_so(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "OWN_FILE", tmp_path / "tinyseg-lite.safetensors")
    for name in (None, "tinyseg-lite"):
        with pytest.raises(WeightsError, match=r"brings no weights of its own.*folder . coco-r50"):
            find_weights(name, on_progress=quiet)
    with pytest.raises(WeightsError, match=r"tinyseg-lite \| coco-r50"):
        find_weights("no such name", on_progress=quiet)
    ended = CliRunner().invoke(app, ["predict", str(photo)])
    assert isinstance(ended.exception, WeightsError)
    assert not (tmp_path / "found").exists()


def test_predict_with_no_option_writes_masks_json_and_overlay(
    source: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.safetensors"
    settings = ["predict.plan=focus", "predict.budget_mp=1", "predict.min_score=0.2"]
    export_weights(source, own, settings=settings)
    monkeypatch.setattr(stored, "OWN_FILE", own)
    monkeypatch.chdir(tmp_path)
    told = " ".join(run("predict", "photo.jpg").split())
    assert "1 frames in found/predictions.json" in told
    (frame,) = read_predictions(Path("found/predictions.json")).frames
    sure = int((frame.instances.scores >= DRAWN_FROM).sum())
    assert sure > 0
    assert f"found with scores from {DRAWN_FROM}: {sure} " in told
    label = read_label(Path("found/photo_masks.png"))
    assert label.shape == (200, 300)
    assert 1 <= len(np.unique(label[label > 0])) <= sure
    assert set(np.unique(label[label > 0] // 1000)) <= set(range(1, 8))
    assert read_image(Path("found/photo_overlay.jpg")).shape[1] >= 300
    assert '"focus":{"budget_mp":1.0' in "".join(Path("found/run.json").read_text().split())
    assert "1 of them finished before" in run("predict", "photo.jpg")
    run("predict", "photo.jpg", "--plan", "whole", "--no-masks")
    assert sorted(p.name for p in Path("found-2").iterdir()) == [
        *("frames", "photo_overlay.jpg", "predictions.json", "run.json")
    ]
    run("predict", "photo.jpg", "--out", "bare", "--masks")
    assert sorted(p.name for p in Path("bare").iterdir()) == [
        *("frames", "photo_masks.png", "predictions.json", "run.json")
    ]
    assert len(load_predictor(device=CPU)(read_image(photo))) == len(frame.instances)
    detector, recipe = network()
    started = start_from(detector, recipe, "tinyseg-lite", on_progress=quiet)
    assert "classes fresh: none" in started


def test_weights_carry_their_plan(source: Path) -> None:
    recipe = load_detector(source)[1]
    focused = with_settings(recipe, ["predict.plan=focus", "predict.budget_mp=3"])
    (part,) = choose_plan(focused.predict).parts
    assert part.focus is not None
    assert (part.focus.budget_mp, part.focus.short_side) == (3.0, 128)
    (part,) = choose_plan(focused.predict, budget_mp=5.0).parts
    assert part.focus is not None
    assert part.focus.budget_mp == 5.0
    assert choose_plan(focused.predict, plan="whole").parts[0].whole is not None
    own = with_settings(recipe, ["predict.plan={parts: [{tiles: {size: 64}}], flip: true}"])
    assert choose_plan(own.predict) == own.predict.plan
    assert own.predict.plan == Plan.of(Tiles(64), flip=True)
    assert choose_plan(focused.predict, tile=128).parts[1].tiles is not None
    with pytest.raises(RecipeError, match="names no prior"):
        with_settings(recipe, ["predict.plan={parts: [{focus: {prior: p.json}}]}"])
