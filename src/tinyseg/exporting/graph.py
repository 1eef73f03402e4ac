"""A detector -> one ONNX graph, from pictures to masks, of ONNX's own operators.

    images  uint8 (pictures, height, width, 3), RGB
    boxes   float32 (n, 4)       x0, y0, x1, y1 in pixels
    scores  float32 (n)          0 ... 1
    labels  int64 (n)            places in the list of classes
    masks   float32 (n, 28, 28)  0 ... 1, each stretched over its box
    image   int64 (n)            which picture: picture by picture, best first

The three modules of `network.py` are traced one by one and joined: Prepare and Choose with their
sizes open, which costs time for every operator, and Dense, where most operators are, at one size.
That is right only if nothing in Dense remembers the size, so operators that could are refused.
Needs the packages onnx and onnxscript.
"""

import ast
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import Dim, export

from tinyseg.errors import WeightsError
from tinyseg.exporting.extras import require
from tinyseg.exporting.network import Choose, Dense, Maps, Prepare
from tinyseg.exporting.operators import OPSET, in_onnx
from tinyseg.model import STRIDES, Detector

OUTPUTS = ("boxes", "scores", "labels", "masks", "image")

MOST_SIDE, MOST_PICTURES = 16384, 1024
"""Pixels along a picture's side, and pictures of a batch."""

IR_VERSION = 10
"""The form of ONNX files that goes with the operators; later ones need later runtimes."""

LEAST_HALVED = 256
"""Numbers of a tensor from which on it pays to keep it in half precision."""

OF_ANY_SIZE = frozenset(
    {
        *("Cast", "Concat", "Constant", "Identity", "Pad", "Transpose", "Resize"),
        *("AveragePool", "BatchNormalization", "Conv", "GlobalAveragePool", "LayerNormalization"),
        *("MatMul", "MaxPool", "ReduceMean", "Softmax"),
        *("Add", "Div", "Erf", "Exp", "Mul", "Pow", "Sqrt", "Sub", "Sum"),
        *("Clip", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Tanh"),
    }
)
"""Operators that compute the same whatever a map's height and width: Pad's numbers are those of
every even side, and Resize doubles."""


def to_onnx(detector: Detector) -> Any:
    """The detector as an onnx.ModelProto; raises WeightsError for one that cannot be exported."""
    require("onnxscript")
    prepare, dense, choose = Prepare(detector), Dense(detector), Choose(detector)
    step = detector.rules.pad_to
    # No side of a map may be 1, which the tracer would take for a fixed one.
    least = -(-2 * STRIDES[-1] * 2 // step) * step
    images = torch.zeros(2, least - 7, least + step - 9, 3, dtype=torch.uint8)
    with torch.no_grad(), _quietly():
        pixels, hw = prepare(images)
        maps = dense(pixels)
        names = [f"map{place}" for place in range(len(maps))]
        pictures = Dim("pictures", min=1, max=MOST_PICTURES)
        height, width = (Dim(n, min=step + 1, max=MOST_SIDE) for n in ("height", "width"))
        any_picture = ({0: pictures, 1: height, 2: width},)
        any_maps: Any = ({}, _sizes(Maps.of(maps), pictures))
        return _joined(
            [
                _traced(prepare, (images,), any_picture, ["images"], ["pixels", "hw"]),
                _of_any_size(_traced(dense, (pixels,), None, ["pixels"], names)),
                _traced(choose, (hw, list(maps)), any_maps, ["hw", *names], OUTPUTS),
            ]
        )


def _sizes(maps: Maps, pictures: Any) -> list[dict[int, Any]]:
    """The open sizes of each map: a height and a width a level."""
    levels = [
        {0: pictures, 2: Dim(f"rows{level}"), 3: Dim(f"columns{level}")}
        for level in range(len(maps.scores))
    ]
    own = [] if maps.boxes is maps.masks else levels[:-1]
    return [*levels[:-1], *own, *levels, *levels]


def _traced(
    module: nn.Module,
    inputs: tuple[Any, ...],
    sizes: Any,
    given: Sequence[str],
    found: Sequence[str],
) -> Any:
    """The module as an onnx.ModelProto with these names of inputs and outputs."""
    program = export(module, inputs, dynamic_shapes=sizes, strict=False)
    written: Any = torch.onnx.export(
        program,
        (),
        dynamo=True,
        opset_version=OPSET,
        input_names=list(given),
        output_names=list(found),
        custom_translation_table=in_onnx(),
        verbose=False,
    )
    return written.model_proto


def _of_any_size(dense: Any) -> Any:
    """The graph, traced at one size, without a word about it."""
    unsure = {node.op_type for node in dense.graph.node} - OF_ANY_SIZE
    if unsure:
        rule = "a part of the backbone or pyramid would be fixed to one size of picture"
        raise WeightsError(rule, where=", ".join(sorted(unsure)))
    del dense.graph.value_info[:]
    return dense


def _joined(parts: Sequence[Any]) -> Any:
    """One graph of those that follow each other, what one leaves being what a later one takes."""
    onnx = require("onnx")
    named = [_own_names(part.graph, f"{place}/") for place, part in enumerate(parts)]
    graph = onnx.helper.make_graph(
        [node for part in named for node in part.node],
        "tinyseg",
        list(named[0].input),
        list(named[-1].output),
        [tensor for part in named for tensor in part.initializer],
    )
    version = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(graph, opset_imports=[version], producer_name="tinyseg")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model


def _own_names(graph: Any, prefix: str) -> Any:
    """The graph with names of its own, a node's with its module, but for those of its inputs and
    outputs, and without what the exporter notes at every node."""
    outside = {"", *(value.name for value in (*graph.input, *graph.output))}
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [name if name in outside else prefix + name for name in names]
        # The module that it is of, by the exporter's notes: ['', 'backbone', ...]
        scopes = [one.value for one in node.metadata_props if one.key.endswith("name_scopes")]
        modules = ast.literal_eval(scopes[0]) if scopes else []
        node.name = f"{prefix}{modules[1] if len(modules) > 2 else ''}/{node.name}"
        node.doc_string = ""
        del node.metadata_props[:]
    for tensor in graph.initializer:
        tensor.name = prefix + tensor.name
        del tensor.metadata_props[:]
    for value in (*graph.input, *graph.output):
        del value.metadata_props[:]
    return graph


def halved(model: Any) -> Any:
    """The same numbers in fewer bytes: tensors that half precision holds exactly are kept so, and
    made float32 where they are read. Weights that were given away in half precision are such."""
    onnx = require("onnx")
    casts, tensors = [], []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        half = values
        if values.size >= LEAST_HALVED and values.dtype == np.float32:
            with np.errstate(over="ignore"):
                half = values.astype(np.float16)
        if half is values or not np.array_equal(half.astype(np.float32), values):
            tensors.append(tensor)
            continue
        name = f"{tensor.name}/half"
        casts.append(onnx.helper.make_node("Cast", [name], [tensor.name], to=1))
        tensors.append(onnx.numpy_helper.from_array(half, name))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensors)
    return model


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's remarks, which are about its own parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
