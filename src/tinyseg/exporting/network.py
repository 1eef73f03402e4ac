"""The detector as it is exported: three modules that run one after the other.

    images -> Prepare -> pixels, hw -> Dense -> maps -> Choose -> boxes, scores, labels, masks

Dense is most of the work and holds no size of a picture, so that it may be traced at one size and
run at all. Choose has the pictures of a batch in one tensor, where `Detector.detect` has a list:
what is no candidate has the score 0. Detections leave in one row, picture by picture and best
first, with the picture that each is of; so none are as right as many. Refused: networks whose maps
are not halved exactly from level to level.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Float, Int64, UInt8
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.nn import functional

from tinyseg.errors import WeightsError
from tinyseg.exporting.operators import align, align_by_level, keep_best
from tinyseg.model import (
    BOX_CODE_WEIGHTS as BOX_WEIGHTS,
    BOX_POOL_SIZE as BOX_POOL,
    LEAST_BOX_SIDE as LEAST_BOX,
    LEAST_PROPOSAL_SIDE as LEAST_PROPOSAL,
    MASK_POOL_SIZE as MASK_POOL,
    PROPOSAL_CODE_WEIGHTS as PROPOSAL_WEIGHTS,
    STRIDES,
    CodeWeights,
    Detector,
    FusedLevels,
    NormedConv,
    Pyramid,
    anchor_shapes,
    choose_levels,
    decode_boxes,
    pool_all_levels,
)

Detected = tuple[
    Float[Tensor, "n 4"],
    Float[Tensor, " n"],
    Int64[Tensor, " n"],
    Float[Tensor, "n 28 28"],
    Int64[Tensor, " n"],
]
"""Boxes in pixels, scores, class indices, masks 0 ... 1 over the boxes, and whose picture's they
are; picture by picture, best first."""


class Prepare(nn.Module):
    """Normalised and padded pixels, and the height and width before padding."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.pad_to = detector.rules.pad_to
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", detector.mean)
        self.register_buffer("std", detector.std)

    def forward(
        self, images: UInt8[Tensor, "b h w 3"]
    ) -> tuple[Float[Tensor, "b 3 _h _w"], Float[Tensor, " 2"]]:
        """Grey pixels of the mean fill the right and the bottom."""
        height, width = images.shape[1], images.shape[2]
        pixels = (images.permute(0, 3, 1, 2).float() - self.mean) / self.std
        sides = [0, -width % self.pad_to, 0, -height % self.pad_to]
        one = torch.ones(1)
        return functional.pad(pixels, sides), torch.cat([one * height, one * width])


@dataclass(frozen=True, slots=True)
class Maps:
    """What Dense finds: maps that the mask head and the box head read, and the proposals' codes."""

    masks: list[Float[Tensor, "b c _h _w"]]
    boxes: list[Float[Tensor, "b c _h _w"]]
    scores: list[Float[Tensor, "b anchors _h _w"]]
    deltas: list[Float[Tensor, "b codes _h _w"]]

    def flat(self) -> tuple[Tensor, ...]:
        """One after the other; the box head's own maps only where they are others."""
        own = () if self.boxes is self.masks else tuple(self.boxes)
        return (*self.masks, *own, *self.scores, *self.deltas)

    @staticmethod
    def of(flat: Sequence[Tensor]) -> "Maps":
        """From `flat`."""
        pooled, levels = len(STRIDES), len(STRIDES) + 1
        masks, rest = list(flat[:pooled]), list(flat[pooled:])
        own, codes = rest[: -2 * levels], rest[-2 * levels :]
        return Maps(masks, own or masks, codes[:levels], codes[levels:])


