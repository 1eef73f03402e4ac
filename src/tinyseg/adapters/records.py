"""What other libraries' networks answer -> Instances, told by its attributes and keys alone.

    torchvision     {"boxes": n 4, "labels": n, "scores": n, "masks": n 1 h w, values 0 ... 1}
    supervision     Detections: xyxy, class_id, confidence, mask; RF-DETR answers with them too
    Ultralytics     Results: boxes.xyxy, .cls, .conf, masks.data; or a list of one
    transformers    post_process_instance_segmentation: {"segmentation", "segments_info"}

Masks may lie in the letterboxed input, as Ultralytics' do. Where there are no masks, boxes stand
for them, so that detections can be merged all the same. Class ids outside the names are left out,
as background is.

A letterbox is a picture of any size in a network's one input size, with grey bars beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from tinyseg import boxes as box_math, masks as mask_ops
from tinyseg.errors import DataError
from tinyseg.exchange import from_supervision
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.views import View

Image = UInt8[np.ndarray, "_h _w 3"]


def letterbox(hw: tuple[int, int], input_hw: tuple[int, int]) -> View:
    """The view that shows all of a picture of height and width `hw`, in the middle of the input."""
    (height, width), scale = hw, min(input_hw[0] / hw[0], input_hw[1] / hw[1])
    over_x, over_y = (input_hw[1] / scale - width) / 2, (input_hw[0] / scale - height) / 2
    return View((-over_x, -over_y, width + over_x, height + over_y), input_hw)


def unboxed(found: Instances, hw: tuple[int, int], input_hw: tuple[int, int]) -> Instances:
    """Instances from the input's pixels into the picture's, without what lies in the bars."""
    lifted = letterbox(hw, input_hw).lift(found)
    frame = (0.0, 0.0, float(hw[1]), float(hw[0]))
    boxes, masks = box_math.clip(lifted.boxes, frame), mask_ops.cut(lifted.masks, frame)
    inside = Instances(boxes, masks, lifted.labels, lifted.scores)
    return inside.select((box_math.areas(boxes) > 0) & inside.has_mask)


Names = Sequence[str] | Mapping[int, str]
"""Class names by place, or by id."""

FORMS = "Instances, or what torchvision, supervision, Ultralytics or transformers answer"


def read_record(record: Any, hw: tuple[int, int], names: Names) -> Instances:
    """The instances of a picture of height and width `hw`, best first.

    Raises DataError for a form that is none of the above, with masks of another size than `hw` but
    Ultralytics', or with counts that differ.
    """
    if isinstance(record, list | tuple) and len(record) == 1:
        record = record[0]
    found = _read(record, hw)
    places = {key: place for place, key in enumerate(ids_of(names))}
    known = np.array([label in places for label in found.labels.tolist()], np.bool_)
    kept = found.select(known)
    labels = np.array([places[label] for label in kept.labels.tolist()], np.int64)
    named = Instances(kept.boxes, kept.masks, labels, kept.scores)
    return named.select(np.argsort(-named.scores, kind="stable"))


def ids_of(names: Names) -> list[int]:
    """The class ids that the names belong to."""
    return sorted(names) if isinstance(names, Mapping) else list(range(len(names)))


def _read(record: Any, hw: tuple[int, int]) -> Instances:
    if isinstance(record, Instances):
        return record
    if isinstance(record, Mapping) and "segments_info" in record:
        return _from_segments(record, hw)
    if isinstance(record, Mapping) and {"boxes", "labels", "scores"} <= record.keys():
        masks = record.get("masks")
        return _made(record["boxes"], record["labels"], record["scores"], masks, hw)
    if all(hasattr(record, name) for name in ("xyxy", "class_id", "confidence")):
        if record.mask is not None and not isinstance(record.mask, np.ndarray):
            return from_supervision(record)
        return _made(record.xyxy, record.class_id, record.confidence, record.mask, hw)
    if all(hasattr(record, name) for name in ("boxes", "masks", "names")):
        boxes, masks = record.boxes, record.masks
        data = None if masks is None else masks.data
        return _made(boxes.xyxy, boxes.cls, boxes.conf, data, hw, boxed=True)
    raise DataError("a network's answer", expected=FORMS, got=type(record).__name__)


def _made(
    boxes: Any, labels: Any, scores: Any, masks: Any, hw: tuple[int, int], *, boxed: bool = False
) -> Instances:
    rows = _array(boxes).astype(np.float64).reshape(-1, 4)
    ids = np.zeros(0) if labels is None else _array(labels)
    sure = np.ones(len(rows)) if scores is None else _array(scores).astype(np.float64)
    if masks is None:
        crops = mask_ops.filled(rows)
    else:
        dense = _array(masks)
        dense = dense[:, 0] if dense.ndim == 4 else dense
        if len(rows) and dense.shape[1:] != hw and not boxed:
            rule = "masks are of the picture's size (height, width)"
            raise DataError(rule, expected=hw, got=dense.shape[1:])
        crops = crop_masks(dense)
        if boxed and len(rows) and dense.shape[1:] != hw:
            view = letterbox(hw, (dense.shape[1], dense.shape[2]))
            plain = Instances.from_labels(crops, np.zeros(len(crops), np.int64))
            crops = mask_ops.cut(view.lift(plain).masks, (0.0, 0.0, float(hw[1]), float(hw[0])))
    found = Instances(rows, crops, ids.astype(np.int64), np.clip(sure, 0, 1))
    return found.select(found.has_mask)


def _from_segments(record: Mapping[str, Any], hw: tuple[int, int]) -> Instances:
    """Of a map of segment ids, or of one bitmap a segment."""
    told = record["segments_info"]
    if not told or record["segmentation"] is None:
        return Instances.empty()
    pixels = _array(record["segmentation"])
    if pixels.shape[-2:] != hw:
        rule = "segments are of the picture's size (height, width): give target_sizes"
        raise DataError(rule, expected=hw, got=pixels.shape)
    bits = [pixels == one["id"] for one in told] if pixels.ndim == 2 else list(pixels > 0)
    masks = mask_ops.from_bitmaps(bits)
    labels = np.array([int(one["label_id"]) for one in told], np.int64)
    scores = np.array([float(one.get("score", 1.0)) for one in told])
    found = Instances(masks.boxes, masks, labels, np.clip(scores, 0, 1))
    return found.select(found.has_mask)


def crop_masks(dense: Float[np.ndarray, "n h w"] | Bool[np.ndarray, "n h w"]) -> CropMasks:
    """Bitmaps, or values 0 ... 1, each cropped to where it is at least one half and a pixel more,
    which says where between two pixels the outline lies."""
    if dense.dtype == np.bool_:
        return mask_ops.from_bitmaps(list(dense))
    origins, grids = [], []
    for values in dense:
        rows, columns = (np.flatnonzero((values >= 0.5).any(axis=axis)) for axis in (1, 0))
        top = left = 0
        part = values[:0, :0]
        if len(rows):
            top, left = max(int(rows[0]) - 1, 0), max(int(columns[0]) - 1, 0)
            part = values[top : int(rows[-1]) + 2, left : int(columns[-1]) + 2]
        origins.append((left, top))
        grids.append(np.rint(np.clip(part, 0, 1) * 255).astype(np.uint8))
    return CropMasks.pack_pixels(origins, grids)


def _array(values: Any) -> Any:
    """numpy's, from whatever holds numbers on whatever device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values)
