"""COCO instances JSON, written by hand, and against pycocotools on the real files."""

import contextlib
import copy
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import Bool
from pycocotools import mask as oracle
from pycocotools.coco import COCO

from tinyseg import masks as mask_ops
from tinyseg.data import coco_class_names, open_data, recognise
from tinyseg.errors import DataError, MaskError, TinysegError
from tinyseg.frame import Frame
from tinyseg.image import write_jpeg
from tinyseg.labels import WAD_CLASSES
from tinyseg.masks import CropMasks

REAL = Path(__file__).parents[2] / "shared/data/coco"
HW = (20, 30)
SQUARE = [[2, 3, 10, 3, 10, 9, 2, 9]]
"""Columns 2 ... 9 and rows 3 ... 8, as half-open pixels."""


def square_counts() -> list[int]:
    """The same square as COCO's run lengths, down the columns."""
    return [2 * 20 + 3, *([6, 14] * 7), 6, 20 * 20 + 20 - 9]


def square_code() -> str:
    bitmap = np.zeros(HW, np.uint8, order="F")
    bitmap[3:9, 2:10] = 1
    return oracle.encode(bitmap)["counts"].decode()


def annotation(key: int | str, shape: object = SQUARE, **changes: object) -> dict[str, Any]:
    own = {"id": key, "image_id": 1, "category_id": 3, "iscrowd": 0}
    return own | {"segmentation": copy.deepcopy(shape)} | changes


def document(*annotations: dict[str, Any]) -> dict[str, Any]:
    return {
        "images": [
            {"id": 1, "file_name": "one.jpg", "height": 20, "width": 30},
            {"id": 2, "file_name": "two.jpg", "height": 20, "width": 30},
        ],
        "categories": [
            {"id": 9, "name": "dog"},
            {"id": 3, "name": "car"},
            {"id": 4, "name": "motorbike"},
        ],
        "annotations": list(annotations),
    }


def write(root: Path, content: object, *, split: str = "train2017") -> Path:
    """A data set in COCO's own layout; returns its JSON."""
    path = root / "annotations" / f"instances_{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / split).mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    if isinstance(content, dict):
        for row in content.get("images", []):
            write_jpeg(root / split / Path(row["file_name"]).name, np.zeros((*HW, 3), np.uint8))
    return path


def read_first(root: Path, *annotations: dict[str, Any]) -> Frame:
    write(root, document(*annotations))
    return open_data(root).items[0].read()


def bitmap(masks: CropMasks, index: int, hw: tuple[int, int] = HW) -> Bool[np.ndarray, "h w"]:
    return np.asarray(mask_ops.paint(masks.select(np.array([index])), hw) > 0)


@pytest.mark.parametrize(
    "shape",
    [
        SQUARE,
        [[2, 3, 6, 3, 6, 9, 2, 9], [6.0, 3.0, 10.0, 3.0, 10.0, 9.0, 6.0, 9.0]],
        {"size": [20, 30], "counts": square_counts()},
        {"size": [20, 30], "counts": square_code()},
    ],
)
def test_every_form_of_a_mask(tmp_path: Path, shape: object) -> None:
    frame = read_first(tmp_path, annotation(1, shape))
    assert (frame.name, frame.hw) == ("one.jpg", HW)
    assert [WAD_CLASSES[label] for label in frame.instances.labels] == ["car"]
    assert frame.instances.boxes.tolist() == [[2, 3, 10, 9]]
    expected = np.zeros(HW, bool)
    expected[3:9, 2:10] = True
    assert np.array_equal(bitmap(frame.instances.masks, 0), expected)


def test_crowds_are_ignored_and_other_categories_background(tmp_path: Path) -> None:
    counts = {"size": [20, 30], "counts": square_counts()}
    frame = read_first(
        tmp_path,
        annotation(1),
        annotation(2, counts, iscrowd=1),
        annotation(3, category_id=9),
        annotation(4, counts, iscrowd=1, category_id=9),
        annotation(5, category_id=4),
    )
    assert [WAD_CLASSES[label] for label in frame.instances.labels] == ["car", "motorcycle"]
    assert mask_ops.area(frame.ignore).tolist() == [48]


