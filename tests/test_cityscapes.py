"""Cityscapes folders."""

from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt16
from PIL import Image

from tinyseg import masks as mask_ops
from tinyseg.data import open_data, recognise
from tinyseg.errors import DataError, ImageError
from tinyseg.frame import Frame
from tinyseg.image import write_png
from tinyseg.labels import WAD_CLASSES

REAL = Path(__file__).parents[2] / "shared/data/cityscapes"


def label_map() -> UInt16[np.ndarray, "h w"]:
    """A road, cars one and two, a group of cars, a rider, a train, a person."""
    label = np.full((30, 50), 7, np.uint16)
    label[:5] = 23
    label[6:9, 3:9], label[6:9, 20:30] = 26000, 26001
    label[12:15, 3:9] = 26
    label[12:15, 20:30] = 25004
    label[12:15, 35:40] = 31000
    label[20:25, 0:2] = 24000
    label[29] = 0
    return label


def write_frame(
    root: Path, name: str, *, split: str = "train", label: UInt16[np.ndarray, "h w"] | None = None
) -> tuple[Path, Path]:
    label = label_map() if label is None else label
    city = name.split("_")[0]
    image_path = root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png"
    label_path = root / "gtFine" / split / city / f"{name}_gtFine_instanceIds.png"
    for path in (image_path, label_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_png(image_path, np.full((*label.shape, 3), (10, 20, 30), np.uint8))
    write_png(label_path, label)
    return image_path, label_path


def read_one(root: Path, classes: tuple[str, ...] = WAD_CLASSES) -> Frame:
    (item,) = open_data(root, classes=classes).items
    return item.read()


def test_frame_is_what_the_files_say(tmp_path: Path) -> None:
    write_frame(tmp_path, "aachen_000000_000019")
    assert recognise(tmp_path) == "cityscapes"
    frame, label = read_one(tmp_path), label_map()
    assert (frame.name, frame.hw) == ("aachen_000000_000019", (30, 50))
    assert frame.image[0, 0].tolist() == [10, 20, 30]
    names = [WAD_CLASSES[index] for index in frame.instances.labels]
    assert names == ["person", "car", "car"]
    assert frame.instances.boxes.tolist() == [[0, 20, 2, 25], [3, 6, 9, 9], [20, 6, 30, 9]]
    ignored = np.isin(label, (26, 25004, 31000))
    assert np.array_equal(mask_ops.paint(frame.ignore, (30, 50)) > 0, ignored)


def test_class_list_decides_what_is_an_instance(tmp_path: Path) -> None:
    write_frame(tmp_path, "a_0_0")
    frame = read_one(tmp_path, ("train", "rider"))
    assert frame.instances.labels.tolist() == [0]
    ignored = np.isin(label_map(), (26, 26000, 26001, 25004, 24000))
    assert np.array_equal(mask_ops.paint(frame.ignore, (30, 50)) > 0, ignored)


@pytest.mark.parametrize("group", range(24, 34))
def test_a_class_alone_is_a_group(tmp_path: Path, group: int) -> None:
    write_frame(tmp_path, "a_0_0", label=np.full((4, 4), group, np.uint16))
    frame = read_one(tmp_path)
    assert len(frame.instances) == 0
    assert mask_ops.area(frame.ignore).tolist() == [16]


@pytest.mark.parametrize("value", [34, 999, 1000, 23000, 34000, 65535])
def test_unknown_class(tmp_path: Path, value: int) -> None:
    label = label_map()
    label[0, 0] = value
    _, label_path = write_frame(tmp_path, "a_0_0", label=label)
    with pytest.raises(DataError, match=rf"value {value}: .*24 \.\.\. 33.* on 1 pixels") as caught:
        read_one(tmp_path)
    assert caught.value.path == label_path


def test_splits_are_joined_and_half_frames_missing(tmp_path: Path) -> None:
    write_frame(tmp_path, "b_0_0", split="train")
    write_frame(tmp_path, "a_0_0", split="val")
    write_frame(tmp_path, "c_0_0")[0].unlink()
    write_frame(tmp_path, "d_0_0")[1].unlink()
    data = open_data(tmp_path)
    assert [item.name for item in data.items] == ["a_0_0", "b_0_0"]
    assert data.missing == ("c_0_0", "d_0_0")


def test_list_of_names_or_files(tmp_path: Path) -> None:
    for name in ("a_0_0", "b_0_0", "c_0_0"):
        write_frame(tmp_path, name)
    (tmp_path / "list.txt").write_text("train/c/c_0_0_leftImg8bit.png\na_0_0\nz_0_0\n")
    data = open_data(tmp_path, listed=tmp_path / "list.txt")
    assert [item.name for item in data.items] == ["c_0_0", "a_0_0"]
    assert data.missing == ("z_0_0",)


def test_a_name_in_two_splits_is_told_apart_by_them(tmp_path: Path) -> None:
    write_frame(tmp_path, "a_0_0", split="train")
    write_frame(tmp_path, "a_0_0", split="val")
    data = open_data(tmp_path)
    assert [item.name for item in data.items] == ["train/a_0_0", "val/a_0_0"]
    assert [item.read_labels().name for item in data.items] == ["train/a_0_0", "val/a_0_0"]
    assert [item.name for item in open_data(tmp_path, split="val").items] == ["a_0_0"]


def test_broken_files_are_named(tmp_path: Path) -> None:
    image_path, label_path = write_frame(tmp_path, "a_0_0")
    whole = image_path.read_bytes()
    image_path.write_bytes(whole[:-20])
    with pytest.raises(ImageError, match=r"leftImg8bit\.png: byte 33: a PNG is cut short"):
        read_one(tmp_path)
    image_path.write_bytes(whole)
    write_png(label_path, np.zeros((30, 50), np.uint8))
    with pytest.raises(ImageError, match=r"instanceIds\.png: a label map is a 16-bit PNG"):
        read_one(tmp_path)
    write_png(label_path, np.zeros((30, 51), np.uint16))
    with pytest.raises(DataError, match="need one size"):
        read_one(tmp_path)


def test_real_frames_against_their_label_files() -> None:
    if not REAL.is_dir():
        pytest.skip(f"the real frames are not here: {REAL}")
    data = open_data(REAL)
    assert (data.format, len(data.items), data.missing) == ("cityscapes", 6, ())
    item = data.items[0]
    frame = item.read()
    folder = REAL / "gtFine/train/aachen"
    with Image.open(folder / f"{item.name}_gtFine_instanceIds.png") as picture:
        label = np.array(picture)
    with Image.open(folder / f"{item.name}_gtFine_labelIds.png") as picture:
        label_ids = np.array(picture)
    assert frame.hw == label.shape == (1024, 2048)
    scored = {24: "person", 26: "car", 27: "truck", 28: "bus", 32: "motorcycle", 33: "bicycle"}
    values = [v for v in np.unique(label).tolist() if v // 1000 in scored]
    assert [data.classes[i] for i in frame.instances.labels] == [scored[v // 1000] for v in values]
    areas = [int((label == value).sum()) for value in values]
    assert mask_ops.area(frame.instances.masks).tolist() == areas
    either = mask_ops.paint(frame.instances.masks, frame.hw) | mask_ops.paint(
        frame.ignore, frame.hw
    )
    assert np.array_equal(either > 0, (label_ids >= 24) & (label_ids <= 33))
