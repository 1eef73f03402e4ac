"""The detector's parts against second implementations or by hand."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import MultiScaleRoIAlign, box_iou, roi_align

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.model import assign
from tinyseg.model.box_head import BoxHead, SampledBoxes, mlp_head
from tinyseg.model.detector import Detector
from tinyseg.model.mask_head import MaskHead, mask_loss
from tinyseg.model.proposals import anchor_boxes
from tinyseg.model.roi_pool import align, choose_levels, pool_levels
from tinyseg.model.rules import BoxRules
from tinyseg.model.targets import SummedMasks, Target
from tinyseg.networks import build_detector, load_imagenet
from tinyseg.recipes import lite

CPU = torch.device("cpu")


def random_boxes(count: int, *, seed: int, extent: float = 100.0, most: float = 60.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    start = torch.rand((count, 2), generator=generator) * extent
    return torch.cat(
        [start, start + 0.5 + torch.rand((count, 2), generator=generator) * most], dim=1
    )


def target(instances: Instances | None = None, ignore: CropMasks | None = None) -> Target:
    return Target.of(instances or Instances.empty(), ignore or CropMasks.empty(), CPU)


def rectangles(*boxes: tuple[int, int, int, int]) -> CropMasks:
    """Full masks in pixel form."""
    grids: list[UInt8[np.ndarray, "h w"]] = [
        np.full((y1 - y0, x1 - x0), 255, np.uint8) for x0, y0, x1, y1 in boxes
    ]
    return CropMasks.pack_pixels([box[:2] for box in boxes], grids)


def objects(*boxes: tuple[int, int, int, int]) -> Instances:
    """Full rectangles of the classes 0, 1, 2 ..."""
    return Instances.from_labels(rectangles(*boxes), np.arange(len(boxes)))


# ---------------------------------------------------------------------------- RoI pooling


def located_boxes() -> Tensor:
    """RoIs of two images on maps of 20 x 28 at stride 4: usual, outside, tiny, huge."""
    special = torch.tensor(
        [
            [-30.0, -20.0, 15.0, 12.0],
            [90.0, 60.0, 150.0, 130.0],
            [-90.0, -90.0, -50.0, -50.0],
            [200.0, 200.0, 260.0, 260.0],
            [40.0, 40.0, 40.2, 40.3],
            [40.0, 40.0, 40.0, 40.0],
            [-500.0, -500.0, 900.0, 900.0],
            [0.0, 0.0, 112.0, 80.0],
            [111.9, 79.9, 112.0, 80.0],
        ]
    )
    boxes = torch.cat([random_boxes(12, seed=1), special])
    image = torch.arange(len(boxes)).remainder(2)[:, None].float()
    return torch.cat([image, boxes], dim=1)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("size", [1, 7, 14])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_roi_pooling_is_torchvisions(aligned: bool, size: int, layout: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn((2, 6, 20, 28), generator=generator)
    ours = features.clone(memory_format=layout).requires_grad_()
    theirs = features.clone().requires_grad_()
    found = align(ours, located_boxes(), size=size, scale=0.25, aligned=aligned)
    expected = roi_align(theirs, located_boxes(), size, 0.25, 2, aligned)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn(expected.shape, generator=generator)
    (our_gradient,) = torch.autograd.grad((found * weights).sum(), ours)
    (their_gradient,) = torch.autograd.grad((expected * weights).sum(), theirs)
    assert their_gradient.abs().sum() > 0
    torch.testing.assert_close(our_gradient, their_gradient, atol=1e-4, rtol=1e-4)


def test_no_rois_pool_to_nothing() -> None:
    features = torch.randn((1, 3, 8, 8), requires_grad=True)
    assert align(features, torch.zeros((0, 5)), size=7, scale=1.0, aligned=True).shape == (
        0,
        3,
        7,
        7,
    )
    none = [torch.zeros((0, 4)), torch.zeros((0, 4))]
    maps = [torch.randn((2, 3, 8, 8)), torch.randn((2, 3, 4, 4))]
    pooled = pool_levels(maps, none, size=7, strides=[4.0, 8.0], aligned=True)
    assert pooled.shape == (0, 3, 7, 7)


def pyramid_maps(generator: torch.Generator) -> list[Tensor]:
    sides = ((48, 64), (24, 32), (12, 16), (6, 8))
    return [torch.randn((2, 5, *hw), generator=generator, requires_grad=True) for hw in sides]


def test_pooling_over_levels_is_torchvisions() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = pyramid_maps(generator)
    rois = [
        random_boxes(30, seed=2, extent=90, most=400),
        torch.cat([random_boxes(9, seed=3), torch.tensor([[0.0, 0.0, 1000.0, 1000.0]])]),
    ]
    assert set(choose_levels(torch.cat(rois), count=4).tolist()) == {0, 1, 2, 3}
    theirs = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
    named = {str(i): level for i, level in enumerate(maps)}
    expected = theirs(named, rois, [(192, 256)] * 2)
    found = pool_levels(maps, rois, size=7, strides=[4.0, 8.0, 16.0, 32.0], aligned=False)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn(expected.shape, generator=generator)
    ours = torch.autograd.grad((found * weights).sum(), maps)
    for one, other in zip(ours, torch.autograd.grad((expected * weights).sum(), maps), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_levels_by_hand() -> None:
    sides = torch.tensor([1.0, 111.0, 112.0, 223.0, 224.0, 447.0, 448.0, 5000.0])
    boxes = torch.cat([torch.zeros((8, 2)), sides[:, None].expand(8, 2)], dim=1)
    assert choose_levels(boxes, count=4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert choose_levels(torch.zeros((1, 4)), count=4).tolist() == [0]


# ---------------------------------------------------------------------------- summed masks


def shared_lengths(
    rect: Float[np.ndarray, " 2"], cells: int, box: Float[np.ndarray, " 2"], parts: int
) -> Float[np.ndarray, "parts cells"]:
    """Length along one axis that each of `parts` of `rect` shares with each of `cells` of `box`."""
    fine, coarse = (
        np.linspace(low, high, count + 1) for (low, high), count in ((rect, parts), (box, cells))
    )
    low = np.maximum(fine[:-1, None], coarse[None, :-1])
    high = np.minimum(fine[1:, None], coarse[None, 1:])
    return np.maximum(high - low, 0)


def dense_mean(
    masks: CropMasks, index: int, rect: Float[np.ndarray, " 4"], size: int
) -> Float[np.ndarray, "size size"]:
    """Mean coverage by summing every cell's exact overlap with every part of the rectangle."""
    box, grid = masks.boxes[index], masks.grid(index) / 255
    x = shared_lengths(rect[0::2], grid.shape[1], box[0::2], size)
    y = shared_lengths(rect[1::2], grid.shape[0], box[1::2], size)
    area = (rect[2] - rect[0]) * (rect[3] - rect[1]) / size**2
    return np.asarray(y @ grid @ x.T / area)


