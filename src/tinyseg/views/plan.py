"""What a plan is: from a frame's size and camera to the views to look at, in one pass or two.

In: a FrameInfo, and for the second pass what the first one found, in frame pixels and low scores
included. Out: Planned views, in the same order for the same input. Nothing here opens a picture.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from tinyseg.frame import Instances
from tinyseg.views.view import View


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


def _nothing_more(info: FrameInfo, found: Instances) -> list[Planned]:
    return []


def _no_remarks(info: FrameInfo) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Views of the first pass; those of the second, which may follow from what the first found;
    and what there is to say about how a frame is treated, such as a prior that does not fit it.
    """

    first: Callable[[FrameInfo], list[Planned]]
    then: Callable[[FrameInfo, Instances], list[Planned]] = _nothing_more
    remarks: Callable[[FrameInfo], tuple[str, ...]] = _no_remarks


def together(*plans: Plan) -> Plan:
    """The views of all plans, in order, and each remark once; the second passes know what all first
    ones found."""
    return Plan(
        lambda info: [planned for plan in plans for planned in plan.first(info)],
        lambda info, found: [planned for plan in plans for planned in plan.then(info, found)],
        lambda info: tuple(dict.fromkeys(r for plan in plans for r in plan.remarks(info))),
    )


def flipped(plan: Plan) -> Plan:
    """Each view of the plan, and right after it its mirror image."""
    return _mapped(plan, lambda p: [p, replace(p, view=replace(p.view, flip=not p.view.flip))])


def for_models(plan: Plan, models: tuple[int, ...]) -> Plan:
    """The plan looked at by these models of an ensemble only."""
    return _mapped(plan, lambda p: [replace(p, models=models)])


def _mapped(plan: Plan, change: Callable[[Planned], list[Planned]]) -> Plan:
    return Plan(
        lambda info: [new for planned in plan.first(info) for new in change(planned)],
        lambda info, found: [new for old in plan.then(info, found) for new in change(old)],
        plan.remarks,
    )


_CAMERA = re.compile(r"_camera_(\w+?)(?:_|$|\.)", re.IGNORECASE)


def camera_of(name: str) -> str | None:
    """The camera that a frame's name tells: `..._Camera_5.jpg` is of "5", most are of None."""
    stem = name.replace("\\", "/").rsplit("/", 1)[-1]
    match = _CAMERA.search(stem)
    return match.group(1) if match else None
