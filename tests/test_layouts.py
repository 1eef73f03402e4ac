"""Data sets as users have them: read, looked at, learnt from, judged, converted and read again.

TINYSEG_LAYOUTS=1 takes every layout through every verb and prints what was done.
"""

import os
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from _layouts import HW, LAYOUTS, Truth, truths
from _short_run import SMALL
from typer.testing import CliRunner, Result

from tinyseg import masks as mask_ops
from tinyseg.cli import app
from tinyseg.conversion import TARGETS
from tinyseg.data import class_ids, open_data, recognise, splits_of
from tinyseg.frame import FrameLabels
from tinyseg.image import read_image

EVERY = bool(os.environ.get("TINYSEG_LAYOUTS"))
WHOLE_WAY = list(LAYOUTS) if EVERY else ["mapillary", "yolo_boxes"]
CLASSES = ("car", "person")
STEPS = 2

PAIRS = [
    (name, to)
    for row, name in enumerate(LAYOUTS)
    for column, to in enumerate(TARGETS)
    if EVERY or row % len(TARGETS) == column
]
"""Layouts and formats that they are converted to: one each, or all."""

Objects = Counter[tuple[str, bytes]]
"""Objects by class and pixels, or box where there are none."""


def objects_of(labels: FrameLabels, *, as_boxes: bool = False) -> Objects:
    found: Objects = Counter()
    own = labels.instances
    for place, label in enumerate(own.labels.tolist()):
        mask = own.masks.select(np.array([place]))
        drawn = mask_ops.paint(mask, labels.hw).tobytes()
        alone = as_boxes or not own.has_mask[place]
        content = np.rint(own.boxes[place]).astype(int).tobytes() if alone else drawn
        found[CLASSES[label], content] += 1
    return found


def expected(truth: Truth, *, masks: bool) -> Objects:
    found: Objects = Counter()
    for name, box in truth.objects:
        x0, y0, x1, y1 = box
        pixels = np.zeros(HW, np.uint8)
        pixels[y0:y1, x0:x1] = 255
        content = pixels.tobytes() if masks else np.array(box).tobytes()
        found[name, content] += 1
    return found


def digest(path: Path) -> bytes:
    return blake2b(read_image(path).tobytes()).digest()


def read(path: Path, split: str | None = None) -> dict[bytes, FrameLabels]:
    """Labels by the pictures' pixels."""
    items = open_data(path, classes=CLASSES, split=split).items
    return {digest(item.image_path): item.read_labels() for item in items}


def invoke(*words: object) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_holds_the_truth(tmp_path: Path, name: str) -> None:
    layout, frames = LAYOUTS[name], truths(1)
    path = layout.write(tmp_path / "set", frames)
    assert recognise(path) == name.split("_")[0]
    assert {own.lower() for own in class_ids(path)} >= {"car"}
    assert len(splits_of(path)) == (2 if layout.has_splits else 0)
    whole = read(path)
    assert len(whole) == len(frames)
    pictures = _pictures(tmp_path, frames, name)
    for truth in frames:
        labels = whole[pictures[truth.name]]
        assert objects_of(labels) == expected(truth, masks=layout.has_masks)
        assert labels.faults == ()
        region = mask_ops.paint(labels.ignore, labels.hw)
        assert region[81:].any() == layout.has_ignore
        assert not region[:79].any()
    if layout.has_splits:
        for split in ("train", "val"):
            own = {pictures[truth.name] for truth in frames if truth.split == split}
            assert read(path, split).keys() == own


def _pictures(folder: Path, frames: list[Truth], name: str) -> dict[str, bytes]:
    """The pixels of each frame's picture as the layout stores it, JPEG or PNG."""
    lossless = {"cityscapes", "kitti", "mots_maps", "labelme_embedded", "yolo_lists"}
    if name in lossless:
        return {t.name: blake2b(t.picture.tobytes()).digest() for t in frames}
    from tinyseg.image import write_jpeg

    found = {}
    for truth in frames:
        write_jpeg(folder / "one.jpg", truth.picture)
        found[truth.name] = digest(folder / "one.jpg")
    return found


@pytest.mark.parametrize(("name", "to"), PAIRS)
def test_a_layout_becomes_every_format(tmp_path: Path, name: str, to: str) -> None:
    layout, frames = LAYOUTS[name], truths(2, train=2, val=1)
    path = layout.write(tmp_path / "set", frames)
    words = ("--to", to, "--classes", "car,person")
    done = invoke("convert", path, "--out", tmp_path / "out", *words)
    before, after = read(path), read(tmp_path / "out")
    assert before.keys() == after.keys()
    if not layout.has_masks and to in ("wad", "cityscapes"):
        assert f"{3 * len(frames)} boxes without a mask" in " ".join(done.output.split())
        return
    for picture, labels in before.items():
        assert objects_of(after[picture]) == objects_of(labels)
        if to != "yolo":
            ours, theirs = (mask_ops.paint(one.ignore, HW) for one in (labels, after[picture]))
            assert (ours == theirs).all()
    if layout.has_splits and to in ("coco", "cityscapes", "yolo"):
        assert len(splits_of(tmp_path / "out")) == 2


@pytest.mark.parametrize("name", WHOLE_WAY)
def test_a_layout_goes_the_whole_way(tmp_path: Path, name: str) -> None:
    layout, frames = LAYOUTS[name], truths(3)
    path = layout.write(tmp_path / "set", frames)
    doctor = invoke("doctor", path, "--classes", "car,person")
    invoke("show", "--data", path, "--out", tmp_path / "seen")
    assert len(list((tmp_path / "seen").rglob("*_overlay.jpg"))) == len(frames)
    settings = [w for s in (*SMALL, f"train.steps={STEPS}") for w in ("--set", s)]
    words = ("--classes", "car,person", "--device", "cpu", "--threads", 1)
    run = tmp_path / "run"
    trained = invoke("train", "--data", path, "--out", run, *words, *settings)
    assert ("split train" in trained.output.lower()) == layout.has_splits
    pictures = tmp_path / "pictures"
    invoke("convert", path, "--out", pictures, "--to", "labelme")
    found = tmp_path / "found"
    invoke("predict", pictures, "--weights", run, "--out", found, "--plan", "whole")
    judged = invoke("evaluate", found, "--data", pictures)
    if EVERY:
        print(f"\n{name}: {len(frames)} frames", doctor.output, trained.output, judged.output)
