"""COCO JSON as other tools write it: sizes, ids, crowds, file names, boxes alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_coco_data import HW, SQUARE, annotation, document, square_counts, write

from tinyseg import masks as mask_ops
from tinyseg.data import DataSet, Item, Place, coco_class_names, open_data
from tinyseg.data.found import find_pictures, last_parts
from tinyseg.doctor import examination_of, examine, kinds
from tinyseg.errors import DataError, TinysegError
from tinyseg.frame import FrameLabels
from tinyseg.image import write_jpeg

CASES = Path(__file__).parents[2] / "shared/data/cases/14-coco-forms"
BOX = [2, 3, 8, 6]


def first_of(root: Path, content: dict[str, Any]) -> FrameLabels:
    write(root, content)
    return open_data(root).items[0].read_labels()


@pytest.mark.parametrize(
    "size",
    [
        {"height": None, "width": None},
        {"height": -1, "width": -1},
        {"height": 0, "width": 30},
        {"height": ..., "width": ...},
    ],
)
def test_a_size_that_is_not_known_is_the_pictures(tmp_path: Path, size: dict[str, Any]) -> None:
    content = document(annotation(1))
    image = content["images"][0] | size
    content["images"][0] = {key: value for key, value in image.items() if value is not ...}
    labels = first_of(tmp_path, content)
    assert (labels.hw, len(labels.instances)) == (HW, 1)


@pytest.mark.parametrize(
    ("value", "is_crowd"),
    [(True, True), (False, False), (None, False), (1, True), (0, False)],
)
def test_crowds_in_every_spelling(tmp_path: Path, value: object, is_crowd: bool) -> None:
    labels = first_of(tmp_path, document(annotation(1, iscrowd=value)))
    assert (len(labels.instances), len(labels.ignore)) == (not is_crowd, is_crowd)


def test_ids_are_numbers_or_texts(tmp_path: Path) -> None:
    content = document(
        annotation("a1", image_id="img 1", category_id="car"),
        annotation("a2", image_id="2", category_id=4.0),
    )
    content["images"][0]["id"] = "img 1"
    content["categories"][1]["id"] = "car"
    write(tmp_path, content)
    data = open_data(tmp_path)
    one, two = (item.read_labels() for item in data.items)
    assert one.instances.labels.tolist() == [0]
    assert two.instances.labels.tolist() == [1]
    assert data.ids == {"one.jpg": "img 1", "two.jpg": 2}


def test_an_empty_polygon_beside_a_good_one_is_left_out(tmp_path: Path) -> None:
    labels = first_of(tmp_path, document(annotation(1, [*SQUARE, []])))
    assert labels.instances.boxes.tolist() == [[2, 3, 10, 9]]


@pytest.mark.parametrize("shape", [[], [[]], None])
def test_an_annotation_with_a_box_alone(tmp_path: Path, shape: object) -> None:
    content = document(annotation(1, shape, bbox=[20, 3, 15, 6]), annotation(2))
    labels = first_of(tmp_path, content)
    assert labels.instances.boxes.tolist() == [[20, 3, 30, 9], [2, 3, 10, 9]]
    assert labels.instances.has_mask.tolist() == [False, True]
    assert labels.places == ("annotation 1", "annotation 2")
    outside = first_of(tmp_path, document(annotation(1, shape, bbox=[40, 3, 15, 6])))
    assert len(outside.instances) == 0


def test_a_crowds_box_is_ignored_whole(tmp_path: Path) -> None:
    labels = first_of(tmp_path, document(annotation(1, [], bbox=BOX, iscrowd=1)))
    assert mask_ops.area(labels.ignore).tolist() == [48]


@pytest.mark.parametrize(
    "box",
    [
        *(None, [], [1, 2, 3], [1, 2, -3, 4], [1, 2, 0, 4], [1, 2, 3, float("nan")]),
        *([float("inf"), 2, 3, 4], ["1", 2, 3, 4], [True, 2, 3, 4], [0, 0, 2**30, 4], "box"),
    ],
)
def test_a_box_that_is_none_is_a_fault_where_there_is_no_mask(tmp_path: Path, box: object) -> None:
    write(tmp_path, document(annotation(1, [], bbox=box), annotation(2, bbox=box)))
    item, faults = open_data(tmp_path).items[0], list[TinysegError]()
    labels = item.read_labels(faults.append)
    assert [fault.code for fault in faults] == ["shape-missing"]
    assert str(faults[0]).endswith(")")
    assert len(labels.instances) == 1
    with pytest.raises(DataError, match="annotation 1: 'segmentation' is polygons"):
        item.read_labels()


def test_labels_outside_the_list_are_named(tmp_path: Path) -> None:
    dogs = [annotation(key, category_id=9) for key in (1, 2)]
    crowd = annotation(3, category_id=9, iscrowd=1)
    labels = first_of(tmp_path, document(*dogs, crowd, annotation(4)))
    assert labels.left_out == ("dog", "dog")


def test_each_json_says_what_it_labels(tmp_path: Path) -> None:
    few = document()
    few["categories"] = [{"id": 3, "name": "car"}]
    write(tmp_path, few)
    more = document()
    for row in more["images"]:
        row["file_name"] = f"more-{row['file_name']}"
    write(tmp_path, more, split="val2017")
    data = open_data(tmp_path, classes=("car", "motorcycle", "bus"))
    assert {item.name: item.unlabelled for item in data.items} == {
        **dict.fromkeys(("one.jpg", "two.jpg"), frozenset({1, 2})),
        **dict.fromkeys(("more-one.jpg", "more-two.jpg"), frozenset({2})),
    }
    assert data.unlabelled == {2}


NAMES = {
    "windows": r"images\one.jpg",
    "windows root": r"C:\data\images\one.jpg",
    "root": "/home/u/images/one.jpg",
    "own first folder": "train/one.jpg",
    "upwards": "../images/one.jpg",
    "label studio": r"..\..\label-studio\media\upload\2\one.jpg",
    "address": "https://example.org/bucket/one.jpg?size=full#top",
    "file address": "file:///home/u/one.jpg",
}


def opened(root: Path, *file_names: str, pictures: tuple[str, ...], **options: Any) -> DataSet:
    """A data set of images of these names, and these pictures in its folder."""
    content = document(*(annotation(i, image_id=i) for i in range(1, len(file_names) + 1)))
    content["images"] = [
        {"id": number, "file_name": name, "height": HW[0], "width": HW[1]}
        for number, name in enumerate(file_names, start=1)
    ]
    path = root / "labels.json"
    path.write_text(json.dumps(content))
    for picture in pictures:
        (root / picture).parent.mkdir(parents=True, exist_ok=True)
        write_jpeg(root / picture, np.zeros((*HW, 3), np.uint8))
    return open_data(path, **options)


@pytest.mark.parametrize("name", NAMES)
def test_file_names_of_other_machines(tmp_path: Path, name: str) -> None:
    data = opened(tmp_path, NAMES[name], pictures=("images/one.jpg",))
    assert [item.name for item in data.items] == ["one.jpg"]
    assert len(data.items[0].read().instances) == 1
    assert data.missing == ()
    assert "1 pictures by parts of their names: one.jpg for" in data.remarks[0]


def test_a_picture_deeper_than_its_name_says(tmp_path: Path) -> None:
    data = opened(tmp_path, "one.jpg", pictures=("images/a/b/one.jpg",))
    assert [item.name for item in data.items] == ["a/b/one.jpg"]


def test_names_of_other_folders_fit_no_picture(tmp_path: Path) -> None:
    pictures = ("images/train/one.jpg", "images/two.jpg")
    data = opened(tmp_path, "val/one.jpg", "two.jpg", pictures=pictures)
    assert [item.name for item in data.items] == ["two.jpg"]
    assert data.missing == ("val/one.jpg",)


def test_a_picture_that_another_image_names_is_not_taken(tmp_path: Path) -> None:
    data = opened(tmp_path, "one.jpg", "cam2/one.jpg", pictures=("images/one.jpg",))
    assert [item.name for item in data.items] == ["one.jpg"]
    assert data.missing == ("cam2/one.jpg",)


@pytest.mark.parametrize("names", [("a/one.jpg", "b/one.jpg"), ("one.jpg",)])
def test_a_name_that_fits_several_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    pictures: tuple[str, ...] = ("images/two.jpg", "images/one.jpg")
    if len(names) == 1:
        pictures = ("images/two.jpg", "images/a/one.jpg", "images/b/one.jpg")
    with pytest.raises(DataError, match=r"labels\.json: 'file_name' fits a picture of its own"):
        opened(tmp_path, *names, "two.jpg", pictures=pictures)
    faults: list[TinysegError] = []
    data = open_data(tmp_path / "labels.json", on_fault=faults.append)
    assert [item.name for item in data.items] == ["two.jpg"]
    assert [fault.code for fault in faults] == ["file-name"] * len(names)


def test_pictures_in_a_folder_that_is_named(tmp_path: Path) -> None:
    where = tmp_path / "elsewhere"
    data = opened(tmp_path, "x/one.jpg", pictures=("elsewhere/one.jpg",), images=where)
    assert data.items[0].image_path == where / "one.jpg"
    with pytest.raises(DataError, match="no such folder"):
        open_data(tmp_path / "labels.json", images=tmp_path / "none")
    for folder in ("train_color", "train_label"):
        (tmp_path / "wad" / folder).mkdir(parents=True)
    with pytest.raises(DataError, match=r"a folder of pictures is .*expected coco.*, got wad"):
        open_data(tmp_path / "wad", images=where)


def test_nothing_outside_the_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.jpg").touch()
    names = ["../secret.jpg", str(tmp_path / "secret.jpg"), "..", "/", ".", "a\0b", "x" * 5000]
    assert find_pictures(tmp_path / "in", names) == ({}, ())


def test_the_last_parts_of_a_name() -> None:
    assert last_parts("http://[bad/one%20two.jpg?x") == ["one two.jpg"]
    assert last_parts(r"D:\a\.\b.jpg") == ["D:", "a", "b.jpg"]
    assert last_parts("a/../b/../c/d.jpg") == ["c", "d.jpg"]


def test_a_broken_object_costs_itself_alone(tmp_path: Path) -> None:
    wrong = annotation(1, [[1, 2]]), annotation(2, category_id=77), annotation(3, image_id=99)
    path = write(tmp_path, document(*wrong, annotation(4), annotation(4)))
    faults: list[TinysegError] = []
    (one, _) = open_data(path, on_fault=faults.append).items
    assert [fault.code for fault in faults] == ["image-dangling"]
    labels = one.read_labels(faults.append)
    assert [fault.code for fault in faults[1:]] == [
        *("annotation-id-twice", "polygon-short", "category-dangling"),
    ]
    assert all(fault.path == path for fault in faults)
    assert labels.places == ("annotation 4",)


def test_images_of_one_id_are_all_left_out(tmp_path: Path) -> None:
    """Nobody knows of which the annotations are."""
    content = document(annotation(1))
    content["images"][1]["id"] = 1
    content["images"].append({"id": 3, "file_name": "three.jpg", "height": 20, "width": 30})
    path = write(tmp_path, content)
    with pytest.raises(DataError, match="image 1: an id occurs once"):
        open_data(path)
    faults: list[TinysegError] = []
    data = open_data(path, on_fault=faults.append)
    assert [item.name for item in data.items] == ["three.jpg"]
    assert [fault.code for fault in faults] == ["image-id-twice", "image-dangling"]


def test_deeply_nested_values_are_told(tmp_path: Path) -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    path = write(tmp_path, document(annotation(1, deep), annotation(2)))
    item: Item = open_data(path).items[0]
    with pytest.raises(DataError, match="annotation 1: polygon 0"):
        item.read_labels()
    assert len(item.read_labels(lambda fault: None).instances) == 1


def test_odd_things_are_told_and_read(tmp_path: Path) -> None:
    runs = {"size": list(HW), "counts": square_counts()}
    labels = first_of(
        tmp_path,
        document(
            annotation(1, [[-5, -5, 4, -5, 4, 4, -5, 4]]),
            annotation(2, runs, bbox=[1, 2, -3, 4]),
            annotation(3, runs, bbox=[20, 3, 40, 6]),
            annotation(4, [[40, 40, 50, 40, 50, 50]]),
        ),
    )
    told = [(doubt.where, doubt.code) for doubt in labels.doubts]
    assert told == [
        ("annotation 1", "polygon-outside"),
        ("annotation 2", "box-damaged"),
        ("annotation 3", "box-outside"),
        ("annotation 3", "box-differs"),
        ("annotation 4", "polygon-outside"),
        ("annotation 4", "instance-empty"),
    ]
    assert len(labels.instances) == 3


def test_a_set_of_crowds_is_named_by_the_doctor() -> None:
    path = CASES.parent / "06-train-on-nothing/crowds/instances_x.json"
    if not path.is_file():
        pytest.skip(f"the case is not here: {path}")
    classes = coco_class_names(path)
    found = examine(examination_of(Place(path), None, classes), classes, fast=True)
    assert kinds.ALL_IGNORED in {group.kind for group in found.groups}


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.glob("*/")) or ["none"])
def test_forms_that_failed(case: str) -> None:
    if not CASES.is_dir():
        pytest.skip(f"the cases are not here: {CASES}")
    data = open_data(CASES / case / "instances_train.json", classes=("car", "person"))
    frames = [item.read() for item in data.items]
    assert [frame.instances.labels.tolist() for frame in frames] == [[0], [1]]
    assert [frame.instances.boxes.tolist() for frame in frames] == [[[10, 10, 30, 20]]] * 2
