"""A call watched from outside: its time, and memory and processor time of all its processes."""

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

STEP_S = 0.25


@dataclass(slots=True)
class Watched:
    """What a call took. `own_mb` is the most private memory of each process by its command's name,
    `cpu_s` the processor seconds of all processes of that name."""

    seconds: float = 0.0
    own_mb: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    out: str = ""

    @property
    def processor_s(self) -> float:
        """Of all processes."""
        return sum(self.cpu_s.values())


def watched(call: Sequence[str], **how: Any) -> Watched:
    """Run the call to its end; raises CalledProcessError where it fails."""
    told, by_process = Watched(), dict[tuple[int, float], tuple[str, float, float]]()
    begun = time.perf_counter()
    process = subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how
    )
    over = threading.Event()

    def look() -> None:
        while not over.wait(STEP_S):
            try:
                root = psutil.Process(process.pid)
                tree = [root, *root.children(recursive=True)]
            except psutil.Error:
                continue
            for one in tree:
                _note(one, by_process)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    told.out, _ = process.communicate()
    told.seconds = time.perf_counter() - begun
    over.set()
    thread.join()
    for name, own_mb, cpu_s in by_process.values():
        told.own_mb[name] = max(told.own_mb.get(name, 0.0), own_mb)
        told.cpu_s[name] = told.cpu_s.get(name, 0.0) + cpu_s
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, call, told.out)
    return told


def _note(one: psutil.Process, known: dict[tuple[int, float], tuple[str, float, float]]) -> None:
    try:
        with one.oneshot():
            words, memory, times = one.cmdline(), one.memory_info(), one.cpu_times()
            key = one.pid, one.create_time()
    except psutil.Error:
        return
    first = words[0] if words else one.name()
    name = "call" if "python" in first and "ray/_private" not in " ".join(words) else first
    own = (memory.rss - memory.shared) / 2**20
    before = known.get(key, ("", 0.0, 0.0))
    # Ray's workers are called by what they do at the moment: the busiest name is kept.
    kept = name if name not in ("ray::IDLE", "call") or not before[0] else before[0]
    known[key] = kept, max(own, before[1]), times.user + times.system
