"""How much of what is small the zoomed views of a focus hold, and at what cost in pixels.

    python benchmarks/coverage.py [--data DIR] [--cityscapes DIR] [--synthetic N] [--seeds N]
                                  [--list FILE] [--weights FILE [--frames N]]

An instance is small where its mask has fewer than 32^2 frame pixels, and held where its box, grown
by half its width and height on each side and cut to the frame, lies wholly in one 2x view. The
cost is the zoomed views' pixels over those of the whole frame at 2x without overlap (the first
pass, 11 % of that on a 3384 x 2710 frame, is counted apart). Three questions:

- a learned prior alone, each frame planned by what the other folds say of its camera and size;
- no prior, the first pass alone, on frames that no prior fits: real frames moved by 400 rows up and
  down (an instance that leaves the frame is not counted), Cityscapes, and synthetic scenes moved
  likewise, which is what another pitch of their camera does;
- fixed tiles beside them: over the WAD's own rows, which no other camera has, and over everything.

Without --weights the first pass is simulated. An instance is found with a probability that follows
from its size in the pixels of the whole-frame view: 0 below 8, .5 at 16, .9 above 40, straight
between; its box is off by 5 % of its size, its score even in .3 ... .98. One that is missed leaves
a score of .02 ... .3 with the probability of one twice its size; a Poisson number of 20 false ones,
of 8 to 128 pixels and scores .01 ... .15, stand anywhere. "Half as sharp" is a first pass that sees
everything at half its size, with twice the false ones. Figures are pooled over the seeds. With
--weights only the second question is asked: of a network's own pass over the whole of each real
frame (or the first --frames of them), what it found moved as the frames are.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _report import machine, table
from jaxtyping import Bool, Float64

from tinyseg import boxes as box_math, masks as mask_ops
from tinyseg.data import Item, open_data
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import read_image
from tinyseg.labels import WAD_IDS
from tinyseg.predict import Predictor, named_plan
from tinyseg.predict.members import load_member
from tinyseg.scenes import render_scene
from tinyseg.views import Focus, FrameInfo, PlanLike, Planned, Tiles, Whole, learn_prior

SMALL_AREA = 32 * 32
SHIFTS = (-400, 400)

Boxes = Float64[np.ndarray, "n 4"]
FirstPass = Callable[[FrameLabels, list[int]], Instances]
"""From a frame's labels and a seed to what the first pass finds."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Small instances, those held, and the cost added up over plans."""

    held: int = 0
    small: int = 0
    cost: float = 0.0
    plans: int = 0

    def row(self, name: str) -> list[str]:
        """A row of the table: counts, share, cost."""
        share = self.held / max(self.small, 1)
        cost = self.cost / max(self.plans, 1)
        return [name, str(self.plans), f"{self.held}/{self.small}", f"{share:.1%}", f"{cost:.1%}"]


def added(total: Sum, labels: FrameLabels, planned: Sequence[Planned]) -> Sum:
    """With one more planned frame."""
    small = mask_ops.area(labels.instances.masks) < SMALL_AREA
    held = held_by(planned, labels.instances.boxes[small], labels.hw)
    pixels = sum(one.view.out_hw[0] * one.view.out_hw[1] for one in planned)
    cost = pixels / (4 * labels.hw[0] * labels.hw[1])
    return Sum(
        total.held + int(held.sum()), total.small + len(held), total.cost + cost, total.plans + 1
    )


def held_by(
    planned: Sequence[Planned], boxes: Boxes, hw: tuple[int, int]
) -> Bool[np.ndarray, " n"]:
    """Which boxes lie in one view with half their size around them, as far as the frame goes."""
    half = box_math.sizes(boxes) / 2
    grown = boxes + np.concatenate([-half, half], axis=1)
    grown = box_math.clip(grown, (0.0, 0.0, float(hw[1]), float(hw[0])))
    held = np.zeros(len(boxes), np.bool_)
    for one in planned:
        x0, y0, x1, y1 = one.view.rect
        held |= (grown >= [x0, y0, -np.inf, -np.inf]).all(axis=1) & (
            grown <= [np.inf, np.inf, x1, y1]
        ).all(axis=1)
    return held


