"""The parts that recipes add to Mask R-CNN: each against a second writing of its equation."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_iou, roi_align

from tinyseg.errors import RecipeError
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.model import assign
from tinyseg.model.assign import NEGATIVE, UNUSED, match
from tinyseg.model.box_head import BoxHead, SampledBoxes, mlp_head
from tinyseg.model.context import ChannelGate, ContextAttention
from tinyseg.model.detector import Detector
from tinyseg.model.mask_head import MaskHead
from tinyseg.model.path_aggregation import (
    PathAggregation,
    fuse_after,
    fuse_before,
    pool_all_levels,
)
from tinyseg.model.pyramid import Pyramid
from tinyseg.model.pyramid_pooling import BINS, PyramidPooling
from tinyseg.model.rules import BoxRules
from tinyseg.model.similarity import similarity, wasserstein
from tinyseg.model.targets import Target
from tinyseg.networks import build_detector
from tinyseg.recipes import RECIPES, Recipe, find_recipe, with_settings

CPU = torch.device("cpu")
PARTS = ("context_attention", "path_aggregation", "pyramid_pooling")
TINY = (
    "network.backbone=test_resnet",
    "network.pyramid_channels=8",
    "network.box_hidden=16",
    "network.proposals.kept_before_nms=[30, 30]",
    "network.proposals.kept=[20, 20]",
    "network.boxes.sampled=16",
)
"""Changes that make any recipe a network of under half a million parameters."""


def maps_of(channels: int, sides: Sequence[tuple[int, int]], *, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn((batch, channels, *hw), generator=generator) for hw in sides]


def scramble(module: nn.Module, *, seed: int = 0) -> None:
    """Random weights: a fresh part that lets everything pass would hide a wrong one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)


ODD = ((25, 33), (13, 17), (7, 9), (4, 5))


# ---------------------------------------------------------------------------- context attention


def test_channel_gate_by_hand() -> None:
    """One channel: alpha = 2 sigmoid(v relu(w1 own + w2 coarser + b) + c)."""
    gate = ChannelGate(1)
    with torch.no_grad():
        gate.squeeze.weight.copy_(torch.tensor([0.5, -2.0]).view(1, 2, 1, 1))
        gate.squeeze.bias.fill_(1.0)  # type: ignore[union-attr]
        gate.excite.weight.fill_(3.0)
        gate.excite.bias.fill_(-1.0)  # type: ignore[union-attr]
    own, coarser = torch.tensor([4.0, 0.0]), torch.tensor([0.5, 3.0])
    found = gate(own.view(2, 1, 1, 1), coarser.view(2, 1, 1, 1)).flatten()
    # relu(2 - 1 + 1) = 2 -> sigmoid(5); relu(0 - 6 + 1) = 0 -> sigmoid(-1)
    torch.testing.assert_close(found, 2 / (1 + torch.exp(torch.tensor([-5.0, 1.0]))))


def test_context_attention_is_the_matrix_form() -> None:
    """Per image: alpha = 2 / (1 + exp(-(V relu(W g + b) + c))), g the means of level and next."""
    part, maps = ContextAttention(6, 4), maps_of(6, ODD)
    scramble(part)
    with torch.no_grad():
        found = part(maps)
    for i, (level, seen) in enumerate(zip(maps, found, strict=True)):
        coarser = maps[min(i + 1, 3)]
        weights = [p.detach().double().numpy() for p in part.gates[i].parameters()]
        squeeze, bias, excite, shift = (w.reshape(len(w), -1).squeeze() for w in weights)
        for image in range(2):
            pooled = [m[image].double().numpy().mean(axis=(1, 2)) for m in (level, coarser)]
            hidden = np.maximum(squeeze @ np.concatenate(pooled) + bias, 0)
            alpha = 2 / (1 + np.exp(-(excite @ hidden + shift)))
            expected = level[image].double().numpy() * alpha[:, None, None]
            np.testing.assert_allclose(seen[image].numpy(), expected, atol=1e-5)


def test_fresh_gates_let_everything_pass() -> None:
    maps = maps_of(8, ODD)
    for level, seen in zip(maps, ContextAttention(8, 4)(maps), strict=True):
        torch.testing.assert_close(seen, level, atol=0.1, rtol=0.1)


# ---------------------------------------------------------------------------- pyramid pooling


