"""The run as a whole: killed and resumed, on several processes, averaged, evaluated, stopped.

TINYSEG_KILLS=n makes the storm n times as long as usual (`make kill-storm`).
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest
import torch
from _short_run import (
    PATIENCE_S,
    STEPS,
    finish,
    free_port,
    result,
    small_recipe,
    start,
    start_or_go_on,
    stop_itself,
    torchrun_names,
    train_in_double,
)
from _small_frames import items
from tensorboard.compat.proto.event_pb2 import Event
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.errors import OutputError, TrainingError
from tinyseg.model.detector import Detector
from tinyseg.networks import build_detector, load_detector
from tinyseg.recipes import Recipe, Train
from tinyseg.scoring.score import Averages
from tinyseg.stored import WEIGHTS_NAME
from tinyseg.training.batches import FrameStore
from tinyseg.training.checkpoint import Checkpoint, newest_checkpoint, read_checkpoint
from tinyseg.training.launch import launch_processes
from tinyseg.training.learner import WeightAverage, learning_rate
from tinyseg.training.log import EVALUATIONS_NAME, StepReport
from tinyseg.training.loop import STOPPED_NAME, train
from tinyseg.training.validation import Validate, selection_score, validate_on

CPU = torch.device("cpu")
TIMES = int(os.environ.get("TINYSEG_KILLS", "1"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scenes")
    words = ["synth", "--out", str(out), "--count", "3", "--size", "320x256", "--zoom", "4"]
    assert CliRunner().invoke(app, words).exit_code == 0
    return out


@pytest.fixture(scope="module")
def whole(scenes: Path) -> Path:
    """The run that nobody disturbed."""
    run = scenes / "whole"
    finish(start(start_or_go_on, scenes, run))
    return run


def same(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether weights, averages and the optimizer's memory are the same, bit for bit."""
    assert one.ema is not None
    assert other.ema is not None
    pairs = (
        (one.weights, other.weights),
        (one.ema, other.ema),
        (one.optimizer, other.optimizer),
    )
    return all(a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a) for a, b in pairs)


def run_here(
    folder: Path,
    recipe: Recipe,
    *,
    pictures: Path,
    on_step: Callable[[StepReport], None] = lambda report: None,
    validate: Validate | None = None,
    begin: Checkpoint | None = None,
) -> None:
    """A run in this process, where signatures are checked."""
    torch.manual_seed(0)
    frames = FrameStore(items(pictures))
    detector, fabric = build_detector(recipe), launch_processes(CPU)
    train(
        detector,
        recipe,
        frames,
        folder,
        fabric=fabric,
        on_step=on_step,
        validate=validate,
        start=begin,
    )


# ---------------------------------------------------------------------------- kills


def test_a_killed_run_goes_on_as_if_it_had_not_been(
    scenes: Path, whole: Path, tmp_path: Path
) -> None:
    """Killed at random moments, some while saving: weights, optimizer and log are the same."""
    undisturbed = whole
    checkpoint, log = result(undisturbed)
    totals = [row["total"] for row in log]
    assert np.isfinite(totals).all()
    assert len(set(totals)) == STEPS
    generator, killed = random.Random(1), 0
    for index in range(2 * TIMES):
        run = tmp_path / f"run{index}"
        for _ in range(1 + index % 2):
            process = start(start_or_go_on, scenes, run)
            wanted = run / "checkpoints" / f"step-{generator.randrange(0, STEPS - 1, 2):06d}"
            while process.is_alive() and not wanted.exists():
                time.sleep(0.002)
            process.join(generator.uniform(0.0, 0.2))
            killed += process.is_alive()
            process.kill()
            process.join()
        finish(start(start_or_go_on, scenes, run))
        again, its_log = result(run)
        assert same(again, checkpoint)
        assert its_log == log
        weights = (run / WEIGHTS_NAME).read_bytes()
        assert weights == (undisturbed / WEIGHTS_NAME).read_bytes()
        shutil.rmtree(run)
    print(f"{killed} kills in {2 * TIMES} runs, all ended with the same bytes")
    assert killed >= TIMES