# First passes


def simulated(labels: FrameLabels, seed: list[int], *, weaker: float = 1.0) -> Instances:
    """What a first pass might find; `weaker` scales the sizes it sees down and the noise up."""
    rng = np.random.default_rng(seed)
    hw, boxes = labels.hw, labels.instances.boxes
    (first,) = Whole().first(FrameInfo(hw))
    size = np.sqrt(box_math.areas(boxes)) * first.view.scale_xy[0] / weaker
    seen = rng.random(len(boxes)) < found_share(size)
    faint = ~seen & (rng.random(len(boxes)) < found_share(2 * size))
    scores = np.where(seen, rng.uniform(0.3, 0.98, len(boxes)), rng.uniform(0.02, 0.3, len(boxes)))
    off = rng.normal(0, 0.05, boxes.shape) * np.tile(box_math.sizes(boxes), 2)
    false = rng.poisson(20 * weaker)
    side = np.exp(rng.uniform(np.log(8), np.log(128), (false, 1)))
    middle = rng.random((false, 2)) * np.array(hw[::-1])
    wrong = np.concatenate([middle - side / 2, middle + side / 2], axis=1)
    kept = seen | faint
    all_boxes = np.concatenate([(boxes + off)[kept], wrong])
    return found_at(all_boxes, np.concatenate([scores[kept], rng.uniform(0.01, 0.15, false)]))


