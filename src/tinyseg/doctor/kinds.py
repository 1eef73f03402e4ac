"""Every kind of fault that the doctor knows: its code, how bad it is, what it is, what to do.

A check makes a Fault of a kind, a place and a detail; nothing else in this room holds these words.
An error makes training or scoring stop or learn something wrong; a warning is probably a mistake;
a note is worth knowing and often meant so.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a kind of fault is, worst first."""

    error = "error"
    warning = "warning"
    note = "note"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault: `code` is its stable name, `title` is read after a count."""

    code: str
    severity: Severity
    title: str
    advice: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind, the frame or file it is in, and what exactly is there."""

    kind: FaultKind
    place: str
    detail: str = ""


_E, _W, _N = Severity.error, Severity.warning, Severity.note

# fmt: off

# Folders, pairs and lists

NO_FRAMES = FaultKind(
    "no-frames", _E, "sets without a frame", "Check the path, the layout and the list's names."
)
LABEL_MISSING = FaultKind(
    "label-missing", _W, "pictures without a label", "They are left out; copy the label files."
)
PICTURE_MISSING = FaultKind(
    "picture-missing", _W, "labels without a picture", "They are left out; copy the pictures."
)
HALF_MISSING = FaultKind(
    "half-missing", _W, "frames without picture or label", "They are left out; copy what lacks."
)
FILE_UNREAD = FaultKind(
    "file-unread", _W, "files that the layout does not read",
    "Mind their types and names: pictures in train_color, _instanceIds.png in train_label (WAD); "
    "_leftImg8bit.png or another picture, _gtFine_instanceIds.png (Cityscapes).",
)
PICTURE_UNLISTED = FaultKind(
    "picture-unlisted", _N, "pictures beside the labelled ones that no label names",
    "They are not used; frames without objects belong into the labels too.",
)
NAME_TWICE = FaultKind(
    "name-twice", _E, "frame names that occur twice", "A name is unique over all splits and .json."
)
LISTED_MISSING = FaultKind(
    "listed-missing", _W, "list entries without a frame",
    "They are left out; mind the spelling, and whether all files were copied.",
)
LISTED_TWICE = FaultKind(
    "listed-twice", _W, "list entries that come twice", "Only the first counts."
)
LISTED_AMBIGUOUS = FaultKind(
    "listed-ambiguous", _E, "list entries that fit several frames", "Write the whole name."
)
LISTED_PAIR = FaultKind(
    "listed-pair", _W, "list lines whose picture and label differ in name",
    "Labels are found by the picture's name; the second column is not read.",
)

# Pictures

PICTURE_EMPTY = FaultKind("picture-empty", _E, "empty picture files", "Copy them again.")
PICTURE_FOREIGN = FaultKind(
    "picture-foreign", _E, "picture files of a type that is not read",
    "Convert them, or fetch what really belongs there.",
)
PICTURE_CUT = FaultKind(
    "picture-cut", _E, "pictures that are cut short", "Copy them again; check the disk's space."
)
PICTURE_DAMAGED = FaultKind(
    "picture-damaged", _E, "pictures that cannot be decoded", "Copy them again or leave them out."
)
PICTURE_ENDING = FaultKind(
    "picture-ending", _W, "pictures whose ending lies", "They are read by content; rename them."
)
PICTURE_MODE = FaultKind(
    "picture-mode", _W, "pictures that are not plain RGB of 8 bits",
    "They are converted: grey tripled, alpha dropped, 10 to 16 bits cut to 8. Is that meant?",
)
PICTURE_ROTATED = FaultKind(
    "picture-rotated", _N, "pictures that an EXIF tag turns",
    "They are read upright, as viewers show them; tools that ignore the tag see another frame.",
)
PICTURE_BLANK = FaultKind(
    "picture-blank", _W, "pictures of a single colour", "Nothing can be seen; leave them out."
)
PICTURE_TWICE = FaultKind(
    "picture-twice", _W, "pictures that are another frame's, byte by byte", "Keep one of them."
)
PICTURE_ALIKE = FaultKind(
    "picture-alike", _W, "pictures that nearly repeat another",
    "A standing car's frames teach little; keep fewer, and all of them in one split.",
)

# Labels as files

