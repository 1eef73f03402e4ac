"""Malformed outlines in COCO records: read or refused by our errors, each on its own.

`TINYSEG_FUZZ_COUNT=100000 pytest -s tests/test_record_fuzz.py` is the long form.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

from tinyseg.data import open_data
from tinyseg.errors import TinysegError
from tinyseg.image import write_png

FUZZ_COUNT = int(os.environ.get("TINYSEG_FUZZ_COUNT", "3000"))
BATCH = 500
HW = (40, 60)
ODD: list[object] = [
    None,
    True,
    False,
    "7",
    "",
    "é",
    [],
    {},
    -1,
    0,
    1.5,
    2**31,
    2**64,
    10**400,
    1e308,
    -1e308,
]
ODD += [float("nan"), float("inf"), 2.0**20, -(2.0**20), 1e-300, [[[]]], {"counts": []}, "\ud800"]


def polygon(rng: random.Random) -> list[object]:
    return [rng.uniform(-20, 80) for _ in range(2 * rng.randrange(3, 9))]


def bits(rng: random.Random) -> np.ndarray:
    level = rng.random()
    cells = [[rng.random() < level for _ in range(HW[1] // 10)] for _ in range(HW[0] // 10)]
    return np.kron(np.array(cells, np.uint8), np.ones((10, 10), np.uint8))


def polygons(rng: random.Random) -> object:
    parts = [polygon(rng) for _ in range(rng.randrange(1, 4))]
    for _ in range(rng.randrange(3)):
        part = rng.choice(parts)
        at, kind = rng.randrange(len(part) + 1), rng.randrange(4)
        if kind == 0:
            part[at : at + 1] = [rng.choice(ODD)]
        elif kind == 1:
            del part[at:]
        elif kind == 2:
            part.insert(at, rng.choice(ODD))
        else:
            part *= rng.choice([2, 50])
    return parts


def code(rng: random.Random) -> object:
    text = list(coco.encode(np.asfortranarray(bits(rng)))["counts"].decode())
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(text) + 1)
        text[at : at + rng.randrange(3)] = [chr(rng.choice([rng.randrange(48, 112), 33, 233]))]
    return {"size": list(HW), "counts": "".join(text)}


def counts(rng: random.Random) -> object:
    flat = bits(rng).T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=0, append=1 - flat[-1]))
    lengths: list[object] = np.diff(edges, prepend=0).tolist()
    for _ in range(rng.randrange(3)):
        lengths[rng.randrange(len(lengths))] = rng.choice([*ODD, 3])
    return {"size": list(HW), "counts": lengths}


def odd(rng: random.Random) -> object:
    """Anything in the place of an outline, or of a part of one."""
    shape = rng.choice([polygons, code, counts])(rng)
    if isinstance(shape, dict):
        shape[rng.choice(["size", "counts", "more"])] = rng.choice(ODD)
        return shape
    return rng.choice([rng.choice(ODD), [shape], [rng.choice(ODD)]])


def test_fuzz_outlines_are_read_or_refused(tmp_path: Path) -> None:
    rng = random.Random(3)
    kinds: list[Callable[[random.Random], object]] = [polygons, code, counts, odd]
    outcomes: Counter[str] = Counter()
    write_png(tmp_path / "a.png", np.zeros((*HW, 3), np.uint8))
    image = {"id": 1, "file_name": "a.png", "height": HW[0], "width": HW[1]}
    slowest = 0.0
    for _ in range(0, FUZZ_COUNT, BATCH):
        rows = [
            {"id": i, "image_id": 1, "category_id": 1, "segmentation": kinds[i % 4](rng)}
            for i in range(BATCH)
        ]
        document = {"images": [image], "annotations": rows}
        document["categories"] = [{"id": 1, "name": "car"}]
        (tmp_path / "instances.json").write_text(json.dumps(document))
        faults: list[TinysegError] = []
        start = time.monotonic()
        (item,) = open_data(tmp_path, classes=["car"], on_fault=faults.append).items
        labels = item.read_labels(faults.append)
        slowest = max(slowest, time.monotonic() - start)
        outcomes["read"] += len(labels.instances)
        outcomes.update(str(fault.rule)[:60] for fault in faults)
        for fault in faults:
            assert fault.path is not None
            assert "annotation" in str(fault)
        assert len(faults) + len(labels.instances) <= BATCH
    print(f"\n{FUZZ_COUNT} records, slowest {BATCH} took {slowest:.2f} s: {outcomes.most_common()}")
    assert outcomes["read"] > FUZZ_COUNT / 5
    assert len(outcomes) >= 8
    assert slowest < 60
