"""Frames that are one another: in a set, and across training and validation.

In: what was seen of each frame, in order. Out: faults. Pictures are one where their bytes are, and
nearly one where their thumbnails correlate by ALIKE or more; every frame is compared with every
other, 1,000 multiplications a pair, in blocks (39,000 frames: NOTES.md). Frames of one clip
are told by their names: the WAD's hold day and time, Cityscapes' a city, a sequence and a number.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from tinyseg.doctor import kinds
from tinyseg.doctor.kinds import Fault, FaultKind
from tinyseg.doctor.pictures import THUMBNAIL, Thumbnail

ALIKE = 0.995

NEAR_S = 5.0
"""Seconds between two frames of a clip that show the same cars."""

CITYSCAPES_HZ = 17.0

_BLOCK = 1024

Stack = Float32[np.ndarray, "_n pixels"]

_WAD_NAME = re.compile(r"^(\d{6})_(\d{2})(\d{2})(\d{5})_Camera_\d+$")
_CITYSCAPES_NAME = re.compile(r"^([a-z-]+)_(\d{6})_(\d{6})$")


@dataclass(frozen=True, slots=True)
class ComparedFrame:
    """What a frame is compared by; `part` is 0 for training and 1 for validation."""

    name: str
    part: int
    picture: Path
    digest: bytes
    label_digest: bytes
    thumbnail: Thumbnail | None


def twin_faults(frames: Sequence[ComparedFrame]) -> Iterator[Fault]:
    """Everything that two frames have in common and should not."""
    yield from _same(frames)
    train, val = ([f for f in frames if f.part == part] for part in (0, 1))
    yield from _alike(train, train, kinds.PICTURE_ALIKE)
    yield from _alike(val, val, kinds.PICTURE_ALIKE)
    yield from _alike(val, train, kinds.LEAK_ALIKE)
    yield from _neighbours(frames)


def _same(frames: Sequence[ComparedFrame]) -> Iterator[Fault]:
    """The same picture file, bytes of a picture, or labels, these on pictures known to differ."""
    trained = {frame.picture.resolve() for frame in frames if frame.part == 0}
    by_picture: dict[bytes, ComparedFrame] = {}
    by_labels: dict[bytes, ComparedFrame] = {}
    for frame in frames:
        path = frame.picture.resolve()
        if frame.part == 1 and path in trained:
            yield Fault(kinds.LEAK_FRAME, frame.name)
        if frame.digest:
            other = by_picture.setdefault(frame.digest, frame)
            if other.picture.resolve() != path:
                kind = kinds.PICTURE_TWICE if other.part == frame.part else kinds.LEAK_PICTURE
                yield Fault(kind, frame.name, f"as {other.name}")
        if frame.label_digest:
            other = by_labels.setdefault(frame.label_digest, frame)
            if frame.digest and other.digest and frame.digest != other.digest:
                yield Fault(kinds.LABEL_TWICE, frame.name, f"as {other.name}")


def _alike(
    ones: Sequence[ComparedFrame], others: Sequence[ComparedFrame], kind: FaultKind
) -> Iterator[Fault]:
    """Of each frame the one it resembles most, if it does; in one list only those before it."""
    pairs = _likest(_stacked(ones), _stacked(others), earlier=ones is others)
    for index, other_index, likeness in pairs:
        one, other = ones[index], others[other_index]
        same = one.digest == other.digest or one.picture.resolve() == other.picture.resolve()
        if not same:
            yield Fault(kind, one.name, f"as {other.name}, correlation {likeness:.4f}")


def _stacked(frames: Sequence[ComparedFrame]) -> Stack:
    """A row a frame; zeros, which resemble nothing, where there is no thumbnail."""
    stack = np.zeros((len(frames), THUMBNAIL**2), np.float32)
    for row, frame in zip(stack, frames, strict=True):
        row[:] = 0 if frame.thumbnail is None else frame.thumbnail
    return stack


def _likest(ones: Stack, others: Stack, *, earlier: bool) -> Iterator[tuple[int, int, float]]:
    """For each row that one of the others resembles, that row and the one it resembles most."""
    for start in range(0, len(ones) if len(others) else 0, _BLOCK):
        places = np.arange(start, min(start + _BLOCK, len(ones)))
        end = int(places[-1]) + 1 if earlier else len(others)
        likeness = ones[places] @ others[:end].T
        if earlier:
            likeness[np.arange(end)[None] >= places[:, None]] = -1.0
        best = likeness.argmax(axis=1)
        values = likeness[np.arange(len(places)), best]
        for index in np.flatnonzero(values >= ALIKE).tolist():
            yield start + index, int(best[index]), float(values[index])


def _neighbours(frames: Sequence[ComparedFrame]) -> Iterator[Fault]:
    """Validation frames within NEAR_S of a training frame of the same clip, others than it."""
    moments: dict[str, list[tuple[float, str]]] = {}
    for frame in frames:
        told = moment_of(frame.name)
        if told is not None and frame.part == 0:
            moments.setdefault(told[0], []).append((told[1], frame.name))
    for clip in moments.values():
        clip.sort()
    for frame in frames:
        told = moment_of(frame.name)
        if told is not None and frame.part == 1:
            clip, moment = moments.get(told[0], []), told[1]
            at = bisect_left(clip, (moment, ""))
            around = [(abs(t - moment), name) for t, name in clip[max(at - 2, 0) : at + 3]]
            seconds, name = min((one for one in around if one[1] != frame.name), default=(inf, ""))
            if seconds <= NEAR_S:
                yield Fault(kinds.LEAK_CLIP, frame.name, f"{seconds:.1f} s from {name}")


def moment_of(name: str) -> tuple[str, float] | None:
    """The clip that a frame's name tells, and the second in it; None for other names.

    The WAD's two cameras look at the same street, so they are one clip.
    """
    stem = name.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".jpg")
    wad = _WAD_NAME.match(stem)
    if wad is not None:
        day, hours, minutes, milliseconds = wad.groups()
        return day, int(hours) * 3600 + int(minutes) * 60 + int(milliseconds) / 1000
    city = _CITYSCAPES_NAME.match(stem)
    if city is not None:
        return f"{city.group(1)}_{city.group(2)}", int(city.group(3)) / CITYSCAPES_HZ
    return None
