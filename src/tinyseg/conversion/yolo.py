"""YOLO: a text file of polygons a frame, in shares of width and height, and data.yaml.

An object is one polygon there. Rings run along the edges of pixels; those of an object with several
parts or holes are joined by bridges without width, as trainers of this format do. An object of
which only a box is known is a line of four numbers. There is no ignore region.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import yaml
from jaxtyping import Float64

from tinyseg import masks as mask_ops
from tinyseg.conversion.page import ConvertedFrame, Job, Lost, Rows, Target, counted
from tinyseg.data import YOLO_DESCRIPTION, kind_of, yolo_label_file
from tinyseg.files import make_folder, write_whole

DIGITS = 7
"""After the point: a hundredth of a pixel in pictures of up to 100,000 pixels a side."""


def _write(job: Job, page: ConvertedFrame) -> tuple[Rows, Lost]:
    height, width = page.labels.hw
    lines, bridged = [], 0
    labels = page.labels.instances.labels.tolist()
    for label, rings in zip(labels, mask_ops.outlines(page.labels.instances.masks), strict=True):
        shares = mask_ops.one_ring(rings) / (width, height)
        bridged += len(rings) > 1
        lines.append(_line(job.ids[label], shares.ravel()))
    x0, y0, x1, y1 = page.boxes.boxes.T / np.array([[width], [height], [width], [height]])
    boxes = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], axis=1)
    for label, box in zip(page.boxes.labels.tolist(), boxes, strict=True):
        lines.append(_line(job.ids[label], box))
    path = yolo_label_file(job.folder / page.picture)
    make_folder(path.parent)
    write_whole(path, "".join(f"{line}\n" for line in lines).encode())
    ignored = bool((mask_ops.area(page.labels.ignore) > 0).any())
    return [], Lost(bridged=bridged, unignored=int(ignored))


def _line(number: int, shares: Float64[np.ndarray, " n"]) -> str:
    numbers = (f"{share:.{DIGITS}f}".rstrip("0").rstrip(".") for share in shares)
    return " ".join((str(number), *numbers))


def _close(job: Job, pages: Sequence[ConvertedFrame], rows: Sequence[Rows]) -> None:
    names = dict(zip(job.ids, job.classes, strict=True))
    splits = dict.fromkeys(page.split for page in pages)
    tree = {**{split: f"images/{split}" for split in splits}, "names": names}
    write_whole(job.folder / YOLO_DESCRIPTION, yaml.safe_dump(tree, sort_keys=False).encode())


YOLO = Target(
    holds=counted(0),
    picture=lambda stem, ending, split: PurePosixPath("images", split, f"{stem}{ending}"),
    write=_write,
    close=_close,
    called=kind_of,
)
