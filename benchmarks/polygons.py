"""Polygons of COCO's frames -> masks, frame by frame, against pycocotools.

    python benchmarks/polygons.py [--data DIR ...] [--frames N] [--repeats N]

`frPyObjects` and `merge` give run lengths of the whole frame; `decode` makes masks of them, frames
of bytes each. Ours are run lengths down the columns, and masks cropped to their boxes. The frames
are those of all instances JSONs below the folders, repeated up to N. Before anything is timed all
pixels are compared, bit for bit. Times are of the processor, since other work may wait beside it.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from _report import machine, table
from pycocotools import mask as coco

from tinyseg.masks import from_polygons, to_coco_rle
from tinyseg.masks.polygons import runs_of_polygons

DEFAULT_DATA = sorted((Path(__file__).parents[2] / "shared" / "data").glob("coco*"))

Frame = tuple[list[list[list[float]]], tuple[int, int]]
"""The polygons of each object, and the frame's height and width."""


def read_frames(folders: Sequence[Path]) -> list[Frame]:
    """The frames of all instances JSONs below the folders; crowds, which are run lengths, apart."""
    frames: list[Frame] = []
    for path in sorted(p for folder in folders for p in folder.rglob("instances*.json")):
        document = json.loads(path.read_bytes())
        objects: dict[int, list[list[list[float]]]] = {i["id"]: [] for i in document["images"]}
        for row in document["annotations"]:
            if isinstance(row["segmentation"], list):
                objects[row["image_id"]].append(row["segmentation"])
        frames += [(objects[i["id"]], (i["height"], i["width"])) for i in document["images"]]
    return frames


def their_codes(objects: list[list[list[float]]], hw: tuple[int, int]) -> list[dict[str, object]]:
    return [coco.merge(coco.frPyObjects(polygons, *hw)) for polygons in objects]


def their_masks(objects: list[list[list[float]]], hw: tuple[int, int]) -> None:
    for code in their_codes(objects, hw):
        coco.decode(code)


WAYS: dict[str, Callable[[list[list[list[float]]], tuple[int, int]], object]] = {
    "run lengths, ours": runs_of_polygons,
    "run lengths, pycocotools (frPyObjects, merge)": their_codes,
    "masks, ours": from_polygons,
    "masks, pycocotools (and decode)": their_masks,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, nargs="+", default=DEFAULT_DATA)
    parser.add_argument("--frames", type=int, default=2500)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    known = read_frames(arguments.data)
    for objects, hw in known:
        codes = [code["counts"] for code in their_codes(objects, hw)]
        if to_coco_rle(from_polygons(objects, hw), hw) != codes:
            raise SystemExit("the two results differ")
    frames = [known[index % len(known)] for index in range(arguments.frames)]
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(arguments.repeats):
        for name, way in WAYS.items():
            start = time.process_time()
            for objects, hw in frames:
                way(objects, hw)
            seconds[name].append(time.process_time() - start)
    rows = [
        (name, f"{median(runs):.2f}", f"{min(runs):.2f}", f"{max(runs):.2f}")
        for name, runs in seconds.items()
    ]
    count = sum(len(polygons) for objects, _ in frames for polygons in objects)
    print(table(("way", "median, s", "least", "most"), rows))
    print(f"\n{len(frames)} frames ({len(known)} different), {count} polygons, all pixels equal.")
    print(f"Processor seconds, {arguments.repeats} runs in turns. {machine()}")


if __name__ == "__main__":
    main()
