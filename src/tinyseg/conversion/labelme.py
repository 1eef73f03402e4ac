"""LabelMe: a .json beside each picture, with masks, or with polygons for versions before 5.3.

Masks hold every pixel; polygons of one object share a group_id, and holes are filled. The ignore
region is a shape labelled "ignore"; a box alone is a rectangle with a flag that says so.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from tinyseg import masks as mask_ops
from tinyseg.conversion.page import ConvertedFrame, Job, Lost, Rows, Target, counted
from tinyseg.data import IGNORE_LABEL, LABELME_BOX_FLAG
from tinyseg.exchange import labelme_file, mask_shape
from tinyseg.files import write_whole
from tinyseg.masks import CropMasks

Shape = dict[str, object]


def _write(job: Job, page: ConvertedFrame) -> tuple[Rows, Lost]:
    found, ignore = page.labels.instances, mask_ops.union(page.labels.ignore)
    names = [job.classes[label] for label in found.labels.tolist()]
    region = ignore.select(mask_ops.area(ignore) > 0)
    names += [IGNORE_LABEL] * len(region)
    masks = CropMasks.concatenate([found.masks, region])
    if job.polygons:
        shapes = list(_polygons(masks, names))
    else:
        rows = zip(masks.boxes.astype(int).tolist(), masks.grids(), names, strict=True)
        shapes = [mask_shape(box, grid, name) for box, grid, name in rows]
    boxes = zip(page.boxes.boxes.tolist(), page.boxes.labels.tolist(), strict=True)
    for (x0, y0, x1, y1), label in boxes:
        flags = {LABELME_BOX_FLAG: True}
        shapes.append(_shape("rectangle", [[x0, y0], [x1, y1]], job.classes[label], flags=flags))
    path = (job.folder / page.picture).with_suffix(".json")
    write_whole(path, labelme_file(page.picture.name, page.labels.hw, shapes))
    holes = (any(mask_ops.enclosed(r) < 0 for r in one) for one in mask_ops.outlines(found.masks))
    return [], Lost(filled=sum(holes) if job.polygons else 0)


def _polygons(masks: CropMasks, labels: list[str]) -> Iterator[Shape]:
    for number, (rings, label) in enumerate(zip(mask_ops.outlines(masks), labels, strict=True)):
        outer = [ring for ring in rings if mask_ops.enclosed(ring) > 0]
        for ring in outer:
            group = number if len(outer) > 1 else None
            yield _shape("polygon", ring.tolist(), label, group=group)


def _shape(
    kind: str,
    points: object,
    label: str,
    *,
    group: int | None = None,
    flags: dict[str, bool] | None = None,
) -> Shape:
    return {
        "label": label,
        "points": points,
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": flags or {},
    }


LABELME = Target(
    holds=counted(0),
    picture=lambda stem, ending, split: PurePosixPath(f"{stem}{ending}"),
    write=_write,
    apart=False,
)
