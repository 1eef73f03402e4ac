"""Polygons against pycocotools' rasters, bit for bit: made ones of every kind, and COCO's own.

`TINYSEG_FUZZ_COUNT=100000 pytest -s tests/test_polygons.py -k fuzz` is the long form.
"""

import json
import os
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from _drawn import figures, run_pycocotools
from hypothesis import given, settings, strategies as st
from jaxtyping import Float64
from pycocotools import mask as coco

from tinyseg import masks as mask_ops
from tinyseg.data import open_data
from tinyseg.errors import MaskError
from tinyseg.frame import Instances
from tinyseg.masks import polygons as polygon_rules
from tinyseg.predictions import FramePredictions, Predictions, read_predictions
from tinyseg.scoring.score import score_frames

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHARED = Path(__file__).parents[2] / "shared/data"
FUZZ_COUNT = int(os.environ.get("TINYSEG_FUZZ_COUNT", "3000"))
HW = (40, 50)

Corners = Float64[np.ndarray, "_k 2"]


def theirs(polygons: list[list[float]], hw: tuple[int, int]) -> bytes:
    code: bytes = coco.merge(coco.frPyObjects(polygons, *hw))["counts"]
    return code


def ours(objects: list[list[list[float]]], hw: tuple[int, int]) -> list[bytes]:
    return mask_ops.to_coco_rle(mask_ops.from_polygons(objects, hw), hw)


def star(rng: np.random.Generator) -> Corners:
    """A polygon that does not cross itself, of a radius between 1 and 18 pixels."""
    corners = int(rng.integers(3, 12))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = rng.uniform(1, rng.choice([3, 8, 18]), corners)
    return np.stack([25 + radius * np.cos(angle), 20 + radius * np.sin(angle)], axis=1)


def corners_of(rng: np.random.Generator) -> Corners:
    """A polygon of any kind: simple, crossing itself, flat, a point, beyond the frame, ties."""
    kind = int(rng.integers(9))
    count = int(rng.integers(3, 14))
    if kind <= 1:
        corners = star(rng)
    elif kind == 2:  # crosses itself, within and beyond the frame
        corners = rng.uniform(-20, 70, (count, 2))
    elif kind == 3:  # along the edges of pixels, over and over again
        corners = np.cumsum(rng.integers(-6, 7, (count, 2)) * np.eye(2)[np.arange(count) % 2], 0)
        corners += rng.integers(0, 40, 2)
    elif kind == 4:  # halves of a fifth, where rounding decides
        corners = rng.integers(-100, 500, (count, 2)) / 10
    elif kind == 5:  # on one line
        corners = np.outer(rng.uniform(-3, 3, count), rng.uniform(-9, 9, 2)) + rng.uniform(0, 40, 2)
    elif kind == 6:  # corners that are the same, some or all
        corners = star(rng)[rng.integers(0, 2 if rng.random() < 0.3 else 3, count)]
    elif kind == 7:  # thin slivers of great length
        corners = rng.uniform(-1, 1, (3, 2)) * 10.0 ** rng.integers(0, 4) + rng.uniform(0, 40, 2)
    else:  # wholly outside
        corners = star(rng) + rng.choice([-60, 60], 2)
    return np.round(corners, int(rng.choice([0, 1, 2, 12])))


def shoelace(corners: Corners) -> float:
    x, y = corners.T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def polygon_of(rng: np.random.Generator) -> list[float]:
    flat: list[float] = corners_of(rng).ravel().tolist()
    return flat


def test_fuzz_pixels_are_pycocotools_own() -> None:
    """All kinds of polygons, one or several an object (holes among them), several an image."""
    rng = np.random.default_rng(13)
    seen = 0
    while seen < FUZZ_COUNT:
        hw = tuple(rng.integers(1, 70, 2).tolist())
        parts = rng.choice([1, 1, 2, 5], int(rng.integers(1, 40))).tolist()
        objects = [[polygon_of(rng) for _ in range(count)] for count in parts]
        seen += sum(parts)
        for polygons, code in zip(objects, ours(objects, hw), strict=True):
            assert code == theirs(polygons, hw), (hw, polygons)
    print(f"\n{seen} polygons equal")


coordinates = (
    st.floats(-30, 60) | st.integers(-30, 60) | st.integers(-300, 600).map(lambda v: v / 10)
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(st.tuples(coordinates, coordinates), min_size=3), min_size=1, max_size=3),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_any_polygons_of_an_object(
    corners: list[list[tuple[float, float]]], height: int, width: int
) -> None:
    polygons = [[float(v) for corner in polygon for v in corner] for polygon in corners]
    (code,) = ours([polygons], (height, width))
    assert code == theirs(polygons, (height, width))