def test_image_without_an_annotation_and_iscrowd_left_out(tmp_path: Path) -> None:
    row = annotation(1)
    del row["iscrowd"]
    write(tmp_path, document(row))
    one, two = (item.read() for item in open_data(tmp_path).items)
    assert (len(one.instances), len(two.instances), len(two.ignore)) == (1, 0, 0)


def test_polygons_are_cut_to_the_image_and_invisible_ones_left_out(tmp_path: Path) -> None:
    frame = read_first(
        tmp_path,
        annotation(1, [[-5, -5, 4, -5, 4, 4, -5, 4]]),
        annotation(2, [[40, 40, 50, 40, 50, 50]]),
        annotation(3, [[3, 3, 3, 3, 3, 3]]),
        annotation(4, {"size": [20, 30], "counts": [600]}),
    )
    assert frame.instances.boxes.tolist() == [[0, 0, 4, 4]]


def test_class_names_and_any_class_list(tmp_path: Path) -> None:
    path = write(tmp_path, document(annotation(1, category_id=9), annotation(2)))
    assert coco_class_names(path) == coco_class_names(tmp_path) == ("car", "motorbike", "dog")
    data = open_data(path, classes=coco_class_names(path))
    assert data.items[0].read().instances.labels.tolist() == [2, 0]


def test_no_class_in_common(tmp_path: Path) -> None:
    write(tmp_path, document(annotation(1)))
    with pytest.raises(DataError, match=r"no category .*expected ship, got dog, car, motorbike"):
        open_data(tmp_path, classes=("ship",))


@pytest.mark.parametrize(
    ("json_name", "folder"),
    [
        ("annotations/instances_val.json", "val"),
        ("annotations/instances_val.json", "annotations/images"),
        ("annotations/instances_val.json", "images/val"),
        ("instances_val.json", "val"),
        ("my labels.json", "images"),
        ("annotations.coco.json", "."),
    ],
)
def test_where_images_are_looked_for(tmp_path: Path, json_name: str, folder: str) -> None:
    path = tmp_path / json_name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document(annotation(1))))
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    write_jpeg(tmp_path / folder / "one.jpg", np.zeros((*HW, 3), np.uint8))
    for opened in (path, tmp_path):
        assert recognise(opened) == "coco"
        data = open_data(opened)
        assert [item.image_path.parent.resolve() for item in data.items] == [tmp_path / folder]
        assert data.missing == ("two.jpg",)


def test_no_image_at_all(tmp_path: Path) -> None:
    write(tmp_path, document())
    for image in tmp_path.glob("train2017/*"):
        image.unlink()
    with pytest.raises(DataError, match=r"none of the 2 images .* in .*train2017"):
        open_data(tmp_path)


def test_several_json_are_joined_and_other_kinds_left(tmp_path: Path) -> None:
    write(tmp_path, document(annotation(1)))
    other = document(annotation(1))
    other["images"] = [{"id": 1, "file_name": "sub/a.jpg", "height": 20, "width": 30}]
    write(tmp_path, other, split="val2017")
    (tmp_path / "val2017/sub").mkdir()
    (tmp_path / "val2017/a.jpg").rename(tmp_path / "val2017/sub/a.jpg")
    (tmp_path / "annotations/captions_val2017.json").write_text("{}")
    data = open_data(tmp_path)
    assert [item.name for item in data.items] == ["one.jpg", "sub/a.jpg", "two.jpg"]
    frames = [item.read() for item in pickle.loads(pickle.dumps(data)).items]
    assert [len(frame.instances) for frame in frames] == [1, 1, 0]


