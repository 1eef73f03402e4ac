"""A training step of `lite` against the same network put together from torchvision's parts.

    python benchmarks/train_step.py [--steps N] [--threads N]

Both have the same layers and start from the same weights: timm's EfficientNet-Lite0, a pyramid of
96 channels, the same anchors, counts of proposals and samples, and heads. They get the same
synthetic views (torchvision's with dense masks, made beforehand), the same clipping of gradients
and the same AdamW. Each row is a process of its own, since ours keep freed memory as `tinyseg
train` does; steps go in turns. A row more gives torchvision's parts the same memory.
"""

import argparse
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
import timm
import torch
import torchvision
from _report import machine, milliseconds, side_by_side, table
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from tinyseg import masks as mask_ops
from tinyseg.allocator import keep_freed_memory
from tinyseg.data import open_data
from tinyseg.frame import Frame
from tinyseg.model.backbones import keep_norm_statistics
from tinyseg.model.box_head import BOX_POOL_SIZE
from tinyseg.model.detector import Detector
from tinyseg.model.targets import Target
from tinyseg.networks import build_detector, load_imagenet, load_state
from tinyseg.recipes import Recipe, lite
from tinyseg.scenes import write_wad
from tinyseg.training.batches import FrameStore, make_sample
from tinyseg.training.sampler import shape_of

FRAMES = 4
FRAME_HW = (1600, 2000)
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Views:
    """One batch in both forms."""

    images: Tensor
    targets: list[Target]
    dense: list[dict[str, Tensor]]


class TorchvisionBackbone(nn.Module):
    """timm's features with torchvision's pyramid, as torchvision's MaskRCNN wants it."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        name, self.out_channels = recipe.network.backbone, recipe.network.pyramid_channels
        body: Any = timm.create_model(name, features_only=True, out_indices=(1, 2, 3, 4))
        channels, extra = body.feature_info.channels(), LastLevelMaxPool()
        self.body = body
        self.fpn = FeaturePyramidNetwork(channels, self.out_channels, extra_blocks=extra)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Maps by their level's name."""
        maps = OrderedDict((str(i), level) for i, level in enumerate(self.body(images)))
        return dict(self.fpn(maps))


def torchvision_network(recipe: Recipe) -> MaskRCNN:
    """torchvision's Mask R-CNN with the recipe's sizes and rules."""
    net, classes = recipe.network, len(recipe.classes) + 1
    channels, proposals, boxes = net.pyramid_channels, net.proposals, net.boxes
    sizes = tuple((size,) for size in proposals.anchor_sizes)
    network = MaskRCNN(
        TorchvisionBackbone(recipe),
        num_classes=classes,
        min_size=recipe.sampling.view[0],
        max_size=recipe.sampling.view[1],
        image_mean=[value / 255 for value in net.input.mean],
        image_std=[value / 255 for value in net.input.std],
        rpn_anchor_generator=AnchorGenerator(sizes, (proposals.aspect_ratios,) * len(sizes)),
        rpn_pre_nms_top_n_train=proposals.kept_before_nms[0],
        rpn_post_nms_top_n_train=proposals.kept[0],
        rpn_nms_thresh=proposals.nms_iou,
        rpn_fg_iou_thresh=proposals.positive_iou,
        rpn_bg_iou_thresh=proposals.negative_iou,
        rpn_batch_size_per_image=proposals.sampled,
        rpn_positive_fraction=proposals.positive_share,
        box_head=TwoMLPHead(channels * BOX_POOL_SIZE**2, net.box_hidden),
        box_batch_size_per_image=boxes.sampled,
        box_positive_fraction=boxes.positive_share,
        mask_head=MaskRCNNHeads(channels, (channels,) * net.mask_depth, 1),
    )
    # torchvision's own predictors have widths of their own.
    network.roi_heads.box_predictor.cls_score = nn.Linear(net.box_hidden, classes)
    network.roi_heads.box_predictor.bbox_pred = nn.Linear(net.box_hidden, classes * 4)
    network.roi_heads.mask_predictor = MaskRCNNPredictor(channels, channels, classes)
    network.train()
    keep_norm_statistics(network)
    return network


def make_views(recipe: Recipe, count: int) -> list[Views]:
    """Batches of training views of synthetic frames."""
    with TemporaryDirectory() as folder:
        height, width = FRAME_HW
        write_wad(Path(folder), count=FRAMES, seed=0, height=height, width=width)
        frames = FrameStore(open_data(Path(folder)).items)
        size, shape = recipe.train.batch, shape_of(0, recipe.sampling, recipe.train.seed)
        samples = [make_sample(frames, i, shape, recipe) for i in range(count * size)]
    return [both_forms(samples[i : i + size]) for i in range(0, len(samples), size)]


def both_forms(samples: Sequence[Frame]) -> Views:
    """A batch with packed targets and with dense ones."""
    images = torch.from_numpy(np.stack([s.image.transpose(2, 0, 1) for s in samples]))
    targets = [Target.of(s.instances, s.ignore, CPU) for s in samples]
    dense = [
        {"boxes": t.boxes, "labels": t.labels, "masks": dense_masks(s)}
        for s, t in zip(samples, targets, strict=True)
    ]
    return Views(images, targets, dense)