def test_polygons_by_hand() -> None:
    square = [2.0, 1.0, 6.0, 1.0, 6.0, 4.0, 2.0, 4.0]
    other = [x + 5 for x in square]
    hole = [3.0, 2.0, 5.0, 2.0, 5.0, 3.0, 3.0, 3.0]
    around = [2.0, 1.0, 6.0, 1.0, 6.0, 4.0, 2.0, 4.0, 2.0, 1.0, *hole, 3.0, 2.0]
    objects = [[square], [square, other], [square, square], [square, hole], [around]]
    masks = mask_ops.from_polygons(objects, HW)
    assert masks.boxes[:2].tolist() == [[2, 1, 6, 4], [2, 1, 11, 9]]
    # A second ring is no hole to COCO; one line around both is.
    assert mask_ops.area(masks).tolist() == [12, 24, 12, 12, 10]
    # A column belongs to a polygon that reaches beyond its centre, .5 is not enough.
    wide = [[[0.0, 0.0, x, 0.0, x, 8.0, 0.0, 8.0]] for x in (8.4, 8.5, 8.6)]
    assert mask_ops.from_polygons(wide, HW).boxes[:, 2].tolist() == [8, 9, 9]
    assert len(mask_ops.from_polygons([], HW)) == 0


def test_masks_lie_in_the_frame_and_are_tight() -> None:
    rng = np.random.default_rng(3)
    masks = mask_ops.from_polygons([[polygon_of(rng)] for _ in range(500)], HW)
    assert mask_ops.rasterise(masks, HW) is masks
    empty = mask_ops.area(masks) == 0
    assert 50 < empty.sum() < 250
    assert (masks.boxes[empty] == 0).all()


def test_areas_are_the_shoelace_formulas_in_the_mean() -> None:
    """Small ones too: neither rounding to fifths nor to pixels leans to one side."""
    rng = np.random.default_rng(7)
    stars = [star(rng) for _ in range(4000)]
    true = np.array([shoelace(s) for s in stars])
    drawn = mask_ops.area(mask_ops.from_polygons([[s.ravel().tolist()] for s in stars], HW))
    for low, high in ((4, 64), (64, 256), (256, 1200)):
        group = (true >= low) & (true < high)
        assert group.sum() > 150
        assert drawn[group].sum() / true[group].sum() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("polygons", "reason"),
    [
        ([], "at least one polygon"),
        ([[]], "even number"),
        ([[1.0, 1.0, 2.0, 2.0]], "even number"),
        ([[1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0]], "even number"),
        ([[1.0, 1.0, 2.0, 2.0, float("nan"), 3.0]], "finite"),
        ([[1.0, 1.0, 2.0, float("inf"), 3.0, 3.0]], "finite"),
        ([[1.0, 1.0, 2.0, 2.0, 3.0, 1e9]], "finite and below"),
    ],
)
def test_polygons_refused(polygons: list[list[float]], reason: str) -> None:
    square = [1.0, 1.0, 9.0, 1.0, 9.0, 9.0]
    with pytest.raises(MaskError, match=reason):
        mask_ops.from_polygons([[square], polygons], HW)
    with pytest.raises(MaskError, match="a frame has 1"):
        mask_ops.from_polygons([[square]], (0, 5))


def test_far_corners_cost_nothing() -> None:
    """Only columns of the frame are looked at, however far a polygon reaches."""
    far = 2.0**20
    polygons = [[-far, -far, far, -far, far, far, -far, far], [-far, 3.3, 20.0, 8.1, far, far]]
    for polygon in polygons:
        assert ours([[polygon]], HW) == [theirs([polygon], HW)]


def test_many_crossings_are_taken_in_parts_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    objects = [[polygon_of(rng)] for _ in range(60)]
    whole = ours(objects, HW)
    monkeypatch.setattr(polygon_rules, "MAX_CROSSINGS", 100)
    assert ours(objects, HW) == whole
    zigzag = [float(v) for i in range(20) for v in (50 * (i % 2), i)]
    with pytest.raises(MaskError, match=r"may cross 400 columns.*got 1000"):
        mask_ops.from_polygons([[zigzag]], HW)


