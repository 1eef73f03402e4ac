"""One worker of a job: the networks once in its memory, frames in, a row for each out.

In: an Engine, which travels to the worker with the networks' files in it, and rows of a Listing.
Out: rows of parts.ROW. A frame that cannot be read or looked at is tried TRIES times and then is a
row that says why; so is one whose worker died as often. Nothing else of a frame stops the others.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
from pyarrow import fs

from tinyseg.cluster.parts import ROW
from tinyseg.errors import ImageError, TinysegError
from tinyseg.files import make_folder, write_whole
from tinyseg.image import image_from_bytes
from tinyseg.merge import MergeRules
from tinyseg.network import PROCESSOR, Device
from tinyseg.predict import (
    IN_TORCH,
    Backend,
    BatchLimits,
    MemberFile,
    Predictor,
    default_limits,
    load,
)
from tinyseg.predictions import FramePredictions, rows_of
from tinyseg.stored import WEIGHTS_NAME
from tinyseg.views import FrameInfo, PlanLike, camera_of

TRIES = 3

STEPS = ("read_s", "decode_s", "look_s", "merge_s")
"""What a frame goes through, in seconds."""


@runtime_checkable
class Ledger(Protocol):
    """Who counts the tries of all workers, and hears what became of each frame."""

    def begin(self, frame: str) -> int:
        """How often the frame was begun, this time included."""

    def end(self, frame: str, told: Mapping[str, Any]) -> None:
        """What became of it: parts.ROW with the number of instances, and STEPS."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What a worker makes a Predictor of, wherever it runs: the networks' files with their content,
    by path, and how they are used.

    `settings` says what results follow from, for a job's key. A worker takes `threads` cores, or
    a GPU where `device` is one.
    """

    files: tuple[MemberFile, ...]
    content: Mapping[Path, bytes]
    plan: PlanLike
    rules: MergeRules
    settings: Mapping[str, object]
    classes: tuple[str, ...]
    backend: Backend = IN_TORCH
    detections: int | None = None
    threads: int = 1
    device: str = "cpu"
    memory_mb: int | None = None

    @staticmethod
    def of(
        predictor: Predictor,
        files: Sequence[MemberFile],
        settings: Mapping[str, object],
        **how: Any,
    ) -> "Engine":
        """The engine of a predictor whose members were loaded from these files."""
        whole = tuple(_whole(file) for file in files)
        named = [path for file in whole for path in (file.weights, file.calibration) if path]
        content = {path: path.read_bytes() for path in named}
        about = predictor.plan, predictor.rules, settings, predictor.classes
        return Engine(whole, content, *about, **how)

    def predictor(self) -> Predictor:
        """The networks, loaded where this is called."""
        members = [
            load(self._here(file), self.backend, detections=self.detections) for file in self.files
        ]
        device: Device = PROCESSOR
        if any(member.backend == "torch" for member in members):
            import torch  # a runtime needs none

            torch.set_num_threads(self.threads)
            device = torch.device(self.device)
        limits = BatchLimits(default_limits(device).pixels, self.memory_mb)
        return Predictor(members, self.plan, device=device, limits=limits, rules=self.rules)

    def _here(self, file: MemberFile) -> MemberFile:
        """The member with its files on this machine: where they were, or from their content."""
        calibration = None if file.calibration is None else self._copy(file.calibration)
        return file.model_copy(
            update={"weights": self._copy(file.weights), "calibration": calibration}
        )

    def _copy(self, path: Path) -> Path:
        content = self.content[path]
        if _holds(path, content):
            return path
        copy = Path(tempfile.gettempdir()) / f"tinyseg-{sha256(content).hexdigest()}" / path.name
        if not _holds(copy, content):
            write_whole(make_folder(copy.parent) / copy.name, content)
        return copy


def _whole(file: MemberFile) -> MemberFile:
    """The member with the path of its weights themselves, where a run's folder was named."""
    folder = file.weights.is_dir() and (file.weights / WEIGHTS_NAME).is_file()
    return file.model_copy(update={"weights": file.weights / WEIGHTS_NAME}) if folder else file


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


class Worker:
    """Looks at the frames of a block and gives their rows."""

    def __init__(self, engine: Engine, stores: Sequence[fs.FileSystem], ledger: Ledger) -> None:
        self.predictor, self.stores, self.ledger = engine.predictor(), stores, ledger

    def __call__(self, block: pa.Table) -> pa.Table:
        """A row of ROW for each row of a listing's table."""
        rows = [self._row(**frame) for frame in block.to_pylist()]
        return pa.Table.from_pylist(rows, schema=ROW)

    def _row(self, frame: str, store: int, path: str, mark: str) -> dict[str, Any]:
        row: dict[str, Any] = {"frame": frame, "path": path, "camera": camera_of(frame)}
        error = f"its worker died {TRIES} times"
        while (attempt := self.ledger.begin(frame)) <= TRIES:
            begun = time.perf_counter()
            try:
                found, told = self._look(frame, self.stores[store], path)
            except TinysegError as failed:
                error = failed.reason
                continue
            seconds = time.perf_counter() - begun
            row |= {**told, "status": "ok", "attempts": attempt, "seconds": seconds}
            break
        else:
            found = []
            row |= {"status": "error", "error": error, "attempts": TRIES}
        self.ledger.end(frame, {**row, "instances": len(found)})
        return {**row, "instances": found}

    def _look(
        self, frame: str, store: fs.FileSystem, path: str
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The rows of the frame's instances, and what is told of it."""
        times = [time.perf_counter()]
        try:
            with store.open_input_stream(path) as file:
                data = file.read()
        except OSError as error:
            raise ImageError("cannot be read", got=type(error).__name__) from None
        times.append(time.perf_counter())
        image = image_from_bytes(data)
        times.append(time.perf_counter())
        hw = (image.shape[0], image.shape[1])
        (seen,) = self.predictor.look([image], [FrameInfo.named(frame, hw)])
        times.append(time.perf_counter())
        instances = self.predictor.merge(seen, hw)
        found = rows_of(FramePredictions(frame, path, hw, instances), self.predictor.classes)
        times.append(time.perf_counter())
        views = [one.view for one in seen]
        pixels = sum(view.out_hw[0] * view.out_hw[1] for view in views)
        steps = dict(zip(STEPS, (b - a for a, b in pairwise(times)), strict=True))
        told = {"height": hw[0], "width": hw[1], "views": len(views), "view_pixels": pixels}
        return [instance_row(one) for one in found], told | steps


def instance_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """An instance of predictions.json as one of a part."""
    x, y, width, height = row["bbox"]
    return {
        "class": row["category_name"],
        "class_id": row["category_id"],
        "score": row["score"],
        "x": x,
        "y": y,
        "w": width,
        "h": height,
        "area": row["area"],
        "rle": row["segmentation"]["counts"],
    }
