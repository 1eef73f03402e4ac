"""Predictions and labels of each frame -> who could be matched with whom.

In go Predictions and FrameLabels; out comes a FramePairs a frame: classes, boxes, areas and scores
of both sides, the IoU of every detection with every label, and how much of a detection lies on the
frame's ignore region. All scores, errors and intervals follow from these numbers; masks are looked
at here and not again. A label that is a box alone is not judged by masks: its box is ignored. What
a frame's data set does not label is left out of both sides.

Refuses predictions that do not belong to the labels: frames missing, sizes that differ.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Real

from tinyseg import boxes as box_math, masks as mask_ops
from tinyseg.errors import DataError, PredictionsError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.labels import index_of
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.scoring.shapes import FrameShapes, ShapeRules, measure_shapes


@dataclass(frozen=True, slots=True)
class Sides:
    """The labels or the detections of one frame, a row each.

    `labels` are places in the class list, `boxes` lie tight around the pixels in the frame,
    `areas` count them, never 0; where boxes are judged both are theirs. `scores` of labels are 1.
    `index` is the row that it has in the Instances it came from.
    """

    labels: Int64[np.ndarray, " n"]
    boxes: Float64[np.ndarray, "n 4"]
    areas: Real[np.ndarray, " n"]
    scores: Float64[np.ndarray, " n"]
    index: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class FramePairs:
    """One labelled frame; `found` is sorted by score, best first, equal ones as they came.

    `iou` is that of masks, or of boxes, across classes too; `on_ignore` is the share of a
    detection's own pixels on the ignore region. `missing`: the predictions do not name the frame.
    `unknown_class` counts detections dropped for their class, `unlabelled` those of classes that
    the frame's data set does not label, `beyond` those past the limit of their class. `no_mask`
    counts labels and detections that are a box alone, where masks are judged. `shapes` are there if
    they were asked for.
    """

    name: str
    hw: tuple[int, int]
    truth: Sides
    found: Sides
    iou: Float64[np.ndarray, "found truth"]
    on_ignore: Float64[np.ndarray, " found"]
    missing: bool = False
    unknown_class: int = 0
    unlabelled: int = 0
    beyond: int = 0
    no_mask: tuple[int, int] = (0, 0)
    shapes: FrameShapes | None = None


def pair_frames(
    predictions: Predictions,
    truth: Iterable[FrameLabels],
    *,
    classes: Sequence[str],
    max_detections: int = 300,
    allow_missing: bool = False,
    shapes: ShapeRules | None = None,
    of_boxes: bool = False,
) -> list[FramePairs]:
    """Pairs of every labelled frame, in the order in which labels come, indices into `classes`.

    Up to `max_detections` of each class, best first, are kept of a frame. A labelled frame that the
    predictions do not name is an error, unless `allow_missing` takes it as one with no detection.
    Labels and detections without a pixel in the frame are left out. `shapes` says how outlines are
    to be measured, which takes most of the time; without it they are not. `of_boxes` judges boxes
    as they were given; a detection's share on the ignore region is that of its pixels.
    """
    if not classes or len(set(classes)) < len(classes):
        raise DataError("a class list holds one name or more, each once", got=list(classes))
    if max_detections < 1:
        raise PredictionsError("max_detections is at least 1", got=max_detections)
    found = {frame.name: frame for frame in predictions.frames}
    places = [index_of(name, classes) for name in predictions.classes]
    # A detection's label is turned into a place in `classes`, -1 where that has no such class.
    to_place = np.array([-1 if place is None else place for place in places], np.int64)
    frames: list[FramePairs] = []
    seen = set[str]()
    for labels in truth:
        if labels.name in seen:
            raise DataError("a frame is labelled twice", where=labels.name)
        values = labels.instances.labels
        if len(values) and not (values.min() >= 0 and values.max() < len(classes)):
            got, expected = f"{values.min()} ... {values.max()}", f"0 ... {len(classes) - 1}"
            rule = "labels are indices into the class list"
            raise DataError(rule, where=labels.name, expected=expected, got=got)
        seen.add(labels.name)
        given = found.get(labels.name)
        frames.append(_pair_frame(labels, given, to_place, max_detections, shapes, of_boxes))
    if not allow_missing:
        refuse_missing([frame.name for frame in frames if frame.missing], len(frames))
    return frames


def refuse_missing(missing: Sequence[str], labelled: int) -> None:
    """Raise PredictionsError where any of the labelled frames has no predictions."""
    if missing:
        got = f"{len(missing)} of {labelled} missing, such as {', '.join(missing[:3])}"
        expected = "a list of the predicted frames, or missing ones allowed as empty"
        rule = "every labelled frame needs its predictions"
        raise PredictionsError(rule, expected=expected, got=got)


def _pair_frame(
    labels: FrameLabels,
    given: FramePredictions | None,
    to_place: Int64[np.ndarray, " k"],
    max_detections: int,
    rules: ShapeRules | None,
    of_boxes: bool,
) -> FramePairs:
    """One frame's pairs; no `given` predictions are none."""
    if given is not None and given.hw != labels.hw:
        rule = "predictions and labels need one frame size (height, width)"
        if given.hw == labels.hw[::-1]:
            rule += (
                "; where labels lie on the pixels of a picture that an EXIF tag turns, `tinyseg "
                "convert` writes the data set without the turn, and predictions of that fit"
            )
        raise PredictionsError(rule, where=labels.name, expected=labels.hw, got=given.hw)
    instances = Instances.empty() if given is None else given.instances
    places = to_place[instances.labels] if len(to_place) else instances.labels
    own, values = (_labelled(known, labels) for known in (labels.instances.labels, places))
    sides = _box_sides if of_boxes else _sides
    truth, truth_masks = sides(labels.instances, own, labels.hw)
    everything, masks = sides(instances, values, labels.hw)
    kept = _best_of_each_class(everything, max_detections)
    found, found_masks = _select(everything, kept), masks.select(kept)
    if of_boxes:
        iou, ignore, alone = box_math.iou(found.boxes, truth.boxes), labels.ignore, (0, 0)
    else:
        shared = mask_ops.intersections(found_masks, truth_masks)
        iou = np.asarray(shared / (found.areas[:, None] + truth.areas[None, :] - shared))
        boxes_alone = labels.instances.boxes[~labels.instances.has_mask & (own >= 0)]
        ignore = CropMasks.concatenate([labels.ignore, _in_frame(boxes_alone, labels.hw)])
        no_mask = np.count_nonzero(~instances.has_mask & (values >= 0))
        alone = (len(boxes_alone), int(no_mask))
    shapes = None
    if rules is not None:
        distance_px = rules.distance_px(labels.hw)
        same = found.labels[:, None] == truth.labels[None, :]
        shapes = measure_shapes(found_masks, truth_masks, iou, same, distance_px)
    return FramePairs(
        labels.name,
        labels.hw,
        truth,
        found,
        iou,
        _on_ignore(found_masks, ignore, labels.hw),
        missing=given is None,
        unknown_class=int(np.count_nonzero(places < 0)),
        unlabelled=int(np.count_nonzero(values != places)),
        beyond=len(everything) - len(found),
        no_mask=alone,
        shapes=shapes,
    )


