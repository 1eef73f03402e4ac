"""Label maps of the WAD and Cityscapes: file, values, instances.

In: a path, and what each value means under a class list (data/wad.py). Out: a LabelLook; values
that mean nothing are faults and count as background, so that the rest can still be looked at.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int16, Int64, UInt16

from tinyseg import masks as mask_ops
from tinyseg.data import MEANS_BACKGROUND, MEANS_IGNORE, MEANS_UNKNOWN
from tinyseg.doctor import kinds
from tinyseg.doctor.kinds import Fault
from tinyseg.doctor.labels import LabelLook, Objects, apart_faults, small_faults
from tinyseg.doctor.pictures import damage_kind, digest_of, picture_fault_text
from tinyseg.errors import ImageError
from tinyseg.image import Header, read_header, read_label
from tinyseg.masks import CropMasks

MOST_VALUES = 2000
"""A map with more values is no label map; the WAD's densest frame has 99 instances."""

MOSTLY = 0.5
"""Share of a frame's pixels that may be ignored."""

Meanings = Int16[np.ndarray, "65536"]


@dataclass(frozen=True, slots=True)
class Code:
    """How a format writes labels: what its values mean here, its commonest background, which values
    are a class id without an instance, whether such a one is a group, and the other format's."""

    meanings: Meanings
    background: int
    lone_ids: tuple[int, ...]
    lone_is_group: bool
    other: Meanings


def look_at_map(path: Path, place: str, code: Code) -> LabelLook:
    """Everything there is to say of one label map."""
    try:
        fault = _header_fault(read_header(path), place)
        if fault is not None:
            return LabelLook.unreadable(fault)
        label = read_label(path)
    except ImageError as error:
        kind = _KINDS.get(damage_kind(error), kinds.LABEL_DAMAGED)
        detail = path.name if kind is kinds.LABEL_EMPTY else picture_fault_text(error)
        return LabelLook.unreadable(Fault(kind, place, detail))
    # A background value's box would be the frame; a map without one has no such value.
    values, boxes = mask_ops.value_boxes(label, background=code.background)
    if len(values) > MOST_VALUES:
        noise = Fault(kinds.LABEL_NOISE, place, f"{len(values)} values")
        return LabelLook((label.shape[0], label.shape[1]), Objects.none(), (noise,))
    faults = _value_faults(label, values, place, code)
    meaning = code.meanings[values].astype(np.int64)
    kept = (meaning >= 0) | (meaning == MEANS_IGNORE)
    masks = mask_ops.cut_values(label, values[kept], boxes[kept])
    hw = (label.shape[0], label.shape[1])
    objects, more = _instances(values[kept], meaning[kept], masks, place, hw)
    return LabelLook(hw, objects, (*faults, *more), digest_of(path) if len(objects) else b"")


def _header_fault(header: Header, place: str) -> Fault | None:
    """What can be told without decoding."""
    if header.type != "PNG":
        return Fault(kinds.LABEL_NOT_PNG, place, header.type)
    if header.mode != "grey":
        return Fault(kinds.LABEL_COLOUR, place, f"{header.mode}, {header.bits} bits")
    if header.bits != 16:
        return Fault(kinds.LABEL_8_BIT, place, f"{header.bits} bits")
    return None


_KINDS = {
    kinds.PICTURE_EMPTY: kinds.LABEL_EMPTY,
    kinds.PICTURE_FOREIGN: kinds.LABEL_NOT_PNG,
    kinds.PICTURE_CUT: kinds.LABEL_CUT,
}
"""What a picture's damage is called in a label map."""


def _value_faults(
    label: UInt16[np.ndarray, "h w"], values: Int64[np.ndarray, " n"], place: str, code: Code
) -> list[Fault]:
    """Values without a meaning, by the likeliest cause."""
    unknown = values[code.meanings[values] == MEANS_UNKNOWN]
    if len(unknown) == 0:
        # Several classes, all of them as groups and none as an instance
        lone = np.isin(values, code.lone_ids)
        if not code.lone_is_group or lone.sum() < 2 or (values >= min(code.lone_ids) * 1000).any():
            return []
        return [Fault(kinds.GROUPS_ONLY, place, f"values {', '.join(map(str, values[lone]))}")]
    if (label == code.background).any():
        values = np.append(values, code.background)
    has_background = (code.meanings[values] == MEANS_BACKGROUND).any()
    rest = unknown[unknown != 0]
    if not len(rest) and not has_background:
        kind = kinds.BACKGROUND_ZERO
    elif not code.lone_is_group and len(rest) and np.isin(rest, code.lone_ids).all():
        kind = kinds.CLASS_ALONE
    elif (code.other[values] != MEANS_UNKNOWN).all():
        kind = kinds.OTHER_FORMAT
    else:
        kind = kinds.UNKNOWN_CLASS
    pixels = int(np.isin(label, unknown).sum())
    shown = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
    told = f"{'value' if len(unknown) == 1 else 'values'} {shown} on {pixels} pixels"
    return [Fault(kind, place, told)]


def _instances(
    values: Int64[np.ndarray, " n"],
    meaning: Int64[np.ndarray, " n"],
    masks: CropMasks,
    place: str,
    hw: tuple[int, int],
) -> tuple[Objects, list[Fault]]:
    """The objects among the masks, and what is wrong with them and the ignored rest."""
    areas, is_object = mask_ops.area(masks), meaning >= 0
    ignored = float(areas[~is_object].sum() / (hw[0] * hw[1]))
    faults = []
    if ignored > MOSTLY:
        faults.append(Fault(kinds.IGNORE_LARGE, place, f"{ignored:.0%} of the pixels"))
    own, own_areas = masks.select(is_object), areas[is_object]
    names = [f"value {value}" for value in values[is_object].tolist()]
    faults += small_faults(own_areas, place, names)
    faults += apart_faults(own, own_areas, place, names, width=hw[1])
    return Objects(meaning[is_object], own.boxes, own_areas), faults
