"""Splits: which a set has, which one a verb takes, and frames on both sides of training."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _tiny_network import TINY
from jaxtyping import UInt8
from typer.testing import CliRunner, Result

from tinyseg.cli import app
from tinyseg.data import open_data, split_of_kind, splits_of
from tinyseg.data.clips import shared_frames
from tinyseg.errors import DataError
from tinyseg.image import write_png
from tinyseg.training.balance import TrainData

HW = (40, 60)
SETTINGS = (*TINY, "sampling.view=64", "train.steps=1")


def picture(seed: int) -> UInt8[np.ndarray, "h w 3"]:
    return np.random.default_rng(seed).integers(0, 255, (*HW, 3)).astype(np.uint8)


def yolo(root: Path, splits: tuple[str, ...] = ("train", "val", "test")) -> Path:
    for number, split in enumerate(splits):
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for frame in range(2):
            name = f"{split}{frame}"
            write_png(root / f"images/{split}/{name}.png", picture(10 * number + frame))
            text = "0 .1 .1 .6 .1 .6 .6 .1 .6\n"
            (root / f"labels/{split}/{name}.txt").write_text(text)
    lines = [f"{split}: images/{split}\n" for split in splits]
    (root / "data.yaml").write_text("".join(lines) + "names: [car, person]\n")
    return root


def coco_json(path: Path, folder: Path, names: list[str], seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        write_png(folder / name, picture(seed + number))
    images = [
        {"id": n, "file_name": name, "height": HW[0], "width": HW[1]}
        for n, name in enumerate(names)
    ]
    square = [6, 4, 36, 4, 36, 24, 6, 24]
    rows = [
        {"id": n, "image_id": n, "category_id": 1, "segmentation": [square]}
        for n in range(len(names))
    ]
    tree = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "car"}]}
    path.write_text(json.dumps(tree))


def coco(root: Path) -> Path:
    for number, split in enumerate(("train2017", "val2017")):
        names = [f"{split}_{n}.png" for n in range(2)]
        json_path = root / f"annotations/instances_{split}.json"
        coco_json(json_path, root / split, names, 30 + 10 * number)
    return root


def roboflow_coco(root: Path) -> Path:
    for number, split in enumerate(("train", "valid")):
        coco_json(root / split / "_annotations.coco.json", root / split, [f"{split}.png"], number)
    return root


def cityscapes(root: Path) -> Path:
    for number, split in enumerate(("train", "val")):
        for side in ("leftImg8bit", "gtFine"):
            (root / side / split / "ulm").mkdir(parents=True)
        label = np.full(HW, 7, np.uint16)
        label[4:24, 6:36] = 26001
        name = f"ulm_{number:06}_000019"
        write_png(root / f"leftImg8bit/{split}/ulm/{name}_leftImg8bit.png", picture(50 + number))
        write_png(root / f"gtFine/{split}/ulm/{name}_gtFine_instanceIds.png", label)
    return root


MAKERS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "yolo": (yolo, ("train", "val", "test")),
    "coco": (coco, ("train2017", "val2017")),
    "roboflow": (roboflow_coco, ("train", "valid")),
    "cityscapes": (cityscapes, ("train", "val")),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_set_is_opened_by_split_or_whole(tmp_path: Path, kind: str) -> None:
    make, splits = MAKERS[kind]
    root = make(tmp_path)
    assert splits_of(root) == splits
    whole = open_data(root, classes=["car"])
    assert (whole.splits, whole.split) == (splits, None)
    parts = {split: open_data(root, classes=["car"], split=split) for split in splits}
    for split, part in parts.items():
        assert part.split == split
        assert {item.split for item in part.items} == {split}
        assert all(len(item.read_labels().instances) == 1 for item in part.items)
    assert sorted(i.name for part in parts.values() for i in part.items) == [
        item.name for item in whole.items
    ]


@pytest.mark.parametrize("kind", MAKERS)
def test_splits_go_by_other_names_too(tmp_path: Path, kind: str) -> None:
    make, splits = MAKERS[kind]
    root = make(tmp_path)
    assert [split_of_kind(root, kind) for kind in ("train", "val")] == list(splits[:2])
    assert open_data(root, classes=["car"], split="validation").split == splits[1]
    with pytest.raises(DataError, match=f"no such split.*{splits[0]} . {splits[1]}.*got night"):
        open_data(root, classes=["car"], split="night")


def test_several_splits_of_a_kind_need_a_choice(tmp_path: Path) -> None:
    for number, split in enumerate(("train2014", "train2017")):
        coco_json(tmp_path / f"instances_{split}.json", tmp_path, [f"{split}.png"], number)
    with pytest.raises(DataError, match=r"several splits fit.*train2014 \| train2017"):
        open_data(tmp_path, split="train")
    assert len(open_data(tmp_path, split="train2014").items) == 1


def test_a_set_without_splits_has_none(tmp_path: Path) -> None:
    root = yolo(tmp_path)
    one = root / "images/train"
    assert splits_of(one) == ()
    assert split_of_kind(one, "train") is None
    with pytest.raises(DataError, match="expected a data set with splits, got train"):
        open_data(one, split="train")


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def train(root: Path, out: Path, *words: object) -> Result:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    given = ("--classes", "car", "--device", "cpu", "--threads", 1, *settings)
    return invoke("train", "--data", root, "--out", out, *words, *given)


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the frames that a run would learn from and, behind them, be judged on; it ends
    there."""
    names: list[str] = []

    def note(learnt: list[object], judged: list[object]) -> None:
        names.extend(item.name for item in [*learnt, *judged])  # type: ignore[attr-defined]
        raise DataError("noted")

    monkeypatch.setattr(importlib.import_module("tinyseg.tasks.runs"), "check_apart", note)
    return names