class Dense(nn.Module):
    """Backbone, pyramid, and the proposal head on every level."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        if detector.rules.pad_to % STRIDES[-1]:
            rule = f"an exported network pads pictures to a multiple of {STRIDES[-1]}"
            raise WeightsError(rule, where="network.input.pad_to", got=detector.rules.pad_to)
        self.backbone, self.pyramid = _without_norms(detector.backbone), detector.pyramid
        self.head, self.box_layers = detector.proposals.head, _first_layers(detector)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        """`Maps.flat` of padded pixels."""
        levels = _levels(self.pyramid, self.backbone(pixels))
        masks, scores, deltas = levels[: len(STRIDES)], [], []
        for level in levels:
            seen = self.head.convs(level)
            scores.append(self.head.objectness(seen))
            deltas.append(self.head.deltas(seen))
        boxes = masks
        if self.box_layers is not None:
            boxes = [layer(level) for layer, level in zip(self.box_layers, masks, strict=True)]
        return Maps(masks, boxes, scores, deltas).flat()


class PlainConv(nn.Conv2d):
    """A NormedConv without its norm. Scales are applied in the graph, which runtimes do once, so
    that weights of half precision stay such."""

    def __init__(self, conv: NormedConv) -> None:
        channels = conv.in_channels, conv.out_channels
        super().__init__(*channels, 1, groups=conv.groups, bias=False, device="meta")
        self.kernel_size, self.stride = conv.kernel_size, conv.stride
        self.padding, self.dilation, self.same = conv.padding, conv.dilation, conv.same
        one = torch.ones(conv.out_channels)
        scale, shift = conv.scale_and_shift() or (one, 0 * one)
        self.weight = conv.weight
        self.scale, self.bias = (nn.Parameter(part.detach()) for part in (scale, shift))

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _h _w"]:
        """The padding of even sides does not depend on the picture's size."""
        if self.same:
            input = pad_same(input, list(self.kernel_size), list(self.stride), list(self.dilation))
        weight = self.weight * self.scale.view(-1, 1, 1, 1)
        return self._conv_forward(input, weight, self.bias)


def _without_norms(backbone: nn.Module) -> nn.Module:
    """A copy whose norms are part of the convolutions before them, where that is known."""
    plain = copy.deepcopy(backbone)
    for name, module in backbone.named_modules():
        if isinstance(module, NormedConv):
            plain.set_submodule(name, PlainConv(module))
    return plain


def _levels(
    pyramid: nn.Module, stages: list[Float[Tensor, "b _c _h _w"]]
) -> list[Float[Tensor, "b c _h _w"]]:
    """Pyramid.forward; coarser maps are doubled, where the FPN itself asks for the finer's size."""
    if not isinstance(pyramid, Pyramid) or pyramid.top is not None:
        rule = "pyramid pooling depends on the picture's size and is not exported"
        raise WeightsError(rule, where="network.pyramid_pooling", got=True)
    inner = [block(stage) for block, stage in zip(pyramid.fpn.inner_blocks, stages, strict=True)]
    for place in range(len(inner) - 2, -1, -1):
        inner[place] = inner[place] + functional.interpolate(inner[place + 1], scale_factor=2.0)
    levels = [block(one) for block, one in zip(pyramid.fpn.layer_blocks, inner, strict=True)]
    for refine in (pyramid.attention, pyramid.aggregation):
        levels = levels if refine is None else refine(levels)
    return [*levels, functional.max_pool2d(levels[-1], 1, stride=2)]


def _first_layers(detector: Detector) -> nn.ModuleList | None:
    """The 1 x 1 convolutions in front of a fused box head, one a level, if it has such: they are
    sums, as RoIAlign is, so that they may run before it, over fewer pixels than RoIs have. Where
    RoIs are not aligned a bin may lie outside the map, without the convolution's bias."""
    trunk = detector.box_head.trunk
    if not isinstance(trunk, FusedLevels) or not detector.rules.aligned:
        return None
    levels = [[m for m in level.modules() if not list(m.children())] for level in trunk.levels]
    if any([type(layer) for layer in layers] != [nn.Conv2d, nn.ReLU] for layers in levels):
        return None
    first = nn.ModuleList(layers[0] for layers in levels)
    return first if all(layer.kernel_size == (1, 1) for layer in first) else None


