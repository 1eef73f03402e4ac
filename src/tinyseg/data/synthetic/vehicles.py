"""Cars, trucks, buses and tricycles, as solids in metres.

Comes in: a generator, which picks make, size, paint and lights. Goes out: a Solid with its front
at +z. A body is a loft: the outline from the side, a half width at each of its points; windows,
lamps and plates are patches on it.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from tinyseg.data.synthetic.light import Colour, gain, jitter, mix
from tinyseg.data.synthetic.parts import (
    Loft,
    Part,
    Point,
    Solid,
    Station,
    blob,
    box,
    disc,
    panel,
    stroke,
)

GLASS: Colour = (38, 46, 54)
SKY_GLEAM: Colour = (150, 170, 186)
TYRE: Colour = (24, 24, 26)
RIM: Colour = (132, 134, 138)
UNDER: Colour = (20, 20, 22)
PLATE: Colour = (36, 74, 168)

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


def pick_paint(rng: np.random.Generator) -> Colour:
    """A car colour, the common ones often."""
    shares = np.array([share for share, _ in PAINTS])
    return jitter(PAINTS[int(rng.choice(len(PAINTS), p=shares / shares.sum()))][1], rng, 9)


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
            (-0.485, 0.17, 0.88),
            (-0.5, 0.40, 0.95),
            (-0.485, 0.665, 0.92),
            (-0.37, 0.71, 0.88),
            (-0.21, 0.975, 0.66),
            (-0.04, 1.0, 0.68),
            (0.07, 0.985, 0.66),
            (0.235, 0.69, 0.86),
            (0.455, 0.56, 0.84),
            (0.5, 0.42, 0.90),
            (0.485, 0.17, 0.86),
        ),
        (1.82, 1.46, 4.62),
        0.52,
    ),
    "hatch": Shell(
        (
            (-0.48, 0.18, 0.88),
            (-0.5, 0.40, 0.95),
            (-0.49, 0.60, 0.93),
            (-0.475, 0.64, 0.90),
            (-0.39, 0.96, 0.68),
            (-0.12, 1.0, 0.70),
            (0.05, 0.985, 0.67),
            (0.24, 0.66, 0.86),
            (0.45, 0.55, 0.84),
            (0.5, 0.40, 0.90),
            (0.485, 0.18, 0.86),
        ),
        (1.75, 1.5, 4.05),
        0.14,
    ),
    "suv": Shell(
        (
            (-0.48, 0.2, 0.90),
            (-0.5, 0.38, 0.96),
            (-0.49, 0.58, 0.95),
            (-0.48, 0.62, 0.92),
            (-0.41, 0.96, 0.74),
            (-0.1, 1.0, 0.76),
            (0.07, 0.98, 0.73),
            (0.22, 0.65, 0.90),
            (0.45, 0.58, 0.88),
            (0.5, 0.42, 0.93),
            (0.485, 0.2, 0.90),
        ),
        (1.9, 1.72, 4.65),
        0.22,
    ),
    "van": Shell(
        (
            (-0.49, 0.17, 0.92),
            (-0.5, 0.30, 0.97),
            (-0.495, 0.50, 0.96),
            (-0.49, 0.53, 0.95),
            (-0.46, 0.97, 0.84),
            (-0.1, 1.0, 0.85),
            (0.22, 0.98, 0.82),
            (0.38, 0.55, 0.93),
            (0.47, 0.46, 0.92),
            (0.5, 0.32, 0.95),
            (0.49, 0.17, 0.92),
        ),
        (1.75, 1.95, 4.7),
        0.12,
    ),
}

_ROUND_M = 0.07
"""Width of the rounded edges of a car's sheet metal."""

LOWER, UPPER = (0, 1, 2, 3, 7, 8, 9, 10), (3, 4, 5, 6, 7)


def car(rng: np.random.Generator) -> Solid:
    """A sedan, hatchback, SUV or van."""
    shells = list(SHELLS.values())
    shares = np.array([shell.share for shell in shells])
    shell = shells[int(rng.choice(len(shells), p=shares / shares.sum()))]
    paint = pick_paint(rng)
    low = jitter((36, 70, 120), rng, 30) if paint[0] > 190 and paint[2] < 80 else paint
    width, height, length = (side * float(rng.uniform(0.96, 1.05)) for side in shell.size_m)
    loft = Loft(
        [(z * length, y * height, x * width / 2) for z, y, x in shell.outline],
        (0.0, height * 0.45, 0.0),
    )
    solid = _under(width, height, length)
    solid += _hull(loft, paint, low)
    solid += _side_windows(loft, length) + _side_trim(loft, low, length)
    solid += _tail(loft, low, braking=rng.random() < 0.35) + _face(loft, low)
    return solid + _car_wheels(width, length, height)


