"""Mask average precision by COCO's rules, in native pixels.

Predictions and labels of the same frames go in; Scores come out: AP over IoU .50:.05:.95 at 101
recall points (Lin et al., Microsoft COCO, 2014), by class, over all classes, and with all classes
taken as one; for all sizes and by mask area, the ranges' ends included as COCO does. The ignore
region of a frame is a crowd annotation of every class: what lies there is not judged.

Refuses predictions that do not belong to the labels: frames missing, sizes that differ. hotcoco
counts; it is named here and nowhere else, and sees only run lengths that were made here.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import hotcoco
import numpy as np
from jaxtyping import Float64, Int64

from tinyseg import masks as mask_ops
from tinyseg.errors import DataError, PredictionsError
from tinyseg.frame import FrameLabels
from tinyseg.labels import index_of
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions

AREA_RANGES = {
    "all": (0.0, 1e10),
    "tiny": (0.0, 16.0**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Mask areas in pixels, both ends included, as COCO does: 32 x 32 is small and medium."""


@dataclass(frozen=True, slots=True)
class Averages:
    """Average precision 0 ... 1; nan where no label is of that size, 0 where none was found."""

    ap50: float
    ap75: float
    ap_tiny: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ap: float

    @staticmethod
    def mean(items: Sequence["Averages"]) -> "Averages":
        """Each figure's mean over the items that have it."""
        columns = zip(*(astuple(item) for item in items), strict=True)
        return Averages(*(_mean(column) for column in columns)) if items else _NOTHING


_NOTHING = Averages(*[math.nan] * 7)


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


