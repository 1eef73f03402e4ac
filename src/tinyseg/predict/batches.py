"""Batches: which views go through a network together, in bounded memory.

In: looks, each a view of one of several frames by one member. Out: batches of one member and one
view size. Looks are sorted first, so that neither the order of a plan nor a view planned twice
changes a result. A batch holds no more than the limits say, or is a single view.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Annotated

from pydantic import Field

from tinyseg.predict.members import Member
from tinyseg.views import View

MB = 10**6


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """At most so many view pixels in a batch, and so many MB of memory beyond weights and inputs.

    Memory is reckoned by each network's `view_bytes`. A single view is looked at whatever it takes.
    """

    pixels: Annotated[int, Field(ge=1)] = 2**21
    memory_mb: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True, slots=True, order=True)
class Look:
    """One view of the frame at place `frame`, by the member at place `member`."""

    member: int
    out_hw: tuple[int, int]
    frame: int
    rect: tuple[float, float, float, float]
    flip: bool
    answers_for: tuple[float, float]

    @staticmethod
    def of(view: View, *, member: int, frame: int) -> "Look":
        """The look at this view."""
        return Look(member, view.out_hw, frame, view.rect, view.flip, view.answers_for)

    @property
    def view(self) -> View:
        """The view that is looked at."""
        return View(self.rect, self.out_hw, self.flip, self.answers_for)


Kind = tuple[int, tuple[int, int]]
"""What looks of one batch have in common: the member, and the view's size."""


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """How many views of a kind go together; `lowered` remembers what did not fit."""

    limits: BatchLimits
    lowered: dict[Kind, int] = field(default_factory=dict)

    def of(self, kind: Kind, member: Member) -> int:
        """Views of a batch, at least one."""
        height, width = kind[1]
        count = self.limits.pixels // (height * width)
        if self.limits.memory_mb is not None:
            count = min(count, int(self.limits.memory_mb * MB / member.network.view_bytes(kind[1])))
        return max(min(count, self.lowered.get(kind, count)), 1)

    def lower(self, kind: Kind, count: int) -> None:
        """From now on no more than `count` views of this kind."""
        self.lowered[kind] = count


def in_batches(
    looks: Iterable[Look], members: tuple[Member, ...], sizes: BatchSizes
) -> Iterable[list[Look]]:
    """The looks, sorted and each once, in batches of one kind."""
    ordered = sorted(set(looks))
    for kind, same in groupby(ordered, key=lambda look: (look.member, look.out_hw)):
        rest = list(same)
        while rest:
            count = sizes.of(kind, members[kind[0]])
            yield rest[:count]
            rest = rest[count:]
