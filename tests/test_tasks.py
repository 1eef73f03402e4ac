"""The verbs as functions, as a program calls them; the examples of their documentation run."""

import doctest
import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tinyseg
from tinyseg.data import open_data
from tinyseg.errors import DataError
from tinyseg.frame import Instances
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.scenes import write_wad
from tinyseg.watch import Progress, Watch

TASKS = (
    *("calibration", "challenge", "data_sets", "drawings", "folders", "pages", "runs"),
    *("scores", "weights"),
)
NAMES = (
    *(
        "Progress",
        "calibrate",
        "compare",
        "check_submission",
        "convert",
        "evaluate",
        "examine",
        "export",
        "predict_folder",
        "resume",
    ),
    *("show", "show_plan", "submit", "train", "write_prior", "write_report"),
)


def beside(found: Instances) -> Instances:
    """What is found, 60 pixels to the right and less sure."""
    boxes = found.boxes + np.array([60.0, 0.0, 60.0, 0.0])
    return replace(found, masks=found.masks.shift(60.0, 0.0), boxes=boxes, scores=found.scores / 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scenes/, two small frames; found/, their labels as predictions."""
    root = tmp_path_factory.mktemp("tasks")
    write_wad(root / "scenes", count=2, seed=1, height=256, width=320, zoom=4.0)
    dataset, frames = open_data(root / "scenes"), []
    for item in dataset.items:
        own = item.read_labels()
        found = replace(own.instances, scores=own.instances.scores * 0.9)
        frames.append(FramePredictions(own.name, f"{own.name}.jpg", own.hw, found))
    (root / "found").mkdir()
    write_predictions(root / "found/predictions.json", Predictions(dataset.classes, tuple(frames)))
    guesses = tuple(
        replace(frame, instances=Instances.concatenate([frame.instances, beside(frame.instances)]))
        for frame in frames
    )
    write_predictions(root / "guesses.json", Predictions(dataset.classes, guesses))
    empty = tuple(replace(frame, instances=Instances.empty()) for frame in frames)
    write_predictions(root / "nothing.json", Predictions(dataset.classes, empty))
    return root


@pytest.mark.parametrize("module", TASKS)
def test_the_examples_run(module: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names = {"tinyseg": tinyseg}
    done = doctest.testmod(importlib.import_module(f"tinyseg.tasks.{module}"), extraglobs=names)
    assert done.attempted
    assert not done.failed


def test_they_are_the_packages_own_names() -> None:
    """Also after rooms are imported, whose names no function may have."""
    for name in NAMES:
        assert callable(getattr(tinyseg, name)), name
        assert name in tinyseg.__all__


def test_progress_and_remarks_go_to_the_caller(folder: Path) -> None:
    seen: list[Progress] = []
    told: list[str] = []
    report = folder / "both.html"
    paths = [folder / "found", folder / "nothing.json"]
    tinyseg.write_report(
        paths,
        folder / "scenes",
        report,
        choice=tinyseg.ReportChoice(faults=True),
        resampling=tinyseg.Resampling(20),
        on_progress=seen.append,
        on_remark=told.append,
    )
    stages = list(dict.fromkeys(one.stage for one in seen))
    assert stages[:2] == ["reading labels", "measuring found"]
    for stage in stages:
        own = [one for one in seen if one.stage == stage]
        assert (own[0].done, own[-1].over) == (0, True)
        assert own[-1].done == own[-1].total, stage
        assert [one.done for one in own[:-1]] == list(range(own[-1].total + 1))
    assert not told
    assert b"<html" in report.read_bytes()


def test_a_stage_ends_with_an_error_too() -> None:
    seen: list[Progress] = []
    stages = Watch(on_progress=seen.append)

    def fail() -> None:
        with stages.stage("work", 3) as stage:
            stage.advance()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert seen[-1] == Progress("work", 1, 3, over=True)


def test_remarks_are_warnings_where_nobody_hears_them(folder: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="left out, cityscapes has no such class: tricycle"):
        tinyseg.convert(folder / "scenes", tmp_path / "c", "cityscapes")


def test_figures_of_the_functions(folder: Path) -> None:
    data = folder / "scenes"
    scored = tinyseg.evaluate(
        folder / "found",
        tinyseg.Place(data),
        resampling=tinyseg.Resampling(20, seed=3),
        challenge=True,
        breakdown=tinyseg.BreakdownChoice(),
    )
    assert scored.scores.any_class.ap == pytest.approx(1)
    assert {"averages", "intervals", "challenge", "breakdown"} <= set(scored.to_json())
    compared = tinyseg.compare(
        folder / "nothing.json", folder / "found", data, resampling=tinyseg.Resampling(20)
    )
    assert compared.rows[1].of("ap").difference == pytest.approx(1)
    with pytest.raises(DataError, match="masks"):
        tinyseg.evaluate(folder / "found", data, boxes=True, challenge=True)


def test_boxes_alone_make_a_report(folder: Path) -> None:
    """Boxes without masks cannot be measured by masks; by boxes they are right."""
    out = folder / "boxes.html"
    choice = tinyseg.ReportChoice(frames=1)
    written = tinyseg.write_report(
        folder / "found", folder / "scenes", out, choice=choice, boxes=True, max_detections=50
    )
    assert (written.frames, written.size_bytes) == (1, out.stat().st_size)
