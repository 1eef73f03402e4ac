"""What is wrong with a data set, before a day of training says it worse.

kinds.py       every kind of fault: severity, title, advice
sources.py     frames by name, list files     folders.py     WAD and Cityscapes folders
pictures.py    a picture (headers.py)          label_maps.py   a label map
readers.py     what any other format's reader says
instances.py   empty, apart, twice, overlapping
twins.py       frames alike, leaks             statistics.py   sizes, rows, resolutions
coverage.py    anchors and tiles               advice.py       what would help
examination.py all of it -> Findings           text.py         Findings for a terminal
"""

from tinyseg.data import Place
from tinyseg.doctor.examination import Plan, examine, plan_of
from tinyseg.doctor.findings import Findings, Group, Part
from tinyseg.doctor.kinds import Fault, Kind, Severity
from tinyseg.doctor.statistics import Statistics

__all__ = [
    "Fault",
    "Findings",
    "Group",
    "Kind",
    "Part",
    "Place",
    "Plan",
    "Severity",
    "Statistics",
    "examine",
    "plan_of",
]
