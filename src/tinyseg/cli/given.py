"""What the verbs that judge take as predictions: files of `predict`, its folders, submissions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tinyseg.cli.common import Skipped, open_with, predictions_file
from tinyseg.data import DataSet, Place, frame_key
from tinyseg.labels import judged_classes
from tinyseg.predictions import Predictions, read_predictions
from tinyseg.progress import console
from tinyseg.submission import read_submission


def open_given(
    paths: Sequence[Path],
    place: Place,
    skipped: Skipped,
    *,
    classes: Callable[[Sequence[str]], Sequence[str]] = judged_classes,
) -> tuple[list[Predictions], DataSet]:
    """The predictions of each path, with the data set's frame names, and the data set.

    `classes` makes its class list from the predictions'; only splits that were predicted are there.
    """
    read = [read_given(path) for path in paths]
    found = dict.fromkeys(name for one in read for name in one.classes)
    dataset = open_with(place, classes(tuple(found)), skipped=skipped)
    given = [named_alike(one, dataset) for one in read]
    return given, _of_predicted_splits(dataset, place.listed, given)


def read_given(path: Path) -> Predictions:
    """The predictions of a file, a folder or a submission (`.csv`).

    A submission's frames are taken to be 3384 x 2710, the challenge's; a frame without rows is
    missing.
    """
    if path.suffix.lower() == ".csv":
        return read_submission(path)
    return read_predictions(predictions_file(path))


def named_alike(predictions: Predictions, dataset: DataSet) -> Predictions:
    """The predictions with the data set's frame names: a file's name, stem or item name will do."""
    names = {frame_key(item.name): item.name for item in dataset.items}
    frames = [replace(f, name=names.get(frame_key(f.name), f.name)) for f in predictions.frames]
    return replace(predictions, frames=tuple(frames))


def _of_predicted_splits(
    dataset: DataSet, listed: Path | None, given: Sequence[Predictions]
) -> DataSet:
    """The splits that the predictions are of, where neither a split nor a list was asked for: the
    frames of the others are no misses. The predictions have the data set's names."""
    if listed is not None or dataset.split is not None or len(dataset.splits) < 2:
        return dataset
    predicted = {frame.name for one in given for frame in one.frames}
    own = {item.split for item in dataset.items if item.name in predicted}
    if not own:
        return dataset
    kept = [split for split in dataset.splits if split in own]
    console.print(f"the predictions are of the split {', '.join(kept)}", highlight=False)
    return replace(dataset, items=tuple(i for i in dataset.items if i.split in own))
