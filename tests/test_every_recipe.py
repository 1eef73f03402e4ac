"""Every recipe builds, takes a training step on a small view, is saved, loaded, and predicts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tinyseg.frame import Instances
from tinyseg.masks import CropMasks, from_bitmaps
from tinyseg.model.targets import Target
from tinyseg.networks import build_detector, load_detector, save_weights
from tinyseg.recipes import RECIPES, with_settings

SIDE = 64
FEW = (
    "network.proposals.kept=[40, 40]",
    "network.boxes.sampled=16",
    "network.boxes.detections=10",
)
"""Heads look at few regions: what takes time is not what differs between recipes."""


def target() -> Target:
    """Two objects, of 12 and of 40 pixels."""
    bitmaps = np.zeros((2, SIDE, SIDE), np.bool_)
    bitmaps[0, 4:16, 4:16] = True
    bitmaps[1, 20:60, 20:60] = True
    masks = from_bitmaps(list(bitmaps))
    instances = Instances.from_labels(masks, np.array([0, 3]))
    return Target.of(instances, CropMasks.empty(), torch.device("cpu"))


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_then_saved_loaded_and_used(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = with_settings(RECIPES[name](), FEW)
    detector = build_detector(recipe).train()
    image = torch.randint(0, 256, (1, 3, SIDE, SIDE), dtype=torch.uint8)
    optimizer = torch.optim.SGD(detector.parameters(), lr=1e-6)
    losses = detector(image, [target()])
    losses.total().backward()
    optimizer.step()
    assert torch.isfinite(losses.total())
    del optimizer
    path = tmp_path / "weights.safetensors"
    save_weights(path, detector, recipe)
    for parameter in detector.parameters():
        parameter.grad = None
    found = detector.eval().detect(image)[0]
    again, read = load_detector(path)
    path.unlink()  # hundreds of megabytes
    assert read == recipe
    same = again.detect(image)[0]
    np.testing.assert_array_equal(found.boxes, same.boxes)
    np.testing.assert_array_equal(found.masks.coverage, same.masks.coverage)
