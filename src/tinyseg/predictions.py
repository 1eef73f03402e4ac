"""Predictions of many frames, and the one file they are kept in.

The file is COCO-style JSON: `info` (format and version), `images`, `categories`, `annotations`
with compressed run lengths. What goes out are pixels: masks are rasterised in the frame, and an
instance without a pixel there is left out. Reading is strict: a key that is missing, an id that
dangles or comes twice, a score outside 0 ... 1, a damaged run-length code, a size or an area that
is not the mask's are each refused by a PredictionsError with the file, the item and the rule.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tinyseg import masks as mask_ops
from tinyseg.errors import MaskError, PredictionsError
from tinyseg.files import write_whole
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks

FORMAT = "tinyseg predictions"
VERSION = 1

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
            twice = _first_twice(names)
            if twice is not None:
                raise PredictionsError(f"each {kind} name comes once", got=repr(twice))
        for frame in self.frames:
            _check_frame(frame, len(self.classes))


def _check_frame(frame: FramePredictions, class_count: int) -> None:
    labels, boxes = frame.instances.labels, frame.instances.boxes
    where = f"frame {frame.name!r}"
    if len(labels) and not (labels.min() >= 0 and labels.max() < class_count):
        rule = "labels are indices into the class list"
        got = f"{labels.min()} ... {labels.max()}"
        raise PredictionsError(rule, where=where, expected=f"0 ... {class_count - 1}", got=got)
    if not (np.isfinite(boxes).all() and (boxes[:, 2:] >= boxes[:, :2]).all()):
        raise PredictionsError("boxes are finite, with x0 <= x1 and y0 <= y1", where=where)


def _first_twice(names: Sequence[str]) -> str | None:
    counts = Counter(names)
    return next((name for name in names if counts[name] > 1), None)


def write_predictions(path: Path, predictions: Predictions, *, source: str | None = None) -> None:
    """The predictions as one file, which is either wholly there or as it was before.

    `source` is kept with them: what they were made from. Raises PredictionsError where the file
    cannot be written.
    """
    document = _head(predictions.classes, source) | _to_lists(predictions)
    try:
        content = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise PredictionsError("cannot be told in JSON", path=path, got=str(error)) from None
    write_whole(path, content)


def join_predictions(files: Sequence[Path], path: Path, classes: Sequence[str]) -> None:
    """One predictions file from others of this class list; no mask is unpacked on the way."""
    images: list[bytes] = []
    rows: list[bytes] = []
    for file in files:
        document = _load(file)
        places = {}
        for place, image in enumerate(document["images"], start=len(images) + 1):
            places[image["id"]] = place
            images.append(orjson.dumps({**image, "id": place}))
        for place, row in enumerate(document["annotations"], start=len(rows) + 1):
            rows.append(orjson.dumps({**row, "id": place, "image_id": places[row["image_id"]]}))
    head = orjson.dumps(_head(classes, None))[:-1]
    lists = (b',"images":[', b",".join(images), b'],"annotations":[', b",".join(rows), b"]}")
    write_whole(path, b"".join([head, *lists]))


def _head(classes: Sequence[str], source: str | None) -> dict[str, object]:
    info = {"description": "instances found", "format": FORMAT, "version": VERSION}
    return {
        "info": info if source is None else {**info, "source": source},
        "categories": [{"id": i, "name": n} for i, n in enumerate(classes, start=1)],
    }


def _to_lists(predictions: Predictions) -> dict[str, object]:
    annotations: list[dict[str, object]] = []
    for image_id, frame in enumerate(predictions.frames, start=1):
        rows = _to_rows(frame, predictions.classes)
        start = len(annotations) + 1
        annotations += [
            {"id": i, "image_id": image_id, **row} for i, row in enumerate(rows, start=start)
        ]
    images = [_to_image(i, f) for i, f in enumerate(predictions.frames, start=1)]
    return {"images": images, "annotations": annotations}


def _to_image(image_id: int, frame: FramePredictions) -> dict[str, object]:
    height, width = frame.hw
    names = {"name": frame.name, "file_name": frame.file_name}
    return {"id": image_id, **names, "width": width, "height": height}


def _to_rows(frame: FramePredictions, classes: Sequence[str]) -> list[dict[str, object]]:
    """COCO's fields of each instance that has a pixel in the frame, but for the ids."""
    try:
        pixels = mask_ops.rasterise(frame.instances.masks, frame.hw)
        codes = mask_ops.to_coco_rle(pixels, frame.hw)
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
            "segmentation": {"size": list(frame.hw), "counts": code.decode("ascii")},
            "score": score,
        }
        for label, box, area, code, score in zip(
            *columns, frame.instances.scores.tolist(), strict=True
        )
        if area > 0
    ]