def found_share(size: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """The curve above, written here once more: the benchmark does not follow the plan's own."""
    return np.asarray(np.interp(size, [8.0, 16.0, 40.0], [0.0, 0.5, 0.9]))


def found_at(boxes: Boxes, scores: Float64[np.ndarray, " n"]) -> Instances:
    """Instances of whose masks nothing is asked."""
    pixel = np.full((1, 1), 255, np.uint8)
    masks = mask_ops.CropMasks.pack_pixels([(0, 0)] * len(boxes), [pixel] * len(boxes))
    return Instances(boxes, masks, np.zeros(len(boxes), np.int64), scores)


def real(labels: FrameLabels, seed: list[int], *, found: dict[str, Instances]) -> Instances:
    """What real weights found on the frame, moved as its labels are."""
    name, _, rows = labels.name.partition(" ")
    return shifted(found[name], int(rows or 0), labels.hw)


# Frames


def shifted(instances: Instances, rows: int, hw: tuple[int, int]) -> Instances:
    """Instances moved down by so many rows; those that leave the frame in part are left out."""
    boxes = instances.boxes + np.array([0.0, rows, 0.0, rows])
    inside = np.ones(len(boxes), np.bool_)
    if rows:
        inside = (boxes[:, 1] >= 0) & (boxes[:, 3] <= hw[0])
    masks = instances.masks.shift(0.0, float(rows))
    moved = Instances(boxes, masks, instances.labels, instances.scores)
    return moved.select(inside)


def both_ways(frames: Sequence[FrameLabels]) -> list[FrameLabels]:
    """Each frame moved up and down; its name says by how much."""
    return [
        FrameLabels(f"{f.name} {rows}", f.hw, shifted(f.instances, rows, f.hw), f.ignore)
        for f in frames
        for rows in SHIFTS
    ]


def synthetic(count: int, seed: int = 7) -> list[FrameLabels]:
    """Labels of rendered street scenes of the WAD's size."""
    frames = []
    for index in range(count):
        label = render_scene(seed=seed, index=index).label
        values, masks = mask_ops.from_label_map(label, background=255)
        scored = np.isin(values // 1000, list(WAD_IDS)) & (values != 65535)
        instances = Instances.from_labels(
            masks.select(scored), (values[scored] // 1000).astype(np.int64)
        )
        empty = mask_ops.CropMasks.empty()
        frames.append(FrameLabels(f"synth_{index}", label.shape, instances, empty))
    return frames


# Questions


def by_prior(frames: Sequence[FrameLabels], *, budget: float, folds: int) -> Sum:
    """Each frame planned by a prior of the other folds; the first view, the frame, is apart."""
    total = Sum()
    for index, frame in enumerate(frames):
        prior = learn_prior(f for i, f in enumerate(frames) if i % folds != index % folds)
        plan = replace(closer(frame, budget), source="prior", prior=prior)
        total = added(total, frame, plan.first(FrameInfo.named(frame.name, frame.hw))[1:])
    return total


def by_first(frames: Sequence[FrameLabels], find: FirstPass, *, budget: float, seeds: int) -> Sum:
    """Each frame planned by its first pass alone."""
    total = Sum()
    for index, frame in enumerate(frames):
        plan = replace(closer(frame, budget), source="first")
        for seed in range(seeds):
            found = find(frame, [seed, index])
            total = added(total, frame, plan.then(FrameInfo(frame.hw), found))
    return total


def fixed(frames: Sequence[FrameLabels], plan: PlanLike) -> Sum:
    """The same views on every frame."""
    total = Sum()
    for frame in frames:
        total = added(total, frame, plan.first(FrameInfo(frame.hw)))
    return total


def closer(frame: FrameLabels, budget: float) -> Focus:
    """Views for a share of the frame's pixels at 2x."""
    megapixels = budget * 4 * frame.hw[0] * frame.hw[1] / 1e6
    return Focus(megapixels, 2.0, (512, 1024), (0.0, 96.0), coarser=0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/wad"))
    parser.add_argument("--cityscapes", type=Path, default=Path("../shared/data/cityscapes"))
    parser.add_argument("--synthetic", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--list", type=Path, help="only the frames named in this file")
    words = parser.parse_args()
    items = open_data(words.data, listed=words.list).items[: words.frames]
    wad = [item.read_labels() for item in items]
    if words.weights is None:
        rows = simulations(wad, words.cityscapes, words.synthetic, words.seeds)
    else:
        find = partial(real, found=first_pass(words.weights, items))
        rows = by_budgets("first pass", find, "real frames +-400 rows", both_ways(wad), seeds=1)
    print(table(["views from", "plans", "held", "share", "cost"], rows))
    print(machine())


def simulations(
    wad: list[FrameLabels], cityscapes: Path, scenes: int, seeds: int
) -> list[list[str]]:
    """All but what needs a network."""
    city = [item.read_labels() for item in open_data(cityscapes).items]
    sets = {
        "real frames +-400 rows": both_ways(wad),
        "Cityscapes": city,
        "synthetic +-400 rows": both_ways(synthetic(scenes)),
    }
    rows = [
        by_prior(wad, budget=0.12, folds=folds).row(f"prior, {folds} folds") for folds in (15, 5, 3)
    ]
    band = Tiles(512, 64, 2.0, (1600, 1856))
    rows.append(fixed(wad, band).row("fixed rows 1600-1856, square tiles"))
    rows.append(fixed(wad, Tiles(1024, 64, 2.0)).row("all tiles"))
    passes: dict[str, FirstPass] = {
        "simulated": simulated,
        "half as sharp": partial(simulated, weaker=2.0),
    }
    for name, find in passes.items():
        for kind, frames in sets.items():
            rows += by_budgets(name, find, kind, frames, seeds=seeds)
    return rows


def by_budgets(
    name: str, find: FirstPass, kind: str, frames: list[FrameLabels], *, seeds: int
) -> list[list[str]]:
    """A row for each budget."""
    return [
        by_first(frames, find, budget=budget, seeds=seeds).row(f"{name}, {kind}, {budget:.0%}")
        for budget in (0.12, 0.35)
    ]


def first_pass(weights: Path, items: Sequence[Item]) -> dict[str, Instances]:
    """What a network finds on the whole of each frame, whatever plan its recipe has."""
    member = load_member(weights)
    plan = named_plan("whole", member.predict)
    predictor = Predictor([member], plan, device=torch.device("cpu"))
    return {item.name: predictor(read_image(item.image_path)) for item in items}


if __name__ == "__main__":
    main()
