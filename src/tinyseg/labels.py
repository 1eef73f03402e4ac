"""Class lists, and the maps between data sets by class name.

A class list is a tuple of names; a label is an index into it. Networks and predictions carry
their list with them, so an index never travels without its meaning.
"""

from collections.abc import Sequence
from types import MappingProxyType

WAD_IDS = MappingProxyType(
    {
        33: "car",
        34: "motorcycle",
        35: "bicycle",
        36: "person",
        38: "truck",
        39: "bus",
        40: "tricycle",
    }
)
"""The challenge's scored classes by label id. 37, rider, is labelled but never scored."""

WAD_CLASSES = tuple(WAD_IDS.values())
"""The seven scored classes, in the order of their ids: the class list unless another is named."""

WAD_RIDER = 37
WAD_BACKGROUND = 255
WAD_IGNORE = 65535

CITYSCAPES_IDS = MappingProxyType(
    {
        24: "person",
        25: "rider",
        26: "car",
        27: "truck",
        28: "bus",
        29: "caravan",
        30: "trailer",
        31: "train",
        32: "motorcycle",
        33: "bicycle",
    }
)
"""Cityscapes' classes with instances, by label id."""

ALIASES = MappingProxyType({"motorbike": "motorcycle", "pedestrian": "person", "bike": "bicycle"})
"""Other names in use for the same classes."""


def canonical(name: str) -> str:
    """The name as this package writes it: lower case, one of several names in use."""
    plain = name.strip().lower()
    return ALIASES.get(plain, plain)


def index_of(name: str, classes: Sequence[str]) -> int | None:
    """Place of the class of this name in a class list, aliases understood; None if not there."""
    wanted = canonical(name)
    return next((i for i, own in enumerate(classes) if canonical(own) == wanted), None)


def judged_classes(found: Sequence[str]) -> tuple[str, ...]:
    """What predictions with this class list are judged on: the challenge's classes if it has them
    all, so that one that is never found counts as missed; else the list itself."""
    challenge = all(index_of(name, WAD_CLASSES) is not None for name in found)
    return WAD_CLASSES if challenge else tuple(found)