class Choose(nn.Module):
    """Proposals, box head, detections, mask head."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.box_head, self.mask_head = detector.box_head, detector.mask_head
        self.rules, self.aligned = detector.proposals.rules, detector.rules.aligned
        self.every_level = detector.pool is pool_all_levels
        self.began_before = _first_layers(detector) is not None
        """Whether Dense did what the box head begins with."""

    def forward(self, hw: Float[Tensor, " 2"], flat: Sequence[Tensor]) -> Detected:
        """What is found in the pictures of these heights and widths."""
        maps = Maps.of(flat)
        proposals, objectness = self._propose(maps, hw)
        scores, boxes = self._read_boxes(maps, proposals, hw)
        scores = torch.where(objectness[:, None] > 0, scores, 0.0)
        rules = self.box_head.rules
        kept = keep_best(boxes.flatten(0, 1), scores.flatten(0, 1), rules.nms_iou)
        row = torch.where(kept.reshape(scores.shape), scores, 0.0).flatten(1)
        best, place = row.topk(min(rules.detections, row.shape[1]))
        found = (best > 0).nonzero()
        if torch.compiler.is_exporting():  # the tracer must not ask; the graph is right for none
            torch._check(found.shape[0] > 0)
        image, rank = found.unbind(1)
        chosen = place[image, rank]
        box, label = boxes.flatten(1, 2)[image, chosen], chosen // scores.shape[2]
        pooled = self._pool(maps.masks, box, image, MASK_POOL)
        grids = torch.relu(self.mask_head.upsample(_fused(self.mask_head.convs, pooled)))
        own = self.mask_head.logits(grids)[torch.arange(box.shape[0]), label + 1]
        return box, best[image, rank], label, own.sigmoid(), image

    def _propose(
        self, maps: Maps, hw: Float[Tensor, " 2"]
    ) -> tuple[Float[Tensor, "b p 4"], Float[Tensor, "b p"]]:
        """`Proposals.select`: the best boxes of each picture, and how sure they are."""
        wanted = self.rules.kept_before_nms[1]
        best, places, codes = [], [], []
        for scores, deltas in zip(maps.scores, maps.deltas, strict=True):
            # A level with fewer anchors than are taken is filled up with what is no candidate.
            logits = functional.pad(
                scores.permute(0, 2, 3, 1).flatten(1), (0, wanted), value=-math.inf
            )
            logit, place = logits.topk(wanted)
            place = torch.where(logit > -math.inf, place, 0)
            code = deltas.permute(0, 2, 3, 1).reshape(logits.shape[0], -1, 4)
            codes.append(code.gather(1, place[..., None].expand(-1, -1, 4)))
            best.append(logit)
            places.append(place)
        anchors = self._anchors(torch.stack(places, dim=1), maps)
        box = _decoded(torch.stack(codes, dim=1), anchors, PROPOSAL_WEIGHTS, hw)
        large = _least_side(box) >= LEAST_PROPOSAL
        score = torch.where(large, torch.stack(best, dim=1).sigmoid(), 0.0)
        kept = keep_best(box.flatten(0, 1), score.flatten(0, 1), self.rules.nms_iou)
        row = torch.where(kept.reshape(score.shape), score, 0.0).flatten(1)
        objectness, chosen = row.topk(min(self.rules.kept[1], row.shape[1]))
        return box.flatten(1, 2).gather(1, chosen[..., None].expand(-1, -1, 4)), objectness

    def _anchors(
        self, place: Int64[Tensor, "b levels k"], maps: Maps
    ) -> Float[Tensor, "b levels k 4"]:
        """The anchors at these places of each level, counted row by row."""
        rows, columns = (torch.stack([_number(m.shape[i]) for m in maps.scores]) for i in (2, 3))
        ratios = self.rules.aspect_ratios
        shapes = torch.cat(
            [anchor_shapes(size, ratios, place.device) for size in self.rules.anchor_sizes]
        )
        level = torch.arange(len(maps.scores))[:, None]
        cell, shape = place // len(ratios), place % len(ratios) + level * len(ratios)
        x = cell % columns * (STRIDES[0] * columns[:1] // columns)
        y = cell // columns * (STRIDES[0] * rows[:1] // rows)
        return torch.stack([x, y, x, y], dim=-1).float() + shapes[shape]

    def _read_boxes(
        self, maps: Maps, proposals: Float[Tensor, "b p 4"], hw: Float[Tensor, " 2"]
    ) -> tuple[Float[Tensor, "b classes p"], Float[Tensor, "b classes p 4"]]:
        """`BoxHead.select` up to its suppression: scores, 0 for what is no candidate, and boxes."""
        count = proposals.shape[1]
        image = torch.arange(proposals.shape[0])[:, None].expand(-1, count).flatten()
        pooled = self._pool(maps.boxes, proposals.flatten(0, 1), image, BOX_POOL)
        seen = _fused(self.box_head.trunk, pooled, began=self.began_before)
        logits, deltas = self.box_head.classes(seen), self.box_head.deltas(seen)
        scores = logits.softmax(dim=1)[:, 1:].unflatten(0, (-1, count)).transpose(1, 2)
        codes = deltas.unflatten(1, (-1, 4))[:, 1:].unflatten(0, (-1, count)).transpose(1, 2)
        own = proposals[:, None].expand(-1, codes.shape[1], -1, -1)
        boxes = _decoded(codes, own, BOX_WEIGHTS, hw)
        sure = (scores > self.box_head.rules.min_score) & (_least_side(boxes) >= LEAST_BOX)
        return torch.where(sure, scores, 0.0), boxes

    def _pool(
        self,
        maps: list[Float[Tensor, "b c _h _w"]],
        boxes: Float[Tensor, "n 4"],
        image: Int64[Tensor, " n"],
        size: int,
    ) -> list[Float[Tensor, "n c size size"]]:
        """RoIs of every level, or of the level that suits each box."""
        if not self.every_level:
            level = choose_levels(boxes, count=len(maps))
            return [align_by_level(maps, boxes, image, level, size, self.aligned)]
        return [
            align(one, boxes, image, size, 1 / stride, self.aligned)
            for one, stride in zip(maps, STRIDES, strict=False)
        ]


def _fused(
    layers: nn.Module, pooled: list[Float[Tensor, "n c size size"]], *, began: bool = False
) -> Float[Tensor, "n *rest"]:
    """A head's layers over RoIs of one level, or of every level; `began` where the levels' own
    convolutions ran before."""
    if not isinstance(layers, FusedLevels):
        return layers(pooled[0])
    if began:
        return layers.rest(torch.relu(reduce(torch.maximum, pooled)))
    seen = [layer(one) for layer, one in zip(layers.levels, pooled, strict=True)]
    return layers.rest(reduce(torch.maximum, seen))


def _decoded(
    code: Float[Tensor, "*rows 4"],
    references: Float[Tensor, "*rows 4"],
    weights: CodeWeights,
    hw: Float[Tensor, " 2"],
) -> Float[Tensor, "*rows 4"]:
    """Boxes from corrections, cut to the picture."""
    boxes = decode_boxes(code.reshape(-1, 4), references.reshape(-1, 4), weights).reshape(
        code.shape
    )
    return boxes.clamp(min=0).minimum(hw.flip(0).repeat(2))


def _number(size: int | torch.SymInt) -> Int64[Tensor, " 1"]:
    """A size, which may be open in the graph, as a tensor."""
    one = torch.ones(1, dtype=torch.int64)
    return one.mul(size)


def _least_side(boxes: Float[Tensor, "*rows 4"]) -> Float[Tensor, "*rows"]:
    return (boxes[..., 2:] - boxes[..., :2]).amin(dim=-1)