def _under(width: float, height: float, length: float) -> Solid:
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
    rear_low, rear_top = np.array(loft.stations[3]), np.array(loft.stations[4])
    front_top, front_low = np.array(loft.stations[6]), np.array(loft.stations[7])
    pillar = length * 0.005
    panes = []
    for side in (-1.0, 1.0):
        for ends in (((rear_low, rear_top), None), (None, (front_low, front_top))):
            slanted = ends[0] or ends[1]
            if slanted is None:
                continue
            low, top = slanted
            toward = pillar - 0.06 if ends[0] else pillar + 0.06
            panes.append(_pane(low, top, toward, side, loft.centre))
    return panes


def _pane(low: np.ndarray, top: np.ndarray, pillar_z: float, side: float, centre: Point) -> Part:
    """One side window between a slanted end of the cabin and the upright pillar."""
    foot, head = low + (top - low) * 0.08, low + (top - low) * 0.84
    inward = 0.10 if pillar_z > low[0] else -0.10
    corners = [
        (foot[0] + inward, foot),
        (head[0] + inward, head),
        (pillar_z, head),
        (pillar_z, foot),
    ]
    points = [(side * float(s[2]) * 1.005, float(s[1]), float(z)) for z, s in corners]
    return panel(points, GLASS, centre, layer=2)


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


def _tail(loft: Loft, low: Colour, *, braking: bool) -> Solid:
    """Rear lamps, number plate, bumper line."""
    red: Colour = (236, 40, 34) if braking else (150, 26, 28)
    solid = [
        loft.patch(0, (-0.9, 0.9), (0.05, 0.5), (34, 34, 36)),
        loft.patch(1, (-0.3, 0.3), (0.16, 0.58), PLATE if low[0] > 50 else (214, 214, 210)),
        loft.patch(1, (-0.97, 0.97), (0.0, 0.05), gain(low, 0.55)),
        loft.patch(2, (-0.95, 0.95), (0.0, 0.12), gain(low, 0.6)),
    ]
    for side in (-1.0, 1.0):
        part = loft.patch(1, (side * 0.56, side * 0.98), (0.42, 0.92), red)
        solid.append(replace(part, layer=3, glows=braking, lamp=True))
        solid.append(loft.patch(1, (side * 0.72, side * 0.9), (0.5, 0.7), (206, 120, 96), 4))
    return solid


def _face(loft: Loft, low: Colour) -> Solid:
    """Head lamps, grille, number plate."""
    solid = [
        loft.patch(8, (-0.5, 0.5), (0.18, 0.9), (26, 27, 30)),
        loft.patch(9, (-0.26, 0.26), (0.05, 0.42), PLATE if low[0] > 50 else (214, 214, 210), 3),
        loft.patch(9, (-0.78, 0.78), (0.48, 0.86), (30, 31, 34)),
        loft.patch(7, (-0.04, 0.04), (0.0, 1.0), gain(low, 0.93)),
    ]
    for side in (-1.0, 1.0):
        solid.append(loft.patch(8, (side * 0.58, side * 0.97), (0.05, 0.75), (232, 236, 238), 3))
        bulb = loft.patch(8, (side * 0.66, side * 0.86), (0.2, 0.6), (150, 158, 166), 4)
        solid += [bulb, replace(bulb, colour=(255, 250, 232), layer=5, lamp=True, glows=False)]
    return solid


def _car_wheels(width: float, length: float, height: float) -> Solid:
    """Four wheels on the sides."""
    radius = 0.215 * height if height < 1.8 else 0.17 * height
    return _wheels(width * 0.985, radius, (-length * 0.3, length * 0.31))


def _wheels(width: float, radius: float, axles: tuple[float, ...]) -> Solid:
    """Dark tyres with bright rims on both sides, at these axles."""
    solid = []
    for side in (-1.0, 1.0):
        for z in axles:
            solid.append(disc((side * width / 2, radius, z), radius * 1.16, (16, 16, 18), side, 2))
            solid.append(disc((side * width / 2, radius, z), radius, TYRE, side, 3))
            solid.append(disc((side * width / 2, radius, z), radius * 0.62, RIM, side, 4))
            solid.append(disc((side * width / 2, radius, z), radius * 0.2, (60, 60, 62), side, 5))
    return solid


