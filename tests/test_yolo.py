"""YOLO's folders as the tools of the field write them: Roboflow, Ultralytics, detection labels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinyseg import masks as mask_ops
from tinyseg.data import class_ids, open_data, recognise, splits_of
from tinyseg.errors import DataError, TinysegError
from tinyseg.frame import FrameLabels
from tinyseg.image import write_png

LINE = "0 .1 .1 .5 .1 .5 .5 .1 .5\n"


def frame(images: Path, name: str, lines: str | None = LINE) -> None:
    """A picture of 60 x 40, and its text file below labels/ where images/ is."""
    parts = ["labels" if part == "images" else part for part in images.parts]
    for folder in (images, Path(*parts)):
        folder.mkdir(parents=True, exist_ok=True)
    write_png(images / f"{name}.png", np.full((40, 60, 3), len(list(images.iterdir())), np.uint8))
    if lines is not None:
        (Path(*parts) / f"{name}.txt").write_text(lines)


def one(root: Path, lines: str) -> Path:
    frame(root / "images/train", "a", lines)
    (root / "data.yaml").write_text("train: images/train\nnames: [car, boat]\n")
    return root


def read(root: Path, *classes: str) -> FrameLabels:
    (item,) = open_data(root, classes=classes or ("car", "boat")).items
    return item.load()


def test_a_line_of_four_numbers_is_a_box_without_a_mask(tmp_path: Path) -> None:
    labels = read(one(tmp_path, f"1 .5 .5 .2 .1\n{LINE}0 1 1 .2 .2\n"))
    assert labels.instances.labels.tolist() == [1, 0, 0]
    assert labels.instances.has_mask.tolist() == [False, True, False]
    boxes = [[24, 18, 36, 22], [6, 4, 30, 20], [54, 36, 60, 40]]
    assert np.allclose(labels.instances.boxes, boxes)
    assert mask_ops.area(labels.instances.masks).tolist() == [0, 24 * 16, 0]
    assert labels.faults == ()


def test_a_broken_line_costs_its_object_alone(tmp_path: Path) -> None:
    lines = f"{LINE}0 .1 .1 .5 .1 .5\n7 .1 .1 .5 .1 .5 .5\n0 .5 .5 .1 0\ncar 1 2\n1 .5 .5 .1 .1\n"
    (item,) = open_data(one(tmp_path, lines), classes=["car", "boat"]).items
    kept: list[TinysegError] = []
    labels = item.read_labels(kept.append)
    assert len(labels.instances) == 2
    places = [(error.where, error.rule.split(":")[0]) for error in sorted(kept, key=str)]
    assert [place for place, _ in places] == ["line 2", "line 3", "line 4", "line 5"]
    assert all(str(error.path).endswith("a.txt") for error in kept)
    with pytest.raises(DataError, match="line"):
        item.read_labels()


def test_classes_outside_the_list_are_told_and_not_looked_at(tmp_path: Path) -> None:
    labels = read(one(tmp_path, f"1 9 9 9\n{LINE}1 .5 .5 .1 .1\n"), "car")
    assert labels.left_out == ("boat", "boat")
    assert labels.faults == ()
    assert len(labels.instances) == 1


def roboflow(root: Path) -> Path:
    for split in ("train", "valid"):
        frame(root / split / "images", split)
    text = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\n"
    (root / "data.yaml").write_text(f"{text}names: ['car', 'boat']\n")
    return root


def relative_path(root: Path) -> Path:
    """Ultralytics' `path`, from where the description lies."""
    for split in ("train", "val"):
        frame(root / "set/images" / split, split)
    text = "path: set\ntrain: images/train\nval: images/val\nnames: {0: car, 1: boat}\n"
    (root / "data.yaml").write_text(text)
    return root


def other_machine(root: Path) -> Path:
    for split in ("train", "val"):
        frame(root / "images" / split, split)
    text = "path: /home/someone/sets/street\ntrain: images/train\nval: images/val\n"
    (root / "street.yaml").write_text(f"{text}names:\n  0: car\n  1: boat\n")
    (root / "other.yaml").write_text("workers: 8\n")
    return root


def absolute_words(root: Path) -> Path:
    for split in ("train", "val"):
        frame(root / split / "images", split)
    text = "train: /content/street/train/images\nval: C:\\data\\street\\val\\images\n"
    (root / "data.yaml").write_text(f"{text}names: [car, boat]\n")
    return root


