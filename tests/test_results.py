"""Results that other tools wrote, by the data set's ids and names, through the verbs that judge."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as oracle
from test_coco_data import HW, annotation, document, square_code, write
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.data import Place
from tinyseg.errors import PredictionsError, TinysegError
from tinyseg.image import write_jpeg
from tinyseg.predictions import Predictions
from tinyseg.tasks.opening import open_given
from tinyseg.watch import OnError, Watch

CLASSES = ("car", "motorbike", "dog")
SQUARE = [[2, 3, 10, 3, 10, 9, 2, 9]]
RUNS = {"size": list(HW), "counts": square_code()}
BOX = [2, 3, 8, 6]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two images, ids 1 and 2, a car on each; categories 3 car, 4 motorbike, 9 dog."""
    return write(tmp_path / "data", document(annotation(1), annotation(2, image_id=2)))


def row(image: object = 1, category: object = 3, **changes: object) -> dict[str, Any]:
    own = {"image_id": image, "category_id": category, "score": 0.5, "segmentation": RUNS}
    return own | changes


def given(data: Path, found: object, **place: Any) -> Predictions:
    path = data.parents[1] / "found.json"
    path.write_text(json.dumps(found))
    watch = Watch(OnError.stop)
    (one,), _ = open_given([path], Place(data, **place), watch, classes=tuple)
    return one


def counts(found: Predictions) -> dict[str, list[str]]:
    return {f.name: [found.classes[i] for i in f.instances.labels] for f in found.frames}


