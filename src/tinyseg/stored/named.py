"""Weights by name: the package's own, published ones, or a path.

In: a name or a path. Out: a file or folder that is there. The package's own lie in
`tinyseg/weights/` and need no network; published ones are fetched once (`tinyseg.downloads`).
Refused: a name that is neither known nor a path, and the package's own where it brings none.
"""

from pathlib import Path

from tinyseg.downloads import COCO, OnProgress, fetch
from tinyseg.errors import WeightsError

OWN = "tinyseg-lite"
"""The package's own weights, which are used where none are named."""

OWN_FILE = Path(__file__).parents[1] / "weights" / f"{OWN}.safetensors"

PUBLISHED = {
    "coco-r50": "maskrcnn_resnet50_fpn_v2_coco",
    "coco-r50-v1": "maskrcnn_resnet50_fpn_coco",
}
"""torchvision's networks trained on COCO, by the names that `predict` takes."""


def find_weights(name: str | None, *, on_progress: OnProgress) -> Path:
    """The path of the weights of this name; the package's own if it is None."""
    if name is not None and Path(name).exists():
        return Path(name)
    if name is None or name == OWN:
        return own_weights()
    if name in PUBLISHED:
        return fetch(COCO[PUBLISHED[name]], on_progress=on_progress)
    known = " | ".join(("a file or folder", OWN, *PUBLISHED))
    raise WeightsError("no such weights file", path=name, expected=known)


def own_weights() -> Path:
    """The package's own weights file."""
    if not OWN_FILE.is_file():
        rule = "this package brings no weights of its own: name some"
        expected = " | ".join(("a run's folder", *PUBLISHED))
        raise WeightsError(rule, path=OWN_FILE, expected=expected)
    return OWN_FILE