def test_a_file_name_in_two_splits_is_told_apart_by_them(tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        write(tmp_path, document(), split=split)
    names = [item.name for item in open_data(tmp_path).items]
    assert [name for name in names if "one" in name] == ["train2017/one.jpg", "val2017/one.jpg"]
    assert [item.read_labels().name for item in open_data(tmp_path).items] == names


def test_list_by_stem_or_file_name(tmp_path: Path) -> None:
    write(tmp_path, document())
    (tmp_path / "list.txt").write_text("two\nnone.jpg\none.jpg\n")
    data = open_data(tmp_path, listed=tmp_path / "list.txt")
    assert [item.name for item in data.items] == ["two.jpg", "one.jpg"]
    assert data.missing == ("none",)


def test_listed_stem_that_fits_two_images(tmp_path: Path) -> None:
    content = document()
    content["images"][1]["file_name"] = "one.png"
    write(tmp_path, content)
    (tmp_path / "list.txt").write_text("one\n")
    with pytest.raises(DataError, match=r"line 1: .* one frame: .*\(got one\.jpg, one\.png"):
        open_data(tmp_path, listed=tmp_path / "list.txt")


def test_image_of_another_size(tmp_path: Path) -> None:
    write(tmp_path, document())
    write_jpeg(tmp_path / "train2017/one.jpg", np.zeros((21, 30, 3), np.uint8))
    with pytest.raises(DataError, match=r"one\.jpg: .* one size .*\(21, 30\), got \(20, 30\)"):
        open_data(tmp_path).items[0].read()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "not JSON"),
        ('{"images": [', "not JSON"),
        ("\x00\x01", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", r"one JSON object \(got a list of 0\)"),
        ("3", r"one JSON object \(got 3\)"),
        ("NaN", r"one JSON object \(got nan\)"),
        ("{}", "list 'images' .*no such key"),
        ('{"images": {}}', "list 'images' .*a JSON object of 0"),
        ('{"images": [], "annotations": []}', "list 'categories'"),
        ('{"images": [], "categories": []}', "no category"),
        ('{"images": [7], "categories": []}', r"images\[0\]: each of 'images' is a JSON object"),
    ],
)
def test_not_a_coco_file(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.json: .*{rule}"):
        open_data(path)


def change(*keys: object, to: object) -> Callable[[dict[str, Any]], None]:
    """Puts a value at a place of the document; `...` takes the key away."""

    def apply(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        if to is ...:
            del content[keys[-1]]
        else:
            content[keys[-1]] = to

    return apply


SHAPE = ("annotations", 0, "segmentation")
RUNS = {"size": [20, 30], "counts": [600]}

BROKEN = {
    "no annotations": (change("annotations", to=...), "list 'annotations'"),
    "image id is empty": (change("images", 0, "id", to=""), r"images\[0\]: 'id' .*got ''"),
    "image id is negative": (change("images", 0, "id", to=-1), r"images\[0\]: 'id' .*got -1"),
    "image id is true": (change("images", 0, "id", to=True), r"images\[0\]: 'id' .*got True"),
    "image ids are one": (change("images", 1, "id", to="1"), r"image 1: an id occurs once"),
    "image id twice": (change("images", 1, "id", to=1), r"image 1: an id occurs once"),
    "no file name": (change("images", 0, "file_name", to=...), "image 1: 'file_name' is text"),
    "number as file name": (change("images", 0, "file_name", to=5), "image 1: .*got 5"),
    "height is text": (change("images", 1, "height", to="20"), "image 2: 'height' .*got '20'"),
    "width true": (change("images", 1, "width", to=True), "image 2: 'width' .*got True"),
    "too large": (change("images", 1, "width", to=2**27), "image 2: an image has at most"),
    "category twice": (change("categories", 1, "id", to=9), "category 9: an id occurs once"),
    "no category name": (change("categories", 0, "name", to=None), "category 9: 'name' is text"),
    "annotation is a list": (change("annotations", 0, to=[]), r"annotations\[0\]: .*object"),
    "annotation without id": (change("annotations", 0, "id", to=...), r"annotations\[0\]: 'id'"),
    "annotation id twice": (change("annotations", 1, "id", to=17), "annotation 17: an id"),
    "dangling image": (
        change("annotations", 0, "image_id", to=5),
        r"annotation 17: 'image_id' leads nowhere \(got 5\)",
    ),
    "dangling category": (
        change("annotations", 0, "category_id", to=5),
        r"annotation 17: 'category_id' leads nowhere \(got 5\)",
    ),
    "no image id": (change("annotations", 0, "image_id", to=...), "annotation 17: 'image_id'"),
    "crowd is text": (change("annotations", 0, "iscrowd", to="no"), "annotation 17: 'iscrowd'"),
    "no segmentation": (change(*SHAPE, to=...), "annotation 17: 'segmentation' .*got None"),
    "no polygon": (change(*SHAPE, to=[]), "annotation 17: 'segmentation' .*list of 0"),
    "text as segmentation": (change(*SHAPE, to="a"), "annotation 17: 'segmentation' .*'a'"),
    "two corners": (change(*SHAPE, to=[[1, 2, 3, 4]]), "annotation 17: polygon 0: a polygon is"),
    "odd polygon": (change(*SHAPE, to=[[1] * 7]), "annotation 17: polygon 0: a polygon is"),
    "flat polygon": (change(*SHAPE, to=[1] * 8), "annotation 17: polygon 0: a polygon is"),
    "NaN": (change(*SHAPE, 0, 2, to=float("nan")), "17: polygon 0: number 2: .*finite .*got nan"),
    "infinite": (change(*SHAPE, 0, 5, to=float("inf")), "17: polygon 0: number 5: .*got inf"),
    "far": (change(*SHAPE, 0, 5, to=-(2**21)), "17: polygon 0: number 5: .*got -2097152"),
    "vast": (change(*SHAPE, 0, 5, to=10**30), "17: polygon 0: number 5: .*finite"),
    "corner is text": (change(*SHAPE, 0, 0, to="3"), "17: polygon 0: number 0: .*got '3'"),
    "corner is null": (change(*SHAPE, 0, 0, to=None), "17: polygon 0: number 0: .*got None"),
    "runs without size": (change(*SHAPE, to={"counts": [600]}), "17: .*size .*got None"),
    "runs of another size": (change(*SHAPE, to=RUNS | {"size": [30, 20]}), r"17: .*\[30, 20\]"),
    "no counts": (change(*SHAPE, to={"size": [20, 30]}), "17: 'counts' is .*got None"),
    "negative run": (
        change(*SHAPE, to=RUNS | {"counts": [600, -1]}),
        "17: count 1: a run length is .* from 0 .*got -1",
    ),
    "run is a fraction": (change(*SHAPE, to=RUNS | {"counts": [600.0]}), "17: count 0: .*600.0"),
    "run is vast": (change(*SHAPE, to=RUNS | {"counts": [10**30]}), "17: count 0: "),
    "runs of another frame": (change(*SHAPE, to=RUNS | {"size": [3, 4]}), r"17: .*\[20, 30\]"),
    "code beyond ASCII": (change(*SHAPE, to=RUNS | {"counts": "ü"}), "17: 'counts' is .*'ü'"),
}

OF_ONE_IMAGE = (
    *("annotation without id", "annotation id twice", "dangling category", "crowd is text"),
    *("no segmentation", "no polygon", "text as segmentation", "two corners", "odd polygon"),
    *("flat polygon", "NaN", "infinite", "far", "vast", "corner is text", "corner is null"),
    *("runs without size", "runs of another size", "runs of another frame", "no counts"),
    *("negative run", "run is a fraction", "run is vast", "code beyond ASCII"),
)
"""What is wrong with an annotation whose image is known; the rest concerns the whole file."""


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in OF_ONE_IMAGE])
def test_broken_document_is_refused_when_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"instances_train2017\.json: .*{BROKEN[name][1]}"):
        open_data(broken(tmp_path, name))