@dataclass(frozen=True, slots=True)
class _Item:
    """One JSON object with the place it has in the file; each reader checks what it returns."""

    fields: dict[str, object]
    where: str

    def error(self, rule: str, *, expected: object = None, got: object = None) -> PredictionsError:
        return PredictionsError(rule, where=self.where, expected=expected, got=got)

    def value(self, key: str) -> object:
        if key not in self.fields:
            raise self.error(f"needs the key '{key}'")
        return self.fields[key]

    def text(self, key: str) -> str:
        value = self.value(key)
        if not isinstance(value, str):
            raise self.error(f"'{key}' is a text", got=_short(value))
        return value

    def whole(self, key: str) -> int:
        value = self.value(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(f"'{key}' is a whole number", got=_short(value))
        return value

    def numbers(self, key: str, count: int) -> list[float]:
        value = self.value(key)
        if not (isinstance(value, list) and len(value) == count and all(map(_is_number, value))):
            raise self.error(f"'{key}' is a list of {count} numbers", got=_short(value))
        return [float(v) for v in value]

    def number(self, key: str) -> float:
        value = self.value(key)
        if not _is_number(value):
            raise self.error(f"'{key}' is a number", got=_short(value))
        return float(value)  # type: ignore[arg-type]

    def part(self, key: str) -> "_Item":
        value = self.value(key)
        if not isinstance(value, dict):
            raise self.error(f"'{key}' is an object", got=_short(value))
        return _Item(value, self.where)

    def parts(self, key: str, kind: str) -> list["_Item"]:
        """The objects of a list, each with a whole `id` that comes once, by which it is named."""
        value = self.value(key)
        if not isinstance(value, list):
            raise self.error(f"'{key}' is a list", got=_short(value))
        items, seen = [], set()
        for place, fields in enumerate(value, start=1):
            if not isinstance(fields, dict):
                raise self.error(f"'{key}' holds objects", got=f"{_short(fields)} at {place}")
            number = _Item(fields, f"{kind} at place {place}").whole("id")
            if number in seen:
                raise PredictionsError("each id comes once", where=f"{kind} {number}")
            seen.add(number)
            items.append(_Item(fields, f"{kind} {number}"))
        return items


def _is_number(value: object) -> bool:
    """True for what JSON calls a number, as long as it is finite as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_predictions(path: Path) -> Predictions:
    """The predictions of a file that `write_predictions` made, or of one that follows its rules."""
    document = _load(path)
    try:
        return from_document(document)
    except PredictionsError as error:
        raise error.at(path=path) from error.__cause__


def _load(path: Path) -> Any:
    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise PredictionsError("cannot be read", path=path, got=error.strerror) from error
    except orjson.JSONDecodeError as error:
        raise PredictionsError("is not JSON", path=path, got=str(error)) from None


def from_document(document: object) -> Predictions:
    """The predictions that a file's JSON, already parsed, tells; refused as a file is."""
    if not isinstance(document, dict):
        raise PredictionsError("a predictions file is a JSON object", got=_short(document))
    file = _Item(document, "file")
    _check_info(file.part("info"))
    names = {item.whole("id"): item.text("name") for item in file.parts("categories", "category")}
    rows: dict[int, list[_Item]] = {}
    images = file.parts("images", "image")
    for image in images:
        rows[image.whole("id")] = []
    for item in file.parts("annotations", "annotation"):
        _check_link(item, "image_id", rows)
        rows[item.whole("image_id")].append(item)
    frames, total = [], 0
    for image in images:
        frames.append(_from_rows(image, rows[image.whole("id")], names))
        total += frames[-1].instances.masks.coverage.size
        if total > MAX_TOTAL_COVERAGE_BYTES:
            rule = f"the masks of a file may take {MAX_TOTAL_COVERAGE_BYTES} bytes"
            raise PredictionsError(rule, where=image.where)
    return Predictions(tuple(names.values()), tuple(frames))


def _check_info(info: _Item) -> None:
    for key, expected in (("format", FORMAT), ("version", VERSION)):
        got = info.value(key)
        if got != expected:
            raise PredictionsError(f"info: wrong {key}", expected=expected, got=_short(got))


def _check_link(item: _Item, key: str, known: dict[int, list[_Item]] | dict[int, str]) -> None:
    if item.whole(key) not in known:
        raise item.error(f"'{key}' names nothing in the file", got=item.whole(key))


def _from_rows(image: _Item, rows: list[_Item], names: dict[int, str]) -> FramePredictions:
    hw = image.whole("height"), image.whole("width")
    if min(hw) < 1:
        raise image.error("'height' and 'width' are at least 1", got=hw)
    indices = {category: index for index, category in enumerate(names)}
    labels = [indices[_category(row, names)] for row in rows]
    boxes = np.array([_box(row) for row in rows], np.float64).reshape(len(rows), 4)
    scores = np.array([_score(row) for row in rows], np.float64)
    masks = _masks(image, rows, hw)
    instances = Instances(boxes, masks, np.array(labels, np.int64), scores)
    return FramePredictions(image.text("name"), image.text("file_name"), hw, instances)


def _category(row: _Item, names: dict[int, str]) -> int:
    _check_link(row, "category_id", names)
    category = row.whole("category_id")
    if row.text("category_name") != names[category]:
        rule = "'category_name' is the name of its category"
        raise row.error(rule, expected=repr(names[category]), got=repr(row.text("category_name")))
    return category


def _box(row: _Item) -> tuple[float, float, float, float]:
    x, y, width, height = row.numbers("bbox", 4)
    if width < 0 or height < 0:
        raise row.error("'bbox' is x, y, width, height, no size negative", got=row.value("bbox"))
    return x, y, x + width, y + height


def _score(row: _Item) -> float:
    score = row.number("score")
    if not 0 <= score <= 1:
        raise row.error("'score' lies in 0 ... 1", got=score)
    return score


def _masks(image: _Item, rows: list[_Item], hw: tuple[int, int]) -> CropMasks:
    """The rows' masks, each of the image's size, with at least one pixel, and with its area."""
    codes = [_code(row, hw) for row in rows]
    try:
        masks = mask_ops.from_coco_rle(codes, hw)
    except MaskError as error:
        raise _explain(error, image, rows, codes) from error
    for row, area in zip(rows, mask_ops.area(masks).tolist(), strict=True):
        if area == 0:
            raise row.error("a mask has at least one pixel")
        if row.number("area") != area:
            raise row.error("'area' counts the mask's pixels", expected=area, got=row.value("area"))
    return masks


def _code(row: _Item, hw: tuple[int, int]) -> str:
    segmentation = row.part("segmentation")
    size = segmentation.numbers("size", 2)
    if size != list(hw):
        rule = "a mask has its image's size (height, width)"
        raise row.error(rule, expected=list(hw), got=segmentation.value("size"))
    return segmentation.text("counts")


def _explain(
    error: MaskError, image: _Item, rows: list[_Item], codes: list[str]
) -> PredictionsError:
    """The error of many codes as the error of the first that is wrong alone."""
    hw = image.whole("height"), image.whole("width")
    where = image.where
    for row, code in zip(rows, codes, strict=True):
        try:
            mask_ops.from_coco_rle([code], hw)
        except MaskError as single:
            error, where = single, row.where
            break
    place = ": ".join(part for part in (where, error.where) if part is not None)
    return PredictionsError(error.rule, where=place, expected=error.expected, got=error.got)
