"""Instance segmentation files of the YOLO-seg form -> Network: ONNX, OpenVINO and LiteRT.

One picture of one square (or other fixed) size goes in, RGB 0 ... 1, with grey bars beside it. Out
come boxes (centre x, y, width, height), a score for each class and 32 coefficients for each of
thousands of places, and 32 prototypes of a quarter of the input's size: a mask is the sigmoid of
the prototypes' sum by its coefficients (Bolya et al. 2019, YOLACT), inside its box. Files that
suppress duplicates themselves have rows of x0, y0, x1, y1, score, class, coefficients.

Refused: files of another form, with the shapes that it has.
"""

import ast
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float32, Float64, Int64, UInt8

from tinyseg import boxes as box_math
from tinyseg.adapters.records import Names, ids_of, letterbox, unboxed
from tinyseg.errors import WeightsError
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.network import Limits, Network

PROTOTYPES = 32
MIN_SCORE, NMS_IOU, MOST = 0.01, 0.7, 300
"""What is kept of a view: scores, boxes of one class that overlap by less, and how many."""

LEAST_CELLS, MOST_CELLS = 4, 112
"""Cells along a side of a mask's grid."""

Image = UInt8[np.ndarray, "_h _w 3"]
Run = Callable[[Float32[np.ndarray, "1 _a _b _c"]], Sequence[np.ndarray]]
"""A file's outputs for one input."""


class YoloSeg(Network):
    """A YOLO-seg network behind a function that runs it; `nhwc` says that colours come last."""

    def __init__(
        self,
        run: Run,
        names: Names | None,
        *,
        input_hw: tuple[int, int],
        nhwc: bool = False,
        path: Path | None = None,
    ) -> None:
        self._run, self._nhwc, self._path, self._input_hw = run, nhwc, path, input_hw
        self.limits = Limits(input_hw)
        if names is None:
            found, _ = self._outputs(np.full((*input_hw, 3), 114, np.uint8))
            names = [str(n) for n in range(max(found.shape[1] - 4 - PROTOTYPES, 1))]
        self.classes = tuple(names[key] for key in ids_of(names))

    def detect(self, images: UInt8[np.ndarray, "_b _h _w 3"]) -> list[Instances]:
        """The instances of each picture, in its pixels."""
        found = []
        for image in images:
            hw, inner = (image.shape[0], image.shape[1]), self._input_hw
            shown = image if hw == inner else letterbox(hw, inner).cut_image(image)
            rows, prototypes = self._outputs(shown)
            boxes, labels, scores, coefficients = self._parted(rows)
            height, width = shown.shape[:2]
            if boxes.max(initial=0) <= 2:  # LiteRT's are shares of the input
                boxes = boxes * np.array([width, height, width, height])
            boxes = box_math.clip(boxes, (0.0, 0.0, float(width), float(height)))
            kept = _suppressed(boxes, labels)
            stride = width / prototypes.shape[2]
            masks = _masks(boxes[kept], coefficients[kept], prototypes, stride)
            one = Instances(boxes[kept], masks, labels[kept], np.clip(scores[kept], 0, 1))
            found.append(one if hw == inner else unboxed(one, hw, inner))
        return found

    def _outputs(
        self, image: Image
    ) -> tuple[Float64[np.ndarray, "n f"], Float32[np.ndarray, "p h w"]]:
        """A row a place, and the prototypes."""
        pixels = image.astype(np.float32)[None] / np.float32(255)
        given = pixels if self._nhwc else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        outputs = [np.asarray(one) for one in self._run(given)]
        flat = [one[0] for one in outputs if one.ndim == 3]
        deep = [one[0] for one in outputs if one.ndim == 4]
        if len(flat) != 1 or len(deep) != 1 or PROTOTYPES not in deep[0].shape:
            shapes = ", ".join(str(one.shape) for one in outputs)
            expected = f"(1, 4 + classes + {PROTOTYPES}, places) and (1, {PROTOTYPES}, h, w)"
            rule = "not a network of the YOLO-seg form"
            raise WeightsError(rule, path=self._path, expected=expected, got=shapes)
        rows = flat[0] if flat[0].shape[0] > flat[0].shape[1] else flat[0].T
        prototypes = deep[0] if deep[0].shape[0] == PROTOTYPES else deep[0].transpose(2, 0, 1)
        return rows.astype(np.float64), np.ascontiguousarray(prototypes, np.float32)

    def _parted(self, rows: Float64[np.ndarray, "n f"]) -> tuple[Any, Any, Any, Any]:
        """Boxes x0, y0, x1, y1, labels, scores and coefficients of what is sure enough."""
        classes = rows.shape[1] - 4 - PROTOTYPES
        if classes == 2 and len(self.classes) != 2:  # score and class of what was suppressed
            boxes, scores, labels = rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)
        else:
            middle, half = rows[:, :2], rows[:, 2:4] / 2
            boxes = np.concatenate([middle - half, middle + half], axis=1)
            by_class = rows[:, 4:-PROTOTYPES]
            scores, labels = by_class.max(axis=1), by_class.argmax(axis=1)
        sure = np.flatnonzero((scores >= MIN_SCORE) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1))
        best = sure[np.argsort(-scores[sure], kind="stable")][: 10 * MOST]
        return boxes[best], labels[best].astype(np.int64), scores[best], rows[best, -PROTOTYPES:]


