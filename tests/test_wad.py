"""WAD folders, lists, and the data-set door that all formats share."""

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8, UInt16

from tinyseg import masks as mask_ops
from tinyseg.data import FORMATS, DataSet, Item, open_data, recognise
from tinyseg.errors import DataError, ImageError, MaskError, TinysegError
from tinyseg.frame import Frame, FrameLabels, Instances
from tinyseg.image import write_jpeg, write_png
from tinyseg.labels import WAD_CLASSES
from tinyseg.masks import CropMasks

REAL = Path(__file__).parents[2] / "shared/data/wad"
CAR, PERSON, BUS = (WAD_CLASSES.index(name) for name in ("car", "person", "bus"))


def label_map() -> UInt16[np.ndarray, "h w"]:
    """Two cars, one in two parts far apart, a person, a rider, ignore pixels."""
    label = np.full((40, 60), 255, np.uint16)
    label[2:6, 3:9] = 33000
    label[10:12, 0:4] = label[30:33, 50:60] = 33001
    label[20:30, 20:24] = 36000
    label[20:22, 30:33] = 37000
    label[0, :] = 65535
    return label


def write_frame(root: Path, stem: str, label: UInt16[np.ndarray, "h w"] | None = None) -> None:
    label = label_map() if label is None else label
    for folder in ("train_color", "train_label"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_jpeg(image_path(root, stem), np.full((*label.shape, 3), 90, np.uint8))
    write_png(label_path(root, stem), label)


def image_path(root: Path, stem: str) -> Path:
    return root / "train_color" / f"{stem}.jpg"


def label_path(root: Path, stem: str) -> Path:
    return root / "train_label" / f"{stem}_instanceIds.png"


def read_one(root: Path, classes: tuple[str, ...] = WAD_CLASSES) -> Frame:
    (item,) = open_data(root, classes=classes).items
    return item.read()


def pixels(masks: CropMasks, hw: tuple[int, int] = (40, 60)) -> UInt8[np.ndarray, "h w"]:
    return mask_ops.paint(masks, hw)


@pytest.fixture
def real() -> Path:
    if not REAL.is_dir():
        pytest.skip(f"the real frames are not here: {REAL}")
    return REAL


def test_frame_is_what_the_files_say(tmp_path: Path) -> None:
    write_frame(tmp_path, "a_Camera_5")
    frame = read_one(tmp_path)
    label = label_map()
    assert (frame.name, frame.hw) == ("a_Camera_5", (40, 60))
    assert np.abs(frame.image.astype(int) - 90).max() <= 1
    assert frame.instances.labels.tolist() == [CAR, CAR, PERSON]
    assert frame.instances.scores.tolist() == [1, 1, 1]
    assert frame.instances.boxes.tolist() == [[3, 2, 9, 6], [0, 10, 60, 33], [20, 20, 24, 30]]
    for index, value in enumerate((33000, 33001, 36000)):
        painted = pixels(frame.instances.masks.select(np.array([index])))
        assert np.array_equal(painted > 0, label == value)


def test_riders_groups_and_unlabelled_pixels_are_ignored(tmp_path: Path) -> None:
    label = label_map()
    label[5:9, 40:44] = 161
    label[5:9, 50:54] = 168
    write_frame(tmp_path, "a", label)
    ignored = np.isin(label, (161, 168, 37000, 65535))
    assert np.array_equal(pixels(read_one(tmp_path).ignore) > 0, ignored)


def test_class_outside_the_chosen_list_is_ignored(tmp_path: Path) -> None:
    write_frame(tmp_path, "a")
    frame = read_one(tmp_path, ("bus", "Pedestrian", "rider"))
    assert frame.instances.labels.tolist() == [1]
    ignored = np.isin(label_map(), (33000, 33001, 37000, 65535))
    assert np.array_equal(pixels(frame.ignore) > 0, ignored)


def test_frame_without_an_instance(tmp_path: Path) -> None:
    write_frame(tmp_path, "a", np.full((9, 7), 255, np.uint16))
    frame = read_one(tmp_path)
    assert (len(frame.instances), len(frame.ignore)) == (0, 0)


def test_all_scored_classes_by_their_ids(tmp_path: Path) -> None:
    label = np.full((8, 8), 255, np.uint16)
    for row, class_id in enumerate((33, 34, 35, 36, 38, 39, 40)):
        label[row] = class_id * 1000 + 999
    write_frame(tmp_path, "a", label)
    data = open_data(tmp_path)
    names = [data.classes[label] for label in data.items[0].read().instances.labels]
    assert names == ["car", "motorcycle", "bicycle", "person", "truck", "bus", "tricycle"]


@pytest.mark.parametrize(
    ("value", "got"), [(0, "class 0"), (32999, "32"), (41000, "41"), (33, "0"), (65534, "65")]
)
def test_unknown_class_names_file_value_and_pixels(tmp_path: Path, value: int, got: str) -> None:
    label = label_map()
    label[35, 10:17] = value
    write_frame(tmp_path, "a", label)
    with pytest.raises(DataError) as caught:
        read_one(tmp_path)
    assert caught.value.path == label_path(tmp_path, "a")
    for part in (f"value {value}", "value // 1000", "33 ... 40", f"{got.split()[-1]} on 7 pixels"):
        assert part in str(caught.value)


def test_foreign_16_bit_picture_as_label_is_refused_cheaply(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2**16, (500, 500), dtype=np.uint16)
    write_frame(tmp_path, "a", noise)
    with pytest.raises(DataError, match="other values"):
        read_one(tmp_path)


def test_items_are_sorted_pickle_and_open_nothing(tmp_path: Path) -> None:
    for stem in ("c", "a", "b"):
        write_frame(tmp_path, stem)
    image_path(tmp_path, "b").write_bytes(b"broken")
    data: DataSet = pickle.loads(pickle.dumps(open_data(tmp_path)))
    assert [item.name for item in data.items] == ["a", "b", "c"]
    assert data.items[2].read().instances.labels.tolist() == [CAR, CAR, PERSON]


def test_half_frames_are_missing(tmp_path: Path) -> None:
    for stem in ("a", "b", "c"):
        write_frame(tmp_path, stem)
    image_path(tmp_path, "a").unlink()
    label_path(tmp_path, "c").unlink()
    data = open_data(tmp_path)
    assert ([item.name for item in data.items], data.missing) == (["b"], ("a", "c"))


@pytest.mark.parametrize("broken", ["image", "label"])
@pytest.mark.parametrize("how", ["gone", "cut", "empty"])
def test_broken_file_is_named(tmp_path: Path, broken: str, how: str) -> None:
    write_frame(tmp_path, "a")
    (item,) = open_data(tmp_path).items
    path = {"image": image_path, "label": label_path}[broken](tmp_path, "a")
    data = path.read_bytes()
    path.write_bytes(b"" if how == "empty" else data[: len(data) - 40])
    if how == "gone":
        path.unlink()
    with pytest.raises(ImageError) as caught:
        item.read()
    assert caught.value.path == path


def test_image_and_label_of_two_sizes(tmp_path: Path) -> None:
    write_frame(tmp_path, "a")
    write_jpeg(image_path(tmp_path, "a"), np.zeros((40, 61, 3), np.uint8))
    rule = r"a\.jpg: image and label need one size .*expected \(40, 61\), got \(40, 60\)"
    with pytest.raises(DataError, match=rule):
        read_one(tmp_path)


def test_8_bit_label_is_refused(tmp_path: Path) -> None:
    write_frame(tmp_path, "a")
    write_png(label_path(tmp_path, "a"), np.zeros((40, 60), np.uint8))
    with pytest.raises(ImageError, match=r"a_instanceIds\.png: a label map is a 16-bit PNG"):
        read_one(tmp_path)


def failing_reader() -> FrameLabels:
    raise MaskError("a rule", where="annotation 3")


def test_error_without_a_place_gets_the_image(tmp_path: Path) -> None:
    write_frame(tmp_path, "a")
    item = Item("a", image_path(tmp_path, "a"), failing_reader)
    with pytest.raises(MaskError, match=r"train_color/a\.jpg: annotation 3: a rule"):
        item.read()


def test_any_label_reader_will_do(tmp_path: Path) -> None:
    write_frame(tmp_path, "a")
    labels = FrameLabels("own", (40, 60), Instances.empty(), CropMasks.empty())
    assert Item("a", image_path(tmp_path, "a"), lambda: labels).read().name == "own"


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for stem in ("1_Camera_5", "2_Camera_5", "3_Camera_5"):
        write_frame(tmp_path, stem)
    return tmp_path


VIDEO_LIST = "".join(
    f"road01_ins\\ColorImage\\Record011\\Camera 5\\{n}_Camera_5.jpg\t"
    f"road01_ins\\Label\\Record011\\Camera 5\\{n}_Camera_5_instanceIds.png\r\n"
    for n in (3, 9, 1)
)


@pytest.mark.parametrize(
    "text",
    [
        VIDEO_LIST,
        "3_Camera_5\n9_Camera_5\n1_Camera_5\n",
        "\ufeff3_Camera_5.jpg\n\n  9_Camera_5.jpg \n1_Camera_5.jpg\n1_Camera_5.jpg",
        "train_color/3_Camera_5.jpg\ntrain_color/9_Camera_5.jpg\ntrain_color/1_Camera_5.jpg",
    ],
)
def test_lists_choose_and_order(three: Path, text: str) -> None:
    listed = three / "list.txt"
    listed.write_text(text, "utf-8", newline="")
    data = open_data(three, listed=listed)
    assert [item.name for item in data.items] == ["3_Camera_5", "1_Camera_5"]
    assert [name.rsplit("/", 1)[-1] for name in data.missing] == ["9_Camera_5"]


def test_listed_frame_without_a_label_is_missing(three: Path) -> None:
    label_path(three, "1_Camera_5").unlink()
    (three / "list.txt").write_text("1_Camera_5\n2_Camera_5\n")
    data = open_data(three, listed=three / "list.txt")
    assert ([item.name for item in data.items], data.missing) == (["2_Camera_5"], ("1_Camera_5",))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "0 without"),
        (b"7\n8\n", "2 without"),
        (b"\xff\xfe\x00", r"list\.txt: byte 0: is not text in UTF-8"),
        (None, r"list\.txt: cannot be read \(got No such file"),
    ],
)
def test_lists_that_leave_nothing(three: Path, content: bytes | None, rule: str) -> None:
    if content is not None:
        (three / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=rule):
        open_data(three, listed=three / "list.txt")


