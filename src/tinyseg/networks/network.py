"""Recipe -> network with fresh weights: the only module that knows the parts and the choices."""

from dataclasses import replace

import torch
from torch import nn

from tinyseg.labels import index_of
from tinyseg.model import (
    STRIDES,
    BoxHead,
    ContextAttention,
    Detector,
    MaskHead,
    PathAggregation,
    Planner,
    Proposals,
    Pyramid,
    PyramidPooling,
    TimmBackbone,
    convolution_head,
    freeze_stages,
    fuse_after,
    fuse_before,
    mlp_head,
    pool_all_levels,
    pool_levels,
)
from tinyseg.recipes import Network, Recipe

LEVELS = len(STRIDES)
"""Pyramid levels that RoIs are read from; the one above them serves proposals only."""


def build_detector(recipe: Recipe) -> Detector:
    """The recipe's network with fresh weights, in evaluation mode."""
    net = recipe.network
    classes, channels = len(recipe.classes) + 1, net.pyramid_channels
    backbone = TimmBackbone(net.backbone, norm_eps=net.norm_eps)
    freeze_stages(backbone, net.frozen_stages)
    detector = Detector(
        backbone,
        _pyramid(net, backbone.channels),
        Proposals(channels, net.proposals, depth=net.proposal_depth),
        BoxHead(
            _box_trunk(net),
            net.box_hidden,
            classes,
            net.boxes,
            class_weights=_class_weights(recipe),
        ),
        MaskHead(
            channels,
            classes,
            depth=net.mask_depth,
            norm=net.norm,
            fused_levels=LEVELS if net.path_aggregation else 0,
        ),
        rules=net.input,
        pool=pool_all_levels if net.path_aggregation else pool_levels,
    )
    detector.planner = Planner(recipe.memory.recompute, budget_gb=recipe.memory.budget_gb)
    return detector.to(memory_format=torch.channels_last).eval()


def keep_as_predicted(detector: Detector, recipe: Recipe) -> None:
    """Let the detector keep what the recipe says that prediction keeps."""
    limits, rules = recipe.predict, detector.box_head.rules
    detector.box_head.rules = replace(
        rules, min_score=limits.min_score, detections=limits.detections
    )


def _pyramid(net: Network, stages: list[int]) -> Pyramid:
    channels, given, top = net.pyramid_channels, list(stages), None
    if net.pyramid_pooling:
        given[-1] = stages[-1] // 4
        top = PyramidPooling(stages[-1], given[-1], norm=net.norm)
    return Pyramid(
        given,
        channels,
        norm=net.norm,
        top=top,
        attention=ContextAttention(channels, LEVELS) if net.context_attention else None,
        aggregation=PathAggregation(channels, LEVELS, norm=net.norm)
        if net.path_aggregation
        else None,
    )


def _box_trunk(net: Network) -> nn.Module:
    """The trunk that the recipe names; fused over levels with path aggregation."""
    trunks = {
        "mlp": (mlp_head, 3),
        "conv": (convolution_head, 1),
    }  # and the length of its first layer
    make, first = trunks[net.box_trunk]
    trunk = make(net.pyramid_channels, net.box_hidden)
    if not net.path_aggregation:
        return trunk
    if net.level_layer == "small":
        return fuse_before(trunk, net.pyramid_channels, count=LEVELS)
    return fuse_after(trunk, first, count=LEVELS)


def _class_weights(recipe: Recipe) -> list[float]:
    """What each class counts in the class loss, background first."""
    weights = [1.0] * (len(recipe.classes) + 1)
    for name, weight in recipe.network.class_weights.items():
        index = index_of(name, recipe.classes)
        if index is not None:  # the recipe has checked it
            weights[index + 1] = weight
    return weights
