"""A tiny network with random weights that finds things, and pictures and videos to look at."""

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from tinyseg.model.detector import Detector
from tinyseg.networks import build_detector
from tinyseg.recipes import Recipe, find_recipe, with_settings

TINY = (
    "network.backbone=test_efficientnet",
    "network.pyramid_channels=16",
    "network.box_hidden=16",
    "network.mask_depth=1",
    "network.proposals.kept_before_nms=[100, 100]",
    "network.proposals.kept=[60, 60]",
    "network.boxes.sampled=16",
)
"""Changes that make any recipe a network that takes milliseconds: timm's smallest of the lite
recipes' family, narrow heads, few regions."""

SMALL = (
    *TINY,
    "predict.short_side=128",
    "predict.longest_side=192",
    "predict.min_score=0.05",
    "predict.detections=20",
)
Image = UInt8[np.ndarray, "height width 3"]


def picture(seed: int, hw: tuple[int, int] = (200, 300)) -> Image:
    """Smooth coloured noise."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (hw[0] // 8, hw[1] // 8, 3), np.uint8)
    return cv2.resize(small, (hw[1], hw[0]), interpolation=cv2.INTER_CUBIC)


def network(seed: int) -> tuple[Detector, Recipe]:
    """A tiny network whose random scores differ, so that some things are found and others not."""
    recipe = with_settings(find_recipe("lite"), SMALL)
    return lively(recipe, seed), recipe


@torch.no_grad()
def lively(recipe: Recipe, seed: int) -> Detector:
    """A network of this recipe with random weights that is sure of some things; its norms have seen
    pictures."""
    torch.manual_seed(seed)
    detector = build_detector(recipe)
    detector.box_head.classes.weight.normal_(std=2.0)
    detector.box_head.deltas.weight.normal_(std=0.3)
    detector.proposals.head.objectness.weight.normal_(std=0.5)
    detector.mask_head.logits.weight.normal_(std=0.5)
    for part in detector.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.train().momentum = 1.0
    seen = np.stack([picture(100 + number, (128, 192)) for number in range(2)])
    pixels = torch.from_numpy(seen).permute(0, 3, 1, 2).float()
    detector.pyramid(detector.backbone((pixels - detector.mean) / detector.std))
    return detector.eval()


def video(path: Path, count: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (96, 64))
    for i in range(count):
        writer.write(np.full((64, 96, 3), (200, 40 * i, 10), np.uint8))
    writer.release()
