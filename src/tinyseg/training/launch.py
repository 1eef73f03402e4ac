"""Devices and processes, by Lightning Fabric: one process, or those that torchrun started.

    torchrun --nproc-per-node 4 -m tinyseg train ...
    torchrun --nnodes 2 --node-rank N --master-addr HOST --master-port 29500 -m tinyseg train ...

Distributed data parallel (Li et al. 2020, PyTorch Distributed) averages gradients over processes.
Precision is Fabric's 32-true: bfloat16 is the detector's own autocast. Whether it pays on this
machine is measured: some processors with bfloat16 instructions are slower with them than in
float32, others faster, and without such instructions it is far slower (benchmarks/learning.py).
"""

import os
import re
import time

import torch
from jaxtyping import Float
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from torch import Tensor

from tinyseg.errors import TrainingError
from tinyseg.model import Detector, Normalise, own_count

LOST = re.compile(r"gloo|nccl|connection (closed|reset|refused)|broken pipe", re.IGNORECASE)
"""What torch's errors say where a peer is gone; gloo's have no class of their own."""


def launch_processes(device: torch.device) -> Fabric:
    """The processes of this run, on one device each; under torchrun the device's kind counts."""
    world = _count("WORLD_SIZE", 1)
    local = _count("LOCAL_WORLD_SIZE", world)
    if world == 1:
        only = 1 if device.type == "cpu" else [device.index or 0]
        fabric = Fabric(accelerator=device.type, devices=only, precision="32-true")
    else:
        # Batch norms keep their statistics, so there is no buffer to send round.
        strategy = DDPStrategy(broadcast_buffers=False, gradient_as_bucket_view=True)
        fabric = Fabric(
            accelerator=device.type,
            devices=local,
            num_nodes=world // local,
            strategy=strategy,
            precision="32-true",
        )
    fabric.launch()
    return fabric


def shared_count(fabric: Fabric) -> Normalise:
    """What the losses' counts are divided by: their mean over the processes.

    DDP takes the mean of the processes' gradients; with these counts it is the gradient of the
    processes' batches taken as one.
    """
    if fabric.world_size == 1:
        return own_count

    def mean(count: Float[Tensor, ""]) -> Float[Tensor, ""]:
        return mean_over_processes(fabric, count)

    return mean


def mean_over_processes(fabric: Fabric, values: Tensor) -> Tensor:
    """The mean of each value; every process must ask."""
    reduced = fabric.all_reduce(values, reduce_op="mean")
    if not isinstance(reduced, Tensor):
        raise TrainingError("one tensor was reduced", got=type(reduced).__name__)
    return reduced


def from_all_processes(fabric: Fabric, names: list[str]) -> list[str]:
    """The names of every process, in the processes' order; every process must ask."""
    if fabric.world_size == 1:
        return names
    parts: list[list[str]] = [[] for _ in range(fabric.world_size)]
    torch.distributed.all_gather_object(parts, names)
    return [name for part in parts for name in part]


def is_lost_process(error: RuntimeError, fabric: Fabric) -> bool:
    """Whether the error is that another process of the run does not answer any more."""
    known = isinstance(error, torch.distributed.DistError) or LOST.search(str(error)) is not None
    return fabric.world_size > 1 and known


def _count(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdigit() or int(text) < 1:
        raise TrainingError("not a count of processes", where=f"${name}", got=text)
    return int(text)


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
