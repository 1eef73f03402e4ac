"""Submissions for the tests: made-up frames of ellipses, as predictions and as rows of text."""

import hashlib

import numpy as np
from jaxtyping import Bool

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.labels import WAD_CLASSES
from tinyseg.predictions import FramePredictions, Predictions

HW = (120, 180)


def md5(index: int) -> str:
    """An ImageId as the challenge has them."""
    return hashlib.md5(str(index).encode()).hexdigest()


def ellipse(
    centre_xy: tuple[float, float], radii: tuple[float, float], hw: tuple[int, int] = HW
) -> Bool[np.ndarray, "h w"]:
    """A filled ellipse in a frame."""
    y, x = np.mgrid[0 : hw[0], 0 : hw[1]] + 0.5
    down, across = (y - centre_xy[1]) / radii[1], (x - centre_xy[0]) / radii[0]
    return np.asarray(down**2 + across**2 <= 1)


def found_in(
    bitmaps: list[Bool[np.ndarray, "_h _w"]], scores: list[float], labels: list[int]
) -> Instances:
    """Instances from bitmaps of their frame."""
    masks = mask_ops.from_bitmaps(bitmaps)
    return Instances(masks.boxes, masks, np.array(labels, np.int64), np.array(scores))


def frames_apart(frames: int, rng: np.random.Generator) -> Predictions:
    """Frames with six ellipses each, which do not touch each other, of falling scores."""
    made = []
    for index in range(frames):
        cells = [(x, y) for x in (30, 90, 150) for y in (30, 90)]
        radii = rng.uniform(6, 13, (len(cells), 2)).tolist()
        bitmaps = [ellipse(c, (r[0], r[1])) for c, r in zip(cells, radii, strict=True)]
        scores = np.sort(rng.uniform(0.02, 0.98, len(cells)))[::-1].tolist()
        labels = rng.integers(0, len(WAD_CLASSES), len(cells)).tolist()
        name = md5(index)
        made.append(FramePredictions(name, f"{name}.jpg", HW, found_in(bitmaps, scores, labels)))
    return Predictions(WAD_CLASSES, tuple(made))
