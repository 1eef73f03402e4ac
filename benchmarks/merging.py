"""Objects put back together from tiles: ours against what is in use.

    python benchmarks/merging.py [--count N] [--seeds N] [--first-seed N]

300 objects of WAD's sizes and places on a frame of 3384 x 2710, hiding each other, are seen by
1024-pixel tiles that overlap by 256. First the tiles' predictions are perfect: how many objects
are recovered at IoU 0.95, and how many of the results are none. Then they are noisy (boundaries
off by up to 1-2 pixels, scores noisy, 5 % dropped, 5 % false): F1 at IoU 0.75, at each method's
own best score threshold, and with everything kept.
Needs the `bench` extra (sahi and supervision).
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import supervision
from _crowd import FRAME_HW, Noise, crowd, detections, matches, noisy, perfect
from _report import machine, milliseconds, table
from _suppress import suppress
from jaxtyping import UInt8
from sahi.postprocess.combine import GreedyNMMPostprocess
from sahi.prediction import ObjectPrediction
from sahi.utils.cv import (
    get_bool_mask_from_coco_segmentation,
    get_coco_segmentation_from_bool_mask,
)
from supervision.detection.compact_mask import CompactMask
from supervision.detection.utils.iou_and_nms import OverlapMetric

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.merge import MergeRules, Seen, merge

KEEP = 1000


@dataclass(frozen=True, slots=True)
class Result:
    """What a method made of one frame, and its time."""

    found: Instances
    seconds: float


def run_ours(seen: list[Seen]) -> Result:
    """The package's merger."""
    start = time.perf_counter()
    found = merge(seen, FRAME_HW, MergeRules(keep=KEEP))
    return Result(found, time.perf_counter() - start)


def run_box_nms(seen: list[Seen]) -> Result:
    """Non-maximum suppression of boxes by class, IoU 0.45."""
    start = time.perf_counter()
    found = suppress([s.instances for s in seen], iou=0.45, keep=KEEP)
    return Result(found, time.perf_counter() - start)


def run_sahi(seen: list[Seen]) -> Result:
    """SAHI's default: greedy non-maximum merging by class, intersection over smaller 0.5."""
    found = detections(seen)
    given = [_to_sahi(found, i, grid) for i, grid in enumerate(found.masks.grids())]
    merger = GreedyNMMPostprocess(match_threshold=0.5, match_metric="IOS", class_agnostic=False)
    start = time.perf_counter()
    merged = merger([g for g in given if g is not None])
    seconds = time.perf_counter() - start
    return Result(_from_sahi(merged), seconds)


def _to_sahi(found: Instances, index: int, grid: np.ndarray) -> ObjectPrediction | None:
    x0, y0, x1, y1 = found.masks.boxes[index].astype(int).tolist()
    origin = np.array([x0, y0])
    polygons = [
        (np.array(p).reshape(-1, 2) + origin).ravel().tolist()
        for p in get_coco_segmentation_from_bool_mask(grid >= 128)
    ]
    if not polygons:
        return None  # as SAHI does with a mask too thin for a polygon
    label = int(found.labels[index])
    return ObjectPrediction(
        bbox=[x0, y0, x1, y1],
        category_id=label,
        category_name=str(label),
        segmentation=polygons,
        score=float(found.scores[index]),
        full_shape=list(FRAME_HW),
    )


def _from_sahi(merged: list[ObjectPrediction]) -> Instances:
    drawn = [_draw(m.mask.segmentation) for m in merged if m.mask]
    masks = mask_ops.tighten(CropMasks.pack_pixels([o for o, _ in drawn], [g for _, g in drawn]))
    labels = np.array([m.category.id for m in merged], np.int64)
    scores = np.array([m.score.value for m in merged], np.float64)
    return Instances(masks.boxes, masks, labels, scores)


def _draw(polygons: list[list[float]]) -> tuple[tuple[int, int], UInt8[np.ndarray, "h w"]]:
    """SAHI's own drawing, in a window instead of the frame: its origin, and the pixels."""
    corners = np.concatenate([np.array(p).reshape(-1, 2) for p in polygons])
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    width, height = (high - low + 1).tolist()
    moved = [(np.array(p).reshape(-1, 2) - low).ravel().tolist() for p in polygons]
    bits = get_bool_mask_from_coco_segmentation(moved, width=width, height=height)
    return (int(low[0]), int(low[1])), bits.astype(np.uint8) * np.uint8(255)