def odd_masks(seed: int) -> CropMasks:
    """Grids of many sizes over float boxes, larger and smaller than a pixel a cell."""
    generator = np.random.default_rng(seed)
    shapes = [(1, 1), (5, 9), (28, 28), (40, 3), (1, 30)]
    grids: list[UInt8[np.ndarray, "h w"]] = [
        generator.integers(0, 256, hw).astype(np.uint8) for hw in shapes
    ]
    boxes = random_boxes(len(grids), seed=seed).double().numpy()
    return CropMasks.pack(boxes, grids)


@pytest.mark.parametrize("size", [1, 4, 28])
@pytest.mark.parametrize("seed", range(3))
def test_mean_coverage_is_the_dense_sum(seed: int, size: int) -> None:
    masks = odd_masks(seed)
    which = torch.arange(len(masks)).repeat(8)
    jitter = torch.randn((len(which), 4), generator=torch.Generator().manual_seed(seed)) * 8
    rects = torch.from_numpy(masks.boxes).float()[which] + jitter
    rects = torch.cat([rects[:, :2], torch.maximum(rects[:, 2:], rects[:, :2] + 0.5)], dim=1)
    found = SummedMasks.of(masks, CPU).mean_coverage(which, rects, size=size).numpy()
    for index, rect, grid in zip(which.tolist(), rects.double().numpy(), found, strict=True):
        expected = dense_mean(masks, index, rect, size)
        # Boxes are held in float32, so edges lie up to 1e-5 pixels off.
        np.testing.assert_allclose(grid, expected, atol=1e-3 if size == 28 else 2e-4)


