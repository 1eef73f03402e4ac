"""The breakdown: errors by hotcoco's TIDE and by hand, slices and boundary AP by pycocotools."""

import contextlib
import io
import json
import math
from typing import Any

import hotcoco
import numpy as np
import pytest
from _drawn import (
    CLASSES,
    Bitmap,
    Drawn,
    box,
    draw_frame,
    near,
    rectangle,
    to_coco,
    to_records,
)
from hypothesis import HealthCheck, assume, given, settings, strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from rich.console import Console
from test_pairs import slow_boundary

from tinyseg.errors import DataError
from tinyseg.scoring.breakdown import Breakdown, break_down
from tinyseg.scoring.error_kinds import (
    FIXABLE,
    ErrorKind,
    FrameErrors,
    KindWorth,
    find_errors,
    worth_of_kinds,
)
from tinyseg.scoring.matches import NOTHING
from tinyseg.scoring.pairs import FramePairs, pair_frames
from tinyseg.scoring.shapes import ShapeRules
from tinyseg.scoring.slices import CURVE_AREAS, slice_pairs
from tinyseg.scoring.tables import breakdown_tables, breakdown_to_json

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HW = (100, 100)
NARROW = ShapeRules(dilation=0.03)
"""A boundary of 2 to 6 pixels on the drawn frames."""


def paired(frames: list[Drawn], rules: ShapeRules | None = None) -> list[FramePairs]:
    predictions, truth = to_records(frames)
    return pair_frames(predictions, truth, classes=CLASSES, shapes=rules)


def kinds_of(frames: list[Drawn]) -> dict[str, KindWorth]:
    pairs = paired(frames)
    kinds = worth_of_kinds(pairs, find_errors(pairs, len(CLASSES)), len(CLASSES))
    return {kind.name: kind for kind in kinds}


def judged(*found: tuple[Bitmap, int, float], labels: list[tuple[Bitmap, int]]) -> FrameErrors:
    """One frame's errors; seams by straight sides."""
    (errors,) = find_errors(paired([Drawn(HW, labels, [], list(found))], NARROW), len(CLASSES))
    return errors


