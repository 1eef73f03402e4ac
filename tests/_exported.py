"""Small networks that are sure of some things, and what they are when exported, made once."""

import os
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from _tiny_network import TINY, lively
from jaxtyping import UInt8

from tinyseg.exporting.write import write_onnx
from tinyseg.frame import Instances
from tinyseg.model.detector import Detector
from tinyseg.networks import given_to_export, save_weights
from tinyseg.predict import Member, load_member
from tinyseg.recipes import Recipe, find_recipe, with_settings

SMALL = (
    *TINY,
    "network.norm=true",
    "network.proposals.kept=[100, 100]",
    "predict.short_side=128",
    "predict.longest_side=192",
)

KEPT = {"lite": (300, 0.01), "tis_lite": (20, 0.6), "mask_rcnn_r50": (20, 0.2)}
"""Most detections of a view, and the least score, by recipe: from 300 to none."""


@dataclass(frozen=True, slots=True)
class Written:
    """A network's folder, and the same as ONNX."""

    weights: Path
    onnx: Path

    @property
    def member(self) -> Member:
        """The network in torch."""
        return load_member(self.weights)


@cache
def written(name: str) -> Written:
    """A small network of this recipe, exported; once for all processes of a run of the tests."""
    folder = Path(os.environ["TINYSEG_TESTS"]) / name
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        flock(lock, LOCK_EX)
        if not (folder / "network.onnx").exists():
            save_weights(folder / "weights.safetensors", *small_network(name))
            write_onnx(given_to_export(folder), folder / "network.onnx")
    return Written(folder, folder / "network.onnx")


def small_network(name: str) -> tuple[Detector, Recipe]:
    """A network of this recipe with few channels."""
    detections, score = KEPT[name]
    kept = (f"predict.detections={detections}", f"predict.min_score={score}")
    recipe = with_settings(find_recipe(name), (*SMALL, *kept))
    return lively(recipe, 0), recipe


def pictures(count: int, hw: tuple[int, int], *, seed: int = 0) -> UInt8[np.ndarray, "b h w 3"]:
    """Pictures with soft blobs."""
    rows = max(hw[0] // 12, 2), max(hw[1] // 12, 2)
    few = np.random.default_rng(seed).integers(0, 255, (count, *rows, 3), np.uint8)
    return np.stack([cv2.resize(one, (hw[1], hw[0])).astype(np.uint8) for one in few])


def check_same(found: Instances, wanted: Instances) -> None:
    """The same instances but for rounding: each of 50 or more has its equal, at most one of 50 of
    them, which rounding brought over a limit, apart."""
    assert abs(len(found) - len(wanted)) <= len(wanted) // 50
    for ours, theirs in ((found, wanted), (wanted, found)):
        missing = [one for one in range(len(ours)) if not _has_equal(ours, one, theirs)]
        assert len(missing) <= len(ours) // 50, f"{len(missing)} of {len(ours)} have no equal"


def _has_equal(ours: Instances, one: int, theirs: Instances) -> bool:
    near = (theirs.labels == ours.labels[one]) & (np.abs(theirs.scores - ours.scores[one]) < 1e-3)
    near &= (np.abs(theirs.boxes - ours.boxes[one]) < 0.05).all(axis=1)
    mine = ours.masks.grid(one).astype(int)
    others = (theirs.masks.grid(int(other)) for other in near.nonzero()[0])
    return any(np.abs(mine - other).max() <= 2 for other in others)