def test_train_takes_the_training_split(tmp_path: Path, trained_on: list[str]) -> None:
    root = yolo(tmp_path / "set")
    done = train(root, tmp_path / "run", "--val", root)
    assert trained_on == ["train0", "train1", "val0", "val1"]
    assert f"{root}: split train (of train, val, test)".split() == done.output.split()[:7]
    trained_on.clear()
    words = ("--val", root, "--split", "test", "--val-split", "train")
    train(root, tmp_path / "run", *words)
    assert trained_on == ["test0", "test1", "train0", "train1"]
    trained_on.clear()
    (tmp_path / "list.txt").write_text("val1\ntrain0\n")
    train(root, tmp_path / "run", "--list", tmp_path / "list.txt", "--val", root)
    assert trained_on == ["val1", "train0", "val0", "val1"]


def test_judged_frames_are_not_learnt_from(tmp_path: Path) -> None:
    root = yolo(tmp_path / "set")
    done = train(root / "images/val", tmp_path / "run", "--val", root)
    assert isinstance(done.exception, DataError)
    assert "val: frames that are judged must not be learnt from" in str(done.exception)
    assert "got 2 of 2: val0 is" in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_frames_are_the_same_by_file_or_by_content(tmp_path: Path) -> None:
    root = yolo(tmp_path / "a")
    learnt, judged = (
        open_data(root, classes=["car"], split=split).items for split in ("train", "val")
    )
    assert shared_frames(learnt, judged) == []
    assert shared_frames(learnt, learnt[1:]) == [(learnt[1], learnt[1])]
    judged[0].image_path.write_bytes(learnt[1].image_path.read_bytes())
    assert shared_frames(learnt, judged) == [(learnt[1], judged[0])]
    judged[0].image_path.unlink()
    judged[0].image_path.symlink_to(learnt[0].image_path)
    assert shared_frames(learnt, judged) == [(learnt[0], judged[0])]


def test_the_split_of_the_predictions_is_judged(tmp_path: Path) -> None:
    """Frames of other splits are no misses."""
    root = yolo(tmp_path / "set")
    found, weights = tmp_path / "found", ("--plan", "whole", "--threads", 1)
    invoke("predict", root / "images/val", "--out", found, *weights)
    for verb in (("evaluate", found), ("evaluate", found, "--against", found)):
        done = invoke(*verb, "--data", root)
        assert done.exit_code == 0, done.exception
        assert "the predictions are of the split val" in done.output
        refused = invoke(*verb, "--data", root, "--split", "train")
        assert refused.exit_code != 0


def test_show_and_doctor_take_one_split(tmp_path: Path) -> None:
    root = yolo(tmp_path / "set")
    invoke("show", "--data", root, "--out", tmp_path / "all")
    invoke("show", "--data", root, "--out", tmp_path / "val", "--split", "val")
    counts = [len(list((tmp_path / out).iterdir())) for out in ("all", "val")]
    assert counts == [6, 2]
    for make, _ in MAKERS.values():
        own = make(tmp_path / make.__name__)
        both = ("--split", "train", "--val-split", "val", "--classes", "data")
        done = invoke("doctor", own, *both, "--json", tmp_path / "told.json")
        assert done.exit_code == 0, done.output
        told = json.loads((tmp_path / "told.json").read_text())
        frames = {"train": len(open_data(own, split="train", classes=["car"]).items)}
        assert {part["name"]: part["frames"] for part in told["parts"]}.items() >= frames.items()


