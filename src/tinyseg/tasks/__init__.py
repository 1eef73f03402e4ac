"""What the verbs of the command line do, as functions: each opens what it needs and joins rooms.

opening.py   data sets and predictions, in whatever format they are
scores.py    evaluate, compare
pages.py     write_report
data_sets.py convert, examine

All take `on_progress`, which is called with how far a stage is, and `on_remark`, which gets
sentences for the user; without it these are Python warnings.
"""

from tinyseg.tasks.data_sets import convert, examine
from tinyseg.tasks.opening import (
    open_given,
    open_with,
    parts_at,
    place_of,
    predictions_file,
    read_all_labels,
    read_given,
)
from tinyseg.tasks.pages import ReportChoice, write_report
from tinyseg.tasks.scores import (
    MOST_DETECTIONS,
    BreakdownChoice,
    Evaluation,
    Resampling,
    clips_of,
    compare,
    evaluate,
)

__all__ = [
    "MOST_DETECTIONS",
    "BreakdownChoice",
    "Evaluation",
    "ReportChoice",
    "Resampling",
    "clips_of",
    "compare",
    "convert",
    "evaluate",
    "examine",
    "open_given",
    "open_with",
    "parts_at",
    "place_of",
    "predictions_file",
    "read_all_labels",
    "read_given",
    "write_report",
]
