"""The masks of one COCO image: decoded, cut to the image, compared with their boxes and others.

In: the image's sound annotations as JSON text (coco_annotations.py). Out: a LabelLook.
"""

from hashlib import blake2b

import numpy as np
import orjson
from jaxtyping import Bool, Float64

from tinyseg import boxes as box_math
from tinyseg import masks as mask_ops
from tinyseg.doctor import kinds
from tinyseg.doctor.coco_annotations import CROWD, Image, Row
from tinyseg.doctor.instances import apart_faults, overlap_faults, small_faults
from tinyseg.doctor.kinds import Fault
from tinyseg.doctor.label_maps import MOSTLY
from tinyseg.doctor.labels import LabelLook, Objects
from tinyseg.errors import MaskError
from tinyseg.masks import CropMasks

FIT_IOU, FIT_PIXELS = 0.5, 3.0
"""A box fits its mask from this IoU on, or where no side is off by more pixels than this."""


def look_at_annotations(text: bytes, image: Image) -> LabelLook:
    """Everything there is to say of one image's annotations."""
    faults: list[Fault] = []
    rows, parts = [], []
    for row in orjson.loads(text):
        try:
            parts.append(_decode(row, image.hw))
        except MaskError as error:
            kind = kinds.RLE_DAMAGED if row["coded"] else kinds.POLYGON_NUMBERS
            faults.append(Fault(kind, image.file_name, f"annotation {row['id']}: {error}"))
            continue
        rows.append(row)
    masks, labels = CropMasks.concatenate(parts), np.array([r["label"] for r in rows], np.int64)
    areas = mask_ops.area(masks)
    objects = labels != CROWD
    ignored = float(areas[~objects].sum() / (image.hw[0] * image.hw[1]))
    if ignored > MOSTLY:
        faults.append(Fault(kinds.IGNORE_LARGE, image.file_name, f"{ignored:.0%} of the pixels"))
    names = [f"annotation {row['id']}" for row in rows]
    own = [name for name, is_object in zip(names, objects, strict=True) if is_object]
    faults += small_faults(areas[objects], image.file_name, own)
    visible = objects & (areas > 0)
    seen = [name for name, is_seen in zip(names, visible, strict=True) if is_seen]
    shapes = masks.select(visible)
    width = image.hw[1]
    faults += apart_faults(shapes, areas[visible], image.file_name, seen, width=width)
    faults += overlap_faults(shapes, labels[visible], image.file_name, seen)
    faults += _box_faults(rows, masks, visible, image)
    kept = Objects(labels[visible], shapes.boxes, areas[visible])
    return LabelLook(image.hw, kept, tuple(faults), _digest(rows) if len(kept) else b"")


def _decode(row: Row, hw: tuple[int, int]) -> CropMasks:
    """One mask in pixel form, inside the image and tight around its pixels."""
    shape = row["shape"]
    if not row["coded"]:
        return mask_ops.from_polygons([shape], hw)
    if isinstance(shape, str):
        return mask_ops.from_coco_rle([shape], hw)
    return mask_ops.from_coco_counts([shape], hw)


def _box_faults(
    rows: list[Row], masks: CropMasks, visible: Bool[np.ndarray, " n"], image: Image
) -> list[Fault]:
    """Boxes far from their masks."""
    faults = []
    for index in np.flatnonzero(visible).tolist():
        given = rows[index]["box"]
        if given is None:
            continue
        x, y, w, h = given
        frame = (0.0, 0.0, float(image.hw[1]), float(image.hw[0]))
        told = box_math.clip(np.array([[x, y, x + w, y + h]], np.float64), frame)
        drawn = masks.boxes[index : index + 1]
        if _fit(told, drawn):
            continue
        words = f"annotation {rows[index]['id']}: box {_shown(told)}, mask {_shown(drawn)}"
        faults.append(Fault(kinds.BOX_DIFFERS, image.file_name, words))
    return faults


def _fit(told: Float64[np.ndarray, "1 4"], drawn: Float64[np.ndarray, "1 4"]) -> bool:
    near = bool(np.abs(told - drawn).max() <= FIT_PIXELS)
    return near or float(box_math.iou(told, drawn)[0, 0]) >= FIT_IOU


def _shown(box: Float64[np.ndarray, "1 4"]) -> str:
    return ", ".join(f"{value:.0f}" for value in box[0])


def _digest(rows: list[Row]) -> bytes:
    """What tells the labels of two images apart, ids aside."""
    text = orjson.dumps([[row["label"], row["shape"]] for row in rows])
    return blake2b(text, digest_size=16).digest()
