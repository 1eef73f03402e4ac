"""What a reader lists of a data set, before a picture or a label is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyseg.frame import FrameLabels

Files = tuple[Path, Callable[[], FrameLabels]]
"""Where a frame's picture lies, and what reads its labels: whole, with the faults beside."""


@dataclass(frozen=True, slots=True)
class Found:
    """Frames by name, and what else is known of the data set.

    `missing` are the names of which picture or label is not there. `labelled` are the data set's
    own classes by name: objects of any other class may stand in its pictures without a label; None
    where all classes of the list are labelled. `remarks` are sentences for the user.
    """

    frames: dict[str, Files]
    missing: tuple[str, ...] = ()
    labelled: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()