@dataclass(frozen=True, slots=True)
class Counts:
    """How many labelled instances there are, in all and in each range of areas."""

    all: int
    tiny: int
    small: int
    medium: int
    large: int


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: how many instances were labelled, and how well they were found."""

    name: str
    counts: Counts
    averages: Averages


@dataclass(frozen=True, slots=True)
class Scores:
    """What predictions are worth on labelled frames.

    `averages` is the mean over the classes that have instances (of that size), `any_class` what
    is left when all classes are one. `detections` counts those that were judged, on the labelled
    frames and of known classes; `extra_frames` are predicted but not labelled, `missing_frames`
    labelled but not in the predictions, `unknown_class` detections were dropped for their class.
    """

    averages: Averages
    any_class: Averages
    classes: tuple[ClassScore, ...]
    counts: Counts
    frames: int
    instances: int
    detections: int
    max_detections: int
    extra_frames: int
    missing_frames: int
    unknown_class: int

    def mean_over(self, names: Sequence[str]) -> Averages:
        """The mean over some classes, aliases understood; those without instances do not count."""
        own = [c.name for c in self.classes]
        places = [index_of(name, own) for name in names]
        if None in places:
            unknown = [n for n, place in zip(names, places, strict=True) if place is None]
            raise DataError("not among the scored classes", expected=own, got=unknown)
        return Averages.mean([self.classes[p].averages for p in places if p is not None])


def score(
    predictions: Predictions,
    truth: Iterable[FrameLabels],
    *,
    classes: Sequence[str],
    max_detections: int = 300,
    allow_missing: bool = False,
) -> Scores:
    """Scores of the predictions on labelled frames, whose labels are indices into `classes`.

    Up to `max_detections` of each class, best first, count on a frame. A labelled frame that the
    predictions do not name is an error, unless `allow_missing` takes it as one with no detection.
    Labels and predictions without a pixel in the frame are left out.
    """
    _check_arguments(classes, max_detections)
    sheet = _fill(predictions, truth, classes)
    if sheet.missing and not allow_missing:
        examples = ", ".join(sheet.missing[:3])
        got = f"{len(sheet.missing)} of {len(sheet.images)} missing, such as {examples}"
        raise PredictionsError("every labelled frame needs its predictions", got=got)
    by_class = _averages(sheet, len(classes), max_detections)
    (any_class,) = _averages(sheet.as_one_class(), 1, max_detections)
    scored = [
        ClassScore(name, sheet.counts(index), averages)
        for index, (name, averages) in enumerate(zip(classes, by_class, strict=True))
    ]
    return Scores(
        Averages.mean(by_class),
        any_class,
        tuple(scored),
        sheet.counts(None),
        frames=len(sheet.images),
        instances=len(sheet.labels),
        detections=len(sheet.detections),
        max_detections=max_detections,
        extra_frames=len(predictions.frames) - len(sheet.images) + len(sheet.missing),
        missing_frames=len(sheet.missing),
        unknown_class=sheet.unknown_class,
    )


def _check_arguments(classes: Sequence[str], max_detections: int) -> None:
    if not classes or len(set(classes)) < len(classes):
        raise DataError("a class list holds one name or more, each once", got=list(classes))
    if max_detections < 1:
        raise PredictionsError("max_detections is at least 1", got=max_detections)


Row = dict[str, Any]


@dataclass(slots=True)
class _Sheet:
    """COCO's rows of all frames; ids count from 1. A frame's ignore region is kept once."""

    images: list[Row] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    detections: list[Row] = field(default_factory=list)
    ignored: dict[int, Row] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unknown_class: int = 0

    def as_one_class(self) -> "_Sheet":
        labels, detections = (
            [{**row, "category_id": 1} for row in rows] for rows in (self.labels, self.detections)
        )
        return _Sheet(self.images, labels, detections, self.ignored)

    def crowds(self) -> list[Row]:
        """The ignore regions as annotations, of the classes that have detections on the frame.

        Of other classes they change nothing: a crowd is no instance to be found.
        """
        wanted = {(row["image_id"], row["category_id"]): None for row in self.detections}
        return [
            {**self.ignored[image], "category_id": category}
            for image, category in wanted
            if image in self.ignored
        ]

    def counts(self, index: int | None) -> Counts:
        """Instances of one class, or of all, in each range of areas."""
        areas = [
            row["area"] for row in self.labels if index is None or row["category_id"] == index + 1
        ]
        values = np.array(areas, np.float64)
        inside = [(values >= low) & (values <= high) for low, high in AREA_RANGES.values()]
        return Counts(*(int(np.count_nonzero(mask)) for mask in inside))


def _fill(predictions: Predictions, truth: Iterable[FrameLabels], classes: Sequence[str]) -> _Sheet:
    """The rows of every labelled frame, in the order in which they come."""
    found = {frame.name: frame for frame in predictions.frames}
    places = [index_of(name, classes) for name in predictions.classes]
    # A detection's label is turned into a place in `classes`, -1 where that has no such class.
    to_place = np.array([-1 if place is None else place for place in places], np.int64)
    sheet, seen = _Sheet(), set[str]()
    for labels in truth:
        if labels.name in seen:
            raise DataError("a frame is labelled twice", where=labels.name)
        seen.add(labels.name)
        _add_image(sheet, labels, len(classes))
        if labels.name in found:
            _add_detections(sheet, found[labels.name], labels, to_place)
        else:
            sheet.missing.append(labels.name)
    return sheet


def _add_image(sheet: _Sheet, labels: FrameLabels, class_count: int) -> None:
    values = labels.instances.labels
    if len(values) and not (values.min() >= 0 and values.max() < class_count):
        got = f"{values.min()} ... {values.max()}"
        rule = "labels are indices into the class list"
        raise DataError(rule, where=labels.name, expected=f"0 ... {class_count - 1}", got=got)
    height, width = labels.hw
    image = len(sheet.images) + 1
    sheet.images.append({"id": image, "height": height, "width": width})
    segmentations, areas = _segmentations(labels.instances.masks, labels.hw)
    for value, segmentation, area in zip(values.tolist(), segmentations, areas, strict=True):
        if area:
            row = {"id": len(sheet.labels) + 1, "image_id": image, "category_id": value + 1}
            sheet.labels.append({**row, "segmentation": segmentation, "area": area, "iscrowd": 0})


def _add_detections(
    sheet: _Sheet, frame: FramePredictions, labels: FrameLabels, to_place: Int64[np.ndarray, " k"]
) -> None:
    """The detections of the last frame, and its ignore region if there is any of either."""
    if frame.hw != labels.hw:
        rule = "predictions and labels need one frame size (height, width)"
        raise PredictionsError(rule, where=frame.name, expected=labels.hw, got=frame.hw)
    found = frame.instances
    values = to_place[found.labels]
    sheet.unknown_class += int(np.count_nonzero(values < 0))
    segmentations, areas = _segmentations(found.masks, frame.hw)
    kept = np.flatnonzero((values >= 0) & (np.array(areas, np.int64) > 0))
    for index in kept.tolist():
        row = {"image_id": len(sheet.images), "category_id": int(values[index]) + 1}
        score = float(found.scores[index])
        sheet.detections.append({**row, "segmentation": segmentations[index], "score": score})
    if len(kept) and len(labels.ignore):
        _add_ignored(sheet, labels, found.masks.boxes[kept])


def _segmentations(masks: CropMasks, hw: tuple[int, int]) -> tuple[list[Row], list[int]]:
    """COCO's form of each mask, cut to the frame, and its pixels."""
    codes = mask_ops.to_coco_rle(masks, hw)
    segmentations: list[Row] = [{"size": list(hw), "counts": code.decode()} for code in codes]
    return segmentations, hotcoco.mask.area(segmentations).tolist() if codes else []