def test_going_on_with_another_seed_ends_elsewhere(tmp_path: Path) -> None:
    """The comparison can tell two runs apart; from one checkpoint the seed alone decides."""
    recipe = small_recipe("train.steps=4", "train.picture_every=0")
    run_here(tmp_path / "run", recipe, pictures=tmp_path)
    middle = replace(checkpoint_of(tmp_path / "run", 2), recipe={})
    ends = []
    for name, seed in (("same", 0), ("other", 1)):
        shutil.copytree(tmp_path / "run", tmp_path / name)
        shutil.rmtree(tmp_path / name / "checkpoints" / "step-000004")
        chosen = small_recipe("train.steps=4", "train.picture_every=0", f"train.seed={seed}")
        run_here(tmp_path / name, chosen, pictures=tmp_path, begin=middle)
        ends.append(checkpoint_of(tmp_path / name, 4))
    assert same(ends[0], checkpoint_of(tmp_path / "run", 4))
    assert not same(ends[1], ends[0])


def checkpoint_of(run: Path, step: int) -> Checkpoint:
    return read_checkpoint(run / "checkpoints" / f"step-{step:06d}")


def test_a_damaged_newest_checkpoint_costs_only_time(tmp_path: Path) -> None:
    recipe = small_recipe("train.steps=4", "train.picture_every=0")
    run_here(tmp_path / "run", recipe, pictures=tmp_path)
    end = checkpoint_of(tmp_path / "run", 4)
    path = tmp_path / "run" / "checkpoints" / "step-000004" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    found = newest_checkpoint(tmp_path / "run")
    assert found.checkpoint is not None
    assert found.checkpoint.step == 2
    run_here(tmp_path / "run", recipe, pictures=tmp_path, begin=found.checkpoint)
    assert same(checkpoint_of(tmp_path / "run", 4), end)


def test_resume_says_what_is_wrong(tmp_path: Path, whole: Path) -> None:
    def said(*words: str) -> str:
        caught = CliRunner().invoke(app, ["train", *words])
        return str(caught.exception)

    assert "not a run's folder" in said("--resume", str(tmp_path))
    assert "its own data" in said("--resume", str(tmp_path), "--data", str(tmp_path))
    for option, value in (("--recipe", "lite"), ("--val-list", "a"), ("--val-split", "val")):
        assert "its own data" in said("--resume", str(whole), option, value)
    assert "--data and --out" in said("--out", str(tmp_path))
    (tmp_path / "run.json").write_text('{"data": 3}')
    assert "run.json" in said("--resume", str(tmp_path))
    # A run that has ended has nothing left to do.
    assert CliRunner().invoke(app, ["train", "--resume", str(whole)]).exit_code == 0
    run = tmp_path / "spoilt"
    shutil.copytree(whole, run)
    for path in (run / "checkpoints").glob("*/state.json"):
        path.write_bytes(b"")
    assert "no checkpoint of the run can be read" in said("--resume", str(run))


def test_one_list_and_share_for_each_data_set(scenes: Path, tmp_path: Path) -> None:
    twice = ["--data", str(scenes), "--data", str(scenes), "--out", str(tmp_path / "run")]
    caught = CliRunner().invoke(app, ["train", *twice, "--share", "1"])
    assert "one for each --data" in str(caught.exception)


# ---------------------------------------------------------------------------- processes


def test_two_processes_learn_what_one_with_twice_the_batch_does(tmp_path: Path) -> None:
    """In float64, over 5 steps, within 1e-5; and it is not because nothing is learnt."""
    items(tmp_path)
    common = ("train.steps=5", "train.save_every=5", "train.picture_every=0")
    port = free_port()
    one = start(train_in_double, tmp_path, tmp_path / "one", [*common, "train.batch=2"], {})
    two = [
        start(
            train_in_double,
            tmp_path,
            tmp_path / "two",
            [*common, "train.batch=1"],
            torchrun_names(rank, 2, port),
        )
        for rank in (0, 1)
    ]
    for process in (one, *two):
        finish(process)
    ends = [checkpoint_of(tmp_path / name, 5).weights for name in ("one", "two")]
    first = checkpoint_of(tmp_path / "one", 0).weights
    apart = max(float((ends[0][n] - ends[1][n]).abs().max()) for n in ends[0])
    moved = max(float((ends[0][n] - first[n]).abs().max()) for n in first)
    print(f"two processes and one differ by {apart:.1e}, the weights moved by {moved:.1e}")
    assert apart < 1e-5
    assert moved > 1e-4
    logs = [(tmp_path / name / "log.jsonl").read_bytes().splitlines() for name in ("one", "two")]
    totals = [[orjson.loads(line)["total"] for line in lines] for lines in logs]
    np.testing.assert_allclose(totals[0], totals[1], rtol=1e-5)


