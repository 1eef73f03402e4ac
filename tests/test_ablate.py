"""The ablation's table: resumable row by row, weights shared, honest about spread."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ablation import Looking, scaled
from ablation_rows import (
    ROWS,
    Figures,
    Judged,
    Row,
    Work,
    check_settings,
    gains,
    run_rows,
    to_markdown,
)

from tinyseg.errors import TrainingError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.masks import CropMasks
from tinyseg.masks.build import filled
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.recipes import Recipe, find_recipe, lite
from tinyseg.scoring.score import Averages

SCALES: dict[str, tuple[str, ...]] = {"1500,1800": (), "1800,2400": (), "varied": ()}
TRAINED = sum(row.trained_as is None for row in ROWS)


class Fake:
    """Stands for training and scoring; counts what was asked of it."""

    def __init__(self, *, stop_after: int = 1000) -> None:
        self.fitted: list[tuple[str, bool]] = []
        self.recipes: list[Recipe] = []
        self.judged: list[str] = []
        self.stop_after = stop_after

    def fit(self, recipe: Recipe, out: Path, start: Path | None) -> int:
        if len(self.fitted) == self.stop_after:
            raise KeyboardInterrupt
        self.fitted.append((recipe.name, start is not None))
        self.recipes.append(recipe)
        return recipe.train.steps

    def judge(self, folders: Sequence[Path], row: Row) -> Judged:
        seeds = "+".join(folder.parent.parent.name for folder in folders)
        self.judged.append(f"{seeds} {row.plan}")
        ap = 0.1 + 0.02 * ("seed-1" in seeds)
        averages = Averages(0.3, 0.2, float("nan"), 0.1, 0.2, 0.3, ap)
        return Judged(averages, Averages(*[0.5] * 7), 57, self.found(folders, row))

    def found(self, folders: Sequence[Path], row: Row) -> Predictions:
        """Of 10 cars, rows from COCO find 7 and other rows 3, in frames of ten pixels' height."""
        count = 7 if row.from_coco else 3
        frames = [
            FramePredictions(frame.name, frame.name, frame.hw, frame.instances)
            for frame in labelled(count)
        ]
        none = FramePredictions("none", "none", (10, 10), Instances.empty())
        empty = [replace(none, name=f.name, file_name=f.name) for f in labelled(10)[count:]]
        return Predictions(("car",), (*frames, *empty))


def labelled(count: int) -> list[FrameLabels]:
    """Frames with a car each."""
    box = np.array([[2.0, 2.0, 8.0, 8.0]])
    car = Instances(box, filled(box), np.zeros(1, np.int64), np.ones(1))
    return [FrameLabels(f"frame{n}", (10, 10), car, CropMasks.empty()) for n in range(count)]


def run(
    out: Path,
    fake: Fake,
    base: Recipe | None = None,
    *,
    start: Path | None = None,
    frames: str = "some",
    scored: str = "others",
    seeds: Sequence[int] = (0, 1),
) -> dict[str, list[Figures]]:
    return run_rows(
        base or lite(),
        ROWS,
        seeds=seeds,
        out=out,
        work=Work(
            fake.fit,
            fake.judge,
            learnt_from=lambda row: {"frames": frames, "start": f"{row.from_coco and start}"},
            judged_by=lambda row: {"frames": scored},
            start=start,
        ),
        scales=SCALES,
        on_done=lambda row, seeds, figures: None,
    )


def test_each_row_and_seed_is_trained_once_and_coco_once_a_seed(tmp_path: Path) -> None:
    fake = Fake()
    table = run(tmp_path, fake)
    assert len(fake.fitted) == 2 * (TRAINED + 1)
    assert sum(name == "pre-training" for name, _ in fake.fitted) == 2
    assert sum(started for _, started in fake.fitted) == 2 * (TRAINED - 1)
    assert all(len(table[row.name]) == 2 // row.seeds for row in ROWS)


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = Fake(stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, first)
    second = Fake()
    run(tmp_path, second)
    assert len(first.fitted) + len(second.fitted) == 2 * (TRAINED + 1)
    third = Fake()
    run(tmp_path, third)
    assert (third.fitted, third.judged) == ([], [])


def test_figures_of_another_budget_are_refused(tmp_path: Path) -> None:
    run(tmp_path, Fake())
    longer = lite()
    longer = replace_steps(longer, longer.train.steps + 1)
    with pytest.raises(TrainingError, match="another recipe, budget, data or start"):
        run(tmp_path, Fake(), longer)


def test_given_weights_stand_in_for_pre_training(tmp_path: Path) -> None:
    fake = Fake()
    run(tmp_path, fake, start=Path("given"))
    assert {name for name, _ in fake.fitted} == {"lite"}
    assert sum(started for _, started in fake.fitted) == 2 * (TRAINED - 1)
    again = Fake()
    run(tmp_path, again, start=Path("given"))
    assert again.fitted == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"start": Path("other")}, "COCO, learnt_from: .*other.*given"),
        ({"frames": "few"}, "Mask R-CNN, learnt_from: .*few.*some"),
        ({"scored": "few"}, "Mask R-CNN, judged_by: .*few.*others"),
    ],
)
def test_figures_of_other_weights_or_frames_are_refused(
    changed: dict[str, Any], told: str, tmp_path: Path
) -> None:
    run(tmp_path, Fake(), start=Path("given"))
    with pytest.raises(TrainingError) as caught:
        run(tmp_path, Fake(), **{"start": Path("given"), **changed})
    assert re.search(told, str(caught.value))


