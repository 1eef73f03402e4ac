"""A location prior: where instances of which size stand, for a fixed camera.

In: the labels of a training set, whose frames' names tell their cameras. Out: for each camera and
frame size the counts of instance centres by octave of size, row and coarse column; from them the
expected instances per cell of a frame of that camera and size. A frame of another camera, another
size or an unknown camera has no prior: the answer is None, never a guess.

As a file it is JSON; what is not as `prior_to_json` writes it is refused with the place.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from pydantic import BaseModel, ConfigDict, Field

from tinyseg import boxes as box_math
from tinyseg.checked import checked
from tinyseg.errors import DataError
from tinyseg.frame import FrameLabels
from tinyseg.views.evidence import COUNT, Evidence, Grid, blurred, octaves_of
from tinyseg.views.plans import FrameInfo, camera_of

ROWS, COLUMNS = 128, 16
"""Bins of a histogram over the frame's height and width."""

ROW_BLUR, COLUMN_BLUR = 1.5, 1.0
"""Standard deviations, in bins, by which the counts are smoothed."""

EVEN_WEIGHT = 50.0
"""The counts of an octave are mixed with as many instances in the same rows of any small size,
spread evenly over the columns: few labels say little about columns, less about single cells."""

VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class CameraCounts:
    """Instance centres seen on so many frames of one camera and size."""

    camera: str
    hw: tuple[int, int]
    frames: int
    counts: Int64[np.ndarray, "octaves rows columns"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CameraCounts) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.camera, self.hw, self.frames, self.counts.tobytes()


@dataclass(frozen=True, slots=True)
class LocationPrior:
    """Counts by camera and frame size."""

    cameras: tuple[CameraCounts, ...]

    def find(self, info: FrameInfo) -> CameraCounts | None:
        """The counts of the frame's own camera and size; None where there are none."""
        own = [c for c in self.cameras if (c.camera, c.hw) == (info.camera, info.hw)]
        return own[0] if own else None

    def expected(self, info: FrameInfo) -> Evidence | None:
        """Expected instances per cell on Grid.of(info.hw), or None for a foreign frame."""
        own = self.find(info)
        return None if own is None else _density(own)

    def why_not(self, info: FrameInfo) -> str | None:
        """Why the prior says nothing about this frame; None where it does."""
        if self.find(info) is not None:
            return None
        known = ", ".join(f"camera {c.camera} at {_size(c.hw)}" for c in self.cameras)
        here = "unknown camera" if info.camera is None else f"camera {info.camera}"
        return f"the prior is not used: this frame is of {here} at {_size(info.hw)}, it of {known}"


def learn_prior(labels: Iterable[FrameLabels], *, camera: str | None = None) -> LocationPrior:
    """The prior of these frames; `camera` says whose all of them are, or their names do.

    Frames whose names tell no camera are left out; raises DataError where no frame is left.
    """
    by_key: dict[tuple[str, tuple[int, int]], list[FrameLabels]] = {}
    for frame in labels:
        own = camera_of(frame.name) if camera is None else camera
        if own is not None:
            by_key.setdefault((own, frame.hw), []).append(frame)
    if not by_key:
        rule = "a prior needs frames whose names tell their cameras"
        raise DataError(rule, expected="..._Camera_5, or one camera named for all")
    return LocationPrior(
        tuple(
            CameraCounts(name, hw, len(by_key[name, hw]), sum_counts(by_key[name, hw]))
            for name, hw in sorted(by_key)
        )
    )


def sum_counts(frames: list[FrameLabels]) -> Int64[np.ndarray, "octaves rows columns"]:
    """Instance centres of frames of one size, by octave, row and column."""
    counts = np.zeros((COUNT, ROWS, COLUMNS), np.int64)
    for frame in frames:
        boxes = frame.instances.boxes
        height, width = frame.hw
        rows = (boxes[:, 1] + boxes[:, 3]) / 2 / height * ROWS
        columns = (boxes[:, 0] + boxes[:, 2]) / 2 / width * COLUMNS
        place = (
            octaves_of(np.sqrt(box_math.areas(boxes))),
            np.clip(rows.astype(np.int64), 0, ROWS - 1),
            np.clip(columns.astype(np.int64), 0, COLUMNS - 1),
        )
        np.add.at(counts, place, 1)
    return counts


