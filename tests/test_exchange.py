"""Exchange: there and back, and against what the other side itself makes of it."""

import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tinyseg import masks as mask_ops
from tinyseg.data.wad import read_labels
from tinyseg.errors import DataError
from tinyseg.exchange import (
    from_supervision,
    in_pixels,
    read_labelme,
    to_label_map,
    to_supervision,
    write_labelme,
)
from tinyseg.frame import Instances
from tinyseg.image import write_png
from tinyseg.labels import WAD_BACKGROUND, WAD_CLASSES, WAD_IDS
from tinyseg.masks import from_roi_grids
from tinyseg.predictions import FramePredictions

HW = (60, 90)


def some() -> Instances:
    """Soft masks, one of them outside the frame and two that overlap."""
    boxes = np.array(
        [
            [3.3, 4.2, 20.7, 30.1],
            [15.0, 10.0, 40.0, 33.3],
            [80.5, 50.5, 96.0, 66.0],
            [200.0, 200.0, 220.0, 220.0],
        ]
    )
    y, x = (np.mgrid[0:28, 0:28] - 13.5) / 14
    grids = np.repeat(np.clip(1.5 - np.hypot(x, y), 0, 1)[None].astype(np.float32), 4, axis=0)
    scores = np.array([0.9, 0.8, 0.3, 0.7])
    return Instances(boxes, from_roi_grids(boxes, grids), np.array([0, 3, 6, 1]), scores)


def bitmaps(found: Instances) -> np.ndarray:
    """Each instance as pixels of the frame."""
    out = np.zeros((len(found), *HW), np.bool_)
    pixels = mask_ops.rasterise(found.masks, HW)
    for plane, box, grid in zip(out, pixels.boxes.astype(int), pixels.grids(), strict=True):
        plane[box[1] : box[3], box[0] : box[2]] = grid >= 128
    return out


def test_in_pixels_is_tight_and_leaves_out_what_is_not_there() -> None:
    seen = in_pixels(some(), HW)
    assert seen.labels.tolist() == [0, 3, 6]
    for plane, box in zip(bitmaps(seen), seen.boxes.astype(int), strict=True):
        rows, columns = np.nonzero(plane)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.tolist() == expected
    assert len(in_pixels(Instances.empty(), HW)) == 0


def test_supervision_sees_the_same_pixels_and_gives_them_back() -> None:
    pytest.importorskip("supervision")
    detections = to_supervision(some(), HW, WAD_CLASSES)
    seen = in_pixels(some(), HW)
    np.testing.assert_array_equal(np.asarray(detections.mask), bitmaps(seen))
    assert np.asarray(detections.data["class_name"]).tolist() == ["car", "person", "tricycle"]
    np.testing.assert_array_equal(detections.area, mask_ops.area(seen.masks))
    back = from_supervision(detections)
    np.testing.assert_array_equal(bitmaps(back), bitmaps(seen))
    np.testing.assert_array_equal(back.boxes, seen.boxes)
    np.testing.assert_array_equal(back.scores, seen.scores)
    detections.mask = np.asarray(detections.mask)
    np.testing.assert_array_equal(bitmaps(from_supervision(detections)), bitmaps(seen))
    empty = to_supervision(Instances.empty(), HW, WAD_CLASSES)
    assert len(empty) == len(from_supervision(empty)) == 0


def test_supervision_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(DataError, match="needs the package supervision"):
        to_supervision(some(), HW, WAD_CLASSES)


def test_labelme_comes_back_and_reads_as_labelme_reads(tmp_path: Path) -> None:
    frame = FramePredictions("f", "f.jpg", HW, some())
    write_labelme(tmp_path / "f.json", frame, WAD_CLASSES)
    back = read_labelme(tmp_path / "f.json", WAD_CLASSES)
    seen = in_pixels(some(), HW)
    assert (back.name, back.file_name, back.hw) == ("f", "f.jpg", HW)
    np.testing.assert_array_equal(bitmaps(back.instances), bitmaps(seen))
    np.testing.assert_array_equal(back.instances.scores, seen.scores)
    np.testing.assert_array_equal(back.instances.labels, seen.labels)
    # LabelMe's own rule: both corners are pixels of the mask, whose PNG holds 0 and 1.
    document = json.loads((tmp_path / "f.json").read_text())
    for shape, plane in zip(document["shapes"], bitmaps(seen), strict=True):
        (x0, y0), (x1, y1) = shape["points"]
        picture = Pillow.open(io.BytesIO(base64.b64decode(shape["mask"])))
        canvas = np.zeros(HW, np.bool_)
        canvas[y0 : y1 + 1, x0 : x1 + 1] = np.array(picture).astype(np.bool_)
        np.testing.assert_array_equal(canvas, plane)


def test_labelme_polygons_and_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    head = {"imageHeight": 60, "imageWidth": 90, "imagePath": "p.jpg"}
    square = {"label": "car", "points": [[1, 2], [5, 2], [5, 8], [1, 8]], "shape_type": "polygon"}
    path.write_text(json.dumps({**head, "shapes": [square]}))
    assert mask_ops.area(read_labelme(path, WAD_CLASSES).instances.masks).tolist() == [24]
    for change, said in (
        ({"label": "boat"}, r"p.json: shape 0: unknown class"),
        ({"shape_type": "circle"}, r"p.json: shape 0: a circle has a centre"),
        ({"shape_type": "mask", "mask": "!"}, r"p.json: shape 0: a mask is a PNG"),
    ):
        path.write_text(json.dumps({**head, "shapes": [{**square, **change}]}))
        with pytest.raises(DataError, match=said):
            read_labelme(path, WAD_CLASSES)
    path.write_text("[]")
    with pytest.raises(DataError, match="not a LabelMe file"):
        read_labelme(path, WAD_CLASSES)


def test_a_label_map_is_read_as_the_wads_own(tmp_path: Path) -> None:
    label = to_label_map(some(), HW, list(WAD_IDS), background=WAD_BACKGROUND)
    write_png(tmp_path / "f_instanceIds.png", label)
    labels = read_labels(tmp_path / "f_instanceIds.png", "f", WAD_CLASSES)
    planes = bitmaps(in_pixels(some(), HW))
    planes[1] &= ~planes[0]  # the better one owns what both have
    np.testing.assert_array_equal(bitmaps(labels.instances), planes)
    assert sorted(np.unique(label).tolist()) == [WAD_BACKGROUND, 33000, 36000, 40000]
