"""Many frames at once: pictures are decoded ahead, networks run, and merging follows behind.

    thread "ahead"        caller's thread          thread "merge"
    decode frame k + 2 -> views of frame k + 1 -> merge frame k, then `finish` it

Each arrow is a short queue, so that no more than a handful of frames is in memory. Frames come out
in the order in which they came in. A frame that could not be read is told to `on_error`, which may
raise; what was begun before is finished first, as it is when the caller is interrupted.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from tinyseg.errors import TinysegError
from tinyseg.merge import Seen
from tinyseg.predict.ahead import ahead
from tinyseg.predict.predictor import Predictor
from tinyseg.predict.sources import Shot
from tinyseg.predictions import FramePredictions
from tinyseg.views import FrameInfo

FRAMES_AT_ONCE = 8
MERGES_WAITING = 2
"""Frames that wait to be merged before the networks wait for them, beside those of one call."""

Image = UInt8[np.ndarray, "_height _width 3"]
Finish = Callable[[Shot, Image, FramePredictions], None]


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame on its way: its shot, the picture and what the plan goes by."""

    shot: Shot
    image: Image
    info: FrameInfo


def stream(
    predictor: Predictor,
    shots: Iterable[Shot],
    *,
    on_error: Callable[[str, TinysegError], None],
    finish: Finish | None = None,
) -> Generator[FramePredictions, None, None]:
    """The instances of each frame, in order; `finish` is called with it in the merging thread."""

    def work(frame: _Frame, seen: list[Seen]) -> FramePredictions:
        found = predictor.merge(seen, frame.info.hw)
        done = FramePredictions(frame.shot.name, frame.shot.file_name, frame.info.hw, found)
        if finish is not None:
            finish(frame.shot, frame.image, done)
        return done

    merging: deque[Future[FramePredictions]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="merge") as thread:
        for group in _groups(ahead(shots), predictor):
            if isinstance(group, Shot):
                yield from _drained(merging, 0)
                if isinstance(group.content, TinysegError):
                    on_error(group.name, group.content)
                continue
            looked = predictor.look([f.image for f in group], [f.info for f in group])
            for frame, seen in zip(group, looked, strict=True):
                merging.append(thread.submit(work, frame, seen))
            yield from _drained(merging, MERGES_WAITING)
        yield from _drained(merging, 0)


def _drained(merging: deque[Future[FramePredictions]], waiting: int) -> Iterator[FramePredictions]:
    """The oldest frames, until so many are left."""
    while len(merging) > waiting:
        yield merging.popleft().result()


def _groups(shots: Iterable[Shot], predictor: Predictor) -> Iterator[list[_Frame] | Shot]:
    """Frames that go through the networks together, and shots without a picture."""
    group: list[_Frame] = []
    for shot in shots:
        if isinstance(shot.content, TinysegError):
            yield from [group] if group else []
            yield shot
            group = []
            continue
        image = shot.content
        hw = (image.shape[0], image.shape[1])
        group.append(_Frame(shot, image, FrameInfo.named(shot.name, hw)))
        if len(group) >= min(predictor.frames_at_once(group[0].info), FRAMES_AT_ONCE):
            yield group
            group = []
    if group:
        yield group