@pytest.mark.parametrize(
    ("classes", "got"), [((), "no name"), (("car", "bus", "Car"), "Car"), (("bike", "bicycle"), "")]
)
def test_class_list_is_checked(three: Path, classes: tuple[str, ...], got: str) -> None:
    with pytest.raises(DataError, match=f"a class list .*{got}"):
        open_data(three, classes=classes)


def test_recognising(three: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert recognise(three) == "wad"
    assert open_data(three).format == "wad"
    other = tmp_path_factory.mktemp("other")
    (other / "readme.txt").write_text("?")
    for path, got in ((other, "a folder with readme.txt"), (other / "readme.txt", "a file")):
        with pytest.raises(DataError) as caught:
            recognise(path)
        for part in (str(path), "train_color", "leftImg8bit", ".json", got):
            assert part in str(caught.value)
    with pytest.raises(DataError, match="no such file or folder"):
        open_data(other / "none")


@pytest.mark.parametrize("name", FORMATS)
def test_named_format_that_does_not_fit(tmp_path: Path, name: str) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(TinysegError, match=str(path)):
            open_data(path, format=name)


def test_unknown_format(three: Path) -> None:
    with pytest.raises(DataError, match=r"unknown format \(expected wad \| .*, got voc\)"):
        open_data(three, format="voc")


# Counted in the label files with numpy alone.
REAL_COUNTS = {
    "train.txt": dict(car=77, person=44, truck=6, bicycle=6, motorcycle=4, tricycle=2, bus=1),
    "val.txt": dict(car=34, person=16, bus=2, truck=2, bicycle=2, tricycle=1),
}


@pytest.mark.parametrize(("listed", "frames"), [("train.txt", 11), ("val.txt", 4)])
def test_real_counts(real: Path, listed: str, frames: int) -> None:
    data = open_data(real, listed=real / listed)
    assert (len(data.items), data.missing) == (frames, ())
    labels = [item.read_labels() for item in data.items]
    assert {one.hw for one in labels} == {(2710, 3384)}
    indices = [index for one in labels for index in one.instances.labels.tolist()]
    assert Counter(data.classes[index] for index in indices) == REAL_COUNTS[listed]


def test_real_frame_is_read_whole(real: Path) -> None:
    data = open_data(real)
    assert (data.format, len(data.items)) == ("wad", 15)
    frame = data.items[0].read()
    assert frame.image.shape == (2710, 3384, 3)
    assert (mask_ops.area(frame.instances.masks) > 0).all()
