"""Where the time of `tinyseg predict` goes on each frame, after loading: the package's own weights.

    python benchmarks/predict_time.py [--data DIR] [--list FILE] [--threads N]

Read: the JPEG's pixels. First look: the whole frame through the network. All looks: that again and
the closer looks that follow from it. Merge: what was seen to the frame's instances.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

import torch
from _report import machine, table

from tinyseg.allocator import keep_freed_memory
from tinyseg.data import open_data
from tinyseg.image import read_image
from tinyseg.predict import Predictor, load_predictor, named_plan
from tinyseg.views import FrameInfo

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "wad"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--list", type=Path, default=DEFAULT_DATA / "val.txt")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    own = load_predictor()
    once = Predictor(own.members, named_plan("whole", own.members[0].predict))
    rows = []
    for item in open_data(given.data, listed=given.list).items:
        marks = [time.perf_counter()]
        image = read_image(item.image_path)
        marks.append(time.perf_counter())
        info = [FrameInfo.named(item.name, (image.shape[0], image.shape[1]))]
        once.look([image], info)
        marks.append(time.perf_counter())
        (seen,) = own.look([image], info)
        marks.append(time.perf_counter())
        found = own.merge(seen, info[0].hw)
        marks.append(time.perf_counter())
        read, first, all_looks, merge = (b - a for a, b in pairwise(marks))
        seconds = (read, first, all_looks, merge, read + all_looks + merge)
        rows.append([item.name, *(f"{s:.2f}" for s in seconds), str(len(seen)), str(len(found))])
    heads = ("frame", "read, s", "first look", "all looks", "merge", "together", "views", "found")
    print(table(heads, rows))
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
