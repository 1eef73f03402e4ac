"""Sublinear memory: equal results and gradients, exact bytes, and plans that fit."""

import copy
import weakref
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.errors import RecipeError
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.model.backbones import TimmBackbone
from tinyseg.model.detector import Detector
from tinyseg.model.fast.activations import Profile, Unit, measure_activations
from tinyseg.model.fast.planning import (
    COPIES,
    GB,
    RECOMPUTE_CHOICES,
    Planner,
    memory_need,
    needed,
    plan_all,
    plan_budget,
    plan_off,
    plan_sqrt,
    to_plan,
)
from tinyseg.model.fast.sublinear import ROIS_AT_ONCE, Segment, links_of, roi_groups, run_links
from tinyseg.model.pyramid import Pyramid
from tinyseg.model.rules import RecomputeChoice
from tinyseg.model.targets import Target
from tinyseg.networks import build_detector
from tinyseg.recipes import Recipe, find_recipe, with_settings
from tinyseg.training.sampler import largest_shape, shape_of

CPU = torch.device("cpu")
SIDE = 96
SMALL = (
    "network.backbone=test_efficientnet",
    "network.pyramid_channels=32",
    "network.box_hidden=32",
    "network.boxes.sampled=48",
    "network.proposals.sampled=16",
)


def recipe(*settings: str, name: str = "lite") -> Recipe:
    return with_settings(find_recipe(name), [*SMALL, *settings])


@cache
def batch() -> tuple[Tensor, list[Target]]:
    """Two noisy views with more objects than there is room for among the sampled RoIs."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2, 3, SIDE, SIDE), dtype=np.uint8)
    targets = []
    for _ in images:
        corner = generator.integers(0, 60, (40, 2))
        boxes = np.concatenate([corner, corner + generator.integers(8, 36, (40, 2))], axis=1)
        grids = [np.full((4, 4), 255, np.uint8)] * len(boxes)
        masks = CropMasks.pack(boxes.astype(np.float64), grids)
        labels = generator.integers(0, 7, len(boxes))
        instances = Instances(boxes.astype(np.float64), masks, labels, np.ones(len(boxes)))
        targets.append(Target.of(instances, CropMasks.empty(), CPU, seed=3))
    return torch.from_numpy(images), targets


def detector_with_drop_path() -> Detector:
    torch.manual_seed(1)
    detector = build_detector(recipe()).train()
    blocks = detector.backbone.get_submodule("body.blocks")
    assert isinstance(blocks, nn.Sequential)
    for stage in blocks[2:]:
        assert isinstance(stage, nn.Sequential)
        stage[-1] = nn.Sequential(stage[-1], DropPath(0.3))
    detector.box_head.trunk = nn.Sequential(detector.box_head.trunk, nn.Dropout(0.2))
    return detector


def gradients(detector: Detector, planner: Planner) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of one step from equal random numbers."""
    detector.planner = planner
    detector.zero_grad(set_to_none=True)
    torch.manual_seed(5)
    loss = detector(*batch()).total()
    loss.backward()
    named = detector.named_parameters()
    return float(loss.detach()), {name: p.grad.clone() for name, p in named if p.grad is not None}


@pytest.fixture(scope="module")
def stepped() -> tuple[Detector, float, dict[str, Tensor]]:
    """A detector with drop path and dropout, its loss and gradients without recomputation."""
    detector = detector_with_drop_path()
    return detector, *gradients(detector, Planner("off"))


@pytest.mark.parametrize("choice", ["sqrt", "all", "budget"])
def test_loss_and_gradients_are_the_same(
    choice: str, stepped: tuple[Detector, float, dict[str, Tensor]]
) -> None:
    detector, loss, wanted = stepped
    budget = None if choice != "budget" else budget_between(detector)
    planner = Planner("off", budget_gb=budget) if budget else Planner(CHOICE[choice])
    found_loss, found = gradients(detector, planner)
    (plan,) = planner.plans.values()
    assert any(segment.again for segment in plan.backbone)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        assert (found[name] - gradient).norm() <= 1e-5 * gradient.norm(), name


CHOICE: dict[str, RecomputeChoice] = {"sqrt": "sqrt", "all": "all"}