def test_a_run_of_two_nodes_goes_on_after_one_was_lost(tmp_path: Path) -> None:
    """The other one says so and ends; resumed, the run ends as if nothing had been."""
    items(tmp_path)
    settings = ("train.steps=6", "train.save_every=2", "train.picture_every=0", "train.batch=1")

    def nodes(run: Path, dies_at: int | None = None) -> list[BaseProcess]:
        names, port = partial(torchrun_names, nodes=2), free_port()
        words = (tmp_path, run, settings)
        return [
            start(train_in_double, *words, names(0, 2, port)),
            start(train_in_double, *words, names(1, 2, port), dies_at),
        ]

    lost = tmp_path / "lost"
    first, second = nodes(lost, dies_at=2)
    for process in (first, second):
        process.join(PATIENCE_S)
    assert (first.exitcode, second.exitcode) == (2, -signal.SIGKILL)
    told = (lost / "error-0").read_text()
    assert "step 3: another process of the run is gone" in told
    assert "--resume" in told
    assert checkpoint_of(lost, 2).step == 2
    for process in [*nodes(lost), *nodes(tmp_path / "whole")]:
        finish(process)
    assert same(checkpoint_of(lost, 6), checkpoint_of(tmp_path / "whole", 6))


@pytest.mark.skipif(TIMES == 1, reason="a start of torchrun takes half a minute")
def test_torchrun_starts_the_processes(tmp_path: Path) -> None:
    items(tmp_path)
    settings = ["train.steps=5", "train.save_every=5", "train.picture_every=0"]
    script = Path(__file__).with_name("_short_run.py")
    words = [str(script), str(tmp_path), str(tmp_path / "two"), *settings, "train.batch=1"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*launcher, *words], check=True, timeout=300)
    settings.append("train.batch=2")
    finish(start(train_in_double, tmp_path, tmp_path / "one", settings, {}))
    ends = [checkpoint_of(tmp_path / name, 5).weights for name in ("one", "two")]
    apart = max(float((ends[0][n] - ends[1][n]).abs().max()) for n in ends[0])
    print(f"under torchrun the weights differ by {apart:.1e}")
    assert apart < 1e-5


def test_accumulated_batches_are_one_step(tmp_path: Path) -> None:
    seen: list[StepReport] = []
    recipe = small_recipe("train.steps=2", "train.batch=1", "train.accumulate=3")
    run_here(tmp_path / "run", recipe, pictures=tmp_path, on_step=seen.append)
    assert [len(report.frames) for report in seen] == [3, 3]
    assert [report.images for report in seen] == [3, 3]


# ---------------------------------------------------------------------------- parts


def test_averages_by_hand() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(module.weight, 1.0)
    average = WeightAverage(module, 0.5)
    torch.nn.init.constant_(module.weight, 3.0)
    average.update(0)  # d = min(.5, 1 / 10)
    assert float(average.averages["weight"]) == pytest.approx(0.1 * 1 + 0.9 * 3)
    average.update(99)  # d = .5
    assert float(average.averages["weight"]) == pytest.approx((2.8 + 3) / 2)


def test_the_averages_are_the_result(tmp_path: Path) -> None:
    run_here(tmp_path / "run", small_recipe("train.steps=2"), pictures=tmp_path)
    end = checkpoint_of(tmp_path / "run", 2)
    saved = load_detector(tmp_path / "run")[0].state_dict()
    assert end.ema is not None
    assert all(torch.equal(saved[name], value) for name, value in end.ema.items())
    assert not all(torch.equal(end.weights[name], value) for name, value in end.ema.items())


