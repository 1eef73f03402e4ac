"""What each plan of views is worth with the same weights on labelled frames: one table.

    python benchmarks/plans.py --weights A [--weights B --weights C] [--data DIR] [--list FILE]
        [--fold C=LEFT_OUT.txt ...] [--plan FILE] [--only whole,focus] [--json FILE] [--out DIR]

Rows: the whole frame in one view; that with coarser looks and native tiles everywhere, or tiles in
the band of rows where WAD's objects are, with as many pixels as focus; focus as the weights' recipe
says, or the plan of --plan; the same at two scales and mirrored; and with the first two and all
three weights. The prior is the one in the first weights. With --fold each fold's frames are seen by
that fold's weights, with their prior, and all folds are scored together. Pixels are those that the
networks saw, all looks counted; seconds are wall time from pixels to merged masks. --out writes
predictions.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

import torch
from _report import machine, table

from tinyseg.allocator import keep_freed_memory
from tinyseg.data import Item, open_data
from tinyseg.frame import FrameLabels
from tinyseg.predict import Predictor, named_plan
from tinyseg.predict.members import Member, load_member
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.progress import progress_bar
from tinyseg.recipes import Predict
from tinyseg.scoring.score import Averages, Scores, score_frames
from tinyseg.views import FrameInfo, Part, Plan, Tiles, Whole, camera_of, read_plan

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "wad"
BAND = (1500, 2300)
"""Rows of a WAD frame that hold 98 % of its objects."""


@dataclass(frozen=True, slots=True)
class Way:
    """A row of the table: a plan, and how many of the networks look through it."""

    name: str
    plan: Plan
    models: int = 1


@dataclass(frozen=True, slots=True)
class Fold:
    """Networks, and the frames that they are judged on."""

    members: Sequence[Member]
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a way gave: scores, and for each frame its pixels and seconds."""

    scores: Scores
    megapixels: float
    seconds: float


def ways(limits: Predict, given: Plan | None) -> list[Way]:
    """All rows; those with more networks than were given are left out later."""
    focused = given or named_plan("focus", limits)
    first = named_plan("tiles", limits).parts[:1]
    half = Whole(limits.short_side // 2, limits.longest_side // 2)
    native = Tiles(640, 160, answers_for=(0.0, 320.0))
    zoom = band_zoom(sum(p.focus.budget_mp for p in focused.parts if p.focus is not None))
    band = Tiles(640, round(160 / zoom), zoom, BAND, (0.0, 200.0))
    more = Plan((*focused.parts, Part.of(half)), flip=True)
    return [
        Way("whole", named_plan("whole", limits)),
        Way("whole + native tiles everywhere", Plan((*first, Part.of(native)))),
        Way(f"whole + tiles in the band at a zoom of {zoom:.2f}", Plan((*first, Part.of(band)))),
        Way("focus", focused),
        Way("mirrored focus + second scale", more),
        Way("focus with two models", focused, 2),
        Way("focus with three models", focused, 3),
    ]


def band_zoom(budget: float) -> float:
    """The zoom at which tiles of the band take the budget, for WAD's frames; found by steps."""
    info = FrameInfo((2710, 3384), None)
    zoom = 0.5
    while True:
        plan = Tiles(640, round(160 / zoom), zoom, BAND)
        if len(plan.first(info)) * 640 * 640 > budget * 1e6:
            return zoom - 0.05
        zoom += 0.05


def measure(way: Way, folds: Sequence[Fold], out: Path | None) -> Outcome:
    """The way on all frames of all folds."""
    found, truth = list[FramePredictions](), list[FrameLabels]()
    pixels, seconds = 0, 0.0
    with progress_bar(way.name, sum(len(fold.items) for fold in folds)) as bar:
        for fold in folds:
            members = fold.members[: way.models]
            predictor = Predictor(members, way.plan)
            for item in fold.items:
                frame = item.read()
                start = time.perf_counter()
                info = FrameInfo(frame.hw, camera_of(frame.name))
                (seen,) = predictor.look([frame.image], [info])
                merged = predictor.merge(seen, frame.hw)
                seconds += time.perf_counter() - start
                pixels += sum(s.view.out_hw[0] * s.view.out_hw[1] for s in seen)
                found.append(FramePredictions(frame.name, frame.name, frame.hw, merged))
                truth.append(FrameLabels(frame.name, frame.hw, frame.instances, frame.ignore))
                bar.advance(item.name)
    predictions = Predictions(folds[0].members[0].network.classes, tuple(found))
    if out is not None:
        folder = out / way.name.replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(folder / "predictions.json", predictions)
    scores = score_frames(predictions, truth, classes=predictions.classes)
    return Outcome(scores, pixels / 1e6 / len(found), seconds / len(found))


HEADS = (
    "plan",
    *("AP", "AP_s", "AP_tiny", "AP_m", "AP_l"),
    *("car+person AP", "AP_s", "AP_tiny"),
    *("any AP", "AP_s", "AP_tiny"),
    *("MP a frame", "s a frame"),
)


def row(name: str, outcome: Outcome) -> list[str]:
    """One line of the table."""
    scores = outcome.scores
    main = scores.averages
    figures = [main.ap, main.ap_small, main.ap_tiny, main.ap_medium, main.ap_large]
    for averages in (scores.mean_over(["car", "person"]), scores.any_class):
        figures += small_ones(averages)
    cells = [f"{value:.3f}" for value in figures]
    return [name, *cells, f"{outcome.megapixels:.1f}", f"{outcome.seconds:.1f}"]


def small_ones(averages: Averages) -> list[float]:
    """AP, AP of the small and of the tiny."""
    return [averages.ap, averages.ap_small, averages.ap_tiny]


def read_folds(given: argparse.Namespace) -> list[Fold]:
    """The folds with their frames, or all weights with the listed frames."""
    if given.fold:
        pairs = [text.rpartition("=")[::2] for text in given.fold]
        return [
            Fold([member], items_of(given.data, Path(listed), member))
            for member, listed in (
                (load_member(Path(weights)), listed) for weights, listed in pairs
            )
        ]
    members = [load_member(path) for path in given.weights]
    return [Fold(members, items_of(given.data, given.list, members[0]))]


def items_of(data: Path, listed: Path | None, member: Member) -> Sequence[Item]:
    """The frames of a list, all if there is none."""
    return open_data(data, listed=listed, classes=member.network.classes).items


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--weights", type=Path, action="append")
    who.add_argument("--fold", action="append", help="WEIGHTS=LIST: the frames it never saw")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--list", type=Path, help="the frames that are scored; all if not given")
    parser.add_argument("--plan", type=Path, help="a plan's file, in place of focus")
    parser.add_argument("--only", default="*", help="patterns of rows' names: whole,focus*")
    parser.add_argument("--json", type=Path, help="all figures, for later")
    parser.add_argument("--out", type=Path, help="a folder of predictions for each row")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    folds = read_folds(given)
    wanted = given.only.split(",")
    plan = None if given.plan is None else read_plan(given.plan)
    members = folds[0].members
    outcomes = {
        way.name: measure(way, folds, given.out)
        for way in ways(members[0].predict, plan)
        if way.models <= len(members) and any(fnmatch(way.name, one) for one in wanted)
    }
    print(table(HEADS, [row(name, outcome) for name, outcome in outcomes.items()]))
    counts = {str(outcome.scores.counts) for outcome in outcomes.values()}
    frames = sum(len(fold.items) for fold in folds)
    print(f"\n{frames} frames, {' '.join(counts)}; {machine()}")
    if given.json:
        told = {name: asdict(outcome) for name, outcome in outcomes.items()}
        given.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
