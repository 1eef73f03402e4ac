"""What was found on a picture -> the body of an answer: JSON, a label map, an overlay.

The JSON is the document that `tinyseg predict` writes for one picture, with the views that were
looked at, the plan's remarks and the seconds beside. In a worker; no network is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import orjson
from jaxtyping import UInt8

from tinyseg.detections import Detections
from tinyseg.errors import DataError
from tinyseg.exchange import MOST_CLASSES, in_pixels, to_label_map
from tinyseg.frame import Instances
from tinyseg.image import jpeg_bytes, png_bytes
from tinyseg.predictions import FramePredictions, Predictions, to_document
from tinyseg.report import draw_overlay, mask_rings
from tinyseg.serve.records import Job
from tinyseg.views import View

Image = UInt8[np.ndarray, "_height _width 3"]


@dataclass(frozen=True, slots=True)
class Answered:
    """What is known of a picture of height and width `hw` once it was looked at; `views` holds the
    views of the first and of the second pass."""

    hw: tuple[int, int]
    instances: Instances
    views: tuple[tuple[View, ...], tuple[View, ...]]
    remarks: tuple[str, ...]
    seconds: dict[str, float]

    @property
    def view_pixels(self) -> int:
        """Pixels of all views."""
        return sum(v.out_hw[0] * v.out_hw[1] for turn in self.views for v in turn)


def body_of(
    found: Answered, job: Job, classes: tuple[str, ...], picture: Callable[[], Image]
) -> bytes:
    """The answer's bytes; the picture itself is asked for by an overlay alone."""
    known = Detections(found.instances, classes, found.hw).above(job.form.min_score)
    wanted = (known if job.form.classes is None else known.of(*job.form.classes)).instances
    if job.form.kind == "jpeg":
        return jpeg_bytes(draw_overlay(picture(), wanted, classes, min_score=0.0))
    if job.form.kind == "png":
        if len(classes) > MOST_CLASSES:
            rule = f"a label map tells {MOST_CLASSES} classes apart"
            raise DataError(rule, got=len(classes))
        ids = range(1, len(classes) + 1)
        return png_bytes(to_label_map(wanted, found.hw, ids, background=0))
    return orjson.dumps(_document(found, wanted, job, classes), option=orjson.OPT_SERIALIZE_NUMPY)


def _document(
    found: Answered, wanted: Instances, job: Job, classes: tuple[str, ...]
) -> dict[str, object]:
    frame = FramePredictions(job.name, job.file_name, found.hw, wanted)
    masks = job.form.masks
    document = to_document(Predictions(classes, (frame,)), coded=masks == "rle")
    rows = document["annotations"]
    if masks == "polygons" and isinstance(rows, list):
        pixels = in_pixels(wanted, found.hw).masks  # as many as there are rows: those with a pixel
        corners = pixels.boxes.astype(int).tolist()
        for row, (x0, y0, _, _), grid in zip(rows, corners, pixels.grids(), strict=True):
            row["segmentation"] = [line.ravel().tolist() for line in mask_rings(grid, (x0, y0))]
    return {
        **document,
        "views": [_view(v, turn) for turn, views in enumerate(found.views) for v in views],
        "remarks": found.remarks,
        "seconds": {stage: round(s, 4) for stage, s in found.seconds.items()},
    }


def _view(view: View, turn: int) -> dict[str, object]:
    """A view as the page draws it: where, at which zoom, for what cost."""
    x0, y0, x1, y1 = view.rect
    height, width = view.out_hw
    return {
        "rect": [x0, y0, x1, y1],
        "zoom": round(width / (x1 - x0), 4),
        "pixels": height * width,
        "flip": view.flip,
        "pass": turn + 1,
    }