def _oblong(size_m: Point, *, lift_m: float, slope_m: float) -> Loft:
    """A bus-like body: rear foot, rear top, roof ends, front top, front foot."""
    width, height, length = size_m
    back, front, half = -length / 2, length / 2, width / 2
    stations = [
        (back, lift_m, half),
        (back, height * 0.94, half),
        (back + 0.25, height, half * 0.92),
        (front - slope_m - 0.2, height, half * 0.92),
        (front - slope_m, height * 0.95, half),
        (front, lift_m, half),
    ]
    return Loft(stations, (0.0, height / 2, 0.0))


BUS_PAINTS: list[Colour] = [
    (168, 34, 32),
    (40, 92, 160),
    (222, 224, 226),
    (42, 124, 82),
    (226, 150, 40),
]


def bus(rng: np.random.Generator) -> Solid:
    """A city bus: long rows of windows, a large windscreen, a lit route sign."""
    paint = jitter(BUS_PAINTS[int(rng.integers(len(BUS_PAINTS)))], rng, 10)
    band = mix(paint, (240, 240, 240), 0.75) if rng.random() < 0.6 else gain(paint, 0.7)
    size = (2.5, float(rng.uniform(2.95, 3.3)), float(rng.uniform(9.5, 12.0)))
    loft = _oblong(size, lift_m=0.32, slope_m=0.12)
    solid = _under(2.4, 1.4, size[2])
    solid += [loft.strip(i, paint) for i in range(5)]
    solid += loft.flanks(range(6), paint)
    solid += _rows_of_windows(size, loft.centre, band, doors=rng.random() < 0.8)
    solid += _bus_ends(loft, band)
    return solid + _wheels(2.52, 0.48, (-size[2] * 0.26, size[2] * 0.28))


def _rows_of_windows(size_m: Point, centre: Point, band: Colour, *, doors: bool) -> Solid:
    """The window strip with its pillars, a coloured band under it, doors on the right."""
    width, height, length = size_m
    solid: Solid = []
    for side in (-1.0, 1.0):
        x = side * width / 2 * 1.002

        def sheet(z0: float, z1: float, y0: float, y1: float, x: float = x) -> list[Point]:
            return [(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)]

        front, back = length / 2 - 0.25, -length / 2 + 0.5
        solid.append(panel(sheet(back, front, 0.34, 0.72), gain(band, 0.62), centre, 2))
        solid.append(panel(sheet(back, front, 0.95, 1.2), band, centre, 2))
        edges = np.linspace(back, front, 8)
        for z0, z1 in itertools.pairwise(edges):
            pane = sheet(float(z0) + 0.05, float(z1) - 0.05, height * 0.46, height * 0.84)
            solid.append(panel(pane, GLASS, centre, 3))
        if doors and side > 0:
            for z in (front - 1.5, -0.4):
                solid.append(panel(sheet(z, z + 1.2, 0.4, height * 0.84), (30, 36, 42), centre, 3))
                frame = sheet(z + 0.57, z + 0.63, 0.4, height * 0.84)
                solid.append(panel(frame, (120, 124, 128), centre, 4))
    return solid


def _bus_ends(loft: Loft, band: Colour) -> Solid:
    """Rear window, engine grille and lamps; windscreen, route sign and head lamps."""
    solid = [
        loft.patch(0, (-0.86, 0.86), (0.58, 0.9), GLASS),
        loft.patch(0, (-0.62, 0.62), (0.92, 0.99), (26, 26, 28)),
        loft.patch(0, (-0.4, 0.4), (0.935, 0.975), (236, 150, 44), 3),
        loft.patch(0, (-0.96, 0.96), (0.3, 0.5), band),
        loft.patch(0, (-0.5, 0.5), (0.08, 0.28), (48, 48, 50)),
        loft.patch(0, (-0.2, 0.2), (0.3, 0.37), (214, 172, 40), 3),
        loft.patch(4, (-0.93, 0.93), (0.17, 0.6), (46, 56, 64)),
        loft.patch(4, (-0.86, 0.2), (0.2, 0.34), (92, 108, 120), 3),
        loft.patch(4, (-0.7, 0.7), (0.03, 0.14), (24, 24, 26)),
        loft.patch(4, (-0.5, 0.5), (0.05, 0.12), (240, 156, 48), 3),
        loft.patch(4, (-0.95, 0.95), (0.68, 0.8), band),
        loft.patch(4, (-0.2, 0.2), (0.86, 0.93), (214, 172, 40), 3),
    ]
    for side in (-1.0, 1.0):
        solid.append(loft.patch(0, (side * 0.82, side * 0.97), (0.1, 0.3), (190, 32, 30), 3))
        solid.append(loft.patch(4, (side * 0.66, side * 0.94), (0.82, 0.92), (234, 236, 230), 3))
    return solid


