"""An exported file as a Network, run by ONNX Runtime or OpenVINO; torch is not needed.

One compiled graph takes pictures of every size; in OpenVINO large ones have others. Numbers are
float32, or 8 bits where the file was made so, whatever the processor offers, so that results do not
depend on it. Refused: files that the runtime cannot run, and a runtime that is not installed, with
the extra to install.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from tinyseg.errors import DataError, DeviceError, WeightsError
from tinyseg.exporting.extras import require
from tinyseg.exporting.files import ExportedFile, read_exported
from tinyseg.frame import Instances
from tinyseg.masks import from_roi_grids
from tinyseg.network import Network

Run = Callable[[UInt8[np.ndarray, "_b _h _w 3"]], Sequence[np.ndarray]]
"""boxes, scores, labels, masks and image (see graph.py) of some pictures."""

VIEW_BYTES = 700.0
"""Memory for each pixel of a picture."""


class RuntimeNetwork(Network):
    """A network behind a function that runs it."""

    def __init__(self, run: Run, classes: tuple[str, ...], runtime: str, detections: int) -> None:
        self._run, self.classes, self.runtime = run, classes, runtime
        self.detections = detections

    def detect(self, images: UInt8[np.ndarray, "_b _h _w 3"]) -> list[Instances]:
        """The instances of each picture, in its pixels, best first."""
        try:
            found = self._run(np.ascontiguousarray(images))
        except Exception as error:  # each runtime has kinds of its own
            count, height, width = images.shape[:3]
            got = f"{count} of {width} x {height} pixels"
            raise DeviceError(f"{self.runtime} failed on pictures", got=got) from error
        return by_image(found, len(images))

    def keep(self, detections: int) -> None:
        """Refused beyond what the network was exported with."""
        if detections > self.detections:
            rule = f"an exported network keeps {self.detections} instances of a view"
            raise DataError(rule, where="detections", expected="the backend torch", got=detections)

    def view_bytes(self, hw: tuple[int, int]) -> float:
        """Measured with the package's own weights."""
        return VIEW_BYTES * hw[0] * hw[1]


def by_image(found: Sequence[np.ndarray], count: int) -> list[Instances]:
    """What was found in so many pictures, by picture."""
    boxes, scores, labels, grids, image = found
    starts = np.searchsorted(image, np.arange(count + 1))
    whole = Instances(
        boxes.astype(np.float64),
        from_roi_grids(boxes.astype(np.float64), grids),
        labels.astype(np.int64),
        scores.astype(np.float64),
    )
    return [whole.select(np.arange(a, b)) for a, b in pairwise(starts)]


def open_exported(
    path: Path, runtime: str, *, threads: int | None = None, file: ExportedFile | None = None
) -> RuntimeNetwork:
    """The network of an exported file (`file`, if it is read already) in this runtime, with so many
    threads; as many as there are cores if None."""
    file = read_exported(path) if file is None else file
    if runtime == "onnxruntime" and file.ending != ".onnx":
        rule = "ONNX Runtime runs .onnx files"
        raise WeightsError(rule, path=path, expected="the backend openvino", got=file.ending)
    try:
        run = RUNTIMES[runtime](file, threads)
    except WeightsError as error:
        raise error.at(path=path) from None
    except Exception as error:
        raise WeightsError(f"{runtime} cannot run it", path=path) from error
    classes = tuple(json.loads(file.notes["classes"]))
    return RuntimeNetwork(run, classes, runtime, json.loads(file.notes["limits"])["detections"])


OUTPUTS = ["boxes", "scores", "labels", "masks", "image"]


def _in_onnxruntime(file: ExportedFile, threads: int | None) -> Run:
    onnxruntime = require("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file.model, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(OUTPUTS, {"images": images})


OPTIONS: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
"""What OpenVINO is told: numbers as they are in the file, and one batch at a time."""

LARGE = 2**21
"""Pixels of a picture from which on a graph of just its size is compiled, in about a second: it
takes half the memory of the one for all sizes, and .85 of its time. Smaller ones would wait longer
for their graphs than they gain, where a folder's pictures have many sizes."""

COMPILED = 2
"""Graphs of one size that are kept."""


def _in_openvino(file: ExportedFile, threads: int | None) -> Run:
    openvino = require("openvino")
    core = openvino.Core()
    if file.weights is None:
        model = core.read_model(file.model)
    else:
        model = core.read_model(file.model, openvino.Tensor(np.frombuffer(file.weights, np.uint8)))
    return run_openvino(model, threads)


def run_openvino(model: Any, threads: int | None = None) -> Run:
    """An openvino.Model as a function; large pictures run one by one."""
    openvino = require("openvino")
    options = dict(OPTIONS)
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads

    def request_of(one: Any) -> Any:
        return openvino.Core().compile_model(one, "CPU", options).create_infer_request()

    @lru_cache(COMPILED)
    def of_size(height: int, width: int) -> Any:
        fixed = model.clone()
        fixed.reshape({"images": [1, height, width, 3]})
        return request_of(fixed)

    of_any_size = request_of(model)

    def run(images: np.ndarray) -> Sequence[np.ndarray]:
        if not len(images) or images.shape[1] * images.shape[2] < LARGE:
            return _inferred(of_any_size, images)
        request = of_size(*images.shape[1:3])
        each = [_inferred(request, images[place : place + 1]) for place in range(len(images))]
        for place, found in enumerate(each):
            found[OUTPUTS.index("image")] += place
        return [np.concatenate(parts) for parts in zip(*each, strict=True)]

    return run


def _inferred(request: Any, images: np.ndarray) -> list[np.ndarray]:
    request.infer({"images": images}, share_inputs=True)
    return [np.array(request.get_tensor(name).data) for name in OUTPUTS]


RUNTIMES: dict[str, Callable[[ExportedFile, int | None], Run]] = {
    "openvino": _in_openvino,
    "onnxruntime": _in_onnxruntime,
}
"""By the name of the package."""
