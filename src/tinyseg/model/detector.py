"""Mask R-CNN (He et al. 2017), whole: images in, losses or instances out.

    images -> backbone -> pyramid -> proposals -> box head -> mask head -> instances

Backbone and pyramid may run in bfloat16; proposals and heads stay in float32 (over the whole
network it gave NaN within 100 steps). Images are uint8 RGB of one size; the detector normalises
them and pads them to a multiple of `pad_to`. Masks leave as 28 x 28 grids over their boxes.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from tinyseg.frame import Instances
from tinyseg.masks import from_roi_grids
from tinyseg.model.backbones import keep_norm_statistics
from tinyseg.model.box_head import POOL_SIZE as BOX_POOL
from tinyseg.model.box_head import BoxHead, Candidates
from tinyseg.model.losses import Losses, Normalise, own_count
from tinyseg.model.mask_head import POOL_SIZE as MASK_POOL
from tinyseg.model.mask_head import MaskHead, mask_loss
from tinyseg.model.proposals import READING, Proposals
from tinyseg.model.roi_pool import pool_levels
from tinyseg.model.targets import Target


@dataclass(frozen=True, slots=True)
class InputRules:
    """How pixels 0 ... 255 enter the network, and how its maps lie on the image."""

    __pydantic_config__ = READING

    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (58.395, 57.12, 57.375)
    pad_to: PositiveInt = 32
    aligned: bool = False
    """RoIs read features at their centres; torchvision's networks were trained half a cell off."""


class Detector(nn.Module):
    """The parts put together; see `tinyseg.build` for how a recipe chooses them."""

    def __init__(
        self,
        backbone: nn.Module,
        pyramid: nn.Module,
        proposals: Proposals,
        box_head: BoxHead,
        mask_head: MaskHead,
        *,
        rules: InputRules,
    ) -> None:
        super().__init__()
        self.backbone, self.pyramid = backbone, pyramid
        self.proposals, self.box_head, self.mask_head = proposals, box_head, mask_head
        self.rules = rules
        self.mean: Tensor
        self.std: Tensor
        self.mixed = False
        """Whether backbone and pyramid run in bfloat16."""
        self.normalise: Normalise = own_count
        """Counts that the losses are divided by; training on several processes puts its own."""
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
        """The losses of a batch of views with one target each."""
        hw, padded_hw, maps = self._features(images)
        raw = self.proposals(maps, padded_hw)
        objectness, proposal_box = self.proposals.losses(raw, targets, normalise=self.normalise)
        boxes = self.proposals.select(raw, hw)
        sampled = [self.box_head.sample(b, t) for b, t in zip(boxes, targets, strict=True)]
        logits, deltas = self.box_head(
            self._pool(maps, [s.boxes for s in sampled], BOX_POOL, padded_hw)
        )
        box_class, box = self.box_head.losses(
            logits, deltas, sampled, targets, normalise=self.normalise
        )
        positive = [s.boxes[: s.positives] for s in sampled]
        labels = torch.cat([s.labels[: s.positives] for s in sampled])
        grids = self.mask_head(self._pool(maps, positive, MASK_POOL, padded_hw), labels)
        mask = mask_loss(grids, sampled, targets, normalise=self.normalise)
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
        grids = self.mask_head(pooled, torch.cat([f.labels for f in found])).sigmoid()
        return list(zip(found, grids.split([len(f.boxes) for f in found]), strict=True))

    def _features(
        self, images: UInt8[Tensor, "b 3 h w"]
    ) -> tuple[tuple[int, int], tuple[int, int], list[Float[Tensor, "b c _h _w"]]]:
        """Height and width before and after padding, and the pyramid's maps, not in bfloat16."""
        height, width = int(images.shape[2]), int(images.shape[3])
        pad_h, pad_w = -height % self.rules.pad_to, -width % self.rules.pad_to
        pixels = functional.pad(
            (images.to(self.mean.dtype) - self.mean) / self.std, (0, pad_w, 0, pad_h)
        )
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.mixed):
            maps = self.pyramid(self.backbone(pixels))
        return (
            (height, width),
            (height + pad_h, width + pad_w),
            [m.to(self.mean.dtype) for m in maps],
        )

    def _pool(
        self,
        maps: list[Float[Tensor, "b c _h _w"]],
        boxes: list[Float[Tensor, "_n 4"]],
        size: int,
        padded_hw: tuple[int, int],
    ) -> Float[Tensor, "n c size size"]:
        """Features of the boxes from the four finest levels."""
        strides = [padded_hw[0] / m.shape[2] for m in maps[:4]]
        return pool_levels(maps[:4], boxes, size=size, strides=strides, aligned=self.rules.aligned)


def _to_instances(found: Candidates, grids: Float[Tensor, "n 28 28"]) -> Instances:
    boxes = found.boxes.double().cpu().numpy()
    masks = from_roi_grids(boxes, grids.float().cpu().numpy())
    labels = (found.labels - 1).cpu().numpy()
    return Instances(boxes, masks, labels, found.scores.double().cpu().numpy())
