"""tinyseg: finds and segments the tiny instances of a driving scene, and every larger one too.

    import tinyseg

    model = tinyseg.load()
    found = model("photo.jpg")
    found.save("found.jpg")

Public names are loaded when they are first used, so that `import tinyseg` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

_HOMES = {
    "BreakdownChoice": "tinyseg.tasks",
    "CropMasks": "tinyseg.masks",
    "DataSet": "tinyseg.data",
    "Detections": "tinyseg.detections",
    "Frame": "tinyseg.frame",
    "FrameLabels": "tinyseg.frame",
    "Instances": "tinyseg.frame",
    "Model": "tinyseg.api",
    "Place": "tinyseg.data",
    "Progress": "tinyseg.watch",
    "ReportChoice": "tinyseg.tasks",
    "Resampling": "tinyseg.tasks",
    "TinysegError": "tinyseg.errors",
    "View": "tinyseg.views",
    "compare": "tinyseg.tasks",
    "convert": "tinyseg.tasks",
    "evaluate": "tinyseg.tasks",
    "examine": "tinyseg.tasks",
    "focus": "tinyseg.foreign",
    "load": "tinyseg.api",
    "model_of": "tinyseg.foreign",
    "open_data": "tinyseg.data",
    "read_image": "tinyseg.image",
    "tiles": "tinyseg.foreign",
    "write_report": "tinyseg.tasks",
}
"""Where each public name lives."""

if TYPE_CHECKING:
    from tinyseg.api import Model, load
    from tinyseg.data import DataSet, Place, open_data
    from tinyseg.detections import Detections
    from tinyseg.errors import TinysegError
    from tinyseg.foreign import focus, model_of, tiles
    from tinyseg.frame import Frame, FrameLabels, Instances
    from tinyseg.image import read_image
    from tinyseg.masks import CropMasks
    from tinyseg.tasks import (
        BreakdownChoice,
        ReportChoice,
        Resampling,
        compare,
        convert,
        evaluate,
        examine,
        write_report,
    )
    from tinyseg.views import View
    from tinyseg.watch import Progress

__all__ = [
    "BreakdownChoice",
    "CropMasks",
    "DataSet",
    "Detections",
    "Frame",
    "FrameLabels",
    "Instances",
    "Model",
    "Place",
    "Progress",
    "ReportChoice",
    "Resampling",
    "TinysegError",
    "View",
    "__version__",
    "compare",
    "convert",
    "evaluate",
    "examine",
    "focus",
    "load",
    "model_of",
    "open_data",
    "read_image",
    "tiles",
    "write_report",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'tinyseg' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
