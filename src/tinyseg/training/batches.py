"""Views -> batches on the device, decoded and cut ahead of the step that needs them.

Decoding and resampling release Python's lock, so threads beside the step are enough: one on two
cores, more beside a GPU. Frames stay decoded up to a limit of bytes; a small data set is read once.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from tinyseg.data import Item
from tinyseg.errors import TinysegError, TrainingError
from tinyseg.frame import Frame
from tinyseg.model import Target
from tinyseg.recipes import Mosaic, Recipe
from tinyseg.training.balance import Draws, draws_from
from tinyseg.training.chance import rng
from tinyseg.training.copy_paste import paste_objects
from tinyseg.training.mosaic import Cell, cell_frame, cells_of, draw_cell, join_cells
from tinyseg.training.sampler import (
    StepShape,
    draw_view,
    frame_of,
    group_frame,
    group_size,
    ignore_unlearnable,
    shape_of,
)


def jitter_colours(
    image: UInt8[np.ndarray, "h w 3"], generator: np.random.Generator, *, strength: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Brightness, contrast and saturation each changed by up to +- `strength`."""
    if strength == 0:
        return image
    gain, contrast, saturation = 1 + generator.uniform(-strength, strength, 3)
    ramp = (np.arange(256, dtype=np.float64) - 127) * contrast + 127
    curve = np.clip(ramp * gain, 0, 255).astype(np.uint8)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    mixed = cv2.addWeighted(image, float(saturation), grey, float(1 - saturation), 0)
    return np.asarray(cv2.LUT(mixed, curve), np.uint8)


AHEAD = 2
"""Batches that are ready or being made for each thread that makes them, and one more."""

CORES_PER_THREAD = 4
"""One thread makes views for so many cores: the others are the network's on a CPU, and a GPU's step
needs more views a second the faster it is."""

MOST_THREADS = 8

KEPT_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Batch:
    """Views of one size, and the names of the frames they come from, a mosaic's joined by +."""

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
        self._frames: OrderedDict[int, Future[Frame]] = OrderedDict()
        self._lock = Lock()

    def __getitem__(self, index: int) -> Frame:
        """The decoded frame; raises the reader's error for a file it cannot read.

        Several threads may ask: one reads, those that ask for the same frame wait for it.
        """
        with self._lock:
            mine = index not in self._frames
            future = self._frames.setdefault(index, Future())
            self._frames.move_to_end(index)
        if mine:
            self._fill(index, future)
        return future.result()

    def _fill(self, index: int, future: Future[Frame]) -> None:
        """Read the frame, then drop what there is no more room for."""
        try:
            future.set_result(self._read(index))
        except BaseException as error:
            with self._lock:
                self._frames.pop(index, None)
            future.set_exception(error)
            return
        with self._lock:
            sizes = {i: _bytes(f.result()) for i, f in self._frames.items() if f.done()}
            total = sum(sizes.values())
            for i, size in list(sizes.items())[:-1]:
                if total <= self._kept_bytes:
                    break
                del self._frames[i]
                total -= size

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


def _bytes(frame: Frame) -> int:
    return frame.image.nbytes + frame.instances.masks.coverage.nbytes


@dataclass(frozen=True, slots=True)
class Portion:
    """Which samples of a step one process makes: in each of `rounds` batches those of its rank."""

    rank: int = 0
    world: int = 1
    rounds: int = 1


def make_sample(frames: FrameStore, index: int, shape: StepShape, recipe: Recipe) -> Frame:
    """Sample `index` of a run: a view of a frame, or of several, in view pixels, colours changed.

    Nothing is pasted into mosaics, whose objects are small without it.
    """
    source = shape.source
    if isinstance(source, Mosaic):
        cells = cells_of(index, source, shape.out_hw, recipe.train.seed)
        made = [_make_cell(frames, cell, source, recipe) for cell in cells]
        return join_cells(made, cells, shape.out_hw)
    rules, seed = recipe.sampling, recipe.train.seed
    which = frame_of(index, draws=frames.draws, shape=shape, rules=rules, seed=seed)
    frame, zoom = frames[which], float(frames.draws.zooms[which])
    view = draw_view(frame, index, shape, rules, seed=seed, zoom=zoom)
    seen = view.cut(ignore_unlearnable(frame, view, rules))
    chance = rng(seed, index, "paste")
    if chance.random() < rules.copy_paste.share:
        donor = _donor(frames, index, which, shape, recipe, chance)
        horizon = float(frames.draws.horizons[which]) * frame.hw[0]
        if donor is not None and donor.hw == frame.hw:
            seen = paste_objects(seen, view, donor, rules, chance, horizon=horizon)
    image = jitter_colours(seen.image, rng(seed, index, "colour"), strength=rules.colour)
    return replace(seen, image=image)


