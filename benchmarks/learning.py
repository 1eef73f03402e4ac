"""What a second of training is spent on: objects learnt by view shape, and a step's seconds.

    python benchmarks/learning.py --data STREET/instances_train.json [--frames N] [--steps N]

For each shape: instances that a view has to learn, by view and by megapixel, and those that it
ignores (cut or too small). Then processor seconds of a step of `lite` on two views of 448 x 448 of
noise with a dozen boxes each, one thread: in float32 and bfloat16, with early stages frozen or not.
"""

import argparse
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _report import machine, table

from tinyseg.allocator import keep_freed_memory
from tinyseg.data import Item, open_data
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks, filled
from tinyseg.model.targets import Target
from tinyseg.networks import build_detector
from tinyseg.recipes import lite, with_settings
from tinyseg.training.batches import FrameStore, make_sample
from tinyseg.training.sampler import shape_of

SHAPES = {
    "448 x 448": "{kind: tile, view: 448}",
    "256 x 768": "{kind: tile, view: [256, 768]}",
    "192 x 1024": "{kind: tile, view: [192, 1024]}",
    "mosaic of 2 x 2, 448 x 448": "{kind: mosaic, view: 448, grid: [2, 2], large: 100}",
}
VIEWS = 160
SIDE = 448


def objects(items: list[Item], source: str) -> tuple[float, float, float]:
    """Mean instances a view and a megapixel, and ignored regions a view."""
    sources = f"sampling.sources=[{source}]"
    recipe = with_settings(lite(), [sources, "sampling.zoom=[0.5, 2.5]"])
    frames, shape = FrameStore(items), shape_of(0, recipe.sampling, 0)
    made = [make_sample(frames, index, shape, recipe) for index in range(VIEWS)]
    count = float(np.mean([len(one.instances) for one in made]))
    ignored = float(np.mean([len(one.ignore) for one in made]))
    return count, count / (shape.out_hw[0] * shape.out_hw[1] / 1e6), ignored


def step_seconds(*, mixed: bool, frozen: int, steps: int) -> float:
    """Median processor seconds of a step, after two that set kernels up."""
    settings = [f"network.frozen_stages={frozen}", "network.boxes.sampled=128"]
    detector = build_detector(with_settings(lite(), settings)).train()
    detector.mixed = mixed
    learnt = [p for p in detector.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=1e-4, fused=True)
    took = []
    for step in range(steps + 2):
        images, targets = noise(step)
        started = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(detector(images, targets).total())
        optimizer.step()
        took.append(time.process_time() - started)
    return median(took[2:])


def noise(seed: int, *, views: int = 2, boxes: int = 12) -> tuple[torch.Tensor, list[Target]]:
    """Views of noise with boxes of 8 to 100 pixels."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (views, 3, SIDE, SIDE), np.uint8)
    targets = []
    for view in range(views):
        sides = np.exp(generator.uniform(np.log(8), np.log(100), boxes))
        corners = generator.uniform(0, SIDE - 10, (boxes, 2))
        ends = np.minimum(corners + sides[:, None], SIDE)
        placed = np.rint(np.concatenate([corners, ends], axis=1))
        labels = generator.integers(0, 7, boxes)
        instances = Instances(placed, filled(placed), labels, np.ones(boxes))
        targets.append(Target.of(instances, CropMasks.empty(), torch.device("cpu"), seed=view))
    return torch.from_numpy(images), targets


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    if arguments.data is not None:
        items = list(open_data(arguments.data).items)
        chosen = np.random.default_rng(0).permutation(len(items))[: arguments.frames]
        some = [items[place] for place in chosen]
        shapes = [(name, *map("{:.1f}".format, objects(some, s))) for name, s in SHAPES.items()]
        print(table(("view", "instances a view", "a megapixel", "ignored a view"), shapes))
        print(f"{VIEWS} views of {len(some)} frames at zooms of 0.5 to 2.5.\n")
    rows = []
    for frozen in (0, 1):
        for mixed in (False, True):
            seconds = step_seconds(mixed=mixed, frozen=frozen, steps=arguments.steps)
            rows.append(("bfloat16" if mixed else "float32", str(frozen), f"{seconds:.2f}"))
    print(table(("precision", "stages frozen", f"s a step, 2 x {SIDE} x {SIDE}"), rows))
    print(f"Processor time, one thread. {machine()}")


if __name__ == "__main__":
    main()