def test_mean_coverage_by_hand() -> None:
    grid: UInt8[np.ndarray, "h w"] = np.array([[255, 0], [0, 51]], np.uint8)
    summed = SummedMasks.of(CropMasks.pack(np.array([[10.0, 20.0, 14.0, 22.0]]), [grid]), CPU)
    none, rects = (
        torch.zeros(5, dtype=torch.int64),
        torch.tensor(
            [
                [10.0, 20.0, 14.0, 22.0],  # the box itself
                [10.0, 20.0, 12.0, 21.0],  # its first cell
                [8.0, 19.0, 12.0, 21.0],  # the first cell in a corner
                [13.0, 21.0, 15.0, 23.0],  # half of the last cell, and as much outside on each side
                [50.0, 50.0, 60.0, 60.0],  # elsewhere
            ]
        ),
    )
    found = summed.mean_coverage(none, rects, size=1).flatten()
    torch.testing.assert_close(found, torch.tensor([0.3, 1.0, 0.25, 0.05, 0.0]))
    cells = summed.mean_coverage(none[:1], rects[:1], size=2)
    torch.testing.assert_close(cells, torch.tensor([[[1.0, 0.0], [0.0, 0.2]]]))


def test_mean_coverage_of_a_flipped_mask_is_the_flipped_mean() -> None:
    masks = odd_masks(4)
    which, rects = torch.arange(len(masks)), torch.from_numpy(masks.boxes).float() + 1.5
    plain = SummedMasks.of(masks, CPU).mean_coverage(which, rects, size=6)
    mirrored = torch.stack([200 - rects[:, 2], rects[:, 1], 200 - rects[:, 0], rects[:, 3]], dim=1)
    flipped = SummedMasks.of(masks.flip(200.0), CPU).mean_coverage(which, mirrored, size=6)
    torch.testing.assert_close(flipped, plain.flip(2), atol=1e-3, rtol=0)


def test_mean_coverage_of_full_masks_is_roi_align_of_their_bitmaps() -> None:
    """Cells of whole pixels: RoIAlign with one sample in each pixel sums the same pixels."""
    generator = np.random.default_rng(0)
    bitmap = generator.random((32, 32)) < 0.5
    bitmap[0, 0] = bitmap[31, 31] = True
    rects = torch.tensor([[2.0, 3.0, 30.0, 31.0], [0.0, 0.0, 28.0, 28.0]])
    summed = SummedMasks.of(mask_ops.from_bitmaps([bitmap]), CPU)
    found = summed.mean_coverage(torch.zeros(2, dtype=torch.int64), rects, size=14)
    image = torch.from_numpy(bitmap)[None, None].float()
    expected = roi_align(image, [rects], 14, 1.0, 2, True)[:, 0]
    torch.testing.assert_close(found, expected)


def test_masks_without_cells_cover_nothing() -> None:
    hollow = CropMasks(np.zeros((1, 4)), np.zeros((1, 2), np.int64), np.zeros(0, np.uint8))
    masks = CropMasks.concatenate([hollow, rectangles((0, 0, 4, 4)), hollow])
    for part in (hollow, masks):
        which = torch.arange(len(part))
        rects = torch.tensor([[0.0, 0.0, 8.0, 4.0]]).expand(len(part), 4)
        found = SummedMasks.of(part, CPU).mean_coverage(which, rects, size=1).flatten()
        assert found.tolist() == ([0.0] if len(part) == 1 else [0.0, 0.5, 0.0])
    empty = SummedMasks.of(CropMasks.empty(), CPU)
    nothing = empty.mean_coverage(torch.zeros(0, dtype=torch.int64), torch.zeros((0, 4)), size=28)
    assert nothing.shape == (0, 28, 28)


def test_ignored_share_is_of_the_union() -> None:
    one = target(ignore=rectangles((0, 0, 10, 10), (5, 0, 15, 10)))
    boxes = torch.tensor(
        [[0.0, 0, 10, 10], [5, 0, 25, 10], [20, 20, 30, 30], [-10, 0, 10, 10], [3, 3, 3, 3]]
    )
    torch.testing.assert_close(one.ignored_share(boxes), torch.tensor([1.0, 0.5, 0.0, 0.5, 0.0]))
    assert target().ignored_share(boxes).tolist() == [0.0] * 5


