"""One way or more to plant each kind of fault that the doctor knows.

PLANTS says for each which set it wants, which kind must be told, and which other kinds follow from
the same fault. A planter spoils one thing at a random place and returns the place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import _spoiled_files as files
import _spoiled_labels as labels
from _clean_sets import FRAMES, HW, Planter

from tinyseg.doctor import FaultKind, kinds


@dataclass(frozen=True, slots=True)
class Plant:
    """A way to spoil a set, the kind that must be told, and the kinds that may be told too."""

    format: str
    kind: FaultKind
    planter: Planter
    also: Sequence[FaultKind] = ()
    frames: int = FRAMES


_MEETING = (kinds.INSTANCES_OVERLAP, kinds.INSTANCE_TWICE, kinds.INSTANCE_CLASSES)
"""A shape that was moved may lie on another one."""

_EMPTY = (kinds.FRAME_EMPTY,)
_UNNAMED = (kinds.IMAGE_DANGLING, kinds.PICTURE_UNLISTED)
"""What follows where labels or an image are not taken."""

_LINE = [[1, 1, 9, 9]]
_NAN = [[1, 1, 9, 9, float("nan"), 3]]
_RLE: dict[str, Any] = {"size": list(HW), "counts": [5, 10, HW[0] * HW[1] - 15]}

PLANTS: dict[str, Plant] = {
    "label missing": Plant("wad", kinds.LABEL_MISSING, files.no_label),
    "picture missing": Plant("wad", kinds.PICTURE_MISSING, files.no_picture),
    "picture missing, city": Plant("cityscapes", kinds.PICTURE_MISSING, files.no_picture),
    "picture missing, coco": Plant("coco", kinds.PICTURE_MISSING, files.no_picture),
    "other ending": Plant("wad", kinds.FILE_UNREAD, files.other_ending, (kinds.PICTURE_MISSING,)),
    "unlisted picture": Plant("coco", kinds.PICTURE_UNLISTED, files.unlisted_picture),
    "name in two splits": Plant("cityscapes", kinds.NAME_TWICE, files.twice_in_splits),
    "name twice": Plant("coco", kinds.NAME_TWICE, files.twice_in_json, (kinds.PICTURE_UNLISTED,)),
    "listed nowhere": Plant("wad", kinds.LISTED_MISSING, files.listed_nowhere),
    "listed twice": Plant("wad", kinds.LISTED_TWICE, files.listed_again),
    "listed for two": Plant("coco", kinds.LISTED_AMBIGUOUS, files.listed_for_two),
    "list askew": Plant("wad", kinds.LISTED_PAIR, files.listed_askew),
    "nothing listed": Plant("wad", kinds.NO_FRAMES, files.nothing_listed, (kinds.LISTED_MISSING,)),
    "empty picture": Plant("wad", kinds.PICTURE_EMPTY, files.empty_picture),
    "foreign picture": Plant("wad", kinds.PICTURE_FOREIGN, files.foreign_picture),
    "cut picture": Plant("wad", kinds.PICTURE_CUT, files.cut_picture),
    "cut PNG": Plant("cityscapes", kinds.PICTURE_CUT, files.cut_picture),
    "damaged picture": Plant("cityscapes", kinds.PICTURE_DAMAGED, files.damaged_picture),
    "lying ending": Plant("wad", kinds.PICTURE_ENDING, files.lying_ending),
    "grey picture": Plant("wad", kinds.PICTURE_MODE, files.grey_or_so),
    "picture with alpha": Plant("cityscapes", kinds.PICTURE_MODE, files.with_alpha_or_so),
    "deep picture": Plant("cityscapes", kinds.PICTURE_MODE, files.deep_picture),
    "rotated picture": Plant("coco", kinds.PICTURE_ROTATED, files.rotated_picture),
    "labels on stored pixels": Plant("coco", kinds.TURN_UNSEEN, files.turn_unseen),
    "blank picture": Plant("wad", kinds.PICTURE_BLANK, files.blank_picture),
    "same picture": Plant("wad", kinds.PICTURE_TWICE, files.same_picture),
    "nearly same picture": Plant("wad", kinds.PICTURE_ALIKE, files.nearly_same_picture),
    "empty label": Plant("wad", kinds.LABEL_EMPTY, files.empty_label),
    "JPEG label": Plant("wad", kinds.LABEL_NOT_PNG, files.jpeg_label),
    "cut label": Plant("wad", kinds.LABEL_CUT, files.cut_label),
    "damaged label": Plant("wad", kinds.LABEL_DAMAGED, files.damaged_label),
    "label of 8 bits": Plant("wad", kinds.LABEL_8_BIT, files.eight_bits),
    "coloured label": Plant("cityscapes", kinds.LABEL_COLOUR, files.coloured_label),
    "same label": Plant("wad", kinds.LABEL_TWICE, files.same_label),
    "size differs": Plant("wad", kinds.SIZE_DIFFERS, files.other_size),
    "unusual size": Plant("wad", kinds.SIZE_UNUSUAL, files.unusual_size, frames=10),
    "background is 0": Plant("wad", kinds.BACKGROUND_ZERO, files.zero_background),
    "classes alone": Plant("wad", kinds.CLASS_ALONE, files.only_classes, _EMPTY),
    "groups only": Plant("cityscapes", kinds.GROUPS_ONLY, files.only_classes, _EMPTY),
    "values of Cityscapes": Plant("wad", kinds.OTHER_FORMAT, files.foreign_values, _EMPTY),
    "unknown class": Plant("wad", kinds.UNKNOWN_CLASS, files.unknown_value),
    "noise": Plant("wad", kinds.LABEL_NOISE, files.noise, _EMPTY),
    "all ignored": Plant("wad", kinds.IGNORE_LARGE, files.all_ignored),
    "no instance": Plant("wad", kinds.FRAME_EMPTY, files.no_instance),
    "no instances": Plant("wad", kinds.NO_INSTANCES, files.no_instances, _EMPTY),
    "one pixel": Plant("wad", kinds.INSTANCE_PIXEL, labels.one_pixel),
    "far parts": Plant("wad", kinds.INSTANCE_APART, labels.far_parts),
    "sliver": Plant("coco", kinds.INSTANCE_EMPTY, labels.sliver),
    "labelled twice": Plant("coco", kinds.INSTANCE_TWICE, labels.labelled_twice),
    "two classes": Plant("coco", kinds.INSTANCE_CLASSES, labels.two_classes),
    "overlapping": Plant("coco", kinds.INSTANCES_OVERLAP, labels.overlapping),
    "broken JSON": Plant("coco", kinds.JSON_DAMAGED, labels.broken_json, (kinds.NO_FRAMES,)),
    "no list": Plant(
        "coco",
        kinds.JSON_LIST,
        labels.no_list,
        (kinds.NO_FRAMES,),
    ),
    "wrong key": Plant(
        "coco",
        kinds.JSON_KEY,
        labels.wrong_key,
        (kinds.IMAGE_DANGLING, kinds.CATEGORY_DANGLING, kinds.PICTURE_UNLISTED),
    ),
    "image id twice": Plant(
        "coco",
        kinds.IMAGE_ID_TWICE,
        labels.same_id("images"),
        _UNNAMED,
    ),
    "category id twice": Plant(
        "coco", kinds.CATEGORY_ID_TWICE, labels.same_id("categories"), (kinds.NO_FRAMES,)
    ),
    "annotation id twice": Plant("coco", kinds.ANNOTATION_ID_TWICE, labels.same_id("annotations")),
    "image dangling": Plant("coco", kinds.IMAGE_DANGLING, labels.dangling_image),
    "category dangling": Plant("coco", kinds.CATEGORY_DANGLING, labels.changed_row(category_id=0)),
    "category twice": Plant("coco", kinds.CATEGORY_TWICE, labels.same_category),
    "class foreign": Plant("coco", kinds.CLASS_FOREIGN, labels.foreign_category),
    "no category": Plant("coco", kinds.CATEGORY_NONE, labels.no_category, (kinds.NO_FRAMES,)),
    "odd file name": Plant(
        "coco",
        kinds.FILE_NAME,
        labels.odd_file_name,
        _UNNAMED,
    ),
    "no mask": Plant("coco", kinds.SHAPE_MISSING, labels.changed_row(segmentation=[], bbox=None)),
    "box alone": Plant("coco", kinds.BOX_ALONE, labels.changed_row(segmentation=[])),
    "all crowds": Plant("coco", kinds.ALL_IGNORED, labels.all_crowds, (kinds.NO_INSTANCES,)),
    "short polygon": Plant("coco", kinds.POLYGON_SHORT, labels.changed_row(segmentation=_LINE)),
    "polygon of NaN": Plant(
        "coco",
        kinds.POLYGON_NUMBERS,
        labels.changed_row(segmentation=_NAN),
    ),
    "polygon outside": Plant("coco", kinds.POLYGON_OUTSIDE, labels.outside, _MEETING),
    "size of run lengths": Plant(
        "coco", kinds.RLE_SIZE, labels.changed_row(segmentation={**_RLE, "size": [HW[1], HW[0]]})
    ),
    "damaged run lengths": Plant(
        "coco", kinds.RLE_DAMAGED, labels.changed_row(segmentation={**_RLE, "counts": [5, 10]})
    ),
    "damaged code": Plant(
        "coco", kinds.RLE_DAMAGED, labels.changed_row(segmentation={**_RLE, "counts": "PPY"})
    ),
    "damaged box": Plant("coco", kinds.BOX_DAMAGED, labels.changed_row(bbox=[5, 5, -3, 4])),
    "box outside": Plant("coco", kinds.BOX_OUTSIDE, labels.box_outside),
    "corners for a box": Plant("coco", kinds.BOX_DIFFERS, labels.corners_for_box, _MEETING),
    "leaked frame": Plant("wad", kinds.LEAK_FRAME, labels.leaked_frame),
    "leaked picture": Plant("wad", kinds.LEAK_PICTURE, labels.leaked_picture),
    "leaked, compressed again": Plant("wad", kinds.LEAK_ALIKE, labels.leaked_again),
    "neighbour of a clip": Plant("wad", kinds.LEAK_CLIP, labels.neighbour),
    "class never learnt": Plant("wad", kinds.CLASS_UNLEARNT, labels.never_learnt),
}
"""Every kind, some of them in several ways."""