def _add_ignored(sheet: _Sheet, labels: FrameLabels, found: Float64[np.ndarray, "n 4"]) -> None:
    """The ignore region of the last frame, as far as it matters: within the hull of what was found.

    COCO holds a detection against a crowd by the share of the detection's own pixels, so pixels
    that no detection can have change nothing, and a region may be as large as the frame.
    """
    low, high = np.floor(found[:, :2].min(axis=0)), np.ceil(found[:, 2:].max(axis=0))
    pixels = mask_ops.rasterise(labels.ignore, labels.hw)
    near = mask_ops.cut(pixels, (low[0].item(), low[1].item(), high[0].item(), high[1].item()))
    region = mask_ops.union(near) if len(near) > 1 else near
    (segmentation,), (area,) = _segmentations(region, labels.hw)
    if area:
        image = len(sheet.images)
        row: Row = {"image_id": image, "segmentation": segmentation, "area": area, "iscrowd": 1}
        sheet.ignored[image] = row


def _averages(sheet: _Sheet, class_count: int, max_detections: int) -> list[Averages]:
    """Each class's figures."""
    precision = _precision(sheet, class_count, max_detections)
    # COCO writes -1 at every threshold and recall where a class has no label of that size.
    table = np.where(precision < 0, np.nan, precision).mean(axis=1)
    return [_one_class(table[:, index]) for index in range(class_count)]


def _one_class(table: Float64[np.ndarray, "thresholds areas"]) -> Averages:
    whole, tiny, small, medium, large = table.mean(axis=0).tolist()
    ap50, ap75 = float(table[0, 0]), float(table[5, 0])
    return Averages(ap50, ap75, tiny, small, medium, large, whole)


def _precision(
    sheet: _Sheet, class_count: int, max_detections: int
) -> Float64[np.ndarray, "thresholds recalls classes areas"]:
    """Precision at IoU .50:.05:.95 and recall 0:.01:1, -1 where nothing is labelled."""
    categories = [{"id": i + 1, "name": str(i)} for i in range(class_count)]
    frame = {"images": sheet.images, "categories": categories}
    crowds = [
        {**row, "id": place}
        for place, row in enumerate(sheet.crowds(), start=len(sheet.labels) + 1)
    ]
    truth = hotcoco.COCO({**frame, "annotations": sheet.labels + crowds})
    found = truth.load_res(sheet.detections) if sheet.detections else hotcoco.COCO(frame)
    evaluation = hotcoco.COCOeval(truth, found, "segm")
    evaluation.params.maxDets = [max_detections]
    evaluation.params.areaRng = [list(limits) for limits in AREA_RANGES.values()]
    evaluation.params.areaRngLbl = list(AREA_RANGES)
    evaluation.evaluate()
    evaluation.accumulate()
    curves: dict[str, Any] = evaluation.eval or {}
    return np.asarray(curves["precision"], np.float64)[..., 0]