def _density(own: CameraCounts) -> Evidence:
    """Expected instances per cell of the frame's grid."""
    grid = Grid.of(own.hw)
    any_small = own.counts[:4].sum(axis=(0, 2)).astype(np.float64)
    even = np.repeat(any_small[:, None] / max(any_small.sum(), 1) / COLUMNS, COLUMNS, axis=1)
    cells = np.zeros(grid.shape)
    for octave, counts in enumerate(own.counts.astype(np.float64)):
        total = counts.sum()
        mixed = (counts + EVEN_WEIGHT * even) * total / (total + EVEN_WEIGHT)
        smooth = blurred(mixed / own.frames, rows=ROW_BLUR, columns=COLUMN_BLUR)
        # Counts of the histogram's bins as counts of the grid's cells, interpolated between bins
        height, width = grid.hw
        rows = grid.centres(0) / height * ROWS - 0.5
        columns = grid.centres(1) / width * COLUMNS - 0.5
        by_row = np.stack([np.interp(rows, np.arange(ROWS), line) for line in smooth.T], axis=1)
        by_cell = np.stack([np.interp(columns, np.arange(COLUMNS), line) for line in by_row])
        share = (grid.cell * ROWS / height) * (grid.cell * COLUMNS / width)
        cells[octave] = by_cell * share
    return cells


def _size(hw: tuple[int, int]) -> str:
    return f"{hw[1]} x {hw[0]}"


# The file.


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _CameraFile(_Checked):
    camera: str
    hw: list[int] = Field(min_length=2, max_length=2)
    frames: int = Field(ge=1)
    counts: list[list[int]]
    """Octave, row, column and count of every bin that is not empty."""


class _PriorFile(_Checked):
    version: int = Field(ge=VERSION, le=VERSION)
    octaves: int = Field(ge=COUNT, le=COUNT)
    rows: int = Field(ge=ROWS, le=ROWS)
    columns: int = Field(ge=COLUMNS, le=COLUMNS)
    cameras: list[_CameraFile] = Field(min_length=1)


def prior_to_json(prior: LocationPrior) -> str:
    """The prior as JSON text; `prior_from_json` reads it back."""
    cameras = [
        _CameraFile(camera=c.camera, hw=list(c.hw), frames=c.frames, counts=_listed(c.counts))
        for c in prior.cameras
    ]
    measures = {"octaves": COUNT, "rows": ROWS, "columns": COLUMNS}
    return _PriorFile(version=VERSION, **measures, cameras=cameras).model_dump_json()


def read_prior(path: Path) -> LocationPrior:
    """The prior of a file."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataError("the prior cannot be read", path=path, got=error.strerror) from error
    return prior_from_json(text, path=path)


def prior_from_json(text: str | bytes, *, path: Path | str | None = None) -> LocationPrior:
    """The prior of `prior_to_json`; raises DataError with the place for anything else."""
    file = checked(_PriorFile, text, error=DataError, path=path, rule="not a prior: ")
    cameras = tuple(_camera(one, path, f"cameras.{i}") for i, one in enumerate(file.cameras))
    if len({(c.camera, c.hw) for c in cameras}) != len(cameras):
        raise DataError("a prior holds each camera and frame size once", path=path)
    return LocationPrior(cameras)


def _listed(counts: Int64[np.ndarray, "octaves rows columns"]) -> list[list[int]]:
    places = np.nonzero(counts)
    return np.stack([*places, counts[places]], axis=1).tolist()


def _camera(file: _CameraFile, path: Path | str | None, where: str) -> CameraCounts:
    limits = (COUNT, ROWS, COLUMNS)
    counts = np.zeros(limits, np.int64)
    if min(file.hw) < 1:
        raise DataError("a frame has an area", path=path, where=f"{where}.hw", got=file.hw)
    for i, entry in enumerate(file.counts):
        place, ends = entry[:-1], limits
        inside = len(entry) == 4 and all(0 <= p < end for p, end in zip(place, ends, strict=True))
        if not inside or not 0 < entry[-1] < 2**31:
            rule = "a count is octave, row, column, number"
            at = f"{where}.counts.{i}"
            raise DataError(rule, path=path, where=at, expected=f"below {limits}", got=entry)
        counts[place[0], place[1], place[2]] += entry[-1]
    return CameraCounts(file.camera, (file.hw[0], file.hw[1]), file.frames, counts)
