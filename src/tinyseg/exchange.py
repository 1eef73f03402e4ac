"""Instances in the forms that others use: supervision, LabelMe, label maps of 16 bits.

COCO JSON is what `predictions` writes. In: instances in frame pixels, the frame's height and
width, and the class list. Out: `supervision.Detections` with compact masks; a LabelMe file with
one shape of type "mask" an instance; a label map with value = class id * 1000 + number, as the WAD
has it. In all of them a mask is its pixels in the frame, and an instance without one is left out.
The way back is here too, but for label maps, which `data.wad` and `masks.from_label_map` read.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import orjson
from jaxtyping import UInt8, UInt16

from tinyseg import masks as mask_ops
from tinyseg.data import drawn, labelme
from tinyseg.errors import DataError, TinysegError
from tinyseg.fields import is_number, shown
from tinyseg.files import write_whole
from tinyseg.frame import Instances
from tinyseg.labels import index_of
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions

if TYPE_CHECKING:
    import supervision

LABELME_VERSION = "5.5.0"
"""The version of LabelMe whose format this is; masks came with 5.3."""

NUMBERS = 1000
"""A label map tells this many instances of a class apart."""

MOST_CLASSES = 64
"""Class ids of a label map lie in 1 ... 64: more do not fit into 16 bits."""


def in_pixels(instances: Instances, frame_hw: tuple[int, int]) -> Instances:
    """The instances that have a pixel in the frame, boxes and masks tight around their pixels."""
    masks = mask_ops.tighten(mask_ops.rasterise(instances.masks, frame_hw))
    seen = np.flatnonzero(mask_ops.area(masks) > 0)
    masks = masks.select(seen)
    return Instances(masks.boxes, masks, instances.labels[seen], instances.scores[seen])


def to_supervision(
    instances: Instances, frame_hw: tuple[int, int], classes: Sequence[str]
) -> supervision.Detections:
    """Detections with boxes tight around compact masks, class names under data["class_name"].

    Their boxes are half open, as ours are. Raises DataError where supervision is not installed.
    """
    sv = _supervision()
    seen = in_pixels(instances, frame_hw)
    codes = mask_ops.to_coco_rle(seen.masks, frame_hw)
    rles = [{"size": list(frame_hw), "counts": code} for code in codes]
    last = seen.boxes - np.array([0, 0, 1, 1])  # supervision's crops include their last pixel
    mask = sv.detection.compact_mask.CompactMask.from_coco_rle(rles, last, frame_hw)
    return sv.Detections(
        xyxy=seen.boxes,
        mask=mask,
        confidence=seen.scores,
        class_id=seen.labels,
        data={"class_name": np.array([classes[label] for label in seen.labels.tolist()])},
    )


def from_supervision(detections: supervision.Detections) -> Instances:
    """Instances from detections with masks, dense or compact; scores are 1 where there are none.

    Raises DataError for detections without masks or classes.
    """
    mask, labels = detections.mask, detections.class_id
    if len(detections) == 0:
        return Instances.empty()
    if mask is None or labels is None:
        raise DataError("detections need masks and class ids to become instances")
    scores = detections.confidence
    found = np.ones(len(detections)) if scores is None else scores.astype(np.float64)
    masks = (
        mask_ops.from_bitmaps([one.astype(np.bool_) for one in mask])
        if isinstance(mask, np.ndarray)
        else _compact(mask)
    )
    boxes = np.asarray(detections.xyxy, np.float64)
    return Instances(boxes, masks, labels.astype(np.int64), found)


def _compact(mask: Any) -> CropMasks:
    """supervision's compact masks: a crop and where it lies, each."""
    origins = [(int(x), int(y)) for x, y in mask.offsets]
    grids = [mask.crop(i).astype(np.uint8) * np.uint8(255) for i in range(len(mask))]
    return mask_ops.tighten(CropMasks.pack_pixels(origins, grids))


def _supervision() -> Any:
    try:
        import supervision as sv
        import supervision.detection.compact_mask
    except ImportError:
        rule = "this needs the package supervision, with compact masks"
        raise DataError(rule, expected="pip install 'supervision>=0.30'") from None
    return sv