def coco_sheet(frames: list[Drawn]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Data set and results, codes as text, the ignore region as a crowd of every class."""
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image, frame in enumerate(frames, start=1):
        rows = [(bitmap, c, 0) for bitmap, c in frame.labels]
        if frame.ignore:
            union = np.logical_or.reduce(frame.ignore)
            rows += [(union, c, 1) for c in range(len(CLASSES))]
        for bitmap, label, crowd in rows:
            row = coco_row(image, bitmap, label) | {"iscrowd": crowd, "area": int(bitmap.sum())}
            annotations.append({**row, "id": len(annotations) + 1})
        for bitmap, label, value in frame.found:
            results.append({**coco_row(image, bitmap, label), "score": value})
    images = [{"id": i, "height": f.hw[0], "width": f.hw[1]} for i, f in enumerate(frames, 1)]
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)]
    return {"images": images, "categories": categories, "annotations": annotations}, results


def coco_row(image: int, bitmap: Bitmap, label: int) -> dict[str, Any]:
    row = to_coco(image, bitmap, label, len(CLASSES))
    size, counts = row["segmentation"]["size"], row["segmentation"]["counts"]
    return {**row, "segmentation": {"size": [int(s) for s in size], "counts": counts.decode()}}


TIDE = {
    "Cls": "class",
    "Loc": "localisation",
    "Both": "both",
    "Dupe": "duplicate",
    "Bkg": "background",
    "Miss": "missed",
    "FP": "all false detections",
    "FN": "all labels not found",
}


def is_tied(frame: FramePairs) -> bool:
    """Whether a wrong class or place has two labels that it is as like, so that either may be its
    own."""
    (errors,) = find_errors([frame], len(CLASSES))
    for row in np.flatnonzero(np.isin(errors.found, FIXABLE)).tolist():
        same = frame.found.labels[row] == frame.truth.labels
        alike = frame.iou[row] == frame.iou[row, errors.target[row]]
        if np.count_nonzero(alike & (same == same[errors.target[row]])) > 1:
            return True
    return False


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.integers(0, 2**32))
def test_errors_and_their_worth_equal_tide(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [draw_frame(rng, most_found=20) for _ in range(4)]
    # Equal scores have no order of their own, and hotcoco's TIDE knows no crowds.
    frames = [
        f._replace(ignore=[], found=[(b, c, rng.random()) for b, c, _ in f.found]) for f in frames
    ]
    if not (any(f.found for f in frames) and any(f.labels for f in frames)):
        return
    assume(not any(map(is_tied, paired(frames))))
    data, results = coco_sheet(frames)
    truth = hotcoco.COCO(data)
    evaluation = hotcoco.COCOeval(truth, truth.load_res(results), "segm")
    evaluation.params.maxDets = [300]
    evaluation.evaluate()
    expected = evaluation.tide_errors()
    own = kinds_of(frames)
    for name, title in TIDE.items():
        assert own[title].gain == pytest.approx(expected["delta_ap"][name], abs=1e-9), title
        if name in expected["counts"]:
            assert (
                own[title].detections + own[title].labels * (name == "Miss")
                == (expected["counts"][name])
            ), title


def test_each_kind_by_hand() -> None:
    car, person = box(HW, 10, 10, 30, 30), box(HW, 60, 60, 80, 80)
    labels = [(car, 0), (person, 1), (box(HW, 10, 60, 20, 70), 2)]
    errors = judged(
        (car, 0, 0.9),  # right
        (box(HW, 11, 10, 31, 30), 0, 0.8),  # the same once more
        (person, 0, 0.7),  # a person called a car
        (box(HW, 72, 66, 92, 86), 1, 0.6),  # a person, IoU 112 / 688
        (box(HW, 80, 5, 90, 15), 2, 0.5),  # nothing there
        (box(HW, 70, 60, 90, 80), 2, 0.4),  # IoU 1/3 with a person, called a bus
        labels=labels,
    )
    assert [ErrorKind(k).title for k in errors.found.tolist()] == [
        *("right", "duplicate", "class", "localisation", "background", "both"),
    ]
    assert errors.target.tolist() == [0, 0, 1, 1, NOTHING, 1]
    assert [ErrorKind(k).title for k in errors.truth.tolist()] == ["right", "class", "missed"]
    assert errors.taker.tolist() == [0, 2, NOTHING]


def test_what_fixing_is_worth_by_hand() -> None:
    """Cars: one found, one not; a false one before. AP50 1/2 over 51 points: half are reached."""
    labels = [(box(HW, 10, 10, 30, 30), 0), (box(HW, 60, 60, 80, 80), 0)]
    found = [(box(HW, 80, 5, 90, 15), 0, 0.9), (labels[0][0], 0, 0.8)]
    kinds = kinds_of([Drawn(HW, labels, [], found)])
    base = 51 / 101 * 0.5
    assert kinds["background"].gain == pytest.approx(51 / 101 - base)
    assert kinds["missed"].gain == pytest.approx(0.5 - base)
    assert kinds["all false detections"].gain == pytest.approx(51 / 101 - base)
    assert kinds["localisation"].gain == 0.0
    assert (kinds["background"].detections, kinds["missed"].labels) == (1, 1)


def test_a_part_cut_off_straight_is_a_seam() -> None:
    """A disc of 60 pixels, of which a detection holds the left 24 columns: IoU about .36."""
    y, x = np.mgrid[0:100, 0:100] + 0.5
    disc = np.hypot(x - 50, y - 50) <= 30
    part = np.asarray(disc & (x < 44))
    errors = judged((part, 0, 0.9), labels=[(disc, 0)])
    assert [ErrorKind(int(errors.found[0])), ErrorKind(int(errors.truth[0]))] == [
        ErrorKind.SEAM,
        ErrorKind.SEAM,
    ]
    round_part = np.hypot(x - 40, y - 50) <= 15
    assert (
        ErrorKind(int(judged((round_part, 0, 0.9), labels=[(disc, 0)]).found[0]))
        is ErrorKind.LOCALISATION
    )
    narrow = np.asarray(part & (y > 45) & (y < 55))
    assert (
        ErrorKind(int(judged((narrow, 0, 0.9), labels=[(disc, 0)]).found[0]))
        is ErrorKind.BACKGROUND
    )
    other_class = judged((part, 1, 0.9), labels=[(disc, 0)])
    assert ErrorKind(int(other_class.found[0])) is ErrorKind.BOTH


def test_seams_are_held_against_the_views_where_they_are_known() -> None:
    y, x = np.mgrid[0:100, 0:100] + 0.5
    disc = np.hypot(x - 50, y - 50) <= 30
    part = np.asarray(disc & (x < 44))
    pairs = paired([Drawn(HW, [(disc, 0), (box(HW, 40, 2, 50, 8), 1)], [], [(part, 0, 0.9)])])
    two_tiles = np.array([[0.0, 0.0, 44.0, 100.0], [44.0, 0.0, 100.0, 100.0]])
    (cut,) = find_errors(pairs, 3, views={"f0": two_tiles})
    # The second label is missed, and cut by the border as well.
    assert [ErrorKind(k) for k in (*cut.found, *cut.truth)] == [ErrorKind.SEAM] * 3
    elsewhere = np.array([[0.0, 0.0, 70.0, 100.0], [30.0, 0.0, 100.0, 100.0]])
    (held,) = find_errors(pairs, 3, views={"f0": elsewhere})
    assert [ErrorKind(k) for k in held.found] == [ErrorKind.LOCALISATION]
    assert [ErrorKind(k) for k in held.truth] == [ErrorKind.LOCALISATION, ErrorKind.MISSED]


def test_what_lies_on_the_ignore_region_is_no_error() -> None:
    found = box(HW, 10, 10, 30, 30)
    (errors,) = find_errors(paired([Drawn(HW, [], [found], [(found, 0, 0.9)])]), 3)
    assert (errors.found.tolist(), errors.target.tolist()) == ([ErrorKind.IGNORED], [NOTHING])


def by_pycocotools(frames: list[Drawn], area: list[float], evaluation: type[COCOeval]) -> float:
    """AP, mean over the classes that have labels of these areas."""
    data, results = coco_sheet(frames)
    truth, found = COCO(), COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        truth.dataset = data
        truth.createIndex()
        if results:
            found = truth.loadRes(results)
        else:
            found.dataset = {**data, "annotations": []}
            found.createIndex()
        run = evaluation(truth, found, "segm")
        run.params.areaRng, run.params.areaRngLbl = [area], ["own"]
        run.params.maxDets = [300]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"]
    return float(precision[precision > -1].mean()) if (precision > -1).any() else math.nan


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32))
def test_slices_by_size_equal_pycocotools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [draw_frame(rng, most_found=15) for _ in range(3)]
    result = slice_pairs(paired(frames), CLASSES, buckets={"own": (3.0, 20.0)})
    expected = by_pycocotools(frames, [9, 400], COCOeval)
    assert result.buckets[-1].name == "own"
    assert result.buckets[-1].ap == pytest.approx(expected, abs=1e-9, nan_ok=True)
    for low, high, item in zip(CURVE_AREAS[2:5], CURVE_AREAS[3:6], result.curve[2:5], strict=True):
        expected = by_pycocotools(frames, [low, high - 1], COCOeval)
        assert item.ap == pytest.approx(expected, abs=1e-9, nan_ok=True)
        areas = [int(bitmap.sum()) for frame in frames for bitmap, _ in frame.labels]
        assert item.instances == sum(low <= area < high for area in areas)
    assert sum(item.instances for item in result.curve) == sum(len(f.labels) for f in frames)
    assert sum(item.instances for item in result.rows) == sum(len(f.labels) for f in frames)


def smaller_iou(self: Any, image: int, category: int) -> Any:
    """COCO's table of IoUs, mask or boundary, whichever is smaller, from whole bitmaps."""
    iou = COCOeval.computeIoU(self, image, category)
    found = sorted(self._dts[image, category], key=lambda row: -row["score"])
    for i, detection in enumerate(found if len(iou) else []):
        for j, label in enumerate(self._gts[image, category]):
            if not label["iscrowd"]:
                a, b = (
                    slow_boundary(coco_mask.decode(row["segmentation"]) > 0, 2)
                    for row in (detection, label)
                )
                iou[i, j] = min(iou[i, j], (a & b).sum() / (a | b).sum())
    return iou


BOUNDARY_EVAL = type("BoundaryEval", (COCOeval,), {"computeIoU": smaller_iou})


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32))
def test_boundary_ap_equals_an_independent_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(2):
        labels = [(rectangle((50, 60), rng), int(rng.integers(0, 2))) for _ in range(5)]
        found = [(near(bitmap, rng), c, rng.random()) for bitmap, c in labels]
        ignore = [rectangle((50, 60), rng)] if rng.random() < 0.5 else []
        found = [row for row in found if row[0].any()]
        frames.append(Drawn((50, 60), labels, ignore, found))
    result = break_down(paired(frames, NARROW), CLASSES, shapes=NARROW)
    assert result.outlines is not None
    assert result.outlines.distances_px == (2, 2)
    expected = by_pycocotools(frames, [0, 1e10], BOUNDARY_EVAL)
    assert result.outlines.ap == pytest.approx(expected, abs=1e-9, nan_ok=True)


