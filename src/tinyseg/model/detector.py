"""Mask R-CNN (He et al. 2017), whole: images in, losses or instances out.

    images -> backbone -> pyramid -> proposals -> box head -> mask head -> instances

Backbone, pyramid and mask head may run in bfloat16; proposals and box head stay in float32 (over
the whole network it gave NaN within 100 steps). Images are uint8 RGB of one size; the detector
normalises them and pads them to a multiple of `pad_to`. Masks leave as 28 x 28 grids over their
boxes.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from tinyseg.frame import Instances
from tinyseg.masks import from_roi_grids
from tinyseg.model.backbones import keep_norm_statistics
from tinyseg.model.box_head import BOX_POOL_SIZE as BOX_POOL, BoxHead, Candidates
from tinyseg.model.fast.sublinear import (
    KEEP_ALL,
    RecomputePlan,
    RoiGroup,
    keep_all,
    run_backbone,
    run_maps,
    run_rois,
)
from tinyseg.model.mask_head import MASK_POOL_SIZE as MASK_POOL, MaskHead, mask_loss
from tinyseg.model.proposals import Proposals, RawProposals
from tinyseg.model.roi_pool import pool_levels
from tinyseg.model.rules import InputRules
from tinyseg.model.targets import Losses, Normalise, Target, own_count
from tinyseg.model.unlabelled import taken_for_unlabelled


@runtime_checkable
class Pooling(Protocol):
    """Maps of strides from fine to coarse, one tensor of boxes an image -> features of each box,
    from one level (n c size size) or from all of them (levels n c size size)."""

    def __call__(
        self,
        maps: list[Float[Tensor, "_b channels _h _w"]],
        rois: list[Float[Tensor, "_n 4"]],
        *,
        size: int,
        strides: list[float],
        aligned: bool,
    ) -> Float[Tensor, "*levels total channels size size"]:
        """Features in the boxes' order."""
        ...


