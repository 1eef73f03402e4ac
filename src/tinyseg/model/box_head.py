"""The box head (Girshick 2015, Fast R-CNN): class and refined box of each proposal.

Two forms of trunk: two fully connected layers ("mlp"), or convolutions and one such layer ("conv").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import (
    Conv2dNormActivation,
    batched_nms,
    clip_boxes_to_image,
    remove_small_boxes,
)

from tinyseg.model.assign import (
    NEGATIVE,
    CodeWeights,
    decode_boxes,
    drop_ignored_negatives,
    encode_boxes,
    match,
    sample,
)
from tinyseg.model.proposals import SMOOTH
from tinyseg.model.rules import BoxRules
from tinyseg.model.similarity import similarity
from tinyseg.model.targets import Normalise, Target, divide, own_count
from tinyseg.model.unlabelled import join_background

BOX_CODE_WEIGHTS: CodeWeights = (10.0, 10.0, 5.0, 5.0)
BOX_POOL_SIZE = 7

LEAST_BOX_SIDE = 1e-2
"""Detections narrower or lower than this many pixels are none."""


@dataclass(frozen=True, slots=True)
class SampledBoxes:
    """The proposals of one image that learn: boxes, the class (0 is background) and object of each.

    The first `positives` are the ones with an object.
    """

    boxes: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    objects: Int64[Tensor, " n"]
    positives: int

    def with_mask(self, target: Target) -> "SampledBoxes":
        """The positives alone, of the objects that have a mask."""
        kept = target.has_mask[self.objects[: self.positives]].nonzero()[:, 0]
        return SampledBoxes(self.boxes[kept], self.labels[kept], self.objects[kept], len(kept))


@dataclass(frozen=True, slots=True)
class Candidates:
    """Boxes of one image after the box head; labels count from 1."""

    boxes: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    scores: Float[Tensor, " n"]


def mlp_head(channels: int, hidden: int) -> nn.Sequential:
    """Two fully connected layers."""
    first = nn.Linear(channels * BOX_POOL_SIZE**2, hidden)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())


def convolution_head(channels: int, hidden: int, *, depth: int = 4) -> nn.Sequential:
    """`depth` 3 x 3 convolutions with batch norm, then one fully connected layer."""
    layers = [Conv2dNormActivation(channels, channels, 3) for _ in range(depth)]
    last = nn.Linear(channels * BOX_POOL_SIZE**2, hidden)
    return nn.Sequential(*layers, nn.Flatten(), last, nn.ReLU())


class BoxHead(nn.Module):
    """`trunk` makes `hidden` numbers of a pooled proposal; `classes` counts the background."""

    def __init__(
        self,
        trunk: nn.Module,
        hidden: int,
        classes: int,
        rules: BoxRules,
        *,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        """`class_weights`: what a proposal of each class counts in the class loss; 1 if None."""
        super().__init__()
        weights = torch.tensor(class_weights or [1.0] * classes, dtype=torch.float32)
        self.class_weights: Tensor
        self.register_buffer("class_weights", weights, persistent=False)
        self.rules = rules
        self.trunk = trunk
        self.classes = nn.Linear(hidden, classes)
        self.deltas = nn.Linear(hidden, classes * 4)
        for layer, std in ((self.classes, 0.01), (self.deltas, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(
        self, pooled: Float[Tensor, "*levels n c 7 7"]
    ) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes 4"]]:
        """Class logits, and box corrections for each class; `levels` where the trunk fuses them."""
        seen = self.trunk(pooled)
        return self.classes(seen), self.deltas(seen).unflatten(1, (-1, 4))

    @torch.no_grad()
    def sample(self, proposals: Float[Tensor, "n 4"], target: Target) -> SampledBoxes:
        """Which proposals of an image learn what; its own boxes join the proposals."""
        boxes = torch.cat([proposals, target.boxes])
        iou = self.rules.positive_iou
        matched = match(
            boxes,
            target.boxes,
            positive_iou=iou,
            negative_iou=iou,
            best_for_each=False,
            similarity=similarity(self.rules.similarity, self.rules.nwd_scale),
        )
        matched = drop_ignored_negatives(matched, target.ignored_share(boxes))
        share = self.rules.positive_share
        generator, count = target.generator("proposals"), self.rules.sampled
        positive, negative = sample(matched, count=count, positive_share=share, generator=generator)
        background = torch.zeros(len(negative), dtype=torch.int64, device=boxes.device)
        labels = torch.cat([target.labels[matched[positive]], background])
        objects = torch.cat([matched[positive], background + NEGATIVE])
        return SampledBoxes(boxes[torch.cat([positive, negative])], labels, objects, len(positive))

    def losses(
        self,
        logits: Float[Tensor, "n classes"],
        deltas: Float[Tensor, "n classes 4"],
        sampled: list[SampledBoxes],
        targets: list[Target],
        *,
        normalise: Normalise = own_count,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Class loss over all sampled proposals, box loss over those with an object."""
        labels = torch.cat([s.labels for s in sampled])
        weights = self.class_weights
        pairs = list(zip(sampled, targets, strict=True))
        parts = zip(torch.split(logits, [len(s.labels) for s in sampled]), pairs, strict=True)
        joined = [join_background(part, s.labels, t.unlabelled) for part, (s, t) in parts]
        classes = functional.cross_entropy(
            torch.cat(joined), labels, weight=weights, reduction="sum"
        )
        truth = torch.cat([t.boxes[s.objects[: s.positives]] for s, t in pairs])
        boxes = torch.cat([s.boxes[: s.positives] for s in sampled])
        positive = (labels > 0).nonzero()[:, 0]
        code = deltas[positive, labels[positive]]
        wanted = encode_boxes(truth, boxes, BOX_CODE_WEIGHTS)
        box = functional.smooth_l1_loss(code, wanted, beta=SMOOTH, reduction="sum")
        # A batch that lies on the ignore region has no samples.
        return divide(classes, len(labels), normalise), divide(box, len(labels), normalise)

    def select(
        self,
        logits: Float[Tensor, "n classes"],
        deltas: Float[Tensor, "n classes 4"],
        proposals: Float[Tensor, "n 4"],
        image_hw: tuple[int, int],
    ) -> Candidates:
        """The detections of one image, best first: over the score, alone in class and place."""
        scores = logits.softmax(dim=1)[:, 1:]
        proposal, label = (scores > self.rules.min_score).nonzero(as_tuple=True)
        score = scores[proposal, label]
        boxes = decode_boxes(deltas[proposal, label + 1], proposals[proposal], BOX_CODE_WEIGHTS)
        boxes = clip_boxes_to_image(boxes, image_hw)
        large = remove_small_boxes(boxes, LEAST_BOX_SIDE)
        boxes, score, label = boxes[large], score[large], label[large] + 1
        kept = batched_nms(boxes, score, label, self.rules.nms_iou)[: self.rules.detections]
        return Candidates(boxes[kept], label[kept], score[kept])
