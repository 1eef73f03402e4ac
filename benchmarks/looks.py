"""What closer looks should answer for, and how to merge them: many choices from one look each.

    python benchmarks/looks.py --fold WEIGHTS=LEFT_OUT.txt [--fold ...] [--data DIR] [--keep FILE]

Each frame of each fold is looked at once by the weights that never saw it: whole (short side 1800),
and in tiles over WAD's rows at zooms of 1, 1.4 and 2. Rows of the first table are the whole view
with one kind of tiles, or two, that answer for sizes up to a limit; those of the second the same
looks merged by other rules. --keep holds what was seen, for another call.
"""

import argparse
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

import torch
from _report import machine, table

from tinyseg.allocator import keep_freed_memory
from tinyseg.data import open_data
from tinyseg.frame import FrameLabels
from tinyseg.image import read_image
from tinyseg.merge import MergeRules, Seen, merge
from tinyseg.predict import Predictor
from tinyseg.predict.members import load_member
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.progress import progress_bar
from tinyseg.scoring.score import Scores, score_frames
from tinyseg.views import FrameInfo, Tiles, Whole

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "wad"
BAND = (1450, 2350)
"""Rows of a WAD frame that hold 98 % of its objects, and some around them."""

KINDS = {
    "whole": Whole(),
    "x1": Tiles(size=640, overlap=128, zoom=1.0, band=BAND),
    "x1.4": Tiles(size=640, overlap=91, zoom=1.4, band=BAND),
    "x2": Tiles(size=768, overlap=64, zoom=2.0, band=BAND),
}

Limits = Mapping[str, float]
"""Kinds of views, and the largest size, in frame pixels, that each answers for."""

CHOICES: Sequence[Limits] = (
    {},
    *({"x1": most} for most in (80, 150, 320)),
    *({"x1.4": most} for most in (48, 64, 80, 96, 150)),
    *({"x2": most} for most in (32, 48, 64, 96)),
    *({"x1.4": 80, "x2": most} for most in (24, 32, 48)),
)
"""What is looked at beside the whole frame."""

BEST: Limits = {"x1.4": 80}
RULES: Sequence[Mapping[str, float]] = (
    {},
    *({"unseen": value} for value in (0.0, 0.25, 1.0, 2.0)),
    *({"link_iou": value} for value in (0.3, 0.5, 0.6)),
    *({"same_iou": value} for value in (0.3, 0.4, 0.6)),
    *({"inside": value} for value in (0.4, 0.8)),
    *({"conflict_iou": value} for value in (0.4, 0.8)),
    *({"cut": value} for value in (0.25, 1.0)),
)
"""Changes of the merger's rules, one at a time."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A frame's labels, and what was seen of it by kind of view."""

    labels: FrameLabels
    seen: Mapping[str, Sequence[Seen]]


def look(data: Path, folds: Sequence[str]) -> Iterator[Looked]:
    """All frames of all folds."""
    for fold in folds:
        weights, _, listed = fold.rpartition("=")
        member = load_member(Path(weights))
        items = open_data(data, listed=Path(listed), classes=member.network.classes).items
        predictors = {kind: Predictor([member], plan) for kind, plan in KINDS.items()}
        with progress_bar(listed, len(items)) as bar:
            for item in items:
                image, labels = read_image(item.image_path), item.read_labels()
                info = [FrameInfo.named(labels.name, labels.hw)]
                seen = {kind: p.look([image], info)[0] for kind, p in predictors.items()}
                yield Looked(labels, seen)
                bar.advance(item.name)


def judge(
    frames: Sequence[Looked], classes: Sequence[str], limits: Limits, **rules: float
) -> Scores:
    """The scores of one choice."""
    found = []
    for frame in frames:
        seen = [
            replace(one, view=replace(one.view, answers_for=(0.0, most)))
            for kind, most in {"whole": inf, **limits}.items()
            for one in frame.seen[kind]
        ]
        merged = merge(seen, frame.labels.hw, replace(MergeRules(), **rules))  # type: ignore[arg-type]
        found.append(
            FramePredictions(frame.labels.name, frame.labels.name, frame.labels.hw, merged)
        )
    predictions = Predictions(tuple(classes), tuple(found))
    return score_frames(predictions, [frame.labels for frame in frames], classes=classes)


HEADS = ("choice", *("car+person AP", "AP_s", "AP_tiny"), *("any AP", "AP_s", "AP_tiny"))


def row(name: str, scores: Scores) -> list[str]:
    """A line of a table."""
    both = (scores.mean_over(["car", "person"]), scores.any_class)
    values = [value for one in both for value in (one.ap, one.ap_small, one.ap_tiny)]
    return [name, *(f"{value:.3f}" for value in values)]


def told(choice: Mapping[str, float]) -> str:
    """A choice in words."""
    return ", ".join(f"{key} {value:g}" for key, value in choice.items()) or "nothing"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--fold", action="append", required=True, help="WEIGHTS=LIST")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--keep", type=Path, help="a file of our own for what was seen")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    if given.keep is not None and given.keep.is_file():
        frames = pickle.loads(given.keep.read_bytes())
    else:
        frames = list(look(given.data, given.fold))
        if given.keep is not None:
            given.keep.write_bytes(pickle.dumps(frames))
    classes = load_member(Path(given.fold[0].rpartition("=")[0])).network.classes
    plans = [row(f"whole + {told(limits)}", judge(frames, classes, limits)) for limits in CHOICES]
    print(table(HEADS, plans))
    rules = [row(told(change), judge(frames, classes, BEST, **change)) for change in RULES]
    print(f"\nwhole + {told(BEST)}, merged by other rules\n\n{table(HEADS, rules)}")
    print(f"\n{len(frames)} frames, {judge(frames, classes, {}).counts}; {machine()}")


if __name__ == "__main__":
    main()
