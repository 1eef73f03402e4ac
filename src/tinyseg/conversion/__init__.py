"""Data sets from one format into another: labels are written anew, pictures copied or linked.

page.py        a frame on its way, what the whole job knows, and what was lost
label_maps.py  the WAD and Cityscapes: one 16-bit PNG a frame
coco.py        instances JSON, run lengths or polygons
yolo.py        a text file of polygons a frame
labelme.py     a .json of masks or polygons a frame
run.py         TARGETS, and the job itself: whole or not at all
"""

from tinyseg.conversion.page import Lost
from tinyseg.conversion.run import MAPPING_NAME, TARGETS, Converted, Wanted, convert, kept_classes

__all__ = ["MAPPING_NAME", "TARGETS", "Converted", "Lost", "Wanted", "convert", "kept_classes"]