def dense_masks(sample: Frame) -> Tensor:
    """One bitmap of the whole view for each instance."""
    masks = sample.instances.masks
    each = [mask_ops.paint(masks.select(np.array([i])), sample.hw) for i in range(len(masks))]
    bitmaps = np.array(each, np.uint8).reshape(len(each), *sample.hw)
    return torch.from_numpy((bitmaps > 0).astype(np.uint8))


def our_loss(network: Detector, views: Views) -> Tensor:
    """The sum of our losses."""
    return network(views.images, views.targets).total()


def their_loss(network: MaskRCNN, views: Views) -> Tensor:
    """The sum of torchvision's losses; both networks get bytes and scale them in their step."""
    losses = network(list(views.images.float() / 255), views.dense)
    return torch.stack(list(losses.values())).sum()


class Run:
    """A network with its optimizer and its round of views: call it for one training step."""

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[[Views], Tensor],
        views: Sequence[Views],
        recipe: Recipe,
    ) -> None:
        self.network, self.loss, self.views = network, loss, cycle(views)
        self.clip_norm = recipe.train.clip_norm
        rate = recipe.train.learning_rate / 10
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=rate, fused=True)
        self.losses: list[float] = []

    def __call__(self) -> None:
        """One step."""
        loss = self.loss(next(self.views))
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimizer.step()
        self.losses.append(float(loss.detach()))


@dataclass(frozen=True, slots=True)
class Row:
    """Which network steps, and how."""

    ours: bool
    mixed: bool
    keeps_memory: bool


ROWS = {
    "torchvision's parts": Row(ours=False, mixed=False, keeps_memory=False),
    "torchvision's parts, memory kept": Row(ours=False, mixed=False, keeps_memory=True),
    "ours, float32": Row(ours=True, mixed=False, keeps_memory=True),
    "ours, train.mixed": Row(ours=True, mixed=True, keeps_memory=True),
}


def make_run(row: Row, recipe: Recipe, views: Sequence[Views]) -> Run:
    """A row's network, from weights that are the same in all rows."""
    torch.manual_seed(0)
    theirs, ours = torchvision_network(recipe), build_detector(recipe)
    load_imagenet(ours, recipe)
    theirs.backbone.load_state_dict(ours.backbone.state_dict(), strict=False)
    load_state(ours, theirs.state_dict(), path=Path("torchvision's network"))
    ours.train()
    ours.mixed = row.mixed
    if row.ours:
        return Run(ours, partial(our_loss, ours), views, recipe)
    return Run(theirs, partial(their_loss, theirs), views, recipe)


class Worker:
    """A row in its own process."""

    run: Run

    def __init__(self, row: Row, views: Sequence[Views], threads: int) -> None:
        start = (row, views, threads)
        self.pool = ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=Worker.begin, initargs=start
        )
        self.cpu_s: list[float] = []

    @staticmethod
    def begin(row: Row, views: Sequence[Views], threads: int) -> None:
        """In the process: its memory, threads and network."""
        if row.keeps_memory and not keep_freed_memory():
            raise SystemExit("the C library does not keep freed memory")
        torch.set_num_threads(threads)
        Worker.run = make_run(row, lite(), views)

    @staticmethod
    def step() -> float:
        """In the process: one step; returns its processor time in seconds."""
        start = process_time()
        Worker.run()
        return process_time() - start

    @staticmethod
    def last_words() -> tuple[float, str]:
        """In the process: the mean loss, and where the time went."""
        return mean(Worker.run.losses), costliest(Worker.run)

    def __call__(self) -> None:
        """One step."""
        self.cpu_s.append(self.pool.submit(Worker.step).result())


def costliest(run: Run, *, count: int = 6) -> str:
    """Where a step's time goes: the operations with the largest shares of it."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run()
    events = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    first = sorted(events, key=lambda event: -event.self_cpu_time_total)[:count]
    return ", ".join(
        f"{event.key.removeprefix('aten::').removeprefix('torchvision::')} "
        f"{event.self_cpu_time_total / total:.0%}"
        for event in first
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = lite()
    views = make_views(recipe, min(arguments.steps, 4))
    workers = {name: Worker(row, views, arguments.threads) for name, row in ROWS.items()}
    times = side_by_side(workers, repeats=arguments.steps)
    told = {name: one.pool.submit(Worker.last_words).result() for name, one in workers.items()}
    base, base_cpu = "torchvision's parts", median(workers["torchvision's parts"].cpu_s[1:])
    rows = []
    for name, worker in workers.items():
        cpu, wall = median(worker.cpu_s[1:]), times[name].median_s
        ratios = (f"{times[base].median_s / wall:.2f}", f"{base_cpu / cpu:.2f}")
        loss = f"{told[name][0]:.2f}"
        rows.append((name, milliseconds(wall), ratios[0], milliseconds(cpu), ratios[1], loss))
    side, batch = recipe.sampling.view[0], recipe.train.batch
    what = f"step, {batch} x {side} x {side}"
    header = (what, "ms", "times as fast", "processor ms", "times as few", "mean loss")
    print(table(header, rows))
    for name, (_, costs) in told.items():
        print(f"\n{name}: {costs}.")
    print(f"\nMedians of {arguments.steps} steps in turns. {machine()}, ", end="")
    print(f"torchvision {torchvision.__version__}")


if __name__ == "__main__":
    main()
