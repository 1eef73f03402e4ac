"""What all workers have told: an actor that counts, a worker's way to it, and the bar it moves.

In: what became of each frame (parts.ROW with the number of instances, and worker.STEPS). Out: sums,
the slowest frames, and how often a frame was begun, also by workers that died over it.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray

from tinyseg.cluster.worker import STEPS
from tinyseg.progress import Bar

SLOWEST = 5


@dataclass(frozen=True, slots=True)
class Told:
    """Sums by name, and the slowest frames with their seconds."""

    totals: Counter[str] = field(default_factory=Counter)
    slowest: tuple[tuple[float, str], ...] = ()


@dataclass(slots=True)
class Counts:
    """The actor."""

    tries: Counter[str] = field(default_factory=Counter)
    ended: set[str] = field(default_factory=set)
    told: Told = field(default_factory=Told)

    def begin(self, frame: str) -> int:
        """How often the frame was begun."""
        self.tries[frame] += 1
        return self.tries[frame]

    def end(self, frame: str, row: Mapping[str, Any]) -> None:
        """Add what became of a frame, once, also where a killed worker's part is looked at anew."""
        self.tries.pop(frame, None)
        if frame in self.ended:
            return
        self.ended.add(frame)
        totals = self.told.totals
        totals.update({step: row.get(step, 0.0) for step in STEPS})
        totals.update({"frames": 1, "instances": row["instances"]})
        totals["failed"] += row["status"] != "ok"
        totals["pixels"] += (row.get("height") or 0) * (row.get("width") or 0)
        slowest = sorted([*self.told.slowest, (row.get("seconds") or 0.0, frame)])[-SLOWEST:]
        self.told = Told(totals, tuple(slowest))

    def tell(self) -> Told:
        """All until now."""
        return self.told


class Ledger:
    """The actor, as a worker sees it."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    def begin(self, frame: str) -> int:
        """How often the frame was begun, this time included."""
        return int(ray.get(self.actor.begin.remote(frame)))

    def end(self, frame: str, told: Mapping[str, Any]) -> None:
        """What became of it."""
        self.actor.end.remote(frame, told)


@contextlib.contextmanager
def followed(actor: Any, bar: Bar) -> Iterator[None]:
    """The bar goes on with what the workers tell, four times a second."""
    over, begun = threading.Event(), time.monotonic()

    def follow() -> None:
        shown = 0
        while not over.wait(0.25):
            with contextlib.suppress(Exception):  # the job's own end says what is wrong
                totals = ray.get(actor.tell.remote(), timeout=5).totals
                bar.advance(_note(totals, time.monotonic() - begun), totals["frames"] - shown)
                shown = totals["frames"]

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _note(totals: Mapping[str, float], seconds: float) -> str:
    """Pixels a second, what was found, what failed, and the step that takes most of the time."""
    step = max(STEPS, key=lambda one: totals.get(one, 0.0))
    whole = sum(totals.get(one, 0.0) for one in STEPS)
    words = [f"{totals.get('pixels', 0) / 1e6 / seconds:.1f} megapixels/s"]
    words += [f"{totals[key]:,} {key}" for key in ("instances", "failed") if totals.get(key)]
    words += [f"{step.removesuffix('_s')} {totals[step] / whole:.0%}"] if whole else []
    return ", ".join(words)
