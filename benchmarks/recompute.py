"""Recomputation: bytes predicted at full size, step time at a small one, and a full-size step.

    python benchmarks/recompute.py [--view 2248x1800] [--recipes tis_seresnet152,tis_pspnet152]
        [--step-view 384x320] [--steps N] [--full RECIPE] [--threads N]

The first table is counted on tensors without values: kept for the backward pass, the largest
segment run again, both together as a share of `off`. The second times training steps (forward and
backward) of networks with `off` and `sqrt` in turns. With `--full` each choice takes two whole
training steps (AdamW's included) at `--view` in a process of its own; what the second adds at most
is the process's growth, as Linux counts it (VmHWM), from where it stood with all free memory given
back; beside it what was predicted, the weights' gradients included.
"""

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _report import machine, milliseconds, side_by_side, table

from tinyseg.cli.common import hw_of
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.model.detector import Detector
from tinyseg.model.fast.activations import measure_activations
from tinyseg.model.fast.planning import RECOMPUTE_CHOICES, memory_need, needed
from tinyseg.model.rules import RecomputeChoice
from tinyseg.model.targets import Target
from tinyseg.networks import build_detector
from tinyseg.recipes import find_recipe, with_settings

CPU = torch.device("cpu")
STEPPED = ("lite", "mask_rcnn_r50")
OBJECTS = 60


@dataclass(frozen=True, slots=True)
class FullStep:
    """One training step in a process of its own."""

    seconds: float
    plan_s: float
    before: int
    added: int
    predicted: int


def build(name: str, recompute: str) -> Detector:
    """A recipe's detector in training mode, always from the same weights."""
    torch.manual_seed(0)
    recipe = with_settings(find_recipe(name), [f"memory.recompute={recompute}"])
    return build_detector(recipe).train()


def make_batch(wh: tuple[int, int]) -> tuple[torch.Tensor, list[Target]]:
    """A noisy view with boxes of 8 to 64 pixels, enough for the caps of the heads."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (1, 3, wh[1], wh[0]), dtype=np.uint8)
    side = generator.integers(8, 64, (OBJECTS, 2))
    corner = generator.integers(0, np.array(wh) - 64, (OBJECTS, 2))
    boxes = np.concatenate([corner, corner + side], axis=1).astype(np.float64)
    masks = CropMasks.pack(boxes, [np.full((8, 8), 255, np.uint8)] * OBJECTS)
    labels = generator.integers(0, 7, OBJECTS)
    instances = Instances(boxes, masks, labels, np.ones(OBJECTS))
    return torch.from_numpy(image), [Target.of(instances, CropMasks.empty(), CPU)]


def step(detector: Detector, wh: tuple[int, int]) -> None:
    """Forward and backward."""
    detector.zero_grad(set_to_none=True)
    torch.manual_seed(1)
    images, targets = make_batch(wh)
    torch.autograd.backward(detector(images, targets).total())


def predicted(names: Sequence[str], wh: tuple[int, int]) -> str:
    """Gigabytes at full size, and the share of `off`."""
    rows = []
    for name in names:
        profile = measure_activations(build(name, "off"), batch=1, hw=(wh[1], wh[0]))
        found = {
            choice: memory_need(profile, make(profile))
            for choice, make in RECOMPUTE_CHOICES.items()
        }
        off = found["off"].peak
        for choice, seen in found.items():
            kept, peak = sum(seen.kept.values()), seen.peak
            sizes = (f"{size / 1e9:.2f}" for size in (kept, seen.largest, peak))
            rows.append((f"{name}, {choice}", *sizes, f"{peak / off:.3f}"))
    header = (f"1 x {wh[0]} x {wh[1]}", "kept, GB", "largest again, GB", "peak, GB", "of off")
    return table(header, rows)


def timed(names: Sequence[str], wh: tuple[int, int], repeats: int) -> str:
    """Milliseconds of a step without and with recomputation."""
    rows = []
    for name in names:
        jobs: dict[str, Callable[[], object]] = {
            choice: partial(step, build(name, choice), wh) for choice in ("off", "sqrt")
        }
        times = side_by_side(jobs, repeats=repeats)
        off, sqrt = times["off"].median_s, times["sqrt"].median_s
        rows.append((name, milliseconds(off), milliseconds(sqrt), f"{sqrt / off:.2f}"))
    return table((f"step, 1 x {wh[0]} x {wh[1]}", "off, ms", "sqrt, ms", "times as long"), rows)


def full_step(name: str, recompute: RecomputeChoice, wh: tuple[int, int]) -> FullStep:
    """Two steps of a recipe here and now: the first loads libraries and makes AdamW's moments."""
    detector = build(name, recompute)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=1e-4, fused=True)
    started = time.perf_counter()
    detector.planner(detector, 1, (wh[1], wh[0]))
    plan_s = time.perf_counter() - started
    for _ in range(2):
        optimizer.zero_grad(set_to_none=True)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        started, before = time.perf_counter(), _status("VmRSS")
        step(detector, wh)
        optimizer.step()
    seconds, added = time.perf_counter() - started, _status("VmHWM") - before
    profile = measure_activations(detector, batch=1, hw=(wh[1], wh[0]))
    gradients = sum(p.numel() * p.element_size() for p in detector.parameters())
    predicted = needed(profile, RECOMPUTE_CHOICES[recompute](profile)) + gradients
    return FullStep(seconds, plan_s, before, added, predicted)


def _status(key: str) -> int:
    """Bytes of this process's memory: VmRSS now, VmHWM at most since it was last set back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) * 1024


def apart(name: str, view: str, recompute: str, threads: int) -> FullStep:
    """The same in a process of its own."""
    words = [sys.executable, __file__, "--one", recompute, "--full", name, "--view", view]
    words += ["--threads", str(threads)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE)
    return FullStep(**json.loads(done.stdout))


def full_table(name: str, view: str, threads: int) -> str:
    """Peak memory and seconds of a full-size step for each choice."""
    rows = []
    for choice in ("off", "sqrt"):
        found = apart(name, view, choice, threads)
        sizes = (f"{size / 1e9:.2f}" for size in (found.before, found.added, found.predicted))
        rows.append((choice, *sizes, f"{found.seconds:.1f}", f"{found.plan_s:.1f}"))
    sizes_of = ("before, GB", "added, GB", "predicted, GB")
    return table((f"{name}, 1 x {view}", *sizes_of, "step, s", "plan, s"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--view", default="2248x1800")
    parser.add_argument("--recipes", default="tis_seresnet152,tis_pspnet152,tis_r50,tis_lite")
    parser.add_argument("--step-view", default="384x320")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--full", help="a recipe that takes a step at full size")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    view = hw_of(arguments.view)[::-1]
    if arguments.one:
        print(json.dumps(asdict(full_step(arguments.full, arguments.one, view))))
        return
    if arguments.full:
        print(full_table(arguments.full, arguments.view, arguments.threads))
    else:
        print(predicted(arguments.recipes.split(","), view), "\n")
        print(timed(STEPPED, hw_of(arguments.step_view)[::-1], arguments.steps))
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
