"""A submission file -> Predictions, strictly: the first fault ends it.

Warnings pass, and so do overlaps and instances that come twice: `check` tells of those. Classes
are the seven scored ones. A picture without rows is not in the file, so it is not in what comes
out either.
"""

from pathlib import Path

import numpy as np

from tinyseg import masks as mask_ops
from tinyseg.errors import PredictionsError
from tinyseg.frame import Instances
from tinyseg.labels import WAD_CLASSES, WAD_IDS
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.submission.pictures import Pictures
from tinyseg.submission.row import Line, Row, read_lines, text_to_row
from tinyseg.submission.rules import COLUMNS, HEADER, RowFault, Rule, shown

_INDICES = {number: index for index, number in enumerate(WAD_IDS)}


def read_submission(path: Path, pictures: Pictures | None = None) -> Predictions:
    """The instances of a submission; frames in the order of their first rows.

    Frames have their pictures' sizes, the challenge's where nothing is known of them. Raises
    PredictionsError with the row of the first fault.
    """
    pictures = pictures or Pictures()
    rows: dict[str, list[Row]] = {}
    for line in read_lines(path):
        row, faults = _judged(line, pictures)
        for fault in faults:
            if not fault.is_warning:
                where = ", ".join(p for p in (f"row {line.number}", fault.column) if p is not None)
                told = {"expected": fault.expected, "got": fault.got}
                raise PredictionsError(fault.rule.value, path=path, where=where, **told)
        if row is not None:
            rows.setdefault(row.image_id, []).append(row)
    frames = []
    for image_id, some in rows.items():
        hw = pictures.hw(image_id)
        masks = mask_ops.from_row_runs([row.runs for row in some if row.runs is not None], hw)
        labels = np.array([_INDICES[row.label_id or 0] for row in some], np.int64)
        scores = np.array([row.confidence or 0.0 for row in some], np.float64)
        found = Instances(masks.boxes, masks, labels, scores)
        frames.append(FramePredictions(image_id, f"{image_id}.jpg", hw, found))
    return Predictions(WAD_CLASSES, tuple(frames))


def _judged(line: Line, pictures: Pictures) -> tuple[Row | None, list[RowFault]]:
    """The row of a line and all its faults; no row for the header."""
    if line.text is None or line.number == 1:
        wrong = line.text is not None and line.text != HEADER
        header = [RowFault(Rule.header, 1, got=shown(line.text or ""))] if wrong else []
        return None, [*line.faults, *header]
    image_id = line.text.partition(",")[0]
    height, width = pictures.hw(image_id)
    row, faults = text_to_row(line.text, line.number, pixels=height * width)
    if row is not None and pictures.ids is not None and image_id not in pictures.ids:
        faults.append(RowFault(Rule.unknown_image, line.number, COLUMNS[0], got=shown(image_id)))
    return row, [*line.faults, *faults]
