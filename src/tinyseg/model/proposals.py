"""Region proposals (Ren et al. 2015, Faster R-CNN, section 3; on a pyramid as in Lin et al. 2017).

Pyramid maps in; for each image the boxes most likely to hold an object, and in training the two
losses. Nothing here knows classes or masks.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import (
    Conv2dNormActivation,
    batched_nms,
    box_iou,
    clip_boxes_to_image,
    remove_small_boxes,
)

from tinyseg.model.assign import (
    CodeWeights,
    decode_boxes,
    drop_ignored_negatives,
    encode_boxes,
    match,
    sample,
)
from tinyseg.model.fast.sparse_gradient import sparse_conv
from tinyseg.model.rules import ProposalRules
from tinyseg.model.similarity import similarity
from tinyseg.model.targets import Normalise, Target, divide, own_count

SMOOTH = 1 / 9
"""Where the box loss turns from square to linear."""

PROPOSAL_CODE_WEIGHTS: CodeWeights = (1.0, 1.0, 1.0, 1.0)

LEAST_PROPOSAL_SIDE = 1e-3
"""Proposals narrower or lower than this many pixels are none."""


class ProposalHead(nn.Module):
    """Objectness and box corrections of each anchor, the same convolutions on every level."""

    def __init__(self, channels: int, anchors: int, *, depth: int = 1) -> None:
        super().__init__()
        layers = [
            Conv2dNormActivation(channels, channels, 3, norm_layer=None) for _ in range(depth)
        ]
        self.convs = nn.Sequential(*layers)
        self.objectness = nn.Conv2d(channels, anchors, 1)
        self.deltas = nn.Conv2d(channels, anchors * 4, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)

    def forward(
        self, maps: list[Float[Tensor, "b c _h _w"]]
    ) -> tuple[list[Float[Tensor, "b _k"]], list[Float[Tensor, "b _k 4"]]]:
        """For each level the scores (logits) and corrections of its anchors, row by row."""
        scores, deltas = [], []
        for level in maps:
            flat = self._codes(level).permute(0, 2, 3, 1)
            anchors = self.objectness.out_channels
            scores.append(flat[..., :anchors].flatten(1))
            deltas.append(flat[..., anchors:].reshape(len(flat), -1, 4))
        return scores, deltas

    def _codes(self, level: Float[Tensor, "b c h w"]) -> Float[Tensor, "b _codes h w"]:
        """Scores, then corrections; the losses are of few anchors, so their gradient is sparse."""
        seen = level
        for layer in self.convs.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                seen = torch.relu_(sparse_conv(seen, layer.weight, layer.bias))
        layers = (self.objectness, self.deltas)
        biases = [layer.bias for layer in layers if layer.bias is not None]
        return sparse_conv(seen, torch.cat([layer.weight for layer in layers]), torch.cat(biases))


def anchor_shapes(
    size: float, ratios: tuple[float, ...], device: torch.device
) -> Float[Tensor, "ratios 4"]:
    """Anchors around the origin, of this size's area, in whole pixels."""
    root = torch.tensor(ratios, device=device).sqrt()
    half = torch.stack([size / root, size * root], dim=1) / 2
    return torch.cat([-half, half], dim=1).round()


