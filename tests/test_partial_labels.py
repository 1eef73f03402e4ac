"""Labels that say less than all: classes that nobody labelled, and boxes without masks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tinyseg.data.dataset import Item
from tinyseg.errors import DataError
from tinyseg.frame import Frame, FrameLabels, Instances
from tinyseg.masks import CropMasks, area
from tinyseg.model.box_head import BoxHead, SampledBoxes, mlp_head
from tinyseg.model.proposals import Proposals
from tinyseg.model.rules import BoxRules, ProposalRules
from tinyseg.model.targets import Target
from tinyseg.model.unlabelled import join_background, taken_for_unlabelled
from tinyseg.recipes import Sampling, Tile
from tinyseg.training.mosaic import Cell, join_cells
from tinyseg.training.sampler import draw_view, ignore_unlearnable, shape_of
from tinyseg.views import View

CPU = torch.device("cpu")


def boxes_alone(*boxes: tuple[float, float, float, float]) -> Instances:
    count = len(boxes)
    nothing = CropMasks.pack_pixels([(0, 0)] * count, [np.zeros((0, 0), np.uint8)] * count)
    return Instances(
        np.array(boxes, np.float64), nothing, np.zeros(count, np.int64), np.ones(count)
    )


def target(*unlabelled: int, instances: Instances | None = None) -> Target:
    found = Instances.empty() if instances is None else instances
    return Target.of(found, CropMasks.empty(), CPU, unlabelled=frozenset(unlabelled))


def frame_of(instances: Instances, *, hw: tuple[int, int] = (60, 80)) -> Frame:
    return Frame("a", np.zeros((*hw, 3), np.uint8), instances, CropMasks.empty(), frozenset({2}))


# ---------------------------------------------------------------- classes that nobody labelled


def test_the_loss_of_background_is_that_of_background_or_unlabelled() -> None:
    """Equations 5 and 6, written out; an object's own loss stays as it is."""
    logits = torch.randn((5, 4), generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([1, 3, 0, 0, 0])
    boxes = torch.tensor([[0.0, 0, 8, 8]]).repeat(5, 1)
    sampled = SampledBoxes(boxes, labels, torch.tensor([0, 0, -1, -1, -1]), 2)
    one = target(1, 2, instances=boxes_alone((0, 0, 8, 8)))
    head = BoxHead(mlp_head(4, 8), 8, 4, BoxRules())
    found, _ = head.losses(logits, torch.zeros((5, 4, 4)), [sampled], [one])
    chance = logits.softmax(dim=1).double().numpy()
    terms = [-np.log(chance[0, 1]), -np.log(chance[1, 3])]
    terms += [-np.log(chance[i, [0, 2, 3]].sum()) for i in (2, 3, 4)]
    assert float(found) == pytest.approx(sum(terms) / 5, rel=1e-5)


def test_only_the_images_own_unlabelled_classes_count() -> None:
    logits = torch.randn((4, 4), generator=torch.Generator().manual_seed(2))
    nothing = torch.zeros(2, dtype=torch.int64)
    parts = [SampledBoxes(torch.rand(2, 4), nothing, nothing - 1, 0) for _ in range(2)]
    head = BoxHead(mlp_head(4, 8), 8, 4, BoxRules())
    found, _ = head.losses(logits, torch.zeros((4, 4, 4)), parts, [target(0), target()])
    chance = logits.softmax(dim=1).double().numpy()
    terms = [-np.log(chance[i, :2].sum()) for i in (0, 1)] + [-np.log(chance[i, 0]) for i in (2, 3)]
    assert float(found) == pytest.approx(sum(terms) / 4, rel=1e-5)


def test_a_background_that_may_be_a_bus_does_not_push_the_bus_down() -> None:
    logits = torch.zeros((1, 3), requires_grad=True)
    joined = join_background(logits, torch.tensor([0]), torch.tensor([2]))
    loss = torch.nn.functional.cross_entropy(joined, torch.tensor([0]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.isfinite(gradient).all()
    assert gradient[0, 2] < 0 < gradient[0, 1]
    assert gradient[0, 0] == pytest.approx(gradient[0, 2])


def test_what_looks_unlabelled_is_no_negative_proposal() -> None:
    """Two background regions; the network takes one for the unlabelled class 2."""
    logits = torch.tensor([[0.0, 0, 9], [9.0, 0, 0], [0.0, 0, 9]])
    boxes = torch.tensor([[0.0, 0, 16, 16], [20, 20, 36, 36], [40, 40, 56, 56]])
    labels = torch.tensor([0, 0, 2])
    (unsure,) = taken_for_unlabelled([logits], [boxes], [labels], [torch.tensor([2])])
    assert unsure.tolist() == [[0, 0, 16, 16]]
    assert len(taken_for_unlabelled([logits], [boxes], [labels], [labels[:0]])[0]) == 0

    rules = ProposalRules(anchor_sizes=(16.0,) * 5, aspect_ratios=(1.0,), sampled=10_000)
    proposals = Proposals(4, rules).train()
    maps = [torch.rand((1, 4, 64 // s, 64 // s)) for s in (4, 8, 16, 32, 64)]
    raw = proposals(maps, (64, 64))
    logit = torch.cat(raw.scores, dim=1)[0]
    anchors = torch.cat(raw.anchors)
    shown, _ = proposals.losses(raw, [target(1)], unsure=[unsure])
    width = (torch.minimum(anchors[:, 2], torch.tensor(16.0)) - anchors[:, 0].clamp(min=0)).clamp(0)
    height = (torch.minimum(anchors[:, 3], torch.tensor(16.0)) - anchors[:, 1].clamp(min=0)).clamp(
        0
    )
    overlap = width * height / (512 - width * height)
    kept = logit[overlap <= rules.negative_iou]
    assert 0 < len(kept) < len(logit)
    wanted = torch.nn.functional.softplus(kept).mean()
    assert float(shown.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)


def test_a_mosaic_leaves_open_what_any_of_its_frames_does() -> None:
    parts = [frame_of(Instances.empty(), hw=(8, 8)) for _ in range(2)]
    other = Frame(
        parts[1].name, parts[1].image, parts[1].instances, parts[1].ignore, frozenset({5})
    )
    cells = [Cell(0, (0, 0), (8, 8)), Cell(1, (8, 0), (8, 8))]
    assert join_cells([parts[0], other], cells, (8, 16)).unlabelled == {2, 5}


# ---------------------------------------------------------------- boxes without masks


def test_a_view_cuts_a_box_alone_as_a_box() -> None:
    frame = frame_of(boxes_alone((10, 10, 30, 20), (70, 50, 80, 60), (0, 0, 4, 4)))
    seen = View((5.0, 5.0, 25.0, 25.0), (40, 40)).cut(frame)
    assert seen.instances.boxes.tolist() == [[10, 10, 40, 30]]
    assert seen.instances.has_mask.tolist() == [False]
    assert seen.unlabelled == {2}
    mirrored = View((5.0, 5.0, 25.0, 25.0), (40, 40), flip=True).cut(frame)
    assert mirrored.instances.boxes.tolist() == [[0, 10, 30, 30]]


def test_a_box_alone_that_is_hardly_seen_is_ignored_as_a_box() -> None:
    frame = frame_of(boxes_alone((10, 10, 30, 20), (40, 10, 60, 20)))
    view = View((0.0, 0.0, 42.0, 60.0), (60, 42))
    rest = ignore_unlearnable(frame, view, Sampling(min_visible=0.25))
    assert rest.instances.boxes.tolist() == [[10, 10, 30, 20]]
    assert area(rest.ignore).tolist() == [0, 200]


def test_a_box_alone_has_no_part_in_the_masks_loss() -> None:
    mask = CropMasks.pack_pixels([(0, 0)], [np.full((8, 8), 255, np.uint8)])
    whole = Instances.from_labels(mask, np.zeros(1, np.int64))
    both = Instances.concatenate([boxes_alone((20, 20, 40, 40)), whole])
    one = target(instances=both)
    labels = torch.tensor([1, 1, 0])
    sampled = SampledBoxes(torch.rand(3, 4), labels, torch.tensor([0, 1, -1]), 2)
    drawn = sampled.with_mask(one)
    assert drawn.objects.tolist() == [1]
    assert drawn.boxes.tolist() == sampled.boxes[1:2].tolist()


# ---------------------------------------------------------------- what is broken


def test_a_broken_object_stops_reading_or_is_told_and_left_out() -> None:
    fault = DataError("a polygon has three corners", where="annotation 3")
    labels = FrameLabels("a", (4, 4), Instances.empty(), CropMasks.empty(), faults=(fault,))
    item = Item("a", Path("a.png"), lambda: labels, frozenset({1}))
    with pytest.raises(DataError, match="annotation 3"):
        item.read_labels()
    told: list[Exception] = []
    assert item.read_labels(told.append).unlabelled == {1}
    assert told == [fault]


# ---------------------------------------------------------------- strips


def test_a_strip_has_its_own_height_and_width_and_lies_around_an_instance() -> None:
    mask = CropMasks.pack_pixels([(300, 100)], [np.full((8, 8), 255, np.uint8)])
    whole = Instances.from_labels(mask, np.zeros(1, np.int64))
    frame = Frame("a", np.zeros((400, 800, 3), np.uint8), whole, CropMasks.empty())
    rules = Sampling(sources=(Tile(view=(64, 256), zoom=(2.0, 2.0), near_share=1.0),))
    for index in range(30):
        view = draw_view(frame, index, shape_of(0, rules, 0), rules, seed=0)
        assert view.out_hw == (64, 256)
        assert (view.rect[2] - view.rect[0], view.rect[3] - view.rect[1]) == (128, 32)
        assert len(view.cut(frame).instances) == 1
