"""Where outlines are lost: boxes, mask grids, the mask head, or the merger. One table of oracles.

    python benchmarks/outlines.py --data DATA [--list FILE] [--weights FILE] [--frames N]

All rows keep the classes and scores of what was detected. A detection belongs to the label of its
class with the highest IoU of boxes, each label to one, best score first, from .3 on; those without
a label stay as they are. A row puts something from the label in a detection's place:

    one look                 nothing: the whole frame in one view at zoom 1
    the labels' boxes        the network draws its masks in the labelled boxes
    the labels' grids        28 x 28 cells over the detected box, filled by the label's mask
    both                     28 x 28 cells over the labelled box, filled by the label's mask
    the labels' masks        the mask itself, pixel by pixel: what is not found is all that is left
    the plan                 the same through the weights' plan and the merger

A row: mask AP of car and person, and the mean IoU of belonging masks by the label's size.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _report import machine, table
from jaxtyping import Int64

from tinyseg import boxes as box_ops, masks as mask_ops
from tinyseg.data import open_data
from tinyseg.frame import Frame, FrameLabels, Instances
from tinyseg.masks import CropMasks
from tinyseg.model import Detector
from tinyseg.model.box_head import Candidates
from tinyseg.model.mask_head import MASK_SIZE
from tinyseg.model.targets import SummedMasks
from tinyseg.networks import keep_as_predicted, load_detector
from tinyseg.predict import Predictor
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.progress import progress_bar
from tinyseg.scoring import score_frames
from tinyseg.stored import own_weights
from tinyseg.views import camera_of

LEAST_IOU = 0.3
"""Of boxes that belong together."""

SIZES = {"under 16²": (0, 256), "16² to 32²": (256, 1024), "32² to 96²": (1024, 9216)}
"""Areas of labelled masks, in pixels."""

Pairs = tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]
"""Detections and the labels that they belong to."""


def belonging(found: Instances, labels: Instances) -> Pairs:
    """Which detection belongs to which label."""
    iou = box_ops.iou(found.boxes, labels.boxes)
    iou[found.labels[:, None] != labels.labels[None, :]] = 0
    mine, theirs = list[int](), list[int]()
    for place in np.argsort(-found.scores, kind="stable").tolist():
        best = int(iou[place].argmax()) if iou.shape[1] else 0
        if iou.shape[1] and iou[place, best] >= LEAST_IOU:
            mine.append(place)
            theirs.append(best)
            iou[:, best] = 0
    return np.array(mine, np.int64), np.array(theirs, np.int64)


def with_masks(found: Instances, places: Int64[np.ndarray, " k"], masks: CropMasks) -> Instances:
    """The detections at these places with other masks, the others as they are."""
    order = np.arange(len(found))
    order[places] = len(found) + np.arange(len(places))
    every = CropMasks.concatenate([found.masks, masks]).select(order)
    boxes = found.boxes.copy()
    boxes[places] = masks.boxes
    return replace(found, boxes=boxes, masks=every)


def in_grids(found: Instances, labels: Instances, pairs: Pairs, *, own_box: bool) -> Instances:
    """Labelled masks as the mask head could draw them at best."""
    mine, theirs = pairs
    boxes = found.boxes[mine] if own_box else labels.boxes[theirs]
    summed = SummedMasks.of(labels.masks, torch.device("cpu"))
    rects = torch.from_numpy(boxes.astype(np.float32))
    grids = summed.mean_coverage(torch.from_numpy(theirs), rects, size=MASK_SIZE)
    return with_masks(found, mine, mask_ops.from_roi_grids(boxes, grids.numpy()))


def drawn_in_labels(detector: Detector, frame: Frame, found: Instances, pairs: Pairs) -> Instances:
    """The network's masks in the labelled boxes."""
    mine, theirs = pairs
    boxes = found.boxes.copy()
    boxes[mine] = frame.instances.boxes[theirs]
    told = Candidates(
        torch.from_numpy(boxes.astype(np.float32)),
        torch.from_numpy(found.labels + 1),
        torch.from_numpy(found.scores.astype(np.float32)),
    )
    select = detector.box_head.select
    detector.box_head.select = lambda *_: told  # type: ignore[method-assign]
    try:
        return look(detector, frame)
    finally:
        detector.box_head.select = select  # type: ignore[method-assign]


