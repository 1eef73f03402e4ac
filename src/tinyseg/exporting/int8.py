"""A network's large convolutions in 8 bits, for OpenVINO: post-training quantisation by NNCF.

In: the graph of `graph.to_onnx`, and views of the pictures that it will look at. Out: an
openvino.Model in which PARTS compute in 8 bits, scaled by the ranges that the views gave; what is
decided by small differences (the proposals' last layers, boxes, scores) stays as it was.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from tinyseg.exporting.extras import require

View = UInt8[np.ndarray, "_h _w 3"]

PARTS = ("1/backbone", "1/pyramid", "1/head.convs", "1/box_layers", "2/mask_head.convs")
"""Modules that are quantised, behind the places that `graph.to_onnx` gives `network.Dense` and
`network.Choose`: most of the time, and none of the last layers."""


def folded(graph: Any) -> Any:
    """The graph as an openvino.Model whose weights are plain numbers."""
    openvino = require("openvino")
    from openvino.passes import ConstantFolding, Manager

    model = openvino.Core().read_model(graph.SerializeToString())
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)
    return model


def in_8_bits(model: Any, views: Sequence[View]) -> Any:
    """The model with PARTS quantised. Something has to be found in each view: one without a mask
    would give the mask head's numbers a range of nothing."""
    os.environ.setdefault("NNCF_CI", "1")  # or it tells its makers of each call
    nncf = require("nncf")
    nncf.set_log_level("ERROR")
    names = [op.get_friendly_name() for op in model.get_ops()]
    exact = [name for name in names if not name.startswith(PARTS)]
    return nncf.quantize(
        model,
        nncf.Dataset(list(views), lambda view: {"images": view[None]}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(views),
        ignored_scope=nncf.IgnoredScope(names=exact, validate=False),
    )
