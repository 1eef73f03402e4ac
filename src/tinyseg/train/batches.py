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
from tinyseg.recipes import Recipe
from tinyseg.train.augment import jitter_colours
from tinyseg.train.balance import Draws
from tinyseg.train.chance import rng
from tinyseg.train.sampler import Shape, draw_view, frame_of, learnable, shape_of

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
        draws: Draws | None = None,
    ) -> None:
        """With `on_skip`, a frame that cannot be read is told to it and the next one stands in;
        `draws` says how often each frame comes, once an epoch if not given."""
        self.items = items
        self.draws = Draws.even(len(items)) if draws is None else draws
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


@dataclass(frozen=True, slots=True)
class Portion:
    """Which samples of a step one process makes: in each of `rounds` batches those of its rank."""

    rank: int = 0
    world: int = 1
    rounds: int = 1


def make_sample(frames: FrameStore, index: int, shape: Shape, recipe: Recipe) -> Frame:
    """Sample `index` of a run: a view of a frame, in view pixels, colours changed."""
    rules, seed = recipe.sampling, recipe.train.seed
    which = frame_of(index, draws=frames.draws, shape=shape, rules=rules, seed=seed)
    frame, zoom = frames[which], float(frames.draws.zooms[which])
    view = draw_view(frame, index, shape, rules, seed=seed, zoom=zoom)
    seen = view.cut(learnable(frame, view, rules))
    image = jitter_colours(seen.image, rng(seed, index, "colour"), strength=rules.colour)
    return Frame(seen.name, image, seen.instances, seen.ignore)


def batches(
    frames: FrameStore,
    recipe: Recipe,
    device: torch.device,
    *,
    first: int,
    last: int,
    portion: Portion = Portion(),
) -> Generator[Batch, None, None]:
    """The batches of steps first ... last - 1, in order, `portion.rounds` of them a step.

    Sample i of a run is the same on however many processes it runs: a step has
    rounds x world x train.batch samples in a row, of one size.
    """
    size, rounds = recipe.train.batch, portion.rounds

    def make(turn: int) -> Batch:
        shape = shape_of(turn // rounds, recipe.sampling, recipe.train.seed)
        start = (turn * portion.world + portion.rank) * size
        return make_batch(frames, range(start, start + size), shape, recipe, device)

    yield from _ahead(make, range(first * rounds, last * rounds))


def make_batch(
    frames: FrameStore, indices: range, shape: Shape, recipe: Recipe, device: torch.device
) -> Batch:
    """These samples of a run, on the device."""
    samples = [make_sample(frames, index, shape, recipe) for index in indices]
    stacked = np.stack([s.image.transpose(2, 0, 1) for s in samples])
    seeds = [int(rng(recipe.train.seed, i, "target").integers(2**62)) for i in indices]
    targets = [
        Target.of(s.instances, s.ignore, device, seed=seed)
        for s, seed in zip(samples, seeds, strict=True)
    ]
    return Batch(torch.from_numpy(stacked).to(device), targets, [s.name for s in samples])


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
