"""The challenge's file: written from predictions, checked, and read back.

rules.py     the form, rule by rule; RowFault, one place where one is broken
pictures.py  the test pictures: ImageIds, md5 mapping lists, sizes
spans.py     which of several masks own a frame's pixels
row.py       the file -> rows of text <-> their fields
write.py     frames -> the file
check.py     the file -> every fault in it, in groups, as text and JSON
read.py      the file -> Predictions
"""

from tinyseg.submission.check import CheckResult, check, collect, fault_to_json, findings_text
from tinyseg.submission.pictures import Pictures, find_pictures
from tinyseg.submission.read import read_submission
from tinyseg.submission.rules import FRAME_HW, HEADER, RowFault, Rule
from tinyseg.submission.write import Cuts, Written, write_submission

__all__ = [
    "FRAME_HW",
    "HEADER",
    "CheckResult",
    "Cuts",
    "Pictures",
    "RowFault",
    "Rule",
    "Written",
    "check",
    "collect",
    "fault_to_json",
    "find_pictures",
    "findings_text",
    "read_submission",
    "write_submission",
]
