"""Passenger cars, as solids in metres.

Comes in: a generator, which picks make, size, paint and lights. Goes out: a Solid with its front
at +z. A body is a loft: the outline from the side, a half width at each of its points; windows,
lamps and plates are patches on it. A new make is one more outline in SHELLS.
"""

from dataclasses import dataclass, replace

import numpy as np

from tinyseg.scenes.light import Colour, gain, jitter, mix
from tinyseg.scenes.parts import (
    GLASS,
    HEADLAMP,
    PLATE,
    SKY_GLEAM,
    Loft,
    Point,
    Solid,
    Station,
    panel,
    stroke,
    underside,
    wheels,
)

PAINTS: list[tuple[float, Colour]] = [
    (0.30, (226, 228, 230)),
    (0.17, (168, 172, 176)),
    (0.20, (32, 33, 37)),
    (0.10, (92, 95, 100)),
    (0.07, (140, 24, 28)),
    (0.06, (34, 58, 110)),
    (0.05, (112, 92, 70)),
    (0.05, (222, 172, 40)),
]


@dataclass(frozen=True, slots=True)
class Shell:
    """A make of car: outline (z in lengths, y in heights, half width in halves) and usual size."""

    outline: tuple[Station, ...]
    size_m: Point
    """Width, height, length."""
    share: float


# The outline's points, always eleven: rear bumper foot, bumper top, tail edge, belt at the rear
# glass, roof rear, roof middle, roof front, belt at the windscreen, nose, front bumper top, foot.
SHELLS: dict[str, Shell] = {
    "sedan": Shell(
        (
            (-0.485, 0.17, 0.88), (-0.5, 0.4, 0.95), (-0.485, 0.665, 0.92), (-0.37, 0.71, 0.88),
            (-0.21, 0.975, 0.66), (-0.04, 1.0, 0.68), (0.07, 0.985, 0.66), (0.235, 0.69, 0.86),
            (0.455, 0.56, 0.84), (0.5, 0.42, 0.9), (0.485, 0.17, 0.86),
        ),
        (1.82, 1.46, 4.62), 0.52,
    ),
    "hatch": Shell(
        (
            (-0.48, 0.18, 0.88), (-0.5, 0.4, 0.95), (-0.49, 0.6, 0.93), (-0.475, 0.64, 0.9),
            (-0.39, 0.96, 0.68), (-0.12, 1.0, 0.7), (0.05, 0.985, 0.67), (0.24, 0.66, 0.86),
            (0.45, 0.55, 0.84), (0.5, 0.4, 0.9), (0.485, 0.18, 0.86),
        ),
        (1.75, 1.5, 4.05), 0.14,
    ),
    "suv": Shell(
        (
            (-0.48, 0.2, 0.9), (-0.5, 0.38, 0.96), (-0.49, 0.58, 0.95), (-0.48, 0.62, 0.92),
            (-0.41, 0.96, 0.74), (-0.1, 1.0, 0.76), (0.07, 0.98, 0.73), (0.22, 0.65, 0.9),
            (0.45, 0.58, 0.88), (0.5, 0.42, 0.93), (0.485, 0.2, 0.9),
        ),
        (1.9, 1.72, 4.65), 0.22,
    ),
    "van": Shell(
        (
            (-0.49, 0.17, 0.92), (-0.5, 0.3, 0.97), (-0.495, 0.5, 0.96), (-0.49, 0.53, 0.95),
            (-0.46, 0.97, 0.84), (-0.1, 1.0, 0.85), (0.22, 0.98, 0.82), (0.38, 0.55, 0.93),
            (0.47, 0.46, 0.92), (0.5, 0.32, 0.95), (0.49, 0.17, 0.92),
        ),
        (1.75, 1.95, 4.7), 0.12,
    ),
}  # fmt: skip

_ROUND_M = 0.07
"""Width of the rounded edges of a car's sheet metal."""

LOWER, UPPER = (0, 1, 2, 3, 7, 8, 9, 10), (3, 4, 5, 6, 7)


def car(rng: np.random.Generator) -> Solid:
    """A sedan, hatchback, SUV or van."""
    shells = list(SHELLS.values())
    shares = np.array([shell.share for shell in shells])
    shell = shells[int(rng.choice(len(shells), p=shares / shares.sum()))]
    common = np.array([share for share, _ in PAINTS])
    paint = jitter(PAINTS[int(rng.choice(len(PAINTS), p=common / common.sum()))][1], rng, 9)
    low = jitter((34, 76, 124), rng, 10) if paint[0] > 190 and paint[2] < 80 else paint
    width, height, length = (side * float(rng.uniform(0.96, 1.05)) for side in shell.size_m)
    loft = Loft(
        [(z * length, y * height, x * width / 2) for z, y, x in shell.outline],
        (0.0, height * 0.45, 0.0),
    )
    solid = underside(width, height, length) + _hull(loft, paint, low)
    solid += _side_windows(loft, length) + _side_trim(loft, low, length)
    solid += _ends(loft, low, braking=rng.random() < 0.35)
    # Four wheels on the sides
    radius = 0.215 * height if height < 1.8 else 0.17 * height
    return solid + wheels(width * 0.985, radius, (-length * 0.3, length * 0.31))


