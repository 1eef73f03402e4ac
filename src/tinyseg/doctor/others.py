"""Formats that have no checks of their own: what their reader gives is looked at all the same.

In: a path, its format and the class list. Out: a Survey. Labels that the reader refuses are a
fault each; of the set itself what the reader refuses when it lists the frames is refused here too.
"""

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np

from tinyseg import masks as mask_ops
from tinyseg.data.dataset import list_frames
from tinyseg.doctor import kinds
from tinyseg.doctor.instances import apart_faults, overlap_faults, small_faults
from tinyseg.doctor.kinds import Fault
from tinyseg.doctor.label_maps import MOSTLY
from tinyseg.doctor.labels import LabelLook, Objects
from tinyseg.doctor.sources import Source, Survey
from tinyseg.errors import TinysegError
from tinyseg.frame import FrameLabels


def survey_other(path: Path, classes: tuple[str, ...], split: str | None, *, format: str) -> Survey:
    """The frames that the format's reader lists."""
    found = list_frames(path, format, classes, split).values()
    sources = {
        name: Source(name, picture, partial(look_at_labels, name, read))
        for listing in found
        for name, (picture, read) in listing.frames.items()
    }
    missing = {name: Fault(kinds.HALF_MISSING, name) for one in found for name in one.missing}
    return Survey(sources, missing)


def look_at_labels(name: str, read: Callable[[], FrameLabels]) -> LabelLook:
    """What a reader's labels say."""
    try:
        labels = read()
    except TinysegError as error:
        return LabelLook.unreadable(Fault(kinds.LABEL_REFUSED, name, str(error)))
    own, areas = labels.instances, mask_ops.area(labels.instances.masks)
    names = [f"instance {index}" for index in range(len(own))]
    masks = mask_ops.rasterise(own.masks)
    faults = small_faults(areas, name, names)
    faults += apart_faults(masks, areas, name, names, width=labels.hw[1])
    faults += overlap_faults(masks, own.labels, name, names)
    ignored = float(mask_ops.area(labels.ignore).sum() / (labels.hw[0] * labels.hw[1]))
    if ignored > MOSTLY:
        faults.append(Fault(kinds.IGNORE_LARGE, name, f"{ignored:.0%} of the pixels"))
    objects = Objects(own.labels, own.boxes, areas)
    return LabelLook(labels.hw, objects, tuple(faults), _digest(labels))


def _digest(labels: FrameLabels) -> bytes:
    """What tells the labels of two frames apart; empty where nothing is labelled."""
    own = labels.instances
    if len(own) == 0:
        return b""
    parts = (own.labels, own.boxes, own.masks.coverage)
    return blake2b(
        b"".join(np.ascontiguousarray(p).tobytes() for p in parts), digest_size=16
    ).digest()
