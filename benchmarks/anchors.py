"""Which objects of a data set get positive anchors, by size: torchvision's rules, lite's, TIS's.

    python benchmarks/anchors.py --data ../shared/data/wad --zoom 0.66

Counts anchors above the positive threshold; the anchor that every object gets as its nearest,
however little it overlaps, is left out.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from tinyseg.data import open_data
from tinyseg.labels import WAD_CLASSES
from tinyseg.model.assign import match
from tinyseg.model.proposals import anchor_boxes
from tinyseg.model.rules import ProposalRules
from tinyseg.model.similarity import similarity
from tinyseg.progress import progress_bar
from tinyseg.recipes import find_recipe

BINS = ((0, 8), (8, 16), (16, 32), (32, 96), (96, 10**6))
STRIDES = (4, 8, 16, 32, 64)
PRESETS = ("mask_rcnn_r50", "lite", "tis_r50")


def anchors_of(rules: ProposalRules, frame_hw: tuple[int, int]) -> Tensor:
    """All anchors of a frame padded to a multiple of 64."""
    hw = (-(-frame_hw[0] // 64) * 64, -(-frame_hw[1] // 64) * 64)
    grids = tuple((hw[0] // s, hw[1] // s) for s in STRIDES)
    sizes, ratios = tuple(rules.anchor_sizes), tuple(rules.aspect_ratios)
    return torch.cat(anchor_boxes(grids, hw, sizes, ratios, torch.device("cpu")))


def positives(rules: ProposalRules, anchors: Tensor, boxes: Tensor) -> Tensor:
    """Number of anchors of each box."""
    matched = match(
        anchors,
        boxes,
        positive_iou=rules.positive_iou,
        negative_iou=rules.negative_iou,
        best_for_each=False,
        similarity=similarity(rules.similarity, rules.nwd_scale),
    )
    return torch.bincount(matched[matched >= 0], minlength=len(boxes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/wad"))
    parser.add_argument("--zoom", type=float, default=0.66)
    options = parser.parse_args()
    items = open_data(options.data, format=None, classes=WAD_CLASSES, listed=None).items
    print("recipe         size      objects  with one  anchors each")
    for name in PRESETS:
        rules = find_recipe(name).network.proposals
        sides, counts = [], []
        with progress_bar(name, len(items)) as bar:
            for item in items:
                labels = item.read_labels()
                hw = (round(labels.hw[0] * options.zoom), round(labels.hw[1] * options.zoom))
                boxes = torch.from_numpy(labels.instances.boxes).float() * options.zoom
                sides.append((boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt())
                counts.append(positives(rules, anchors_of(rules, hw), boxes))
                bar.advance()
        side, count = torch.cat(sides), torch.cat(counts).float()
        for low, high in BINS:
            here = count[(side >= low) & (side < high)]
            share, mean = (here > 0).float().mean(), here.mean()
            told = f"{low}-{high}" if high < 10**6 else f"{low}-"
            print(f"{name:14} {told:9} {len(here):7}  {share:8.2f}  {mean:12.1f}")


if __name__ == "__main__":
    main()
