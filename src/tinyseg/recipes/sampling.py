"""The sampling section of a recipe: what a training view is, and what it counts as an object.

A step draws one of the `sources` by their shares and one size from it, so that a batch has one
size on every rank; a sample draws its frame, place, zoom and flip. A source may keep to some of the
run's data sets: large frames as tiles, and everyday photos as mosaics, in one run. `MIXTURES` names
the mixtures of sources that the project's recipes use: `sampling.sources=vtr` on a command line.
"""

from types import MappingProxyType
from typing import Annotated, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from tinyseg.recipes.section import Section

Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=64, multiple_of=32)]
Size = Annotated[tuple[Side, Side], BeforeValidator(lambda s: (s, s) if isinstance(s, int) else s)]
"""Height and width of a view in view pixels; one number for a square."""
Zoom = tuple[PositiveFloat, PositiveFloat]
DataSets = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
"""Places of data sets among those of the run, from 0 on."""
Cells = Annotated[int, Field(ge=1, le=8)]
Cover = Annotated[float, Field(ge=1)]
Number = TypeVar("Number", int, float)

WAD_ASPECT = 3384 / 2710
"""Width over height of the challenge's frames."""


def _in_order(bounds: tuple[Number, Number], name: str) -> tuple[Number, Number]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"{name} must be (lowest, highest)")
    return bounds


class Tile(Section):
    """Views of native frames, square or strips; what is None is as the sampling section says."""

    kind: Literal["tile"] = "tile"
    share: PositiveFloat = 1.0
    """How often, against the other sources' shares."""
    data: DataSets | None = None
    """The data sets it draws from; None: all."""
    view: Size | None = None
    zoom: Zoom | None = None
    near_share: Share | None = None

    @field_validator("zoom")
    @classmethod
    def _zoom_in_order(cls, zoom: Zoom | None) -> Zoom | None:
        return zoom if zoom is None else _in_order(zoom, "zoom")


class Whole(Section):
    """Whole frames, the short side of the canvas drawn from a range, all pixels equally likely."""

    kind: Literal["whole"] = "whole"
    share: PositiveFloat = 1.0
    data: DataSets | None = None
    short_side: tuple[PositiveInt, PositiveInt] = (1500, 1800)
    longest_side: PositiveInt | None = None
    """A canvas whose long side would be over this is made smaller as a whole."""
    aspect: PositiveFloat = WAD_ASPECT
    """Width over height of the canvas; a frame of another shape has grey beside it."""

    @field_validator("short_side")
    @classmethod
    def _sides_in_order(cls, sides: tuple[int, int]) -> tuple[int, int]:
        return _in_order(sides, "short_side")


class Mosaic(Section):
    """Views of n x n cells, each a view of its own frame, so that objects become small.

    A frame whose short side is under `large` fills its cell, nearly whole; of a larger one a cell
    shows a part. What is None is as the sampling section says.
    """

    kind: Literal["mosaic"] = "mosaic"
    share: PositiveFloat = 1.0
    data: DataSets | None = None
    view: Size | None = None
    grid: tuple[Cells, Cells] = (1, 4)
    """Fewest and most cells a side ..."""
    weights: tuple[NonNegativeFloat, ...] | None = None
    """... and how often each number from the one to the other is drawn; None: evenly."""
    cover: tuple[Cover, Cover] = (1.0, 1.6)
    """A frame's zoom, against the smallest one at which it fills its cell."""
    large: PositiveInt = 800
    zoom: Zoom | None = None
    """The zoom of frames that are large, which fill their cells too."""
    near_share: Share | None = None

    @property
    def most_cells(self) -> int:
        """As many cells as a view can have."""
        return self.grid[1] ** 2

    @model_validator(mode="after")
    def _bounds_in_order(self) -> "Mosaic":
        sides = _in_order(self.grid, "grid")
        _in_order(self.cover, "cover")
        _in_order(self.zoom or (1.0, 1.0), "zoom")
        count = sides[1] - sides[0] + 1
        if self.weights is not None and (len(self.weights) != count or not sum(self.weights)):
            raise ValueError(f"weights must be {count} numbers, not all 0, as grid says")
        return self