def coco_frames(path: Path) -> list[tuple[tuple[int, int], list[list[list[float]]]]]:
    """Height, width and polygon objects of each image of an instances JSON."""
    document = json.loads(path.read_bytes())
    frames: dict[int, Any] = {i["id"]: ((i["height"], i["width"]), []) for i in document["images"]}
    for row in document["annotations"]:
        if isinstance(row["segmentation"], list):
            frames[row["image_id"]][1].append(row["segmentation"])
    return list(frames.values())


@pytest.mark.skipif(not (SHARED / "coco").is_dir(), reason="no real COCO frames here")
def test_cocos_own_polygons() -> None:
    paths = sorted(SHARED.glob("coco*/**/instances_*.json"))
    frames = [frame for path in paths for frame in coco_frames(path)]
    for hw, objects in frames:
        assert ours(objects, hw) == [theirs(polygons, hw) for polygons in objects]
    assert sum(len(objects) for _, objects in frames) > 4000


def near(corners: Corners, hw: tuple[int, int], rng: np.random.Generator) -> list[bytes]:
    """Codes of a few polygons that are the same or nearly so."""
    moves = rng.choice([0, 0, 0.5, 1.5], int(rng.integers(0, 3)))
    moved = [corners + rng.normal(0, 1, corners.shape) * move for move in moves]
    return [theirs([m.ravel().tolist()], hw) for m in moved]


def polygon_set(path: Path, rng: np.random.Generator) -> tuple[Predictions, dict[str, Any], Any]:
    """A COCO JSON of polygons with its pictures, and predictions near them in both forms."""
    names = ("car", "bus")
    rows: dict[str, Any] = {"images": [], "annotations": []}
    rows["categories"] = [{"id": k, "name": name} for k, name in enumerate(names, start=1)]
    results: list[dict[str, Any]] = []
    frames = []
    for image in range(1, 7):
        name = f"{image}.png"
        cv2.imwrite(str(path.parent / name), np.zeros((*HW, 3), np.uint8))
        rows["images"].append({"id": image, "file_name": name, "height": HW[0], "width": HW[1]})
        found: list[tuple[bytes, int, float]] = []
        for _ in range(int(rng.integers(2, 9))):
            corners, label = star(rng) + rng.uniform(-9, 9, 2), int(rng.integers(0, 2))
            polygons = [corners.ravel().tolist()]
            area = int(coco.area({"size": list(HW), "counts": theirs(polygons, HW)}))
            if area == 0:  # readers leave out what covers no pixel
                continue
            row = {"image_id": image, "category_id": label + 1, "segmentation": polygons}
            row |= {"id": len(rows["annotations"]) + 1, "area": area, "iscrowd": 0}
            rows["annotations"].append(row)
            found += [(c, label, float(rng.random())) for c in near(corners, HW, rng)]
        masks = mask_ops.from_coco_rle([code for code, _, _ in found], HW)
        own = np.array([k for _, k, _ in found], np.int64), np.array([s for *_, s in found])
        frames.append(FramePredictions(name, name, HW, Instances(masks.boxes, masks, *own)))
        for code, label, value in found:
            shape = {"size": list(HW), "counts": code}
            given = {"image_id": image, "category_id": label + 1, "segmentation": shape}
            results.append(given | {"score": value})
    path.write_text(json.dumps(rows))
    return Predictions(names, tuple(frames)), rows, results


@pytest.mark.parametrize("seed", range(4))
def test_scores_over_polygon_labels_are_cocoevals(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    predictions, rows, results = polygon_set(path, np.random.default_rng(seed))
    labels = [item.read_labels() for item in open_data(path, classes=predictions.classes).items]
    own = score_frames(predictions, labels, classes=predictions.classes).averages
    precision = run_pycocotools(rows["images"], rows["annotations"], results, 2, 300)
    expected = figures(precision)
    np.testing.assert_allclose(astuple(own), expected, rtol=0, atol=1e-9, equal_nan=True)
    assert 0.2 < own.ap < 0.9


@pytest.mark.skipif(not (SHARED / "cases").is_dir(), reason="no failing inputs of users here")
def test_pycocotools_rasters_of_polygons_score_one() -> None:
    folder = SHARED / "cases/01-polygon-bias"
    predictions = read_predictions(folder / "pred/predictions.json")
    data = open_data(folder / "instances_x.json")
    labels = [replace(item.read_labels(), name=Path(item.name).stem) for item in data.items]
    own = score_frames(predictions, labels, classes=predictions.classes).averages
    assert (own.ap, own.ap_tiny) == (1, 1)