def _hull(loft: Loft, paint: Colour, low: Colour) -> Solid:
    """Bumpers, tail, glass, roof, bonnet and sides, their edges rounded."""
    colours = [gain(low, 0.8), low, paint, paint, paint, paint, paint, paint, low, gain(low, 0.78)]
    shell = [loft.strip(i, colour) for i, colour in enumerate(colours)]
    shell += loft.flanks(LOWER, low) + loft.flanks(UPPER, paint)
    solid = [replace(part, round_m=_ROUND_M) for part in shell]
    for first, along, gleam in ((3, (0.08, 0.9), (0.62, 0.9)), (6, (0.06, 0.9), (0.06, 0.34))):
        glass = mix(GLASS, paint, 0.05)
        solid.append(loft.patch(first, (-0.9, 0.9), along, glass))
        solid.append(loft.patch(first, (-0.9, 0.9), gleam, mix(glass, SKY_GLEAM, 0.3), 3))
        low_end = along[0] if first == 3 else along[1] - 0.07
        band = (low_end, low_end + 0.07)
        solid.append(loft.patch(first, (-0.9, 0.9), band, (18, 20, 22), 3))
    return solid


def _side_windows(loft: Loft, length: float) -> Solid:
    """Two panes a side, the pillar between them."""
    stations, pillar = np.array(loft.stations), length * 0.005
    panes = []
    for side in (-1.0, 1.0):
        # Each between a slanted end of the cabin, the rear's or the front's, and the pillar
        for low, top, inward in ((*stations[3:5], 1), (stations[7], stations[6], -1)):
            foot, head = low + (top - low) * 0.08, low + (top - low) * 0.84
            upright, slant = pillar - 0.06 * inward, 0.10 * inward
            corners = [(foot[0] + slant, foot), (head[0] + slant, head)]
            corners += [(upright, head), (upright, foot)]
            points = [(side * float(s[2]) * 1.005, float(s[1]), float(z)) for z, s in corners]
            panes.append(panel(points, GLASS, loft.centre, layer=2))
    return panes


def _side_trim(loft: Loft, low: Colour, length: float) -> Solid:
    """The dark sill, the door line and the handles."""
    solid: Solid = []
    belt, half = loft.stations[3][1], max(s[2] for s in loft.stations)
    for side in (-1.0, 1.0):
        x = side * half * 0.985
        sill = [(x, belt * 0.2, -length * 0.46), (x, belt * 0.34, -length * 0.46)]
        sill += [(x, belt * 0.34, length * 0.46), (x, belt * 0.2, length * 0.46)]
        solid.append(panel(sill, gain(low, 0.5), loft.centre, layer=2))
        for z in (0.005, -0.17, 0.22):
            crease = [(x, belt * 0.34, z * length - 0.012), (x, belt * 0.97, z * length - 0.012)]
            crease += [(x, belt * 0.97, z * length + 0.012), (x, belt * 0.34, z * length + 0.012)]
            solid.append(panel(crease, gain(low, 0.6), loft.centre, layer=2))
        mirror = (side * half * 1.06, belt * 1.06, length * 0.17)
        solid.append(stroke([mirror, (mirror[0] * 0.94, *mirror[1:])], 0.13, gain(low, 0.7), 1))
    return solid


def _ends(loft: Loft, low: Colour, *, braking: bool) -> Solid:
    """Rear lamps and bumper line; head lamps and grille; number plates."""
    red: Colour = (236, 40, 34) if braking else (150, 26, 28)
    plate = PLATE if low[0] > 50 else (214, 214, 210)
    solid = [
        loft.patch(0, (-0.9, 0.9), (0.05, 0.5), (34, 34, 36)),
        loft.patch(1, (-0.3, 0.3), (0.16, 0.58), plate),
        loft.patch(1, (-0.97, 0.97), (0.0, 0.05), gain(low, 0.55)),
        loft.patch(2, (-0.95, 0.95), (0.0, 0.12), gain(low, 0.6)),
        loft.patch(8, (-0.5, 0.5), (0.18, 0.9), (26, 27, 30)),
        loft.patch(9, (-0.26, 0.26), (0.05, 0.42), plate, 3),
        loft.patch(9, (-0.78, 0.78), (0.48, 0.86), (30, 31, 34)),
        loft.patch(7, (-0.04, 0.04), (0.0, 1.0), gain(low, 0.93)),
    ]
    for side in (-1.0, 1.0):
        part = loft.patch(1, (side * 0.56, side * 0.98), (0.42, 0.92), red)
        solid.append(replace(part, layer=3, glows=braking, lamp=True))
        solid.append(loft.patch(1, (side * 0.72, side * 0.9), (0.5, 0.7), (206, 120, 96), 4))
        solid.append(loft.patch(8, (side * 0.58, side * 0.97), (0.05, 0.75), (232, 236, 238), 3))
        bulb = loft.patch(8, (side * 0.66, side * 0.86), (0.2, 0.6), HEADLAMP, 4)
        solid.append(replace(bulb, lamp=True))
    return solid
