"""What there is to learn, counted before the first step."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.data.dataset import Item
from tinyseg.errors import DataError, TinysegError, TrainingError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.masks import CropMasks
from tinyseg.training import label_scan
from tinyseg.training.label_scan import check_census, take_census

CLASSES = ("car", "person")


def masks(count: int) -> CropMasks:
    return CropMasks.pack_pixels([(0, 0)] * count, [np.full((4, 4), 255, np.uint8)] * count)


def item(labels: list[int], *, crowds: int = 0, left_out: tuple[str, ...] = ()) -> Item:
    instances = Instances.from_labels(masks(len(labels)), np.array(labels, np.int64))
    one = FrameLabels("a", (8, 8), instances, masks(crowds), left_out=left_out)
    return Item("a", Path("a.png"), lambda: one, frozenset({1}))


def test_labels_are_counted_by_class() -> None:
    items = [item([0, 0, 1], crowds=2), item([], left_out=("dog", "dog", "cat")), item([0])]
    counted = take_census(items, CLASSES)
    assert counted.instances.tolist() == [3, 1]
    assert (counted.frames, counted.read, counted.ignored, counted.empty) == (3, 3, 2, 1)
    assert counted.left_out == Counter(dog=2, cat=1)
    assert counted.unlabelled == {1}
    assert check_census([counted], CLASSES) == ()


def test_a_class_without_an_instance_is_named_and_none_at_all_stops() -> None:
    cars = take_census([item([0])], CLASSES)
    assert check_census([cars], CLASSES) == ("person",)
    nothing = take_census([item([], crowds=3, left_out=("truk",))], CLASSES)
    assert check_census([nothing, cars], CLASSES) == ("person",)
    with pytest.raises(TrainingError, match=r"nothing to learn.*1 of truk, 3 crowds") as caught:
        check_census([nothing], CLASSES)
    assert caught.value.expected == "car, person"


def test_a_large_set_is_counted_in_part_but_for_its_only_instance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_scan, "CENSUS_FRAMES", 4)
    assert take_census([item([0])] * 40, CLASSES).read == 4
    late = [item([])] * 33 + [item([1])] + [item([])] * 6
    counted = take_census(late, CLASSES)
    assert counted.instances.tolist() == [0, 1]
    assert counted.read < 40


def test_what_cannot_be_read_is_told_or_stops() -> None:
    def fail() -> FrameLabels:
        raise DataError("broken")

    items = [Item("b", Path("b.png"), fail), item([0])]
    with pytest.raises(DataError):
        take_census(items, CLASSES)
    told: list[tuple[str, TinysegError]] = []
    counted = take_census(items, CLASSES, on_skip=lambda one, error: told.append((one.name, error)))
    assert [name for name, _ in told] == ["b"]
    assert counted.read == 1


def test_train_prints_the_table_and_stops_where_there_is_nothing(tmp_path: Path) -> None:
    runner = CliRunner()
    made = runner.invoke(app, ["synth", "--out", str(tmp_path / "s"), "--count", "1"])
    assert made.exit_code == 0, made.output
    words = ["train", "--data", str(tmp_path / "s"), "--classes", "caar", "--set", "train.steps=1"]
    result = runner.invoke(app, [*words, "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert not (tmp_path / "run").exists()
    assert isinstance(result.exception, TrainingError)
    assert "nothing to learn" in str(result.exception)
    assert "not labelled" in result.output
