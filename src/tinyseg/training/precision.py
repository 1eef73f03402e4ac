"""Whether bfloat16 pays on this machine: measured, since processors of one kind differ widely.

Some processors with bfloat16 instructions are slower with them than in float32, others faster, and
without such instructions it is far slower (benchmarks/learning.py, NOTES.md).
"""

import time

import torch

from tinyseg.model import Detector

VIEW_HW = (256, 256)
ROUNDS = 3
MARGIN = 1.05
"""bfloat16 is taken where it is faster than float32 by this factor."""


def mixed_pays(detector: Detector, device: torch.device) -> tuple[bool, str]:
    """Whether backbone and pyramid learn faster in bfloat16, and the figures; a second on a CPU.

    Weights and random numbers stay as they are.
    """
    if device.type != "cpu":
        supported = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return supported, f"{device.type} {'has' if supported else 'lacks'} bfloat16"
    images = torch.zeros((2, 3, *VIEW_HW), dtype=torch.float32)
    images = images.contiguous(memory_format=torch.channels_last)
    took = {False: float("inf"), True: float("inf")}
    with torch.random.fork_rng(devices=[]):
        for turn in range(2 * (ROUNDS + 1)):
            mixed = bool(turn % 2)
            started = time.process_time()
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                maps = detector.pyramid(detector.backbone(images))
            learnt = [p for p in detector.parameters() if p.requires_grad]
            total = torch.stack([level.float().mean() for level in maps]).sum()
            torch.autograd.grad(total, learnt, allow_unused=True)
            if turn >= 2:  # the first of each kind sets its kernels up
                took[mixed] = min(took[mixed], time.process_time() - started)
    told = f"{took[True]:.2f} s in bfloat16, {took[False]:.2f} s in float32"
    return took[True] * MARGIN < took[False], told