TOOLS = {
    "pycocotools": row(),
    "detectron2": row(bbox=[2.0, 3.0, 8.0, 6.0]),
    "SAHI": row(
        segmentation=SQUARE, bbox=BOX, category_name="car", category_id=2, iscrowd=0, area=48
    ),
    "Ultralytics": row("one", bbox=BOX),
    "Ultralytics, newer": row("one", bbox=BOX, file_name="one.jpg"),
    "a file's name": row("one.jpg"),
    "numbers as texts": row("1", "3"),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_what_tools_write(data: Path, tool: str) -> None:
    found = given(data, [TOOLS[tool]])
    assert found.classes == CLASSES
    assert counts(found) == {"one.jpg": ["car"], "two.jpg": []}
    instances = found.frames[0].instances
    assert instances.scores.tolist() == [0.5]
    assert instances.boxes.tolist() == [[2, 3, 10, 9]]
    assert instances.has_mask.tolist() == [True]
    assert found.frames[0].hw == HW


def test_boxes_alone_have_the_empty_mask(data: Path) -> None:
    shapes: list[object] = [[], None, [[]]]
    boxes = [row(segmentation=shape, bbox=BOX) for shape in shapes]
    found = given(data, boxes).frames[0].instances
    assert found.has_mask.tolist() == [False] * 3
    assert found.boxes.tolist() == [[2, 3, 10, 9]] * 3


def test_a_mask_without_a_pixel_is_no_detection(data: Path) -> None:
    code = oracle.encode(np.zeros(HW, np.uint8, order="F"))["counts"].decode()
    nothing = {"size": list(HW), "counts": code}
    assert counts(given(data, [row(segmentation=nothing, bbox=BOX)]))["one.jpg"] == []


def test_names_that_are_numbers(tmp_path: Path) -> None:
    """Ultralytics makes 7 of 0007.jpg; where that is every image's own id, ids count."""
    content = document(annotation(1))
    content["images"] = [
        {"id": number, "file_name": name, "height": HW[0], "width": HW[1]}
        for number, name in ((100, "0007.jpg"), (101, "0008.jpg"))
    ]
    content["annotations"] = []
    data = write(tmp_path / "data", content)
    assert counts(given(data, [row(7)]))["0007.jpg"] == ["car"]
    assert counts(given(data, [row(101)]))["0008.jpg"] == ["car"]


def test_frames_of_one_stem_in_two_folders(tmp_path: Path) -> None:
    content = document(annotation(1))
    for image, name in zip(content["images"], ("cam1/0001.jpg", "cam2/0001.jpg"), strict=True):
        image["file_name"] = name
    path = tmp_path / "data/instances_x.json"
    for name in ("cam1", "cam2"):
        (tmp_path / "data/images" / name).mkdir(parents=True)
        write_jpeg(tmp_path / "data/images" / name / "0001.jpg", np.zeros((*HW, 3), np.uint8))
    path.write_text(json.dumps(content))
    place = Place(path)

    def frames(name: str) -> list[str]:
        (tmp_path / "r.json").write_text(json.dumps([row(file_name=name)]))
        (one,), _ = open_given([tmp_path / "r.json"], place, Watch(OnError.stop), classes=tuple)
        return [frame.name for frame in one.frames if len(frame.instances)]

    assert frames("/x/cam2/0001.jpg") == ["cam2/0001.jpg"]
    with pytest.raises(PredictionsError, match=r"fits cam1/0001\.jpg, cam2/0001\.jpg"):
        frames("0001.jpg")


def test_a_coco_file_with_scores(data: Path) -> None:
    content = document(annotation(1, score=0.25), annotation(2, score=1, category_id=9))
    content["images"] = [{"id": 1, "file_name": r"C:\somewhere\one.jpg"}]
    found = given(data, content)
    assert counts(found) == {"one.jpg": ["car", "dog"]}
    assert found.classes == ("dog", "car", "motorbike")
    content["images"][0]["file_name"] = "nobody.jpg"
    with pytest.raises(PredictionsError, match=r"none of the images .*got nobody\.jpg"):
        given(data, content)


def test_labels_are_no_results(data: Path) -> None:
    with pytest.raises(PredictionsError, match=r"annotations\[0\]: 'score' .*no such key"):
        given(data, document(annotation(1)))


WRONG: dict[str, tuple[object, str]] = {
    "image": ([row(5)], r"found\.json: \[0\]: an image leads to one frame .*got 5"),
    "name": ([row("x")], r"\[0\]: an image leads to .*'x', which fits none"),
    "no image": ([row(None)], r"\[0\]: 'image_id' is an id"),
    "category": ([row(), row(category=5)], r"\[1\]: 'category_id' leads nowhere .*3, 4, 9, got 5"),
    "score": ([row(score=1.5)], r"\[0\]: 'score' lies in"),
    "NaN": ([row(score=float("nan"))], r"\[0\]: 'score' is a number"),
    "no shape": ([row(segmentation=[])], r"\[0\]: 'segmentation' is polygons"),
    "bad box": ([row(bbox=[1, 2, -3, 4])], r"\[0\]: 'bbox' is x, y, width"),
    "size": ([row(segmentation=RUNS | {"size": [30, 20]}), row()], r"\[1\]: a run-length code has"),
    "code": ([row(segmentation=RUNS | {"counts": "0"})], r"\[0\]: run lengths"),
    "no object": ([row(), 7], r"\[1\]: a result is a JSON object"),
    "a number": (7, "a predictions file is a JSON object"),
    "no lists": ({"info": {}}, "needs a list 'images'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_leads_nowhere_is_refused(data: Path, name: str) -> None:
    found, rule = WRONG[name]
    with pytest.raises(TinysegError, match=rule):
        given(data, found)


def test_only_frames_of_the_list_are_judged(data: Path, tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("two\n")
    found = given(data, [row(), row(2)], listed=tmp_path / "few.txt")
    assert counts(found) == {"two.jpg": ["car"]}


@pytest.mark.parametrize("verb", ["evaluate", "against", "report", "show", "calibrate"])
def test_verbs_take_results(data: Path, tmp_path: Path, verb: str) -> None:
    path, out = tmp_path / "results.json", tmp_path / "out.json"
    path.write_text(json.dumps([row(), row(2), row(2, 4, segmentation=[[20, 0, 25, 0, 25, 9]])]))
    words = {
        "evaluate": [str(path), "--json", str(out)],
        "against": [str(path), "--against", str(path), "--resamples", "5"],
        "report": [str(path), "--out", str(out), "--resamples", "5"],
        "show": ["--predictions", str(path), "--out", str(out)],
        "calibrate": [str(path), "--out", str(out)],
    }
    result = CliRunner().invoke(
        app, ["evaluate" if verb == "against" else verb, *words[verb], "--data", str(data)]
    )
    assert result.exit_code == 0, result.output
    if verb == "evaluate":
        scores = json.loads(out.read_text())
        assert (scores["averages"]["ap"], scores["detections"]) == (1.0, 3)


def yolo(root: Path) -> Path:
    for part in ("images/val", "labels/val"):
        (root / part).mkdir(parents=True)
    write_jpeg(root / "images/val/0001.jpg", np.zeros((*HW, 3), np.uint8))
    (root / "labels/val/0001.txt").write_text("1 0.1 0.1 0.5 0.1 0.5 0.5\n")
    (root / "data.yaml").write_text("names: [car, person, bus]\nval: images/val\n")
    return root


def test_ids_of_a_data_set_that_only_lists_its_names(tmp_path: Path) -> None:
    """Ultralytics counts from 1 now and counted from 0 before: only some ids tell."""
    place = Place(yolo(tmp_path / "yolo"))

    def labels(*numbers: int, **more: object) -> list[str]:
        path = tmp_path / "r.json"
        path.write_text(json.dumps([row(1, number, **more) for number in numbers]))
        (one,), _ = open_given([path], place, Watch(OnError.stop), classes=tuple)
        return [one.classes[i] for i in one.frames[0].instances.labels]

    assert labels(0, 2) == ["car", "bus"]
    assert labels(1, 3) == ["car", "bus"]
    assert labels(7, category_name="person") == ["person"]
    with pytest.raises(PredictionsError, match="counted from 0 or from 1"):
        labels(1, 2)
