"""Starting from another network: what is carried, row by row, and what is said of it."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import ResNet
from torchvision.models.detection import MaskRCNN, MaskRCNN_ResNet50_FPN_Weights
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.resnet import Bottleneck

from tinyseg.downloads import CACHE_VARIABLE, COCO, IMAGENET, Download
from tinyseg.errors import WeightsError
from tinyseg.model.detector import Detector
from tinyseg.networks import build_detector, load_timm, save_weights, start_from, transfer_weights
from tinyseg.networks.transfer import CLASS_ROWS, NO_EPS
from tinyseg.recipes import Recipe, find_recipe, with_settings
from tinyseg.stored import WEIGHTS_NAME
from tinyseg.tasks.runs import start_weights
from tinyseg.watch import Watch

SMALL = (
    "network.backbone=test_resnet",
    "network.pyramid_channels=8",
    "network.box_hidden=16",
)
COCO_CLASSES = "classes=[Pedestrian, bicycle, car, motorbike, bus, train, truck]"


def recipe_of(*settings: str, name: str = "mask_rcnn_r50") -> Recipe:
    return with_settings(find_recipe(name), [*SMALL, *settings])


def built(recipe: Recipe, *, seed: int) -> Detector:
    """A network with every tensor random, norms' statistics too."""
    torch.manual_seed(seed)
    detector = build_detector(recipe)
    with torch.no_grad():
        for value in detector.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5)
    return detector


def state_of(detector: Detector) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in detector.state_dict().items()}


