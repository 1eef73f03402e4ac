"""Packages that only some need: imported when they are, and named where they are missing."""

from importlib import import_module
from typing import Any

from tinyseg.errors import WeightsError

EXTRAS = {
    "onnx": "onnx",
    "onnxscript": "onnx",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "nncf": "int8",
    "pyarrow": "ray",
    "ray": "ray",
}
"""The extra of this package that brings each."""


def require(name: str) -> Any:
    """The package of this name; raises WeightsError, with what to install, where it is missing."""
    try:
        return import_module(name)
    except ImportError:
        extra = EXTRAS[name.partition(".")[0]]
        rule = f"this needs the package {name}"
        raise WeightsError(rule, expected=f"pip install 'tinyseg[{extra}]'") from None


def is_there(*names: str) -> bool:
    """Whether all of these packages can be imported; imports none of them."""
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in names)