@pytest.mark.parametrize("to", ["coco", "yolo", "cityscapes"])
def test_convert_keeps_splits_apart(tmp_path: Path, to: str) -> None:
    for make, splits in MAKERS.values():
        root, out = make(tmp_path / make.__name__), tmp_path / f"{make.__name__}-out"
        done = invoke("convert", root, "--out", out, "--to", to)
        assert done.exit_code == 0, done.exception
        assert len(splits_of(out)) == len(splits)
        for ours, theirs in zip(sorted(splits), sorted(splits_of(out)), strict=True):
            before, after = (
                open_data(path, split=split, classes=["car"])
                for path, split in ((root, ours), (out, theirs))
            )
            assert len(before.items) == len(after.items)


@pytest.mark.parametrize("to", ["coco", "yolo", "cityscapes", "labelme", "wad"])
def test_convert_writes_the_split_that_is_asked_for(tmp_path: Path, to: str) -> None:
    root = yolo(tmp_path / "set")
    done = invoke("convert", root, "--out", tmp_path / "out", "--to", to, "--split", "val")
    assert "2 frames with 2 objects" in " ".join(done.output.split())
    data = open_data(tmp_path / "out", classes=["car"])
    assert [Path(i.name).stem for i in data.items] == ["val0", "val1"]
    assert splits_of(tmp_path / "out") in ((), ("val",))


def test_a_split_that_the_new_format_cannot_have_is_refused(tmp_path: Path) -> None:
    for number, split in enumerate(("day", "night")):
        coco_json(tmp_path / f"c/instances_{split}.json", tmp_path / "c", [f"{split}.png"], number)
    done = invoke("convert", tmp_path / "c", "--out", tmp_path / "out", "--to", "yolo")
    assert "the format has no such split" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_set_may_label_some_classes_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said for each --data in turn; None is what the set's files say."""
    opened: list[frozenset[int]] = []

    def note(parts: list[TrainData], *rest: object) -> None:
        opened.extend(part.items[0].unlabelled for part in parts)
        raise DataError("noted")

    monkeypatch.setattr(importlib.import_module("tinyseg.tasks.runs"), "_count", note)
    a, b = yolo(tmp_path / "a"), yolo(tmp_path / "b")
    words = ("--data", b, "--labelled", "person", "--labelled", "car, person")
    train(a, tmp_path / "run", *words, "--classes", "car,person")
    assert opened == [frozenset({0}), frozenset()]
    refused = train(a, tmp_path / "run", "--data", b, "--labelled", "car")
    assert "--labelled: one for each --data" in str(refused.exception)


def test_frames_of_one_name_in_two_splits_stay_two(tmp_path: Path) -> None:
    """The usual case of YOLO's folders: images/train/0001.png and images/val/0001.png."""
    root = yolo(tmp_path / "set", ("train", "val"))
    for split in ("train", "val"):
        for place in root.glob(f"*/{split}/*0.*"):
            place.rename(place.with_stem("0001"))
    names = [item.name for item in open_data(root, classes=["car"]).items]
    assert names == ["train/0001", "train1", "val/0001", "val1"]
    assert len(open_data(root, classes=["car"], split="val").items) == 2
    for to in ("yolo", "coco", "labelme"):
        out = tmp_path / to
        assert invoke("convert", root, "--out", out, "--to", to).exit_code == 0
        assert len(open_data(out, classes=["car"]).items) == 4
    assert (tmp_path / "yolo/images/val/0001.png").is_file()
    done = invoke("doctor", root, "--classes", "data")
    assert "4 frames" in " ".join(done.output.split())


def test_copy_paste_without_a_horizon_is_told(tmp_path: Path) -> None:
    """Three squares fit none."""
    words = [w for s in (*SETTINGS, "sampling.copy_paste.share=0.5") for w in ("--set", s)]
    data = yolo(tmp_path / "parts", ("train",))
    told = invoke("train", "--data", data, "--out", tmp_path / "run", *words).output
    assert "no horizon fits the objects of data set 0" in " ".join(told.split())
    given = ("--set", "sampling.copy_paste.horizon=0.4", "--out", tmp_path / "other")
    assert "no horizon" not in invoke("train", "--data", data, *words, *given).output
