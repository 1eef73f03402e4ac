"""Data sets of every supported format: files -> Frame.

dataset.py     Item, DataSet, and opening a path in whatever format it is
splits.py      train, val, test under whatever names
wad.py         ApolloScape's WAD layout, which the project's own generator writes too
coco.py        COCO instances JSON; annotation.py reads a row of it, pictures.py finds its pictures
cityscapes.py  Cityscapes' folders
kitti.py, mots.py, mapillary.py, bdd.py    label maps of other street sets (maps.py)
yolo.py, labelme.py, via.py, cvat.py       what annotators drew (drawn.py)
json_kind.py   whose a .json is
leaks.py       frames that are learnt from and judged on
clips.py       which video clip a frame is from
synthetic/     frames made from nothing, with exact labels
"""

from tinyseg.data.clips import LISTS_FOLDER, ClipOf, clips_from_lists, clips_from_pattern
from tinyseg.data.coco import coco_class_names
from tinyseg.data.dataset import (
    FORMATS,
    DataSet,
    Item,
    Place,
    class_ids,
    frame_key,
    open_data,
    recognise,
    split_of_kind,
    splits_of,
)
from tinyseg.data.splits import TRAIN, VAL, kind_of

__all__ = [
    "FORMATS",
    "LISTS_FOLDER",
    "TRAIN",
    "VAL",
    "ClipOf",
    "DataSet",
    "Item",
    "Place",
    "class_ids",
    "clips_from_lists",
    "clips_from_pattern",
    "coco_class_names",
    "frame_key",
    "kind_of",
    "open_data",
    "recognise",
    "split_of_kind",
    "splits_of",
]
