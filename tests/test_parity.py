"""The presets mask_rcnn_r50 and mask_rcnn_r50_v2 against torchvision's, and the files of both.

Same weights, same images: boxes, scores, labels and mask probabilities agree. Random ResNets
explode in float32, so the initialisation is tempered: small last norms in every block.
"""

import copy
import dataclasses
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models.detection import (
    MaskRCNN,
    maskrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn_v2,
)
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.resnet import Bottleneck
from torchvision.ops import FrozenBatchNorm2d

from tinyseg.model.detector import Detector
from tinyseg.networks import build_detector, load_state, load_torchvision
from tinyseg.recipes import Recipe, find_recipe, with_settings

PROPOSALS, DETECTIONS = 40, 20
THEIRS: dict[str, Callable[..., MaskRCNN]] = {
    "mask_rcnn_r50": maskrcnn_resnet50_fpn,
    "mask_rcnn_r50_v2": maskrcnn_resnet50_fpn_v2,
}


def our_recipe(name: str) -> Recipe:
    few = (f"proposals.kept=[2000, {PROPOSALS}]", f"boxes.detections={DETECTIONS}")
    return with_settings(find_recipe(name), [f"network.{setting}" for setting in few])


@lru_cache(maxsize=2)
def our_network(name: str) -> Detector:
    return build_detector(our_recipe(name))


@lru_cache(maxsize=2)
def their_network(name: str) -> MaskRCNN:
    classes = len(our_recipe(name).classes) + 1
    return with_few_proposals(
        THEIRS[name](weights=None, weights_backbone=None, num_classes=classes)
    )


def with_few_proposals(network: MaskRCNN) -> MaskRCNN:
    network.rpn._post_nms_top_n["testing"] = PROPOSALS
    network.roi_heads.detections_per_img = DETECTIONS
    return network.eval()


def frozen_network() -> MaskRCNN:
    """torchvision's v1 as its COCO weights make it: frozen batch norms with eps = 0."""
    extractor = _resnet_fpn_extractor(resnet50(norm_layer=FrozenBatchNorm2d), 3)
    network = MaskRCNN(extractor, num_classes=len(our_recipe("mask_rcnn_r50").classes) + 1)
    overwrite_eps(network, 0.0)
    return with_few_proposals(network)


@torch.no_grad()
def temper(network: MaskRCNN, seed: int) -> None:
    """All weights drawn anew by the seed: float32 stays exact, answers differ from place to place.

    The last layers settle in the network's first forward pass.
    """
    torch.manual_seed(seed)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d | FrozenBatchNorm2d):
            part.weight.uniform_(0.8, 1.2)
            part.bias.normal_(std=0.1)
            nn.init.normal_(part.get_buffer("running_mean"), std=0.1)
            nn.init.uniform_(part.get_buffer("running_var"), 0.5, 1.5)
        elif isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
            if part.bias is not None:
                nn.init.normal_(part.bias, std=0.05)
    for part in network.modules():
        if isinstance(part, Bottleneck):
            part.bn3.weight.mul_(0.25)
    heads = network.roi_heads
    settle(network.rpn.head.cls_logits, std=1.0)
    settle(network.rpn.head.bbox_pred, std=0.02)
    settle(heads.box_predictor.cls_score, std=1.0)
    settle(heads.box_predictor.bbox_pred, std=0.05)
    settle(heads.mask_predictor.mask_fcn_logits, std=1.0)


