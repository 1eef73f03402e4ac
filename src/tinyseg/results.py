"""Results that other tools wrote in COCO's forms -> Predictions, by the data set's names and ids.

In: a JSON list of objects with `image_id`, `category_id`, `score`, and `segmentation` or `bbox` or
both, as pycocotools loads it and SAHI, detectron2, MMDetection and Ultralytics write it; or a COCO
.json whose annotations have scores. Out: Predictions of frames of the data set; where only a box is
known, the empty mask. An `image_id` is the data set's own id, or a file name or its stem, also as a
number; a `file_name` and a `category_name` in a row say more than its ids. A list says nothing of
frames without a detection, so all frames of the data set count as looked at.

Refused with the row: ids that lead nowhere or to several frames, scores outside 0 ... 1, masks and
boxes that are broken.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyseg import masks as mask_ops
from tinyseg.data import Category, DataSet, Names, frame_key
from tinyseg.errors import PredictionsError
from tinyseg.fields import Fields, Identity, identity, is_text, shown, stop
from tinyseg.frame import Instances
from tinyseg.image import image_hw
from tinyseg.labels import index_of
from tinyseg.predictions import (
    MAX_TOTAL_COVERAGE_BYTES,
    FramePredictions,
    Predictions,
    instances_of,
)

Fitting = Callable[[Identity], list[str]]
"""The frames that an id or a name means."""


@dataclass(frozen=True, slots=True)
class Results:
    """Rows as they stand in the file, and the file's own images and categories by id: names, None
    where it has no such list."""

    path: Path
    rows: tuple[Fields, ...]
    images: Mapping[Identity, str] | None = None
    categories: Mapping[Identity, str] | None = None


def results_of(path: Path, document: object) -> Results:
    """The results in a file's JSON; raises PredictionsError where it is neither of the forms."""
    if isinstance(document, list):
        return Results(path, tuple(_rows_of(document, "")))
    if not isinstance(document, dict):
        rule = "results are a JSON list, or a COCO .json with scores"
        raise PredictionsError(rule, path=path, got=shown(document))
    try:
        top = Fields(document, None, PredictionsError)
        images = {key: row.text("file_name") for key, row in top.parts("images", "image", stop)}
        parts = top.parts("categories", "category", stop)
        names = {key: row.text("name") for key, row in parts}
        return Results(path, tuple(_rows_of(top.rows("annotations"), "annotations")), images, names)
    except PredictionsError as error:
        raise error.at(path=path) from None


def _rows_of(rows: Sequence[object], name: str) -> Iterable[Fields]:
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            where = f"{name}[{index}]"
            raise PredictionsError("a result is a JSON object", where=where, got=shown(row))
        yield Fields(row, f"{name}[{index}]", PredictionsError)


def classes_of(results: Results, own: Mapping[str, Identity]) -> tuple[str, ...]:
    """The class names of the results: the file's categories, or else the data set's `own`, and
    those that rows name beside them."""
    names = list(own if results.categories is None else dict.fromkeys(results.categories.values()))
    for row in results.rows:
        name = row.values.get("category_name")
        if is_text(name) and index_of(name, names) is None:
            names.append(name)
    return tuple(names)


def predictions_of(
    results: Results, dataset: DataSet, own: Mapping[str, Identity], *, numbered: bool
) -> Predictions:
    """The results on the data set's frames, with its frame names.

    `own` are the data set's classes by name with their ids; where these are not `numbered` in its
    files but places in a list, rows need a category_name.
    """
    try:
        classes = classes_of(results, own)
        labels = _labels(results, classes, own, numbered=numbered)
        names = _frame_names(results, dataset)
        by_frame: dict[str, list[Fields]] = {item.name: [] for item in dataset.items}
        for row, label, name in zip(results.rows, labels, names, strict=True):
            if name in by_frame:
                values = {**row.values, "category_id": label, "iscrowd": None}
                by_frame[name].append(Fields(values, row.where, PredictionsError))
        looked_at = _looked_at(results, dataset)
        frames, total = [], 0
        for item in dataset.items:
            rows = by_frame[item.name]
            if item.name in looked_at or rows:
                frames.append(_frame(item.name, item.image_path, rows, classes))
                total += frames[-1].instances.masks.coverage.size
                if total > MAX_TOTAL_COVERAGE_BYTES:
                    rule = f"the masks of a file may take {MAX_TOTAL_COVERAGE_BYTES} bytes"
                    raise PredictionsError(rule, where=item.name)
        return Predictions(classes, tuple(frames))
    except PredictionsError as error:
        raise error.at(path=results.path) from None


