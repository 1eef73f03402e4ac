"""A run -> one file for ONNX Runtime and OpenVINO, with all that stands beside its weights.

In: a weights file, a run's folder or torchvision's COCO checkpoint, as for `networks.export`. Out:
an .onnx file, or OpenVINO's .xml and .bin. Numbers are as the network has them: what half precision
holds exactly is kept so.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tinyseg.exporting.extras import require
from tinyseg.exporting.files import (
    CHECKSUM,
    FORMATS,
    OPEN_SEAL,
    ExportedFile,
    read_exported,
    sealed,
)
from tinyseg.exporting.graph import MOST_PICTURES, MOST_SIDE, halved, to_onnx
from tinyseg.exporting.kept import SOURCE, kept_path
from tinyseg.exporting.operators import OPSET
from tinyseg.files import make_folder, write_whole
from tinyseg.networks import Exported, Given, given_to_export
from tinyseg.stored import file_sha256


def write_onnx(given: Given, target: Path) -> Exported:
    """Write the network as ONNX; raises WeightsError for one that has no such form."""
    model = halved(to_onnx(given.detector))
    require("onnx").helper.set_model_props(model, _notes(given, ".onnx"))
    data = sealed(model.SerializeToString())
    write_whole(target, data)
    numbers = sum(prod(tensor.dims) for tensor in model.graph.initializer)
    return Exported(given.recipe, hashlib.sha256(data).hexdigest(), len(data), numbers)


def _notes(given: Given, ending: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the file says: for any reader the classes, the limits, the licence and the card."""
    recipe = given.recipe.model_dump_json()
    limits = {
        "pictures": MOST_PICTURES,
        "longest_side": MOST_SIDE,
        "detections": given.recipe.predict.detections,
        "min_score": given.recipe.predict.min_score,
        "opset": OPSET,
    }
    return {
        "format": FORMATS[ending],
        "classes": json.dumps(given.recipe.classes),
        "recipe": recipe,
        "recipe_sha256": hashlib.sha256(recipe.encode()).hexdigest(),
        "plan": given.recipe.predict.model_dump_json(),
        "limits": json.dumps(limits),
        SOURCE: given.sha256,
        **dict(sorted(given.header.items())),
        **(more or {}),
        CHECKSUM: OPEN_SEAL.decode(),
    }


def write_openvino(given: Given, target: Path) -> Exported:
    """Write the network in OpenVINO's form: `target`, an .xml, and a .bin of the same name."""
    openvino = require("openvino")
    model = openvino.Core().read_model(to_onnx(given.detector).SerializeToString())
    return save_openvino(model, given, target)


def save_openvino(
    model: Any, given: Given, target: Path, more: Mapping[str, str] | None = None
) -> Exported:
    """Write an openvino.Model that was made of the network, with more notes, all or nothing."""
    openvino = require("openvino")
    for key, text in _notes(given, ".xml", more).items():
        model.set_rt_info(text, ["tinyseg", key])
    with TemporaryDirectory(dir=target.parent) as folder:
        beside = Path(folder) / target.name
        openvino.save_model(model, beside, compress_to_fp16=False)
        weights = beside.with_suffix(".bin").read_bytes()
        data = sealed(beside.read_bytes(), weights)
    # The .xml, which has the checksum of both, is written last.
    write_whole(target.with_suffix(".bin"), weights)
    write_whole(target, data)
    numbers = sum(prod(one.shape) for one in model.get_ops() if one.type_info.name == "Constant")
    size = len(data) + len(weights)
    return Exported(given.recipe, hashlib.sha256(data).hexdigest(), size, numbers)


def keep_export(weights: Path, *, tell: Callable[[str], None]) -> tuple[Path, ExportedFile]:
    """Make the ONNX file of a weights file, a run's folder or torchvision's checkpoint, where
    `kept_export` will find it; `tell` is told first."""
    require("onnx"), require("onnxscript")
    path = kept_path(file_sha256(weights))
    tell(f"making the network ready for its runtime, once: {path}")
    make_folder(path.parent)
    write_onnx(given_to_export(weights), path)
    return path, read_exported(path)
