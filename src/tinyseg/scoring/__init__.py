"""How good predictions are: average precision by COCO's rules, and what it consists of.

pairs.py         a frame's predictions and labels -> who could be matched with whom
matches.py       COCO's greedy matching over many frames
curves.py        precision at each recall, of all frames or of samples of them
score.py         the figures: AP, AP50, AP75, by size; Scores
tally.py         sums of many shards that give the same figures as all frames at once
breakdown.py     by size, row and class (slices.py), by error, at outlines (shapes.py)
  error_kinds.py what kind of error each is, and what each kind costs in AP
bootstrap.py     intervals over resampled frames    compare.py which of two is better
tables.py        all of these as tables and as JSON
wad_rule.py      the challenge's own rule, and its tables
"""

from tinyseg.scoring.bootstrap import FEW_FRAMES, RESAMPLES, Intervals, Span, draw_frames, intervals
from tinyseg.scoring.breakdown import Breakdown, break_down
from tinyseg.scoring.compare import ALL_CLASSES, ANY_CLASS, ComparedRow, Comparison, compare_scores
from tinyseg.scoring.curves import RECALLS, average_precision, precision_curves, resampled_precision
from tinyseg.scoring.error_kinds import ERRORS, ErrorKind, FrameErrors, KindWorth, Rects
from tinyseg.scoring.matches import Within, gather, match
from tinyseg.scoring.pairs import FramePairs, Sides, pair_frames, refuse_missing
from tinyseg.scoring.score import Averages, Scores, score_frames, score_pairs, scores_of
from tinyseg.scoring.shapes import ShapeRules
from tinyseg.scoring.slices import SLICE_PRECISION, slice_count
from tinyseg.scoring.tables import (
    breakdown_tables,
    breakdown_to_json,
    comparison_table,
    comparison_to_json,
    intervals_table,
    intervals_to_json,
    scores_table,
    scores_to_json,
)
from tinyseg.scoring.tally import Remainder, Tally
from tinyseg.scoring.wad_rule import (
    READINGS,
    WadScores,
    pooled_interval,
    score_wad,
    sweep_table,
    wad_classes_table,
    wad_to_json,
)

__all__ = [
    "ALL_CLASSES",
    "ANY_CLASS",
    "ERRORS",
    "FEW_FRAMES",
    "READINGS",
    "RECALLS",
    "RESAMPLES",
    "SLICE_PRECISION",
    "Averages",
    "Breakdown",
    "ComparedRow",
    "Comparison",
    "ErrorKind",
    "FrameErrors",
    "FramePairs",
    "Intervals",
    "KindWorth",
    "Rects",
    "Remainder",
    "Scores",
    "ShapeRules",
    "Sides",
    "Span",
    "Tally",
    "WadScores",
    "Within",
    "average_precision",
    "break_down",
    "breakdown_tables",
    "breakdown_to_json",
    "compare_scores",
    "comparison_table",
    "comparison_to_json",
    "draw_frames",
    "gather",
    "intervals",
    "intervals_table",
    "intervals_to_json",
    "match",
    "pair_frames",
    "pooled_interval",
    "precision_curves",
    "refuse_missing",
    "resampled_precision",
    "score_frames",
    "score_pairs",
    "score_wad",
    "scores_of",
    "scores_table",
    "scores_to_json",
    "slice_count",
    "sweep_table",
    "wad_classes_table",
    "wad_to_json",
]
