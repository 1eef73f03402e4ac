"""Scores of a large set: the package, pycocotools and hotcoco, in one run.

    python benchmarks/evaluate.py [--frames N] [--resamples N] [--skip-pycocotools]

Frames of 3384 x 2710 with 58 labels and 100 detections each, of the sizes, rows and classes of
WAD's instances; a detection is a label's mask stretched and moved, or stands where nothing is. All
ways give the same figures: AP over five ranges of areas, by class and with all classes as one,
which are two runs of pycocotools and of hotcoco. Each starts from what it needs, in memory: the
package from masks, the others from run lengths, so decoding of files is no part of it. Then the
breakdown, and the intervals of all figures, are timed. The largest difference between figures of
the package and the others is printed.
"""

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import partial
from typing import Any

import cv2
import hotcoco
import numpy as np
from _crowd import AREA_QUANTILES, CLASS_COUNTS, FRAME_HW, HORIZON_ROWS, SMALL, Shape, blob
from _report import machine, table
from jaxtyping import Float64, Int64
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tinyseg import masks as mask_ops
from tinyseg.frame import FrameLabels, Instances
from tinyseg.labels import WAD_CLASSES
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.scoring.bootstrap import intervals
from tinyseg.scoring.breakdown import break_down
from tinyseg.scoring.pairs import pair_frames
from tinyseg.scoring.score import Scores, score_frames
from tinyseg.scoring.shapes import ShapeRules
from tinyseg.scoring.tally import AREA_RANGES

LABELS, DETECTIONS = 58, 100
"""A frame; 1,900 frames have 110,200 labels and 190,000 detections."""

BANK = 2000
MOST = 300

Row = dict[str, Any]


def make_bank(rng: np.random.Generator) -> list[Shape]:
    """Shapes to draw from, with WAD's areas."""
    share, area = np.array(AREA_QUANTILES).T
    logs = np.interp(rng.uniform(0, 1, BANK), share, np.log(area))
    return [blob(rng, float(a)) for a in np.exp(logs)]


def make_frame(
    rng: np.random.Generator, bank: list[Shape], name: str
) -> tuple[FrameLabels, FramePredictions]:
    """One frame's labels and detections; labels may overlap a little."""
    shapes = [bank[i] for i in rng.integers(0, len(bank), LABELS).tolist()]
    corners = np.array([_place(rng, shape.shape) for shape in shapes])
    share = np.array(CLASS_COUNTS) / sum(CLASS_COUNTS)
    labels = rng.choice(len(share), LABELS, p=share).astype(np.int64)
    truth = Instances.from_labels(_pixels(shapes, corners), labels)
    found = _found(rng, shapes, corners, labels)
    empty = CropMasks.empty()
    return FrameLabels(name, FRAME_HW, truth, empty), FramePredictions(name, name, FRAME_HW, found)


