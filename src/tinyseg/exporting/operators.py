"""Suppression and RoIAlign as operators: in torch by torchvision, in ONNX by its own.

torch's exporter sees each as one node, so nothing of it is unrolled or fixed to a size; `IN_ONNX`
says what the node becomes (opset 18). The torch side makes the exported form run, and be compared,
without any other runtime.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import nms, roi_align

from tinyseg.exporting.extras import require

OPSET = 18

SAMPLES = 2
"""RoIAlign's sampling points of a bin along each axis."""


@torch.library.custom_op("tinyseg::keep_best", mutates_args=())
def keep_best(boxes: Tensor, scores: Tensor, iou: float) -> Tensor:
    """Which of g x n boxes stay, in each of the g groups for itself: those with a score above 0
    that overlap no better one that stays by more than `iou`."""
    kept = torch.zeros_like(scores, dtype=torch.bool)
    for group in range(len(boxes)):
        which = (scores[group] > 0).nonzero()[:, 0]
        kept[group, which[nms(boxes[group, which], scores[group, which], iou)]] = True
    return kept


@keep_best.register_fake
def _(boxes: Tensor, scores: Tensor, iou: float) -> Tensor:
    return torch.empty_like(scores, dtype=torch.bool)


@torch.library.custom_op("tinyseg::align", mutates_args=())
def align(
    features: Tensor, boxes: Tensor, image: Tensor, size: int, scale: float, aligned: bool
) -> Tensor:
    """RoIAlign of n boxes, each of an image of the batch, from one map: n x channels x size^2."""
    located = torch.cat([image[:, None].to(boxes), boxes], dim=1)
    return roi_align(features, located, size, scale, SAMPLES, aligned)


@align.register_fake
def _(
    features: Tensor, boxes: Tensor, image: Tensor, size: int, scale: float, aligned: bool
) -> Tensor:
    return features.new_empty((boxes.shape[0], features.shape[1], size, size))


@torch.library.custom_op("tinyseg::align_by_level", mutates_args=())
def align_by_level(
    maps: list[Tensor], boxes: Tensor, image: Tensor, level: Tensor, size: int, aligned: bool
) -> Tensor:
    """RoIAlign of n boxes, each from the map of its level; strides are 4, 8, 16 ..."""
    pooled = maps[0].new_empty((boxes.shape[0], maps[0].shape[1], size, size))
    for place, features in enumerate(maps):
        which = (level == place).nonzero()[:, 0]
        scale = 0.25 / 2**place
        pooled[which] = align(features, boxes[which], image[which], size, scale, aligned)
    return pooled


@align_by_level.register_fake
def _(
    maps: list[Tensor], boxes: Tensor, image: Tensor, level: Tensor, size: int, aligned: bool
) -> Tensor:
    return maps[0].new_empty((boxes.shape[0], maps[0].shape[1], size, size))


@cache
def in_onnx() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What the exporter writes for each operator; needs onnxscript."""
    op = require("onnxscript").opset18

    def keep(boxes: Any, scores: Any, iou: float) -> Any:
        limits = op.Constant(value_floats=[iou]), op.Constant(value_floats=[0.0])
        everything = op.Constant(value_ints=[2**31 - 1])
        one = op.Unsqueeze(scores, op.Constant(value_ints=[1]))
        chosen = op.NonMaxSuppression(boxes, one, everything, *limits)  # group, 0, place
        at = op.Gather(chosen, op.Constant(value_ints=[0, 2]), axis=1)
        ones = op.Expand(op.Constant(value_float=1.0), op.Shape(chosen, start=0, end=1))
        marks = op.ScatterND(op.Mul(scores, op.Constant(value_float=0.0)), at, ones)
        return op.Greater(marks, op.Constant(value_float=0.5))

    def pool(features: Any, boxes: Any, image: Any, size: int, scale: float, aligned: bool) -> Any:
        return op.RoiAlign(
            features,
            boxes,
            image,
            output_height=size,
            output_width=size,
            sampling_ratio=SAMPLES,
            spatial_scale=scale,
            mode="avg",
            coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
        )

    def pool_by_level(
        maps: Sequence[Any], boxes: Any, image: Any, level: Any, size: int, aligned: bool
    ) -> Any:
        order, rows = [], []
        for place, features in enumerate(maps):
            own = op.Equal(level, op.Constant(value_int=place))
            which = op.Squeeze(op.NonZero(own), op.Constant(value_ints=[0]))
            order.append(which)
            mine = op.Gather(boxes, which), op.Gather(image, which)
            rows.append(pool(features, *mine, size, 0.25 / 2**place, aligned))
        back = op.Unsqueeze(op.Concat(*order, axis=0), op.Constant(value_ints=[1]))
        pooled = op.Concat(*rows, axis=0)
        return op.ScatterND(op.Mul(pooled, op.Constant(value_float=0.0)), back, pooled)

    ops = torch.ops.tinyseg
    return {
        ops.keep_best.default: keep,
        ops.align.default: pool,
        ops.align_by_level.default: pool_by_level,
    }
