"""What the verbs that judge take as predictions: files of `predict`, its folders, submissions."""

from pathlib import Path

from tinyseg.cli.common import predictions_file
from tinyseg.predictions import Predictions, read_predictions
from tinyseg.submission import read_submission


def read_given(path: Path) -> Predictions:
    """The predictions of a file, a folder or a submission (`.csv`).

    A submission's frames are taken to be 3384 x 2710, the challenge's; a frame without rows is
    missing.
    """
    if path.suffix.lower() == ".csv":
        return read_submission(path)
    return read_predictions(predictions_file(path))