def budget_between(detector: Detector) -> float:
    """GB half-way between the least peak and everything kept."""
    profile = measure_activations(detector, batch=2, hw=(128, 128))
    low, high = (needed(profile, make(profile)) for make in (plan_sqrt, plan_off))
    return ((low + high) / 2 + 16 * sum(p.numel() for p in detector.parameters())) / GB


def test_other_random_numbers_give_other_gradients(
    stepped: tuple[Detector, float, dict[str, Tensor]],
) -> None:
    """The test above would see a segment that drops other paths when it runs again."""
    detector, loss, _ = stepped
    detector.planner = Planner("off")
    torch.manual_seed(6)
    assert float(detector(*batch()).total().detach()) != pytest.approx(loss, rel=1e-4)


def test_bfloat16_is_bfloat16_again() -> None:
    torch.manual_seed(1)
    detector = build_detector(recipe()).train()
    detector.mixed = True
    loss, wanted = gradients(detector, Planner("off"))
    again, found = gradients(detector, Planner("sqrt"))
    assert again == pytest.approx(loss, rel=1e-6)
    for name in ("backbone.body.conv_stem.weight", "pyramid.fpn.layer_blocks.0.0.weight"):
        assert (found[name] - wanted[name]).norm() <= 1e-5 * wanted[name].norm(), name


def kept_bytes(detector: Detector) -> int:
    """Bytes that autograd saves in a real step, each storage once, without weights."""
    own = {p.untyped_storage().data_ptr() for p in [*detector.parameters(), *detector.buffers()]}
    held: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = detector(*batch()).total()
    del loss
    return sum(storage.nbytes() for key, storage in held.items() if key not in own)


@pytest.mark.parametrize("name", ["lite", "tis_lite", "mask_rcnn_r50"])
@pytest.mark.parametrize("choice", ["off", "sqrt", "all"])
def test_predicted_bytes_are_those_of_a_real_step(choice: RecomputeChoice, name: str) -> None:
    torch.manual_seed(1)
    backbone = [] if "lite" in name else ["network.backbone=test_resnet"]
    detector = build_detector(recipe(*backbone, name=name)).train()
    profile = measure_activations(detector, batch=2, hw=(SIDE, SIDE))
    segments = RECOMPUTE_CHOICES[choice](profile)
    plan = to_plan(profile, segments)
    detector.planner = lambda *_: plan
    predicted = sum(memory_need(profile, segments).kept.values())
    assert kept_bytes(detector) == pytest.approx(predicted, rel=0.1)


