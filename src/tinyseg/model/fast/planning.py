"""Which segments to run again (Chen et al. 2016, arXiv 1604.06174, section 4.2), by bytes.

A step's peak is what is kept until the backward pass plus the largest segment that is run again.
Peak memory also includes the gradient being propagated and, on a CPU, oneDNN's layout copies.
For each limit of a segment's size, dynamic programming over the boundaries finds the least that is
kept ("sqrt"), or the fewest operations run twice whose bytes fit a budget. Chen et al. cut by the
same limit, greedily; the early blocks of a backbone are so heavy that equal counts of blocks keep a
third more.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from jaxtyping import Int64

from tinyseg.errors import RecipeError
from tinyseg.model.detector import Detector
from tinyseg.model.fast.activations import Profile, Storages, Unit, measure_activations
from tinyseg.model.fast.sublinear import KEEP_ALL, RecomputePlan, Segment
from tinyseg.model.rules import RecomputeChoice

GB = 10**9
LIMITS = 48
"""Limits of a segment's size that are tried."""
BINS = 400
"""Steps into which a budget is cut."""
COPIES = 3
"""On a CPU oneDNN copies a convolution's input, gradient and result into a layout of its own, each
as large as the gradient on its way. What a GPU's library takes is counted as nothing."""
SIZE_STEP = 128
"""Plans are made for sides rounded up to this, so that few are made and each follows from the
view's size alone."""


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes of activations in one training step under a plan."""

    kept: dict[str, int]
    """Kept for the backward pass by the stage that saves it first."""
    largest: int
    """The largest segment that is run again."""
    repeated: float
    """Operations run a second time, as a share of the forward pass."""
    tensors: int
    """The most at any time of the backward pass, with the largest gradient on its way: segments go
    from the last to the first, and what is behind is free again."""
    on_cpu: int
    """The same with the copies that a CPU's convolutions make."""

    @property
    def peak(self) -> int:
        """Kept, and the largest segment on top of it."""
        return sum(self.kept.values()) + self.largest


def plan_off(profile: Profile) -> list[Segment]:
    """Nothing is run again."""
    return [Segment(i, i + 1, again=False) for i in range(len(profile.units))]


def plan_all(profile: Profile) -> list[Segment]:
    """Every unit by itself is run again: the smallest segments, the most boundaries."""
    return [Segment(i, i + 1, again=True) for i in range(len(profile.units))]


def plan_sqrt(profile: Profile) -> list[Segment]:
    """The least peak."""
    costs = _Costs(profile)
    sizes = costs.sizes()
    tried = {limit: costs.least_kept(limit) for limit in _some(sizes)}
    best = min(tried, key=lambda limit: memory_need(profile, tried[limit]).peak)
    below = max((limit for limit in tried if limit < best), default=0)
    above = min((limit for limit in tried if limit > best), default=best)
    near = [limit for limit in sizes if below < limit < above]
    plans = [*tried.values(), *(costs.least_kept(limit) for limit in near)]
    return min(plans, key=lambda plan: memory_need(profile, plan).peak)


def plan_budget(profile: Profile, budget: int) -> list[Segment]:
    """The fewest operations run twice that need at most `budget` bytes at once.

    Raises RecipeError if even the plan of the least peak needs more.
    """
    least = plan_sqrt(profile)
    tried, costs = [least], _Costs(profile)
    reserve = (1 + COPIES * profile.on_cpu) * _gradient(profile.units)
    for limit in [0, *_some(costs.sizes())]:
        for free in (budget, budget - reserve):
            tried.append(costs.fewest_operations(limit, free - limit))
    fitting = [plan for plan in tried if plan and needed(profile, plan) <= budget]
    if not fitting:
        rule = "no plan of recomputation fits the budget"
        got = f"{budget / GB:.2f} GB beside the weights"
        expected = f"at least {needed(profile, least) / GB:.2f} GB"
        raise RecipeError(rule, where="memory.budget_gb", expected=expected, got=got)
    return min(fitting, key=lambda plan: memory_need(profile, plan).repeated)