def look(detector: Detector, frame: Frame) -> Instances:
    """What the network finds in the frame as it is."""
    return detector.detect(torch.from_numpy(frame.image).permute(2, 0, 1)[None])[0]


def oracles(
    detector: Detector, predictor: Predictor
) -> Callable[[Frame], dict[str, tuple[Instances, Pairs]]]:
    """All rows of a frame."""

    def rows(frame: Frame) -> dict[str, tuple[Instances, Pairs]]:
        labels = frame.instances
        one, merged = look(detector, frame), predictor(frame.image, camera_of(frame.name))
        pairs, merged_pairs = belonging(one, labels), belonging(merged, labels)
        of = {
            "one look": one,
            "the labels' boxes": drawn_in_labels(detector, frame, one, pairs),
            "the labels' grids": in_grids(one, labels, pairs, own_box=True),
            "both": in_grids(one, labels, pairs, own_box=False),
            "the labels' masks": with_masks(one, pairs[0], labels.masks.select(pairs[1])),
        }
        of_plan = {
            "the plan": merged,
            "the plan, the labels' grids": in_grids(merged, labels, merged_pairs, own_box=True),
            "the plan, both": in_grids(merged, labels, merged_pairs, own_box=False),
            "the plan, the labels' masks": with_masks(
                merged, merged_pairs[0], labels.masks.select(merged_pairs[1])
            ),
        }
        told = {name: (row, pairs) for name, row in of.items()}
        return told | {name: (row, merged_pairs) for name, row in of_plan.items()}

    return rows


def overlaps(found: Instances, labels: Instances, pairs: Pairs) -> np.ndarray:
    """IoU of belonging masks, beside the label's area: k x 2."""
    mine, theirs = pairs
    iou = mask_ops.iou(found.masks.select(mine), labels.masks.select(theirs)).diagonal()
    return np.stack([iou, mask_ops.area(labels.masks.select(theirs))], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weights", type=Path, default=own_weights())
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--frames", type=int, help="spread evenly; all if not given")
    given = parser.parse_args()
    torch.set_num_threads(1)
    detector, recipe = load_detector(given.weights)
    keep_as_predicted(detector, recipe)
    rows_of = oracles(detector.eval(), Predictor(given.weights))
    items = open_data(given.data, listed=given.list, classes=recipe.classes).items
    items = items[:: max(len(items) // (given.frames or len(items)), 1)][: given.frames]
    found: dict[str, list[FramePredictions]] = {}
    ious: dict[str, list[np.ndarray]] = {}
    truth = list[FrameLabels]()
    with progress_bar("oracles", len(items)) as bar:
        for item in items:
            frame = item.read()
            truth.append(FrameLabels(frame.name, frame.hw, frame.instances, frame.ignore))
            for name, (row, pairs) in rows_of(frame).items():
                one = FramePredictions(frame.name, frame.name, frame.hw, row)
                found.setdefault(name, []).append(one)
                ious.setdefault(name, []).append(overlaps(row, frame.instances, pairs))
            bar.advance(item.name)
    lines = [
        [name, *figures(recipe.classes, frames, truth), *by_size(np.concatenate(ious[name]))]
        for name, frames in found.items()
    ]
    heads = ("car+person", "AP", "AP50", "AP75", "AP_s", "AP_tiny", *(f"IoU {s}" for s in SIZES))
    print(table(heads, lines))
    objects = sum(len(one.instances) for one in truth)
    print(f"\n{len(truth)} frames, {objects} objects; {machine()}")


def figures(
    classes: Sequence[str], found: Sequence[FramePredictions], truth: Sequence[FrameLabels]
) -> list[str]:
    """Average precision of car and person."""
    scores = score_frames(Predictions(tuple(classes), tuple(found)), truth, classes=classes)
    both = scores.mean_over(["car", "person"])
    told = both.ap, both.ap50, both.ap75, both.ap_small, both.ap_tiny
    return [f"{value:.3f}" for value in told]


def by_size(overlap: np.ndarray) -> list[str]:
    """The mean IoU of each size, with how many there are."""
    iou, area = overlap.T
    inside = [(area >= low) & (area < high) for low, high in SIZES.values()]
    return [f"{iou[of].mean():.2f} of {of.sum()}" if of.any() else "-" for of in inside]


if __name__ == "__main__":
    main()
