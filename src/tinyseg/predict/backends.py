"""What runs a network: torch, or an exported graph in OpenVINO or ONNX Runtime.

In: a backend's name, else $TINYSEG_BACKEND, else auto. Out: a Backend, by which members are loaded.
auto takes OpenVINO where it is installed and there is no GPU; a network that has no
exported form then stays in torch; one that is not exported yet is, once. Refused: names that are
none, and runtimes on a GPU.
"""

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tinyseg.errors import DataError, DeviceError
from tinyseg.exporting import is_there, require

if TYPE_CHECKING:
    import torch

BACKENDS = ("torch", "openvino", "onnxruntime")
AUTO = "auto"

VARIABLE = "TINYSEG_BACKEND"
"""The environment's variable that says what is taken where nothing is said."""


def _quiet(remark: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class Backend:
    """What runs networks, with so many threads (None for all cores).

    `auto` says that it was not asked for by name; `tell` gets remarks: that a network is exported,
    which takes some seconds, or that one stays in torch.
    """

    name: str = "torch"
    threads: int | None = None
    auto: bool = False
    tell: Callable[[str], None] = _quiet

    def for_exported(self, path: Path) -> str:
        """The runtime of an exported file."""
        if self.name != "torch":
            return self.name
        if not self.auto:
            rule = "an exported network runs in OpenVINO or ONNX Runtime"
            raise DataError(rule, path=path, expected="the backend openvino or onnxruntime")
        lighter = path.suffix.lower() == ".onnx" and not is_there("openvino")
        return "onnxruntime" if lighter else "openvino"


IN_TORCH = Backend()


def choose_backend(
    name: str | None = None,
    *,
    device: str = "auto",
    threads: int | None = None,
    tell: Callable[[str], None] = _quiet,
) -> Backend:
    """What the name says, for networks on this device."""
    name = name or os.environ.get(VARIABLE) or AUTO
    kind = device.partition(":")[0]
    if name == AUTO:
        takes = kind in ("auto", "cpu") and is_there("openvino")
        takes = takes and (kind == "cpu" or not has_gpu())
        return Backend("openvino" if takes else "torch", threads, True, tell)
    if name not in BACKENDS:
        expected = " | ".join((AUTO, *BACKENDS))
        raise DataError("no such backend", where="backend", expected=expected, got=name)
    if name != "torch":
        require(name)
        if kind not in ("auto", "cpu"):
            rule = f"{name} runs on the processor: a GPU takes torch"
            raise DataError(rule, where="device", expected="cpu", got=device)
    return Backend(name, threads, False, tell)


def find_device(name: str = "auto", threads: int | None = None) -> "torch.device":
    """The torch device of this name; of "auto" the first GPU, or the processor. `threads` are
    torch's own. Raises DeviceError for a device that is not there."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        there = " | ".join(["cpu", *(f"cuda:{number}" for number in range(count))])
        raise DeviceError("no such device", expected=there, got=name) from None
    return device


@cache
def has_gpu() -> bool:
    """Whether torch could work on a GPU; torch is asked only where there is a driver of one."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()
