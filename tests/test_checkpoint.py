"""Checkpoints: whole or not there, checked when read, never lost to a kill or a bad disk.

TINYSEG_KILLS=n makes the storms n times as long as usual (`make kill-storm`).
"""

import errno
import io
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from _short_run import numbered, save_for_ever, start

from tinyseg.errors import OutputError, TrainingError
from tinyseg.training import checkpoint as room
from tinyseg.training.checkpoint import (
    Checkpoint,
    has_checkpoints,
    newest_checkpoint,
    read_checkpoint,
    save_checkpoint,
)

TIMES = int(os.environ.get("TINYSEG_KILLS", "1"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with checkpoints of steps 1, 2 and 3."""
    (tmp_path / "checkpoints").mkdir()
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, numbered(step), keep=3)
    return tmp_path


def place(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"step-{step:06d}"


def is_numbered(found: Checkpoint | None, step: int) -> bool:
    """Whether a checkpoint is, in every value, that of the step."""
    if found is None or found.step != step:
        return False
    own = numbered(step)
    pairs = ((found.weights, own.weights), (found.optimizer, own.optimizer))
    return all(a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in b) for a, b in pairs)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    weights = {"a": torch.randn(3, 4), "count": torch.tensor(7), "d": torch.randn(2).double()}
    moments = {"exp_avg/a": torch.randn(3, 4), "step/a": torch.tensor(5.0)}
    averages = {"a": torch.randn(3, 4)}
    tree = {"train": {"steps": 9}, "classes": ["car"]}
    save_checkpoint(tmp_path, Checkpoint(250, weights, averages, moments, tree, 0.125), keep=3)
    found = newest_checkpoint(tmp_path)
    assert found.refused == ()
    one = found.checkpoint
    assert one is not None
    assert (one.step, one.recipe, one.best) == (250, tree, 0.125)
    assert one.ema is not None
    for came, went in ((one.weights, weights), (one.ema, averages), (one.optimizer, moments)):
        assert came.keys() == went.keys()
        assert all(torch.equal(came[n], went[n]) and came[n].dtype == went[n].dtype for n in went)
    names = sorted(p.name for p in place(tmp_path, 250).iterdir())
    parts = ["ema", "manifest", "optimizer", "state", "weights"]
    assert [n.split(".")[0] for n in names] == parts


def test_a_folder_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) == room.NewestCheckpoint(None, ())
    assert not has_checkpoints(tmp_path)


def test_the_last_few_are_kept(run: Path) -> None:
    save_checkpoint(run, numbered(4), keep=2)
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["step-000003", "step-000004"]


def test_a_step_that_stands_is_left_and_a_damaged_one_is_replaced(run: Path) -> None:
    before = (place(run, 2) / "state.json").stat().st_mtime_ns
    save_checkpoint(run, numbered(2), keep=3)
    assert (place(run, 2) / "state.json").stat().st_mtime_ns == before
    (place(run, 2) / "state.json").write_bytes(b"{}")
    save_checkpoint(run, numbered(2), keep=3)
    assert is_numbered(read_checkpoint(place(run, 2)), 2)
    assert has_checkpoints(run)


def test_a_newer_damaged_one_does_not_push_out_good_ones(run: Path) -> None:
    (place(run, 3) / "manifest.json").unlink()
    save_checkpoint(run, numbered(2), keep=1)
    assert is_numbered(newest_checkpoint(run).checkpoint, 2)


def test_what_a_killed_save_left_is_cleared(run: Path) -> None:
    left = run / "checkpoints" / ".step-000004.abcd.part"
    shutil.copytree(place(run, 3), left)
    assert is_numbered(newest_checkpoint(run).checkpoint, 3)
    save_checkpoint(run, numbered(4), keep=3)
    assert not left.exists()


# ---------------------------------------------------------------------------- damage


def cut_short(path: Path, generator: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: generator.randrange(len(data))])


def flip_a_bit(path: Path, generator: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    path.write_bytes(bytes(data))


def put_a_pickle(path: Path, generator: random.Random) -> None:
    stream = io.BytesIO()
    torch.save({"weights": torch.zeros(generator.randrange(1, 9))}, stream)
    path.write_bytes(stream.getvalue())


def add_a_pickle(path: Path, generator: random.Random) -> None:
    put_a_pickle(path.with_name("weights.pt"), generator)


def lose(path: Path, generator: random.Random) -> None:
    path.unlink()


def lengthen(path: Path, generator: random.Random) -> None:
    path.write_bytes(path.read_bytes() + bytes(generator.randrange(1, 9)))


DAMAGES = (cut_short, flip_a_bit, put_a_pickle, add_a_pickle, lose, lengthen)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoints_are_refused_with_the_reason(
    damage: Callable[[Path, random.Random], None], run: Path
) -> None:
    names = sorted(path.name for path in place(run, 3).iterdir())
    good = run / "good"
    shutil.copytree(place(run, 3), good)
    for index in range(len(names) * 3 * TIMES):
        damage(place(run, 3) / names[index % len(names)], random.Random(index))
        found = newest_checkpoint(run)
        assert is_numbered(found.checkpoint, 2)
        (error,) = found.refused
        assert "step-000003" in str(error)
        assert error.rule
        shutil.rmtree(place(run, 3))
        shutil.copytree(good, place(run, 3))
    assert is_numbered(newest_checkpoint(run).checkpoint, 3)


def test_a_pickle_with_a_manifest_to_match_is_refused(run: Path) -> None:
    put_a_pickle(place(run, 3) / "weights.safetensors", random.Random(0))
    data = {p.name: p.read_bytes() for p in place(run, 3).iterdir() if p.name != "manifest.json"}
    files = {name: room._description(content) for name, content in data.items()}
    (place(run, 3) / "manifest.json").write_bytes(room._manifest(files))
    with pytest.raises(TrainingError, match="not a safetensors file"):
        read_checkpoint(place(run, 3))


def test_a_checkpoint_under_another_steps_name_is_refused(run: Path) -> None:
    place(run, 3).rename(place(run, 9))
    found = newest_checkpoint(run)
    assert is_numbered(found.checkpoint, 2)
    assert "step-000009" in str(found.refused[0])


# ---------------------------------------------------------------------------- disks


class Failing:
    """Calls of a system function until the n-th, which fails as a bad disk would."""

    def __init__(self, call: Callable[..., Any], at: int, number: int) -> None:
        self.call, self.left, self.number = call, at, number

    def __call__(self, *words: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise OSError(self.number, os.strerror(self.number))
        return self.call(*words, **named)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize(
    ("owner", "name", "calls"), [(os, "fsync", 6), (os, "rename", 1), (Path, "open", 4)]
)
def test_a_bad_disk_is_told_and_the_last_good_one_stands(
    owner: Any, name: str, calls: int, number: int, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call of a save fails in turn: files, manifest, folder, rename."""
    real = getattr(owner, name)
    for at in range(calls):
        failing = Failing(real, at, number)
        call = failing if owner is os else lambda self, *w, f=failing: f(self, *w)
        monkeypatch.setattr(owner, name, call)
        monkeypatch.setattr(room, "_loads", lambda place: False)
        with pytest.raises(OutputError, match="cannot be written") as caught:
            save_checkpoint(run, numbered(4 + at), keep=1)
        monkeypatch.undo()
        assert os.strerror(number) in str(caught.value)
        found = newest_checkpoint(run)
        assert found.checkpoint is not None
        assert found.checkpoint.step in (3, 4 + at)  # a parent that did not sync is there
        assert is_numbered(found.checkpoint, found.checkpoint.step)
        assert is_numbered(read_checkpoint(place(run, 3)), 3)
        assert not list((run / "checkpoints").glob(".step*"))
        shutil.rmtree(place(run, 4 + at), ignore_errors=True)


def test_a_file_size_limit_is_a_full_disk(run: Path) -> None:
    """The system itself refuses the bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match="File too large"):
            save_checkpoint(run, numbered(4), keep=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert is_numbered(newest_checkpoint(run).checkpoint, 3)


def test_a_vanished_folder_is_told_and_not_made_again(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(OutputError, match="cannot be written"):
        save_checkpoint(run, numbered(4), keep=1)
    assert not (run / "checkpoints").exists()


# ---------------------------------------------------------------------------- kills


def last_noted(path: Path) -> int:
    """The last whole line's number."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return max((int(line) for line in lines if line.endswith("\n")), default=0)


def test_kills_while_saving_lose_nothing(tmp_path: Path) -> None:
    """Of all that was noted as saved the newest is there, and nothing that is there is wrong."""
    generator = random.Random(0)
    run, saved = tmp_path / "run", 0
    for _ in range(5 * TIMES):
        (run / "begun").unlink(missing_ok=True)
        process = start(save_for_ever, run, saved + 1)
        while process.is_alive() and not (run / "begun").exists():
            time.sleep(0.001)
        time.sleep(generator.uniform(0.0, 0.4))
        process.kill()
        process.join()
        found = newest_checkpoint(run)
        assert found.refused == ()
        saved = 0 if found.checkpoint is None else found.checkpoint.step
        assert saved >= last_noted(run / "noted")
        assert saved == 0 or is_numbered(found.checkpoint, saved)
    print(f"{5 * TIMES} kills, {saved} checkpoints, none lost")
    assert saved > TIMES