CARGO_PAINTS: list[Colour] = [
    (214, 216, 216),
    (196, 198, 200),
    (54, 88, 140),
    (58, 110, 84),
    (150, 62, 40),
]


def truck(rng: np.random.Generator) -> Solid:
    """A cab and a cargo box behind it."""
    large = rng.random() < 0.45
    width, height = (2.45, 3.4) if large else (2.0, 2.7)
    length = 8.6 if large else 5.9
    cab_m, cab_high = (2.1, 2.7) if large else (1.7, 2.1)
    paint = jitter(((38, 74, 150), (216, 218, 220), (170, 40, 34))[int(rng.integers(3))], rng, 12)
    cargo = jitter(CARGO_PAINTS[int(rng.integers(len(CARGO_PAINTS)))], rng, 8)
    hold_m = length - cab_m - 0.15
    solid = _under(width * 0.9, 1.6, length)
    bed = (0.0, 0.85, -length / 2 + hold_m / 2)
    solid += box((width, height - 0.85, hold_m), bed, cargo, gain(cargo, 1.05))
    solid += _cargo_doors(width, height, -length / 2, cargo)
    solid += _cab((width * 0.95, cab_high, cab_m), length / 2 - cab_m / 2, paint)
    chassis = (width * 0.8, 0.35, hold_m)
    solid += box(chassis, (0.0, 0.5, bed[2]), (40, 40, 42), layer=0)
    return solid + _wheels(width * 0.99, 0.42, (-length * 0.3, length * 0.36))


def _cargo_doors(width: float, height: float, z: float, cargo: Colour) -> Solid:
    """The rear doors: frame, middle joint, bars, lamps and striped bumper."""
    rear = Loft([(z - 0.01, 0.85, width / 2), (z - 0.01, height, width / 2)], (0.0, 1.5, z + 2.0))
    solid = [
        rear.patch(0, (-0.94, 0.94), (0.04, 0.95), gain(cargo, 0.93)),
        rear.patch(0, (-0.012, 0.012), (0.03, 0.96), gain(cargo, 0.5), 3),
        rear.patch(0, (-0.32, -0.29), (0.04, 0.95), gain(cargo, 0.65), 3),
        rear.patch(0, (0.29, 0.32), (0.04, 0.95), gain(cargo, 0.65), 3),
    ]
    bumper = Loft([(z, 0.45, width / 2), (z, 0.72, width / 2)], (0.0, 1.5, z + 2.0))
    solid.append(bumper.patch(0, (-0.95, 0.95), (0.0, 1.0), (52, 52, 54)))
    for left in np.arange(-0.9, 0.9, 0.36):
        stripe = (float(left), float(left) + 0.18)
        solid.append(bumper.patch(0, stripe, (0.3, 0.7), (190, 60, 40), 3))
    for side in (-1.0, 1.0):
        solid.append(bumper.patch(0, (side * 0.7, side * 0.95), (0.1, 0.9), (196, 34, 30), 4))
    return solid


def _cab(size_m: Point, middle_z: float, paint: Colour) -> Solid:
    """The driver's cab, its front at the truck's front."""
    width, height, length = size_m
    back, front, half = middle_z - length / 2, middle_z + length / 2, width / 2
    stations = [
        (back, 0.5, half),
        (back, height * 0.97, half * 0.95),
        (front - 0.5, height, half * 0.9),
        (front - 0.32, height * 0.95, half * 0.93),
        (front, height * 0.58, half),
        (front, 0.45, half),
    ]
    loft = Loft(stations, (0.0, height / 2, middle_z))
    solid = [loft.strip(i, paint) for i in range(5)] + loft.flanks(range(6), paint)
    solid += [
        loft.patch(3, (-0.9, 0.9), (0.06, 0.94), GLASS),
        loft.patch(3, (-0.8, 0.1), (0.1, 0.45), (92, 108, 120), 3),
        loft.patch(4, (-0.6, 0.6), (0.16, 0.44), (36, 36, 40)),
        loft.patch(4, (-1.0, 1.0), (0.72, 1.0), (60, 62, 64)),
        loft.patch(4, (-0.22, 0.22), (0.76, 0.92), (214, 172, 40), 3),
    ]
    for side in (-1.0, 1.0):
        solid.append(loft.patch(4, (side * 0.64, side * 0.94), (0.45, 0.66), (236, 236, 230), 3))
        x = side * half * 1.0
        pane = [(x, height * 0.58, back + 0.3), (x * 0.95, height * 0.9, back + 0.3)]
        pane += [(x * 0.95, height * 0.9, front - 0.42), (x, height * 0.58, front - 0.14)]
        solid.append(panel(pane, GLASS, loft.centre, 2))
        mirror = (side * (half + 0.14), height * 0.62, front - 0.1)
        top = (side * (half + 0.14), height * 0.8, front - 0.1)
        solid.append(stroke([mirror, top], 0.14, (28, 28, 30), 1))
    return solid


