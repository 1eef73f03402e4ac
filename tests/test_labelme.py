"""LabelMe's files as tools write them: kinds of shapes, sizes, pictures, foreign files beside."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tinyseg import masks as mask_ops
from tinyseg.cli import app
from tinyseg.data import class_ids, open_data, recognise, splits_of
from tinyseg.errors import DataError, ImageError, TinysegError
from tinyseg.frame import FrameLabels
from tinyseg.image import write_png

CASES = Path(__file__).parents[2] / "shared/data/cases/13-labelme-forms"

SQUARE = [[10, 10], [30, 10], [30, 20], [10, 20]]


def shape(kind: str | None, points: object, label: object = "car", **more: object) -> object:
    return {"label": label, "points": points, "shape_type": kind, **more}


def sheet(root: Path, *shapes: object, name: str = "m1", **change: object) -> Path:
    """A picture of 96 x 64 and its file; change takes a key away where it is None."""
    root.mkdir(parents=True, exist_ok=True)
    write_png(root / f"{name}.png", np.zeros((64, 96, 3), np.uint8))
    head: dict[str, object] = {"version": "5.4.1", "flags": {}, "shapes": shapes}
    head["imagePath"] = f"{name}.png"
    head |= {"imageData": None, "imageHeight": 64, "imageWidth": 96, **change}
    (root / f"{name}.json").write_text(json.dumps(head))
    return root


def read(root: Path, *classes: str) -> FrameLabels:
    (item,) = open_data(root, classes=classes or ("car",)).items
    return item.load()


def area(kind: str | None, points: object, root: Path) -> int:
    labels = read(sheet(root, shape(kind, points)))
    assert labels.faults == ()
    return int(mask_ops.area(labels.instances.masks).sum())


def test_every_kind_that_encloses_something(tmp_path: Path) -> None:
    assert area("polygon", SQUARE, tmp_path) == 200
    assert area(None, SQUARE, tmp_path) == 200
    assert area("rectangle", [[30, 20], [10, 10]], tmp_path) == 200
    assert area("rectangle", SQUARE, tmp_path) == 200  # as X-AnyLabeling writes it
    circle = area("circle", [[50, 30], [62, 30]], tmp_path)
    assert circle == pytest.approx(np.pi * 12**2, rel=0.01)
    turned = [[50, 10], [70, 30], [60, 40], [40, 20]]  # sides of 20 and 10 times root two
    for kind in ("rotation", "oriented_rectangle", "quadrilateral"):
        assert area(kind, turned, tmp_path) == pytest.approx(400, rel=0.03)


@pytest.mark.parametrize("kind", ["point", "line", "linestrip", "points", "cuboid"])
def test_points_and_lines_are_left_out_or_named(tmp_path: Path, kind: str) -> None:
    """Of a label that is not learnt they say nothing; of one that is they are no object."""
    root = sheet(tmp_path, shape("polygon", SQUARE), shape(kind, [[5, 5], [9, 5]], "lane"))
    labels = read(root, "car")
    assert len(labels.instances) == 1
    assert (labels.left_out, labels.faults) == (("lane",), ())
    (item,) = open_data(root, classes=["car", "lane"]).items
    kept: list[TinysegError] = []
    assert len(item.read_labels(kept.append).instances) == 1
    assert str(kept[0]).startswith(f"{tmp_path}/m1.json: shape 1: a shape encloses an object")
    assert str(kept[0]).endswith(f"got a {kind})")
    with pytest.raises(DataError, match="shape 1"):
        item.read_labels()


BROKEN: dict[str, object] = {
    "no object": 7,
    "no label": {"points": SQUARE},
    "label null": shape("polygon", SQUARE, None),
    "no points": {"label": "car"},
    "points of one number": shape("polygon", [[1], [2], [3]]),
    "points as text": shape("polygon", [["a", "b"]] * 3),
    "points not a number": shape("polygon", [[1, float("nan")], [2, 2], [3, 3]]),
    "points far away": shape("polygon", [[1, 10**400], [2, 2], [3, 3]]),
    "points true": shape("polygon", [[True, 1], [2, 2], [3, 3]]),
    "two corners": shape("polygon", [[1, 1], [2, 2]]),
    "three corners of a rectangle": shape("rectangle", SQUARE[:3]),
    "circle of one point": shape("circle", [[1, 1]]),
    "circle without a radius": shape("circle", [[1, 1], [1, 1]]),
    "mask without data": shape("mask", [[1, 1], [3, 3]]),
    "mask of no base64": shape("mask", [[1, 1], [3, 3]], mask="?"),
    "mask of no PNG": shape("mask", [[1, 1], [3, 3]], mask="AAAA"),
    "mask of no text": shape("mask", [[1, 1], [3, 3]], mask=7),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_broken_shape_costs_itself_alone(tmp_path: Path, name: str) -> None:
    labels = read(sheet(tmp_path, shape("polygon", SQUARE), BROKEN[name]))
    assert mask_ops.area(labels.instances.masks).tolist() == [200]
    (fault,) = labels.faults
    assert str(fault).startswith(f"{tmp_path}/m1.json: shape 1: ")
    assert "Error" not in str(fault)


def test_a_mask_that_states_a_huge_size_is_not_decoded(tmp_path: Path) -> None:
    _, png = cv2.imencode(".png", np.ones((3, 3), np.uint8))
    data = bytearray(png.tobytes())
    data[16:24] = (2**31 - 1).to_bytes(4, "big") * 2
    text = base64.b64encode(bytes(data)).decode()
    labels = read(sheet(tmp_path, shape("mask", [[1, 1], [3, 3]], mask=text)))
    assert len(labels.faults) == 1


def test_a_mask_lies_where_its_corner_is(tmp_path: Path) -> None:
    _, png = cv2.imencode(".png", np.ones((3, 5), np.uint8))
    text = base64.b64encode(png.tobytes()).decode()
    labels = read(sheet(tmp_path, shape("mask", [[3.6, 2.2], [7.6, 4.2]], mask=text)))
    assert labels.instances.boxes.tolist() == [[4, 2, 9, 5]]


@pytest.mark.parametrize("side", [None, 0, -1, "x", 64.5])
def test_a_size_that_is_not_stated_is_the_pictures(tmp_path: Path, side: object) -> None:
    labels = read(sheet(tmp_path, shape("polygon", SQUARE), imageHeight=side))
    assert labels.hw == (64, 96)


def test_another_machines_path_leads_to_the_picture(tmp_path: Path) -> None:
    for named in ("C:\\Users\\x\\pics\\real.png", "/home/x/pics/real.png", "..\\real.png"):
        root = sheet(tmp_path, shape("polygon", SQUARE), imagePath=named)
        (root / "m1.png").rename(root / "real.png")
        (item,) = open_data(root, classes=["car"]).items
        assert item.image_path == root / "real.png"


def test_files_of_other_tools_are_passed_over_and_counted(tmp_path: Path) -> None:
    root = sheet(tmp_path, shape("polygon", SQUARE))
    (root / "a_labels.json").write_text('{"names": ["car"]}')
    (root / "b.json").write_text("no JSON at all")
    assert recognise(root) == "labelme"
    data = open_data(root, classes=["car"])
    assert [item.image_path.name for item in data.items] == ["m1.png"]
    assert data.remarks == ("2 files of another tool passed over",)
    assert list(class_ids(root)) == ["car"]


def test_a_picture_of_megabytes_may_come_first(tmp_path: Path) -> None:
    head = {"version": "3.16", "imageData": "A" * 3_000_000, "annotations": "of whom"}
    root = sheet(tmp_path, shape("polygon", SQUARE))
    (root / "m1.json").write_text(json.dumps(head | json.loads((root / "m1.json").read_text())))
    assert recognise(root) == "labelme"


def test_folders_called_train_and_val_are_splits(tmp_path: Path) -> None:
    for split, count in (("train", 2), ("val", 1)):
        for number in range(count):
            sheet(tmp_path / split, shape("polygon", SQUARE), name=f"{split}{number}")
    assert recognise(tmp_path) == "labelme"
    assert splits_of(tmp_path) == ("train", "val")
    assert len(open_data(tmp_path, classes=["car"], split="train").items) == 2
    assert len(open_data(tmp_path, classes=["car"]).items) == 3
    sheet(tmp_path / "day", shape("polygon", SQUARE), name="other")
    assert splits_of(tmp_path) == ()
    assert len(open_data(tmp_path, classes=["car"]).items) == 4


def test_one_file_is_a_set_too(tmp_path: Path) -> None:
    root = sheet(tmp_path, shape("polygon", SQUARE))
    assert recognise(root / "m1.json") == "labelme"
    assert len(open_data(root / "m1.json", classes=["car"]).items) == 1


@pytest.mark.skipif(not CASES.is_dir(), reason="the failing users' files are not here")
@pytest.mark.parametrize("case", sorted(CASES.glob("*/")), ids=lambda path: str(path.name))
def test_the_forms_of_users_files(case: Path) -> None:
    assert recognise(case) == "labelme"
    (item,) = open_data(case, classes=["car"]).items
    labels = item.read().instances
    pixels = {"03circle": 316, "16noshapes": 0}.get(case.name, 200)
    assert abs(int(mask_ops.area(labels.masks).sum()) - pixels) <= 0.03 * pixels


def test_a_picture_inside_its_file_is_read(tmp_path: Path) -> None:
    """Where none lies beside it: by every verb, and converted to a file of its own."""
    root = sheet(tmp_path / "set", shape("polygon", SQUARE))
    png = (root / "m1.png").read_bytes()
    (root / "m1.png").unlink()
    with pytest.raises(DataError, match="1 without one of the two"):
        open_data(root, classes=["car"])
    text = base64.b64encode(png).decode()
    for data in (text, f"data:image/png;base64,{text}"):
        sheet(root, shape("polygon", SQUARE), imageData=data, imageHeight=None)
        (root / "m1.png").unlink()
        (item,) = open_data(root, classes=["car"]).items
        assert item.read().hw == (64, 96)
    out = tmp_path / "out"
    words = ["convert", str(root), "--out", str(out), "--to", "coco", "--pictures", "link"]
    CliRunner().invoke(app, words, catch_exceptions=False)
    assert (out / "train/m1.png").read_bytes() == png
    done = CliRunner().invoke(app, ["doctor", str(root), "--classes", "data"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("data", ["AAAA", "?", 7, {"a": 1}])
def test_what_is_no_picture_inside_a_file_is_named(tmp_path: Path, data: object) -> None:
    root = sheet(tmp_path, shape("polygon", SQUARE), imageData=data)
    (root / "m1.png").unlink()
    (item,) = open_data(root, classes=["car"]).items
    with pytest.raises(ImageError, match=r"m1\.json: "):
        item.read()


def test_files_of_one_name_in_two_folders_are_two_frames(tmp_path: Path) -> None:
    for folder in ("cam1", "cam2"):
        sheet(tmp_path / folder, shape("polygon", SQUARE), name="0001")
    sheet(tmp_path / "cam1", shape("polygon", SQUARE), name="0002")
    data = open_data(tmp_path, classes=["car"])
    names = ["cam1/0001", "cam1/0002", "cam2/0001"]
    assert [item.name for item in data.items] == names
    assert [item.read_labels().name for item in data.items] == names
