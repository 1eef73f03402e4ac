"""A frame on its way into another format, what all frames of a job share, and what was lost.

A format is a record of functions (Target): which of the classes it can hold and under which ids,
where a picture goes, how a frame's labels are written, and what is written once at the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath

from tinyseg.frame import FrameLabels, Instances


@dataclass(frozen=True, slots=True)
class Job:
    """What all frames share: the folder that is filled, classes with their ids in the new format,
    whether masks become polygons where the format has both, and pictures links."""

    folder: Path
    classes: tuple[str, ...]
    ids: tuple[int, ...]
    polygons: bool
    link: bool


@dataclass(frozen=True, slots=True)
class ConvertedFrame:
    """One frame: its number from 1, its split, its new name, where its picture went, its labels in
    pixels, and the objects of which only a box is known."""

    number: int
    split: str
    stem: str
    picture: PurePosixPath
    labels: FrameLabels
    boxes: Instances


@dataclass(frozen=True, slots=True)
class Lost:
    """What the new format could not hold."""

    gone: int = 0
    """Objects without a pixel of their own."""
    covered_pixels: int = 0
    """Pixels of objects that went to smaller ones on top of them: a label map has one layer."""
    bridged: int = 0
    """Objects of several parts or with holes whose outline became one polygon, by bridges."""
    filled: int = 0
    """Objects whose holes were filled."""
    unignored: int = 0
    """Frames whose ignore region was left out."""
    boxes: int = 0
    """Objects of which only a box is known, left out."""

    def __add__(self, other: "Lost") -> "Lost":
        return Lost(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def told(self) -> list[str]:
        """What was lost in words, a fact a line."""
        words = {
            "objects without a pixel of their own": self.gone,
            "pixels of objects that went to smaller ones on top": self.covered_pixels,
            "objects of several parts or with holes, their rings joined by bridges": self.bridged,
            "objects whose holes were filled": self.filled,
            "frames whose ignore region the format cannot hold": self.unignored,
            "boxes without a mask, which the format cannot hold": self.boxes,
        }
        return [f"{count} {what}" for what, count in words.items() if count]


Rows = list[bytes]
"""What a frame adds to the file of the whole data set, JSON objects; empty for most formats."""


@dataclass(frozen=True, slots=True)
class Target:
    """One format to convert to."""

    holds: Callable[[Sequence[str]], list[int | None]]
    """The id of each class in the new format, None for those that it cannot hold."""
    picture: Callable[[str, str, str], PurePosixPath]
    """Where the picture goes, from the frame's name, the picture's ending and the split."""
    write: Callable[[Job, ConvertedFrame], tuple[Rows, Lost]]
    close: Callable[[Job, Sequence[ConvertedFrame], Sequence[Rows]], None] = (
        lambda job, pages, rows: None
    )
    apart: bool = True
    """Whether the format keeps splits apart."""
    called: Callable[[str], str | None] = lambda split: split
    """The format's name of a split, None where it cannot have it."""


def counted(first: int) -> Callable[[Sequence[str]], list[int | None]]:
    """Ids first, first + 1, ... for any classes."""
    return lambda classes: list(range(first, first + len(classes)))
