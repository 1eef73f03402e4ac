"""What a reader lists of a data set, before a picture or a label is read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyseg.errors import TinysegError
from tinyseg.frame import FrameLabels

Files = tuple[Path, Callable[[], FrameLabels]]
"""Where a frame's picture lies, and what reads its labels: whole, with the faults beside."""


def names_below(root: Path, files: Sequence[Path]) -> list[str]:
    """A name for each file: its own without its ending where no two are alike, else its path below
    the root, with its ending where it needs that too."""
    for named in (
        lambda path: path.stem,
        lambda path: _below(root, path).with_suffix("").as_posix(),
        lambda path: _below(root, path).as_posix(),
    ):
        names = [named(path) for path in files]
        if len(set(names)) == len(files):
            return names
    return [str(path) for path in files]


def _below(root: Path, path: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


@dataclass(frozen=True, slots=True)
class Found:
    """Frames by name, and what else is known of the data set.

    `missing` are the names of which picture or label is not there. `labelled` are the data set's
    own classes by name: objects of any other class may stand in its pictures without a label; None
    where all classes of the list are labelled. `remarks` are sentences for the user. `faults` are
    what is broken in the set itself and therefore in no frame, `doubts` what is odd, for the
    doctor. `ids` are what the data set's files call a frame, by its name, where they number them.
    """

    frames: dict[str, Files]
    missing: tuple[str, ...] = ()
    labelled: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()
    faults: tuple[TinysegError, ...] = ()
    doubts: tuple[TinysegError, ...] = ()
    ids: dict[str, int | str] = field(default_factory=dict)
