"""The figures behind two choices of kernels on a CPU: RoIAlign, and where bfloat16 does not help.

    python benchmarks/roi_align.py [--repeats N] [--threads N]

RoIAlign of 1,024 boxes, 7 x 7 from 96 channels, forward and backward, ours against torchvision's
on contiguous maps, its default. Depthwise convolutions' backward pass, bfloat16 against float32.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from _report import machine, milliseconds, side_by_side, table
from torch import Tensor
from torch.nn import functional
from torchvision.ops import roi_align

from tinyseg.model.roi_pool import SAMPLES, align

CHANNELS, SIDE, BOXES, SIZE = 96, 160, 1024, 7
SCALE = 0.25


def forward_and_backward(make: Callable[[Tensor], Tensor], given: Tensor) -> None:
    """The result and the gradients of its sum, of filters too."""
    given.grad = None
    torch.autograd.backward(make(given).sum())


def ours(boxes: Tensor, maps: Tensor) -> Tensor:
    """The package's RoIAlign."""
    return align(maps, boxes, size=SIZE, scale=SCALE, aligned=True)


def theirs(boxes: Tensor, maps: Tensor) -> Tensor:
    """torchvision's."""
    return roi_align(maps, boxes, SIZE, SCALE, SAMPLES, True)


def depthwise(weight: Tensor, maps: Tensor) -> Tensor:
    """5 x 5, a filter for each channel."""
    return functional.conv2d(maps, weight, padding=2, groups=len(weight))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    maps = torch.randn(2, CHANNELS, SIDE, SIDE)
    corner, side = torch.rand(BOXES, 2) * 500, torch.rand(BOXES, 2) * 100 + 8
    image = (torch.arange(BOXES) % 2)[:, None].float()
    boxes = torch.cat([image, corner, corner + side], dim=1)
    last = torch.randn(2, 240, 80, 80).to(memory_format=torch.channels_last)
    filters = torch.randn(240, 1, 5, 5).requires_grad_()

    def job(make: Callable[[Tensor], Tensor], given: Tensor) -> Callable[[], None]:
        return partial(forward_and_backward, make, given.clone().requires_grad_())

    rows_last = maps.to(memory_format=torch.channels_last)
    half = filters.detach().bfloat16().requires_grad_()
    jobs = {
        f"RoIAlign of {BOXES} boxes, torchvision's": job(partial(theirs, boxes), maps),
        f"RoIAlign of {BOXES} boxes, ours": job(partial(ours, boxes), rows_last),
        "depthwise 5 x 5, float32": job(partial(depthwise, filters), last),
        "depthwise 5 x 5, bfloat16": job(partial(depthwise, half), last.bfloat16()),
    }
    times = side_by_side(jobs, repeats=arguments.repeats)
    rows = [(name, milliseconds(timing.median_s)) for name, timing in times.items()]
    print(table(("forward and backward", "ms"), rows))
    print(f"\nMedians of {arguments.repeats} in turns. {machine()}")


if __name__ == "__main__":
    main()
