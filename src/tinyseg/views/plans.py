"""What a plan is: from a frame's size and camera to the views to look at; and the plans of one
pass, the whole frame and tiles of it.

What every plan takes besides its own measures is `answers_for`: the range of sizes, square roots
of box areas in frame pixels, that its views answer for.

In: a FrameInfo, and for the second pass what the first one found, in frame pixels and low scores
included. Out: Planned views, in the same order for the same input. Nothing here opens a picture.
"""

import re
from dataclasses import dataclass
from math import ceil, inf
from typing import Annotated, Protocol, runtime_checkable

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveFloat

from tinyseg.errors import PlanError
from tinyseg.frame import Instances
from tinyseg.views.view import EVERY_SIZE, View

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


OVERLAP = 0.25
"""Share of a tile's side that neighbouring tiles have in common, unless said otherwise."""


COARSE_LEAST = 48
"""A coarser look answers for objects of at least so many of its own pixels."""

LOWEST = 160
"""No coarser look has a shorter side than this."""


@dataclass(frozen=True, slots=True)
class Whole(PlanLike):
    """The whole frame in one view, and in `coarser` smaller ones.

    Its short side is scaled to `short_side`, unless its long side would then be longer than
    `longest_side`, or the frame be magnified more than `largest_zoom` times. `answers_for` is the
    range of object sizes that its detections are kept for; None is every size. Each coarser look
    has half the scale of the one before, and answers for what is large in it: a network does not
    know objects that are much larger than those it learnt from.
    """

    __pydantic_config__ = READING

    short_side: int = SHORT_SIDE
    longest_side: int | None = LONGEST_SIDE
    largest_zoom: PositiveFloat | None = None
    answers_for: Range = None
    coarser: NonNegativeInt = 0

    def __post_init__(self) -> None:
        longest = inf if self.longest_side is None else self.longest_side
        if min(self.short_side, longest) < 1:
            got = f"{self.short_side}, {self.longest_side}"
            raise PlanError("a whole view needs sides of at least 1 pixel", got=got)
        if not (self.largest_zoom is None or self.largest_zoom > 0):
            raise PlanError("a whole view needs a zoom above 0", got=self.largest_zoom)
        if self.coarser < 0:
            raise PlanError("a whole view has no or some coarser looks", got=self.coarser)
        check_range(self.answers_for)

    def first(self, info: FrameInfo) -> list[Planned]:
        """The view, and the coarser ones that are not lower than 160 pixels."""
        height, width = info.hw
        longest = inf if self.longest_side is None else self.longest_side
        scale = min(self.short_side / min(info.hw), longest / max(info.hw))
        scale = min(scale, self.largest_zoom or inf)
        rect = (0.0, 0.0, float(width), float(height))
        low, high = self.answers_for or EVERY_SIZE
        views = []
        for halved in range(self.coarser + 1):
            out_hw = (max(round(height * scale), 1), max(round(width * scale), 1))
            if halved:
                low = max(low, COARSE_LEAST / scale)
                if min(out_hw) < LOWEST or low >= high:
                    break
            views.append(Planned(View(rect, out_hw, answers_for=(low, high))))
            scale /= 2
        return views


@dataclass(frozen=True, slots=True)
class Tiles(PlanLike):
    """Square views of `size` x `size` view pixels that cover the frame, or its half-open `band` of
    rows.

    Neighbours share at least `overlap` frame pixels; None is a quarter of a tile. `zoom` is view
    pixels a frame pixel. `answers_for` is the range of object sizes that their detections are kept
    for; None is every size. A frame smaller than a tile is padded to the right and below. A frame
    whose rows end above the band has no tiles.
    """

    __pydantic_config__ = READING

    size: int = 640
    overlap: int | None = None
    zoom: PositiveFloat = 1.0
    band: tuple[int, int] | None = None
    answers_for: Range = None

    def __post_init__(self) -> None:
        if not (self.size >= 1 and 0 < self.zoom < inf):
            got = f"{self.size}, zoom {self.zoom}"
            raise PlanError("tiles need a side of 1 pixel and a zoom above 0", got=got)
        if not 0 <= self._overlap < int(self._side):
            expected = f"0 ... {int(self._side) - 1}"
            rule = "tiles overlap by less than their side"
            raise PlanError(rule, expected=expected, got=self.overlap)
        if self.band is not None and not 0 <= self.band[0] < self.band[1]:
            raise PlanError(
                "a band of rows starts at 0 or below it and has a height", got=self.band
            )
        check_range(self.answers_for)

    @property
    def _side(self) -> float:
        """In frame pixels."""
        return self.size / self.zoom

    @property
    def _overlap(self) -> int:
        return round(self._side * OVERLAP) if self.overlap is None else self.overlap

    def first(self, info: FrameInfo) -> list[Planned]:
        """The tiles, row by row."""
        (height, width), side = info.hw, self._side
        top, bottom = (0, height) if self.band is None else self.band
        bottom = min(bottom, height)
        if top >= bottom:
            return []
        rows = [top + y for y in starts(bottom - top, side, self._overlap)]
        columns = starts(width, side, self._overlap)
        rects = [(x, y, x + side, y + side) for y in rows for x in columns]
        sizes = self.answers_for or EVERY_SIZE
        return [Planned(View(rect, (self.size, self.size), answers_for=sizes)) for rect in rects]


def starts(length: int, side: float, overlap: int) -> list[float]:
    """Whole-pixel starts of the fewest windows that cover 0 ... length, spread evenly."""
    if length <= side:
        return [0.0]
    last, stride = ceil(length - side), int(side) - overlap
    steps = ceil(last / stride)
    return [float(i * last // steps) for i in range(steps + 1)]
