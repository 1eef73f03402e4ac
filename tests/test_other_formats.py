"""What readers of other street sets and annotators do with each form of object, good and bad."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _layouts import HW, LAYOUTS, Truth, truths

from tinyseg import masks as mask_ops
from tinyseg.data import class_ids, open_data, recognise
from tinyseg.errors import TinysegError
from tinyseg.frame import FrameLabels
from tinyseg.image import read_label, write_png

CLASSES = ("car", "person")


def made(root: Path, name: str) -> tuple[Path, list[Truth]]:
    frames = truths(5, train=1, val=0)
    return LAYOUTS[name].write(root, frames), frames


def read(path: Path, *classes: str) -> FrameLabels:
    return open_data(path, classes=classes or CLASSES).items[0].load()


def changed(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))


# CVAT


def cvat(root: Path, shape: str) -> FrameLabels:
    path, _ = made(root, "cvat")
    text = (path / "annotations.xml").read_text()
    at = text.index("<polygon")
    (path / "annotations.xml").write_text(f"{text[:at]}{shape}</image></annotations>")
    return read(path)


def area(labels: FrameLabels) -> list[int]:
    return mask_ops.area(labels.instances.masks).tolist()


def test_cvats_runs_go_along_the_rows_of_the_masks_box(tmp_path: Path) -> None:
    mask = "<mask label='car' rle='1, 2, 3, 1, 1' left='10' top='5' width='4' height='2'></mask>"
    labels = cvat(tmp_path, mask)
    pixels = mask_ops.paint(labels.instances.masks, HW) > 0
    assert np.argwhere(pixels).tolist() == [[5, 11], [5, 12], [6, 12]]


def test_cvats_ellipses_and_boxes_may_be_turned(tmp_path: Path) -> None:
    turned = "<ellipse label='car' cx='60' cy='40' rx='30' ry='6' rotation='90'></ellipse>"
    labels = cvat(tmp_path / "a", turned)
    assert area(labels)[0] == pytest.approx(np.pi * 30 * 6, rel=0.03)
    x0, y0, x1, y1 = labels.instances.boxes[0].tolist()
    assert (x1 - x0, y1 - y0) == pytest.approx((12, 60), abs=2)
    box = "<box label='car' xtl='50' ytl='40' xbr='70' ybr='50' rotation='90'></box>"
    labels = cvat(tmp_path / "b", box)
    assert labels.instances.has_mask.tolist() == [False]
    assert np.allclose(labels.instances.boxes, [[55, 35, 65, 55]])


def test_cvats_parts_of_one_group_are_one_object(tmp_path: Path) -> None:
    parts = "".join(
        f"<polygon label='car' group_id='3' points='{x},2;{x + 5},2;{x + 5},8;{x},8'></polygon>"
        for x in (10, 30)
    )
    assert area(cvat(tmp_path, parts)) == [60]


BROKEN_CVAT = {
    "points": "<points label='car' points='1,1'></points>",
    "line": "<polyline label='car' points='1,1;5,5;9,1'></polyline>",
    "no label": "<polygon points='1,1;5,5;9,1'></polygon>",
    "text": "<polygon label='car' points='1,1;a,5;9,1'></polygon>",
    "two corners": "<polygon label='car' points='1,1;5,5'></polygon>",
    "runs too few": "<mask label='car' rle='1,2' left='1' top='1' width='4' height='2'></mask>",
    "runs of text": "<mask label='car' rle='1,-2,x' left='1' top='1' width='4' height='2'></mask>",
    "huge mask": "<mask label='car' rle='1' left='1' top='1' width='9e5' height='9e5'></mask>",
    "no radius": "<ellipse label='car' cx='1' cy='1' rx='0' ry='1'></ellipse>",
    "flat box": "<box label='car' xtl='1' ytl='1' xbr='1' ybr='2'></box>",
}


@pytest.mark.parametrize("name", BROKEN_CVAT)
def test_a_broken_shape_of_cvat_costs_itself_alone(tmp_path: Path, name: str) -> None:
    good = "<polygon label='car' points='10,2;15,2;15,8;10,8'></polygon>"
    labels = cvat(tmp_path, good + BROKEN_CVAT[name])
    assert area(labels) == [30]
    (fault,) = labels.faults
    assert "annotations.xml: Train/train_00.jpg: " in str(fault)
    assert "Error" not in str(fault)


def test_cvats_tracks_and_broken_xml_are_refused(tmp_path: Path) -> None:
    path, _ = made(tmp_path, "cvat")
    changed(path / "annotations.xml", lambda text: text.replace("</annotations>", ""))
    with pytest.raises(TinysegError, match=r"annotations\.xml: line 1: is not XML"):
        read(path)
    changed(path / "annotations.xml", lambda text: f"{text}<track id='0'></track></annotations>")
    with pytest.raises(TinysegError, match="track 0: a track of a video is not read"):
        read(path)


# VIA


def via(root: Path, *regions: object) -> FrameLabels:
    path, _ = made(root, "via_project")
    tree = json.loads((path / "via_project.json").read_text())
    for image in tree["_via_img_metadata"].values():
        image["regions"] = regions
    (path / "via_project.json").write_text(json.dumps(tree))
    return read(path)


def region(name: str, **shape: object) -> dict[str, object]:
    return {"shape_attributes": {"name": name, **shape}, "region_attributes": {"class": "car"}}


def test_vias_shapes(tmp_path: Path) -> None:
    labels = via(
        tmp_path,
        region("rect", x=4, y=4, width=10, height=6),
        region("circle", cx=40, cy=20, r=12),
        region("ellipse", cx=80, cy=40, rx=20, ry=8, theta=np.pi / 2),
        region("polyline", all_points_x=[4, 14, 14, 4], all_points_y=[50, 50, 56, 56]),
    )
    assert labels.faults == ()
    rect, circle, ellipse, line = area(labels)
    assert (rect, line) == (60, 60)
    assert circle == pytest.approx(np.pi * 144, rel=0.03)
    assert ellipse == pytest.approx(np.pi * 160, rel=0.03)
    height = labels.instances.boxes[2, 3] - labels.instances.boxes[2, 1]
    assert height == pytest.approx(40, abs=2)


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"class": "car", "colour": "red"}, "car"),
        ({"vehicle": "car"}, "car"),
        ({"type": {"car": True}}, "car"),
        ({"Label": "car ", "iscrowd": "0"}, "car"),
        ({}, "object"),
    ],
)
def test_where_via_keeps_the_class(tmp_path: Path, attributes: object, named: str) -> None:
    shape = {"name": "rect", "x": 4, "y": 4, "width": 10, "height": 6}
    path, _ = made(tmp_path, "via_project")
    tree = json.loads((path / "via_project.json").read_text())
    for image in tree["_via_img_metadata"].values():
        image["regions"] = [{"shape_attributes": shape, "region_attributes": attributes}]
    (path / "via_project.json").write_text(json.dumps(tree))
    assert list(class_ids(path)) == [named]
    assert len(read(path, named).instances) == 1


BROKEN_VIA = {
    "point": region("point", cx=1, cy=1),
    "no shape": {"region_attributes": {"class": "car"}},
    "number": 7,
    "unlike": region("polygon", all_points_x=[1, 2, 3], all_points_y=[1, 2]),
    "text": region("polygon", all_points_x="123", all_points_y=[1, 2, 3]),
    "true": region("circle", cx=True, cy=1, r=1),
    "no radius": region("circle", cx=4, cy=1, r=-1),
    "missing": region("rect", x=1, y=1, width=3),
}


@pytest.mark.parametrize("name", BROKEN_VIA)
def test_a_broken_region_costs_itself_alone(tmp_path: Path, name: str) -> None:
    labels = via(tmp_path, region("rect", x=4, y=4, width=10, height=6), BROKEN_VIA[name])
    assert area(labels) == [60]
    (fault,) = labels.faults
    assert "via_project.json: train_00.jpg: region 1: " in str(fault)


# BDD100K


def bdd(root: Path, *labels: object) -> FrameLabels:
    path, _ = made(root, "bdd_polygons")
    file = path / "labels/ins_seg/polygons/ins_seg_train.json"
    rows = json.loads(file.read_text())
    file.write_text(json.dumps([{**row, "labels": labels} for row in rows]))
    return read(path)


def ring(types: str, *vertices: tuple[float, float]) -> list[dict[str, object]]:
    return [{"vertices": vertices, "types": types, "closed": True}]


def test_bdds_polygons_have_curves(tmp_path: Path) -> None:
    """Three Cs are two control points and an end; a quarter circle by a cubic is known to 1e-3."""
    k = 4 / 3 * (np.sqrt(2) - 1) * 30
    quarter = [(20.0, 50.0), (20.0, 50 - k), (50 - k, 20.0), (50.0, 20.0), (50.0, 50.0)]
    labels = bdd(
        tmp_path,
        {"category": "car", "poly2d": ring("LCCCL", *quarter)},
        {"category": "van", "poly2d": [[60, 4, "L"], [70, 4, "L"], [70, 10, "L"], [60, 10, "L"]]},
        {"category": "person", "box2d": {"x1": 80, "y1": 4, "x2": 90, "y2": 30}},
        {"category": "traffic light", "box2d": {"x1": 1, "y1": 1, "x2": 2, "y2": 3}},
        {"category": "rider", "poly2d": ring("LLL", (100, 50), (110, 50), (110, 60))},
    )
    assert labels.faults == ()
    assert labels.instances.labels.tolist() == [0, 0, 1]
    assert area(labels)[0] == pytest.approx(np.pi * 900 / 4, rel=0.03)
    assert area(labels)[1:] == [60, 0]
    assert labels.instances.has_mask.tolist() == [True, True, False]
    assert labels.left_out == ("traffic light",)
    assert mask_ops.area(labels.ignore).sum() > 0  # the rider


BROKEN_BDD = {
    "no category": {"poly2d": ring("LLL", (1, 1), (5, 1), (5, 5))},
    "nothing": {"category": "car"},
    "two corners": {"category": "car", "poly2d": ring("LL", (1, 1), (5, 1))},
    "text": {"category": "car", "poly2d": "LLL"},
    "odd rows": {"category": "car", "poly2d": [[1, 2]]},
    "half a box": {"category": "car", "box2d": {"x1": 1, "y1": 1, "x2": 2}},
    "code of another size": {"category": "car", "rle": {"size": [3, 3], "counts": "0"}},
    "number": 7,
}


@pytest.mark.parametrize("name", BROKEN_BDD)
def test_a_broken_label_of_bdd_costs_itself_alone(tmp_path: Path, name: str) -> None:
    good = {"category": "car", "box2d": {"x1": 1, "y1": 1, "x2": 9, "y2": 9}}
    labels = bdd(tmp_path, good, BROKEN_BDD[name])
    assert len(labels.instances) == 1
    (fault,) = labels.faults
    assert "ins_seg_train.json: train_00.jpg: label 1: " in str(fault)


def test_a_json_of_frames_is_a_set_by_itself(tmp_path: Path) -> None:
    path, frames = made(tmp_path, "bdd_polygons")
    file = path / "labels/ins_seg/polygons/ins_seg_train.json"
    assert recognise(file) == "bdd"
    assert len(open_data(file, classes=CLASSES).items) == len(frames)


# Label maps and texts


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("kitti", 90 * 256, "value 23040"),
        ("mots_maps", 3001, "value 3001"),
        ("mots_maps", 7, "value 7"),
        ("mapillary", 200 * 256, "value 51200"),
    ],
)
def test_unknown_values_of_maps_are_refused(
    tmp_path: Path, name: str, value: int, said: str
) -> None:
    path, _ = made(tmp_path, name)
    (label,) = (p for p in path.rglob("*.png") if "instance" in str(p.parent.relative_to(path)))
    pixels = read_label(label).copy()
    pixels[0, 0] = value
    write_png(label, pixels)
    with pytest.raises(TinysegError, match=said):
        read(path)


def test_classes_outside_the_list_are_ignored_where_they_may_be_taken_for_one(
    tmp_path: Path,
) -> None:
    for name in ("kitti", "mots_maps", "mots_texts", "mapillary", "bdd_bitmasks", "bdd_polygons"):
        path, frames = made(tmp_path / name, name)
        labels = read(path, "car")
        cars = [box for own, box in frames[0].objects if own == "car"]
        assert len(labels.instances) == len(cars), name
        ((_, person),) = (pair for pair in frames[0].objects if pair[0] == "person")
        x0, y0, x1, y1 = person
        assert (mask_ops.paint(labels.ignore, HW)[y0:y1, x0:x1] > 0).all(), name


def test_a_broken_line_of_mots_costs_itself_alone(tmp_path: Path) -> None:
    path, _ = made(tmp_path, "mots_texts")
    text = path / "train/MOTS20-train/gt/gt.txt"
    lines = text.read_text().splitlines()
    broken = ["1 1005 1 96", "1 5005 5 96 128 x", "1 1006 1 5 5 52", "1 1007 1 96 128 ~~"]
    text.write_text("\n".join([*broken, *lines]))
    labels = read(path)
    assert len(labels.instances) == 3
    places = sorted(str(error.where).partition(":")[0] for error in labels.faults)
    assert places == ["line 1", "line 2", "line 3", "line 4"]
    text.write_text("\n".join(["x 1005 1", *lines]))
    with pytest.raises(TinysegError, match="line 1: a line begins with the number of its frame"):
        read(path)
