"""What is wrong with a data set, before a day of training says it worse.

kinds.py       every kind of fault: severity, title, advice
sources.py     frames by name, list files     folders.py     WAD and Cityscapes folders
pictures.py    a picture (headers.py)          label_maps.py   a label map
readers.py     what any other format's reader says
instances.py   empty, apart, twice, overlapping
twins.py       frames alike, leaks             statistics.py   sizes, rows, resolutions
coverage.py    anchors and tiles               advice.py       what would help
labels.py      what looking at a frame's labels leaves behind
findings.py    faults in groups, counted
examination.py all of it -> Findings           text.py         Findings for a terminal
"""

from tinyseg.data import Place
from tinyseg.doctor.examination import Examination, examination_of, examine
from tinyseg.doctor.findings import ExaminedSet, FaultGroup, Findings
from tinyseg.doctor.kinds import Fault, FaultKind, Severity
from tinyseg.doctor.statistics import Statistics
from tinyseg.doctor.text import findings_to_text

__all__ = [
    "Examination",
    "ExaminedSet",
    "Fault",
    "FaultGroup",
    "FaultKind",
    "Findings",
    "Place",
    "Severity",
    "Statistics",
    "examination_of",
    "examine",
    "findings_to_text",
]
