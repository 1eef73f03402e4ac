"""training/ablation.py on small scenes: where rows start, what focus knows, what is refused."""

from collections.abc import Callable, Sequence
from pathlib import Path

import ablation
import pytest
import torch
import typer
from _tiny_network import TINY
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.data import Item, open_data
from tinyseg.errors import TrainingError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.networks import build_detector, save_weights
from tinyseg.predict import Predictor
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.recipes import Recipe, find_recipe, with_settings
from tinyseg.stored import WEIGHTS_NAME
from tinyseg.training import validation
from tinyseg.views import LocationPrior, Plan, PlanLike, learn_prior

SMALL = (
    *TINY,
    "train.batch=1",
    "train.steps=1",
)
ROW, FOCUS = "COCO, PA, VTR", "COCO, PA, VTR, FI"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small scenes in the WAD's layout, and a list of the first."""
    out = tmp_path_factory.mktemp("scenes")
    words = ["synth", "--out", str(out), "--count", "2", "--size", "320x256", "--zoom", "4"]
    CliRunner().invoke(app, words, catch_exceptions=False)
    (out / "one.txt").write_text(open_data(out).items[0].name)
    return out


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    recipe = with_settings(find_recipe("lite"), [*SMALL, "classes=[car, sofa]"])
    path = tmp_path_factory.mktemp("weights") / "some.safetensors"
    save_weights(path, build_detector(recipe), recipe)
    return path


def run(scenes: Path, out: Path, *words: str) -> str:
    listed = str(scenes / "one.txt")
    given = ["--data", str(scenes), "--list", listed, "--val-list", listed, "--out", str(out)]
    sets = [word for setting in SMALL for word in ("--set", setting)]
    sizes = ["--resolution", "0.1", "--seeds", "1", "--device", "cpu"]
    script = typer.Typer()
    script.command()(ablation.ablate)
    result = CliRunner().invoke(script, [*given, *sets, *sizes, *words], catch_exceptions=False)
    return result.output


def test_rows_start_from_given_weights_and_focus_knows_the_training_frames(
    scenes: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    priors: list[LocationPrior | Path | None] = []
    predict_labelled = validation.predict_labelled

    def note_prior(
        predictor: Predictor, items: Sequence[Item], *, on_frame: Callable[[], None]
    ) -> object:
        assert isinstance(predictor.plan, Plan)
        focus = predictor.plan.parts[0].focus
        priors.append(None if focus is None else focus.prior)
        return predict_labelled(predictor, items, on_frame=on_frame)

    monkeypatch.setattr(ablation, "predict_labelled", note_prior)
    rows = ["--only", ROW, "--only", FOCUS]
    said = run(scenes, tmp_path, "--init", str(weights), *rows)
    assert "classes carried over: car" in said
    assert f"| {FOCUS} |" in said
    assert not (tmp_path / "seed-0" / "pre-training").exists()
    item = open_data(scenes, listed=scenes / "one.txt").items[0]
    whole, focus = priors
    assert whole is None
    assert isinstance(focus, LocationPrior)
    assert focus.cameras[0].frames == 1
    assert (focus.cameras[0].counts == learn_prior([item.read_labels()]).cameras[0].counts).all()

    other = tmp_path / "other.safetensors"
    other.write_bytes(weights.read_bytes())
    run(scenes, tmp_path, "--init", str(other), *rows)  # the same weights elsewhere will do
    changed = build_detector(with_settings(find_recipe("lite"), SMALL))
    save_weights(other, changed, with_settings(find_recipe("lite"), SMALL))
    with pytest.raises(TrainingError, match="another recipe, budget, data or start"):
        run(scenes, tmp_path, "--init", str(other), *rows)


@pytest.mark.parametrize("words", [[], ["--init", "FILE", "--coco", "some"]])
def test_rows_have_one_start(words: list[str], scenes: Path, weights: Path, tmp_path: Path) -> None:
    given = [str(weights) if word == "FILE" else word for word in words]
    with pytest.raises(TrainingError, match="weights that --coco trains, or from those of --init"):
        run(scenes, tmp_path / "out", *given)
    assert not (tmp_path / "out").exists()


def test_seeds_and_another_backbone_look_together_at_several_scales(
    scenes: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training is replaced by a copy, scoring by a note: only who looks, and how, is tested."""
    own = tmp_path / "own.safetensors"
    recipe = with_settings(find_recipe("lite"), SMALL)
    save_weights(own, build_detector(recipe), recipe)
    plans: list[PlanLike] = []
    networks: list[int] = []

    def fit(recipe: Recipe, run: Path, start: Path | None) -> int:
        run.mkdir()
        (run / WEIGHTS_NAME).write_bytes(own.read_bytes())
        return 1

    def note_networks(
        predictor: Predictor, items: Sequence[Item], *, on_frame: object
    ) -> tuple[Predictions, list[FrameLabels]]:
        networks.append(len(predictor.members))
        plans.append(predictor.plan)
        labels = [item.read_labels() for item in items]
        none = [FramePredictions(one.name, one.name, one.hw, Instances.empty()) for one in labels]
        return Predictions(predictor.classes, tuple(none)), labels

    monkeypatch.setattr(ablation, "fit_on", lambda *words, **more: fit)
    monkeypatch.setattr(ablation, "predict_labelled", note_networks)
    names = ("+ MS", "+ ensemble of 2 seeds", "+ another backbone")
    rows = [word for name in names for word in ("--only", name)]
    given = ["--init", str(weights), "--seeds", "2", *rows]
    said = run(scenes, tmp_path / "out", *given, "--other", str(own))
    assert networks == [1, 1, 2, 3]
    for plan in plans:
        assert isinstance(plan, Plan)
        sides = [part.whole.short_side for part in plan.parts if part.whole is not None]
        assert (sides, plan.flip) == ([150, 180, 240], True)
        assert plan.parts[-1].focus is not None
    assert "| + another backbone |" in said
    assert "another" not in run(scenes, tmp_path / "few", *given)  # no such network was named
    with pytest.raises(TrainingError, match="the table's class list"):
        run(scenes, tmp_path / "foreign", *given, "--other", str(weights))