def quiet(done: int, total: int | None) -> None:
    pass


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A run's folder, of a network with some of COCO's classes."""
    recipe = recipe_of(COCO_CLASSES)
    save_weights(tmp_path / WEIGHTS_NAME, built(recipe, seed=1), recipe)
    return tmp_path


def test_everything_is_carried_and_rows_go_by_name(source: Path) -> None:
    recipe, given = recipe_of(), state_of(built(recipe_of(COCO_CLASSES), seed=1))
    detector = built(recipe, seed=2)
    fresh = state_of(detector)
    report = transfer_weights(detector, recipe, source)
    assert report.fresh == ()
    assert report.classes_carried == ("car", "motorcycle", "bicycle", "person", "truck", "bus")
    assert report.classes_fresh == ("tricycle",)
    # rows of car, motorcycle, bicycle, person, truck, bus, tricycle in the source, None: fresh
    place = [0, 3, 4, 2, 1, 7, 5, None]
    for name, value in detector.state_dict().items():
        if name not in CLASS_ROWS:
            assert torch.equal(value, given[name]), name
            continue
        width = CLASS_ROWS[name]
        for row, other in enumerate(place):
            expected, at = (fresh, row) if other is None else (given, other)
            wanted = expected[name][at * width : (at + 1) * width]
            assert torch.equal(value[row * width : (row + 1) * width], wanted), (name, row)


def test_the_same_recipe_is_carried_whole(tmp_path: Path) -> None:
    recipe = recipe_of(name="tis_r50")
    first, second = built(recipe, seed=1), built(recipe, seed=2)
    save_weights(tmp_path / "w.safetensors", first, recipe)
    report = transfer_weights(second, recipe, tmp_path / "w.safetensors")
    assert (report.fresh, report.classes_fresh) == ((), ())
    assert all(torch.equal(v, second.state_dict()[n]) for n, v in first.state_dict().items())


@pytest.mark.parametrize("layer", ["head", "small"])
def test_a_plain_head_starts_every_levels_layer(source: Path, layer: str) -> None:
    settings = (
        "network.path_aggregation=true",
        "network.context_attention=true",
        f"network.level_layer={layer}",
    )
    recipe = recipe_of(*settings)
    detector = built(recipe, seed=2)
    fresh, given = state_of(detector), state_of(built(recipe_of(COCO_CLASSES), seed=1))
    report = transfer_weights(detector, recipe, source)
    found = detector.state_dict()
    for level in range(4):
        first = found[f"mask_head.convs.levels.{level}.0.0.weight"]
        assert torch.equal(first, given["mask_head.convs.0.0.weight"])
    assert torch.equal(
        found["mask_head.convs.rest.1.0.weight"], given["mask_head.convs.1.0.weight"]
    )
    one, two = ("levels.2.1", "rest.3") if layer == "head" else ("rest.1", "rest.3")
    assert torch.equal(found[f"box_head.trunk.{one}.weight"], given["box_head.trunk.1.weight"])
    assert torch.equal(found[f"box_head.trunk.{two}.bias"], given["box_head.trunk.3.bias"])
    parts = {"pyramid.aggregation", "pyramid.attention"}
    if layer == "small":
        parts.add("box_head.trunk")
    assert {".".join(name.split(".")[:2]) for name in report.fresh} == parts
    assert all(torch.equal(found[name], fresh[name]) for name in report.fresh)
    told = report.lines()
    assert told[0] == f"{len(report.carried)} of {len(found)} tensors carried over"
    assert "pyramid.aggregation (12)" in told[1]
    assert told[3] == "classes fresh: tricycle"


def test_other_shapes_start_fresh(source: Path) -> None:
    recipe = recipe_of("network.box_hidden=24", "network.pyramid_pooling=true")
    detector = built(recipe, seed=2)
    fresh = state_of(detector)
    report = transfer_weights(detector, recipe, source)
    assert "box_head.trunk.1.weight" in report.fresh
    assert "box_head.classes.weight" in report.fresh
    assert "pyramid.fpn.inner_blocks.3.0.weight" in report.fresh
    assert "mask_head.logits.weight" in report.carried
    assert all(torch.equal(detector.state_dict()[name], fresh[name]) for name in report.fresh)


def test_a_file_of_which_nothing_fits_is_refused(source: Path) -> None:
    recipe = with_settings(
        find_recipe("lite"), ["network.pyramid_channels=16", "network.mask_depth=1"]
    )
    detector = build_detector(recipe)
    with pytest.raises(WeightsError, match="nothing in the file fits"):
        transfer_weights(detector, recipe, source)


# ---------------------------------------------------------------------------- torchvision's files


@lru_cache(maxsize=1)
def torchvision_network() -> MaskRCNN:
    """torchvision's v1 with COCO's 91 labels on a ResNet-50 cut to one block a stage."""
    torch.manual_seed(3)
    body = ResNet(Bottleneck, [1, 1, 1, 1])
    return MaskRCNN(_resnet_fpn_extractor(body, 3), num_classes=91)


def test_torchvisions_coco_checkpoint_starts_a_network(tmp_path: Path) -> None:
    path = tmp_path / "maskrcnn.pth"
    network = torchvision_network()
    torch.save(network.state_dict(), path)
    recipe = find_recipe("mask_rcnn_r50")
    detector = build_detector(recipe)
    report = transfer_weights(detector, recipe, path)
    assert report.classes_fresh == ("tricycle",)
    # Of ResNet-50's 16 blocks the file has 4.
    assert {name.split(".")[0] for name in report.fresh} == {"backbone"}
    categories = MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    theirs = network.roi_heads.box_predictor.cls_score.weight
    for row, name in enumerate(recipe.classes[:-1], start=1):
        assert torch.equal(detector.box_head.classes.weight[row], theirs[categories.index(name)])
    assert torch.equal(detector.box_head.classes.weight[0], theirs[0])
    trunk = detector.box_head.trunk.get_parameter("1.weight")
    assert torch.equal(trunk, network.roi_heads.box_head.fc6.weight)
    assert report.notes == ()


def test_frozen_norms_of_a_checkpoint_are_told(tmp_path: Path) -> None:
    """Files of torchvision's v1 hold no count of batches; their norms divide without eps."""
    state = torchvision_network().state_dict()
    frozen = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(frozen, tmp_path / "a.pth")
    for settings, told in (([], (NO_EPS,)), (["network.norm_eps=0"], ())):
        recipe = with_settings(find_recipe("mask_rcnn_r50"), settings)
        report = transfer_weights(build_detector(recipe), recipe, tmp_path / "a.pth")
        assert report.notes == told
        assert report.lines()[4:] == list(told)


