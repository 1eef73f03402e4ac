"""The presets mask_rcnn_r50 and mask_rcnn_r50_v2 against torchvision's, and the files of both.

Same weights, same images: boxes, scores, labels and mask probabilities agree. Random ResNets
explode in float32, so the initialisation is tempered: small last norms in every block.
"""

import pickle
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
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

from tinyseg.build import build_detector, load_state, load_torchvision
from tinyseg.errors import WeightsError
from tinyseg.model.detector import Detector
from tinyseg.recipes import Recipe, find_recipe, with_settings

PROPOSALS = 200
THEIRS: dict[str, Callable[..., MaskRCNN]] = {
    "mask_rcnn_r50": maskrcnn_resnet50_fpn,
    "mask_rcnn_r50_v2": maskrcnn_resnet50_fpn_v2,
}
SEEDS = range(5)


def our_recipe(name: str) -> Recipe:
    return with_settings(find_recipe(name), [f"network.proposals.kept=[2000, {PROPOSALS}]"])


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
    return network.eval()


def frozen_network() -> MaskRCNN:
    """torchvision's v1 as its COCO weights make it: frozen batch norms with eps = 0."""
    extractor = _resnet_fpn_extractor(resnet50(norm_layer=FrozenBatchNorm2d), 3)
    network = MaskRCNN(extractor, num_classes=len(our_recipe("mask_rcnn_r50").classes) + 1)
    overwrite_eps(network, 0.0)
    return with_few_proposals(network)


@torch.no_grad()
def temper(network: MaskRCNN, seed: int) -> None:
    """Random weights with which float32 stays exact enough and many classes are found."""
    torch.manual_seed(seed)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d | FrozenBatchNorm2d):
            part.weight.uniform_(0.8, 1.2)
            part.bias.normal_(std=0.1)
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.5, 1.5)
        elif isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
    for part in network.modules():
        if isinstance(part, Bottleneck):
            part.bn3.weight.mul_(0.25)
    heads = network.roi_heads
    for layer, std in (
        (network.rpn.head.cls_logits, 0.1),
        (network.rpn.head.bbox_pred, 0.02),
        (heads.box_predictor.cls_score, 0.1),
        (heads.box_predictor.bbox_pred, 0.1),
        (heads.mask_predictor.mask_fcn_logits, 0.2),
    ):
        nn.init.normal_(layer.weight, std=std)
        nn.init.normal_(layer.bias, std=std)


def random_image(seed: int, hw: tuple[int, int]) -> Tensor:
    """Coarse blotches under fine noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 7, 9), generator=generator) * 200
    smooth = nn.functional.interpolate(coarse, size=hw, mode="bicubic").clamp(0, 200)
    return (smooth + torch.rand((1, 3, *hw), generator=generator) * 55).to(torch.uint8)


@torch.no_grad()
def their_answer(network: MaskRCNN, images: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    """Boxes, labels, scores and 28 x 28 masks, before torchvision pastes them."""
    seen: list[dict[str, Tensor]] = []
    hook = network.roi_heads.register_forward_hook(
        lambda module, given, out: seen.append(dict(out[0][0]))
    )
    network.transform.min_size = (min(images.shape[2:]),)
    network.transform.max_size = max(images.shape[2:])
    network(list(images.to(dtype) / 255))
    hook.remove()
    return seen[0]


@torch.no_grad()
def assert_same(
    ours: Detector, theirs: MaskRCNN, images: Tensor, *, dtype: torch.dtype, tolerance: float
) -> None:
    expected = their_answer(theirs, images, dtype)
    ((found, grids),) = ours.detect_tensors(images)
    assert len(expected["boxes"]) > 10, "nothing to compare"
    assert len(expected["labels"].unique()) >= 3
    assert torch.equal(found.labels, expected["labels"])
    torch.testing.assert_close(found.boxes, expected["boxes"], atol=tolerance, rtol=0)
    torch.testing.assert_close(found.scores, expected["scores"], atol=tolerance, rtol=0)
    torch.testing.assert_close(grids, expected["masks"][:, 0], atol=tolerance, rtol=0)
    assert grids.std() > 0.01


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", THEIRS)
def test_same_answer_as_torchvision(name: str, seed: int) -> None:
    theirs, ours = their_network(name), our_network(name)
    temper(theirs, seed)
    load_state(ours, theirs.state_dict(), path=Path("torchvision"))
    hw = (192, 192) if seed % 2 else (200, 264)
    images = random_image(seed, hw)
    assert_same(ours, theirs, images, dtype=torch.float32, tolerance=1e-4)
