"""YOLO: a text file of polygons a frame, in shares of width and height, and data.yaml.

An object is one polygon there. Rings run along the edges of pixels; those of an object with several
parts or holes are joined by bridges without width, as trainers of this format do. There is no
ignore region.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

import yaml

from tinyseg import masks as mask_ops
from tinyseg.convert.page import Job, Lost, Page, Rows, Target, counted
from tinyseg.data.splits import kind_of
from tinyseg.data.yolo import DESCRIPTION, label_file
from tinyseg.files import make_folder, write_whole

DIGITS = 7
"""After the point: a hundredth of a pixel in pictures of up to 100,000 pixels a side."""


def _write(job: Job, page: Page) -> tuple[Rows, Lost]:
    height, width = page.labels.hw
    lines, bridged = [], 0
    labels = page.labels.instances.labels.tolist()
    for label, rings in zip(labels, mask_ops.outlines(page.labels.instances.masks), strict=True):
        shares = mask_ops.one_ring(rings) / (width, height)
        bridged += len(rings) > 1
        numbers = (f"{share:.{DIGITS}f}".rstrip("0").rstrip(".") for share in shares.ravel())
        lines.append(" ".join((str(job.ids[label]), *numbers)))
    path = label_file(job.folder / page.picture)
    make_folder(path.parent)
    write_whole(path, "".join(f"{line}\n" for line in lines).encode())
    ignored = bool((mask_ops.area(page.labels.ignore) > 0).any())
    return [], Lost(bridged=bridged, unignored=int(ignored))


def _close(job: Job, pages: Sequence[Page], rows: Sequence[Rows]) -> None:
    names = dict(zip(job.ids, job.classes, strict=True))
    splits = dict.fromkeys(page.split for page in pages)
    tree = {**{split: f"images/{split}" for split in splits}, "names": names}
    write_whole(job.folder / DESCRIPTION, yaml.safe_dump(tree, sort_keys=False).encode())


YOLO = Target(
    holds=counted(0),
    picture=lambda stem, ending, split: PurePosixPath("images", split, f"{stem}{ending}"),
    write=_write,
    close=_close,
    called=kind_of,
)
