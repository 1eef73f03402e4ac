"""Predictions of many frames, and the one file they are kept in.

The file is COCO-style JSON: `info` (format and version), `images`, `categories`, `annotations`
with compressed run lengths. What goes out are pixels: masks are rasterised in the frame, and an
instance without a pixel there is left out. Reading is strict: a key that is missing, an id that
dangles or comes twice, a score outside 0 ... 1, a damaged run-length code, a size or an area that
is not the mask's are each refused by a PredictionsError with the file, the item and the rule.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tinyseg import masks as mask_ops
from tinyseg.data import Category, read_annotations
from tinyseg.errors import MaskError, PredictionsError, TinysegError
from tinyseg.fields import Fields, Identity, read_json, shown, stop
from tinyseg.files import write_whole
from tinyseg.frame import Instances

FORMAT = "tinyseg predictions"
VERSION = 1

PREDICTIONS_NAME = "predictions.json"
"""The file that a folder of predictions holds."""

JOB_NAME = "job.json"
"""The file that a folder of a cluster's results holds: Parquet parts (`tinyseg.cluster`)."""

MAX_TOTAL_COVERAGE_BYTES = 2**34
"""A file's masks may take this much memory when they are unpacked."""


@dataclass(frozen=True, slots=True)
class FramePredictions:
    """The instances found on one frame of height and width `hw`, in its pixels.

    Labels are indices into the class list of the Predictions that this belongs to.
    """

    name: str
    file_name: str
    hw: tuple[int, int]
    instances: Instances


@dataclass(frozen=True, slots=True)
class Predictions:
    """A class list and the frames it was looked for on, each name once.

    Raises PredictionsError where a name comes twice, a label is outside the class list, or a box
    is not finite or turned inside out.
    """

    classes: tuple[str, ...]
    frames: tuple[FramePredictions, ...]

    def __post_init__(self) -> None:
        for kind, names in (("class", self.classes), ("frame", [f.name for f in self.frames])):
            counts = Counter(names)
            twice = next((name for name in names if counts[name] > 1), None)
            if twice is not None:
                raise PredictionsError(f"each {kind} name comes once", got=repr(twice))
        for frame in self.frames:
            labels, boxes = frame.instances.labels, frame.instances.boxes
            where = f"frame {frame.name!r}"
            if len(labels) and not (labels.min() >= 0 and labels.max() < len(self.classes)):
                rule = "labels are indices into the class list"
                got = f"{labels.min()} ... {labels.max()}"
                expected = f"0 ... {len(self.classes) - 1}"
                raise PredictionsError(rule, where=where, expected=expected, got=got)
            if not (np.isfinite(boxes).all() and (boxes[:, 2:] >= boxes[:, :2]).all()):
                raise PredictionsError("boxes are finite, with x0 <= x1 and y0 <= y1", where=where)


def write_predictions(path: Path, predictions: Predictions, *, source: str | None = None) -> None:
    """The predictions as one file, which is either wholly there or as it was before.

    `source` is kept with them: what they were made from. Raises PredictionsError where the file
    cannot be written.
    """
    document = to_document(predictions, source=source)
    try:
        content = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError:
        raise PredictionsError("a name cannot be told in JSON: it is no text", path=path) from None
    write_whole(path, content)


def to_document(
    predictions: Predictions, *, source: str | None = None, coded: bool = True
) -> dict[str, object]:
    """What a file of them holds, as plain values for JSON; not `coded`, without the masks."""
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for image_id, frame in enumerate(predictions.frames, start=1):
        names, (height, width) = {"name": frame.name, "file_name": frame.file_name}, frame.hw
        images.append({"id": image_id, **names, "width": width, "height": height})
        rows = rows_of(frame, predictions.classes, coded=coded)
        start = len(annotations) + 1
        annotations += [
            {"id": i, "image_id": image_id, **row} for i, row in enumerate(rows, start=start)
        ]
    return _head(predictions.classes, source) | {"images": images, "annotations": annotations}


@dataclass(frozen=True, slots=True)
class Tally:
    """How many instances a frame has, and of which class each of the surer ones is."""

    name: str
    hw: tuple[int, int]
    count: int
    sure: tuple[str, ...]


def join_predictions(
    files: Sequence[Path], path: Path, classes: Sequence[str], *, min_score: float = 0.0
) -> list[Tally]:
    """One predictions file from others of this class list; no mask is unpacked on the way.

    Returns what each frame has; sure are instances with at least `min_score`.
    """
    images: list[bytes] = []
    rows: list[bytes] = []
    tallies: list[Tally] = []
    for file in files:
        document = _load(file)
        places = {}
        for place, image in enumerate(document["images"], start=len(images) + 1):
            places[image["id"]] = place
            images.append(orjson.dumps({**image, "id": place}))
            own = [row for row in document["annotations"] if row["image_id"] == image["id"]]
            sure = tuple(row["category_name"] for row in own if row["score"] >= min_score)
            hw = image["height"], image["width"]
            tallies.append(Tally(image["name"], hw, len(own), sure))
        for place, row in enumerate(document["annotations"], start=len(rows) + 1):
            rows.append(orjson.dumps({**row, "id": place, "image_id": places[row["image_id"]]}))
    head = orjson.dumps(_head(classes, None))[:-1]
    lists = (b',"images":[', b",".join(images), b'],"annotations":[', b",".join(rows), b"]}")
    write_whole(path, b"".join([head, *lists]))
    return tallies


