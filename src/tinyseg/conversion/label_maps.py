"""The WAD and Cityscapes: one 16-bit label map a frame, in which a pixel has one owner.

Where objects overlap, the smaller one is on top. What is left of the ignore region gets the WAD's
65535; Cityscapes, which has no such value, gets a group of the job's first class, which is not
judged for that class there and for none by this package's reader.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from tinyseg import masks as mask_ops
from tinyseg.conversion.page import ConvertedFrame, Job, Lost, Rows, Target
from tinyseg.data import cityscapes
from tinyseg.exchange import to_label_map
from tinyseg.files import make_folder
from tinyseg.image import write_png
from tinyseg.labels import CITYSCAPES_IDS, WAD_BACKGROUND, WAD_IDS, WAD_IGNORE, index_of

CITY = "all"
"""The city of converted frames, whose names do not tell one."""


def _write_wad(job: Job, page: ConvertedFrame) -> tuple[Rows, Lost]:
    path = job.folder / "train_label" / f"{page.stem}_instanceIds.png"
    return _write(job, page, path, background=WAD_BACKGROUND, ignore=WAD_IGNORE)


def _write_cityscapes(job: Job, page: ConvertedFrame) -> tuple[Rows, Lost]:
    folder = job.folder / "gtFine" / page.split / CITY
    path = folder / f"{page.stem}{cityscapes.LABEL_SUFFIX}.png"
    return _write(job, page, path, background=0, ignore=job.ids[0])


def _write(
    job: Job, page: ConvertedFrame, path: Path, *, background: int, ignore: int
) -> tuple[Rows, Lost]:
    """The map, and what became of the objects that overlap."""
    labels = page.labels
    areas = mask_ops.area(labels.instances.masks)
    smallest_first = labels.instances.select(np.argsort(areas, kind="stable"))
    label = to_label_map(smallest_first, labels.hw, job.ids, background=background)
    owned = label != background
    gone = len(areas) - len(np.unique(label[owned]))
    covered = int(areas.sum()) - int(np.count_nonzero(owned))
    label[(mask_ops.paint(labels.ignore, labels.hw) >= 128) & ~owned] = ignore
    make_folder(path.parent)
    write_png(path, label)
    return [], Lost(gone=gone, covered_pixels=covered, boxes=len(page.boxes))


def _ids(classes: Sequence[str], ids: dict[int, str]) -> list[int | None]:
    names, numbers = list(ids.values()), list(ids)
    places = [index_of(name, names) for name in classes]
    return [None if place is None else numbers[place] for place in places]


WAD = Target(
    holds=lambda classes: _ids(classes, dict(WAD_IDS)),
    picture=lambda stem, ending, split: PurePosixPath("train_color", f"{stem}{ending}"),
    write=_write_wad,
    apart=False,
)

CITYSCAPES = Target(
    holds=lambda classes: _ids(
        classes, {key: name for key, name in CITYSCAPES_IDS.items() if name in cityscapes.CLASSES}
    ),
    picture=lambda stem, ending, split: PurePosixPath(
        "leftImg8bit", split, CITY, f"{stem}{cityscapes.IMAGE_SUFFIX}{ending}"
    ),
    write=_write_cityscapes,
)
