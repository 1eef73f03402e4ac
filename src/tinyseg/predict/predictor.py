"""Predictor: a frame in, its instances out, through the views of a plan and a merger.

Views of one size go through a network together, a few at a time, those of several frames too; only
boxes and 28 x 28 grids come back, so memory does not grow with the frame's pixels times its
instances. While a batch is in the network the next one is cut. A batch that a CUDA device's memory
does not hold is halved; a single view that it does not hold is refused (DeviceError).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from tinyseg.errors import DeviceError
from tinyseg.frame import Instances
from tinyseg.merge import MergeRules, Seen, merge
from tinyseg.network import PROCESSOR, Device
from tinyseg.predict.ahead import ahead
from tinyseg.predict.batches import BatchLimits, BatchSizes, Kind, Look, in_batches
from tinyseg.predict.ensemble import load_members
from tinyseg.predict.members import Member, common_classes, own_prior
from tinyseg.predict.plan_choice import default_plan, named_plan
from tinyseg.stored import own_weights
from tinyseg.views import FrameInfo, PlanLike, Planned, resolved

Image = UInt8[np.ndarray, "_height _width 3"]
Views = UInt8[np.ndarray, "b h w 3"]

OnBatch = Callable[[int, int, int], None]
"""Told the pass (0: the plan's first views, 1: its second), and how many of its looks are done."""


def _quietly(turn: int, done: int, total: int) -> None:
    """Nobody wants to know."""


class Predictor:
    """Networks with a plan: call it with an RGB image, get Instances in the image's pixels.

    `models` is a weights file, a run's folder, an ensemble's file, or members. Without a plan the
    one of the ensemble's file is used, or the one that the first member's recipe says; a focus
    without a prior takes the first one that a member brings.
    """

    def __init__(
        self,
        models: Path | str | Sequence[Member],
        plan: PlanLike | None = None,
        *,
        device: Device | None = None,
        limits: BatchLimits | None = None,
        rules: MergeRules | None = None,
    ) -> None:
        if isinstance(models, Path | str):
            members, own_plan = load_members(Path(models))
        else:
            members, own_plan = tuple(models), None
        self.classes = common_classes(members)
        self.members = members
        self.device = device or best_device(members)
        for member in members:
            member.network.to(self.device)
        self.plan = resolved(
            plan or own_plan or default_plan(members[0].predict), own_prior(members)
        )
        self.sizes = BatchSizes(limits or default_limits(self.device))
        keep = max(member.predict.detections for member in members)
        weights = tuple(member.weight for member in members)
        self.rules = replace(rules or MergeRules(keep=keep), model_weights=weights)

    def __call__(self, image: Image, camera: str | None = None) -> Instances:
        """The instances of one frame, best first, masks in pixel form."""
        hw = (image.shape[0], image.shape[1])
        (seen,) = self.look([image], [FrameInfo(hw, camera)])
        return self.merge(seen, hw)

    def look(
        self, images: Sequence[Image], infos: Sequence[FrameInfo], on_batch: OnBatch = _quietly
    ) -> list[list[Seen]]:
        """What is seen on each frame, in its pixels: the plan's first views, then its second.

        `on_batch` is told before the first batch of a pass and after each; what it raises ends
        the look.
        """
        # What several parts of a plan, or both passes, ask for needs one look.
        first = [list(dict.fromkeys(self.plan.first(info))) for info in infos]
        seen = self._pass(images, first, partial(on_batch, 0))
        found = [Instances.concatenate([s.instances for s in each]) for each in seen]
        then = [self.plan.then(info, each) for info, each in zip(infos, found, strict=True)]
        then = [
            [p for p in dict.fromkeys(new) if p not in old]
            for new, old in zip(then, first, strict=True)
        ]
        more = self._pass(images, then, partial(on_batch, 1))
        return [[*a, *b] for a, b in zip(seen, more, strict=True)]

    def merge(self, seen: Sequence[Seen], hw: tuple[int, int]) -> Instances:
        """The instances of a frame of height and width `hw` from what was seen on it."""
        return merge(seen, hw, self.rules)

    def frames_at_once(self, info: FrameInfo) -> int:
        """How many frames like this one fill a batch; at least one."""
        pixels = sum(p.view.out_hw[0] * p.view.out_hw[1] for p in self.plan.first(info))
        return max(self.sizes.limits.pixels // max(pixels, 1), 1)

    def _pass(
        self,
        images: Sequence[Image],
        planned: Sequence[Sequence[Planned]],
        tell: Callable[[int, int], None],
    ) -> list[list[Seen]]:
        """What is seen in the planned views of each frame, with calibrated scores."""
        seen: list[list[Seen]] = [[] for _ in images]
        looks = set(self._looks(planned))
        done = 0
        tell(done, len(looks))
        batches = in_batches(looks, self.members, self.sizes)
        for batch, pixels in ahead(_cut(images, batches), depth=1):
            member = self.members[batch[0].member]
            found = self._detect((batch[0].member, batch[0].out_hw), pixels)
            for look, instances in zip(batch, found, strict=True):
                lifted = member.calibrated(look.view.lift(instances))
                seen[look.frame].append(Seen(look.view, lifted, look.member))
            done += len(batch)
            tell(done, len(looks))
        return seen

    def _looks(self, planned: Sequence[Sequence[Planned]]) -> Iterator[Look]:
        for frame, views in enumerate(planned):
            for one in views:
                chosen = range(len(self.members)) if one.models is None else one.models
                for member in chosen:
                    yield Look.of(one.view, member=member, frame=frame)

    def _detect(self, kind: Kind, pixels: Views) -> list[Instances]:
        """What a network finds in views of one size, in their pixels."""
        try:
            return self.members[kind[0]].network.detect(pixels)
        except RuntimeError as error:
            import torch  # runtimes have errors of their own, and are quick to start without it

            if not isinstance(error, torch.OutOfMemoryError):
                raise
            if len(pixels) == 1:
                rule = "one view does not fit into the device's memory"
                got = f"{kind[1][1]} x {kind[1][0]} pixels"
                raise DeviceError(rule, where=str(self.device), got=got) from None
        # Not in the handler: until it ends, the error holds on to what filled the memory.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        half = (len(pixels) + 1) // 2
        self.sizes.lower(kind, half)
        return self._detect(kind, pixels[:half]) + self._detect(kind, pixels[half:])


def _cut(
    images: Sequence[Image], batches: Iterable[list[Look]]
) -> Iterator[tuple[list[Look], Views]]:
    """Each batch with its pixels."""
    for batch in batches:
        yield batch, np.stack([look.view.cut_image(images[look.frame]) for look in batch])


def best_device(members: Sequence[Member]) -> Device:
    """A GPU where there is one, for networks that torch runs; else the processor."""
    if all(member.backend != "torch" for member in members):
        return PROCESSOR
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def default_limits(device: Device) -> BatchLimits:
    """Views one by one on a CPU, which gains nothing by large batches, and many elsewhere."""
    return BatchLimits(pixels=2**19 if device.type == "cpu" else 2**23)


def load_predictor(
    weights: Path | None = None, *, device: Device | None = None, tile: int | None = None
) -> Predictor:
    """A predictor from a weights file, a run's folder or an ensemble's file; without one from the
    package's own weights.

    With `tile` it looks at native tiles of that side besides the whole frame.
    """
    weights = own_weights() if weights is None else weights
    if tile is None:
        return Predictor(weights, device=device)
    members, _ = load_members(weights)
    return Predictor(members, named_plan("tiles", members[0].predict, tile), device=device)
