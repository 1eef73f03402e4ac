"""Mask-head grids -> COCO run lengths: crops against frame-sized bitmaps.

    python benchmarks/masks_to_rle.py [--count N] [--repeats N]

Soft 28 x 28 grids with boxes of the sizes that driving scenes have, a few of them large, become
run lengths of a 3384 x 2710 frame: by the package, and by torchvision's `paste_masks_in_image`
with pycocotools' encoder. Every run is a process of its own, so that its peak of memory is its own
too: the highest resident size, less what it was when the inputs lay ready. torchvision gets the
masks by fifties, since 300 at once take over 20 GB. It rounds boxes to whole pixels before it
pastes; so small masks differ, and the mean IoU says by how much.
"""

import argparse
import pickle
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from _report import machine, table
from jaxtyping import Float32, Float64
from pycocotools import mask as coco
from torchvision.models.detection.roi_heads import paste_masks_in_image

from tinyseg.masks import from_roi_grids, to_coco_rle

FRAME_HW = (2710, 3384)
SIDE = 28

AT_ONCE = 50
"""Masks given to torchvision in one call: it holds each as a float frame three times over."""

Boxes = Float64[np.ndarray, "n 4"]
Grids = Float32[np.ndarray, "n h w"]


def scene(count: int) -> tuple[Boxes, Grids]:
    """Seeded boxes, a median of 30 pixels wide and one in thirty large, and blobs in them."""
    rng = np.random.default_rng(0)
    width = np.exp(rng.normal(np.log(30), 0.8, count))
    width[::30] = rng.uniform(400, 1200, len(width[::30]))
    size = np.minimum(np.stack([width, width * rng.uniform(0.6, 2.2, count)], axis=1), 1500)
    low = rng.uniform(0, 1, (count, 2)) * (np.array(FRAME_HW[::-1]) - size)
    return np.concatenate([low, low + size], axis=1), _blobs(rng, count)


def _blobs(rng: np.random.Generator, count: int) -> Grids:
    """Ellipses with a wavy rim that falls off softly, as a mask head draws them."""
    y, x = (np.mgrid[0:SIDE, 0:SIDE] + 0.5) / SIDE * 2 - 1
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    waves, phase = rng.integers(2, 6, (count, 1, 1)), rng.uniform(0, 6, (count, 1, 1))
    rim = 0.85 + 0.12 * np.sin(waves * angle + phase)
    return (1 / (1 + np.exp((radius - rim) * 12))).astype(np.float32)


def ours(boxes: Boxes, grids: Grids, frame_hw: tuple[int, int]) -> list[bytes]:
    """Run lengths as the package makes them."""
    return to_coco_rle(from_roi_grids(boxes, grids), frame_hw)


def torchvisions(boxes: Boxes, grids: Grids, frame_hw: tuple[int, int]) -> list[bytes]:
    """Run lengths by way of a float picture of the frame for each mask."""
    codes: list[bytes] = []
    for start in range(0, len(boxes), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        pasted = paste_masks_in_image(
            torch.from_numpy(grids[some])[:, None], torch.from_numpy(boxes[some]).float(), frame_hw
        )
        for picture in pasted[:, 0]:
            bitmap = (picture >= 0.5).numpy().view(np.uint8)
            codes.append(coco.encode(np.asfortranarray(bitmap))["counts"])
        del pasted
    return codes


WAYS: dict[str, Callable[[Boxes, Grids, tuple[int, int]], list[bytes]]] = {
    "tinyseg": ours,
    "torchvision + pycocotools": torchvisions,
}


@dataclass(frozen=True, slots=True)
class Run:
    """One process: seconds, bytes of memory above the start, and the codes."""

    seconds: float
    peak_bytes: int
    codes: list[bytes]


def run_here(way: str, count: int) -> Run:
    """One measured run in this process."""
    # What is loaded or started at the first call is no part of the work.
    WAYS[way](np.array([[1.0, 1.0, 9.0, 9.0]]), scene(1)[1], (16, 16))
    inputs = scene(count)
    before = _peak_bytes()
    start = time.perf_counter()
    codes = WAYS[way](*inputs, FRAME_HW)
    return Run(time.perf_counter() - start, _peak_bytes() - before, codes)


def _peak_bytes() -> int:
    """Highest resident size of this process so far; Linux counts it in KiB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def run_apart(way: str, count: int) -> Run:
    """One measured run in a process of its own."""
    command = [sys.executable, __file__, "--count", str(count), "--only", way]
    done = subprocess.run(command, stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"{way} ended with {done.returncode}: it takes up to 6 GB, see --count")
    run: Run = Run(*pickle.loads(done.stdout))
    return run


def mean_iou(a: list[bytes], b: list[bytes], *, least_area: int = 1) -> float:
    """Mean IoU, by pycocotools, of the pairs whose first mask has at least so many pixels."""
    found = []
    for pair in zip(a, b, strict=True):
        first, second = ({"size": list(FRAME_HW), "counts": code} for code in pair)
        if coco.area(first) >= least_area:
            found.append(float(coco.iou([first], [second], [0])[0, 0]))
    return float(np.mean(found))


def report(count: int, repeats: int) -> None:
    """Runs both ways in turns and prints the table."""
    runs: dict[str, list[Run]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            runs[way].append(run_apart(way, count))
    seconds = {way: float(np.median([r.seconds for r in found])) for way, found in runs.items()}
    peak_gb = {way: max(r.peak_bytes for r in found) / 1e9 for way, found in runs.items()}
    rows = [(way, f"{seconds[way]:.3f}", f"{peak_gb[way]:.2f}") for way in WAYS]
    print(table((f"{count} masks of a 3384 x 2710 frame", "time, s", "memory, GB"), rows))
    first, second = WAYS
    codes = runs[first][0].codes, runs[second][0].codes
    agreement, of_large = mean_iou(*codes), mean_iou(*codes, least_area=64**2)
    print(f"\n{seconds[second] / seconds[first]:.0f} times faster.")
    print(f"Mean IoU {agreement:.3f}, of masks of at least 64^2 pixels {of_large:.3f}.")
    print(f"Medians of {repeats} runs in turns, each in its own process. {machine()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--only", choices=list(WAYS), help="one run, pickled to standard output")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)
    if arguments.only is None:
        report(arguments.count, arguments.repeats)
        return
    run = run_here(arguments.only, arguments.count)
    sys.stdout.buffer.write(pickle.dumps((run.seconds, run.peak_bytes, run.codes)))


if __name__ == "__main__":
    main()
