"""One annotation of a COCO .json at a time: ids, category, box, polygons or run lengths.

In: a row as it stands in the file, and the images and categories that are known. Out: what is left
to be decoded when the image is looked at, or None; and faults, named by the image where it is
known. Nothing is decoded here.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from tinyseg.doctor import kinds
from tinyseg.doctor.kinds import Fault, Kind

FARTHEST = 2.0**20
"""Pixels from the origin within which coordinates are taken seriously."""

MARGIN = 1.0
"""Pixels that an outline may leave the frame by: half a pixel's conventions, and rounding."""

CROWD = -1
"""The label of a crowd, which is ignored."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the .json names."""

    file_name: str
    hw: tuple[int, int]


@dataclass(slots=True)
class Known:
    """What annotations refer to, and the annotation ids that are taken so far."""

    images: dict[int, Image]
    labels: dict[int, int | None]
    """By category id; None: outside the class list."""
    taken: set[int] = field(default_factory=set)


def check_annotation(row: object, place: str, known: Known, faults: list[Fault]) -> Row | None:
    """The row's id, image, label, shape and box if it is sound and of a class of the list."""
    if not isinstance(row, dict):
        faults.append(Fault(kinds.JSON_KEY, place, f"not an object: {shown(row)}"))
        return None
    key, image_id, category_id = (id_of(row, k) for k in ("id", "image_id", "category_id"))
    if key is None or image_id is None or category_id is None:
        faults.append(
            Fault(kinds.JSON_KEY, place, shown_keys(row, "id", "image_id", "category_id"))
        )
        return None
    image = known.images.get(image_id)
    where = f"annotation {key}"
    if image is None:
        faults.append(Fault(kinds.IMAGE_DANGLING, place, f"{where}: image_id {image_id}"))
        return None
    if key in known.taken:
        faults.append(Fault(kinds.ANNOTATION_ID_TWICE, image.file_name, where))
        return None
    known.taken.add(key)
    if category_id not in known.labels:
        told = f"{where}: category_id {category_id}"
        faults.append(Fault(kinds.CATEGORY_DANGLING, image.file_name, told))
        return None
    found = [*_shape_faults(row.get("segmentation"), image), *_box_faults(row, image)]
    faults.extend(Fault(kind, image.file_name, f"{where}: {told}") for kind, told in found)
    return _kept(row, known.labels[category_id], image, found)


def _kept(row: Row, label: int | None, image: Image, found: list[tuple[Kind, str]]) -> Row | None:
    spoiled = any(kind not in _HARMLESS for kind, _ in found)
    if label is None or spoiled:
        return None
    box = row.get("bbox") if "bbox" in row and not _box_faults(row, image) else None
    crowd = row.get("iscrowd") in (1, True)
    shape = row["segmentation"]
    shape = shape if isinstance(shape, list) else shape["counts"]
    coded = not isinstance(row["segmentation"], list)
    kept: Row = {"id": row["id"], "label": CROWD if crowd else label, "box": box}
    return {**kept, "shape": shape, "coded": coded}


_HARMLESS = (kinds.POLYGON_OUTSIDE, kinds.BOX_DAMAGED, kinds.BOX_OUTSIDE)


def _shape_faults(shape: object, image: Image) -> list[tuple[Kind, str]]:
    if isinstance(shape, dict):
        return _run_faults(shape, image)
    if not isinstance(shape, list) or not shape:
        return [(kinds.SHAPE_MISSING, f"segmentation is {shown(shape)}")]
    faults = []
    for number, polygon in enumerate(shape):
        fault = _polygon_fault(polygon, image)
        if fault is not None:
            faults.append((fault[0], f"polygon {number}: {fault[1]}"))
    return faults


def _polygon_fault(polygon: object, image: Image) -> tuple[Kind, str] | None:
    if not isinstance(polygon, list):
        return kinds.POLYGON_NUMBERS, shown(polygon)
    if not are_coordinates(polygon):
        bad = next(v for v in polygon if not are_coordinates([v]))
        return kinds.POLYGON_NUMBERS, shown(bad)
    if len(polygon) < 6 or len(polygon) % 2:
        return kinds.POLYGON_SHORT, f"{len(polygon)} numbers"
    x, y = polygon[0::2], polygon[1::2]
    height, width = image.hw
    out = max(-min(x), -min(y), max(x) - width, max(y) - height)
    if out > MARGIN:
        return kinds.POLYGON_OUTSIDE, f"by {out:.1f} px of {width} x {height}"
    return None


def _run_faults(shape: Row, image: Image) -> list[tuple[Kind, str]]:
    if shape.get("size") != list(image.hw):
        told = f"{shown_size(shape.get('size'))}, image {list(image.hw)}"
        return [(kinds.RLE_SIZE, told)]
    counts, total = shape.get("counts"), image.hw[0] * image.hw[1]
    if isinstance(counts, str) and counts:
        return []  # decoded, and so checked, when its image is looked at
    if not isinstance(counts, list):
        return [(kinds.RLE_DAMAGED, f"counts is {shown(counts)}")]
    if not all(type(count) is int and 0 <= count <= total for count in counts):
        return [(kinds.RLE_DAMAGED, "counts that are negative, too large or no whole numbers")]
    if sum(counts) != total:
        return [(kinds.RLE_DAMAGED, f"counts add up to {sum(counts)}, not {total}")]
    return []


def _box_faults(row: Row, image: Image) -> list[tuple[Kind, str]]:
    """Of bbox, where there is one; it may be left out."""
    if row.get("bbox") is None:
        return []
    box = row["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not are_coordinates(box):
        return [(kinds.BOX_DAMAGED, f"bbox {box!r:.60}")]
    x, y, w, h = box
    if w <= 0 or h <= 0:
        return [(kinds.BOX_DAMAGED, f"width {w}, height {h}")]
    out = max(-x, -y, x + w - image.hw[1], y + h - image.hw[0])
    if out > MARGIN:
        return [(kinds.BOX_OUTSIDE, f"by {out:.1f} px of {image.hw[1]} x {image.hw[0]}")]
    return []


def are_coordinates(values: list[Any]) -> bool:
    """Whether these are finite numbers of a sensible size."""
    if not {*map(type, values)} <= {int, float}:
        return False
    # Whole lists first: tens of millions of numbers come by here.
    return not values or (
        min(values) >= -FARTHEST and max(values) <= FARTHEST and math.isfinite(sum(values))
    )


def id_of(row: Row, key: str) -> int | None:
    """A whole number that is not negative, None for anything else; `true` is none."""
    value = row.get(key)
    return value if type(value) is int and value >= 0 else None


def text_of(row: Row, key: str) -> str | None:
    """Text with something in it, None for anything else."""
    value = row.get(key)
    sound = isinstance(value, str) and value.strip() and "\0" not in value
    return value if isinstance(value, str) and sound else None


def shown_keys(row: Row, *keys: str) -> str:
    """Some of an object's values in few words."""
    return ", ".join(f"{key} {shown(row.get(key))}" for key in keys)


def shown_size(value: object) -> str:
    """A size as it stands in the file."""
    return f"size {value!r:.40}"


def shown(value: object) -> str:
    """A value in few words."""
    if isinstance(value, list | dict):
        return f"a {'list' if isinstance(value, list) else 'JSON object'} of {len(value)}"
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