AnySource = Tile | Whole | Mosaic
Source = Annotated[AnySource, Field(discriminator="kind")]

NATIVE_TILES: tuple[AnySource, ...] = (Tile(),)
"""Square views at the section's zoom: what a small network on a CPU learns from."""
WHOLE_1500_1800: tuple[AnySource, ...] = (Whole(short_side=(1500, 1500), longest_side=1800),)
"""The slides' first training scale: short side 1500, unless the longest side were over 1800."""
WHOLE_1800_2400: tuple[AnySource, ...] = (Whole(short_side=(1800, 1800), longest_side=2400),)
"""The slides' larger training scale."""
VTR: tuple[AnySource, ...] = (Whole(short_side=(1500, 1800), longest_side=2400),)
"""Varied training resolution: all from the one scale to the other, in one run."""
VTR_AND_TILES: tuple[AnySource, ...] = (*VTR, Tile(view=(1024, 1024), zoom=(0.75, 1.5)))
"""Whole frames at a variable resolution and native tiles, half of the steps each."""
MOSAICS: tuple[AnySource, ...] = (Mosaic(),)
"""1 to 16 frames a view: what tiny objects are learnt from where frames show large ones."""

MIXTURES = MappingProxyType(
    {
        "native_tiles": NATIVE_TILES,
        "whole_1500_1800": WHOLE_1500_1800,
        "whole_1800_2400": WHOLE_1800_2400,
        "vtr": VTR,
        "vtr_and_tiles": VTR_AND_TILES,
        "mosaics": MOSAICS,
    }
)
"""Mixtures by name, for `sampling.sources`."""


class CopyPaste(Section):
    """Objects of other frames, moved along the road to where they have another size."""

    share: Share = 0.0
    """Share of views that get objects pasted in; 0: none does."""
    most: int = Field(default=3, ge=1)
    """1 ... this many objects are tried in such a view."""
    donors: int = Field(default=4, ge=1)
    """Objects come from this many frames that the run looked at just before."""
    scale: Zoom = (0.25, 1.25)
    """Size in the frame against the size where the object was cut out."""
    horizon: float | None = Field(default=None, gt=-1, lt=1)
    """Row of the horizon as a share of the frame's height; None: fitted to the labels of a run."""

    @field_validator("scale")
    @classmethod
    def _scale_in_order(cls, scale: Zoom) -> Zoom:
        return _in_order(scale, "scale")


class Sampling(Section):
    """Which views of which frames are learnt from."""

    sources: Annotated[tuple[Source, ...], Field(min_length=1)] = NATIVE_TILES
    """What the steps draw from, by their shares; or the name of one of MIXTURES."""
    view: Size = (640, 640)
    zoom: Zoom = (0.5, 2.0)
    """Each tile draws its zoom from this range, evenly in its logarithm."""
    near_share: Share = 0.8
    """Share of tiles placed around an instance; the others lie anywhere in the frame."""
    near: Literal["instance", "class"] = "instance"
    """Whether a frame's instances, or its classes, are equally likely to be looked at."""
    views_per_frame: int = Field(default=4, ge=1)
    """Tiles cut from a frame once it is decoded; whole frames are shown once."""
    repeat: NonNegativeFloat = 0.0
    """Frames with a class that is in less than this share of them come more often; 0: none does."""
    min_visible: Share = 0.25
    """Objects that a view shows less of, by area, are ignored, not learnt ..."""
    drop_visible: Share = 0.0
    """... and those that it shows still less of are background."""
    flip: bool = True
    colour: Share = 0.3
    copy_paste: CopyPaste = CopyPaste()

    @field_validator("sources", mode="before")
    @classmethod
    def _mixture_of_name(cls, sources: object) -> object:
        if not isinstance(sources, str):
            return sources
        if sources not in MIXTURES:
            raise ValueError(f"no mixture of this name, there are {', '.join(MIXTURES)}")
        return MIXTURES[sources]

    @model_validator(mode="after")
    def _ranges_in_order(self) -> "Sampling":
        _in_order(self.zoom, "zoom")
        if self.drop_visible > self.min_visible:
            raise ValueError("drop_visible must not be above min_visible")
        return self
