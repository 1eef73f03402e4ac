"""What prediction costs against what it looks at: seconds and memory by pixels and by instances.

    python benchmarks/cost.py [--backend openvino torch] [--megapixels 1 4 16 60]
        [--instances 0 10 100 300 500] [--frame FILE [--weights NAME]]

One thread. Pixels: a made picture of that size in native tiles of 1024 pixels that overlap by 128,
through the package's own weights; the pixels of all tiles, seconds of the processor after a first
tile, and the most memory of the process, beyond that of a process that looked at one tile.
Instances: what is cut of so many objects by the tiles of a frame of 9 megapixels, merged; there is
no room for 1,000. With --frame also the most memory of `tinyseg predict` of that file, everything
included, in a process of its own; by --weights, such as a file in 8 bits.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _crowd import FRAME_HW, crowd, perfect
from _report import machine, table

from tinyseg.merge import MergeRules, merge
from tinyseg.predict import Predictor, choose_backend, load_member
from tinyseg.stored import own_weights
from tinyseg.views import FrameInfo, Tiles

TILES = Tiles(1024, 128)

MB = 1e6 if sys.platform == "darwin" else 1e3
"""Units of ru_maxrss in an MB."""


def side_of(megapixels: float) -> int:
    """Pixels along a side of a square picture."""
    return round((megapixels * 1e6) ** 0.5)


def looked_at(megapixels: float) -> float:
    """Megapixels of all tiles of such a picture."""
    side = side_of(megapixels)
    views = [one.view.out_hw for one in TILES.first(FrameInfo((side, side)))]
    return sum(height * width for height, width in views) / 1e6


def look_at_pixels(backend: str, megapixels: float) -> tuple[float, float]:
    """Seconds of the processor and MB at most, in a process of its own."""
    runs = choose_backend(backend, device="cpu", threads=1)
    own = Predictor([load_member(own_weights(), backend=runs)], TILES)
    rng = np.random.default_rng(0)
    own(rng.integers(0, 255, (1024, 1024, 3), np.uint8))
    before = most_mb()
    side = side_of(megapixels)
    image = np.repeat(rng.integers(0, 255, (side, side, 1), np.uint8), 3, axis=2)
    start = time.process_time()
    own(image)
    return time.process_time() - start, most_mb() - before


def most_mb() -> float:
    """The most memory that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MB


def in_a_process(backend: str, megapixels: float) -> tuple[float, float]:
    """`look_at_pixels`, so that one's memory is not another's."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, repr(look_at_pixels(backend, megapixels)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    seconds, mb = os.read(reading, 200).decode().strip("()").split(",")
    for end in (reading, writing):
        os.close(end)
    return float(seconds), float(mb)


def merge_instances(count: int) -> tuple[float, int]:
    """Seconds of the processor, and what came out."""
    rng = np.random.default_rng(count)
    seen = perfect(rng, crowd(rng, count)) if count else []
    start = time.process_time()
    found = merge(seen, FRAME_HW, MergeRules(keep=2000))
    return time.process_time() - start, len(found)


def predict_mb(frame: Path, backend: str, weights: str | None) -> float:
    """The most memory of `tinyseg predict` of a file."""
    with tempfile.TemporaryDirectory() as out:
        words = [sys.executable, "-m", "tinyseg", "predict", str(frame), "--threads", "1"]
        words += ["--backend", backend, "--out", f"{out}/found"]
        words += [] if weights is None else ["--weights", weights]
        child = os.posix_spawn(sys.executable, words, os.environ)
        _, status, used = os.wait4(child, 0)
    if status:
        raise SystemExit("predict failed")
    return used.ru_maxrss / MB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backend", nargs="+", default=["openvino"])
    parser.add_argument("--megapixels", type=float, nargs="*", default=[1, 4, 16, 60])
    parser.add_argument("--instances", type=int, nargs="*", default=[0, 10, 100, 300, 500])
    parser.add_argument("--frame", type=Path)
    parser.add_argument("--weights")
    given = parser.parse_args()
    for backend in given.backend:
        rows = []
        for megapixels in given.megapixels:
            seconds, mb = in_a_process(backend, megapixels)
            looked = looked_at(megapixels)
            cells = f"{looked:.1f}", f"{seconds:.2f}", f"{seconds / looked:.3f}", f"{mb:.0f}"
            rows.append([f"{megapixels:g}", *cells])
        heads = (f"MP, {backend}", "MP looked at", "s", "s a MP looked at", "MB more")
        print(table(heads, rows) + "\n")
    rows = []
    for count in given.instances:
        seconds, kept = merge_instances(count)
        rows.append([str(count), f"{seconds:.2f}", str(kept)])
    print(table(("objects", "merge, s", "found"), rows) + "\n")
    if given.frame:
        for backend in given.backend:
            mb = predict_mb(given.frame, backend, given.weights)
            print(f"tinyseg predict {given.frame.name}, {backend}: {mb:.0f} MB")
    print(machine())


if __name__ == "__main__":
    main()
