"""What the benchmarks share: the machine in words, timing side by side, and a table to paste."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch


def machine() -> str:
    """One line: processor, cores, and the versions that matter."""
    return (
        f"{_processor()}, {torch.get_num_threads()} threads; "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def _processor() -> str:
    """The processor's name, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of each run, in order."""

    runs_s: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """The median run."""
        return median(self.runs_s)


def side_by_side(
    jobs: Mapping[str, Callable[[], object]], *, repeats: int, warm_up: bool = True
) -> dict[str, Timing]:
    """Times of each job, run in turns so that a change of the machine's pace meets all of them."""
    if warm_up:
        for job in jobs.values():
            job()
    runs: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            runs[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(seconds)) for name, seconds in runs.items()}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table: the first column to the left, numbers to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def milliseconds(seconds: float) -> str:
    """A time in ms, with one decimal below 100."""
    return f"{seconds * 1000:,.1f}" if seconds < 0.1 else f"{seconds * 1000:,.0f}"
