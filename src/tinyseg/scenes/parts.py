"""The vocabulary the objects are drawn in: parts of a solid, in the object's own metres.

Axes: x to the object's right, y up from the ground under it, z to its front. A Part is a flat
polygon, or a round stroke along its points; a Solid is a list of parts, painted by layer and, in a
layer, from far to near. Parts with a normal are dropped where they face away.

What all vehicles share is here too: colours of glass, tyres and lamps, wheels, the dark underside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from tinyseg.scenes.light import Colour

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Part:
    """A polygon (`filled`) or an open stroke; `round_m` is the width of its rounded outline."""

    points: Float[np.ndarray, "n 3"]
    colour: Colour
    normal: Point | None = None
    round_m: float = 0.0
    filled: bool = True
    layer: int = 0
    glows: bool = False
    """Bright by itself: a brake lamp, a traffic light."""
    lamp: bool = False
    """Bright by itself, with a halo, where the weather asks for lamps."""


Solid = list[Part]


def stroke(points: Sequence[Point], width_m: float, colour: Colour, layer: int = 0) -> Part:
    """A line with round ends; a single point gives a ball."""
    return Part(np.array(points, float), colour, round_m=width_m, filled=False, layer=layer)


def blob(points: Sequence[Point], round_m: float, colour: Colour, layer: int = 0) -> Part:
    """A polygon seen from both sides, its outline rounded."""
    return Part(np.array(points, float), colour, round_m=round_m, layer=layer)


def normal_of(points: Float[np.ndarray, "n 3"], away_from: Point) -> Point:
    """Newell's normal of a nearly flat polygon, on the side away from the given point."""
    normal = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
    normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
    if float(normal @ (points.mean(axis=0) - np.array(away_from))) < 0:
        normal = -normal
    return (float(normal[0]), float(normal[1]), float(normal[2]))


def panel(points: Sequence[Point], colour: Colour, centre: Point, layer: int = 1) -> Part:
    """A polygon seen only from outside the solid whose centre is given."""
    array = np.array(points, float)
    return Part(array, colour, normal=normal_of(array, centre), layer=layer)


def _circle(centre: Point, radius_m: float, turn: Float[np.ndarray, " n"]) -> np.ndarray:
    """Points at these angles of a circle in the plane of the object's length."""
    around = np.stack([np.zeros_like(turn), np.sin(turn), np.cos(turn)], axis=1)
    return np.array(centre) + radius_m * around


def ring(centre: Point, radius_m: float, width_m: float, colour: Colour) -> Part:
    """A hoop in the plane of the object's length: a bicycle's wheel."""
    points = _circle(centre, radius_m, np.linspace(0, 2 * np.pi, 17))
    return Part(points, colour, round_m=width_m, filled=False)


def disc(centre: Point, radius_m: float, colour: Colour, side: float, layer: int) -> Part:
    """A round plate along the object's length; the sign of `side` says where it is seen from."""
    points = _circle(centre, radius_m, np.linspace(0, 2 * np.pi, 16, endpoint=False))
    return Part(points, colour, normal=(side, 0.0, 0.0), layer=layer)


Station = tuple[float, float, float]
"""A point of a body's outline seen from the side, and its half width there: (z, y, half x)."""


@dataclass(frozen=True, slots=True)
class Loft:
    """A body given by its side outline with a half width at each point, symmetric in x."""

    stations: list[Station]
    centre: Point

    def strip(self, first: int, colour: Colour, layer: int = 1) -> Part:
        """The band across the body between an outline point and the next one."""
        return self.patch(first, (-1.0, 1.0), (0.0, 1.0), colour, layer)

    def patch(
        self,
        first: int,
        across: tuple[float, float],
        along: tuple[float, float],
        colour: Colour,
        layer: int = 2,
    ) -> Part:
        """A piece of a band: `across` in -1..1 of its width, `along` in 0..1 to the next point."""
        return panel(self.corners(first, across, along), colour, self.centre, layer)

    def corners(
        self, first: int, across: tuple[float, float], along: tuple[float, float]
    ) -> list[Point]:
        """The four corners of a piece of a band."""
        a, b = np.array(self.stations[first]), np.array(self.stations[first + 1])
        ends = [a + (b - a) * t for t in along]
        order = ((0, 0), (0, 1), (1, 1), (1, 0))
        return [
            (float(ends[i][2]) * across[j], float(ends[i][1]), float(ends[i][0])) for i, j in order
        ]

    def flanks(self, picked: Sequence[int], colour: Colour, layer: int = 1) -> Solid:
        """The left and right sides spanned by some of the outline's points."""
        sides = []
        for side in (-1.0, 1.0):
            chosen = [self.stations[i] for i in picked]
            points = [(side * half, y, z) for z, y, half in chosen]
            sides.append(panel(points, colour, self.centre, layer))
        return sides


def box(
    size_m: Point, base: Point, colour: Colour, roof: Colour | None = None, layer: int = 1
) -> Solid:
    """An upright box of (width, height, length), the middle of its floor at `base`."""
    width, height, length = size_m
    x, y, z = base
    back, front, half = z - length / 2, z + length / 2, width / 2
    stations = [(back, y, half), (back, y + height, half), (front, y + height, half)]
    loft = Loft([*stations, (front, y, half)], (x, y + height / 2, z))
    shell = [loft.strip(0, colour, layer), loft.strip(1, roof or colour, layer)]
    shell += [loft.strip(2, colour, layer), *loft.flanks(range(4), colour, layer)]
    return [replace(part, points=part.points + np.array([x, 0.0, 0.0])) for part in shell]


GLASS: Colour = (38, 46, 54)
SKY_GLEAM: Colour = (150, 170, 186)
TYRE: Colour = (24, 24, 26)
RIM: Colour = (132, 134, 138)
UNDER: Colour = (20, 20, 22)
PLATE: Colour = (36, 74, 168)
HEADLAMP: Colour = (244, 244, 232)


def underside(width: float, height: float, length: float) -> Solid:
    """The dark underside and the tyres below the bumpers, as seen from behind or before."""
    half, low, high = width / 2, height * 0.10, height * 0.30
    solid = []
    for z in (-length * 0.46, length * 0.46):
        points = [(-half * 0.9, low, z), (half * 0.9, low, z)]
        points += [(half * 0.9, high, z), (-half * 0.9, high, z)]
        solid.append(blob(points, 0.0, UNDER))
        axle = z * 0.72
        for x in (-half * 0.82, half * 0.82):
            tyre = [(x - 0.1, 0.03, axle), (x + 0.1, 0.03, axle)]
            tyre += [(x + 0.1, 0.5, axle), (x - 0.1, 0.5, axle)]
            solid.append(blob(tyre, 0.05, TYRE))
    return solid


def wheels(width: float, radius: float, axles: tuple[float, ...]) -> Solid:
    """Dark tyres with bright rims on both sides, at these axles."""
    solid = []
    for side in (-1.0, 1.0):
        for z in axles:
            hub = (side * width / 2, radius, z)
            solid += [
                disc(hub, radius * 1.16, (16, 16, 18), side, 2),
                disc(hub, radius, TYRE, side, 3),
                disc(hub, radius * 0.62, RIM, side, 4),
                disc(hub, radius * 0.2, (60, 60, 62), side, 5),
            ]
    return solid