def to_label_map(
    instances: Instances, frame_hw: tuple[int, int], class_ids: Sequence[int], *, background: int
) -> UInt16[np.ndarray, "height width"]:
    """A map of class id * 1000 + number, which counts each class's instances from the best score.

    `class_ids` are the ids of the labels 0, 1, ...; a pixel belongs to the best instance that has
    it. Raises DataError for more than 1000 instances of a class, or an id over 64.
    """
    if any(not 0 < number <= MOST_CLASSES for number in class_ids):
        rule = f"class ids of a label map lie in 1 ... {MOST_CLASSES}"
        raise DataError(rule, got=list(class_ids))
    seen = in_pixels(instances, frame_hw)
    order = np.argsort(-seen.scores, kind="stable")
    seen = seen.select(order)
    numbers = _numbers(seen.labels.tolist())
    if max(numbers, default=0) >= NUMBERS:
        raise DataError(f"a label map holds {NUMBERS} instances of a class", got=max(numbers) + 1)
    values = [class_ids[label] * NUMBERS + n for label, n in zip(seen.labels, numbers, strict=True)]
    label = np.full(frame_hw, background, np.uint16)
    rows = list(zip(values, seen.boxes.astype(int).tolist(), seen.masks.grids(), strict=True))
    for value, (x0, y0, x1, y1), grid in reversed(rows):
        label[y0:y1, x0:x1][grid >= 128] = value
    return label


def _numbers(labels: Sequence[int]) -> list[int]:
    """Which of its class each is, from 0."""
    counts: dict[int, int] = {}
    out = []
    for label in labels:
        out.append(counts.get(label, 0))
        counts[label] = out[-1] + 1
    return out


def write_labelme(path: Path, frame: FramePredictions, classes: Sequence[str]) -> None:
    """One frame as a LabelMe file that names its picture; scores are kept beside each shape."""
    seen = in_pixels(frame.instances, frame.hw)
    shapes = [
        {**mask_shape(box, grid, classes[label]), "score": score}
        for box, grid, label, score in zip(
            seen.boxes.astype(int).tolist(),
            seen.masks.grids(),
            seen.labels.tolist(),
            seen.scores.tolist(),
            strict=True,
        )
    ]
    write_whole(path, labelme_file(frame.file_name, frame.hw, shapes))


def labelme_file(picture: str, hw: tuple[int, int], shapes: Sequence[dict[str, object]]) -> bytes:
    """A LabelMe file with these shapes for a picture of this name, height and width."""
    document: dict[str, object] = {
        "version": LABELME_VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": picture,
        "imageData": None,
        "imageHeight": hw[0],
        "imageWidth": hw[1],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def mask_shape(box: Sequence[int], grid: UInt8[np.ndarray, "h w"], label: str) -> dict[str, object]:
    """A LabelMe shape; its corners are pixels: the last ones belong to the mask."""
    x0, y0, x1, y1 = box
    _, png = cv2.imencode(".png", (grid >= 128).astype(np.uint8))
    return {
        "label": label,
        "points": [[x0, y0], [x1 - 1, y1 - 1]],
        "group_id": None,
        "description": "",
        "shape_type": "mask",
        "flags": {},
        "mask": base64.b64encode(png.tobytes()).decode("ascii"),
    }


def read_labelme(path: Path, classes: Sequence[str]) -> FramePredictions:
    """The shapes of a LabelMe file; scores are 1 where it has none.

    Raises DataError for other kinds of shapes, unknown classes and broken files, with the shape's
    place.
    """
    sheet = labelme.read_sheet(path)
    for fault in sheet.faults:
        raise fault
    if sheet.hw is None:
        raise DataError("does not state its picture's height and width", path=path)
    parts = [_from_shape(shape, sheet.hw, classes, path) for shape in sheet.shapes]
    return FramePredictions(path.stem, sheet.image_path, sheet.hw, Instances.concatenate(parts))


def _from_shape(
    shape: labelme.LabelmeShape, hw: tuple[int, int], classes: Sequence[str], path: Path
) -> Instances:
    own, score = shape.drawn, 1.0 if shape.score is None else shape.score
    label = index_of(own.label, classes)
    if label is None:
        expected = ", ".join(classes)
        raise DataError(
            "unknown class", path=path, where=own.where, expected=expected, got=own.label
        )
    if not is_number(score):
        raise DataError("a score is a number", path=path, where=own.where, got=shown(score))
    try:
        mask = drawn.mask_of(own, hw)
    except TinysegError as error:
        raise error.at(path=path, where=own.where) from None
    return Instances(mask.boxes, mask, np.array([label]), np.array([float(score)]))
