"""Focus, tiles and the merger for anybody's network, in one call.

    found = tinyseg.focus("frame.jpg", detect, classes=["person", "car"], input_hw=(640, 640))

In: a picture, and a function of a picture as `tinyseg.adapters` understands it. Out: Detections in
the picture's own pixels, merged by their masks. For many pictures `model_of` makes a Model once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from tinyseg.adapters import adapted
from tinyseg.api import Model, Picture, as_image, detections_on
from tinyseg.detections import Detections
from tinyseg.errors import DataError
from tinyseg.frame import Instances
from tinyseg.network import Network
from tinyseg.predict import TILE_ANSWERS, Member, Predictor, member_of, named_plan
from tinyseg.views import Focus, FrameInfo, LocationPrior, Plan, PlanLike, Planned, Tiles

SHARE = 0.6
"""What a focus spends, whole frame included, of what tiles of the frame would take, unless said."""

Names = Sequence[str] | Mapping[int, str]
"""Class names by place, or by id."""


def focus(
    picture: Picture,
    detect: Any,
    *,
    classes: Names | None = None,
    input_hw: tuple[int, int] | None = None,
    budget_mp: float | None = None,
    zoom: float | None = None,
    prior: LocationPrior | Path | None = None,
    camera: str | None = None,
) -> Detections:
    """Look at the whole picture, then closer where small instances are expected, and merge.

    `detect` is a function of one picture, or a `Network`; `classes` are names by index or by id.
    `input_hw` is the network's input height and width, if it has only one: views then have this
    size. `budget_mp` is the number of pixels of all closer views, in millions; by default .6 of
    what tiles would take, less the first view. `zoom` is their magnification; by default 1 for a
    network with one input size, else 1.4. `prior` is a location prior, used for the picture's
    `camera`. Raises DataError for what `detect` must not return, ImageError for what is no picture.
    """
    name, image = as_image(picture)
    member, hw = _member(detect, classes, input_hw), (image.shape[0], image.shape[1])
    plan = focus_plan(member, hw, budget_mp=budget_mp, zoom=zoom, prior=prior)
    return detections_on(Predictor([member], plan), name, image, camera)


def tiles(
    picture: Picture,
    detect: Any,
    *,
    classes: Names | None = None,
    input_hw: tuple[int, int] | None = None,
    size: int | None = None,
    overlap: int | None = None,
    zoom: float = 1.0,
    whole: bool = True,
) -> Detections:
    """Look at square tiles over the picture and merge what is found.

    With `whole` the whole picture is looked at too, for what is larger than half a tile. `size` is
    a tile's side in view pixels (by default the network's input, else 640), `overlap` is in the
    picture's pixels (by default a quarter of a tile). The other arguments are those of `focus`.
    """
    name, image = as_image(picture)
    member = _member(detect, classes, input_hw)
    side = min(member.predict.input_hw or (Tiles().size,)) if size is None else size
    answers = (0.0, side / zoom * TILE_ANSWERS) if whole else None
    parts = named_plan("whole", member.predict).parts if whole else ()
    plan = Plan((*parts, *Plan.of(Tiles(side, overlap, zoom, answers_for=answers)).parts))
    return detections_on(Predictor([member], plan), name, image)


def model_of(
    detect: Any,
    plan: PlanLike | str = "focus",
    *,
    classes: Names | None = None,
    input_hw: tuple[int, int] | None = None,
) -> Model:
    """A Model of another library's network, for many pictures.

    `plan` is "whole", "tiles", "focus", or a plan of `tinyseg.views`. The other arguments are those
    of `focus`.
    """
    member = _member(detect, classes, input_hw)
    if plan == "focus":
        plan = FittedFocus(member)
    elif isinstance(plan, str):
        plan = named_plan(plan, member.predict)
    return Model(Predictor([member], plan))


@dataclass(frozen=True, slots=True)
class FittedFocus(PlanLike):
    """The focus that fits a network, with a budget that fits each frame."""

    member: Member

    def first(self, info: FrameInfo) -> list[Planned]:
        """The whole frame."""
        return focus_plan(self.member, info.hw).first(info)

    def then(self, info: FrameInfo, found: Instances) -> list[Planned]:
        """The closer looks."""
        return focus_plan(self.member, info.hw).then(info, found)


def focus_plan(
    member: Member,
    hw: tuple[int, int],
    *,
    budget_mp: float | None = None,
    zoom: float | None = None,
    prior: LocationPrior | Path | None = None,
) -> Focus:
    """The focus that fits a network and a frame of this height and width."""
    sides = member.predict
    inner = sides.input_hw or Focus().view
    plan = Focus(
        budget_mp=inner[0] * inner[1] / 1e6,
        zoom=zoom or (Focus().zoom if sides.input_hw is None else 1.0),
        view=inner,
        source="first" if prior is None else "both",
        prior=prior,
        short_side=sides.short_side,
        longest_side=sides.longest_side,
    )
    if sides.input_hw is not None:
        plan = replace(plan, answers_for=(0.0, min(inner) / plan.zoom * TILE_ANSWERS), coarser=0)
    if budget_mp is None:
        tile = min(inner)
        count = len(Tiles(tile).first(FrameInfo(hw))) + 1
        whole = [one.view.out_hw for one in plan.whole.first(FrameInfo(hw))]
        once = sum(map(prod, whole if sides.input_hw is None else [inner]))
        budget_mp = (SHARE * count * tile**2 - once) / 1e6
    return replace(plan, budget_mp=max(budget_mp, plan.budget_mp))


def _member(detect: Any, classes: Names | None, input_hw: tuple[int, int] | None) -> Member:
    if isinstance(detect, Network) and (classes is not None or input_hw is not None):
        raise DataError("a Network says itself what its classes and its input are")
    return member_of(adapted(detect, classes, input_hw=input_hw))