@pytest.mark.parametrize("name", OF_ONE_IMAGE)
def test_broken_annotation_costs_its_image_alone(tmp_path: Path, name: str) -> None:
    one, two = open_data(broken(tmp_path, name)).items
    with pytest.raises(DataError, match=rf"instances_train2017\.json: .*{BROKEN[name][1]}"):
        one.read()
    assert len(two.read().instances) == 1


def broken(tmp_path: Path, name: str) -> Path:
    """Two annotations of the first image, one of the second; something is wrong."""
    content = document(annotation(17), annotation(18), annotation(19, image_id=2))
    path = write(tmp_path, content)
    BROKEN[name][0](content)
    path.write_text(json.dumps(content))
    return tmp_path


def test_broken_annotation_of_another_class_is_told_too(tmp_path: Path) -> None:
    write(tmp_path, document(annotation(17, [[1, 2]], category_id=9)))
    one, two = open_data(tmp_path).items
    with pytest.raises(DataError, match="annotation 17: polygon 0"):
        one.read()
    assert len(two.read().instances) == 0


@pytest.mark.parametrize(
    ("shape", "rule"),
    [
        (RUNS | {"counts": [5, 5]}, "add up"),
        (RUNS | {"counts": []}, "add up"),
        (RUNS | {"counts": "O"}, "negative"),
        (RUNS | {"counts": ""}, "add up"),
        (RUNS | {"counts": "hi~"}, "characters"),
    ],
)
def test_broken_geometry_is_told_when_read(tmp_path: Path, shape: object, rule: str) -> None:
    path = write(tmp_path, document(annotation(17, shape)))
    (item, *_) = open_data(tmp_path).items
    with pytest.raises(MaskError, match=f"annotation 17: .*{rule}") as caught:
        item.read()
    assert caught.value.path == path