def test_weights_that_were_not_scored_yet_are_not_taken_for_others(tmp_path: Path) -> None:
    class Unscored(Fake):
        def judge(self, folders: Sequence[Path], row: Row) -> Judged:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Unscored())
    with pytest.raises(TrainingError, match="another recipe, budget, data or start"):
        run(tmp_path, Fake(), frames="few")


def test_context_and_paths_are_the_rows_own(tmp_path: Path) -> None:
    fake = Fake()
    run(tmp_path, fake, find_recipe("tis_lite"), start=Path("given"))
    seen = [(r.network.context_attention, r.network.path_aggregation) for r in fake.recipes[:4]]
    assert seen == [(False, False), (False, False), (True, False), (True, True)]


@pytest.mark.parametrize(
    "setting",
    ["sampling.sources=vtr", "sampling={}", "train.seed=3", "network.path_aggregation=true"],
)
def test_a_key_that_rows_set_is_refused(setting: str) -> None:
    with pytest.raises(TrainingError, match="rows set this key themselves"):
        check_settings([setting], scaled(1.0))
    check_settings(["train.steps=3", "sampling.repeat=0.3"], scaled(1.0))


def test_tiles_have_the_zoom_of_whole_frames_at_the_rows_resolutions() -> None:
    """3384 x 2710 pixels at the slides' three ranges: 1800 wide, 1800 high, and all between."""
    learnt = {name: settings[0] for name, settings in scaled(1.0, tile=(448, 448)).items()}
    assert learnt == {
        "1500,1800": "sampling.sources=[{kind: tile, view: [448, 448], zoom: [0.532, 0.532]}]",
        "1800,2400": "sampling.sources=[{kind: tile, view: [448, 448], zoom: [0.664, 0.664]}]",
        "varied": "sampling.sources=[{kind: tile, view: [448, 448], zoom: [0.554, 0.664]}]",
    }
    assert [s[1:] for s in scaled(1.0, tile=(448, 448)).values()] == [
        s[1:] for s in scaled(1.0).values()
    ]


def test_frames_of_another_size_are_looked_at_at_the_same_zoom() -> None:
    sizes = {name: settings[1:] for name, settings in scaled(1.0, frame_hw=(640, 1280)).items()}
    assert sizes["1500,1800"] == ("predict.short_side=340", "predict.longest_side=681")
    assert sizes["varied"] == ("predict.short_side=425", "predict.longest_side=850")
    assert Looking(1.0, 1.0, height=640).scales == (354, 425, 567)


def replace_steps(recipe: Recipe, steps: int) -> Recipe:
    train = recipe.train.model_copy(update={"steps": steps})
    return recipe.model_copy(update={"train": train})


def test_the_table_says_mean_and_half_the_spread(tmp_path: Path) -> None:
    table = run(tmp_path, Fake())
    lines = to_markdown(ROWS, table).splitlines()
    assert lines[2].startswith("| Mask R-CNN | 30.0 ±0.0 | 20.0 ±0.0 | - | 10.0 ±0.0 |")
    assert "| 11.0 ±1.0 | 50.0 ±0.0 |" in lines[2]
    assert lines[3].startswith("| *slides* | *25.4* | *15.1* |  | *7.1* |")
    figures = table["COCO"][0]
    one = to_markdown([ROWS[1]], {"COCO": [replace(figures, steps=7)]})
    assert "±" not in one
    assert "| 7 |" in one


def test_networks_of_several_seeds_look_together(tmp_path: Path) -> None:
    fake = Fake()
    table = run(tmp_path, fake, seeds=(0, 1, 2, 3, 4))
    pair = next(row.name for row in ROWS if row.seeds == 2)
    assert [seeds for seeds in fake.judged if "+" in seeds][:2] == [
        "seed-0+seed-1 scales",
        "seed-2+seed-3 scales",
    ]
    assert [f.steps for f in table[pair]] == [2 * lite().train.steps] * 2
    alone = run(tmp_path / "alone", Fake(), seeds=(0,))
    assert alone[pair] == []
    assert pair not in to_markdown(ROWS, alone)


def test_rows_that_share_weights_learn_from_one_recipe() -> None:
    by_name = {row.name: row for row in ROWS}
    for row in (row for row in ROWS if row.trained_as is not None):
        origin = by_name[row.trained_as or ""]
        assert (row.settings, row.scale, row.from_coco) == (
            origin.settings,
            origin.scale,
            origin.from_coco,
        )


def test_what_a_row_adds_has_an_interval_over_frames_drawn_with_all_seeds(tmp_path: Path) -> None:
    run(tmp_path, Fake())
    rows = [*ROWS[:2], *ROWS[-2:]]
    table = gains(rows, (0, 1), tmp_path, labelled(10), ["car"])
    lines = {line.split("|")[1].strip(): line for line in table.splitlines()}
    assert len(lines) == 2 + 2  # the first row adds to nothing, the third to one that is not there
    plus, low, high = map(float, re.findall(r"[+-][\d.]+", lines["COCO"])[:3])
    assert plus == pytest.approx(39.6, abs=1.1)  # AP .7 against .3, at 101 recalls
    assert 0 <= low < 20 < 60 < high < 90  # of ten frames, however many seeds looked at them
    assert "| +0.0 (+0.0 to +0.0) |" in lines["+ another backbone"]