LABEL_EMPTY = FaultKind("label-empty", _E, "empty label files", "Copy them again.")
LABEL_NOT_PNG = FaultKind(
    "label-not-png", _E, "label maps that are no PNG", "Write PNG of 16 bits."
)
LABEL_CUT = FaultKind("label-cut", _E, "label maps that are cut short", "Copy them again.")
LABEL_DAMAGED = FaultKind(
    "label-damaged", _E, "label maps that cannot be decoded", "Copy them again."
)
LABEL_REFUSED = FaultKind(
    "label-refused", _E, "labels that their reader refuses", "See the detail for file and rule."
)
LABEL_8_BIT = FaultKind(
    "label-8-bit", _E, "label maps of 8 bits",
    "class * 1000 + instance needs 16 bits; it may be a map of classes (labelIds) alone.",
)
LABEL_COLOUR = FaultKind(
    "label-colour", _E, "label maps in colour",
    "A map for the eye; the map of instance ids is needed.",
)
LABEL_TWICE = FaultKind(
    "label-twice", _W, "labels that are another frame's, on another picture",
    "Probably a file copied under a wrong name.",
)
SIZE_DIFFERS = FaultKind(
    "size-differs", _E, "labels of another size than their picture",
    "Scale neither: find the pair that belongs together.",
)
TURN_UNSEEN = FaultKind(
    "turn-unseen", _W, "labels drawn on a picture as it is stored, which an EXIF tag turns",
    "They are read so, by their size; `tinyseg convert` writes a set that all tools read alike.",
)
SIZE_UNUSUAL = FaultKind(
    "size-unusual", _N, "frames of another size than most", "Check that they belong to the set."
)

# Values of label maps

BACKGROUND_ZERO = FaultKind(
    "background-zero", _E, "label maps whose background is 0",
    "The WAD's background is 255; replace the value 0.",
)
CLASS_ALONE = FaultKind(
    "class-alone", _E, "label maps with class ids alone",
    "A map of classes (labelIds); instances need class * 1000 + instance.",
)
GROUPS_ONLY = FaultKind(
    "groups-only", _W, "frames whose objects are all groups",
    "A class id alone is a group, which is ignored: is it a map of classes (labelIds)?",
)
OTHER_FORMAT = FaultKind(
    "other-format", _E, "label maps with the values of another format",
    "Cityscapes: 0 ... 23, 24 and 24000 on; WAD: 255, 33000 to 40999. Convert, or mend the layout.",
)
UNKNOWN_CLASS = FaultKind(
    "unknown-class", _E, "label maps with unknown classes", "Map or remove these values."
)
LABEL_NOISE = FaultKind(
    "label-noise", _E, "label maps with thousands of values",
    "It is a picture, or was stored with loss or smooth scaling.",
)
IGNORE_LARGE = FaultKind(
    "ignore-large", _W, "frames that are mostly ignored",
    "Nothing is learnt or scored there; check the labels.",
)

# Instances

FRAME_EMPTY = FaultKind(
    "frame-empty", _N, "frames without an instance",
    "Meant? Then they are good negatives; unlabelled frames would teach to miss.",
)
ALL_IGNORED = FaultKind(
    "all-ignored", _E, "sets of which every annotation is a crowd or ignored",
    "Nothing can be learnt or scored. CVAT writes iscrowd 1 for masks: export polygons, or set "
    "iscrowd to 0 where a mask is one object.",
)
CLASS_FOREIGN = FaultKind(
    "class-foreign", _N, "classes that have labels and are not in the class list",
    "Their objects are left out; name other classes, or the same thing has another name.",
)
BOX_ALONE = FaultKind(
    "box-alone", _N, "instances that are a box without a mask",
    "They train where objects are, not their masks, and are not scored as masks.",
)
NO_INSTANCES = FaultKind(
    "no-instances", _E, "sets without an instance", "Check the class list and the labels."
)
CLASS_ABSENT = FaultKind(
    "class-absent", _N, "classes without an instance", "They can be neither learnt nor scored."
)
INSTANCE_EMPTY = FaultKind(
    "instance-empty", _W, "instances that cover no pixel",
    "They are left out: outside the frame, or thinner than a pixel.",
)
INSTANCE_PIXEL = FaultKind(
    "instance-pixel", _W, "instances of one pixel", "Usually a slip of the annotator; remove them."
)
INSTANCE_APART = FaultKind(
    "instance-apart", _W, "instances in parts far from each other",
    "Two objects with one id? Give each its own.",
)
INSTANCE_TWICE = FaultKind(
    "instance-twice", _W, "instances that are labelled twice", "Remove one; both would be learnt."
)
INSTANCE_CLASSES = FaultKind(
    "instance-classes", _W, "instances that have two classes", "Keep the right one."
)
INSTANCES_OVERLAP = FaultKind(
    "instances-overlap", _N, "instances that share much of one another",
    "A pixel belongs to one object; is the same one outlined twice?",
)

