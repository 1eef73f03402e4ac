"""Sublinear memory (Chen et al. 2016, "Training deep nets with sublinear memory cost", section 4).

A network is a chain of links. A segment of the chain may keep its input alone and be run a second
time when the backward pass needs what is inside. A Plan says which; `planning` makes one. Gradients
are the same: a segment runs again with the random numbers and the precision of its first run.
What is no chain of modules (a backbone of another make) is one link.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from jaxtyping import Float
from timm.models import EfficientNetFeatures, FeatureListNet, MobileNetV3Features
from timm.models.convnext import ConvNeXtStage
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

ROIS_AT_ONCE = 128
"""RoIs of a head that are run again together."""

Result = TypeVar("Result")

Maps = list[Tensor]


@dataclass(frozen=True, slots=True)
class Segment:
    """Links `first` to `last`, without the last, and whether they are run a second time."""

    first: int
    last: int
    again: bool


@dataclass(frozen=True, slots=True)
class RecomputePlan:
    """What is run a second time: segments that cover the backbone's links, and the other parts."""

    backbone: tuple[Segment, ...] = ()
    whole_backbone: bool = False
    """For a backbone that is no chain of links."""
    pyramid: bool = False
    proposal_head: bool = False
    box_head: bool = False
    mask_head: bool = False


KEEP_ALL = RecomputePlan()
"""Nothing is run twice; the backbone runs whole."""


def keep_all(detector: nn.Module, batch: int, hw: tuple[int, int]) -> RecomputePlan:
    """The planner of a detector that was given none."""
    return KEEP_ALL


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a backbone: its modules one after the other, and the map that it leaves.

    `level` counts the maps from the finest, 0; `leaves` says that the link's result is that map.
    """

    modules: tuple[nn.Module, ...]
    level: int
    leaves: bool

    def __call__(self, features: Tensor) -> Tensor:
        """Run the modules."""
        for module in self.modules:
            features = module(features)
        return features


def links_of(backbone: nn.Module) -> list[Link]:
    """The backbone's chain, down to its blocks; empty for one whose chain is not known."""
    parts = list(_parts(getattr(backbone, "body", backbone)))
    links: list[Link] = []
    level = 0
    for module, leaves in parts:
        if _may_overwrite_input(module) and links and not links[-1].leaves:
            links[-1] = Link((*links[-1].modules, module), level, leaves)
        else:
            links.append(Link((module,), level, leaves))
        level += leaves
    while links and not links[-1].leaves:
        links.pop()
    return links


def _parts(body: nn.Module) -> Iterator[tuple[nn.Module, bool]]:
    """Modules in the order they run, and whether a feature map is taken after each."""
    if isinstance(body, FeatureListNet):
        for name, module in body.items():
            yield from _unrolled(module, leaves=name in body.return_layers)
    elif isinstance(body, EfficientNetFeatures | MobileNetV3Features):
        if body.feature_hooks is not None:
            return
        taken = body._stage_out_idx
        stem = [m for name, m in body.named_children() if name != "blocks"]
        for module in stem:
            yield module, module is stem[-1] and 0 in taken
        for stage, blocks in enumerate(body.blocks, start=1):
            yield from _unrolled(blocks, leaves=stage in taken)


def _unrolled(module: nn.Module, *, leaves: bool) -> Iterator[tuple[nn.Module, bool]]:
    """A stage's blocks; the last one leaves the stage's map."""
    if isinstance(module, ConvNeXtStage):
        blocks = [module.downsample, *module.blocks]
    elif type(module) is nn.Sequential:
        blocks = list(module)
    else:
        blocks = [module]
    for block in blocks[:-1]:
        yield block, False
    yield blocks[-1], leaves


def _may_overwrite_input(module: nn.Module) -> bool:
    """An activation that works in place, alone or at the end of a norm that does nothing else,
    would spoil the input that a segment keeps: both stay with the convolution before them."""
    return isinstance(module, nn.BatchNorm2d) or getattr(module, "inplace", False) is True


def run_backbone(
    plan: RecomputePlan, backbone: nn.Module, pixels: Float[Tensor, "b 3 h w"]
) -> list[Float[Tensor, "b _c _h _w"]]:
    """The backbone's maps from fine to coarse; run link by link if some of them run again."""
    if plan.backbone:
        return run_links(links_of(backbone), plan.backbone, pixels)
    stages: list[Tensor] = maybe_again(plan.whole_backbone, backbone, pixels)
    return stages


def run_links(
    links: Sequence[Link], segments: Sequence[Segment], pixels: Float[Tensor, "b c h w"]
) -> list[Float[Tensor, "b _c _h _w"]]:
    """The feature maps from fine to coarse; equal to the backbone's own."""
    maps: list[Tensor] = []
    features = pixels
    for segment in segments:
        part = partial(_run, links[segment.first : segment.last])
        left, features = maybe_again(segment.again, part, features)
        maps.extend(left)
    return maps


def _run(links: Sequence[Link], features: Tensor) -> tuple[list[Tensor], Tensor]:
    """The maps that links leave on their way, and the last result."""
    maps = []
    for link in links:
        features = link(features)
        if link.leaves:
            maps.append(features)
    return maps, features


def maybe_again(again: bool, part: Callable[..., Result], *inputs: object) -> Result:
    """The part's result; with `again` only `inputs` are kept, and the part runs again for its
    gradients. Tensors that the part reads must be among the inputs, not in lists."""
    if not again or not torch.is_grad_enabled():
        return part(*inputs)
    return checkpoint(part, *inputs, use_reentrant=False, preserve_rng_state=True)


def run_maps(again: bool, part: Callable[[Maps], Result], maps: Maps) -> Result:
    """The result of a part that reads maps alone."""
    return maybe_again(again, lambda *maps: part(list(maps)), *maps)


def run_rois(
    again: bool, part: Callable[["RoiGroup", Maps], Result], maps: Maps, boxes: list[Tensor]
) -> list[Result]:
    """The results of a part that reads RoIs from maps, group by group."""
    groups = roi_groups(boxes, again=again)
    return [run_maps(again, partial(part, group), maps) for group in groups]


@dataclass(frozen=True, slots=True)
class RoiGroup:
    """Some RoIs of one image: a tensor of boxes an image, all but one empty, and their place in
    the row of all images' RoIs."""

    boxes: list[Float[Tensor, "_n 4"]]
    place: slice


def roi_groups(boxes: list[Float[Tensor, "_n 4"]], *, again: bool) -> list[RoiGroup]:
    """The RoIs in groups of at most ROIS_AT_ONCE, in order; one group if nothing runs again."""
    counts = [len(b) for b in boxes]
    if not again or sum(counts) == 0:
        return [RoiGroup(boxes, slice(0, sum(counts)))]
    groups, done = [], 0
    for image, count in enumerate(counts):
        for start in range(0, count, ROIS_AT_ONCE):
            rows = boxes[image][start : start + ROIS_AT_ONCE]
            alone = [rows if i == image else b[:0] for i, b in enumerate(boxes)]
            groups.append(RoiGroup(alone, slice(done, done + len(rows))))
            done += len(rows)
    return groups