RECOMPUTE_CHOICES: dict[RecomputeChoice, Callable[[Profile], list[Segment]]] = {
    "off": plan_off,
    "sqrt": plan_sqrt,
    "all": plan_all,
}


def memory_need(profile: Profile, segments: Sequence[Segment]) -> MemoryNeed:
    """Bytes under the segments, which cover the profile's units."""
    kept: dict[str, int] = {unit.stage: 0 for unit in profile.units}
    seen: set[int] = set()
    largest, repeated, tensors, on_cpu = 0, 0, 0, 0
    for segment in segments:
        units = profile.units[segment.first : segment.last]
        for unit in units[:1] if segment.again else units:
            for key, size in (unit.read if segment.again else unit.saved).items():
                kept[unit.stage] += 0 if key in seen else size
                seen.add(key)
        if segment.again:
            largest = max(largest, _bytes_again(units))
            repeated += sum(unit.operations for unit in units)
        here = sum(kept.values()) + (_bytes_again(units) if segment.again else 0)
        tensors = max(tensors, here + _gradient(units))
        on_cpu = max(on_cpu, here + (1 + COPIES) * _gradient(units))
    kept["losses"] = profile.losses
    total = sum(unit.operations for unit in profile.units)
    return MemoryNeed(kept, largest, repeated / max(total, 1), tensors, on_cpu)


def _gradient(units: Sequence[Unit]) -> int:
    """The largest gradient on its way in the backward pass of these units."""
    return max(math.ceil(unit.largest * unit.share) for unit in units)


def needed(profile: Profile, segments: Sequence[Segment]) -> int:
    """Bytes that a step needs at once under the segments, on the profile's device."""
    found = memory_need(profile, segments)
    return found.on_cpu if profile.on_cpu else found.tensors


def to_plan(profile: Profile, segments: Sequence[Segment]) -> RecomputePlan:
    """The plan that a detector follows."""
    if not any(segment.again for segment in segments):
        return KEEP_ALL
    chain = tuple(s for s in segments if s.last <= profile.links)
    parts = {profile.units[s.first].stage: s.again for s in segments if s.first >= profile.links}
    return RecomputePlan(
        chain,
        whole_backbone=parts.get("backbone", False),
        pyramid=parts["pyramid"],
        proposal_head=parts["proposal head"],
        box_head=parts["box head"],
        mask_head=parts["mask head"],
    )


def _bytes_again(units: Sequence[Unit]) -> int:
    """What a segment saves when it is run again, without its input, which is kept already."""
    saved: Storages = {}
    for unit in units:
        saved |= unit.saved
    size = sum(size for key, size in saved.items() if key not in units[0].read)
    return math.ceil(size * units[0].share)