def four_cars() -> list[Drawn]:
    """Sides 6, 12, 24 and 48, found with scores .9, .8 and .6, the last one not; false at .7."""
    hw = (200, 200)
    cars = [
        box(hw, 10, top, 10 + side, top + side)
        for top, side in zip((0, 20, 60, 120), (6, 12, 24, 48), strict=True)
    ]
    found = [(car, 0, s) for car, s in zip(cars, (0.9, 0.8, 0.6), strict=False)]
    found.append((box(hw, 150, 150, 160, 160), 0, 0.7))
    return [Drawn(hw, [(car, 0) for car in cars], [], found)]


def test_recall_at_a_precision_by_hand() -> None:
    pairs = paired(four_cars())
    cut = slice_pairs(pairs, CLASSES, precision=0.9).cut
    assert (cut.score, cut.precision, cut.recall) == (0.8, 1.0, 0.5)
    result = slice_pairs(pairs, CLASSES, precision=0.75)
    assert (result.cut.score, result.cut.precision, result.cut.recall) == (0.6, 0.75, 0.75)
    recalls = {item.name: item.recall for item in result.buckets}
    assert recalls["very tiny"] == recalls["tiny"] == recalls["small"] == 1.0
    assert (recalls["medium"], math.isnan(recalls["large"])) == (0.0, True)
    (car, *_) = result.classes
    assert (car.instances, car.detections, car.recall, car.precision) == (4, 4, 0.75, 0.75)