@lru_cache(maxsize=8)
def anchor_boxes(
    grids_hw: tuple[tuple[int, int], ...],
    image_hw: tuple[int, int],
    sizes: tuple[float, ...],
    ratios: tuple[float, ...],
    device: torch.device,
) -> list[Float[Tensor, "_k 4"]]:
    """Anchors of each level, row by row; one size a level, `ratios` are height / width."""
    levels = []
    for (rows, columns), size in zip(grids_hw, sizes, strict=True):
        shapes = anchor_shapes(size, ratios, device)
        y = torch.arange(rows, device=device) * (image_hw[0] // rows)
        x = torch.arange(columns, device=device) * (image_hw[1] // columns)
        y, x = torch.meshgrid(y, x, indexing="ij")
        shifts = torch.stack([x, y, x, y], dim=2).reshape(-1, 1, 4)
        levels.append((shifts + shapes).reshape(-1, 4).float())
    return levels


@dataclass(frozen=True, slots=True)
class RawProposals:
    """The head's output on every level, with the anchors it corrects."""

    scores: list[Float[Tensor, "b _k"]]
    deltas: list[Float[Tensor, "b _k 4"]]
    anchors: list[Float[Tensor, "_k 4"]]
    padded_hw: tuple[int, int]


class Proposals(nn.Module):
    """The head, its anchors, its losses and the selection."""

    def __init__(self, channels: int, rules: ProposalRules, *, depth: int = 1) -> None:
        super().__init__()
        self.rules = rules
        self.head = ProposalHead(channels, len(rules.aspect_ratios), depth=depth)

    def forward(
        self, maps: list[Float[Tensor, "b c _h _w"]], padded_hw: tuple[int, int]
    ) -> RawProposals:
        """Scores, corrections and anchors of every level for images of this padded size."""
        scores, deltas = self.head(maps)
        grids = tuple((int(m.shape[2]), int(m.shape[3])) for m in maps)
        sizes, ratios = tuple(self.rules.anchor_sizes), tuple(self.rules.aspect_ratios)
        anchors = anchor_boxes(grids, padded_hw, sizes, ratios, maps[0].device)
        return RawProposals(scores, deltas, anchors, padded_hw)

    @torch.no_grad()
    def select(self, raw: RawProposals, image_hw: tuple[int, int]) -> list[Float[Tensor, "_n 4"]]:
        """The best boxes of each image, best first."""
        mode = 0 if self.training else 1
        count = raw.scores[0].shape[0]
        return [self._select_one(raw, i, image_hw, mode) for i in range(count)]

    def _select_one(
        self, raw: RawProposals, image: int, image_hw: tuple[int, int], mode: int
    ) -> Float[Tensor, "n 4"]:
        boxes, scores, levels = [], [], []
        for level, anchors in enumerate(raw.anchors):
            wanted = min(self.rules.kept_before_nms[mode], len(anchors))
            best, index = raw.scores[level][image].topk(wanted)
            boxes.append(
                decode_boxes(raw.deltas[level][image][index], anchors[index], PROPOSAL_CODE_WEIGHTS)
            )
            scores.append(best.sigmoid())
            levels.append(torch.full_like(index, level))
        box, score, level_of = torch.cat(boxes), torch.cat(scores), torch.cat(levels)
        box = clip_boxes_to_image(box, image_hw)
        large = remove_small_boxes(box, LEAST_PROPOSAL_SIDE)
        box, score, level_of = box[large], score[large], level_of[large]
        kept = batched_nms(box, score, level_of, self.rules.nms_iou)[: self.rules.kept[mode]]
        return box[kept]

    def losses(
        self,
        raw: RawProposals,
        targets: list[Target],
        *,
        unsure: list[Float[Tensor, "_k 4"]] | None = None,
        normalise: Normalise = own_count,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Objectness and box loss over the sampled anchors of all images.

        Anchors like a box of `unsure`, which may be an object without a label, are no negatives.
        """
        anchors = torch.cat(raw.anchors)
        visible = clip_boxes_to_image(anchors, raw.padded_hw)
        scores, deltas = torch.cat(raw.scores, dim=1), torch.cat(raw.deltas, dim=1)
        logits, wanted, code, wanted_code = [], [], [], []
        alike = similarity(self.rules.similarity, self.rules.nwd_scale)
        for image, target in enumerate(targets):
            matched = match(
                anchors,
                target.boxes,
                positive_iou=self.rules.positive_iou,
                negative_iou=self.rules.negative_iou,
                best_for_each=True,
                similarity=alike,
            )
            matched = drop_ignored_negatives(matched, target.ignored_share(visible))
            if unsure is not None and len(unsure[image]):
                near = box_iou(unsure[image], anchors).amax(dim=0)
                matched = drop_ignored_negatives(matched, near, limit=self.rules.negative_iou)
            share = self.rules.positive_share
            generator, count = target.generator("anchors"), self.rules.sampled
            positive, negative = sample(
                matched, count=count, positive_share=share, generator=generator
            )
            logits.append(scores[image][torch.cat([positive, negative])])
            wanted.append(torch.cat([torch.ones(len(positive)), torch.zeros(len(negative))]))
            code.append(deltas[image][positive])
            truth = target.boxes[matched[positive]]
            wanted_code.append(encode_boxes(truth, anchors[positive], PROPOSAL_CODE_WEIGHTS))
        seen, target_logits = torch.cat(logits), torch.cat(wanted).to(scores.device)
        objectness = functional.binary_cross_entropy_with_logits(
            seen, target_logits, reduction="sum"
        )
        box = functional.smooth_l1_loss(
            torch.cat(code), torch.cat(wanted_code), beta=SMOOTH, reduction="sum"
        )
        return divide(objectness, len(seen), normalise), divide(box, len(seen), normalise)