def _labelled(values: Int64[np.ndarray, " n"], labels: FrameLabels) -> Int64[np.ndarray, " n"]:
    """Places in the class list, -1 for classes that the frame's data set does not label."""
    if not labels.unlabelled:
        return values
    return np.where(np.isin(values, sorted(labels.unlabelled)), -1, values)


def _box_sides(
    instances: Instances, values: Int64[np.ndarray, " n"], hw: tuple[int, int]
) -> tuple[Sides, CropMasks]:
    """The instances of known class by their boxes, and the pixels of these in the frame."""
    areas = box_math.areas(instances.boxes)
    index = np.flatnonzero((values >= 0) & (areas > 0))
    sides = Sides(values, instances.boxes, areas, instances.scores, np.arange(len(values)))
    kept = _select(sides, index)
    return kept, _in_frame(kept.boxes, hw)


def _in_frame(boxes: Float64[np.ndarray, "n 4"], hw: tuple[int, int]) -> CropMasks:
    """The pixels of boxes, as far as they are in the frame."""
    return mask_ops.filled(box_math.clip(boxes, (0.0, 0.0, float(hw[1]), float(hw[0]))))


def _sides(
    instances: Instances, values: Int64[np.ndarray, " n"], hw: tuple[int, int]
) -> tuple[Sides, CropMasks]:
    """The instances of known class that have a pixel in the frame, and their masks as pixels."""
    pixels = mask_ops.rasterise(instances.masks, hw)
    areas = mask_ops.area(pixels)
    index = np.flatnonzero((values >= 0) & (areas > 0))
    sides = Sides(values, pixels.boxes, areas, instances.scores, np.arange(len(values)))
    if len(index) == len(values):
        return sides, pixels
    return _select(sides, index), pixels.select(index)


def _select(sides: Sides, which: Int64[np.ndarray, " k"]) -> Sides:
    columns = (sides.labels, sides.boxes, sides.areas, sides.scores, sides.index)
    labels, boxes, areas, scores, index = (column[which] for column in columns)
    return Sides(labels, boxes, areas, scores, index)


def _best_of_each_class(sides: Sides, most: int) -> Int64[np.ndarray, " k"]:
    """Rows best first, equal ones as they came, and of each class no more than `most`."""
    order = np.argsort(-sides.scores, kind="stable")
    if len(order) <= most:
        return order
    labels = sides.labels[order]
    kept = np.zeros(len(order), np.bool_)
    for label in np.unique(labels).tolist():
        kept[np.flatnonzero(labels == label)[:most]] = True
    return np.asarray(order[kept])


def _on_ignore(
    found: CropMasks, ignore: CropMasks, hw: tuple[int, int]
) -> Float64[np.ndarray, " found"]:
    """Share of each detection on the ignore region.

    A region may be as large as the frame; what lies beyond the hull of all detections is not seen.
    """
    if not (len(found) and len(ignore)):
        return np.zeros(len(found))
    low, high = found.boxes[:, :2].min(axis=0), found.boxes[:, 2:].max(axis=0)
    pixels = mask_ops.rasterise(ignore, hw)
    near = mask_ops.cut(pixels, (low[0].item(), low[1].item(), high[0].item(), high[1].item()))
    return mask_ops.share_inside(found, near)


def which_of_class(sides: Sides, label: int | None) -> Bool[np.ndarray, " n"]:
    """True for the rows of one class, or for all."""
    return np.ones(len(sides), np.bool_) if label is None else sides.labels == label