# COCO's JSON

JSON_DAMAGED = FaultKind("json-damaged", _E, ".json files that cannot be read", "Write it again.")
JSON_LIST = FaultKind(
    "json-list", _E, "lists that a .json lacks",
    "images, annotations and categories are lists of objects.",
)
JSON_KEY = FaultKind(
    "json-key", _E, "entries with a missing key or a wrong type", "See the detail; ids are whole."
)
IMAGE_ID_TWICE = FaultKind("image-id-twice", _E, "image ids that occur twice", "Number them anew.")
CATEGORY_ID_TWICE = FaultKind(
    "category-id-twice", _E, "category ids that occur twice", "Number them anew."
)
ANNOTATION_ID_TWICE = FaultKind(
    "annotation-id-twice", _E, "annotation ids that occur twice",
    "Number them anew; joined files often begin at 1 each.",
)
IMAGE_DANGLING = FaultKind(
    "image-dangling", _E, "annotations of an image that is not there",
    "Remove them, or put the images back into the list.",
)
CATEGORY_DANGLING = FaultKind(
    "category-dangling", _E, "annotations of a category that is not there",
    "Add the category; some tools count from 0, some from 1.",
)
CATEGORY_TWICE = FaultKind(
    "category-twice", _E, "category names that occur twice", "Join the categories, or rename one."
)
CATEGORY_NONE = FaultKind(
    "category-none", _E, ".json files of which no category is in the class list",
    "The classes 'data' are the set's own.",
)
FILE_NAME = FaultKind(
    "file-name", _E, "file names that fit no picture of their own",
    "Write paths below the image folder, or name another folder of pictures.",
)
SHAPE_MISSING = FaultKind(
    "shape-missing", _E, "annotations with neither mask nor box", "Remove them or draw them."
)
POLYGON_SHORT = FaultKind(
    "polygon-short", _E, "polygons of fewer than three corners", "Remove them; they hold no area."
)
POLYGON_NUMBERS = FaultKind(
    "polygon-numbers", _E, "polygons that are not finite numbers", "Remove them: NaN, null, text."
)
POLYGON_OUTSIDE = FaultKind(
    "polygon-outside", _W, "polygons that leave the frame",
    "They are cut to it. Many of them: coordinates of another image size.",
)
RLE_SIZE = FaultKind(
    "rle-size", _E, "run lengths of another image size", "size is [height, width] of the image."
)
RLE_DAMAGED = FaultKind(
    "rle-damaged", _E, "run lengths that are no mask", "They must add up to the image's pixels."
)
BOX_DAMAGED = FaultKind(
    "box-damaged", _W, "boxes that are no x, y, width, height", "Masks are used, not boxes."
)
BOX_OUTSIDE = FaultKind("box-outside", _W, "boxes that leave the frame", "Cut them to it.")
BOX_DIFFERS = FaultKind(
    "box-differs", _W, "boxes that do not fit their mask",
    "bbox is x, y, width, height, not corners; the mask counts here, other tools use the box.",
)

# Training and validation

LEAK_FRAME = FaultKind(
    "leak-frame", _E, "frames that are in both sets", "Take them out of training."
)
LEAK_PICTURE = FaultKind(
    "leak-picture", _E, "pictures that are in both sets, under two names", "Keep one side."
)
LEAK_ALIKE = FaultKind(
    "leak-alike", _W, "validation pictures that nearly repeat a training picture",
    "Split by clip or place, not by frame.",
)
LEAK_CLIP = FaultKind(
    "leak-clip", _W, "validation frames seconds away from a training frame",
    "Split by clip: the same cars are in both, and the score flatters.",
)
CLASS_UNLEARNT = FaultKind(
    "class-unlearnt", _W, "classes of validation that training lacks", "They will score 0."
)

CHECK_FAILED = FaultKind(
    "check-failed", _E, "frames that the doctor could not look at",
    "Not one of the known faults: please report it with the file.",
)
# fmt: on

BY_CODE = {kind.code: kind for kind in list(vars().values()) if isinstance(kind, FaultKind)}
"""What readers' errors name by its code."""
