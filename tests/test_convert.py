"""Data sets from format to format and back: the same pixels, or as near as a format can come."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import Bool
from typer.testing import CliRunner

from tinyseg import masks as mask_ops
from tinyseg.cli import app
from tinyseg.conversion import Lost, Wanted, convert, kept_classes
from tinyseg.data import class_ids, open_data, recognise
from tinyseg.errors import DataError, OutputError, TinysegError
from tinyseg.frame import FrameLabels
from tinyseg.image import read_label, write_jpeg, write_png
from tinyseg.labels import WAD_CLASSES, WAD_IGNORE
from tinyseg.masks import CropMasks

HW = (60, 90)


def blob(seed: int) -> Bool[np.ndarray, "h w"]:
    """Something with parts and holes."""
    noise = np.random.default_rng(seed).random(HW).astype(np.float32)
    return cv2.blur(noise, (11, 11)) > 0.52


@pytest.fixture
def wad(tmp_path: Path) -> Path:
    """Two frames: a car with a hole in two parts, a blob, tiny persons, a rider, ignored pixels;
    and a frame without anything."""
    root = tmp_path / "wad"
    label = np.full(HW, 255, np.uint16)
    label[blob(0) & (np.arange(90) > 45)] = 39000
    label[5:25, 5:30], label[10:15, 10:20], label[30:33, 5:9] = 33000, 255, 33000
    label[40, 3], label[42:44, 3:5], label[50:55, 20:23] = 36000, 36001, 37000
    label[57:] = 65535
    empty = np.full(HW, 255, np.uint16)
    for name, values in (("a_Camera_5", label), ("b_Camera_6", empty)):
        for folder in ("train_color", "train_label"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        write_jpeg(root / f"train_color/{name}.jpg", np.full((*HW, 3), 90, np.uint8))
        write_png(root / f"train_label/{name}_instanceIds.png", values)
    return root


def stop(name: str, error: TinysegError) -> None:
    raise error


def turned(source: Path, out: Path, to: str, *, polygons: bool = False) -> Lost:
    ids = class_ids(source)
    dataset = open_data(source, classes=kept_classes(to, list(ids)))
    wanted = Wanted(to, polygons=polygons)
    done = convert(dataset, out, wanted, source_ids=ids, on_frame=lambda name: None, on_error=stop)
    assert done.frames == len(dataset.items)
    return done.lost


def labels_of(path: Path) -> list[FrameLabels]:
    return [item.read_labels() for item in open_data(path, classes=list(class_ids(path))).items]


def planes(labels: FrameLabels, names: tuple[str, ...]) -> dict[str, list[bytes]]:
    """The bitmaps of the objects of each class, in an order of their own."""
    found: dict[str, list[bytes]] = {}
    masks = labels.instances.masks
    for place, label in enumerate(labels.instances.labels.tolist()):
        one = mask_ops.paint(masks.select(np.array([place])), labels.hw)
        found.setdefault(names[label], []).append(one.tobytes())
    return {name: sorted(rows) for name, rows in found.items()}


def ignored(labels: FrameLabels) -> bytes:
    return mask_ops.paint(labels.ignore, labels.hw).tobytes()


@pytest.mark.parametrize("to", ["coco", "labelme", "cityscapes", "yolo", "wad"])
def test_to_a_format_and_back_gives_the_same_pixels(wad: Path, tmp_path: Path, to: str) -> None:
    lost = turned(wad, tmp_path / "there", to)
    assert recognise(tmp_path / "there") == to
    turned(tmp_path / "there", tmp_path / "back", "wad")
    for before, after in zip(labels_of(wad), labels_of(tmp_path / "back"), strict=True):
        ours, theirs = planes(before, WAD_CLASSES), planes(after, WAD_CLASSES)
        if to != "yolo":
            assert ours == theirs
            assert ignored(before) == ignored(after)
        elif ours:  # the blob of many parts has bridges, which take a pixel now and then
            assert ours["car"] + ours["person"] == theirs["car"] + theirs["person"]
            (one,), (other,) = (
                [np.frombuffer(row, np.uint8) > 0 for row in rows["bus"]] for rows in (ours, theirs)
            )
            assert (one & other).sum() / (one | other).sum() > 0.99
    assert lost == (Lost(bridged=2, unignored=1) if to == "yolo" else Lost())
    names = sorted(p.name for p in (tmp_path / "back/train_color").iterdir())
    assert names == ["a_Camera_5.jpg", "b_Camera_6.jpg"]
    first = (wad / "train_color/a_Camera_5.jpg").read_bytes()
    assert (tmp_path / "back/train_color/a_Camera_5.jpg").read_bytes() == first


@pytest.mark.parametrize("to", ["coco", "labelme"])
def test_polygons_keep_parts_and_fill_holes(wad: Path, tmp_path: Path, to: str) -> None:
    lost = turned(wad, tmp_path / "there", to, polygons=True)
    assert lost.filled == 2
    before, after = labels_of(wad)[0], labels_of(tmp_path / "there")[0]
    assert len(before.instances) == len(after.instances)
    iou = mask_ops.iou(before.instances.masks, after.instances.masks).max(axis=1)
    assert iou.min() > 0.75  # the car's hole
    filled = [name for name, value in zip(before.instances.labels, iou, strict=True) if value < 1]
    assert len(filled) == 2
    assert ignored(before) == ignored(after)


def test_a_label_map_has_one_layer(tmp_path: Path) -> None:
    """Of two that overlap the smaller one is on top; what is wholly covered is gone."""
    write_png(tmp_path / "p.png", np.zeros((20, 30, 3), np.uint8))
    corners = {"big": (0, 0, 20, 10), "small": (5, 2, 9, 6), "same": (5, 2, 9, 6)}
    rings = {n: [x0, y0, x1, y0, x1, y1, x0, y1] for n, (x0, y0, x1, y1) in corners.items()}
    rows = [
        {"id": i, "image_id": 1, "category_id": 1, "segmentation": [ring]}
        for i, ring in enumerate(rings.values())
    ]
    document = {
        "images": [{"id": 1, "file_name": "p.png", "height": 20, "width": 30}],
        "categories": [{"id": 1, "name": "Car"}, {"id": 2, "name": "boat"}],
        "annotations": rows,
    }
    (tmp_path / "c.json").write_text(json.dumps(document))
    lost = turned(tmp_path / "c.json", tmp_path / "out", "wad")
    assert lost == Lost(gone=1, covered_pixels=32)
    label = read_label(tmp_path / "out/train_label/p_instanceIds.png")
    assert sorted(np.unique(label, return_counts=True)[1].tolist()) == [16, 200 - 16, 600 - 200]
    mapping = json.loads((tmp_path / "out/converted.yaml").read_text())
    assert mapping["classes"] == [{"name": "Car", "id": 33, "source_id": 1}]
    assert mapping["frames"] == [{"source": "p.png", "number": 1, "picture": "train_color/p.png"}]


def test_a_crowd_becomes_an_ignore_region_everywhere(wad: Path, tmp_path: Path) -> None:
    turned(wad, tmp_path / "coco", "coco")
    (found,) = (tmp_path / "coco/annotations").iterdir()
    rows = json.loads(found.read_text())["annotations"]
    assert [row["id"] for row in rows] == list(range(1, len(rows) + 1))
    assert sum(row["iscrowd"] for row in rows) == len(WAD_CLASSES)
    turned(tmp_path / "coco", tmp_path / "back", "wad")
    label = read_label(tmp_path / "back/train_label/a_Camera_5_instanceIds.png")
    assert int((label == WAD_IGNORE).sum()) == 3 * 90 + 15


def test_the_verb_links_selects_and_skips(wad: Path, tmp_path: Path) -> None:
    (wad / "train_label/b_Camera_6_instanceIds.png").write_bytes(b"no picture")
    words = ["convert", str(wad), "--out", str(tmp_path / "few"), "--to", "yolo"]
    words += ["--classes", "bus, car", "--pictures", "link", "--split", "val"]
    ended = CliRunner().invoke(app, words)
    assert isinstance(ended.exception, TinysegError)
    assert not (tmp_path / "few").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["wad"]
    ended = CliRunner().invoke(app, [*words, "--on-error", "skip"], catch_exceptions=False)
    assert "1 frames skipped" in ended.output
    assert "1 frames with 2 objects" in ended.output
    picture = tmp_path / "few/images/val/a_Camera_5.jpg"
    assert picture.is_symlink()
    assert picture.resolve() == (wad / "train_color/a_Camera_5.jpg").resolve()
    assert class_ids(tmp_path / "few") == {"bus": 0, "car": 1}
    again = CliRunner().invoke(app, [*words, "--on-error", "skip"])
    assert "the target is there already" in str(again.exception)


def test_what_cannot_be_is_refused(wad: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown format"):
        kept_classes("voc", ["car"])
    with pytest.raises(DataError, match="holds none of the classes"):
        kept_classes("wad", ["boat"])
    assert kept_classes("cityscapes", WAD_CLASSES) == WAD_CLASSES[:-1]
    write_jpeg(wad / "train_color/a_Camera_5.jpg", np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(DataError, match="image and label need one size"):
        turned(wad, tmp_path / "out", "coco")
    assert [p.name for p in tmp_path.iterdir()] == ["wad"]


def test_a_job_that_cannot_write_leaves_nothing(
    wad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr("tinyseg.conversion.run.shutil.copyfile", full)
    with pytest.raises(OutputError, match=r"out: cannot be .*No space left.*a_Camera_5\.jpg"):
        turned(wad, tmp_path / "out", "coco")
    assert [p.name for p in tmp_path.iterdir()] == ["wad"]


def test_outlines_enclose_their_pixels() -> None:
    for seed in range(30):
        bits = blob(seed)
        masks = mask_ops.from_bitmaps([bits, np.zeros_like(bits)])
        rings, none = mask_ops.outlines(masks)
        assert none == []
        assert sum(mask_ops.enclosed(ring) for ring in rings) == bits.sum()
        joined = mask_ops.one_ring(rings).ravel().astype(float).tolist()
        assert mask_ops.iou(masks, mask_ops.from_polygons([[joined]], bits.shape))[0, 0] == 1
    square = CropMasks.pack_pixels([(3, 4)], [np.full((2, 5), 255, np.uint8)])
    assert mask_ops.outlines(square)[0][0].tolist() == [[3, 4], [8, 4], [8, 6], [3, 6]]
    diagonal = mask_ops.outlines(mask_ops.from_bitmaps([np.eye(2) > 0]))[0]
    assert [len(ring) for ring in diagonal] == [4, 4]


def yolo(
    root: Path, *, lines: str, description: str = "names: [car, boat]\ntrain: images/train\n"
) -> Path:
    for folder in ("images/train", "labels/train"):
        (root / folder).mkdir(parents=True)
    write_png(root / "images/train/p.png", np.zeros((40, 60, 3), np.uint8))
    (root / "labels/train/p.txt").write_text(lines)
    (root / "data.yaml").write_text(description)
    return root


def test_yolo_is_read(tmp_path: Path) -> None:
    root = yolo(tmp_path, lines="0 .1 .1 .5 .1 .5 .5 .1 .5\n\n1 0 0 1 0 1 1\n")
    write_png(root / "images/train/q.png", np.zeros((4, 6, 3), np.uint8))
    for path in (root, root / "data.yaml", root / "images/train"):
        data = open_data(path, classes=["boat", "Car"])
        assert (data.format, [i.name for i in data.items]) == ("yolo", ["p", "q"])
        labels = data.items[0].read_labels()
        assert labels.hw == (40, 60)
        assert labels.instances.labels.tolist() == [1, 0]
        assert mask_ops.area(labels.instances.masks)[0] == 24 * 16
        assert len(data.items[1].read_labels().instances) == 0
    assert class_ids(root) == {"car": 0, "boat": 1}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("2 .1 .1 .5 .1 .5 .5", r"p\.txt: line 1: no such class \(expected 0 \.\.\. 1, got 2\)"),
        ("0.5 .1 .1 .5 .1 .5 .5", "no such class"),
        ("\n0 .5 .5 .1", r"line 2: an object is a box, or a polygon.*got 3 numbers"),
        ("0 .1 .1 .5 .1 .5", "got 5 numbers"),
        ("0 .1 .1 .5 nan .5 .5", "shares of width and height"),
        ("0 10 10 50 10 50 50", r"expected 0 \.\.\. 1, got 10"),
        ("car .1 .1 .5 .1 .5 .5", "a class number and coordinates"),
    ],
)
def test_bad_yolo_lines_are_named(tmp_path: Path, lines: str, said: str) -> None:
    (item,) = open_data(yolo(tmp_path, lines=lines), classes=["car"]).items
    with pytest.raises(DataError, match=said):
        item.read_labels()


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("names: [car]", "names folders or lists"),
        ("names: {0: car, 2: boat}\ntrain: images/train", "'names' are texts"),
        ("train: images/train", "'names' are texts"),
        ("- a", "is YAML with names"),
        ("a: b: c", "cannot be read"),
        ("names: [car]\ntrain: images/none", "no such folder or list"),
        ("names: [boat]\ntrain: images/train", "no class of the data set"),
    ],
)
def test_bad_yolo_descriptions_are_named(tmp_path: Path, description: str, said: str) -> None:
    root = yolo(tmp_path, lines="", description=description)
    with pytest.raises(DataError, match=said):
        open_data(root, classes=["car"], format="yolo")


def test_yolo_without_any_text_is_refused(tmp_path: Path) -> None:
    root = yolo(tmp_path, lines="")
    (root / "labels/train/p.txt").unlink()
    with pytest.raises(DataError, match="no picture has a text file"):
        open_data(root)


def square(**change: object) -> dict[str, object]:
    points = [[1, 2], [5, 2], [5, 8], [1, 8]]
    return {"label": "car", "points": points, "shape_type": "polygon", **change}


def sheet(root: Path, *shapes: object, **change: object) -> Path:
    write_png(root / "other.png", np.zeros((60, 90, 3), np.uint8))
    head = {"imageHeight": 60, "imageWidth": 90, "imagePath": ".\\other.png", **change}
    (root / "p.json").write_text(json.dumps({**head, "shapes": shapes}))
    return root


def test_labelme_is_read(tmp_path: Path) -> None:
    other = [[10, 2], [15, 2], [15, 8], [10, 8]]
    corners = [[20, 10], [30, 12]]
    shapes = (
        square(group_id=4),
        square(points=other, group_id=4),
        square(label="boat", points=corners, shape_type="rectangle"),
        square(label="Ignore", points=other),
    )
    data = open_data(sheet(tmp_path, *shapes), classes=["car", "boat"])
    (item,) = data.items
    assert (data.format, item.name, item.image_path.name) == ("labelme", "p", "other.png")
    labels = item.read_labels()
    assert labels.instances.labels.tolist() == [0, 1]
    assert mask_ops.area(labels.instances.masks).tolist() == [24 + 30, 20]
    assert mask_ops.area(labels.ignore).tolist() == [30]
    assert list(class_ids(tmp_path)) == ["boat", "car"]
    (tmp_path / "p.png").write_bytes((tmp_path / "other.png").read_bytes())
    assert open_data(tmp_path, classes=["car"]).items[0].image_path.name == "p.png"


BAD_SHEETS: list[tuple[Callable[[Path], Path], str]] = [
    (lambda root: sheet(root, square(shape_type="point")), "got a point"),
    (lambda root: sheet(root, square(points=[[1, 2]])), r"p\.json: shape 0: a polygon has three"),
    (lambda root: sheet(root, 7), "shape 0: a shape is an object with a label"),
    (lambda root: sheet(root, square(), imageHeight=10**7, imageWidth=10**7), "a picture has 1"),
]


@pytest.mark.parametrize(("make", "said"), BAD_SHEETS)
def test_bad_labelme_files_are_named(
    tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    (item,) = open_data(make(tmp_path), format="labelme").items
    with pytest.raises(DataError, match=said):
        item.read_labels()


def test_labelme_without_its_picture_is_missing(tmp_path: Path) -> None:
    root = sheet(tmp_path, square())
    (root / "other.png").unlink()
    with pytest.raises(DataError, match=r"1 without one of the two"):
        open_data(root)