def run_supervision(seen: list[Seen]) -> Result:
    """supervision's merging by class: mask IoU 0.5, its default."""
    return _run_supervision(seen, OverlapMetric.IOU)


def run_supervision_ios(seen: list[Seen]) -> Result:
    """The same by intersection over smaller 0.5."""
    return _run_supervision(seen, OverlapMetric.IOS)


def _run_supervision(seen: list[Seen], metric: OverlapMetric) -> Result:
    found = detections(seen)
    codes = mask_ops.to_coco_rle(found.masks, FRAME_HW)
    rles = [{"size": list(FRAME_HW), "counts": code} for code in codes]
    # supervision's boxes end with their last pixel.
    corners = found.masks.boxes - np.array([0, 0, 1, 1])
    given = supervision.Detections(
        xyxy=found.masks.boxes.astype(np.float32),
        mask=CompactMask.from_coco_rle(rles, corners, FRAME_HW),
        confidence=found.scores.astype(np.float32),
        class_id=found.labels.astype(int),
    )
    start = time.perf_counter()
    merged = given.with_nmm(threshold=0.5, overlap_metric=metric)
    seconds = time.perf_counter() - start
    return Result(_from_supervision(merged), seconds)


def _from_supervision(merged: supervision.Detections) -> Instances:
    compact = merged.mask
    if not isinstance(compact, CompactMask):
        raise SystemExit("supervision gave masks of another kind than it was given")
    grids = [compact.crop(i).astype(np.uint8) * np.uint8(255) for i in range(len(compact))]
    origins = [(int(x), int(y)) for x, y in compact.bbox_xyxy[:, :2]]
    masks = mask_ops.tighten(CropMasks.pack_pixels(origins, grids))
    scores = np.asarray(merged.confidence, np.float64)
    return Instances(masks.boxes, masks, np.asarray(merged.class_id, np.int64), scores)


METHODS: dict[str, Callable[[list[Seen]], Result]] = {
    "tinyseg": run_ours,
    "box NMS by class, IoU .45": run_box_nms,
    "SAHI GreedyNMM, IOS .5": run_sahi,
    "supervision NMM, IoU .5": run_supervision,
    "supervision NMM, IOS .5": run_supervision_ios,
}


def recovered(found: Instances, truth: Instances) -> tuple[int, int]:
    """Objects found at IoU 0.95, and results that are none."""
    hit, _ = matches(found, truth, 0.95)
    return int(hit.sum()), int((~hit).sum())


def f1(found: Instances, truth: Instances) -> tuple[float, float]:
    """F1 at IoU 0.75: at the best threshold of the score, and with everything kept."""
    hit, _ = matches(found, truth, 0.75)
    curve = 2 * np.cumsum(hit) / (np.arange(1, len(hit) + 1) + len(truth))
    return float(curve.max(initial=0.0)), float(curve[-1]) if len(curve) else 0.0


def report(count: int, seeds: range) -> None:
    """Runs all methods on all seeds and prints the two tables."""
    clean: dict[str, list[str]] = {name: [] for name in METHODS}
    rough: dict[str, list[str]] = {name: [] for name in METHODS}
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        truth = crowd(rng, count)
        exact, spoilt = perfect(rng, truth), noisy(rng, truth, Noise())
        for name, run in METHODS.items():
            result = run(exact)
            right, wrong = recovered(result.found, truth)
            clean[name].append(f"{right} + {wrong}")
            seconds[name].append(result.seconds)
            best, everything = f1(run(spoilt).found, truth)
            rough[name].append(f"{best:.3f} ({everything:.3f})")
            print(f"seed {seed}: {name}: {clean[name][-1]}, {rough[name][-1]}", file=sys.stderr)
    header = [f"seed {seed}" for seed in seeds]
    rows = [
        (name, *cells, milliseconds(float(np.median(seconds[name]))))
        for name, cells in clean.items()
    ]
    print(table((f"Perfect tiles: of {count} recovered + spurious", *header, "time, ms"), rows))
    print()
    print(table(("Noisy tiles: F1 (all kept)", *header), [(n, *c) for n, c in rough.items()]))
    print(f"\n{machine()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    first = arguments.first_seed
    report(arguments.count, range(first, first + arguments.seeds))


if __name__ == "__main__":
    main()
