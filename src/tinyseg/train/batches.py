"""Views -> batches on the device, decoded and cut ahead of the step that needs them.

Decoding and resampling release Python's lock, so one thread beside the step is enough. Frames
stay decoded up to a limit of bytes; a small data set is read once.
"""

from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from tinyseg.data.dataset import Item
from tinyseg.errors import TinysegError, TrainingError
from tinyseg.frame import Frame
from tinyseg.model.targets import Target
from tinyseg.recipes import Train
from tinyseg.train.augment import jitter_colours
from tinyseg.train.sampler import draw_view, frame_of, learnable, rng

AHEAD = 3
"""Batches made before they are asked for."""

KEPT_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Batch:
    """Views of one size, and the names of the frames they come from."""

    images: UInt8[Tensor, "b 3 h w"]
    targets: list[Target]
    names: list[str]


class FrameStore:
    """Decoded frames, the least used dropped first, up to a limit of bytes."""

    def __init__(
        self,
        items: Sequence[Item],
        *,
        on_skip: Callable[[Item, TinysegError], None] | None = None,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        """With `on_skip`, a frame that cannot be read is told to it and the next one stands in."""
        self.items = items
        self._on_skip = on_skip
        self._kept_bytes = kept_bytes
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._lock = Lock()

    def __getitem__(self, index: int) -> Frame:
        """The decoded frame; raises the reader's error for a file it cannot read."""
        with self._lock:
            if index not in self._frames:
                self._frames[index] = self._read(index)
            self._frames.move_to_end(index)
            while len(self._frames) > 1 and self._bytes() > self._kept_bytes:
                self._frames.popitem(last=False)
            return self._frames[index]

    def _read(self, index: int) -> Frame:
        if self._on_skip is None:
            return self.items[index].read()
        for offset in range(len(self.items)):
            item = self.items[(index + offset) % len(self.items)]
            try:
                return item.read()
            except TinysegError as error:
                self._on_skip(item, error)
        raise TrainingError("no frame can be read", got=f"{len(self.items)} frames tried")

    def _bytes(self) -> int:
        return sum(
            f.image.nbytes + f.instances.masks.coverage.nbytes for f in self._frames.values()
        )


def make_sample(frames: FrameStore, index: int, rules: Train) -> Frame:
    """Sample `index` of a run: a view of a frame, in view pixels, colours changed."""
    frame = frames[frame_of(index, count=len(frames.items), rules=rules)]
    view = draw_view(frame, index, rules)
    seen = view.cut(learnable(frame, view, rules))
    generator = rng(rules.seed, index, "colour")
    image = jitter_colours(seen.image, generator, strength=rules.colour)
    return Frame(seen.name, image, seen.instances, seen.ignore)


def batches(
    frames: FrameStore, rules: Train, device: torch.device, *, first: int, last: int
) -> Generator[Batch, None, None]:
    """The batches of steps first ... last - 1, in order."""

    def make(step: int) -> Batch:
        samples = [make_sample(frames, step * rules.batch + i, rules) for i in range(rules.batch)]
        stacked = np.stack([s.image.transpose(2, 0, 1) for s in samples])
        targets = [Target.of(s.instances, s.ignore, device) for s in samples]
        return Batch(torch.from_numpy(stacked).to(device), targets, [s.name for s in samples])

    yield from _ahead(make, range(first, last))


def _ahead(make: Callable[[int], Batch], steps: range) -> Generator[Batch, None, None]:
    """make(step) for each step in order, up to AHEAD of them running or waiting."""
    waiting: list[Future[Batch]] = []
    with ThreadPoolExecutor(1, thread_name_prefix="views") as pool:
        try:
            for step in steps:
                waiting.append(pool.submit(make, step))
                if len(waiting) > AHEAD:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
