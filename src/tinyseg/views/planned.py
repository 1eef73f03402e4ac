"""What a plan gives: from a frame's size and camera to the views to look at, in one pass or two.

In: a FrameInfo, and for the second pass what the first one found, in frame pixels and low scores
included. Out: Planned views, in the same order for the same input. Nothing here opens a picture.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

from pydantic import ConfigDict, Field

from tinyseg.errors import PlanError
from tinyseg.frame import Instances
from tinyseg.views.view import View

READING = ConfigDict(extra="forbid", allow_inf_nan=False)
"""How pydantic reads the records of a plan from a file."""

Range = tuple[Annotated[float, Field(ge=0)], float] | None
"""Square roots of box areas in frame pixels, low and high; None for every size."""

SHORT_SIDE, LONGEST_SIDE = 1800, 2400
"""What a whole frame's sides are brought to, unless a plan says otherwise."""


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """Height and width of a frame in pixels, and which camera took it, if that is known."""

    hw: tuple[int, int]
    camera: str | None = None

    @staticmethod
    def named(name: str, hw: tuple[int, int]) -> "FrameInfo":
        """The frame of this name (or path) and size."""
        return FrameInfo(hw, camera_of(name))


@dataclass(frozen=True, slots=True)
class Planned:
    """A view, and the models that look at it by their place in the ensemble; None is all."""

    view: View
    models: tuple[int, ...] | None = None


@runtime_checkable
class PlanLike(Protocol):
    """What can be followed: a Plan, its parts Whole, Tiles and Focus alone, or one of your own."""

    __slots__ = ()

    def first(self, info: FrameInfo) -> list[Planned]:
        """The views that are looked at first."""

    def then(self, info: FrameInfo, found: Instances) -> list[Planned]:
        """More of them, which may follow from what was found in the first ones."""
        return []

    def remarks(self, info: FrameInfo) -> tuple[str, ...]:
        """What there is to say about how a frame is treated, such as a prior that does not fit."""
        return ()


def check_range(answers_for: Range) -> None:
    """Raise PlanError unless the sizes go from low to high."""
    if answers_for is not None and not 0 <= answers_for[0] < answers_for[1]:
        raise PlanError("a view answers for sizes low ... high", got=answers_for)


_CAMERA = re.compile(r"_camera_(\w+?)(?:_|$|\.)", re.IGNORECASE)


def camera_of(name: str) -> str | None:
    """The camera that a frame's name tells: `..._Camera_5.jpg` is of "5", most are of None."""
    stem = name.replace("\\", "/").rsplit("/", 1)[-1]
    match = _CAMERA.search(stem)
    return match.group(1) if match else None
