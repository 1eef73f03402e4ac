"""What a run writes down of each step: log.jsonl, one JSON object a line, in the run's folder.

A line is the step's losses and times; evaluations have a file of the same kind. A run that goes on
from a checkpoint first cuts both back to the checkpoint's step, so that its log is that of a run
that never stopped, but for the fields in `TIMES`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tinyseg.files import write_whole, writing

RECIPE_NAME = "recipe.yaml"
LOG_NAME = "log.jsonl"
EVALUATIONS_NAME = "evaluations.jsonl"
TIMES = ("step_s", "data_wait_s", "memory_mb")
"""Fields of a step's line that differ from run to run."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did; losses are means over all processes, frames those of the first one."""

    step: int
    losses: dict[str, float]
    total: float
    gradient_norm: float
    learning_rate: float
    images: int
    """Views that all processes learnt from in this step."""
    step_s: float
    data_wait_s: float
    memory_mb: float
    """The most that was held so far: of the GPU's memory, or of the process."""
    frames: list[str]


class Lines:
    """A file of JSON lines that grows; refuses nothing but a disk that does not take them."""

    def __init__(self, path: Path, *, first: int) -> None:
        """Open the file, cut back to the lines of steps before `first`."""
        self._path = path
        with writing(path):
            _cut(path, first)
            self._file = path.open("ab")

    def add(self, row: Any) -> None:
        """One line; a record or a dict with its step."""
        with writing(self._path):
            self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def sync(self) -> None:
        """Put what was added on the disk."""
        with writing(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """The end; the lines stay."""
        with writing(self._path):
            self._file.close()


def _cut(path: Path, first: int) -> None:
    """Keep the whole lines of the steps before `first`; a killed run may have left half a line."""
    if not path.exists():
        return
    data = path.read_bytes()
    kept = b"".join(line for line in data.splitlines(keepends=True) if _is_before(line, first))
    if kept != data:
        write_whole(path, kept)


def _is_before(line: bytes, first: int) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        return orjson.loads(line)["step"] < first
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False
