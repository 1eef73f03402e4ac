"""Bytes that each part of a detector keeps for its backward pass, counted without running it.

A copy of the network whose tensors have shapes but no values (torch's fake tensors) runs forward
once; hooks on autograd see every tensor that it saves. Storages are counted once, weights and
buffers not at all. Heads run at the caps of their sampling rules. Of each part the largest tensor
is known too: gradients on their way back are of that size. Left out: what matching takes and gives
back before the heads run (under 100 MB, when what the heads keep is not there yet), what the losses
of boxes keep (they go over hundreds of boxes), and what the allocator cannot use again.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from tinyseg.model.box_head import BOX_POOL_SIZE as BOX_POOL
from tinyseg.model.detector import Detector
from tinyseg.model.fast.sublinear import ROIS_AT_ONCE, links_of
from tinyseg.model.mask_head import MASK_POOL_SIZE as MASK_POOL
from tinyseg.model.roi_pool import align, pool_levels

PYRAMID, PROPOSAL_HEAD, BOX_HEAD, MASK_HEAD = "pyramid", "proposal head", "box head", "mask head"

Storages = dict[int, int]
"""Bytes of blocks of memory by an identity of each; tensors may share a block."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of the network that is kept or run again as a whole, or in groups of RoIs."""

    stage: str
    saved: Storages = field(default_factory=dict)
    read: Storages = field(default_factory=dict)
    written: Storages = field(default_factory=dict)
    operations: int = 0
    """Multiplications and additions of one forward run."""
    share: float = 1.0
    """How much of it is run again together."""

    @property
    def largest(self) -> int:
        """Bytes of the largest tensor that it saves."""
        return max(self.saved.values(), default=0)


@dataclass(frozen=True, slots=True)
class Profile:
    """The units in the order they run; the first `links` are the backbone's chain."""

    units: tuple[Unit, ...]
    links: int
    losses: int = 0
    """Bytes that the losses keep whatever runs again: the masks' logits and what they learn."""
    on_cpu: bool = False


def measure_activations(detector: Detector, *, batch: int, hw: tuple[int, int]) -> Profile:
    """What a training step on `batch` views of this height and width keeps; the detector is left
    as it is. Sizes are padded as the detector pads them."""
    mode = FakeTensorMode()
    with FakeCopyMode(mode):
        fake = copy.deepcopy(detector).train()
    height, width = (size + -size % detector.rules.pad_to for size in hw)
    with mode:
        shape = (batch, 3, height, width)
        pixels = torch.empty(shape, dtype=fake.mean.dtype, device=fake.mean.device)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        book = _Book(fake)
        links = _features(fake, pixels, book)
    *units, losses = book.units
    on_cpu = fake.mean.device.type == "cpu"
    return Profile(tuple(units), links, sum(losses.saved.values()), on_cpu)


def _features(fake: Detector, pixels: Tensor, book: "_Book") -> int:
    """Run all parts; returns the number of links."""
    device, dtype = pixels.device.type, pixels.dtype
    with torch.autocast(device, torch.bfloat16, enabled=fake.mixed):
        maps, count = _backbone(fake, pixels, book)
        levels = book.run(PYRAMID, lambda *m: fake.pyramid(list(m)), maps)
    levels = [level.to(dtype) for level in levels]
    with book.unit(PROPOSAL_HEAD, levels):
        scores, deltas = fake.proposals.head(levels)
        book.wrote([*scores, *deltas])
    images, rules = len(pixels), fake.box_head.rules
    boxes = rules.sampled * images
    positives = int(rules.sampled * rules.positive_share) * images
    with book.unit(BOX_HEAD, levels, share=min(1.0, ROIS_AT_ONCE / max(boxes, 1))):
        book.wrote(fake.box_head(_pooled(fake, levels, boxes, BOX_POOL)))
    with book.unit(MASK_HEAD, levels, share=min(1.0, ROIS_AT_ONCE / max(positives, 1))):
        labels = torch.zeros(positives, dtype=torch.int64, device=pixels.device)
        grids = fake.mask_head(_pooled(fake, levels, positives, MASK_POOL), labels)
        book.wrote([grids])
    with book.unit("losses", []):
        functional.binary_cross_entropy_with_logits(grids, torch.empty_like(grids))
    return count


def _backbone(fake: Detector, pixels: Tensor, book: "_Book") -> tuple[list[Tensor], int]:
    """The backbone's maps and its number of links; a backbone without a known chain is one unit."""
    links = links_of(fake.backbone)
    if not links:
        return book.run("backbone", fake.backbone, [pixels]), 0
    maps, features = [], pixels
    for link in links:
        name = f"backbone, stride {4 * 2**link.level}"
        (features,) = book.run(name, lambda x, link=link: [link(x)], [features])
        if link.leaves:
            maps.append(features)
    return maps, len(links)


def _pooled(fake: Detector, levels: list[Tensor], count: int, size: int) -> Tensor:
    """Pooled RoIs; a RoI that reads one level reads the finest, since bytes do not depend on it."""
    located = torch.zeros((count, 5), device=levels[0].device)
    if fake.pool is pool_levels:
        return align(levels[0], located, size=size, scale=0.25, aligned=fake.rules.aligned)
    strides = [4.0 * 2**level for level in range(4)]
    boxes, aligned = [located[:, 1:]], fake.rules.aligned
    return fake.pool(levels[:4], boxes, size=size, strides=strides, aligned=aligned)


class _Book:
    """Takes down what autograd saves while a unit runs."""

    def __init__(self, network: torch.nn.Module) -> None:
        own = [*network.parameters(), *network.buffers()]
        self.own = set(_storages(own))
        self.units: list[Unit] = []
        self.alive: list[torch.UntypedStorage] = []  # an identity is not given twice

    def run(
        self, stage: str, part: Callable[..., list[Tensor]], inputs: Sequence[Tensor]
    ) -> list[Tensor]:
        """Run a part as a unit."""
        with self.unit(stage, inputs):
            outputs = part(*inputs)
            self.wrote(outputs)
        return outputs

    @contextmanager
    def unit(self, stage: str, inputs: Sequence[Tensor], *, share: float = 1.0) -> Iterator[None]:
        """Everything saved inside belongs to a new unit."""
        self.units.append(Unit(stage, share=share))
        self.units[-1].read.update(self._note(inputs))
        hooks = torch.autograd.graph.saved_tensors_hooks(self._save, lambda tensor: tensor)
        with hooks, FlopCounterMode(display=False) as counter:
            yield
        done = self.units[-1]
        self.units[-1] = Unit(
            stage, done.saved, done.read, done.written, counter.get_total_flops(), share
        )

    def wrote(self, outputs: Sequence[Tensor]) -> None:
        """The results of the unit that runs."""
        self.units[-1].written.update(self._note(outputs))

    def _save(self, tensor: Tensor) -> Tensor:
        self.units[-1].saved.update(self._note([tensor]))
        return tensor

    def _note(self, tensors: Sequence[Tensor]) -> Storages:
        self.alive.extend(tensor.untyped_storage() for tensor in tensors)
        return {k: size for k, size in _storages(tensors).items() if k not in self.own}


def _storages(tensors: Sequence[Tensor]) -> Storages:
    blocks = (tensor.untyped_storage() for tensor in tensors)
    return {block._cdata: block.nbytes() for block in blocks}