def test_equal_scores_are_cut_together() -> None:
    frame = four_cars()[0]
    tied = frame._replace(found=[(bitmap, c, 0.5) for bitmap, c, _ in frame.found])
    cut = slice_pairs(paired([tied]), CLASSES, precision=0.8).cut
    assert all(math.isnan(value) for value in (cut.score, cut.precision, cut.recall))
    assert slice_pairs(paired([tied]), CLASSES, precision=0.75).cut.score == 0.5


def test_rows_are_those_of_centres() -> None:
    result = slice_pairs(paired(four_cars()), CLASSES)
    rows = {item.name: (item.instances, item.ap50) for item in result.rows if item.instances}
    # Centres at rows 3, 26, 72 and 144 of 200, in bands of 5 rows.
    assert rows == {
        "0.0%-2.5%": (1, pytest.approx(1.0)),
        "12.5%-15.0%": (1, pytest.approx(1.0)),
        "35.0%-37.5%": (1, pytest.approx(1.0)),
        "70.0%-72.5%": (1, 0.0),
    }


def whole(frames: list[Drawn]) -> tuple[Breakdown, list[FramePairs]]:
    pairs = paired(frames, NARROW)
    return break_down(pairs, CLASSES, shapes=NARROW, buckets={"pole": (4.0, 8.0)}), pairs


def test_the_breakdown_as_json() -> None:
    result, pairs = whole(four_cars())
    plain = json.loads(json.dumps(breakdown_to_json(result, pairs), allow_nan=False))
    assert {"cut", "curve", "buckets", "rows", "classes", "kinds", "outlines"} < set(plain)
    assert plain["buckets"][-1]["name"] == "pole"
    assert plain["buckets"][4]["ap"] is None
    assert plain["errors"] == [
        {
            "name": "f0",
            "detections": [{"row": 3, "kind": "background", "other": None}],
            "labels": [{"row": 3, "kind": "missed", "other": None}],
        }
    ]
    assert plain["outlines"]["offsets"][0] == {
        **{"name": "all", "pairs": 3, "offset_px": 0.0, "growth_px": 0.0}
    }


def test_the_breakdown_as_tables() -> None:
    result, _ = whole(four_cars())
    console = Console(width=80, record=True, file=io.StringIO())
    for table in breakdown_tables(result):
        console.print(table)
    text = console.export_text()
    lines = [line.split() for line in text.splitlines()]
    assert ["4-8", "1", "1.000", "1.000", "1.000", "1.000"] not in lines
    assert ["pole", "1", "1.000", "1.000", "1.000", "1.000", "█" * 12] in lines
    # Of 101 recalls 51 have a precision of 1 and 25 of 3/4; without the false one 76 have 1.
    assert ["background", "1", "0", "+0.062"] in lines
    assert ["all", "3", "0.00", "0.00"] in lines
    assert max(map(len, text.splitlines())) <= 80


def test_nothing_at_all_has_a_breakdown_too() -> None:
    for frames in ([], [Drawn(HW, [], [], [])]):
        result, pairs = whole(frames)
        assert all(math.isnan(item.ap) for item in result.slices.curve)
        assert all(kind.detections == kind.labels == 0 for kind in result.kinds)
        json.dumps(breakdown_to_json(result, pairs), allow_nan=False)
        assert breakdown_tables(result)
    without = break_down(paired(four_cars()), CLASSES)
    assert without.outlines is None


@pytest.mark.parametrize(
    ("buckets", "precision", "message"),
    [
        ({"tiny": (1.0, 2.0)}, 0.8, "a name of its own"),
        ({"own": (5.0, 5.0)}, 0.8, "to a longer one"),
        ({}, 0.0, "precision"),
        ({}, 1.5, "precision"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    buckets: dict[str, tuple[float, float]], precision: float, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        slice_pairs(paired(four_cars()), CLASSES, buckets=buckets, precision=precision)
