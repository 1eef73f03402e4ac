"""Instance masks, kept as crops inside their boxes: the one mask type and all that is done with it.

record.py   CropMasks and the moves that are exact (shift, scale, flip, select)
build.py    from label maps, bitmaps, polygons and RoI mask heads
raster.py   stretched grids -> whole pixels of a frame; cutting to a rectangle
measure.py  area, IoU, share inside a region, union
runs.py     the two run-length forms: COCO's and the challenge's
"""

from tinyseg.masks.build import from_bitmaps, from_label_map, from_polygons, from_roi_grids
from tinyseg.masks.measure import area, intersections, iou, share_inside, union
from tinyseg.masks.raster import coverage_at, cut, paint, rasterise, tighten
from tinyseg.masks.record import MAX_COVERAGE_BYTES, CropMasks
from tinyseg.masks.runs import (
    MAX_FRAME_PIXELS,
    from_challenge_runs,
    from_coco_counts,
    from_coco_rle,
    to_challenge_runs,
    to_coco_rle,
)

__all__ = [
    "MAX_COVERAGE_BYTES",
    "MAX_FRAME_PIXELS",
    "CropMasks",
    "area",
    "coverage_at",
    "cut",
    "from_bitmaps",
    "from_challenge_runs",
    "from_coco_counts",
    "from_coco_rle",
    "from_label_map",
    "from_polygons",
    "from_roi_grids",
    "intersections",
    "iou",
    "paint",
    "rasterise",
    "share_inside",
    "tighten",
    "to_challenge_runs",
    "to_coco_rle",
    "union",
]
