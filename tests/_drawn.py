"""Frames drawn as bitmaps, as the package's records, and scored by pycocotools."""

import contextlib
import io
import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tinyseg import masks as mask_ops
from tinyseg.frame import FrameLabels, Instances
from tinyseg.predictions import FramePredictions, Predictions

CLASSES = ("car", "person", "bus")
RANGES = {
    "all": [0.0, 1e10],
    "tiny": [0.0, 256.0],
    "small": [0.0, 1024.0],
    "medium": [1024.0, 9216.0],
    "large": [9216.0, 1e10],
}
Bitmap = Bool[np.ndarray, "h w"]


class Drawn(NamedTuple):
    """A frame in bitmaps: labels and detections as (bitmap, class[, score]), and ignore regions."""

    hw: tuple[int, int]
    labels: list[tuple[Bitmap, int]]
    ignore: list[Bitmap]
    found: list[tuple[Bitmap, int, float]]


def to_records(frames: list[Drawn]) -> tuple[Predictions, list[FrameLabels]]:
    found, truth = [], []
    for index, frame in enumerate(frames):
        masks = mask_ops.from_bitmaps([bitmap for bitmap, _, _ in frame.found])
        classes = np.array([c for _, c, _ in frame.found], np.int64)
        scores = np.array([s for _, _, s in frame.found], np.float64)
        instances = Instances(masks.boxes, masks, classes, scores)
        found.append(FramePredictions(f"f{index}", f"f{index}.jpg", frame.hw, instances))
        own = Instances.from_labels(
            mask_ops.from_bitmaps([bitmap for bitmap, _ in frame.labels]),
            np.array([c for _, c in frame.labels], np.int64),
        )
        truth.append(FrameLabels(f"f{index}", frame.hw, own, mask_ops.from_bitmaps(frame.ignore)))
    return Predictions(CLASSES, tuple(found)), truth


def pycocotools_averages(
    frames: list[Drawn], classes: int, max_detections: int
) -> tuple[list[float], list[list[float]]]:
    """Means over classes, and each class's figures, in the order of Averages' fields."""
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image, frame in enumerate(frames, start=1):
        rows = [(bitmap, c, 0) for bitmap, c in frame.labels]
        if frame.ignore:
            union = np.logical_or.reduce(frame.ignore)
            rows += [(union, c, 1) for c in range(classes)]
        for bitmap, label, crowd in rows:
            row = to_coco(image, bitmap, label, classes)
            row |= {"id": len(annotations) + 1, "area": int(bitmap.sum()), "iscrowd": crowd}
            annotations.append(row)
        for bitmap, label, value in frame.found:
            results.append({**to_coco(image, bitmap, label, classes), "score": value})
    images = [{"id": i, "height": f.hw[0], "width": f.hw[1]} for i, f in enumerate(frames, 1)]
    precision = run_pycocotools(images, annotations, results, classes, max_detections)
    return figures(precision), [figures(precision[:, :, k : k + 1]) for k in range(classes)]


def to_coco(image: int, bitmap: Bitmap, label: int, classes: int) -> dict[str, Any]:
    code = coco_mask.encode(np.asfortranarray(bitmap.astype(np.uint8)))
    category = label + 1 if classes > 1 else 1
    return {"image_id": image, "category_id": category, "segmentation": code}


def run_pycocotools(
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    results: list[dict[str, Any]],
    classes: int,
    max_detections: int,
    kind: str = "segm",
) -> np.ndarray[Any, Any]:
    categories = [{"id": k + 1, "name": str(k)} for k in range(classes)]
    truth, found = COCO(), COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        truth.dataset = {"images": images, "categories": categories, "annotations": annotations}
        truth.createIndex()
        if results:
            found = truth.loadRes(results)
        else:
            found.dataset = {"images": images, "categories": categories, "annotations": []}
            found.createIndex()
        evaluation = COCOeval(truth, found, kind)
        evaluation.params.areaRng = list(RANGES.values())
        evaluation.params.areaRngLbl = list(RANGES)
        evaluation.params.maxDets = [1, 10, max_detections]
        evaluation.evaluate()
        evaluation.accumulate()
    precision: np.ndarray[Any, Any] = evaluation.eval["precision"][..., 2]
    return precision


def figures(precision: np.ndarray[Any, Any]) -> list[float]:
    def mean(part: np.ndarray[Any, Any]) -> float:
        return float(np.mean(part[part > -1])) if (part > -1).any() else math.nan

    sizes = [mean(precision[..., area]) for area in range(5)]
    return [mean(precision[0, ..., 0]), mean(precision[5, ..., 0]), *sizes[1:], sizes[0]]


def rectangle(hw: tuple[int, int], rng: np.random.Generator) -> Bitmap:
    h, w = (int(rng.integers(1, side + 1)) for side in hw)
    y, x = int(rng.integers(0, hw[0] - h + 1)), int(rng.integers(0, hw[1] - w + 1))
    return box(hw, x, y, x + w, y + h)


def box(hw: tuple[int, int], x0: int, y0: int, x1: int, y1: int) -> Bitmap:
    bitmap = np.zeros(hw, np.bool_)
    bitmap[y0:y1, x0:x1] = True
    return bitmap


def near(bitmap: Bitmap, rng: np.random.Generator) -> Bitmap:
    moved = np.roll(bitmap, tuple(rng.integers(-2, 3, 2).tolist()), (0, 1))
    return np.asarray(moved & (rng.random(bitmap.shape) < rng.choice([1.0, 0.9, 0.6])))


def draw_frame(rng: np.random.Generator, most_found: int) -> Drawn:
    """Labels, some equal to others; detections near labels or anywhere, many with tied scores."""
    side = int(rng.choice([24, 60, 150]))
    hw = (int(rng.integers(1, side)), int(rng.integers(1, side)))
    labels = [(rectangle(hw, rng), int(rng.integers(0, 2))) for _ in range(rng.integers(0, 7))]
    labels += [(bitmap, c) for bitmap, c in labels if rng.random() < 0.15]
    ignore = [rectangle(hw, rng) for _ in range(rng.choice([0, 0, 1, 3]))]
    found = []
    for _ in range(rng.integers(0, most_found + 1) if rng.random() < 0.85 else 0):
        source = labels[rng.integers(len(labels))] if labels and rng.random() < 0.7 else None
        bitmap = near(source[0], rng) if source else rectangle(hw, rng)
        label = source[1] if source and rng.random() < 0.8 else int(rng.integers(0, len(CLASSES)))
        value = float(rng.choice([rng.random(), round(rng.random(), 1), 0.5]))
        if bitmap.any():
            found.append((bitmap, label, value))
    return Drawn(hw, labels, ignore, found)