class Detector(nn.Module):
    """The parts put together; see `tinyseg.networks` for how a recipe chooses them."""

    def __init__(
        self,
        backbone: nn.Module,
        pyramid: nn.Module,
        proposals: Proposals,
        box_head: BoxHead,
        mask_head: MaskHead,
        *,
        rules: InputRules,
        pool: Pooling = pool_levels,
    ) -> None:
        """`pool` reads RoIs from the pyramid as the heads take them."""
        super().__init__()
        self.backbone, self.pyramid = backbone, pyramid
        self.proposals, self.box_head, self.mask_head = proposals, box_head, mask_head
        self.rules, self.pool = rules, pool
        self.mean: Tensor
        self.std: Tensor
        self.mixed = False
        """Whether backbone, pyramid and mask head run in bfloat16."""
        self.normalise: Normalise = own_count
        """Counts that the losses are divided by; training on several processes puts its own."""
        self.planner: Callable[[Detector, int, tuple[int, int]], RecomputePlan] = keep_all
        """What a training step on so many views of this height and width runs a second time."""
        self.register_buffer(
            "mean", torch.tensor(rules.mean, dtype=torch.float32).view(1, 3, 1, 1), persistent=False
        )
        self.register_buffer(
            "std", torch.tensor(rules.std, dtype=torch.float32).view(1, 3, 1, 1), persistent=False
        )

    def train(self, mode: bool = True) -> "Detector":
        """Training mode; batch norms keep their stored statistics all the same."""
        super().train(mode)
        keep_norm_statistics(self)
        return self

    def forward(self, images: UInt8[Tensor, "b 3 h w"], targets: list[Target]) -> Losses:
        """The losses of a batch of views with one target each. The plan says which parts run a
        second time for their gradients; the losses do not depend on it."""
        plan = self.planner(self, len(images), (int(images.shape[2]), int(images.shape[3])))
        hw, padded_hw, maps = self._features(images, plan)
        raw: RawProposals = run_maps(
            plan.proposal_head, lambda maps: self.proposals(maps, padded_hw), maps
        )
        boxes = self.proposals.select(raw, hw)
        sampled = [self.box_head.sample(b, t) for b, t in zip(boxes, targets, strict=True)]
        logits, deltas = self._read_boxes(plan, maps, [s.boxes for s in sampled], padded_hw)
        box_class, box = self.box_head.losses(
            logits, deltas, sampled, targets, normalise=self.normalise
        )
        # Boxes that may hold an object which nobody labelled
        unsure = taken_for_unlabelled(
            torch.split(logits, [len(s.boxes) for s in sampled]),
            [s.boxes for s in sampled],
            [s.labels for s in sampled],
            [t.unlabelled for t in targets],
        )
        objectness, proposal_box = self.proposals.losses(
            raw, targets, unsure=unsure, normalise=self.normalise
        )
        drawn = [s.with_mask(t) for s, t in zip(sampled, targets, strict=True)]
        labels = torch.cat([d.labels for d in drawn])
        grids = self._read_masks(plan, maps, [d.boxes for d in drawn], labels, padded_hw)
        mask = mask_loss(grids, drawn, targets, normalise=self.normalise)
        return Losses(objectness, proposal_box, box_class, box, mask)

    @torch.inference_mode()
    def detect(self, images: UInt8[Tensor, "b 3 h w"]) -> list[Instances]:
        """The instances of each image, in its pixels, best first; labels are class indices."""
        return [_to_instances(c, grids) for c, grids in self.detect_tensors(images)]

    def detect_tensors(
        self, images: UInt8[Tensor, "b 3 h w"]
    ) -> list[tuple[Candidates, Float[Tensor, "_n 28 28"]]]:
        """For each image its detections and their masks' probabilities, still on the device."""
        hw, padded_hw, maps = self._features(images)
        proposals = self.proposals.select(self.proposals(maps, padded_hw), hw)
        logits, deltas = self.box_head(self._pool(maps, proposals, BOX_POOL, padded_hw))
        counts = [len(p) for p in proposals]
        parts = zip(logits.split(counts), deltas.split(counts), proposals, strict=True)
        found = [self.box_head.select(scores, code, boxes, hw) for scores, code, boxes in parts]
        pooled = self._pool(maps, [f.boxes for f in found], MASK_POOL, padded_hw)
        grids = self._draw(pooled, torch.cat([f.labels for f in found])).sigmoid()
        return list(zip(found, torch.split(grids, [len(f.boxes) for f in found]), strict=True))

    def _features(
        self, images: UInt8[Tensor, "b 3 h w"], plan: RecomputePlan = KEEP_ALL
    ) -> tuple[tuple[int, int], tuple[int, int], list[Float[Tensor, "b c _h _w"]]]:
        """Height and width before and after padding, and the pyramid's maps, not in bfloat16."""
        height, width = int(images.shape[2]), int(images.shape[3])
        pad_h, pad_w = -height % self.rules.pad_to, -width % self.rules.pad_to
        pixels = functional.pad(
            (images.to(self.mean.dtype) - self.mean) / self.std, (0, pad_w, 0, pad_h)
        )
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.mixed):
            stages = run_backbone(plan, self.backbone, pixels)
            maps: list[Tensor] = run_maps(plan.pyramid, self.pyramid, stages)
        return (
            (height, width),
            (height + pad_h, width + pad_w),
            [m.to(self.mean.dtype) for m in maps],
        )

    def _read_boxes(
        self,
        plan: RecomputePlan,
        maps: list[Float[Tensor, "b c _h _w"]],
        boxes: list[Float[Tensor, "_n 4"]],
        padded_hw: tuple[int, int],
    ) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes 4"]]:
        """The box head's logits and corrections of all images' RoIs."""

        def part(group: RoiGroup, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
            return self.box_head(self._pool(maps, group.boxes, BOX_POOL, padded_hw))

        logits, deltas = zip(*run_rois(plan.box_head, part, maps, boxes), strict=True)
        return torch.cat(logits), torch.cat(deltas)

    def _read_masks(
        self,
        plan: RecomputePlan,
        maps: list[Float[Tensor, "b c _h _w"]],
        boxes: list[Float[Tensor, "_n 4"]],
        labels: Int64[Tensor, " n"],
        padded_hw: tuple[int, int],
    ) -> Float[Tensor, "n 28 28"]:
        """The mask head's logits of all images' RoIs, each of its label's class."""

        def part(group: RoiGroup, maps: list[Tensor]) -> Tensor:
            pooled = self._pool(maps, group.boxes, MASK_POOL, padded_hw)
            return self._draw(pooled, labels[group.place])

        return torch.cat(run_rois(plan.mask_head, part, maps, boxes))

    def _draw(
        self, pooled: Float[Tensor, "*levels n c 14 14"], labels: Int64[Tensor, " n"]
    ) -> Float[Tensor, "n 28 28"]:
        """The mask head's logits, not in bfloat16."""
        with torch.autocast(pooled.device.type, torch.bfloat16, enabled=self.mixed):
            grids: Tensor = self.mask_head(pooled, labels)
        return grids.to(pooled.dtype)

    def _pool(
        self,
        maps: list[Float[Tensor, "b c _h _w"]],
        boxes: list[Float[Tensor, "_n 4"]],
        size: int,
        padded_hw: tuple[int, int],
    ) -> Float[Tensor, "*levels n c size size"]:
        """Features of the boxes from the four finest levels."""
        strides = [padded_hw[0] / m.shape[2] for m in maps[:4]]
        return self.pool(maps[:4], boxes, size=size, strides=strides, aligned=self.rules.aligned)


def _to_instances(found: Candidates, grids: Float[Tensor, "n 28 28"]) -> Instances:
    boxes = found.boxes.double().cpu().numpy()
    masks = from_roi_grids(boxes, grids.float().cpu().numpy())
    labels = (found.labels - 1).cpu().numpy()
    return Instances(boxes, masks, labels, found.scores.double().cpu().numpy())