# ---------------------------------------------------------------------------- boxes, anchors


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)])
def test_box_code_is_torchvisions_and_turns_back(
    weights: tuple[float, float, float, float],
) -> None:
    boxes, references = random_boxes(50, seed=1), random_boxes(50, seed=2)
    code = assign.encode_boxes(boxes, references, weights)
    theirs = BoxCoder(weights)
    torch.testing.assert_close(code, theirs.encode_single(boxes, references))
    torch.testing.assert_close(assign.decode_boxes(code, references, weights), boxes)
    wild = torch.randn((50, 4), generator=torch.Generator().manual_seed(0)) * 30
    found = assign.decode_boxes(wild, references, weights)
    torch.testing.assert_close(found, theirs.decode_single(wild, references))
    assert (found[:, 2:] >= found[:, :2]).all()


@pytest.mark.parametrize("sizes", [(32.0, 64.0, 128.0, 256.0, 512.0), (12.0, 28.0, 64.0, 9.0, 5.0)])
def test_anchors_are_torchvisions(sizes: tuple[float, ...]) -> None:
    ratios = (0.5, 1.0, 2.0)
    maps = [torch.zeros((1, 1, 192 // s, 256 // s)) for s in (4, 8, 16, 32, 64)]
    theirs = AnchorGenerator(tuple((size,) for size in sizes), (ratios,) * 5)
    (expected,) = theirs(ImageList(torch.zeros((1, 3, 192, 256)), [(192, 256)]), maps)
    grids = tuple((m.shape[2], m.shape[3]) for m in maps)
    found = torch.cat(anchor_boxes(grids, (192, 256), sizes, ratios, CPU))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("best_for_each", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_matching_is_torchvisions(seed: int, best_for_each: bool) -> None:
    references = random_boxes(400, seed=seed)
    truth = random_boxes(12, seed=seed + 100)
    expected = Matcher(0.5, 0.3, allow_low_quality_matches=best_for_each)(
        box_iou(truth, references)
    )
    found = assign.match(
        references, truth, positive_iou=0.5, negative_iou=0.3, best_for_each=best_for_each
    )
    assert torch.equal(found, expected)
    assert {assign.NEGATIVE, assign.UNUSED} < set(found.tolist())


def test_matching_by_hand() -> None:
    references = torch.tensor(
        [[0.0, 0, 10, 10], [0, 0, 10, 14], [0, 0, 10, 25], [0, 0, 10, 50], [40, 40, 50, 46]]
    )
    truth = torch.tensor([[0.0, 0, 10, 10], [40, 40, 50, 60], [90, 90, 95, 95]])
    plain = assign.match(references, truth, positive_iou=0.7, negative_iou=0.3, best_for_each=False)
    assert plain.tolist() == [0, 0, assign.UNUSED, assign.NEGATIVE, assign.UNUSED]
    # The object that nothing overlaps gets no reference, where torchvision's would get them all.
    best = assign.match(references, truth, positive_iou=0.7, negative_iou=0.3, best_for_each=True)
    assert best.tolist() == [0, 0, assign.UNUSED, assign.NEGATIVE, 1]
    none = assign.match(
        references, truth[:0], positive_iou=0.7, negative_iou=0.3, best_for_each=True
    )
    assert none.tolist() == [assign.NEGATIVE] * 5


def test_ignored_negatives_are_left_out_and_positives_stay() -> None:
    matched = torch.tensor([0, assign.NEGATIVE, assign.NEGATIVE, assign.UNUSED, 1])
    share = torch.tensor([1.0, 0.51, 0.5, 0.0, 0.0])
    left = assign.drop_ignored_negatives(matched, share)
    assert left.tolist() == [0, assign.UNUSED, assign.NEGATIVE, assign.UNUSED, 1]


@pytest.mark.parametrize(
    ("positives", "negatives", "expected"),
    [(100, 100, (16, 48)), (5, 100, (5, 59)), (100, 10, (16, 10)), (0, 7, (0, 7)), (0, 0, (0, 0))],
)
def test_sampling_counts(positives: int, negatives: int, expected: tuple[int, int]) -> None:
    torch.manual_seed(0)
    kinds = [3] * positives + [assign.NEGATIVE] * negatives + [assign.UNUSED] * 20
    matched = torch.tensor(kinds)[torch.randperm(len(kinds))]
    positive, negative = assign.sample(matched, count=64, positive_share=0.25)
    assert (len(positive), len(negative)) == expected
    assert (matched[positive] == 3).all()
    assert (matched[negative] == assign.NEGATIVE).all()
    assert len(set(positive.tolist()) | set(negative.tolist())) == sum(expected)


# ---------------------------------------------------------------------------- heads


def box_head(**rules: float) -> BoxHead:
    return BoxHead(mlp_head(4, 8), 8, 4, BoxRules(**rules))  # type: ignore[arg-type]


def test_box_head_samples_by_overlap_and_not_on_ignored_ground() -> None:
    one = target(objects((0, 0, 10, 10), (40, 40, 60, 60)), rectangles((80, 0, 120, 40)))
    proposals = torch.tensor(
        [[0.0, 0, 10, 12], [41, 40, 60, 60], [20, 20, 30, 30], [85, 5, 95, 15], [75, 0, 84, 9]]
    )
    torch.manual_seed(0)
    sampled = box_head().sample(proposals, one)
    assert sampled.positives == 2 + len(one.boxes), "an image's own boxes join its proposals"
    assert sorted(sampled.labels.tolist()) == [0, 0, 1, 1, 2, 2]
    positive = slice(0, sampled.positives)
    assert (sampled.objects[positive] + 1).tolist() == sampled.labels[positive].tolist()
    background = sorted(sampled.boxes[sampled.positives :].tolist())
    assert background == [[20.0, 20.0, 30.0, 30.0], [75.0, 0.0, 84.0, 9.0]]


def test_box_losses_by_hand() -> None:
    one = target(objects((0, 0, 10, 10)))
    boxes = torch.tensor([[0.0, 0, 10, 20], [50, 50, 60, 60]])
    sampled = SampledBoxes(boxes, torch.tensor([1, 0]), torch.tensor([0, -1]), 1)
    logits, deltas = torch.zeros((2, 4)), torch.zeros((2, 4, 4))
    classes, box = box_head().losses(logits, deltas, [sampled], [one])
    assert classes.item() == pytest.approx(np.log(4))
    # dy = 10 * (5 - 10) / 20 = -2.5, dh = 5 * log(1 / 2); linear from 1 / 9 on, over two samples.
    wanted = (2.5 - 1 / 18) + (5 * np.log(2) - 1 / 18)
    assert box.item() == pytest.approx(wanted / 2, rel=1e-5)


def test_losses_without_a_sample_are_zero_and_have_gradients() -> None:
    head, masks = box_head(), MaskHead(4, 4, depth=1)
    none = SampledBoxes(torch.zeros((0, 4)), torch.zeros(0).long(), torch.zeros(0).long(), 0)
    logits, deltas = head(torch.zeros((0, 4, 7, 7)))
    assert deltas.shape == (0, 4, 4)
    classes, box = head.losses(logits, deltas, [none], [target()])
    grids = masks(torch.zeros((0, 4, 14, 14)), torch.zeros(0).long())
    total = classes + box + mask_loss(grids, [none], [target()])
    assert total.item() == 0
    assert total.requires_grad
    torch.autograd.backward(total)


def test_no_proposals_give_no_detections() -> None:
    head = box_head()
    logits, deltas = head(torch.zeros((0, 4, 7, 7)))
    assert len(head.select(logits, deltas, torch.zeros((0, 4)), (64, 64)).boxes) == 0


def test_selection_by_hand() -> None:
    """Three boxes of one class, two of them nearly the same; a fourth under the score."""
    proposals = torch.tensor(
        [[0.0, 0, 20, 20], [1, 0, 20, 20], [40, 40, 60, 60], [0, 40, 20, 60], [90, 90, 140, 140]]
    )
    logits = torch.full((5, 4), -2.0)
    logits[torch.arange(5), torch.tensor([2, 2, 2, 0, 3])] = torch.tensor([4.0, 5, 3, 9, 2])
    head = box_head(detections=10)
    found = head.select(logits, torch.zeros((5, 4, 4)), proposals, (100, 100))
    assert found.labels.tolist() == [2, 2, 3]
    assert found.boxes[0].tolist() == [1, 0, 20, 20]
    assert found.boxes[2].tolist() == [90, 90, 100, 100], "cut to the image"
    assert (found.scores.diff() <= 0).all()
    few = box_head(detections=1).select(logits, torch.zeros((5, 4, 4)), proposals, (100, 100))
    assert few.boxes.tolist() == [[1, 0, 20, 20]]


def test_mask_loss_by_hand() -> None:
    """The left half of the box is covered; undecided logits cost log 2."""
    one = target(objects((0, 0, 10, 20)))
    sampled = SampledBoxes(
        torch.tensor([[0.0, 0, 20, 20]]), torch.tensor([1]), torch.tensor([0]), 1
    )
    assert mask_loss(torch.zeros((1, 28, 28)), [sampled], [one]).item() == pytest.approx(np.log(2))
    right = torch.full((1, 28, 28), -30.0)
    right[:, :, :14] = 30.0
    assert mask_loss(right, [sampled], [one]).item() < 1e-6
    assert mask_loss(-right, [sampled], [one]).item() == pytest.approx(30.0)


# ---------------------------------------------------------------------------- the whole


@lru_cache(maxsize=1)
def network() -> Detector:
    torch.manual_seed(0)
    detector = build_detector(lite())
    load_imagenet(detector, lite())
    return detector


def images(side: int = 128) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, side, side), generator=generator).to(torch.uint8)


def test_lite_is_small() -> None:
    assert sum(p.numel() for p in network().parameters()) < 6_000_000


@pytest.mark.parametrize("whole_view_ignored", [False, True])
def test_views_without_objects_have_finite_losses(whole_view_ignored: bool) -> None:
    ignore = rectangles((0, 0, 128, 128)) if whole_view_ignored else CropMasks.empty()
    detector = network().train()
    losses = detector(images(), [target(ignore=ignore)] * 2)
    parts = {name: loss.item() for name, loss in losses.parts().items()}
    assert all(np.isfinite(list(parts.values())))
    assert parts["proposal_box"] == parts["box"] == parts["mask"] == 0
    if whole_view_ignored:
        assert parts["objectness"] == parts["box_class"] == 0
    detector.zero_grad()
    losses.total().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in detector.parameters())


def test_gradients_reach_every_parameter_and_statistics_stay() -> None:
    detector = network().train()
    before = {name: value.clone() for name, value in detector.named_buffers()}
    assert not any(m.training for m in detector.modules() if isinstance(m, nn.BatchNorm2d))
    boxes = ((4, 4, 16, 20), (30, 30, 90, 70), (0, 0, 128, 128), (60, 80, 90, 120))
    torch.manual_seed(0)
    detector.zero_grad()
    detector(images(), [target(objects(*boxes))] * 2).total().backward()
    unreached = [
        name
        for name, p in detector.named_parameters()
        if p.grad is None or not p.grad.isfinite().all() or p.grad.abs().sum() == 0
    ]
    assert unreached == []
    assert all(torch.equal(before[name], value) for name, value in detector.named_buffers())


def test_training_goes_on_after_detection_at_the_same_size() -> None:
    """Anchors are kept between calls: those made in inference mode must serve training too."""
    anchor_boxes.cache_clear()
    detector = network().eval()
    detector.detect(images())
    detector.train()
    losses = detector(images(), [target(objects((4, 4, 40, 40)))] * 2)
    losses.total().backward()


def test_an_image_gives_the_same_answer_alone_and_in_a_batch() -> None:
    detector = network().eval()
    both = detector.detect(images())
    for index in (0, 1):
        (alone,) = detector.detect(images()[index : index + 1])
        assert len(alone) > 0
        np.testing.assert_array_equal(alone.labels, both[index].labels)
        np.testing.assert_allclose(alone.boxes, both[index].boxes, atol=1e-3)


def test_instances_lie_in_the_image_with_whole_masks() -> None:
    detector = network().eval()
    views = images()[:, :, :100, :90].contiguous()
    for found in detector.detect(views):
        assert (found.boxes >= 0).all()
        assert (found.boxes <= np.array([90, 100, 90, 100])).all()
        assert (np.diff(found.scores) <= 0).all()
        assert (found.masks.grid_hw == 28).all()
        assert set(found.labels.tolist()) <= set(range(len(lite().classes)))


def test_mixed_precision_is_near_and_its_losses_finite() -> None:
    detector = network().train()
    one = [target(objects((4, 4, 40, 40)))] * 2
    totals = []
    for mixed in (False, True):
        detector.mixed = mixed
        torch.manual_seed(0)
        totals.append(detector(images(), one).total())
    detector.mixed = False
    totals[1].backward()
    assert totals[1].item() == pytest.approx(totals[0].item(), rel=0.1)