def _suppressed(
    boxes: Float64[np.ndarray, "n 4"],
    labels: Int64[np.ndarray, " n"],
) -> Int64[np.ndarray, " k"]:
    """Non-maximum suppression, class by class; boxes come best first."""
    kept: list[int] = []
    left = np.arange(len(boxes))
    while len(left) and len(kept) < MOST:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        over = box_math.iou(boxes[best : best + 1], boxes[rest])[0]
        left = rest[(over <= NMS_IOU) | (labels[rest] != labels[best])]
    return np.array(kept, np.int64)


def _masks(
    boxes: Float64[np.ndarray, "n 4"],
    coefficients: Float64[np.ndarray, "n p"],
    prototypes: Float32[np.ndarray, "p h w"],
    stride: float,
) -> CropMasks:
    """Each on a grid of its own in its box, about two cells a prototype's."""
    grids = []
    for box, weights in zip(boxes, coefficients, strict=True):
        x0, y0, x1, y1 = (box / stride).tolist()
        rows, columns = _samples(y0, y1, prototypes.shape[1]), _samples(x0, x1, prototypes.shape[2])
        top, left = int(rows.min()), int(columns.min())
        part = prototypes[:, top : int(rows.max()) + 2, left : int(columns.max()) + 2]
        logits = np.tensordot(weights.astype(np.float32), part, axes=1)
        values = _between(_between(logits, rows - top).T, columns - left).T
        grids.append(np.rint(255 / (1 + np.exp(-np.clip(values, -30, 30)))).astype(np.uint8))
    return CropMasks.pack(boxes, grids)


def _samples(low: float, high: float, length: int) -> Float64[np.ndarray, " k"]:
    """Where a grid's cells read the prototypes along an axis, from the first one's middle on."""
    count = int(np.clip(np.ceil(2 * (high - low)), LEAST_CELLS, MOST_CELLS))
    at = low + (np.arange(count) + 0.5) * (high - low) / count - 0.5
    return np.clip(at, 0, length - 1)