def _place(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = shape
    middle = rng.uniform(*HORIZON_ROWS) + max(height - SMALL, 0) * rng.uniform(0.5, 1.4)
    top = min(middle - height / 2, FRAME_HW[0] - height - 1)
    return round(rng.uniform(0, FRAME_HW[1] - width - 1)), round(top)


def _found(
    rng: np.random.Generator,
    shapes: list[Shape],
    corners: Int64[np.ndarray, "n 2"],
    labels: Int64[np.ndarray, " n"],
) -> Instances:
    """Two thirds near a label, nine in ten of them of its class; the rest anywhere."""
    source = rng.integers(0, len(shapes), DETECTIONS)
    astray = rng.random(DETECTIONS) < 1 / 3
    drawn, places = [], []
    for index, lost in zip(source.tolist(), astray.tolist(), strict=True):
        shape = _stretched(rng, shapes[index])
        at = np.array(_place(rng, shape.shape)) if lost else corners[index]
        moved = at + rng.normal(0, 0.06, 2) * shape.shape[::-1]
        limit = np.array(FRAME_HW[::-1]) - shape.shape[::-1]
        places.append(np.clip(np.rint(moved), 0, limit))
        drawn.append(shape)
    wrong = rng.random(DETECTIONS) < 0.1
    own = np.where(wrong, rng.integers(0, len(CLASS_COUNTS), DETECTIONS), labels[source])
    scores = np.clip(rng.normal(np.where(astray, 0.4, 0.7), 0.2), 0.01, 1)
    masks = _pixels(drawn, np.array(places, np.int64))
    return Instances(masks.boxes, masks, own.astype(np.int64), scores)


def _stretched(rng: np.random.Generator, shape: Shape) -> Shape:
    height, width = (max(2, round(s * rng.normal(1, 0.1))) for s in shape.shape)
    picture = cv2.resize(shape.astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(picture > 0)


def _pixels(shapes: list[Shape], corners: Int64[np.ndarray, "n 2"]) -> CropMasks:
    grids = [shape.astype(np.uint8) * np.uint8(255) for shape in shapes]
    origins = [(x, y) for x, y in corners.tolist()]
    return mask_ops.tighten(CropMasks.pack_pixels(origins, grids))


@dataclass(frozen=True, slots=True)
class Sheet:
    """COCO's rows, with one class a label or with all as one."""

    images: list[Row]
    categories: list[Row]
    labels: list[Row]
    detections: list[Row]

    def as_one(self) -> "Sheet":
        labels, detections = (
            [{**row, "category_id": 1} for row in rows] for rows in (self.labels, self.detections)
        )
        return Sheet(self.images, self.categories[:1], labels, detections)


def make_sheet(truth: list[FrameLabels], found: Predictions) -> Sheet:
    """The same instances as run lengths."""
    height, width = FRAME_HW
    images = [{"id": i, "height": height, "width": width} for i in range(1, len(truth) + 1)]
    categories = [{"id": i, "name": name} for i, name in enumerate(WAD_CLASSES, start=1)]
    labels: list[Row] = []
    detections: list[Row] = []
    for image, (label, frame) in enumerate(zip(truth, found.frames, strict=True), start=1):
        for row, area in _rows(label.instances, image):
            row |= {"id": len(labels) + 1, "area": area, "iscrowd": 0}
            labels.append(row)
        scores = frame.instances.scores.tolist()
        for (row, _), value in zip(_rows(frame.instances, image), scores, strict=True):
            detections.append({**row, "score_frames": value})
    return Sheet(images, categories, labels, detections)


def _rows(instances: Instances, image: int) -> list[tuple[Row, int]]:
    codes = mask_ops.to_coco_rle(instances.masks, FRAME_HW)
    areas = mask_ops.area(instances.masks).tolist()
    return [
        (
            {
                "image_id": image,
                "category_id": label + 1,
                "segmentation": {"size": list(FRAME_HW), "counts": code.decode()},
            },
            area,
        )
        for label, code, area in zip(instances.labels.tolist(), codes, areas, strict=True)
    ]


Precision = Float64[np.ndarray, "ious recalls classes areas"]


def by_pycocotools(sheet: Sheet) -> Precision:
    """Precision at 10 IoUs and 101 recalls, -1 where nothing is labelled."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": sheet.images,
            "categories": sheet.categories,
            "annotations": sheet.labels,
        }
        truth.createIndex()
        # loadRes writes into the rows that it is given, and takes boxes for results then.
        found = truth.loadRes([dict(row) for row in sheet.detections])
        evaluation = COCOeval(truth, found, "segm")
        return _evaluated(evaluation)


def by_hotcoco(sheet: Sheet) -> Precision:
    """The same by hotcoco."""
    images = {"images": sheet.images, "categories": sheet.categories}
    truth = hotcoco.COCO({**images, "annotations": sheet.labels})
    return _evaluated(hotcoco.COCOeval(truth, truth.load_res(sheet.detections), "segm"))


def _evaluated(evaluation: Any) -> Precision:
    evaluation.params.areaRng = [list(limits) for limits in AREA_RANGES.values()]
    evaluation.params.areaRngLbl = list(AREA_RANGES)
    evaluation.params.maxDets = [MOST]
    evaluation.evaluate()
    evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"], np.float64)[..., 0]


def timed(job: Callable[[], Any]) -> tuple[Any, float, float]:
    """What the job gives, its seconds by the clock, and those of this process's processor time."""
    clock, own = time.perf_counter(), time.process_time()
    result = job()
    return result, time.perf_counter() - clock, time.process_time() - own


def figures_of(precision: Precision) -> Float64[np.ndarray, "classes figures"]:
    """Each class's figures in the order of Averages' fields, from COCO's table."""
    tables = np.where(precision < 0, np.nan, precision).mean(axis=1)
    means = tables.mean(axis=0)
    return np.stack([tables[0, :, 0], tables[5, :, 0], *means.T[1:], means[:, 0]], axis=1)


def difference(scores: Scores, by_class: Precision, as_one: Precision) -> float:
    """The largest, over all figures."""
    own = np.array([astuple(item.averages) for item in scores.classes])
    rows = np.concatenate([own, [astuple(scores.any_class)]])
    theirs = np.concatenate([figures_of(by_class), figures_of(as_one)])
    if not np.array_equal(np.isnan(rows), np.isnan(theirs)):
        raise SystemExit("figures are there on one side and not on the other")
    return float(np.nanmax(np.abs(rows - theirs)))


def report(frames: int, resamples: int, others: dict[str, Callable[[Sheet], Precision]]) -> None:
    """Times all ways and prints the tables."""
    rng = np.random.default_rng(0)
    bank = make_bank(rng)
    made = [make_frame(rng, bank, f"frame {i}") for i in range(frames)]
    truth = [labels for labels, _ in made]
    found = Predictions(WAD_CLASSES, tuple(frame for _, frame in made))
    sheet = make_sheet(truth, found)
    one = sheet.as_one()
    counts = (
        f"{frames:,} frames, {len(sheet.labels):,} labels, {len(sheet.detections):,} detections"
    )
    scores, seconds, own = timed(lambda: score_frames(found, truth, classes=WAD_CLASSES))
    rows = [["tinyseg", "", "", f"{seconds:.1f}", f"{own:.1f}", "1", ""]]
    for name, way in others.items():
        by_class, *first = timed(partial(way, sheet))
        as_one, *second = timed(partial(way, one))
        off = difference(scores, by_class, as_one)
        total, total_own = first[0] + second[0], first[1] + second[1]
        cells = [f"{value:.1f}" for value in (first[0], second[0], total, total_own)]
        rows.append([name, *cells, f"{total_own / own:.1f}", f"{off:.0e}"])
    heads = (counts, "by class, s", "as one, s", "both, s", "processor, s", "times", "differs by")
    print(table(heads, rows))
    print(table(("breakdown", "s", "processor, s"), _breakdown_rows(found, truth, resamples)))
    print(f"AP {scores.averages.ap:.3f}. `times` is of processor time. {machine()}")


def _breakdown_rows(
    found: Predictions, truth: list[FrameLabels], resamples: int
) -> list[list[str]]:
    pairs, *first = timed(
        lambda: pair_frames(found, truth, classes=WAD_CLASSES, shapes=ShapeRules())
    )
    _, *second = timed(lambda: break_down(pairs, WAD_CLASSES))
    _, *third = timed(lambda: intervals(pairs, WAD_CLASSES, resamples=resamples))
    parts = {
        "pairs, with outlines": first,
        "breakdown": second,
        f"intervals of all figures, {resamples:,} resamples": third,
        "together": [sum(column) for column in zip(first, second, third, strict=True)],
    }
    return [[name, *(f"{value:.1f}" for value in times)] for name, times in parts.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=1900)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--skip-pycocotools", action="store_true", help="it takes minutes")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    others: dict[str, Callable[[Sheet], Precision]] = {
        "pycocotools": by_pycocotools,
        "hotcoco": by_hotcoco,
    }
    if arguments.skip_pycocotools:
        del others["pycocotools"]
    report(arguments.frames, arguments.resamples, others)


if __name__ == "__main__":
    main()