def _frame(
    name: str, picture: Path, rows: Sequence[Fields], classes: Sequence[str]
) -> FramePredictions:
    sizes = [_size_of(row.values.get("segmentation")) for row in rows]
    hw = next((size for size in sizes if size is not None), None) or image_hw(picture)
    categories: dict[Identity, Category] = {i: (label, i) for i, label in enumerate(classes)}
    found = instances_of(rows, hw, categories)
    # A mask without a pixel is no detection, and must not pass for a box without a mask.
    drawn = np.array([bool(_has_shape(row)) for row in rows], np.bool_)
    kept = ~drawn | (mask_ops.area(found.masks) > 0)
    return FramePredictions(name, name, hw, found.select(kept) if len(rows) else Instances.empty())


def _has_shape(row: Fields) -> bool:
    shape = row.values.get("segmentation")
    return bool(shape) and shape != [[]]


def _size_of(shape: object) -> tuple[int, int] | None:
    """The frame's height and width, which a run-length code says."""
    size = shape.get("size") if isinstance(shape, dict) else None
    if isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size):
        return int(size[0]), int(size[1])
    return None


def _labels(
    results: Results, classes: Sequence[str], own: Mapping[str, Identity], *, numbered: bool
) -> list[int]:
    """Each row's place in the class list, by its category's name or id."""
    ids = results.categories
    if ids is None:
        ids = {number: name for name, number in own.items()} if numbered else {}
    places = {key: index_of(name, classes) for key, name in ids.items()}
    unnamed = [row for row in results.rows if not is_text(row.values.get("category_name"))]
    shift = 0
    if results.categories is None and unnamed and list(own.values()) == list(range(len(own))):
        shift = _counted_from({row.identity("category_id") for row in unnamed}, len(own))
    labels = []
    for row in results.rows:
        name = row.values.get("category_name")
        place = index_of(name, classes) if is_text(name) else None
        if place is None:
            key = row.identity("category_id")
            place = places.get(key - shift if isinstance(key, int) else key)
            if place is None:
                expected = ", ".join(map(str, ids)) or "a category_name: these labels have no ids"
                raise row.fault("'category_id' leads nowhere", expected=expected, got=key)
        labels.append(place)
    return labels


def _counted_from(used: set[Identity], count: int) -> int:
    """0 or 1: from where tools counted the classes of a data set that only lists their names."""
    if 0 in used or count in used:
        return 0 if 0 in used else 1
    rule = "classes may be counted from 0 or from 1 here"
    expected = f"category_name in each row, or an id of 0 or {count} among them"
    got = ", ".join(sorted(map(str, used)))
    raise PredictionsError(rule, where="category_id", expected=expected, got=got)


def _frame_names(results: Results, dataset: DataSet) -> list[str | None]:
    """The data set's frame of each row; None for one that the file lists and the data set has
    not."""
    by_name = _by_name(dataset)
    if results.images is not None:
        own = {key: _only(by_name, name, None) for key, name in results.images.items()}
        return [own[row.link("image_id", own)] for row in results.rows]
    by_id: dict[Identity, list[str]] = {}
    for name, number in dataset.ids.items():
        plain = identity(number)
        by_id.setdefault(number if plain is None else plain, []).append(name)
    texts = [row.values.get("file_name") for row in results.rows]
    rows = list(zip(results.rows, texts, strict=True))
    numbers = {row.identity("image_id") for row, text in rows if not is_text(text)}

    def known(key: Identity) -> list[str]:
        return by_id.get(key, []) if numbers <= by_id.keys() else by_name(key)

    return [
        _only(by_name, text, row) if is_text(text) else _only(known, row.identity("image_id"), row)
        for row, text in rows
    ]


def _by_name(dataset: DataSet) -> Fitting:
    """Frames by their names (data/names.py), and by stems that are numbers: 7 for 0007.jpg."""
    names, numbers = Names(dataset.ids), dict[int, list[str]]()
    for name in dataset.ids:
        stem = frame_key(name)
        if stem.isascii() and stem.isdecimal() and len(stem) < 16:
            numbers.setdefault(int(stem), []).append(name)
    return lambda key: names.fitting(key) if isinstance(key, str) else numbers.get(key, [])


def _only(known: Fitting, key: Identity, row: Fields | None) -> str | None:
    """The one frame that a name or id fits; without a row to blame, None where there is none."""
    fitting = known(key)
    if len(fitting) == 1 or (row is None and not fitting):
        return fitting[0] if fitting else None
    rule = "an image leads to one frame of the data set, by its id or its name"
    got = f"{shown(key)}, which fits {', '.join(fitting[:3]) or 'none'}"
    raise PredictionsError(rule, where=None if row is None else row.where, got=got)


def _looked_at(results: Results, dataset: DataSet) -> set[str]:
    """The frames that the results are of, with a detection or without."""
    if results.images is None:
        return {item.name for item in dataset.items}
    by_name = _by_name(dataset)
    found = {_only(by_name, name, None) for name in results.images.values()} - {None}
    if not found:
        rule = "none of the images is a frame of the data set"
        names = list(results.images.values())
        expected = ", ".join(item.name for item in dataset.items[:3])
        raise PredictionsError(rule, expected=expected, got=", ".join(names[:3]) or "no image")
    return {name for name in found if name is not None}