def _between(
    values: Float32[np.ndarray, "n m"], at: Float64[np.ndarray, " k"]
) -> Float32[np.ndarray, "k m"]:
    """Rows at these places, interpolated."""
    low = np.minimum(at.astype(np.int64), len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    share = (at - low)[:, None].astype(np.float32)
    return values[low] * (1 - share) + values[high] * share


# Files


def load_yolo_seg(path: Path, names: Names | None = None) -> YoloSeg:
    """The network of an .onnx file, an OpenVINO .xml, or a .tflite file.

    Class names are the file's own where it has them, which Ultralytics' exports do; else the given
    ones, else numbers. Raises WeightsError where the file or the package that runs it is missing.
    """
    if not path.is_file():
        raise WeightsError("no such weights file", path=path)
    openers = {".onnx": _open_onnx, ".xml": _open_openvino, ".tflite": _open_litert}
    if path.suffix.lower() not in openers:
        expected = " | ".join(openers)
        raise WeightsError("a YOLO-seg file", path=path, expected=expected, got=path.suffix)
    run, input_hw, own, nhwc = openers[path.suffix.lower()](path)
    return YoloSeg(run, own or names, input_hw=input_hw, nhwc=nhwc, path=path)


Opened = tuple[Run, tuple[int, int], dict[int, str] | None, bool]


def _open_onnx(path: Path) -> Opened:
    runtime = _package("onnxruntime", path)
    try:
        session = runtime.InferenceSession(str(path), providers=runtime.get_available_providers())
    except Exception as error:
        raise WeightsError("not an ONNX network", path=path) from error
    given, told = session.get_inputs()[0], session.get_modelmeta().custom_metadata_map
    hw = _input_hw(given.shape[2:], told)
    return lambda pixels: session.run(None, {given.name: pixels}), hw, _names(told), False


def _open_openvino(path: Path) -> Opened:
    openvino = _package("openvino", path)
    try:
        model = openvino.Core().read_model(str(path))
        compiled = openvino.Core().compile_model(model, "AUTO")
    except Exception as error:
        raise WeightsError("not an OpenVINO network", path=path) from error
    notes = path.parent / "metadata.yaml"
    told = yaml.safe_load(notes.read_text("utf-8")) if notes.is_file() else {}
    shape = [side.get_length() if side.is_static else None for side in model.input(0).partial_shape]
    hw = _input_hw(shape[2:], told)
    return lambda pixels: list(compiled([pixels]).values()), hw, _names(told), False


def _open_litert(path: Path) -> Opened:
    litert = _package("ai_edge_litert.interpreter", path)
    try:
        network = litert.Interpreter(model_path=str(path))
        network.allocate_tensors()
    except Exception as error:
        raise WeightsError("not a LiteRT network", path=path) from error
    (given,), results = network.get_input_details(), network.get_output_details()

    def run(pixels: np.ndarray) -> Sequence[np.ndarray]:
        scale, zero = given["quantization"]  # a scale of 0: numbers as they are
        if scale:
            ends = np.iinfo(given["dtype"])
            pixels = np.clip(np.rint(pixels / scale) + zero, ends.min, ends.max)
        network.set_tensor(given["index"], pixels.astype(given["dtype"]))
        network.invoke()
        out = []
        for one in results:
            scale, zero = one["quantization"]
            values = network.get_tensor(one["index"]).astype(np.float32)
            out.append((values - zero) * scale if scale else values)
        return out

    hw = _input_hw(list(given["shape"][1:3]), {})
    return run, hw, _names(_tflite_notes(path)), True


def _tflite_notes(path: Path) -> Mapping[str, Any]:
    """What an export wrote behind the network, as a zip file."""
    try:
        with zipfile.ZipFile(path) as file:
            for name in file.namelist():
                told = ast.literal_eval(file.read(name).decode("utf-8"))
                if isinstance(told, dict):
                    return told
    except (zipfile.BadZipFile, ValueError, SyntaxError):
        pass
    return {}


def _input_hw(shape: Sequence[Any], told: Mapping[str, Any]) -> tuple[int, int]:
    """The input's height and width; where the file leaves them open, what it was made with."""
    if all(isinstance(side, int | np.integer) and side > 0 for side in shape):
        return int(shape[0]), int(shape[1])
    size = told.get("imgsz", 640)
    size = json.loads(size) if isinstance(size, str) else size
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _names(told: Mapping[str, Any]) -> dict[int, str] | None:
    """The class names that a file brings: `{0: 'person', ...}`, as text or as it is."""
    names = told.get("names")
    try:
        names = ast.literal_eval(names) if isinstance(names, str) else names
    except (ValueError, SyntaxError):
        return None
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, Mapping) or not names:
        return None
    return {int(key): str(name) for key, name in names.items()}


def _package(name: str, path: Path) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        package = {"ai_edge_litert.interpreter": "ai-edge-litert"}.get(name, name)
        rule = f"this file needs the package {package}"
        raise WeightsError(rule, path=path, expected=f"pip install {package}") from None
