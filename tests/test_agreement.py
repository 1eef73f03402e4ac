"""Mutated labels under the doctor, under strict reading and under --on-error skip: they agree.

What the doctor calls clean every reader reads whole; what a reader refuses or puts among its faults
the doctor names at the same frame; what is left after skipping is what the doctor counted; and
nothing but our errors is raised. TINYSEG_FUZZ_COUNT says how many records of each format.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from _layouts import LAYOUTS, truths
from jaxtyping import UInt8, UInt16
from test_coco_data import HW, RUNS, annotation, document, write
from test_doctor_parts import spoil_json

from tinyseg.data import Place, open_data
from tinyseg.doctor import Severity, examination_of
from tinyseg.errors import TinysegError
from tinyseg.exchange import mask_shape
from tinyseg.image import write_jpeg

COUNT = int(os.environ.get("TINYSEG_FUZZ_COUNT", "60"))

Rng = np.random.Generator
CLASSES = ("car", "motorcycle", "person")


@dataclass(frozen=True, slots=True)
class Made:
    """A set on the disk, and what writes it anew with something changed."""

    path: Path
    format: str
    spoil: Callable[[Rng], None]


def coco(root: Path) -> Made:
    rows = [annotation(1, bbox=[2, 3, 8, 6]), annotation(2, RUNS | {"counts": "PQ1"})]
    rows += [annotation(3, [], bbox=[1, 2, 5, 6]), annotation(4, image_id=2, iscrowd=True)]
    text = json.dumps(document(*rows, annotation(5, image_id=2, category_id=9)))
    path = write(root, json.loads(text))

    def spoil(rng: Rng) -> None:
        content = json.loads(text)
        for _ in range(int(rng.integers(1, 4))):
            spoil_json(content, rng)
        path.write_text(json.dumps(content))

    return Made(path, "coco", spoil)


def labelme(root: Path) -> Made:
    root.mkdir()
    write_jpeg(root / "one.jpg", np.zeros((*HW, 3), np.uint8))
    grid = np.full((4, 5), 255, np.uint8)
    polygon = {"label": "car", "points": [[1, 1], [9, 1], [9, 8]], "shape_type": "polygon"}
    box = {"label": "person", "points": [[2, 2], [12, 9]], "shape_type": "rectangle"}
    circle = {"label": "car", "points": [[15, 10], [15, 14]], "shape_type": "circle"}
    shapes = [polygon, box, mask_shape((3, 4, 8, 8), grid, "car"), circle | {"group_id": 3}]
    about: dict[str, object] = {
        "version": "5.5.0",
        "flags": {},
        "imagePath": "one.jpg",
        "imageData": None,
    }
    whole = {**about, "shapes": shapes, "imageHeight": HW[0], "imageWidth": HW[1]}
    text = json.dumps(whole)

    def spoil(rng: Rng) -> None:
        content = json.loads(text)
        for _ in range(int(rng.integers(1, 4))):
            spoil_json(content, rng)
        (root / "one.json").write_text(json.dumps(content))

    return Made(root, "labelme", spoil)


def yolo(root: Path) -> Made:
    for part in ("images/train", "labels/train"):
        (root / part).mkdir(parents=True)
    write_jpeg(root / "images/train/one.jpg", np.zeros((*HW, 3), np.uint8))
    (root / "data.yaml").write_text("names: [car, person, dog]\ntrain: images/train\n")
    lines = ["0 0.1 0.1 0.5 0.1 0.5 0.5", "1 0.2 0.2 0.9 0.2 0.9 0.8 0.2 0.8", "2 .5 .5 .2 .2"]
    words = ("nan", "inf", "-1", "3", "1e300", "0.5", "x", "", "0 0", "-0.4", "1.4", "\0", "é", "7")

    def spoil(rng: Rng) -> None:
        rows = [line.split() for line in lines]
        for _ in range(int(rng.integers(1, 4))):
            row = rows[int(rng.integers(len(rows)))]
            at = int(rng.integers(len(row) + 1))
            row[at : at + int(rng.integers(0, 3))] = [words[int(rng.integers(len(words)))]]
        text = "\n".join(" ".join(row) for row in rows)
        (root / "labels/train/one.txt").write_text(text)

    return Made(root, "yolo", spoil)


@dataclass(frozen=True, slots=True)
class Other:
    """A layout of `_layouts`: which of its files is spoiled, and what its values may well be."""

    layout: str
    format: str
    file: str
    words: tuple[str, ...] = ()
    values: tuple[int, ...] = ()


OTHERS = {
    "wad": Other("wad", "wad", "*.png", values=(33000, 33001, 36000, 65535, 161, 37002)),
    "cityscapes": Other(
        "cityscapes", "cityscapes", "*Ids.png", values=(26000, 26001, 24003, 25001, 26, 0)
    ),
    "kitti": Other(
        "kitti", "kitti", "instance/*.png", values=(26 * 256 + 1, 24 * 256 + 2, 26 * 256, 25 * 256)
    ),
    "mots_maps": Other(
        "mots_maps", "mots", "instances/*/*.png", values=(1001, 1002, 2003, 10000, 0)
    ),
    "mots_texts": Other(
        "mots_texts",
        "mots",
        "train/*/gt/gt.txt",
        words=("1", "10", "2001", "96", "128", "`", "-1", "x", "é"),
    ),
    "mapillary": Other(
        "mapillary", "mapillary", "instances/*.png", values=(0, 1, 256, 257, 512, 513, 768)
    ),
    "mapillary_panoptic": Other("mapillary_panoptic", "mapillary", "training/panoptic/*.json"),
    "bdd_bitmasks": Other("bdd_bitmasks", "bdd", "bitmasks/*/*.png"),
    "bdd_polygons": Other("bdd_polygons", "bdd", "*_train.json"),
    "via": Other("via_project", "via", "*.json"),
    "cvat": Other(
        "cvat",
        "cvat",
        "*.xml",
        words=("points", "label", "box", "mask", "1,2;3", "-1", "nan", "1e300", "<", ">", '"', ""),
    ),
}


def other(root: Path, about: Other) -> Made:
    """The layout with one frame, of which one file of labels is spoiled."""
    path = LAYOUTS[about.layout].write(root, truths(5, train=1, val=0))
    (file,) = path.rglob(about.file)
    whole = file.read_bytes()

    def spoil(rng: Rng) -> None:
        if file.suffix == ".json":
            content = json.loads(whole)
            for _ in range(int(rng.integers(1, 4))):
                spoil_json(content, rng)
            file.write_text(json.dumps(content))
        elif file.suffix == ".png":
            file.write_bytes(spoiled_map(whole, file, about.values, rng))
        else:
            file.write_text(spoiled_text(whole.decode(), about.words, rng))

    return Made(path, about.format, spoil)


def spoiled_text(text: str, words: tuple[str, ...], rng: Rng) -> str:
    """Some words and numbers are others, are missing or stand twice."""
    parts = re.split(r"([\s;,='\"<>/]+)", text)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(parts)))
        parts[at : at + int(rng.integers(0, 3))] = [words[int(rng.integers(len(words)))]]
    return "".join(parts)


def spoiled_map(whole: bytes, file: Path, values: tuple[int, ...], rng: Rng) -> bytes:
    """The map with rectangles of values that have a meaning, and now and then of any."""
    decoded = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_UNCHANGED)
    label: UInt8[np.ndarray, ...] | UInt16[np.ndarray, ...] = np.array(decoded)
    top = int(np.iinfo(label.dtype).max)
    for _ in range(int(rng.integers(1, 5))):
        y, x = (int(rng.integers(side)) for side in label.shape[:2])
        value = np.array(label[y, x])
        if values and rng.random() < 0.85:
            value[...] = values[int(rng.integers(len(values)))]
        else:
            value.flat[int(rng.integers(value.size))] = rng.integers(top, endpoint=True)
        label[y : y + int(rng.integers(1, 19)), x : x + int(rng.integers(1, 19))] = value
    return bytes(cv2.imencode(file.suffix, label)[1])


@dataclass(frozen=True, slots=True)
class Said:
    """By the doctor: errors of the set, errors by frame, and instances by frame."""

    of_set: tuple[str, ...]
    errors: dict[str, list[str]]
    instances: dict[str, int]


def doctors_word(made: Made) -> Said:
    plan = examination_of(Place(made.path, format=made.format), None, CLASSES)
    looks = {source.name: source.labels() for source in plan.sources[0]}
    of_set = tuple(f.detail for f in plan.faults if f.kind.severity is Severity.error)
    errors = {
        name: [f.detail for f in look.faults if f.kind.severity is Severity.error]
        for name, look in looks.items()
    }
    return Said(of_set, errors, {name: len(look.objects) for name, look in looks.items()})


def check(made: Made) -> tuple[bool, int]:
    """Whether the set could be opened, and how many of its frames are refused."""
    said = doctors_word(made)
    faults: list[TinysegError] = []
    items, stopped = None, None
    try:
        data = open_data(made.path, format=made.format, classes=CLASSES, on_fault=faults.append)
        items = data.items
    except TinysegError as error:
        stopped = error
    if items is None:
        assert said.of_set, f"the doctor is silent of {stopped}"
        return False, 0
    assert bool(faults) <= bool(said.of_set), (faults, said)
    refused = 0
    for item in items:
        strict = None
        try:
            load = item.load()
            strict = load.faults[0] if load.faults else None
        except TinysegError as error:
            strict = error
            left = 0
        else:
            left = len(load.instances)
        refused += strict is not None
        assert (strict is not None) == bool(said.errors[item.name]), (strict, said)
        if left or not said.errors[item.name]:
            assert left == said.instances[item.name], (left, said)
    assert {item.name for item in items} == set(said.errors)
    return True, refused


MAKERS: dict[str, Callable[[Path], Made]] = {
    **{one.__name__: one for one in (coco, labelme, yolo)},
    **{name: partial(other, about=about) for name, about in OTHERS.items()},
}


@pytest.mark.parametrize("format", MAKERS)
def test_doctor_and_readers_agree_on_fuzzed_records(tmp_path: Path, format: str) -> None:
    made = MAKERS[format](tmp_path / "set")
    opened = refused = 0
    for seed in range(COUNT):
        made.spoil(np.random.default_rng([seed, *format.encode()]))
        is_open, frames = check(made)
        opened, refused = opened + is_open, refused + frames
    print(f"\n{format}: {COUNT:,} records, {opened:,} sets opened, {refused:,} frames refused")
    assert refused > 0