def lists(root: Path) -> Path:
    for split in ("train", "val"):
        frame(root / "images", split)
    (root / "train.txt").write_text("./images/train.png\n")
    (root / "val.txt").write_text("/home/someone/street/images/val.png\nimages/gone.png\n\n")
    (root / "data.yaml").write_text("train: [train.txt]\nval: val.txt\nnames: [car, boat]\n")
    return root


@pytest.mark.parametrize(
    "make",
    [roboflow, relative_path, other_machine, absolute_words, lists],
    ids=lambda m: m.__name__,
)
def test_splits_are_found_where_tools_put_them(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    root = make(tmp_path / "deep" / "set")
    assert recognise(root) == "yolo"
    assert splits_of(root) == ("train", "val")
    assert class_ids(root) == {"car": 0, "boat": 1}
    for split in ("train", "val"):
        (item,) = open_data(root, classes=["car"], split=split).items
        assert item.image_path.stem in (split, "valid")
        assert len(item.read_labels().instances) == 1


def test_what_is_named_and_not_there_is_told(tmp_path: Path) -> None:
    whole = open_data(roboflow(tmp_path / "a"), classes=["car"])
    assert len(whole.items) == 2
    assert whole.remarks == ("no such folder or list: test: ../test/images",)
    assert open_data(lists(tmp_path / "b"), classes=["car"]).missing == ("images/gone.png",)


def test_one_splits_folder_alone_finds_its_description(tmp_path: Path) -> None:
    root = roboflow(tmp_path)
    for path in (root / "valid", root / "valid/images"):
        data = open_data(path, classes=["car"])
        assert [item.image_path.stem for item in data.items] == ["valid"]
        assert (data.format, data.splits, data.split) == ("yolo", (), None)
    with pytest.raises(DataError, match="not recognised"):
        recognise(root / "valid/labels")


def test_a_split_without_any_text_file_is_no_set_of_empty_frames(tmp_path: Path) -> None:
    root = roboflow(tmp_path)
    frame(root / "test/images", "test", None)
    data = open_data(root, classes=["car"])
    assert [item.image_path.stem for item in data.items] == ["train", "valid"]
    assert any("no picture has a text file" in remark for remark in data.remarks)
    with pytest.raises(DataError, match="no picture has a text file"):
        open_data(root, classes=["car"], split="test")


def test_a_count_of_classes_does_for_names(tmp_path: Path) -> None:
    root = one(tmp_path, LINE)
    (root / "data.yaml").write_text("train: images/train\nnc: 2\n")
    assert class_ids(root) == {"class0": 0, "class1": 1}


@pytest.mark.parametrize(
    ("pictures", "names"),
    [
        ("images", "classes.txt"),  # Label Studio
        ("images", "labels/classes.txt"),
        ("", "classes.txt"),  # LabelImg
        ("obj_train_data", "obj.names"),  # CVAT's YOLO 1.1
    ],
)
def test_a_list_of_names_does_for_a_description(tmp_path: Path, pictures: str, names: str) -> None:
    frame(tmp_path / pictures, "a")
    (tmp_path / names).write_text("car\nboat\n\n")
    if names == "obj.names":
        (tmp_path / "train.txt").write_text("data/obj_train_data/a.png\n")
    data = open_data(tmp_path, classes=["car"])
    (item,) = data.items
    assert (data.format, data.missing, data.remarks) == ("yolo", (), ())
    assert class_ids(tmp_path) == {"car": 0, "boat": 1}
    assert len(item.read_labels().instances) == 1


def test_a_list_of_names_above_folders_of_splits(tmp_path: Path) -> None:
    for split in ("train", "val"):
        frame(tmp_path / "images" / split, split)
    (tmp_path / "classes.txt").write_text("car\nboat\n")
    assert splits_of(tmp_path) == ("train", "val")
    (item,) = open_data(tmp_path / "images/val", classes=["car"]).items
    assert len(item.read_labels().instances) == 1


def test_a_list_of_names_without_labels_is_no_set(tmp_path: Path) -> None:
    frame(tmp_path, "a", None)
    (tmp_path / "classes.txt").write_text("car\n")
    with pytest.raises(DataError, match="not recognised"):
        recognise(tmp_path)
