"""A cluster of this machine against `predict` on the same cores: frames a second and start.

    python benchmarks/cluster.py [--pictures DIR] [--frames N] [--cores N] [--plan NAME]

Both look at N frames and at 3 N frames, copies of the pictures under names of their own (rendered
ones of 640 x 512 unless a folder is named); the difference of the two times gives the rate without
the start, and the rest is the start. `predict` uses all cores as threads of one process; the
cluster has a worker a core, and a worker with all of them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _report import machine, table

TIMES = 3
"""The longer job has so many times the frames of the shorter."""


def copies(pictures: list[Path], folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        source = pictures[number % len(pictures)]
        shutil.copy(source, folder / f"{number:05}_Camera_5{source.suffix}")
    return folder


def seconds(folder: Path, out: Path, cores: int, *words: str) -> float:
    """Of one call with so many cores."""
    call = [sys.executable, "-m", "tinyseg", "predict", str(folder), "--out", str(out), *words]
    have = sorted(os.sched_getaffinity(0))[:cores]
    begun = time.perf_counter()
    subprocess.run(
        call, check=True, capture_output=True, preexec_fn=lambda: os.sched_setaffinity(0, have)
    )
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--plan", default="whole")
    asked = parser.parse_args()
    cores = str(asked.cores)
    ways = {
        "predict": ["--threads", cores],
        "cluster, a worker a core": ["--cluster", "local", "--workers", cores, "--threads", "1"],
        "cluster, one worker": ["--cluster", "local", "--workers", "1", "--threads", cores],
    }
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        pictures = asked.pictures
        if pictures is None:
            words = ["--count", "8", "--size", "640x512", "--zoom", "3", "--out", str(root / "s")]
            subprocess.run([sys.executable, "-m", "tinyseg", "synth", *words], check=True)
            pictures = root / "s" / "train_color"
        known = sorted(path for path in pictures.iterdir() if path.suffix != ".txt")
        counts = asked.frames, TIMES * asked.frames
        folders = {count: copies(known, root / str(count), count) for count in counts}
        rows, first = [], 0.0
        for name, own in ways.items():
            words = [*own, "--plan", asked.plan, "--backend", "torch"]
            out = root / name.replace(" ", "-")
            few, many = (
                seconds(folders[count], out / str(count), asked.cores, *words) for count in counts
            )
            rate = (counts[1] - counts[0]) / max(many - few, 1e-9)
            first = first or rate
            start = few - counts[0] / rate
            rows.append((name, f"{rate:.2f}", f"{rate / first:.2f}", f"{start:.1f} s"))
    print(f"{machine()}; {asked.cores} cores, {counts[0]} and {counts[1]} frames, {asked.plan}")
    print(table(("", "frames/s", "of predict", "start"), rows))


if __name__ == "__main__":
    main()