def test_steps_down_by_hand() -> None:
    rules = Train(steps=100, warm_up=0, learning_rate=1.0, schedule="steps", drops=(0.5, 0.9))
    rates = [learning_rate(step, rules) for step in (0, 49, 50, 89, 90, 99)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_the_best_weights_on_validation_frames_are_kept(tmp_path: Path) -> None:
    recipe = small_recipe("train.steps=4", "train.evaluate_every=1", "predict.short_side=96")
    own = validate_on(items(tmp_path), recipe, CPU)
    values = iter([0.2, 0.5, 0.1, 0.3])
    seen: list[dict[str, torch.Tensor]] = []

    def validate(detector: Detector) -> Averages:
        seen.append({n: t.clone() for n, t in detector.state_dict().items()})
        return replace(own(detector), ap=next(values))

    run_here(tmp_path / "run", recipe, pictures=tmp_path, validate=validate)
    saved = load_detector(tmp_path / "run")[0].state_dict()
    assert all(torch.equal(saved[name], value) for name, value in seen[1].items())
    rows = (tmp_path / "run" / EVALUATIONS_NAME).read_bytes().splitlines()
    assert [orjson.loads(row)["averages"]["ap"] for row in rows] == [0.2, 0.5, 0.1, 0.3]
    assert checkpoint_of(tmp_path / "run", 4).best == 0.5


def test_a_stop_signal_ends_after_the_step_with_a_checkpoint(tmp_path: Path) -> None:
    """In a process of its own, which the signal may end at once where nobody hears it."""
    finish(start(stop_itself, tmp_path, tmp_path / "run"))
    found = newest_checkpoint(tmp_path / "run").checkpoint
    assert found is not None
    assert found.step == 4  # the wish of step 2 is heard in the next one


def test_what_was_not_finite_is_written_down(tmp_path: Path) -> None:
    recipe = small_recipe("train.learning_rate=1e30", "train.warm_up=0", "train.ema=0")
    with pytest.raises(TrainingError, match="not finite"):
        run_here(tmp_path / "run", recipe, pictures=tmp_path)
    note = orjson.loads((tmp_path / "run" / STOPPED_NAME).read_bytes())
    assert note["step"] >= 1
    assert len(note["frames"]) == 2
    assert "not finite" in note["why"]


@pytest.mark.parametrize("what", ["checkpoints", "run"])
def test_a_folder_that_vanishes_ends_the_run(what: str, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def lose(report: StepReport) -> None:
        if report.step == 0:
            shutil.rmtree(run / "checkpoints" if what == "checkpoints" else run)

    with pytest.raises(OutputError, match="cannot be written"):
        run_here(run, small_recipe(), pictures=tmp_path, on_step=lose)


def test_a_full_disk_ends_the_run_and_the_last_checkpoint_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    def fill(report: StepReport) -> None:
        if report.step == 2:
            monkeypatch.setattr("tinyseg.training.checkpoint.write_synced", full)

    with pytest.raises(OutputError, match="No space left"):
        run_here(tmp_path / "run", small_recipe(), pictures=tmp_path, on_step=fill)
    found = newest_checkpoint(tmp_path / "run")
    assert found.refused == ()
    assert found.checkpoint is not None
    assert found.checkpoint.step == 2


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    recipe = small_recipe("train.steps=2")
    run_here(tmp_path / "run", recipe, pictures=tmp_path)
    end = checkpoint_of(tmp_path / "run", 2)
    for spoilt, said in (
        (replace(end, ema=None), "no averages"),
        (replace(end, optimizer={"exp_avg/nothing": torch.zeros(1)}), "another network"),
    ):
        with pytest.raises(TrainingError, match=said):
            run_here(tmp_path / "run", recipe, pictures=tmp_path, begin=spoilt)


def test_worth_of_frames_without_labels() -> None:
    assert selection_score(Averages(*[float("nan")] * 7)) == 0.0


def test_tensorboard_reads_curves_scores_and_pictures(tmp_path: Path) -> None:
    recipe = small_recipe("train.steps=4", "predict.short_side=96")
    own = validate_on(items(tmp_path), recipe, CPU)
    run_here(tmp_path / "run", recipe, pictures=tmp_path, validate=own)
    (path,) = (tmp_path / "run" / "tensorboard").iterdir()
    events = [Event.FromString(record) for record in records(path.read_bytes())]
    assert events[0].file_version == "brain.Event:2"
    values = [(event.step, value) for event in events for value in event.summary.value]
    totals = [value.simple_value for _, value in values if value.tag == "loss/total"]
    logged = [
        orjson.loads(line)["total"]
        for line in (tmp_path / "run/log.jsonl").read_bytes().splitlines()
    ]
    np.testing.assert_allclose(totals, logged, rtol=1e-6)
    (picture,) = [value.image for _, value in values if value.tag == "view"]
    decoded = cv2.imdecode(np.frombuffer(picture.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (picture.height, picture.width, 3)
    assert [step for step, value in values if value.tag == "validation/ap"] == [3]


def records(data: bytes) -> list[bytes]:
    """The records of a TFRecord file: length, its checksum, bytes, their checksum."""
    found = []
    while data:
        length = int.from_bytes(data[:8], "little")
        found.append(data[12 : 12 + length])
        data = data[16 + length :]
    return found
