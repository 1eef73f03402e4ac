"""Boxes as corrections to reference boxes (Girshick et al. 2014, R-CNN, appendix C, eq. 6-9).

dx = wx (cx - cx_ref) / w_ref, dw = ww log(w / w_ref), likewise in y and h.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

CodeWeights = tuple[float, float, float, float]

MAX_LOG_RATIO = math.log(1000.0 / 16)
"""A decoded box is at most e^this = 62.5 times as wide or high as its reference."""


def encode_boxes(
    boxes: Float[Tensor, "n 4"], references: Float[Tensor, "n 4"], weights: CodeWeights
) -> Float[Tensor, "n 4"]:
    """Corrections that turn each reference into its box."""
    wh, ref_wh = boxes[:, 2:] - boxes[:, :2], references[:, 2:] - references[:, :2]
    centre = boxes[:, :2] + 0.5 * wh
    ref_centre = references[:, :2] + 0.5 * ref_wh
    code = torch.cat([(centre - ref_centre) / ref_wh, torch.log(wh / ref_wh)], dim=1)
    return code * code.new_tensor(weights)


def decode_boxes(
    code: Float[Tensor, "n 4"], references: Float[Tensor, "n 4"], weights: CodeWeights
) -> Float[Tensor, "n 4"]:
    """Boxes from corrections to their references; not cut to any image."""
    ref_wh = references[:, 2:] - references[:, :2]
    ref_centre = references[:, :2] + 0.5 * ref_wh
    plain = code / code.new_tensor(weights)
    shift, log_ratio = plain[:, :2], plain[:, 2:]
    centre = shift * ref_wh + ref_centre
    half = 0.5 * torch.exp(log_ratio.clamp(max=MAX_LOG_RATIO)) * ref_wh
    return torch.cat([centre - half, centre + half], dim=1)