def _some(sizes: Sequence[int]) -> Sequence[int]:
    """About LIMITS of them, evenly, with the smallest."""
    return sizes[:: max(1, len(sizes) // LIMITS)]


class _Costs:
    """Bytes and operations of all segments; what two parts read is charged once, beforehand."""

    def __init__(self, profile: Profile) -> None:
        self.profile, self.units, self.links = profile, profile.units, profile.links
        self.base: Storages = {}
        for unit in profile.units[profile.links :]:
            self.base |= unit.read
        self.count = len(profile.units)
        self.again = {
            (i, j): _bytes_again(self.units[i:j])
            for i in range(self.count)
            for j in range(i + 1, (self.links if i < self.links else i + 1) + 1)
        }
        self.operations = [0, *accumulate(unit.operations for unit in self.units)]

    def sizes(self) -> list[int]:
        """Sizes of segments, in order, without those that alone are above another plan's peak."""
        highest = memory_need(self.profile, plan_all(self.profile)).peak
        return sorted({size for size in self.again.values() if size <= highest})

    def _options(self, first: int, limit: int) -> list[tuple[Segment, int, int]]:
        """Segments that start here, with the bytes each keeps and the operations it repeats."""
        # Bytes of a unit that is not run again; its result is charged to its reader
        unit = self.units[first]
        together = unit.saved | unit.read
        left_out = self.base.keys() | unit.written.keys()
        whole = sum(size for key, size in together.items() if key not in left_out)
        options = [(Segment(first, first + 1, again=False), whole, 0)]
        boundary = sum(size for key, size in unit.read.items() if key not in self.base)
        last = self.links if first < self.links else first + 1
        for end in range(first + 1, last + 1):
            if self.again[first, end] <= limit:
                repeated = self.operations[end] - self.operations[first]
                options.append((Segment(first, end, again=True), boundary, repeated))
        return options

    def least_kept(self, limit: int) -> list[Segment]:
        """The segments that keep least, none above the limit."""
        best: list[tuple[int, int, Segment | None]] = [(0, 0, None)]
        best += [(2**62, 0, None)] * self.count
        for first in range(self.count):
            kept, repeated, _ = best[first]
            for segment, more, again in self._options(first, limit):
                candidate = (kept + more, repeated + again, segment)
                if candidate[:2] < best[segment.last][:2]:
                    best[segment.last] = candidate
        return _traced([entry[2] for entry in best])

    def fewest_operations(self, limit: int, budget: int) -> list[Segment]:
        """The segments that repeat least and keep at most `budget` bytes, none above the limit;
        empty if there are none. Bytes are rounded up to budget / BINS."""
        free = budget - sum(self.base.values())
        if free <= 0:
            return []
        step = free / BINS
        cost = np.full((self.count + 1, BINS + 1), np.inf)
        cost[0, 0] = 0
        came = np.zeros((self.count + 1, BINS + 1, 3), np.int64)  # first link, again, bins
        for first in range(self.count):
            for segment, more, again in self._options(first, limit):
                bins = math.ceil(more / step)
                if bins > BINS:
                    continue
                candidate = cost[first, : BINS + 1 - bins] + again
                arrived = cost[segment.last, bins:]
                better = candidate < arrived
                arrived[better] = candidate[better]
                came[segment.last, bins:][better] = (first, segment.again, bins)
        column = int(cost[self.count].argmin())
        return [] if np.isinf(cost[self.count, column]) else _walked_back(came, column)


def _traced(arrived: Sequence[Segment | None]) -> list[Segment]:
    """The segments in order, from the last one that arrived at each boundary."""
    segments: list[Segment] = []
    segment = arrived[-1]
    while segment is not None:
        segments.append(segment)
        segment = arrived[segment.first]
    return segments[::-1]


def _walked_back(came: Int64[np.ndarray, "links bins 3"], column: int) -> list[Segment]:
    """The segments in order, from the way that led to the last boundary and this column."""
    segments: list[Segment] = []
    last = len(came) - 1
    while last > 0:
        first, again, bins = (int(v) for v in came[last, column])
        segments.append(Segment(first, last, again=bool(again)))
        last, column = first, column - bins
    return segments[::-1]


class Planner:
    """Plans of one detector for views of any size, made when a size is first met."""

    def __init__(self, choice: RecomputeChoice, *, budget_gb: float | None = None) -> None:
        self.choice, self.budget_gb = choice, budget_gb
        self.plans: dict[tuple[int, int, int, bool], RecomputePlan] = {}

    def __call__(self, detector: Detector, batch: int, hw: tuple[int, int]) -> RecomputePlan:
        """The plan for a batch of views; it follows from their rounded size alone."""
        if self.choice == "off" and self.budget_gb is None:
            return KEEP_ALL
        height, width = (side + -side % SIZE_STEP for side in hw)
        key = (batch, height, width, detector.mixed)
        if key not in self.plans:
            profile = measure_activations(detector, batch=batch, hw=(height, width))
            self.plans[key] = to_plan(profile, self.segments(detector, profile))
        return self.plans[key]

    def segments(self, detector: Detector, profile: Profile) -> list[Segment]:
        """The choice's segments, or those that fit the budget beside the weights."""
        if self.budget_gb is None:
            return RECOMPUTE_CHOICES[self.choice](profile)
        return plan_budget(profile, int(self.budget_gb * GB) - bytes_of_weights(detector))


def bytes_of_weights(detector: Detector) -> int:
    """Weights, their gradients, and AdamW's two moments of each."""
    return sum(4 * p.numel() * p.element_size() for p in detector.parameters())
