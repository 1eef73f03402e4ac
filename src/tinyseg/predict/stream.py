"""Many frames at once: pictures are decoded ahead, networks run, and merging follows behind.

    thread "ahead"        caller's thread          thread "merge"
    decode frame k + 2 -> views of frame k + 1 -> merge frame k, then `finish` it

Each arrow is a short queue, so that no more than a handful of frames is in memory. Frames come out
in the order in which they came in. A frame that could not be read, or that a device cannot look at,
is told to `on_error`, which may raise; what was begun before is finished first, as it is when the
caller is interrupted.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from tinyseg.errors import DeviceError, TinysegError
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
Finish = Callable[[FramePredictions, str, Image | None], None]
"""What is done with a finished frame, its file's mark, and its picture where that is kept."""


DECODED_AHEAD = {"cpu": 0}
"""Pictures decoded before they are asked for, by kind of device, or 2: on the cores that the
network itself uses nothing is gained, and a frame of 9 megapixels takes 27 MB."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame on its way: its shot, the picture and what the plan goes by."""

    shot: Shot
    image: Image
    info: FrameInfo


def predict_shots(
    predictor: Predictor,
    shots: Iterable[Shot],
    *,
    on_error: Callable[[str, TinysegError], None],
    finish: Finish | None = None,
    pictures: bool = False,
) -> Generator[FramePredictions, None, None]:
    """The instances of each frame, in order; `finish` is called with it in the merging thread.

    With `pictures` each picture is kept for that; without, it goes when the network has seen it.
    """

    def work(
        shot: Shot, image: Image | None, info: FrameInfo, seen: list[Seen]
    ) -> FramePredictions:
        found = predictor.merge(seen, info.hw)
        done = FramePredictions(shot.name, shot.file_name, info.hw, found)
        if finish is not None:
            finish(done, shot.mark, image)
        return done

    depth = DECODED_AHEAD.get(predictor.device.type, 2)
    merging: deque[Future[FramePredictions]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="merge") as thread:

        def begin(frame: _Frame, seen: list[Seen]) -> None:
            bare, image = replace(frame.shot, content=None), frame.image if pictures else None
            merging.append(thread.submit(work, bare, image, frame.info, seen))

        for group in _groups(ahead(shots, depth=depth), predictor):
            if isinstance(group, Shot):
                yield from _drained(merging, 0)
                if isinstance(group.content, TinysegError):
                    on_error(group.name, group.content)
                continue
            for frame, seen in _looked(predictor, group):
                if isinstance(seen, DeviceError):
                    yield from _drained(merging, 0)
                    on_error(frame.shot.name, seen.at(path=frame.shot.name))
                else:
                    begin(frame, seen)
            # The next pictures are decoded when these are gone.
            group.clear()
            del frame, seen
            yield from _drained(merging, MERGES_WAITING)
        yield from _drained(merging, 0)


def _looked(
    predictor: Predictor, group: Sequence[_Frame]
) -> list[tuple[_Frame, list[Seen] | DeviceError]]:
    """What is seen on each frame; where a device fails on several, each is looked at alone."""
    try:
        seen = predictor.look([f.image for f in group], [f.info for f in group])
    except DeviceError as error:
        if len(group) == 1:
            return [(group[0], error)]
        return [one for frame in group for one in _looked(predictor, [frame])]
    return list(zip(group, seen, strict=True))


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
        elif shot.content is not None:
            group.append(_frame(shot, shot.content))
        del shot  # with its picture
        if not group:
            continue
        if len(group) >= min(predictor.frames_at_once(group[0].info), FRAMES_AT_ONCE):
            yield group
            group = []
    if group:
        yield group


def _frame(shot: Shot, image: Image) -> _Frame:
    info = FrameInfo.named(shot.name, (image.shape[0], image.shape[1]))
    return _Frame(shot, image, info)
