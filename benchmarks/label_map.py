"""Decoded label map -> masks: one pass over the pixels against a loop over the instances.

    python benchmarks/label_map.py [--data DIR] [--repeats N]

Both get the same map in memory. The loop is the usual one: the values by `np.unique`, then for
each the whole frame's bitmap `label == value`, its bounding box and its crop. The frames are those
of a folder in the WAD's layout, or synthetic ones where it is not there. Before anything is timed
both results are compared, bit for bit.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from _report import Timing, machine, milliseconds, side_by_side, table
from jaxtyping import UInt16

from tinyseg.image import read_label
from tinyseg.labels import WAD_BACKGROUND
from tinyseg.masks import CropMasks, from_label_map
from tinyseg.scenes import render_scene

DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data" / "wad"
SYNTHETIC_FRAMES = 5

Label = UInt16[np.ndarray, "h w"]


def by_loop(label: Label) -> CropMasks:
    """Masks by one look at the whole frame for each value."""
    origins, grids = [], []
    for value in np.unique(label).tolist():
        if value == WAD_BACKGROUND:
            continue
        bitmap = label == value
        rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
        y0, x0 = int(rows[0]), int(columns[0])
        crop = bitmap[y0 : rows[-1] + 1, x0 : columns[-1] + 1]
        origins.append((x0, y0))
        grids.append(crop.astype(np.uint8) * np.uint8(255))
    return CropMasks.pack_pixels(origins, grids)


def in_one_pass(label: Label) -> CropMasks:
    """Masks as the package makes them."""
    return from_label_map(label, background=WAD_BACKGROUND)[1]


def frames(data: Path) -> Iterator[tuple[str, Label]]:
    """Names and label maps of the folder, or of synthetic frames."""
    paths = sorted((data / "train_label").glob("*.png"))
    for path in paths:
        yield path.stem.removesuffix("_instanceIds"), read_label(path)
    for index in range(0 if paths else SYNTHETIC_FRAMES):
        yield f"synthetic {index}", render_scene(seed=0, index=index).label


def check_equal(ours: CropMasks, theirs: CropMasks) -> None:
    """Stops the benchmark where the two differ in a single bit."""
    pairs = zip(
        (ours.boxes, ours.grid_hw, ours.coverage),
        (theirs.boxes, theirs.grid_hw, theirs.coverage),
        strict=True,
    )
    if not all(np.array_equal(a, b) for a, b in pairs):
        raise SystemExit("the two results differ")


def measure(label: Label, repeats: int) -> tuple[int, Timing, Timing]:
    """Number of values in the map, and the times of both ways."""
    ours = in_one_pass(label)
    check_equal(ours, by_loop(label))
    jobs = {"ours": partial(in_one_pass, label), "loop": partial(by_loop, label)}
    times = side_by_side(jobs, repeats=repeats, warm_up=False)
    return len(ours), times["ours"], times["loop"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    measured = [
        (name, *measure(label, arguments.repeats)) for name, label in frames(arguments.data)
    ]
    measured.sort(key=lambda row: -row[1])
    rows = [
        (
            name,
            str(count),
            milliseconds(ours.median_s),
            milliseconds(loop.median_s),
            f"{loop.median_s / ours.median_s:.1f}",
        )
        for name, count, ours, loop in measured
    ]
    print(table(("frame", "masks", "ours, ms", "loop, ms", "ratio"), rows))
    print(f"\nDensest frame: {rows[0][4]} times faster; all results equal bit for bit.")
    print(f"Medians of {arguments.repeats} runs in turns. {machine()}")


if __name__ == "__main__":
    main()
