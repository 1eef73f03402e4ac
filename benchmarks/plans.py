"""What each plan of views is worth with the same weights on labelled frames: one table.

    python benchmarks/plans.py --weights A [--weights B --weights C] [--data DIR] [--list FILE]
        [--prior-list FILE] [--budget 12] [--only whole,focus] [--json FILE]

Rows: the whole frame in one view; native tiles over the whole frame; tiles as closely zoomed as
focus' views, in the band of rows where WAD's objects are, with as many pixels as focus; focus;
focus at two scales and mirrored; and focus with the first two and all three weights. The prior is
the one in the first weights, or learnt on the frames of --prior-list. Pixels are those that the
networks saw, all looks counted; seconds are wall time from pixels to merged masks.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from _report import machine, table

from tinyseg.data import Item, open_data
from tinyseg.evaluate.score import Averages, Scores, score
from tinyseg.frame import FrameLabels
from tinyseg.predict import Predictor
from tinyseg.predict.members import Member, load_member, own_prior
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.progress import progress_bar
from tinyseg.recipes import FocusViews, Predict
from tinyseg.views import (
    FrameInfo,
    LocationPrior,
    Plan,
    Zoomed,
    camera_of,
    flipped,
    focus,
    learn_prior,
    tiles,
    together,
    whole,
)

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
class Outcome:
    """What a way gave: scores, and for each frame its pixels and seconds."""

    scores: Scores
    megapixels: float
    seconds: float


def ways(limits: Predict, prior: LocationPrior | None, budget: float) -> list[Way]:
    """All rows; those with more networks than were given are left out later."""
    first = whole(short_side=limits.short_side, longest_side=limits.longest_side)
    half = whole(short_side=limits.short_side // 2, longest_side=limits.longest_side // 2)
    focused = focus(
        Zoomed(budget_mp=budget, zoom=FocusViews().zoom), source="both", prior=prior, first=first
    )
    native = tiles(size=640, overlap=160, answers_for=(0.0, 320.0))
    zoom = band_zoom(budget)
    band = tiles(
        size=640, overlap=round(160 / zoom), zoom=zoom, band=BAND, answers_for=(0.0, 200.0)
    )
    return [
        Way("whole", first),
        Way("whole + native tiles everywhere", together(first, native)),
        Way(f"whole + tiles in the band at a zoom of {zoom:.2f}", together(first, band)),
        Way("focus", focused),
        Way("focus + scales + flip", flipped(together(focused, half))),
        Way("focus with two models", focused, 2),
        Way("focus with three models", focused, 3),
    ]


def band_zoom(budget: float) -> float:
    """The zoom at which tiles of the band take the budget, for WAD's frames; found by steps."""
    info = FrameInfo((2710, 3384), None)
    zoom = 0.5
    while True:
        plan = tiles(size=640, overlap=round(160 / zoom), zoom=zoom, band=BAND)
        if len(plan.first(info)) * 640 * 640 > budget * 1e6:
            return zoom - 0.05
        zoom += 0.05


def measure(way: Way, members: Sequence[Member], items: Sequence[Item]) -> Outcome:
    """The way on all frames."""
    predictor = Predictor(members[: way.models], way.plan)
    found, truth = list[FramePredictions](), list[FrameLabels]()
    pixels, seconds = 0, 0.0
    with progress_bar(way.name, len(items)) as bar:
        for item in items:
            frame = item.read()
            start = time.perf_counter()
            (seen,) = predictor.look([frame.image], [FrameInfo(frame.hw, camera_of(frame.name))])
            merged = predictor.merge(seen, frame.hw)
            seconds += time.perf_counter() - start
            pixels += sum(s.view.out_hw[0] * s.view.out_hw[1] for s in seen)
            found.append(FramePredictions(frame.name, frame.name, frame.hw, merged))
            truth.append(FrameLabels(frame.name, frame.hw, frame.instances, frame.ignore))
            bar.advance(item.name)
    scores = score(Predictions(predictor.classes, tuple(found)), truth, classes=predictor.classes)
    return Outcome(scores, pixels / 1e6 / len(items), seconds / len(items))


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


def prior_of(
    members: Sequence[Member], data: Path, listed: Path | None, classes: Sequence[str]
) -> LocationPrior | None:
    """The prior learnt on listed frames; without a list that of the weights."""
    if listed is None:
        return own_prior(members)
    items = open_data(data, listed=listed, classes=classes).items
    return learn_prior(item.read_labels() for item in items)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weights", type=Path, action="append", required=True)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--list", type=Path, help="the frames that are scored; all if not given")
    parser.add_argument("--prior-list", type=Path, help="the frames that the prior is learnt on")
    parser.add_argument("--budget", type=float, default=FocusViews().budget_mp)
    parser.add_argument("--only", help="beginnings of rows' names, with commas between")
    parser.add_argument("--json", type=Path, help="all figures, for later")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    members = [load_member(path) for path in given.weights]
    classes = members[0].recipe.classes
    items = open_data(given.data, listed=given.list, classes=classes).items
    prior = prior_of(members, given.data, given.prior_list, classes)
    wanted = tuple((given.only or "").split(","))
    outcomes = {
        way.name: measure(way, members, items)
        for way in ways(members[0].recipe.predict, prior, given.budget)
        if way.models <= len(members) and way.name.startswith(wanted)
    }
    print(table(HEADS, [row(name, outcome) for name, outcome in outcomes.items()]))
    counts = {str(outcome.scores.counts) for outcome in outcomes.values()}
    print(f"\n{len(items)} frames, {' '.join(counts)}; {machine()}")
    if given.json:
        told = {name: asdict(outcome) for name, outcome in outcomes.items()}
        given.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