def test_measuring_leaves_the_detector_alone() -> None:
    detector = build_detector(recipe())
    before = copy.deepcopy(detector.state_dict())
    measure_activations(detector, batch=1, hw=(SIDE, SIDE))
    assert not detector.training
    for name, value in detector.state_dict().items():
        assert type(value) is Tensor
        assert torch.equal(value, before[name]), name
    assert detector.detect(batch()[0])  # no anchors without values were left in a cache


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("resnet18", 10),
        ("tf_efficientnet_lite0", 17),
        ("mobilenetv3_small_050", 13),
        ("convnext_atto", 18),
        ("legacy_seresnet50", 18),
    ],
)
def test_links_run_as_the_backbone(name: str, chain: int) -> None:
    torch.manual_seed(0)
    backbone = TimmBackbone(name).eval()
    links = links_of(backbone)
    assert len(links) == chain
    pixels = torch.randn(1, 3, 64, 96)
    cuts = [0, 1, chain // 2, chain - 1, chain]
    segments = [Segment(a, b, again=i % 2 == 0) for i, (a, b) in enumerate(pairwise(cuts))]
    wanted, found = backbone(pixels), run_links(links, segments, pixels)
    assert [m.shape for m in found] == [m.shape for m in wanted]
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


class Stages(nn.Module):
    """A backbone that nobody knows how to take apart."""

    channels = (8, 8, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=4, padding=1)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        first = self.stem(pixels).relu()
        return [first, *(nn.functional.avg_pool2d(first, s) for s in (2, 4, 8))]


def test_a_backbone_without_a_known_chain_is_one_link() -> None:
    detector = build_detector(recipe()).train()
    detector.backbone = Stages()
    detector.pyramid = Pyramid(detector.backbone.channels, 32)
    assert links_of(detector.backbone) == []
    profile = measure_activations(detector, batch=2, hw=(SIDE, SIDE))
    assert to_plan(profile, plan_all(profile)).whole_backbone
    loss, wanted = gradients(detector, Planner("off"))
    again, found = gradients(detector, Planner("all"))
    assert again == pytest.approx(loss, rel=1e-6)
    torch.testing.assert_close(found["backbone.stem.weight"], wanted["backbone.stem.weight"])


def chain(sizes: list[tuple[int, int]], operations: list[int]) -> Profile:
    """Units that each save their input and something of their own, and a pyramid-like end that
    reads the last map; sizes are (own bytes, bytes of the result)."""
    units, read = [], {0: 5}
    for i, ((own, result), count) in enumerate(zip(sizes, operations, strict=True)):
        written = {2 * i + 2: result}
        units.append(Unit("backbone", {**read, 2 * i + 1: own}, read, written, count))
        read = written
    units.append(Unit("pyramid", {**read, 999: 7}, read, {}, 3))
    return Profile(tuple(units), links=len(sizes))


def every_cover(profile: Profile) -> list[list[Segment]]:
    """All ways to cut a profile's chain into segments that are kept or run again."""
    covers: dict[int, list[list[Segment]]] = {0: [[]]}
    for last in range(1, len(profile.units) + 1):
        starts = range(last) if last <= profile.links else [last - 1]
        covers[last] = [
            [*head, Segment(first, last, again=again)]
            for first in starts
            for head in covers[first]
            for again in (True, False)
        ]
    return covers[len(profile.units)]


@pytest.mark.parametrize("seed", range(4))
def test_plans_are_the_best_of_all_covers(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sizes = [(int(a), int(b)) for a, b in generator.integers(1, 100, (6, 2)) * 1000]
    profile = chain(sizes, [int(n) for n in generator.integers(1, 50, 6)])
    covers = [memory_need(profile, cover) for cover in every_cover(profile)]
    assert memory_need(profile, plan_sqrt(profile)).peak == min(cover.peak for cover in covers)
    least, gradient = needed(profile, plan_sqrt(profile)), max(u.largest for u in profile.units)
    for share in (0.2, 0.5, 0.8):
        budget = int(least + share * (needed(profile, plan_off(profile)) - least))
        found = memory_need(profile, plan_budget(profile, budget))
        assert found.tensors <= budget
        # Bytes are rounded up to a 400th of the budget, once a segment.
        free = budget * (1 - 7 / 400) - gradient
        surely = [cover.repeated for cover in covers if cover.peak <= free]
        assert found.repeated <= min(surely, default=1.0)
    with pytest.raises(RecipeError, match="no plan of recomputation fits the budget"):
        plan_budget(profile, min(cover.tensors for cover in covers) - 1)


def test_bytes_of_a_chain_by_hand() -> None:
    profile = chain([(100, 10), (200, 20), (300, 30)], [1, 1, 1])
    off = memory_need(profile, plan_off(profile))
    assert off.peak == (5 + 100) + (10 + 200) + (20 + 300) + (30 + 7)
    two = [Segment(0, 2, again=True), Segment(2, 3, again=True), Segment(3, 4, again=False)]
    found = memory_need(profile, two)
    assert sum(found.kept.values()) == 5 + 20 + 30 + 7
    assert found.largest == 100 + 10 + 200  # of the pair: its inner map too
    assert found.repeated == pytest.approx(3 / 6)


def test_what_a_step_needs_at_once_by_hand() -> None:
    """Own bytes are each unit's largest tensor, and the gradient on its way is as large."""
    profile = chain([(100, 10), (200, 20), (300, 30)], [1, 1, 1])
    off = memory_need(profile, plan_off(profile))
    assert off.tensors == (5 + 100) + (10 + 200) + (20 + 300) + 300  # the third, its end is free
    two = [Segment(0, 2, again=True), Segment(2, 3, again=True), Segment(3, 4, again=False)]
    found = memory_need(profile, two)
    assert found.tensors == (5 + 20) + 300 + 300
    assert found.on_cpu == (5 + 20) + 300 + (1 + COPIES) * 300
    assert needed(profile, two) == found.tensors
    assert needed(replace(profile, on_cpu=True), two) == found.on_cpu


class Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own has no types
    """Bytes of all tensors that are made inside and not yet gone; the most there were."""

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[int, tuple[object, int]] = {
            tensor.untyped_storage()._cdata: (None, 0) for tensor in known
        }
        self.now = self.most = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in self.alive:
                self._meet(tensor.untyped_storage())
        return result

    def _meet(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()

        def gone(_: object) -> None:
            self.now -= self.alive.pop(key)[1]

        self.alive[key] = (weakref.ref(storage, gone), size)
        self.now += size
        self.most = max(self.most, self.now)


@pytest.mark.parametrize("name", ["lite", "mask_rcnn_r50"])
@pytest.mark.parametrize("choice", ["off", "sqrt", "all"])
def test_a_real_step_needs_what_was_predicted(choice: RecomputeChoice, name: str) -> None:
    """All tensors of a step as torch makes them. The weights' gradients come one by one on the way
    back: at the time of the most there are some, of so small a view a large part of all."""
    torch.manual_seed(1)
    backbone = "tf_efficientnet_lite0" if name == "lite" else "resnet18"
    detector = build_detector(recipe(f"network.backbone={backbone}", name=name)).train()
    profile = measure_activations(detector, batch=2, hw=(SIDE, SIDE))
    segments = RECOMPUTE_CHOICES[choice](profile)
    plan = to_plan(profile, segments)
    detector.planner = lambda *_: plan
    with Tally([*detector.parameters(), *detector.buffers()]) as tally:
        detector(*batch()).total().backward()
    weights = sum(4 * p.numel() for p in detector.parameters())
    predicted = memory_need(profile, segments).tensors
    assert 0.9 * predicted <= tally.most <= 1.1 * (predicted + weights)


def test_rois_go_in_groups_and_keep_their_order() -> None:
    counts = (ROIS_AT_ONCE + 2, 0, 5)
    boxes = [torch.arange(4.0 * n).view(n, 4) + 1000 * i for i, n in enumerate(counts)]
    groups = roi_groups(boxes, again=True)
    assert [sum(len(b) for b in group.boxes) for group in groups] == [ROIS_AT_ONCE, 2, 5]
    assert torch.equal(torch.cat([torch.cat(group.boxes) for group in groups]), torch.cat(boxes))
    row = torch.arange(sum(counts))
    assert torch.equal(torch.cat([row[group.place] for group in groups]), row)
    (alone,) = roi_groups([b[:0] for b in boxes], again=True)
    assert [len(b) for b in alone.boxes] == [0, 0, 0]


def test_plans_follow_from_the_rounded_size_alone() -> None:
    detector, planner = build_detector(recipe()), Planner("sqrt")
    first = planner(detector, 1, (100, 128))
    assert planner(detector, 1, (128, 65)) is first
    assert planner(detector, 1, (129, 128)) is not first
    assert len(planner.plans) == 2


def test_recipe_names_one_way_of_keeping() -> None:
    with pytest.raises(RecipeError, match="either recompute or budget_gb"):
        recipe("memory.recompute=sqrt", "memory.budget_gb=3")
    with pytest.raises(RecipeError, match=r"memory\.recompute"):
        recipe("memory.recompute=some")
    assert recipe("memory.recompute=off").memory.recompute == "off"  # YAML reads it as false
    detector = build_detector(recipe("memory.budget_gb=0.001")).train()
    with pytest.raises(RecipeError, match="no plan of recomputation fits the budget"):
        detector(*batch())


def test_a_dry_run_prints_bytes_of_every_stage(tmp_path: Path) -> None:
    keys = ("sampling.view=[128, 256]", "memory.budget_gb=0.3", "train.batch=1")
    sets = [word for key in keys for word in ("--set", key)]
    result = CliRunner().invoke(app, ["train", "--dry-run", *sets, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    for row in ("stride 4", "stride 32", "pyramid", "proposal head", "box head", "mask head"):
        assert row in result.stdout
    for column in ("off", "sqrt", "all", "0.3 GB", "1 x 256 x 128"):
        assert column in result.stdout
    assert result.stdout.endswith(", no data given\n")
    assert not (tmp_path / "run").exists()


def test_the_largest_views_are_what_memory_must_hold() -> None:
    rules = recipe("sampling.sources=vtr_and_tiles").sampling
    largest = largest_shape(rules).out_hw
    assert largest == (1800, 2248)
    drawn = [shape_of(step, rules, 0).out_hw for step in range(400)]
    assert max(h * w for h, w in drawn) <= largest[0] * largest[1]
    assert (1024, 1024) in drawn