def test_any_change_of_the_text_gives_frames_or_our_error(tmp_path: Path) -> None:
    path = write(tmp_path, document(annotation(1), annotation(2, RUNS | {"counts": "PQ1"})))
    good, rng = path.read_bytes(), np.random.default_rng(3)
    for _ in range(300):
        data = bytearray(good)
        for at in rng.integers(0, len(data), 2):
            data[at] = int(rng.integers(32, 127))
        path.write_bytes(bytes(data))
        with contextlib.suppress(TinysegError):
            for item in open_data(tmp_path).items:
                item.read()


@pytest.fixture
def real() -> Path:
    if not REAL.is_dir():
        pytest.skip(f"the real frames are not here: {REAL}")
    return REAL


def test_real_counts(real: Path) -> None:
    data = open_data(real)
    assert (data.format, len(data.items), data.missing) == ("coco", 142 + 153, ())
    labels = [item.read_labels() for item in data.items]
    # 696 + 718 annotations, 16 of them crowds.
    assert sum(len(one.instances) for one in labels) == 696 + 718 - 16
    assert sum(len(one.ignore) for one in labels) == 16
    assert coco_class_names(real) == ("person", "bicycle", "car", "motorcycle", "bus", "truck")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:pycocotools")
def test_real_masks_are_those_of_pycocotools(real: Path) -> None:
    path = real / "annotations/instances_val2017.json"
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO(str(path))
    by_name = {row["file_name"]: key for key, row in theirs.imgs.items()}
    overlaps = []
    for item in open_data(path).items[:40]:
        frame = item.read()
        rows = theirs.imgToAnns[by_name[item.name]]
        for masks, crowd in ((frame.instances.masks, 0), (frame.ignore, 1)):
            own = [row for row in rows if row["iscrowd"] == crowd]
            assert len(own) == len(masks)
            for index, row in enumerate(own):
                if row["area"] > 200:
                    a, b = bitmap(masks, index, frame.hw), theirs.annToMask(row) > 0
                    overlaps.append((a & b).sum() / (a | b).sum())
    assert len(overlaps) > 80
    assert min(overlaps) > 0.9
