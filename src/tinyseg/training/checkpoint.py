"""Checkpoints: what a run needs to go on as if it had never stopped, and no way to lose it.

    RUN/checkpoints/step-000250/
        weights.safetensors  ema.safetensors (if averaged)  optimizer.safetensors  state.json
        manifest.json        size and sha256 of each of them

A checkpoint is written into a folder beside, each file synced, then renamed as a whole and its
parent synced: it is there with all its bytes or not at all. Older ones go only after the new one
stands. Reading takes the newest whose every hash is right, and says of each one it passed over
why. Nothing here reads a pickle. Errors of the disk are TrainingErrors; what stood before stays.
"""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes, save as tensors_to_bytes
from torch import Tensor

from tinyseg.errors import TrainingError
from tinyseg.files import sync_folder, write_synced, writing

FOLDER = "checkpoints"
FORMAT = "tinyseg-checkpoint/1"
MANIFEST, STATE = "manifest.json", "state.json"
WEIGHTS, EMA, OPTIMIZER = "weights.safetensors", "ema.safetensors", "optimizer.safetensors"
NAME = re.compile(r"step-(\d{6,})")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run after `step` steps; tensors on the CPU, by name. `best` is the best validation score.

    `optimizer` holds each parameter's state as "<state>/<parameter>"; `recipe` is a plain tree.
    """

    step: int
    weights: Mapping[str, Tensor]
    ema: Mapping[str, Tensor] | None
    optimizer: Mapping[str, Tensor]
    recipe: dict[str, Any]
    best: float | None


@dataclass(frozen=True, slots=True)
class NewestCheckpoint:
    """The newest good checkpoint, if any, and the reasons against those that are newer."""

    checkpoint: Checkpoint | None
    refused: tuple[TrainingError, ...]


def save_checkpoint(run: Path, checkpoint: Checkpoint, *, keep: int) -> Path:
    """Add a checkpoint to the run's folder, then drop all but the `keep` newest up to its step.

    One of this step that loads is left as it is: the same run made it.
    """
    place = run / FOLDER / f"step-{checkpoint.step:06d}"
    if not _loads(place):
        with writing(place):
            _write(place, checkpoint)
    with suppress(OSError):  # old ones that cannot be deleted harm nobody
        _sweep(run / FOLDER, checkpoint.step, keep)
    return place


def newest_checkpoint(run: Path) -> NewestCheckpoint:
    """The newest checkpoint of the run whose every byte is as it was written."""
    refused: list[TrainingError] = []
    for place in reversed(_places(run / FOLDER)):
        try:
            return NewestCheckpoint(read_checkpoint(place), tuple(refused))
        except TrainingError as error:
            refused.append(error)
    return NewestCheckpoint(None, tuple(refused))


def has_checkpoints(run: Path) -> bool:
    """Whether there are any, good or not."""
    return bool(_places(run / FOLDER))


def read_checkpoint(place: Path) -> Checkpoint:
    """One checkpoint; raises TrainingError with the reason if anything in it is not as written."""
    try:
        manifest = (place / MANIFEST).read_bytes()
        names = sorted(path.name for path in place.iterdir() if path.name != MANIFEST)
        contents = {name: (place / name).read_bytes() for name in names}
    except OSError as error:
        raise TrainingError(
            "the checkpoint cannot be read", path=place, got=error.strerror
        ) from None
    _check_manifest(place, manifest, contents)
    state = _state(place, contents[STATE])
    tensors = {n: _tensors(place / n, c) for n, c in contents.items() if n != STATE}
    return Checkpoint(
        state["step"],
        tensors[WEIGHTS],
        tensors.get(EMA),
        tensors[OPTIMIZER],
        state["recipe"],
        state["best"],
    )


def _write(place: Path, checkpoint: Checkpoint) -> None:
    """All files beside, synced; then one rename."""
    beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    try:
        beside.mkdir(parents=False)
        written = {}
        for name, make in _contents(checkpoint).items():
            data = make()
            write_synced(beside / name, data)
            written[name] = _description(data)
        write_synced(beside / MANIFEST, _manifest(written))
        sync_folder(beside)
        if place.exists():  # damaged, or it would not be written again
            _set_aside(place)
        os.rename(beside, place)
        sync_folder(place.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _contents(checkpoint: Checkpoint) -> dict[str, Callable[[], bytes]]:
    """What to put in each file; made one after the other, to hold one of them at a time."""
    state = {"step": checkpoint.step, "recipe": checkpoint.recipe, "best": checkpoint.best}
    contents = {
        WEIGHTS: lambda: tensors_to_bytes(dict(checkpoint.weights)),
        OPTIMIZER: lambda: tensors_to_bytes(dict(checkpoint.optimizer)),
        STATE: lambda: orjson.dumps({"format": FORMAT, **state}, option=orjson.OPT_INDENT_2),
    }
    averages = checkpoint.ema
    if averages is not None:
        contents[EMA] = lambda: tensors_to_bytes(dict(averages))
    return contents


def _description(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def _manifest(files: Mapping[str, Mapping[str, Any]]) -> bytes:
    """One spelling for one content, so that any changed byte shows."""
    tree = {"format": FORMAT, "files": files}
    return orjson.dumps(tree, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def _check_manifest(place: Path, manifest: bytes, contents: Mapping[str, bytes]) -> None:
    """The manifest names these files and no other, with their sizes and hashes."""
    expected = {WEIGHTS, OPTIMIZER, STATE} | ({EMA} & contents.keys())
    if contents.keys() != expected:
        rule, got = "not the files of a checkpoint", sorted(contents)
        raise TrainingError(rule, path=place, expected=sorted(expected), got=got)
    try:
        files = orjson.loads(manifest)["files"]
        stated = {name: (files[name]["size"], files[name]["sha256"]) for name in contents}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        rule = "the manifest cannot be read"
        raise TrainingError(rule, path=place / MANIFEST) from None
    for name, data in contents.items():
        size, digest = stated[name]
        if size != len(data):
            rule = "the file is not as long as it was written"
            raise TrainingError(rule, path=place / name, expected=size, got=len(data))
        if digest != hashlib.sha256(data).hexdigest():
            rule = "the file's sha256 is not that of the manifest"
            raise TrainingError(rule, path=place / name, expected=digest)
    if manifest != _manifest({name: _description(data) for name, data in contents.items()}):
        raise TrainingError("the manifest is damaged", path=place / MANIFEST)


def _state(place: Path, data: bytes) -> dict[str, Any]:
    try:
        state = orjson.loads(data)
        good = state["format"] == FORMAT and f"step-{state['step']:06d}" == place.name
        good = good and isinstance(state["recipe"], dict) and {"best"} <= state.keys()
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        good = False
    if not good:
        rule = "not the state of this step, or of another format"
        raise TrainingError(rule, path=place / STATE, expected=f"{FORMAT}, {place.name}")
    return dict(state)


def _tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return tensors_from_bytes(data)
    except (SafetensorError, ValueError):
        raise TrainingError("not a safetensors file", path=path) from None


def _loads(place: Path) -> bool:
    try:
        read_checkpoint(place)
    except TrainingError:
        return False
    return True


def _places(folder: Path) -> list[Path]:
    """The checkpoints' folders by step."""
    try:
        found = [path for path in folder.iterdir() if NAME.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(found, key=_step_of)


def _step_of(place: Path) -> int:
    return int(place.name.removeprefix("step-"))


def _sweep(folder: Path, step: int, keep: int) -> None:
    """Delete older checkpoints and what killed runs left half written."""
    for place in [p for p in _places(folder) if _step_of(p) <= step][:-keep]:
        _set_aside(place)
    for left in folder.glob(".step-*"):
        shutil.rmtree(left, ignore_errors=True)


def _set_aside(place: Path) -> None:
    """Out of the list by one rename, so that a half deleted one is never looked at."""
    os.rename(place, place.with_name(f".{place.name}.{secrets.token_hex(4)}.old"))
