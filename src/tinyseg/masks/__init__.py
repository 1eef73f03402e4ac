"""Instance masks, kept as crops inside their boxes: the one mask type and all that is done with it.

record.py   CropMasks and the moves that are exact (shift, scale, flip, select)
build.py    from label maps, bitmaps, boxes and RoI mask heads
polygons.py from polygons, by COCO's rule, and to them: rings along the edges of pixels
raster.py   stretched grids -> whole pixels of a frame; cutting to a rectangle
measure.py  area, IoU, share inside a region, union
runs.py     the two run-length forms: COCO's and the challenge's
"""

from tinyseg.masks.build import (
    cut_values,
    filled,
    from_bitmaps,
    from_label_map,
    from_roi_grids,
    value_boxes,
)
from tinyseg.masks.measure import area, intersections, iou, share_inside, union
from tinyseg.masks.polygons import enclosed, from_polygons, one_ring, outlines
from tinyseg.masks.raster import coverage_at, cut, paint, rasterise, tighten
from tinyseg.masks.record import HALF, MAX_COVERAGE_BYTES, CropMasks
from tinyseg.masks.runs import (
    MAX_FRAME_PIXELS,
    Runs,
    from_challenge_runs,
    from_coco_counts,
    from_coco_rle,
    from_row_runs,
    row_runs_to_text,
    to_challenge_runs,
    to_coco_rle,
    to_row_runs,
)

__all__ = [
    "HALF",
    "MAX_COVERAGE_BYTES",
    "MAX_FRAME_PIXELS",
    "CropMasks",
    "Runs",
    "area",
    "coverage_at",
    "cut",
    "cut_values",
    "enclosed",
    "filled",
    "from_bitmaps",
    "from_challenge_runs",
    "from_coco_counts",
    "from_coco_rle",
    "from_label_map",
    "from_polygons",
    "from_roi_grids",
    "from_row_runs",
    "intersections",
    "iou",
    "one_ring",
    "outlines",
    "paint",
    "rasterise",
    "row_runs_to_text",
    "share_inside",
    "tighten",
    "to_challenge_runs",
    "to_coco_rle",
    "to_row_runs",
    "union",
    "value_boxes",
]