def test_a_torchvision_checkpoint_of_other_labels_is_refused(tmp_path: Path) -> None:
    state = {"roi_heads.box_predictor.cls_score.bias": torch.zeros(8)}
    torch.save(state, tmp_path / "a.pth")
    recipe = recipe_of()
    with pytest.raises(WeightsError, match=r"has COCO's labels .expected 91, got 8"):
        transfer_weights(build_detector(recipe), recipe, tmp_path / "a.pth")


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_foreign_files_are_refused(tmp_path: Path, name: str) -> None:
    state = {"backbone.weight": torch.zeros(8)}
    if name.endswith(".pth"):
        torch.save(state, tmp_path / name)
    else:
        save_file(state, tmp_path / name)
    recipe = recipe_of()
    with pytest.raises(WeightsError, match="not a "):
        transfer_weights(build_detector(recipe), recipe, tmp_path / name)


# ---------------------------------------------------------------------------- by name


def test_a_published_name_is_fetched_and_transferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the same format in the cache, under a name that says its sha256."""
    torch.save(torchvision_network().state_dict(), tmp_path / "a")
    prefix = hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()[:8]
    os.replace(tmp_path / "a", tmp_path / f"net-{prefix}.pth")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    published = Download(f"http://127.0.0.1:9/net-{prefix}.pth", prefix)
    monkeypatch.setitem(COCO, "maskrcnn_resnet50_fpn_coco", published)
    recipe = find_recipe("mask_rcnn_r50")
    told = start_from(
        build_detector(recipe), recipe, "maskrcnn_resnet50_fpn_coco", on_progress=quiet
    )
    assert told[-1] == "classes fresh: tricycle"


def test_timms_imagenet_file_fills_the_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    whole = timm.create_model("test_resnet", pretrained=False)
    torch.save(whole.state_dict(), tmp_path / "a")
    prefix = hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()[:8]
    os.replace(tmp_path / "a", tmp_path / f"net-{prefix}.pth")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    published = Download(f"http://127.0.0.1:9/net-{prefix}.pth", prefix)
    monkeypatch.setitem(IMAGENET, "test_resnet", published)
    recipe = recipe_of()
    detector = built(recipe, seed=1)
    told = start_from(detector, recipe, "imagenet", on_progress=quiet)
    assert told == [f"backbone from net-{prefix}.pth"]
    images = torch.rand((1, 3, 64, 64))
    headless = timm.create_model("test_resnet", num_classes=0, global_pool="")
    headless.load_state_dict(whole.state_dict(), strict=False)
    with torch.no_grad():
        expected = headless.eval()(images)
        found = detector.eval().backbone(images)[-1]
    torch.testing.assert_close(found, expected)


def test_another_backbones_file_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Conv2d(3, 4, 1).state_dict(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="holds another backbone"):
        load_timm(build_detector(recipe_of()), tmp_path / "a.pth")


def test_unknown_starts_are_refused_with_the_known_ones() -> None:
    recipe = recipe_of()
    detector = build_detector(recipe)
    known = r"a path \| imagenet \| tinyseg-lite \| maskrcnn"
    with pytest.raises(WeightsError, match=rf"{known}.*got runs/none"):
        start_from(detector, recipe, "runs/none", on_progress=quiet)
    with pytest.raises(WeightsError, match=r"no ImageNet weights are known.*got test_resnet"):
        start_from(detector, recipe, "imagenet", on_progress=quiet)


def test_a_run_says_what_its_weights_are_from(source: Path) -> None:
    recipe, watch = recipe_of(), Watch()
    assert start_weights(build_detector(recipe), recipe, None, watch) == ("random weights", [])
    origin, told = start_weights(build_detector(recipe), recipe, str(source), watch)
    assert origin == f"weights from {source}"
    assert "tensors carried over" in told[0]
    assert any("classes fresh: tricycle" in line for line in told)
