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
names.py       which frame a name means
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
    open_data,
    recognise,
    split_of_kind,
    splits_of,
)
from tinyseg.data.names import Names, apart, file_below, names_of
from tinyseg.data.splits import TRAIN, VAL, kind_of

__all__ = [
    "FORMATS",
    "LISTS_FOLDER",
    "TRAIN",
    "VAL",
    "ClipOf",
    "DataSet",
    "Item",
    "Names",
    "Place",
    "apart",
    "class_ids",
    "clips_from_lists",
    "clips_from_pattern",
    "coco_class_names",
    "file_below",
    "kind_of",
    "names_of",
    "open_data",
    "recognise",
    "split_of_kind",
    "splits_of",
]
