"""Recipe -> network with fresh weights: the only module that knows the parts and the choices."""

import torch

from tinyseg.model.backbones import TimmBackbone
from tinyseg.model.box_head import BoxHead, convolutions, mlp
from tinyseg.model.detector import Detector
from tinyseg.model.mask_head import MaskHead
from tinyseg.model.proposals import Proposals
from tinyseg.model.pyramid import Pyramid
from tinyseg.recipes import Recipe


def build_detector(recipe: Recipe) -> Detector:
    """The recipe's network with fresh weights, in evaluation mode."""
    net = recipe.network
    classes, channels = len(recipe.classes) + 1, net.pyramid_channels
    backbone = TimmBackbone(net.backbone, norm_eps=net.norm_eps)
    trunk = (
        mlp(channels, net.box_hidden)
        if net.box_trunk == "mlp"
        else convolutions(channels, net.box_hidden)
    )
    detector = Detector(
        backbone,
        Pyramid(backbone.channels, channels, norm=net.norm),
        Proposals(channels, net.proposals, depth=net.proposal_depth),
        BoxHead(trunk, net.box_hidden, classes, net.boxes),
        MaskHead(channels, classes, depth=net.mask_depth, norm=net.norm),
        rules=net.input,
    )
    return detector.to(memory_format=torch.channels_last).eval()