def settle(layer: nn.Linear | nn.Conv2d, *, std: float) -> None:
    """Bring each output of the layer to mean 0 and this deviation over its first input."""

    def adjust(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        hook.remove()
        out = layer.forward(given[0]).movedim(1, 0).flatten(1)
        scale = std / out.std(dim=1)
        layer.bias.sub_(out.mean(dim=1)).mul_(scale)  # type: ignore[union-attr]
        layer.weight.mul_(scale.view(-1, *[1] * (layer.weight.ndim - 1)))

    nn.init.normal_(layer.weight, std=0.1)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    hook = layer.register_forward_pre_hook(adjust)


def random_image(seed: int, hw: tuple[int, int]) -> Tensor:
    """Coarse blotches under fine noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 7, 9), generator=generator) * 200
    smooth = nn.functional.interpolate(coarse, size=hw, mode="bicubic").clamp(0, 200)
    return (smooth + torch.rand((1, 3, *hw), generator=generator) * 55).to(torch.uint8)


@torch.no_grad()
def their_answer(network: MaskRCNN, images: Tensor) -> dict[str, Tensor]:
    """Boxes, labels, scores and 28 x 28 masks, before torchvision pastes them."""
    seen: list[dict[str, Tensor]] = []
    hook = network.roi_heads.register_forward_hook(
        lambda module, given, out: seen.append(dict(out[0][0]))
    )
    network.transform.min_size = (min(images.shape[2:]),)
    network.transform.max_size = max(images.shape[2:])
    dtype = network.roi_heads.box_predictor.cls_score.weight.dtype
    network(list(images.to(dtype) / 255))
    hook.remove()
    return seen[0]


@torch.no_grad()
def assert_same(ours: Detector, expected: dict[str, Tensor], images: Tensor) -> None:
    """Within 1e-4 in float32; in float64 rounding is all but gone.

    Detections are paired by place, since scores that rounding alone tells apart may swap ranks.
    """
    ((found, grids),) = ours.detect_tensors(images)
    tolerance = 1e-4 if grids.dtype == torch.float32 else 1e-6
    assert len(expected["boxes"]) > 10, "nothing to compare"
    assert len(set(expected["labels"].tolist())) >= 3
    assert min(expected["scores"].std(), expected["masks"].std()) > 0.01
    assert (found.scores.diff() <= 0).all()
    assert len(found.scores) == len(expected["scores"])
    order = nearest(expected["boxes"], expected["labels"], found.boxes, found.labels)
    assert sorted(order.tolist()) == list(range(len(order)))
    assert torch.equal(found.labels[order], expected["labels"])
    for mine, other in (
        (found.boxes, expected["boxes"]),
        (found.scores, expected["scores"]),
        (grids, expected["masks"][:, 0]),
    ):
        torch.testing.assert_close(mine[order], other, atol=tolerance, rtol=0)


def nearest(boxes: Tensor, labels: Tensor, other_boxes: Tensor, other_labels: Tensor) -> Tensor:
    """For each box the index of the nearest of the others that has its label."""
    distance = (boxes[:, None] - other_boxes).abs().amax(dim=2)
    return (distance + 1e6 * (labels[:, None] != other_labels)).argmin(dim=1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", THEIRS)
def test_same_answer_as_torchvision(name: str, seed: int) -> None:
    theirs, ours = their_network(name), our_network(name)
    temper(theirs, seed)
    images = random_image(seed, (192, 192) if seed % 2 else (136, 200))
    expected = their_answer(theirs, images)
    load_state(ours, theirs.state_dict(), path=Path("torchvision"))
    assert_same(ours, expected, images)


@torch.no_grad()
def test_instances_are_the_same_answer_in_steps_of_a_255th() -> None:
    theirs, ours = their_network("mask_rcnn_r50"), our_network("mask_rcnn_r50")
    temper(theirs, 9)
    images = random_image(9, (160, 128))
    expected = their_answer(theirs, images)
    load_state(ours, theirs.state_dict(), path=Path("torchvision"))
    (found,) = ours.detect(images)
    assert len(found) == len(expected["labels"]) > 10
    boxes, labels = torch.from_numpy(found.boxes).float(), torch.from_numpy(found.labels) + 1
    order = nearest(expected["boxes"], expected["labels"], boxes, labels).numpy()
    found = found.select(order)
    np.testing.assert_allclose(found.boxes, expected["boxes"].numpy(), atol=1e-4, rtol=0)
    np.testing.assert_allclose(found.scores, expected["scores"].numpy(), atol=1e-4, rtol=0)
    np.testing.assert_array_equal(found.labels, expected["labels"].numpy() - 1)
    grids = np.stack(list(found.masks.grids())) / 255
    masks = expected["masks"][:, 0].numpy()
    np.testing.assert_allclose(grids, masks, atol=1 / 510 + 1e-4, rtol=0)


def test_same_answer_in_float64() -> None:
    theirs = copy.deepcopy(their_network("mask_rcnn_r50")).double()
    ours = copy.deepcopy(our_network("mask_rcnn_r50")).double()
    theirs.roi_heads.detections_per_img = 12
    rules = dataclasses.replace(ours.box_head.rules, detections=12)
    ours.box_head.rules = rules
    temper(theirs, 11)
    images = random_image(11, (128, 104))
    expected = their_answer(theirs, images)
    load_state(ours, theirs.state_dict(), path=Path("torchvision"))
    assert_same(ours, expected, images)


def test_old_checkpoint_file_with_frozen_norms(tmp_path: Path) -> None:
    """A file as torchvision's v1 COCO weights are: names from before 0.13, norms without eps."""
    theirs, ours = frozen_network(), build_detector(our_recipe("mask_rcnn_r50"))
    temper(theirs, 3)
    images = random_image(3, (128, 160))
    expected = their_answer(theirs, images)
    old = {old_name(name): value for name, value in theirs.state_dict().items()}
    assert len(old.keys() - theirs.state_dict().keys()) == 26
    torch.save(old, tmp_path / "old.pth")
    load_torchvision(ours, tmp_path / "old.pth", norm_eps=0.0)
    assert_same(ours, expected, images)


def old_name(name: str) -> str:
    """A current torchvision name as it was before version 0.13."""
    name = re.sub(r"(fpn\.(?:inner|layer)_blocks\.\d)\.0\.", r"\1.", name)
    name = name.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
    return re.sub(
        r"mask_head\.(\d)\.0\.", lambda m: f"mask_head.mask_fcn{int(m.group(1)) + 1}.", name
    )
