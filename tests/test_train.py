"""Training: that it learns, that it repeats, and how it ends."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch
import yaml
from _small_frames import broken_item, item, items
from _street import street

from tinyseg.data import Item
from tinyseg.errors import DataError, OutputError, TinysegError, TrainingError
from tinyseg.frame import FrameLabels
from tinyseg.model.detector import Detector
from tinyseg.networks import build_detector, load_detector
from tinyseg.recipes import Recipe, Train, find_recipe, recipe_from_tree, with_settings
from tinyseg.stored import WEIGHTS_NAME, read_weights_prior
from tinyseg.tasks.runs import with_precision
from tinyseg.training.balance import Draws
from tinyseg.training.batches import FrameStore
from tinyseg.training.launch import launch_processes, mixed_pays
from tinyseg.training.learner import learning_rate
from tinyseg.training.log import StepReport
from tinyseg.training.loop import train
from tinyseg.views import learn_prior

CPU = torch.device("cpu")
SMALL = (
    "classes=[car, person]",
    "network.backbone=test_efficientnet",
    "network.pyramid_channels=16",
    "network.box_hidden=32",
    "network.mask_depth=1",
    "network.proposals.kept=[60, 60]",
    "network.boxes.sampled=48",
    "sampling.view=96",
    "sampling.zoom=[0.8, 1.25]",
    "train.warm_up=3",
    "train.learning_rate=2e-3",
    "train.steps=4",
)


def recipe(*settings: str) -> Recipe:
    return with_settings(find_recipe("lite"), [*SMALL, *settings])


def detector(chosen: Recipe, seed: int = 0) -> Detector:
    torch.manual_seed(seed)
    return build_detector(chosen)


def run(
    folder: Path,
    chosen: Recipe,
    frames: Sequence[Item],
    *,
    on_step: Callable[[StepReport], None] | None = None,
    network: Detector | None = None,
) -> list[StepReport]:
    """A run into `folder`; its reports."""
    reports: list[StepReport] = []

    def keep(report: StepReport) -> None:
        reports.append(report)
        if on_step is not None:
            on_step(report)

    network = detector(chosen) if network is None else network
    train(network, chosen, FrameStore(frames), folder, fabric=launch_processes(CPU), on_step=keep)
    return reports


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / "log.jsonl").read_bytes().splitlines()]


def no_thread_is_left() -> bool:
    return not any(thread.name.startswith("views") for thread in threading.enumerate())


# ---------------------------------------------------------------------------- runs


def test_it_learns(tmp_path: Path) -> None:
    """Over seeds 0 ... 3 on one and two threads the factor is 0.29 ... 0.43."""
    own = ("network.backbone=tf_efficientnet_lite0", "sampling.views_per_frame=1")
    chosen = recipe("train.steps=40", "train.save_every=1000", *own)
    reports = run(tmp_path / "run", chosen, items(tmp_path))
    assert np.mean([r.total for r in reports[-8:]]) < 0.6 * reports[0].total
    assert [r.step for r in reports] == list(range(40))
    assert [row["total"] for row in log_of(tmp_path / "run")] == [r.total for r in reports]
    network, again = load_detector(tmp_path / "run")
    assert again == chosen
    assert not network.training
    written = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())
    assert recipe_from_tree(written) == chosen
    assert no_thread_is_left()


def test_one_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    frames = items(tmp_path)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, recipe(f"train.seed={seed}"), frames)
    a, b, c = (load_detector(tmp_path / name)[0].state_dict() for name in "abc")
    assert all(torch.equal(value, b[name]) for name, value in a.items())
    assert not all(torch.equal(value, c[name]) for name, value in a.items())
    losses = [[row["losses"] for row in log_of(tmp_path / name)] for name in "abc"]
    assert losses[0] == losses[1] != losses[2]
    same = ((tmp_path / name / WEIGHTS_NAME).read_bytes() for name in "ab")
    assert len(set(same)) == 1


def test_stored_statistics_of_norms_do_not_change(tmp_path: Path) -> None:
    chosen = recipe("train.steps=2")
    network = detector(chosen)
    before = {n: b.clone() for n, b in network.named_buffers()}
    weights = {n: p.detach().clone() for n, p in network.named_parameters()}
    run(tmp_path / "run", chosen, items(tmp_path), network=network)
    assert all(torch.equal(before[name], value) for name, value in network.named_buffers())
    changed = [n for n, p in network.named_parameters() if not torch.equal(p, weights[n])]
    assert len(changed) > 0.9 * len(weights)


def test_the_prior_of_the_labels_goes_with_the_weights(tmp_path: Path) -> None:
    chosen, frames = recipe("train.steps=1"), items(tmp_path)
    draws = replace(Draws.even(len(frames)), prior=learn_prior([street()]))
    store = FrameStore(frames, draws=draws)
    told: list[StepReport] = []
    train(
        detector(chosen),
        chosen,
        store,
        tmp_path / "run",
        fabric=launch_processes(CPU),
        on_step=told.append,
    )
    own = read_weights_prior(tmp_path / "run")
    assert own is not None
    assert [c.camera for c in own.cameras] == ["5"]


def test_interruption_leaves_weights_and_log(tmp_path: Path) -> None:
    def interrupt(report: StepReport) -> None:
        if report.step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", recipe("train.steps=50"), items(tmp_path), on_step=interrupt)
    load_detector(tmp_path / "run")
    assert [row["step"] for row in log_of(tmp_path / "run")] == [0, 1]
    assert no_thread_is_left()


def test_weights_are_replaced_whole_every_few_steps(tmp_path: Path) -> None:
    seen: list[bool] = []

    def look(report: StepReport) -> None:
        seen.append((tmp_path / "run" / WEIGHTS_NAME).exists())

    chosen = recipe("train.save_every=2", "train.steps=3")
    run(tmp_path / "run", chosen, items(tmp_path), on_step=look)
    assert seen == [False, False, True]


def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path: Path) -> None:
    chosen = recipe("train.steps=5")
    network = detector(chosen)
    kept: dict[str, torch.Tensor] = {}

    def spoil(report: StepReport) -> None:
        if report.step == 1:
            network.mean.fill_(float("nan"))
            kept.update({n: p.detach().clone() for n, p in network.named_parameters()})

    with pytest.raises(TrainingError, match="not finite") as caught:
        run(tmp_path / "run", chosen, items(tmp_path), on_step=spoil, network=network)
    assert "step 2, frames ['frame" in str(caught.value)
    saved = load_detector(tmp_path / "run")[0]
    for name, value in saved.named_parameters():
        assert value.isfinite().all()
        assert torch.equal(value, kept[name])
    assert len(log_of(tmp_path / "run")) == 2


def test_a_frame_that_cannot_be_read_ends_the_run_with_its_own_error(tmp_path: Path) -> None:
    chosen = recipe("train.steps=40", "train.batch=1", "sampling.views_per_frame=1")
    frames = [*items(tmp_path), broken_item(9)]
    with pytest.raises(TinysegError, match=r"9\.png"):
        run(tmp_path / "run", chosen, frames)
    load_detector(tmp_path / "run")
    assert len(log_of(tmp_path / "run")) < 4
    assert no_thread_is_left()


def test_labels_that_cannot_be_read_end_the_run_too(tmp_path: Path) -> None:
    def fail() -> FrameLabels:
        raise DataError("a label of an unknown class", got=7)

    bad = Item("bad", item(tmp_path, 0).image_path, fail)
    with pytest.raises(DataError, match="unknown class"):
        run(tmp_path / "run", recipe(), [bad])
    load_detector(tmp_path / "run")
    assert no_thread_is_left()


def test_a_run_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no frame"):
        run(tmp_path / "run", recipe(), [])
    assert not (tmp_path / "run").exists()


def test_weights_of_another_run_are_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / WEIGHTS_NAME).write_bytes(b"dear")
    with pytest.raises(TrainingError, match="another run"):
        run(folder, recipe(), items(tmp_path))
    assert (folder / WEIGHTS_NAME).read_bytes() == b"dear"
    assert sorted(p.name for p in folder.iterdir()) == [WEIGHTS_NAME]


def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        run(tmp_path / "file", recipe(), items(tmp_path))
    with pytest.raises(OutputError, match="cannot be written"):
        run(tmp_path / "file" / "run", recipe(), items(tmp_path))

    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("tinyseg.files._try_out", refuse)  # the tests may run as root
    with pytest.raises(OutputError, match="Permission denied"):
        run(tmp_path / "run", recipe(), items(tmp_path))


def test_learning_rate_by_hand() -> None:
    chosen = Train(steps=110, warm_up=10, learning_rate=1.0)
    assert learning_rate(0, chosen) == pytest.approx(0.1)
    assert learning_rate(9, chosen) == pytest.approx(1.0)
    assert learning_rate(10, chosen) == pytest.approx(1.0)
    assert learning_rate(60, chosen) == pytest.approx(0.01 + 0.99 * 0.5)
    assert 0.01 <= learning_rate(109, chosen) < 0.011


def test_bfloat16_is_measured_and_changes_neither_weights_nor_chance() -> None:
    detector = build_detector(recipe()).train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    pays, told = mixed_pays(detector, CPU)
    assert torch.equal(torch.rand(3), wanted)
    times = [float(word) for word in told.split() if word[0].isdigit()]
    assert min(times) > 0
    assert pays == (times[0] * 1.05 < times[1]) or abs(times[0] * 1.05 - times[1]) < 0.02
    assert all(p.grad is None for p in detector.parameters())
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_auto_is_decided_before_the_run_is_written() -> None:
    chosen = recipe()
    assert chosen.train.mixed == "auto"
    decided, why = with_precision(chosen, build_detector(chosen), launch_processes(CPU))
    assert "s in bfloat16" in why
    assert decided.train.mixed in (True, False)
    assert decided.model_copy(update={"train": chosen.train}) == chosen
