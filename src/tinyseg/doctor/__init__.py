"""What is wrong with a data set, before a day of training says it worse.

kinds.py       every kind of fault: severity, title, advice
sources.py     frames by name, list files; what a format's reader says
pictures.py    a picture                       label_maps.py   a label map
labels.py      a frame's labels; empty, apart, twice, overlapping
twins.py       frames alike, leaks             statistics.py   sizes, rows, anchors, tiles
examination.py all of it -> Findings           advice.py       what would help
findings.py    faults in groups, counted, and as text
"""

from tinyseg.data import Place
from tinyseg.doctor.examination import Examination, examination_of, examine
from tinyseg.doctor.findings import ExaminedSet, FaultGroup, Findings, findings_to_text
from tinyseg.doctor.kinds import Fault, FaultKind, Severity
from tinyseg.doctor.statistics import Statistics

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
