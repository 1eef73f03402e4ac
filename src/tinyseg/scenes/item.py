"""One piece of clutter: unlabelled, but painted in its turn, so it may hide what is labelled."""

from collections.abc import Callable
from dataclasses import dataclass

from tinyseg.scenes.canvas import Canvas, Place, paint
from tinyseg.scenes.parts import Solid
from tinyseg.scenes.plan import Street


@dataclass(frozen=True, slots=True)
class Item:
    """How far it is, and how to paint it."""

    z_m: float
    paint: Callable[[Canvas], None]

    def paint_on(self, canvas: Canvas) -> Callable[[], None]:
        """The job of painting it on this canvas."""
        return lambda: self.paint(canvas)


def solid_item(solid: Solid, place: Place) -> Item:
    """An item that is a solid at a place."""
    return Item(place.z_m, lambda canvas: paint(canvas, solid, place))


def clear_of_crossing(street: Street, z: float, spare_m: float = 0.0) -> bool:
    """Whether the crossing street, and its zebra, leave this distance free."""
    if street.crossing_m is None:
        return True
    return not street.crossing_m - 6 - spare_m < z < street.crossing_m + 17 + spare_m
