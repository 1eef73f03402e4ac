"""A whole submission, written and checked: time, and memory at two numbers of rows.

    python benchmarks/submission.py [--frames 1917] [--instances 60]

Frames of 3384 x 2710 hold ellipses of WAD's sizes (half of them under 584 pixels), some of which
overlap; each gets a score and a class. They lie in one predictions file, as `tinyseg predict`
writes it. Each step is a process of its own, with one thread: seconds on the clock and of the
processor (one on a quiet machine), and the peak of its memory above what it holds with everything
imported (Linux only). "half" is half the frames.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

import numpy as np
import orjson
from _report import machine, table

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.labels import WAD_CLASSES
from tinyseg.masks import CropMasks
from tinyseg.predictions import (
    FramePredictions,
    Predictions,
    join_predictions,
    read_predictions,
    write_predictions,
)
from tinyseg.submission import Cuts, check, collect, write_submission

FRAME_HW = (2710, 3384)
UNITS = ("s", "processor s", "MB")
KINDS = 20
"""So many frames are made; the others are the same under other names."""


def make_frame(name: str, count: int, rng: np.random.Generator) -> FramePredictions:
    """Ellipses with a median area of 584 pixels in the rows where WAD's instances stand."""
    area = np.minimum(np.exp(rng.normal(np.log(584), 1.6, count)), 400_000)
    aspect = np.exp(rng.normal(0, 0.4, count))
    radii = np.sqrt(np.stack([area / aspect, area * aspect], axis=1) / np.pi)
    centres = rng.uniform((0, 1600), (FRAME_HW[1], 2200), (count, 2))
    boxes = np.concatenate([centres - radii, centres + radii], axis=1)
    y, x = (np.mgrid[0:28, 0:28] + 0.5) / 14 - 1
    disc = (np.clip((1 - np.hypot(x, y)) * 8 + 0.5, 0, 1) * 255).astype(np.uint8)
    masks = CropMasks.pack(boxes, [disc] * count)
    pixels = mask_ops.rasterise(masks, FRAME_HW)
    labels, scores = rng.integers(0, len(WAD_CLASSES), count), rng.uniform(0.01, 1, count)
    return FramePredictions(name, f"{name}.jpg", FRAME_HW, Instances(boxes, pixels, labels, scores))


def make_predictions(folder: Path, frames: int, count: int) -> Path:
    """A predictions file of so many frames; each kind of frame is coded once."""
    rng, files = np.random.default_rng(0), []
    for kind in range(min(KINDS, frames)):
        file = folder / f"kind{kind}.json"
        write_predictions(file, Predictions(WAD_CLASSES, (make_frame("x", count, rng),)))
        files.append(orjson.loads(file.read_bytes()))
    parts = []
    for index in range(frames):
        name = md5(str(index).encode()).hexdigest()
        document = files[index % len(files)]
        document["images"][0] |= {"name": name, "file_name": f"{name}.jpg"}
        parts.append(folder / f"{name}.json")
        parts[-1].write_bytes(orjson.dumps(document))
    join_predictions(parts, folder / "predictions.json", WAD_CLASSES)
    return folder / "predictions.json"


def write(predictions: Path, csv: Path) -> None:
    write_submission(csv, [read_predictions(predictions)])


def write_exclusive(predictions: Path, csv: Path) -> None:
    write_submission(csv, [read_predictions(predictions)], cuts=Cuts(exclusive=True))


def check_exclusive(predictions: Path, csv: Path) -> None:
    findings = collect(check(csv, exclusive=True))
    if findings.faults or findings.warnings:
        raise SystemExit(f"{findings.faults} faults, {findings.warnings} warnings in {csv}")


def check_plain(predictions: Path, csv: Path) -> None:
    if collect(check(csv)).faults:
        raise SystemExit(f"faults in {csv}")


STEPS: dict[str, Callable[[Path, Path], None]] = {
    "write": write,
    "check": check_plain,
    "write, one owner a pixel": write_exclusive,
    "check, one owner a pixel": check_exclusive,
}


@dataclass(frozen=True, slots=True)
class Run:
    """One measured step: seconds on the clock and of the processor, MB above the start."""

    wall_s: float
    processor_s: float
    peak_mb: float


def run_here(step: str, folder: Path) -> Run:
    """One measured step in this process."""
    _start_peak()
    before, wall, processor = _status_mb("VmRSS"), time.perf_counter(), time.process_time()
    STEPS[step](folder / "predictions.json", folder / "submission.csv")
    spent = time.perf_counter() - wall, time.process_time() - processor
    return Run(*spent, _status_mb("VmHWM") - before)


def _start_peak() -> None:
    """Forget the highest resident size so far; a process also inherits its parent's."""
    Path("/proc/self/clear_refs").write_text("5")


def _status_mb(key: str) -> float:
    """A size that Linux knows of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1000


def run_apart(step: str, folder: Path) -> Run:
    """One measured step in a process of its own."""
    command = [sys.executable, __file__, "--only", step, "--folder", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Run(*map(float, done.stdout.split()))


def report(frames: int, instances: int) -> None:
    """Makes both sets of predictions, runs every step on each, prints the table."""
    rows: dict[str, list[str]] = {step: [step] for step in STEPS}
    sizes = []
    for count in (frames // 2, frames):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            make_predictions(folder, count, instances)
            for step in STEPS:
                run = run_apart(step, folder)
                rows[step] += [f"{s:.1f}" for s in (run.wall_s, run.processor_s, run.peak_mb)]
            sizes.append((folder / "submission.csv").stat().st_size / 1e6)
    header = ["", *(f"{size}: {what}" for size in ("half", "whole") for what in UNITS)]
    print(table(header, list(rows.values())))
    print(
        f"\n{frames} frames x {instances} instances; files of {sizes[0]:.0f} and {sizes[1]:.0f} MB."
    )
    print(f"One run each. {machine()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=1917)
    parser.add_argument("--instances", type=int, default=60)
    parser.add_argument("--only", choices=list(STEPS), help="one step on --folder")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.only is None:
        report(arguments.frames, arguments.instances)
        return
    run = run_here(arguments.only, arguments.folder)
    print(run.wall_s, run.processor_s, run.peak_mb)


if __name__ == "__main__":
    main()
