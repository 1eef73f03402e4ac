"""Data sets and predictions as the tasks take them.

Predictions are files of `predict`, its folders, submissions, or results that other tools wrote in
COCO's forms.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tinyseg.data import (
    FORMATS,
    DataSet,
    Item,
    Names,
    Place,
    class_ids,
    open_data,
    split_of_kind,
)
from tinyseg.errors import PredictionsError, TinysegError
from tinyseg.exporting import require
from tinyseg.fields import read_json
from tinyseg.frame import FrameLabels
from tinyseg.labels import judged_classes
from tinyseg.predictions import (
    JOB_NAME,
    PREDICTIONS_NAME,
    Predictions,
    from_document,
    is_ours,
    read_predictions,
)
from tinyseg.results import Results, classes_of, predictions_of, results_of
from tinyseg.submission import read_submission
from tinyseg.watch import Stage, Watch

OF_THE_DATA = "data"
"""In place of class names: those that the data sets have."""


def place_of(data: Path | str | Place) -> Place:
    """The data set at a path, or as it is described."""
    return data if isinstance(data, Place) else Place(Path(data))


def class_list(
    classes: Sequence[str] | str | None, places: Sequence[Place]
) -> tuple[str, ...] | None:
    """Names of classes; of "data" those that the data sets have, in the order in which they come.
    None where nothing is said."""
    if classes == OF_THE_DATA:
        own = [class_ids(place.path, place.format) for place in places]
        return tuple(dict.fromkeys(name for one in own for name in one))
    names = [classes] if isinstance(classes, str) else classes
    return None if names is None else tuple(names)


def open_with(
    place: Place, classes: Sequence[str], *, kind: str | None = None, watch: Watch
) -> DataSet:
    """The data set, and said aloud what is left out of it.

    Where neither a split nor a list is named, the split of this `kind` is taken if there is one.
    """
    data, split, labelled = place.path, place.split, place.labelled
    if split is None and place.listed is None and kind is not None:
        split = split_of_kind(data, kind, place.format)
    dataset = open_data(
        data,
        format=place.format,
        classes=classes,
        listed=place.listed,
        split=split,
        images=place.images,
        labelled=None if labelled is None else [name.strip() for name in labelled.split(",")],
        on_fault=watch.object,
    )
    if len(dataset.splits) > 1 and place.listed is None:
        taken = "all splits are taken" if dataset.split is None else f"split {dataset.split}"
        watch.tell(f"{data}: {taken} (of {', '.join(dataset.splits)})")
    for remark in dataset.remarks:
        watch.tell(f"{data}: {remark}")
    if dataset.missing:
        some = ", ".join(dataset.missing[:3])
        watch.tell(f"{len(dataset.missing)} listed frames are not there ({some} ...)")
    return dataset


def read_all_labels(items: Sequence[Item], watch: Watch, stage: Stage) -> Iterator[FrameLabels]:
    """The labels of each item that can be read, one at a time."""
    for item in items:
        try:
            labels = item.read_labels()
        except TinysegError as error:
            watch(item.name, error)
            continue
        stage.advance()
        yield labels


def predictions_file(path: Path) -> Path:
    """The file itself, or the one that `predict` wrote into a folder."""
    return path / PREDICTIONS_NAME if path.is_dir() else path


def parts_at(given: Path | str) -> str | None:
    """The address of a cluster's results, where that is what is given; an address (s3://...) always
    is."""
    if isinstance(given, str) and "://" in given:
        return given
    return str(given) if (Path(given) / JOB_NAME).is_file() else None


def open_given(
    paths: Sequence[Path | str],
    place: Place,
    watch: Watch,
    *,
    classes: Callable[[Sequence[str]], Sequence[str]] = judged_classes,
) -> tuple[list[Predictions], DataSet]:
    """The predictions of each path, with the data set's frame names, and the data set.

    `classes` makes its class list from the predictions'; only splits that were predicted are there.
    """
    return open_for([_read(path) for path in paths], place, watch, classes=classes)


def open_for(
    read: Sequence[Predictions | Results],
    place: Place,
    watch: Watch,
    *,
    classes: Callable[[Sequence[str]], Sequence[str]] = judged_classes,
) -> tuple[list[Predictions], DataSet]:
    """`open_given` for what is read already."""
    own: Mapping[str, int | str] = {}
    if any(isinstance(one, Results) for one in read):
        own = class_ids(place.path, place.format)
    found = dict.fromkeys(
        name
        for one in read
        for name in (classes_of(one, own) if isinstance(one, Results) else one.classes)
    )
    dataset = open_with(place, classes(tuple(found)), watch=watch)
    given = [_of_data_set(one, dataset, own) for one in read]
    return given, _of_predicted_splits(dataset, place.listed, given, watch)


def _of_data_set(
    one: Predictions | Results, dataset: DataSet, own: Mapping[str, int | str]
) -> Predictions:
    if isinstance(one, Results):
        numbered = FORMATS[dataset.format].numbers_classes
        return predictions_of(one, dataset, own, numbered=numbered)
    return named_alike(one, dataset)


def _read(path: Path | str) -> Predictions | Results:
    """The predictions of a file, a folder or a submission (`.csv`), or results of another tool.

    A submission's frames are taken to be 3384 x 2710, the challenge's; a frame without rows is
    missing.
    """
    parts = parts_at(path)
    if parts is not None:
        return _parts(parts)
    path = Path(path)
    if path.suffix.lower() == ".csv":
        return read_submission(path)
    file = predictions_file(path)
    document, _ = read_json(file, PredictionsError)
    if isinstance(document, list) or (isinstance(document, dict) and not is_ours(document)):
        return results_of(file, document)
    try:
        return from_document(document)
    except PredictionsError as error:
        raise error.at(path=file) from None


def _parts(address: str) -> Predictions:
    """What a job on a cluster found."""
    require("pyarrow")
    from tinyseg.cluster import read_parts

    return read_parts(address)


def read_given(path: Path | str) -> Predictions:
    """Predictions that need no data set to be read: all but results of other tools."""
    parts = parts_at(path)
    if parts is not None:
        return _parts(parts)
    path = Path(path)
    if path.suffix.lower() == ".csv":
        return read_submission(path)
    return read_predictions(predictions_file(path))


def named_alike(predictions: Predictions, dataset: DataSet) -> Predictions:
    """The predictions with the data set's frame names, found as in data/names.py."""
    names = Names(item.name for item in dataset.items)
    frames = [replace(f, name=names.one(f.name) or f.name) for f in predictions.frames]
    return replace(predictions, frames=tuple(frames))


def _of_predicted_splits(
    dataset: DataSet, listed: Path | None, given: Sequence[Predictions], watch: Watch
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
    watch.tell(f"the predictions are of the split {', '.join(kept)}")
    return replace(dataset, items=tuple(i for i in dataset.items if i.split in own))
