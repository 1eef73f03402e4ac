"""Average precision against the pixels looked at, for whole frames, tiles and focus: a picture.

    python benchmarks/curve.py --data DATA [--list FILE] [--weights FILE] [--zooms .5 .7 1 1.4 2]
        [--tiles 1 1.4 2] [--budgets .5 1 2 4] [--json FILE] [--picture docs/curve.svg]

All through the same network. Whole: the frame in one view at each of --zooms. Tiles: the frame in
one view and coarser ones, as the weights' plan begins too, and tiles of 640 pixels, a fifth of them
shared, at each zoom of --tiles, which answer for objects up to half a tile. Focus: the weights'
plan with each of --budgets times its pixels. AP and AP_s are the mean of car and person. The
picture needs matplotlib (extra `bench`).
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from _report import machine, table
from plans import Fold, Way, items_of, measure

from tinyseg.allocator import keep_freed_memory
from tinyseg.predict import named_plan
from tinyseg.predict.members import load_member
from tinyseg.predict.plan_choice import default_plan
from tinyseg.recipes import Predict
from tinyseg.stored import own_weights
from tinyseg.views import Plan, Tiles, Whole

SIDE = 640
Point = tuple[float, float, float]
"""Megapixels a frame, AP, AP_s."""


def ways(limits: Predict, hw: tuple[int, int], given: argparse.Namespace) -> dict[str, list[Way]]:
    """The plans of each line of the picture."""
    first = named_plan("tiles", limits).parts[:1]
    own = default_plan(limits)
    return {
        "whole": [
            Way(f"whole, zoom {zoom:g}", Plan.of(Whole(round(min(hw) * zoom), None)))
            for zoom in given.zooms
        ],
        "tiles": [
            Way(f"tiles, zoom {zoom:g}", Plan((*first, *_tiles(zoom).parts)))
            for zoom in given.tiles
        ],
        "focus": [
            Way(f"focus, {times:g} x its pixels", _with_budget(own, times))
            for times in given.budgets
        ],
    }


def _tiles(zoom: float) -> Plan:
    overlap = round(SIDE / 5 / zoom)
    return Plan.of(Tiles(SIDE, overlap, zoom, answers_for=(0.0, SIDE / zoom / 2)))


def _with_budget(plan: Plan, times: float) -> Plan:
    return plan.with_focus(
        lambda focus: replace(
            focus,
            budget_mp=focus.budget_mp * times,
            budget_share=None if focus.budget_share is None else focus.budget_share * times,
        )
    )


def draw(lines: dict[str, Sequence[Point]], file: Path) -> None:
    """Two panels: AP and AP of small objects."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "tinyseg", "font.size": 9, "svg.fonttype": "none"})
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for panel, place, name in zip(panels, (1, 2), ("AP", "AP of objects under 32²"), strict=True):
        for (kind, points), mark in zip(lines.items(), ("s", "^", "o"), strict=True):
            pixels, values = [p[0] for p in points], [p[place] for p in points]
            panel.plot(pixels, values, marker=mark, markersize=4, label=kind)
        panel.set(xlabel="megapixels looked at a frame", title=name, xscale="log")
        panel.set_xticks([0.2, 0.5, 1, 2, 5, 10, 20], minor=False)
        pixels = [p[0] for points in lines.values() for p in points]
        panel.set_xlim(0.8 * min(pixels), 1.25 * max(pixels))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter("")
        panel.grid(alpha=0.3, which="both", linewidth=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weights", type=Path, default=own_weights())
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--zooms", type=float, nargs="*", default=[0.5, 0.7, 1.0, 1.4, 2.0])
    parser.add_argument("--tiles", type=float, nargs="*", default=[1.0, 1.4, 2.0])
    parser.add_argument("--budgets", type=float, nargs="*", default=[0.5, 1.0, 2.0, 4.0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    member = load_member(given.weights)
    items = items_of(given.data, given.list, member)
    fold = Fold([member], items)
    every = ways(member.predict, items[0].read_labels().hw, given)
    lines: dict[str, Sequence[Point]] = {}
    rows = []
    for kind, of_kind in every.items():
        points = list[Point]()
        for way in of_kind:
            outcome = measure(way, [fold], None)
            both, any_class = outcome.scores.mean_over(["car", "person"]), outcome.scores.any_class
            points.append((outcome.megapixels, both.ap, both.ap_small))
            figures = both.ap, both.ap_small, both.ap_tiny, any_class.ap
            cells = [f"{value:.3f}" for value in figures]
            rows.append([way.name, *cells, f"{outcome.megapixels:.1f}", f"{outcome.seconds:.1f}"])
        lines[kind] = sorted(points)
    heads = ("plan", "car+person AP", "AP_s", "AP_tiny", "any AP", "MP a frame", "s a frame")
    print(table(heads, rows))
    print(f"\n{len(items)} frames, {outcome.scores.counts}; {machine()}")
    if given.json:
        given.json.write_text(json.dumps(lines, indent=1))
    if given.picture:
        draw(lines, given.picture)


if __name__ == "__main__":
    main()