def _make_cell(frames: FrameStore, cell: Cell, source: Mosaic, recipe: Recipe) -> Frame:
    rules, seed = recipe.sampling, recipe.train.seed
    which = cell_frame(cell, source, draws=frames.draws, seed=seed)
    frame, factor = frames[which], float(frames.draws.zooms[which])
    view = draw_cell(frame, cell, source, rules, seed=seed, factor=factor)
    seen = view.cut(ignore_unlearnable(frame, view, rules))
    chance = rng(seed, cell.index, "cell colour")
    image = jitter_colours(seen.image, chance, strength=rules.colour)
    return replace(seen, image=image)


def _donor(
    frames: FrameStore,
    index: int,
    which: int,
    shape: StepShape,
    recipe: Recipe,
    chance: np.random.Generator,
) -> Frame | None:
    """One of the frames before sample `index`'s own, which are likely to be decoded still; None
    where that is the same frame, or of a data set with another horizon or none."""
    size = group_size(shape, recipe.sampling)
    draws = draws_from(frames.draws, shape.source.data)
    back = int(chance.integers(1, recipe.sampling.copy_paste.donors + 1))
    group = abs(index // size - back)
    other = group_frame(group, draws=draws, seed=recipe.train.seed)
    if other == which or draws.horizons[other] != draws.horizons[which]:
        return None
    return frames[other]


def batches(
    frames: FrameStore,
    recipe: Recipe,
    device: torch.device,
    *,
    first: int,
    last: int,
    portion: Portion = Portion(),
    threads: int | None = None,
) -> Generator[Batch, None, None]:
    """The batches of steps first ... last - 1, in order, `portion.rounds` of them a step.

    Sample i of a run is the same on however many processes it runs: a step has
    rounds x world x train.batch samples in a row, of one size. Without `threads` their number
    follows from the processors; the batches do not depend on it.
    """
    size, rounds = recipe.train.batch, portion.rounds

    def make(turn: int) -> Batch:
        shape = shape_of(turn // rounds, recipe.sampling, recipe.train.seed)
        start = (turn * portion.world + portion.rank) * size
        return make_batch(frames, range(start, start + size), shape, recipe, device)

    turns = range(first * rounds, last * rounds)
    yield from _ahead(make, turns, threads=threads or loader_threads())


def make_batch(
    frames: FrameStore, indices: range, shape: StepShape, recipe: Recipe, device: torch.device
) -> Batch:
    """These samples of a run, on the device."""
    samples = [make_sample(frames, index, shape, recipe) for index in indices]
    stacked = np.stack([s.image.transpose(2, 0, 1) for s in samples])
    seeds = [int(rng(recipe.train.seed, i, "target").integers(2**62)) for i in indices]
    targets = [
        Target.of(s.instances, s.ignore, device, seed=seed, unlabelled=s.unlabelled)
        for s, seed in zip(samples, seeds, strict=True)
    ]
    return Batch(torch.from_numpy(stacked).to(device), targets, [s.name for s in samples])


def _ahead(
    make: Callable[[int], Batch], turns: range, *, threads: int
) -> Generator[Batch, None, None]:
    """make(turn) for each turn in order, several of them running or waiting."""
    waiting: list[Future[Batch]] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="views") as pool:
        try:
            for turn in turns:
                waiting.append(pool.submit(make, turn))
                if len(waiting) > AHEAD * threads + 1:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


def loader_threads() -> int:
    """Threads that make views, for the processors that this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(max((usable or 1) // CORES_PER_THREAD, 1), MOST_THREADS)
