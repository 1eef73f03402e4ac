"""Which frame a name means, in every verb: paths, endings in capitals, shorter and longer names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.data import Names, apart, clips_from_lists, file_below, names_of, open_data
from tinyseg.errors import DataError, TinysegError
from tinyseg.frame import Instances
from tinyseg.image import write_jpeg
from tinyseg.masks import from_polygons
from tinyseg.predict.results import Results
from tinyseg.predictions import FramePredictions, Predictions, write_predictions

HW = (40, 60)
CAMERAS = ("cam1/0001.JPG", "cam2/0001.JPG")
SQUARES = ([4.0, 4, 14, 4, 14, 14, 4, 14], [30.0, 20, 50, 20, 50, 36, 30, 36])


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("cam1/0001.JPG", "cam1/0001.JPG"),
        ("cam1/0001", "cam1/0001.JPG"),
        ("cam1\\0001.jpg", "cam1/0001.JPG"),
        ("/data/set/cam2/0001.jpg", "cam2/0001.JPG"),
        ("./cam2/0001.png", "cam2/0001.JPG"),
        ("0002", "cam1/0002.jpeg"),
        ("0002.JPEG", "cam1/0002.jpeg"),
        ("train/cam3/0001", None),
        ("am1/0001", None),
        ("0003", None),
        ("v1.2", "v1.2"),
    ],
)
def test_a_name_means_the_frame_that_it_fits(name: str, frame: str | None) -> None:
    assert Names([*CAMERAS, "cam1/0002.jpeg", "v1.2"]).one(name) == frame


def test_a_name_that_fits_several_frames_is_refused() -> None:
    names = Names([*CAMERAS, "a.jpg", "a.png", "b.jpg", "b"])
    with pytest.raises(DataError, match=r"0001: a shorter name .*got cam1/0001.JPG, cam2/0001.JPG"):
        names.one("0001")
    with pytest.raises(DataError, match="must fit one frame"):
        names.one("a")
    assert names.one("a.png") == "a.png"
    assert names.one("b") == "b"
    # Of several frames that a long name goes on from, the longest is meant.
    assert Names(["0001", "cam1/0001"]).one("set/cam1/0001.jpg") == "cam1/0001"


def test_names_for_files_are_apart(tmp_path: Path) -> None:
    assert names_of([tmp_path / "a.jpg", tmp_path / "b.JPG"]) == ["a", "b"]
    cameras = [tmp_path / name for name in CAMERAS]
    assert names_of(cameras) == ["cam1/0001", "cam2/0001"]
    assert names_of([tmp_path / "a.jpg", tmp_path / "a.png"]) == ["a.jpg", "a.png"]
    assert apart(["x/a.jpg", "y/a.jpg", "b.jpg", "b.png"]) == ["x/a", "y/a", "b.jpg", "b.png"]
    out = tmp_path / "out"
    assert file_below(out, "x/a", "_o.jpg") == out / "x/a_o.jpg"
    assert file_below(out, "../../C:\\x/a", ".jpg") == out / "C_/x/a.jpg"
    assert file_below(out, "/x/a", ".jpg") == out / "x/a.jpg"


def two_cameras(root: Path) -> Path:
    """A COCO set of two frames of one file name, a square each, at places of their own."""
    rows: dict[str, list[Any]] = {"images": [], "annotations": []}
    rows["categories"] = [{"id": 1, "name": "car"}]
    for number, (name, square) in enumerate(zip(CAMERAS, SQUARES, strict=True), start=1):
        (root / "images" / name).parent.mkdir(parents=True)
        write_jpeg(root / "images" / name, np.full((*HW, 3), 60 * number, np.uint8))
        image = {"id": number, "file_name": name, "height": HW[0], "width": HW[1]}
        rows["images"].append(image)
        row = {"id": number, "image_id": number, "category_id": 1, "segmentation": [square]}
        rows["annotations"].append(row | {"iscrowd": 0, "area": 1, "bbox": [0, 0, 1, 1]})
    (root / "instances_train.json").write_text(json.dumps(rows))
    return root


def perfect(path: Path, names: tuple[str, ...]) -> Path:
    """Predictions of the squares under these names."""
    masks = [from_polygons([[square]], HW) for square in SQUARES]
    label, score = np.zeros(1, np.int64), np.array([0.9])
    frames = [
        FramePredictions(name, f"{name}.JPG", HW, Instances(mask.boxes, mask, label, score))
        for name, mask in zip(names, masks, strict=True)
    ]
    write_predictions(path, Predictions(("car",), tuple(frames)))
    return path


def run(*words: str | Path) -> str:
    ended = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    return " ".join(ended.output.split())


@pytest.mark.parametrize(
    "names", [("cam1/0001", "cam2/0001"), ("images/cam1/0001", "cam2/0001.jpg")]
)
def test_two_frames_of_one_file_name_are_judged_apart(
    names: tuple[str, str], tmp_path: Path
) -> None:
    root, found = two_cameras(tmp_path / "set"), perfect(tmp_path / "found.json", names)
    run("evaluate", found, "--data", root, "--json", tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text())["any_class"]["ap"] == pytest.approx(1)
    run("evaluate", found, "--against", found, "--data", root, "--resamples", "5")
    run("report", found, "--data", root, "--out", tmp_path / "r.html")
    run("show", "--data", root, "--predictions", found, "--out", tmp_path / "seen")
    seen = ("--predictions", found, "--out", tmp_path)
    run("show", *(root / "images" / n for n in CAMERAS), "--plan", "focus", *seen)
    for folder, ending in ((tmp_path / "seen", "overlay"), (tmp_path, "views")):
        pictures = [(folder / f"{cam}/0001_{ending}.jpg").read_bytes() for cam in ("cam1", "cam2")]
        assert pictures[0] != pictures[1]


def test_a_name_that_is_too_short_stops_every_verb(tmp_path: Path) -> None:
    root, found = two_cameras(tmp_path / "set"), perfect(tmp_path / "f.json", ("0001", "0002"))
    (tmp_path / "list.txt").write_text("0001.jpg\n")
    for words in (
        ("evaluate", found, "--data", root),
        ("evaluate", found, "--against", found, "--data", root),
        ("report", found, "--data", root, "--out", tmp_path / "r.html"),
        ("show", "--data", root, "--predictions", found, "--out", tmp_path / "seen"),
        ("show", "--data", root, "--list", tmp_path / "list.txt", "--out", tmp_path / "seen"),
    ):
        ended = CliRunner().invoke(app, [str(word) for word in words])
        assert isinstance(ended.exception, TinysegError)
        assert "cam1/0001.JPG, cam2/0001.JPG" in str(ended.exception)
    (tmp_path / "list.txt").write_text("cam2\\0001.jpg\n")
    data = open_data(root, classes=["car"], listed=tmp_path / "list.txt")
    assert [item.name for item in data.items] == ["cam2/0001.JPG"]


def test_results_keep_folders_apart(tmp_path: Path) -> None:
    results = Results(tmp_path / "found", {}, ("car",))
    for name in ("cam1/0001", "cam2/0001"):
        assert not results.meet(name, "mark")
        results.add(FramePredictions(name, f"{name}.jpg", HW, Instances.empty()), "mark")
    assert (tmp_path / "found/frames/cam2/0001.json").is_file()
    again = Results(tmp_path / "found", {}, ("car",))
    assert again.meet("cam1/0001", "mark")
    assert not again.meet("0001", "mark")


def test_clips_know_paths(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"clip{number}.txt").write_text(f"cam{number}/0001.jpg\n")
    clip_of = clips_from_lists(tmp_path)
    assert [clip_of(name) for name in (*CAMERAS, "0002")] == ["clip1", "clip2", None]