def _head(classes: Sequence[str], source: str | None) -> dict[str, object]:
    info = {"description": "instances found", "format": FORMAT, "version": VERSION}
    return {
        "info": info if source is None else {**info, "source": source},
        "categories": [{"id": i, "name": n} for i, n in enumerate(classes, start=1)],
    }


def rows_of(
    frame: FramePredictions, classes: Sequence[str], *, coded: bool = True
) -> list[dict[str, object]]:
    """COCO's fields of each instance that has a pixel in the frame, but for the ids, and not
    `coded` but for the mask."""
    try:
        pixels = mask_ops.rasterise(frame.instances.masks, frame.hw)
        codes = mask_ops.to_coco_rle(pixels, frame.hw) if coded else [None] * len(pixels)
    except MaskError as error:
        rule, got = error.rule, error.got
        raise PredictionsError(rule, where=f"frame {frame.name!r}", got=got) from error
    boxes = frame.instances.boxes.copy()
    boxes[:, 2:] -= boxes[:, :2]
    areas = mask_ops.area(pixels).tolist()
    columns = (frame.instances.labels.tolist(), boxes.round(4).tolist(), areas, codes)
    return [
        {
            "category_id": label + 1,
            "category_name": classes[label],
            "bbox": box,
            "area": area,
            **_segmentation(frame.hw, code),
            "score": score,
        }
        for label, box, area, code, score in zip(
            *columns, frame.instances.scores.tolist(), strict=True
        )
        if area > 0
    ]


def _segmentation(hw: tuple[int, int], code: bytes | None) -> dict[str, object]:
    """The field of a mask, where it was coded."""
    if code is None:
        return {}
    return {"segmentation": {"size": list(hw), "counts": code.decode("ascii")}}


def read_predictions(path: Path) -> Predictions:
    """The predictions of a file that `write_predictions` made, or of one that follows its rules."""
    try:
        return from_document(_load(path))
    except PredictionsError as error:
        raise error.at(path=path) from None


def _load(path: Path) -> Any:
    return read_json(path, PredictionsError)[0]


def is_ours(document: object) -> bool:
    """Whether a file's JSON says that it has this format."""
    info = document.get("info") if isinstance(document, dict) else None
    return isinstance(info, dict) and "format" in info


def from_document(document: object) -> Predictions:
    """The predictions that a file's JSON, already parsed, tells; refused as a file is."""
    if not isinstance(document, dict):
        raise PredictionsError("a predictions file is a JSON object", got=shown(document))
    file = Fields(document, None, PredictionsError)
    _check_info(file.part("info"))
    names = {key: row.text("name") for key, row in file.parts("categories", "category", stop)}
    categories = {key: (name, index) for index, (key, name) in enumerate(names.items())}
    images = dict(file.parts("images", "image", stop))
    rows: dict[Identity, list[Fields]] = {key: [] for key in images}
    for _, row in file.parts("annotations", "annotation", stop):
        rows[row.link("image_id", rows)].append(row)
        if row.text("category_name") != names[row.link("category_id", names)]:
            raise row.wrong("category_name", "the name of its category")
    frames, total = [], 0
    for key, image in images.items():
        frames.append(_from_rows(image, rows[key], categories))
        total += frames[-1].instances.masks.coverage.size
        if total > MAX_TOTAL_COVERAGE_BYTES:
            raise image.fault(f"the masks of a file may take {MAX_TOTAL_COVERAGE_BYTES} bytes")
    return Predictions(tuple(names.values()), tuple(frames))


def _check_info(info: Fields) -> None:
    for key, expected in (("format", FORMAT), ("version", VERSION)):
        got = info.values.get(key)
        if got != expected:
            raise PredictionsError(f"info: wrong {key}", expected=expected, got=shown(got))


def _from_rows(
    image: Fields, rows: Sequence[Fields], categories: Mapping[Identity, Category]
) -> FramePredictions:
    hw = image.whole("height", low=1), image.whole("width", low=1)
    instances = instances_of(rows, hw, categories)
    for row, area in zip(rows, mask_ops.area(instances.masks).tolist(), strict=True):
        if area == 0:
            raise row.fault("a mask has at least one pixel")
        if row.number("area") != area:
            rule, got = "'area' counts the mask's pixels", row.values["area"]
            raise row.fault(rule, expected=area, got=got)
    return FramePredictions(image.text("name"), image.text("file_name"), hw, instances)


def instances_of(
    rows: Sequence[Fields], hw: tuple[int, int], categories: Mapping[Identity, Category]
) -> Instances:
    """What annotations with scores say was found on an image of this size, a row each."""
    if hw[0] * hw[1] > mask_ops.MAX_FRAME_PIXELS:
        rule = f"a frame has 1 ... {mask_ops.MAX_FRAME_PIXELS} pixels"
        raise PredictionsError(rule, got=f"height {hw[0]} x width {hw[1]}")
    scores = np.array([_score(row) for row in rows], np.float64)
    found = read_annotations(rows, hw, categories, _refuse)
    boxes = found.boxes.copy()
    for at, row in enumerate(rows):
        if row.values.get("bbox") is not None:
            x, y, width, height = row.numbers("bbox", 4)
            if width < 0 or height < 0:
                raise row.wrong("bbox", "x, y, width, height, no size negative")
            boxes[at] = (x, y, x + width, y + height)
    return Instances(boxes, found.masks, found.labels, scores)


def _refuse(error: TinysegError) -> None:
    expected, got = error.expected, error.got
    raise PredictionsError(error.rule, where=error.where, expected=expected, got=got)


def _score(row: Fields) -> float:
    score = row.number("score")
    if not 0 <= score <= 1:
        raise row.fault("'score' lies in 0 ... 1", got=score)
    return score
