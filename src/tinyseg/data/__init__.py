"""Data sets of every supported format: files -> Frame.

found.py       what a reader gives: frames by name, each with its picture and its labels unread;
               where the pictures lie that a label file names
dataset.py     Item, DataSet, and opening a path in whatever format it is
wad.py         ApolloScape's WAD layout, which the project's own generator writes too
coco.py        COCO instances JSON; annotation.py reads a row of it
cityscapes.py  Cityscapes' folders
kitti.py, mots.py, mapillary.py, bdd.py    label maps of other street sets (maps.py)
yolo.py, labelme.py, via.py, cvat.py       what annotators drew (drawn.py)
json_kind.py   whose a .json is
clips.py       which video clip a frame is from; frames that are learnt from and judged on
names.py       which frame a name means; train, val, test under whatever names
"""

from tinyseg.data import cityscapes, drawn, labelme, wad
from tinyseg.data.annotation import Category, read_annotations
from tinyseg.data.clips import (
    LISTS_FOLDER,
    ClipOf,
    check_apart,
    clips_from_lists,
    clips_from_pattern,
)
from tinyseg.data.coco import coco_class_names
from tinyseg.data.dataset import (
    FORMATS,
    DataSet,
    Item,
    Place,
    class_ids,
    list_frames,
    names_apart,
    open_data,
    read_list,
    recognise,
    split_of_kind,
    splits_of,
)
from tinyseg.data.drawn import IGNORE_LABEL
from tinyseg.data.found import Found
from tinyseg.data.labelme import LABELME_BOX_FLAG
from tinyseg.data.names import (
    SPLIT_KINDS,
    TRAIN,
    VAL,
    Names,
    apart,
    chosen_split,
    file_below,
    frame_key,
    kind_of,
    names_of,
)
from tinyseg.data.wad import MEANS_BACKGROUND, MEANS_IGNORE, MEANS_UNKNOWN
from tinyseg.data.yolo import YOLO_DESCRIPTION, yolo_label_file

__all__ = [
    "FORMATS",
    "IGNORE_LABEL",
    "LABELME_BOX_FLAG",
    "LISTS_FOLDER",
    "MEANS_BACKGROUND",
    "MEANS_IGNORE",
    "MEANS_UNKNOWN",
    "SPLIT_KINDS",
    "TRAIN",
    "VAL",
    "YOLO_DESCRIPTION",
    "Category",
    "ClipOf",
    "DataSet",
    "Found",
    "Item",
    "Names",
    "Place",
    "apart",
    "check_apart",
    "chosen_split",
    "cityscapes",
    "class_ids",
    "clips_from_lists",
    "clips_from_pattern",
    "coco_class_names",
    "drawn",
    "file_below",
    "frame_key",
    "kind_of",
    "labelme",
    "list_frames",
    "names_apart",
    "names_of",
    "open_data",
    "read_annotations",
    "read_list",
    "recognise",
    "split_of_kind",
    "splits_of",
    "wad",
    "yolo_label_file",
]