def own_bins(values: Tensor, bins: int) -> Tensor:
    """Means over rows floor(i h / n) ... ceil((i + 1) h / n) and columns alike."""
    height, width = values.shape[1:]
    rows = [(i * height // bins, -(-(i + 1) * height // bins)) for i in range(bins)]
    columns = [(i * width // bins, -(-(i + 1) * width // bins)) for i in range(bins)]
    means = [values[:, a:b, c:d].mean(dim=(1, 2)) for a, b in rows for c, d in columns]
    return torch.stack(means, dim=1).view(-1, bins, bins)


def own_spread(values: Tensor, hw: tuple[int, int]) -> Tensor:
    """Bilinear, centres at + 0.5, edges held: one axis after the other as matrices."""
    matrices = []
    for length, count in zip(hw, values.shape[1:], strict=True):
        at = ((torch.arange(length) + 0.5) * count / length - 0.5).clamp(0, count - 1)
        matrix = (1 - (at[:, None] - torch.arange(count)).abs()).clamp(min=0)
        matrices.append(matrix)
    return matrices[0] @ values @ matrices[1].T


@pytest.mark.parametrize("hw", [(13, 17), (6, 6), (4, 9), (1, 1)])
def test_pyramid_pooling_is_the_plain_sum(hw: tuple[int, int]) -> None:
    part = PyramidPooling(8, 5)
    scramble(part)
    stage = maps_of(8, [hw])[0]
    with torch.no_grad():
        found = part(stage)
        for image in range(2):
            spread = [stage[image]]
            for bins, reduce in zip(BINS, part.parts, strict=True):
                weight = reduce.get_parameter("0.weight")[:, :, 0, 0]
                bias = reduce.get_parameter("0.bias")
                pooled = torch.einsum("oc,chw->ohw", weight, own_bins(stage[image], bins))
                spread.append(own_spread((pooled + bias[:, None, None]).relu(), hw))
            joined = torch.cat(spread)[None]
            patches = functional.unfold(joined, 3, padding=1)[0]
            weight, bias = (part.mix.get_parameter(f"0.{name}") for name in ("weight", "bias"))
            mixed = weight.flatten(1) @ patches + bias[:, None]
            expected = mixed.view(5, *hw).relu()
            torch.testing.assert_close(found[image], expected, atol=1e-4, rtol=1e-4)


# ---------------------------------------------------------------------------- path aggregation


def test_bottom_up_path_by_hand() -> None:
    """One channel, `down` takes the centre, `mix` adds one: N3 = P2[::2] + P3 + 1, and so on."""
    part = PathAggregation(1, 3)
    with torch.no_grad():
        for block in (*part.down, *part.mix):
            nn.init.dirac_(block.get_parameter("0.weight"))
            nn.init.zeros_(block.get_parameter("0.bias"))
        for block in part.mix:
            block.get_parameter("0.bias").fill_(1.0)
    fine = torch.tensor([[1.0, 9, 2, 9], [9, 9, 9, 9], [3, 9, 4, 9]]).view(1, 1, 3, 4)
    middle = torch.tensor([[10.0, 20], [30, -99]]).view(1, 1, 2, 2)
    coarse = torch.tensor([[100.0]]).view(1, 1, 1, 1)
    found = part([fine, middle, coarse])
    assert found[0] is fine
    assert found[1][0, 0].tolist() == [[12, 23], [34, 0]]  # 4 - 99 + 1 is below 0
    assert found[2][0, 0].tolist() == [[113]]


def test_fresh_path_lets_the_pyramid_pass() -> None:
    maps = [level.abs() for level in maps_of(16, ODD)]
    for level, seen in zip(maps, PathAggregation(16, 4)(maps), strict=True):
        assert seen.shape == level.shape
        similar = functional.cosine_similarity(level.flatten(), seen.flatten(), dim=0)
        assert similar > 0.9


def rois() -> list[Tensor]:
    """Tiny, usual and huge, of two images; some stick out."""
    generator = torch.Generator().manual_seed(3)
    start = torch.rand((9, 2), generator=generator) * 90 - 5
    extent = torch.rand((9, 2), generator=generator) * 60 + 1
    boxes = torch.cat([start, start + extent], dim=1)
    boxes = torch.cat([boxes, torch.tensor([[0.0, 0, 500, 400], [30, 30, 33, 34]])])
    return [boxes[:7], boxes[7:]]


STRIDES = [4.0, 8.0, 16.0, 32.0]


@pytest.mark.parametrize("aligned", [False, True])
def test_adaptive_pooling_is_torchvisions_on_every_level(aligned: bool) -> None:
    maps = maps_of(6, ODD)
    found = pool_all_levels(maps, rois(), size=7, strides=STRIDES, aligned=aligned)
    assert found.shape == (4, 11, 6, 7, 7)
    for level, stride, seen in zip(maps, STRIDES, found, strict=True):
        expected = roi_align(level, rois(), 7, 1 / stride, 2, aligned)
        torch.testing.assert_close(seen, expected, atol=1e-5, rtol=1e-5)


def test_no_rois_pool_to_nothing() -> None:
    none = [torch.zeros((0, 4))] * 2
    pooled = pool_all_levels(maps_of(6, ODD), none, size=14, strides=STRIDES, aligned=True)
    assert pooled.shape == (4, 0, 6, 14, 14)
    head = MaskHead(6, 3, depth=2, fused_levels=4)
    assert head(pooled, torch.zeros(0, dtype=torch.int64)).shape == (0, 28, 28)


def test_fused_levels_are_the_max_of_a_layer_each() -> None:
    """The first layer of each level, max, the rest; by plain matrix products."""
    trunk = fuse_after(mlp_head(3, 5), 3, count=4)
    scramble(trunk)
    pooled = torch.randn((4, 6, 3, 7, 7), generator=torch.Generator().manual_seed(1))
    state = dict(trunk.state_dict())
    assert sorted(state) == sorted(
        [f"levels.{i}.1.{part}" for i in range(4) for part in ("weight", "bias")]
        + ["rest.3.weight", "rest.3.bias"]
    )
    with torch.no_grad():
        seen = [
            (p.flatten(1) @ state[f"levels.{i}.1.weight"].T + state[f"levels.{i}.1.bias"]).relu()
            for i, p in enumerate(pooled)
        ]
        fused = torch.stack(seen).max(dim=0).values
        expected = (fused @ state["rest.3.weight"].T + state["rest.3.bias"]).relu()
        torch.testing.assert_close(trunk(pooled), expected, atol=1e-4, rtol=1e-4)


def test_fresh_levels_are_the_plain_head_where_all_levels_agree() -> None:
    """Copies of one layer over equal features: the max of equals is the plain head's answer."""
    plain = mlp_head(3, 5)
    one = torch.rand((6, 3, 7, 7), generator=torch.Generator().manual_seed(1))
    same = one.expand(4, *one.shape)
    torch.testing.assert_close(fuse_after(plain, 3, count=4)(same), plain(one))
    small = fuse_before(plain, 3, count=4)
    for block in small.levels:
        nn.init.dirac_(block.get_parameter("0.0.weight"))
    torch.testing.assert_close(small(same), plain(one))


# ---------------------------------------------------------------------------- whole pyramid


@pytest.mark.parametrize("on", [(), *[(part,) for part in PARTS], PARTS])
@pytest.mark.parametrize("hw", [(97, 131), (64, 64), (33, 200)])
def test_pyramids_keep_their_sizes(on: tuple[str, ...], hw: tuple[int, int]) -> None:
    stages = (4, 6, 8, 12)
    sides = [(-(-hw[0] // s), -(-hw[1] // s)) for s in (4, 8, 16, 32)]
    maps = [torch.randn((1, c, *side)) for c, side in zip(stages, sides, strict=True)]
    pyramid = Pyramid(
        (4, 6, 8, 3) if "pyramid_pooling" in on else stages,
        5,
        top=PyramidPooling(12, 3) if "pyramid_pooling" in on else None,
        attention=ContextAttention(5, 4) if "context_attention" in on else None,
        aggregation=PathAggregation(5, 4) if "path_aggregation" in on else None,
    )
    found = pyramid(maps)
    assert [tuple(m.shape[2:]) for m in found[:4]] == sides
    assert found[4].shape[2:] == found[3][:, :, ::2, ::2].shape[2:]
    assert torch.equal(found[4], found[3][:, :, ::2, ::2])


# ---------------------------------------------------------------------------- likeness of boxes


def boxes(count: int, *, seed: int, most: float = 40.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    start = torch.rand((count, 2), generator=generator) * 60
    return torch.cat([start, start + 1 + torch.rand((count, 2), generator=generator) * most], dim=1)


def test_wasserstein_by_hand() -> None:
    one = torch.tensor([[0.0, 0.0, 6.0, 8.0]])  # centre (3, 4), half sides (3, 4)
    other = torch.tensor([[0.0, 0.0, 6.0, 8.0], [3.0, 4.0, 9.0, 12.0], [1.0, 2.0, 5.0, 6.0]])
    found = wasserstein(one, other, scale=10.0)[0]
    # the same; moved by (3, 4), W2 = 5; half sides (2, 2), W2 = sqrt(1 + 4)
    expected = torch.tensor([1.0, np.exp(-0.5), np.exp(-(5**0.5) / 10)], dtype=torch.float32)
    torch.testing.assert_close(found, expected)


def test_wasserstein_is_the_distance_of_the_gaussians() -> None:
    """W2^2 = |m - m'|^2 + |S^1/2 - S'^1/2|_F^2 (the paper's eq. 5), covariances as matrices."""
    one, other = boxes(5, seed=1), boxes(70, seed=2)
    found = wasserstein(one, other, scale=12.8).numpy()
    for i, a in enumerate(one.double().numpy()):
        for j, b in enumerate(other.double().numpy()):
            means = [(box[:2] + box[2:]) / 2 for box in (a, b)]
            covariances = [np.diag((box[2:] - box[:2]) ** 2 / 4) for box in (a, b)]
            roots = [np.sqrt(c) for c in covariances]
            squared = ((means[0] - means[1]) ** 2).sum() + ((roots[0] - roots[1]) ** 2).sum()
            assert found[i, j] == pytest.approx(np.exp(-np.sqrt(squared) / 12.8), abs=1e-5)


def test_nwd_gives_a_tiny_box_references_that_iou_denies_it() -> None:
    truth = torch.tensor([[100.0, 100.0, 106.0, 106.0], [0.0, 0.0, 60.0, 60.0]])
    references = torch.tensor([[103.0, 103.0, 109.0, 109.0], [4.0, 4.0, 64.0, 64.0]])
    by = {
        kind: match(
            references,
            truth,
            positive_iou=0.5,
            negative_iou=0.3,
            best_for_each=False,
            similarity=similarity(kind, 8.0),
        ).tolist()
        for kind in ("iou", "nwd", "larger")
    }
    assert by == {"iou": [NEGATIVE, 1], "nwd": [0, UNUSED], "larger": [0, 1]}


def whole_match(overlap: Tensor, *, positive: float, negative: float, best: bool) -> Tensor:
    """Matching written over the whole table of overlaps."""
    matched = torch.full((overlap.shape[1],), UNUSED)
    for j, column in enumerate(overlap.T):
        if column.max() < negative:
            matched[j] = NEGATIVE
        if column.max() >= positive or (
            best and any(v > 0 and v == overlap[i].max() for i, v in enumerate(column))
        ):
            matched[j] = int(column.argmax())
    return matched


@pytest.mark.parametrize("best", [False, True])
@pytest.mark.parametrize("pairs", [1, 7, 40, 10**6])
def test_matching_in_parts_is_matching_at_once(
    pairs: int, best: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assign, "PAIRS", pairs)
    truth = torch.cat([boxes(6, seed=1), torch.tensor([[900.0, 900.0, 903.0, 903.0]])])
    references = boxes(50, seed=2)
    references = torch.cat([references, references[3:30], references[:1]])  # ties
    found = match(references, truth, positive_iou=0.4, negative_iou=0.2, best_for_each=best)
    expected = whole_match(box_iou(truth, references), positive=0.4, negative=0.2, best=best)
    assert torch.equal(found, expected)
    assert (found >= 0).any()


# ---------------------------------------------------------------------------- class weights


def test_class_weights_weigh_each_proposals_loss() -> None:
    weights = [1.0, 2.0, 5.0]
    head = BoxHead(nn.Identity(), 4, 3, BoxRules(), class_weights=weights)
    labels = torch.tensor([2, 1, 0, 0])
    logits = torch.randn((4, 3), generator=torch.Generator().manual_seed(0))
    instances = Instances.from_labels(
        CropMasks.pack_pixels([(0, 0), (20, 20)], [np.full((8, 8), 255, np.uint8)] * 2),
        np.array([1, 0]),
    )
    target = Target.of(instances, CropMasks.empty(), CPU)
    sampled = SampledBoxes(
        torch.cat([target.boxes, boxes(2, seed=1)]), labels, torch.tensor([0, 1, -1, -1]), 2
    )
    found, _ = head.losses(logits, torch.zeros((4, 3, 4)), [sampled], [target])
    chance = np.exp(logits.double().numpy())
    chance /= chance.sum(axis=1, keepdims=True)
    terms = [weights[y] * -np.log(chance[i, y]) for i, y in enumerate(labels.tolist())]
    assert float(found) == pytest.approx(sum(terms) / 4, rel=1e-5)


def test_class_weights_go_by_name() -> None:
    recipe = tiny("lite", "network.class_weights={motorbike: 4, tricycle: 3}")
    weights = build_detector(recipe).box_head.class_weights.tolist()
    named = dict(zip(("background", *recipe.classes), weights, strict=True))
    assert named == {**dict.fromkeys(named, 1.0), "motorcycle": 4.0, "tricycle": 3.0}
    with pytest.raises(RecipeError, match="class_weights names train"):
        tiny("lite", "network.class_weights={train: 2}")
    with pytest.raises(RecipeError, match="greater than 0"):
        tiny("lite", "network.class_weights={car: 0}")


# ---------------------------------------------------------------------------- recipes


def tiny(name: str, *settings: str) -> Recipe:
    return with_settings(find_recipe(name), [*TINY, *settings])


def view_target() -> Target:
    grids = [np.full(hw, 255, np.uint8) for hw in ((6, 6), (20, 30), (50, 40))]
    masks = CropMasks.pack_pixels([(4, 4), (40, 10), (20, 40)], grids)
    return Target.of(Instances.from_labels(masks, np.array([0, 3, 6])), CropMasks.empty(), CPU)


def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 255, (2, 3, 97, 131), generator=generator, dtype=torch.uint8)


def assert_learns_and_answers(detector: Detector) -> None:
    """Finite losses, a gradient in every parameter, and an answer for the same images."""
    detector.train()
    for part in detector.modules():
        if isinstance(part, nn.BatchNorm2d):  # timm starts a block's last one at 0
            nn.init.ones_(part.weight)
    torch.manual_seed(0)
    detector(images(), [view_target()] * 2).total().backward()
    still = [
        name for name, p in detector.named_parameters() if p.grad is None or not p.grad.abs().sum()
    ]
    assert still == []
    assert all(p.grad.isfinite().all() for p in detector.parameters() if p.grad is not None)
    assert len(detector.eval().detect(images())) == 2


@pytest.mark.parametrize("name", ["mask_rcnn_r50_v2", *(n for n in RECIPES if "tis" in n)])
def test_gradients_reach_every_parameter_of_the_recipes(name: str) -> None:
    torch.manual_seed(0)
    recipe = tiny(name)
    if name == "tis_lite":
        recipe = with_settings(recipe, ["network.backbone=tf_efficientnet_lite0"])
    assert_learns_and_answers(build_detector(recipe))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("base", ["mask_rcnn_r50", "mask_rcnn_r50_v2"])
def test_each_part_can_be_added_alone(base: str, part: str) -> None:
    torch.manual_seed(0)
    detector = build_detector(tiny(base, f"network.{part}=true"))
    plain = build_detector(tiny(base))
    assert sum(p.numel() for p in detector.parameters()) > sum(
        p.numel() for p in plain.parameters()
    )
    assert_learns_and_answers(detector)


@lru_cache(maxsize=8)
def on_meta(name: str) -> Detector:
    with torch.device("meta"):
        return build_detector(find_recipe(name))


@pytest.mark.parametrize("name", RECIPES)
def test_full_recipes_build_and_their_maps_have_the_strides(name: str) -> None:
    detector = on_meta(name)
    with torch.device("meta"):
        stages = detector.backbone(torch.zeros((1, 3, 192, 320)))
        maps = detector.pyramid(stages)
    assert [tuple(m.shape[2:]) for m in stages] == [(48, 80), (24, 40), (12, 20), (6, 10)]
    channels = find_recipe(name).network.pyramid_channels
    assert [tuple(m.shape[1:]) for m in maps] == [
        (channels, 192 // s, 320 // s) for s in (4, 8, 16, 32, 64)
    ]


@pytest.mark.parametrize("name", ["lite", "tis_lite"])
def test_the_small_recipes_stay_under_six_million_parameters(name: str) -> None:
    assert sum(p.numel() for p in on_meta(name).parameters()) < 6e6
