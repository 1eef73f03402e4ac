"""What predictions B find that A do not, and the other way round, by class and size.

    python benchmarks/won_and_lost.py A B --data DIR [--list FILE] [--score .3]

A and B are folders of `predict`, such as whole frames and focus. A labelled object is found where a
detection of its class, from that score on, has a mask IoU of .5 with it. Every medium or large
object that B loses is told, with what B has in its place.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from _report import table
from jaxtyping import Bool

from tinyseg.data import Place
from tinyseg.scoring import pair_frames
from tinyseg.scoring.pairs import FramePairs
from tinyseg.scoring.tally import AREA_RANGES
from tinyseg.tasks.opening import open_given, read_all_labels
from tinyseg.watch import Watch

SIZES = ("tiny", "small", "medium", "large")
"""Names in AREA_RANGES; what is tiny is not counted as small again."""


def main() -> None:
    """Parse, pair, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--score", type=float, default=0.3)
    asked = parser.parse_args()
    watch = Watch()
    given, data = open_given([asked.a, asked.b], Place(asked.data, asked.list), watch)
    with watch.stage("reading labels", len(data.items)) as stage:
        truth = list(read_all_labels(data.items, watch, stage))
    sides = [pair_frames(one, truth, classes=data.classes) for one in given]
    counts: Counter[tuple[str, str, str]] = Counter()
    for a, b in zip(*sides, strict=True):
        in_a, in_b = found(a, asked.score), found(b, asked.score)
        for place, (label, area) in enumerate(zip(a.truth.labels, a.truth.areas, strict=True)):
            name = data.classes[label]
            size = next(key for key in SIZES if area <= AREA_RANGES[key][1])
            counts[name, size, "all"] += 1
            if in_a[place] == in_b[place]:
                continue
            counts[name, size, "lost" if in_a[place] else "won"] += 1
            if in_a[place] and size in ("medium", "large"):
                print(f"{a.name}: {name} at {a.truth.boxes[place].round().tolist()}")
                print(f"  {told(a, place, data.classes)}; B {told(b, place, data.classes)}")
    heads = ("all", "won", "lost")
    rows = [
        (f"{name}, {size}", *(str(counts[name, size, head]) for head in heads))
        for name in data.classes
        for size in SIZES
        if counts[name, size, "all"]
    ]
    totals = [sum(n for (*_, what), n in counts.items() if what == head) for head in heads]
    print(table(("", *heads), [*rows, ("together", *map(str, totals))]))


def found(pairs: FramePairs, score: float) -> Bool[np.ndarray, " truth"]:
    """Which labelled objects a detection of their class covers by half."""
    same = pairs.found.labels[:, None] == pairs.truth.labels[None]
    sure = pairs.found.scores[:, None] >= score
    return np.asarray((same & sure & (pairs.iou >= 0.5)).any(axis=0))


def told(pairs: FramePairs, place: int, classes: tuple[str, ...]) -> str:
    """The detections that cover an object best."""
    best = np.argsort(-pairs.iou[:, place], kind="stable")[:2]
    return ", ".join(
        f"{classes[pairs.found.labels[one]]} {pairs.found.scores[one]:.2f} "
        f"(IoU {pairs.iou[one, place]:.2f})"
        for one in best
    )


if __name__ == "__main__":
    main()
