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
    """Views cut from frames, square or strips; what is none is as the sampling section says."""

    kind: Literal["tile"] = "tile"
    """Which of the three kinds of source this is."""
    share: PositiveFloat = 1.0
    """How often this source is drawn, relative to the other sources' shares."""
    data: DataSets | None = None
    """Numbers of the data sets it draws from, counted from 0; none: all."""
    view: Size | None = None
    """Height and width of a view, as in `sampling.view`."""
    zoom: Zoom | None = None
    """Lowest and highest zoom, as in `sampling.zoom`."""
    near_share: Share | None = None
    """Share of views around an instance, as in `sampling.near_share`."""

    @field_validator("zoom")
    @classmethod
    def _zoom_in_order(cls, zoom: Zoom | None) -> Zoom | None:
        return zoom if zoom is None else _in_order(zoom, "zoom")


class Whole(Section):
    """Whole frames; the short side of the canvas is drawn from a range, all pixels equally
    likely."""

    kind: Literal["whole"] = "whole"
    """Which of the three kinds of source this is."""
    share: PositiveFloat = 1.0
    """How often this source is drawn, relative to the other sources' shares."""
    data: DataSets | None = None
    """Numbers of the data sets it draws from, counted from 0; none: all."""
    short_side: tuple[PositiveInt, PositiveInt] = (1500, 1800)
    """Lowest and highest short side of the canvas, in pixels."""
    longest_side: PositiveInt | None = None
    """A canvas whose long side would be longer than this is scaled down."""
    aspect: PositiveFloat = WAD_ASPECT
    """Width over height of the canvas; a frame of another shape has grey beside it."""

    @field_validator("short_side")
    @classmethod
    def _sides_in_order(cls, sides: tuple[int, int]) -> tuple[int, int]:
        return _in_order(sides, "short_side")


class Mosaic(Section):
    """Views of n x n cells, each showing another frame, so that objects become small.

    A frame whose short side is below `large` fills its cell nearly as a whole; of a larger one a
    cell shows a part. What is none is as the sampling section says.
    """

    kind: Literal["mosaic"] = "mosaic"
    """Which of the three kinds of source this is."""
    share: PositiveFloat = 1.0
    """How often this source is drawn, relative to the other sources' shares."""
    data: DataSets | None = None
    """Numbers of the data sets it draws from, counted from 0; none: all."""
    view: Size | None = None
    """Height and width of a view, as in `sampling.view`."""
    grid: tuple[Cells, Cells] = (1, 4)
    """Fewest and most cells along a side."""
    weights: tuple[NonNegativeFloat, ...] | None = None
    """How often each number of cells from the fewest to the most is drawn; none: evenly."""
    cover: tuple[Cover, Cover] = (1.0, 1.6)
    """Lowest and highest zoom of a frame, relative to the smallest zoom that fills its cell."""
    large: PositiveInt = 800
    """Short side in pixels from which a frame counts as large."""
    zoom: Zoom | None = None
    """Lowest and highest zoom of large frames."""
    near_share: Share | None = None
    """Share of views around an instance, as in `sampling.near_share`."""

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
    """Share of views that get objects pasted in; 0: off."""
    most: int = Field(default=3, ge=1)
    """Most objects that are tried in such a view."""
    donors: int = Field(default=4, ge=1)
    """Objects come from this many frames of the samples just before."""
    scale: Zoom = (0.25, 1.25)
    """Smallest and largest size of a pasted object, relative to its size where it was cut out."""
    horizon: float | None = Field(default=None, gt=-1, lt=1)
    """Row of the horizon as a share of the frame's height; none: fitted to the labels."""

    @field_validator("scale")
    @classmethod
    def _scale_in_order(cls, scale: Zoom) -> Zoom:
        return _in_order(scale, "scale")


class Sampling(Section):
    """Which views of which frames are learnt from."""

    sources: Annotated[tuple[Source, ...], Field(min_length=1)] = NATIVE_TILES
    """Each step draws one of these sources by their shares; or the name of a mixture."""
    view: Size = (640, 640)
    """Height and width of a training view in pixels; one number for a square."""
    zoom: Zoom = (0.5, 2.0)
    """Lowest and highest zoom of a tile, drawn evenly in its logarithm."""
    near_share: Share = 0.8
    """Share of tiles placed around an instance; the others lie anywhere in the frame."""
    near: Literal["instance", "class"] = "instance"
    """Which instance that is: all of a frame, or all classes of a frame, are equally likely."""
    views_per_frame: int = Field(default=4, ge=1)
    """Tiles cut from a frame each time it is decoded; whole frames are shown once."""
    repeat: NonNegativeFloat = 0.0
    """Frames with a class that fewer frames than this share have come more often (repeat factor
    sampling, Gupta et al. 2019); 0: off."""
    min_visible: Share = 0.25
    """Visibility, as a share of the area, below which an object in a view is ignored ..."""
    drop_visible: Share = 0.0
    """... and below which it is background."""
    flip: bool = True
    """Half of the views are mirrored."""
    colour: Share = 0.3
    """Brightness, contrast and saturation each change by up to this share."""
    copy_paste: CopyPaste = CopyPaste()
    """Objects of other frames, pasted in."""

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
