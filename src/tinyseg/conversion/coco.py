"""COCO: annotations/instances_<split>.json beside the pictures' folder.

Masks are compressed run lengths, which hold every pixel, or polygons, which hold parts but no
holes; of a box alone the segmentation is an empty list. COCO's crowds are ignored class by class,
so a frame's ignore region is written as a crowd of each class.
"""

from collections.abc import Sequence
from itertools import count
from pathlib import PurePosixPath

import numpy as np
import orjson

from tinyseg import masks as mask_ops
from tinyseg.conversion.page import ConvertedFrame, Job, Lost, Rows, Target, counted
from tinyseg.files import make_folder, write_whole
from tinyseg.masks import CropMasks


def _write(job: Job, page: ConvertedFrame) -> tuple[Rows, Lost]:
    found, hw = page.labels.instances, page.labels.hw
    shapes, filled = _polygons(found.masks) if job.polygons else (_run_lengths(found.masks, hw), 0)
    classes = [job.ids[label] for label in found.labels.tolist()]
    rows = _rows(page, found.masks, shapes, classes, crowd=0)
    alone = [job.ids[label] for label in page.boxes.labels.tolist()]
    rows += _rows(page, page.boxes.masks, [[]] * len(alone), alone, crowd=0)
    ignore = mask_ops.union(page.labels.ignore)
    if mask_ops.area(ignore)[0] > 0:
        region = _run_lengths(ignore, hw)
        for number in job.ids:
            rows += _rows(page, ignore, region, [number], crowd=1)
    return rows, Lost(filled=filled)


def _rows(
    page: ConvertedFrame,
    masks: CropMasks,
    shapes: Sequence[object],
    classes: Sequence[int],
    *,
    crowd: int,
) -> Rows:
    """Annotations without their ids."""
    boxes = masks.boxes.copy()
    boxes[:, 2:] -= boxes[:, :2]
    areas = np.where(masks.grid_hw.any(axis=1), mask_ops.area(masks), boxes[:, 2] * boxes[:, 3])
    columns = (classes, boxes.tolist(), areas.tolist(), shapes)
    return [
        orjson.dumps(
            {
                "image_id": page.number,
                "category_id": number,
                "bbox": box,
                "area": area,
                "iscrowd": crowd,
                "segmentation": shape,
            }
        )
        for number, box, area, shape in zip(*columns, strict=True)
    ]


def _run_lengths(masks: CropMasks, hw: tuple[int, int]) -> list[object]:
    codes = mask_ops.to_coco_rle(masks, hw)
    return [{"size": list(hw), "counts": code.decode("ascii")} for code in codes]


def _polygons(masks: CropMasks) -> tuple[list[object], int]:
    """The outer rings of each mask, and how many masks have holes, which are filled."""
    rings = mask_ops.outlines(masks)
    outer = [[ring for ring in one if mask_ops.enclosed(ring) > 0] for one in rings]
    filled = sum(len(few) < len(one) for few, one in zip(outer, rings, strict=True))
    return [[ring.ravel().tolist() for ring in one] for one in outer], filled


def _close(job: Job, pages: Sequence[ConvertedFrame], rows: Sequence[Rows]) -> None:
    """A file a split; annotations are numbered through all of them."""
    classes = zip(job.ids, job.classes, strict=True)
    categories = [{"id": number, "name": name} for number, name in classes]
    numbers = count(1)
    for split in dict.fromkeys(page.split for page in pages):
        images, annotations = [], []
        for page, own in zip(pages, rows, strict=True):
            if page.split == split:
                name, (height, width) = page.picture.name, page.labels.hw
                size = {"height": height, "width": width}
                images.append({"id": page.number, "file_name": name, **size})
                annotations += [b'{"id":%d,' % next(numbers) + row[1:] for row in own]
        head = orjson.dumps({"images": images, "categories": categories})[:-1]
        path = job.folder / "annotations" / f"instances_{split}.json"
        make_folder(path.parent)
        write_whole(path, head + b',"annotations":[' + b",".join(annotations) + b"]}")


COCO = Target(
    holds=counted(1),
    picture=lambda stem, ending, split: PurePosixPath(split, f"{stem}{ending}"),
    write=_write,
    close=_close,
)
