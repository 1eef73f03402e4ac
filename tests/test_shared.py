"""torchvision's COCO networks under our class list, from files of its own format made here."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.detection import maskrcnn_resnet50_fpn_v2
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.downloads import CACHE_VARIABLE, COCO, Download
from tinyseg.errors import WeightsError
from tinyseg.image import write_jpeg
from tinyseg.labels import WAD_CLASSES
from tinyseg.model.detector import Detector
from tinyseg.networks import build_detector, load_shared, load_torchvision
from tinyseg.networks.shared import SharedClasses, recipe_of
from tinyseg.networks.transfer import coco_classes
from tinyseg.predictions import read_predictions
from tinyseg.recipes import find_recipe
from tinyseg.stored import OWN, OWN_FILE, PUBLISHED

COCO_ROWS = {"car": 3, "motorcycle": 4, "bicycle": 2, "person": 1, "truck": 8, "bus": 6}
"""COCO's own category ids, which are torchvision's rows."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torchvision publishes it (v2), of a network that is sure of some things."""
    torch.manual_seed(0)
    network = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
    with torch.no_grad():
        network.roi_heads.box_predictor.cls_score.weight.normal_(std=0.5)
    path = tmp_path_factory.mktemp("published") / "net.pth"
    torch.save(network.state_dict(), path)
    return path


def whole_network(checkpoint: Path) -> Detector:
    """All 90 labels of the checkpoint."""
    recipe = find_recipe("mask_rcnn_r50_v2")
    names = tuple(f"{i} {name}" for i, name in enumerate(coco_classes()))
    detector = build_detector(recipe.model_copy(update={"classes": names}))
    load_torchvision(detector, checkpoint)
    return detector


def test_kept_classes_have_the_probabilities_that_they_had() -> None:
    torch.manual_seed(0)
    linear, seen = nn.Linear(5, 8), torch.randn(20, 5)
    few = SharedClasses(linear, [3, None, 1])(seen).softmax(dim=1)
    whole = linear(seen).softmax(dim=1)
    torch.testing.assert_close(few[:, [1, 3]], whole[:, [3, 1]])
    assert few[:, 2].max() == 0
    torch.testing.assert_close(few[:, 0], whole[:, [0, 2, 4, 5, 6, 7]].sum(dim=1))


def test_heads_keep_the_rows_of_shared_classes(checkpoint: Path) -> None:
    shared, recipe = load_shared(checkpoint)
    assert recipe.classes == WAD_CLASSES
    assert recipe.predict.plan == "focus"
    assert len(coco_classes()) == 90
    whole, rows = whole_network(checkpoint), [COCO_ROWS.get(name) for name in WAD_CLASSES]
    kept = [place for place, row in enumerate(rows, start=1) if row is not None]
    theirs = [row for row in rows if row is not None]
    pooled = torch.randn(6, 256, 7, 7)
    with torch.no_grad():
        few, all_of_them = shared.box_head(pooled), whole.box_head(pooled)
        few_scores, all_scores = (out[0].softmax(dim=1) for out in (few, all_of_them))
        torch.testing.assert_close(few_scores[:, kept], all_scores[:, theirs])
        torch.testing.assert_close(few[1][:, kept], all_of_them[1][:, theirs])
        assert few_scores[:, WAD_CLASSES.index("tricycle") + 1].max() == 0
        grids = torch.randn(6, 256, 14, 14)
        ours = shared.mask_head(grids, torch.tensor(kept))
        torch.testing.assert_close(ours, whole.mask_head(grids, torch.tensor(theirs)))


def test_predict_takes_the_name(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:8]
    published = Download(f"http://127.0.0.1:9/net-{prefix}.pth", prefix)
    monkeypatch.setitem(COCO, PUBLISHED["coco-r50"], published)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    picture = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    write_jpeg(tmp_path / "photo.jpg", cv2.resize(picture, (160, 120)))
    words = ["predict", str(tmp_path / "photo.jpg"), "--weights", "coco-r50", "--scales", "32"]
    words += ["--plan", "whole", "--out", str(tmp_path / "out")]
    with pytest.raises(WeightsError, match=rf"by hand, get {published.url} and put it"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    (tmp_path / published.file_name).symlink_to(checkpoint)
    ended = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    found = read_predictions(tmp_path / "out/predictions.json")
    assert found.classes == WAD_CLASSES
    assert len(found.frames) == 1


def test_weights_that_have_a_name_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    published = COCO[PUBLISHED["coco-r50"]]
    lines = CliRunner().invoke(app, ["weights"], catch_exceptions=False).output.splitlines()
    assert [line.split(":")[0] for line in lines[::4]] == [OWN, *PUBLISHED]
    assert str(OWN_FILE) in lines[0]
    assert "car, motorcycle" in lines[1]
    assert "not for commercial use" in lines[3]
    assert lines[4].endswith(f"fetched on first use from {published.url}")
    published.kept_at.write_bytes(b"")
    lines = CliRunner().invoke(app, ["weights"], catch_exceptions=False).output.splitlines()
    assert lines[4].endswith(str(published.kept_at))


def test_what_is_no_such_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="not a checkpoint of torchvision's Mask R-CNN"):
        load_shared(tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="COCO has none of the classes"):
        load_shared(checkpoint, ["rider"])
    state = torch.load(checkpoint, weights_only=True)
    state["roi_heads.box_predictor.cls_score.bias"] = torch.zeros(7)
    torch.save(state, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match="another shape"):
        load_shared(tmp_path / "b.pth")


def test_the_first_version_is_known_by_its_heads() -> None:
    first = {"roi_heads.box_head.fc6.weight": torch.zeros(1)}
    assert recipe_of(first).network.norm_eps == 0
    assert recipe_of(first).name == "mask_rcnn_r50"
    assert recipe_of({}).name == "mask_rcnn_r50_v2"