def tricycle(rng: np.random.Generator) -> Solid:
    """Three wheels: an enclosed cabin for passengers, or a cargo bed with its driver in front."""
    paint = jitter(((172, 40, 36), (36, 84, 150), (40, 118, 84))[int(rng.integers(3))], rng, 14)
    solid = [stroke([(0.0, 0.3, 0.95), (0.0, 0.34, 0.95)], 0.34, TYRE, 0)]
    solid += [disc((x, 0.26, 0.95), 0.28, TYRE, x / 0.06, 1) for x in (-0.06, 0.06)]
    solid += _wheels(1.1, 0.27, (-0.75,))
    for x in (-0.5, 0.5):
        tyre: list[Point] = [(x - 0.06, 0.04, -0.8), (x + 0.06, 0.04, -0.8)]
        solid.append(blob([*tyre, (x + 0.06, 0.5, -0.8), (x - 0.06, 0.5, -0.8)], 0.03, TYRE))
    return solid + (_cabin(paint) if rng.random() < 0.55 else _cargo_bed(paint))


def _cabin(paint: Colour) -> Solid:
    """An enclosed passenger tricycle."""
    outline = [(-1.15, 0.3, 0.55), (-1.18, 0.85, 0.57), (-1.05, 1.62, 0.5), (0.35, 1.68, 0.48)]
    loft = Loft([*outline, (0.85, 0.95, 0.46), (1.1, 0.4, 0.3)], (0.0, 0.9, -0.1))
    solid = [loft.strip(i, paint) for i in range(5)] + loft.flanks(range(6), paint)
    solid += [
        loft.patch(1, (-0.8, 0.8), (0.15, 0.85), GLASS),
        loft.patch(3, (-0.86, 0.86), (0.08, 0.9), GLASS),
        loft.patch(4, (-0.3, 0.3), (0.2, 0.45), (236, 236, 230)),
        loft.patch(0, (-0.2, 0.2), (0.3, 0.6), (220, 220, 216)),
    ]
    for side in (-1.0, 1.0):
        solid.append(loft.patch(0, (side * 0.7, side * 0.95), (0.55, 0.9), (206, 36, 32), 3))
        pane: list[Point] = [(side * 0.555, 0.95, -0.95), (side * 0.5, 1.5, -0.9)]
        pane += [(side * 0.48, 1.5, 0.3), (side * 0.5, 0.95, 0.6)]
        solid.append(panel(pane, GLASS, loft.centre, 2))
    return solid


def _cargo_bed(paint: Colour) -> Solid:
    """An open bed with a load, the driver before it on a saddle."""
    load: Colour = (150, 122, 84)
    solid = box((1.1, 0.5, 1.45), (0.0, 0.45, -0.45), paint, gain(paint, 0.4))
    solid += box((0.9, 0.45, 1.1), (0.0, 0.95, -0.5), load, gain(load, 1.1))
    solid += [
        stroke([(0.0, 0.35, 0.95), (0.0, 0.95, 0.78), (0.0, 1.02, 0.74)], 0.08, (50, 50, 54), 1),
        stroke([(-0.3, 1.02, 0.68), (0.3, 1.02, 0.68)], 0.05, (40, 40, 42), 1),
        stroke([(0.0, 0.5, 0.2), (0.0, 0.45, 0.8)], 0.16, paint, 1),
        blob(
            [(-0.14, 0.78, 0.28), (0.14, 0.78, 0.28), (0.17, 1.26, 0.34), (-0.17, 1.26, 0.34)],
            0.16,
            (52, 62, 88),
            2,
        ),
        stroke([(-0.16, 1.24, 0.34), (-0.26, 1.0, 0.66)], 0.1, (52, 62, 88), 2),
        stroke([(0.16, 1.24, 0.34), (0.26, 1.0, 0.66)], 0.1, (52, 62, 88), 2),
        stroke([(0.0, 1.46, 0.36), (0.0, 1.52, 0.36)], 0.2, (40, 34, 30), 3),
    ]
    return solid
