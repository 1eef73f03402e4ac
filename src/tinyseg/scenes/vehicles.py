"""Trucks, buses and tricycles, as solids in metres.

Comes in: a generator, which picks size, paint and body. Goes out: a Solid with its front at +z.
"""

import itertools
from dataclasses import replace

import numpy as np

from tinyseg.scenes.light import Colour, gain, jitter, mix
from tinyseg.scenes.parts import (
    GLASS,
    HEADLAMP,
    TYRE,
    Loft,
    Point,
    Solid,
    blob,
    box,
    disc,
    panel,
    stroke,
    underside,
    wheels,
)

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
    width, height, length = size
    back, front, half = -length / 2, length / 2, width / 2
    stations = [
        (back, 0.32, half),
        (back, height * 0.94, half),
        (back + 0.25, height, half * 0.92),
        (front - 0.12 - 0.2, height, half * 0.92),
        (front - 0.12, height * 0.95, half),
        (front, 0.32, half),
    ]
    loft = Loft(stations, (0.0, height / 2, 0.0))
    solid = underside(2.4, 1.4, size[2])
    solid += [loft.strip(i, paint) for i in range(5)]
    solid += loft.flanks(range(6), paint)
    solid += _rows_of_windows(size, loft.centre, band, doors=rng.random() < 0.8)
    solid += _bus_ends(loft, band)
    return solid + wheels(2.52, 0.48, (-size[2] * 0.26, size[2] * 0.28))


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
        tail = loft.patch(0, (side * 0.82, side * 0.97), (0.1, 0.3), (190, 32, 30), 3)
        head = loft.patch(4, (side * 0.66, side * 0.94), (0.82, 0.92), HEADLAMP, 3)
        solid += [replace(tail, lamp=True), replace(head, lamp=True)]
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
    solid = underside(width * 0.9, 1.6, length)
    bed = (0.0, 0.85, -length / 2 + hold_m / 2)
    solid += box((width, height - 0.85, hold_m), bed, cargo, gain(cargo, 1.05))
    # The rear doors: frame, middle joint, bars
    z, facing = -length / 2, (0.0, 1.5, -length / 2 + 2.0)
    rear = Loft([(z - 0.01, 0.85, width / 2), (z - 0.01, height, width / 2)], facing)
    solid += [
        rear.patch(0, (-0.94, 0.94), (0.04, 0.95), gain(cargo, 0.93)),
        rear.patch(0, (-0.012, 0.012), (0.03, 0.96), gain(cargo, 0.5), 3),
        rear.patch(0, (-0.32, -0.29), (0.04, 0.95), gain(cargo, 0.65), 3),
        rear.patch(0, (0.29, 0.32), (0.04, 0.95), gain(cargo, 0.65), 3),
    ]
    # The bumper with its stripes and lamps
    bumper = Loft([(z, 0.45, width / 2), (z, 0.72, width / 2)], facing)
    solid.append(bumper.patch(0, (-0.95, 0.95), (0.0, 1.0), (52, 52, 54)))
    for left in np.arange(-0.9, 0.9, 0.36):
        stripe = (float(left), float(left) + 0.18)
        solid.append(bumper.patch(0, stripe, (0.3, 0.7), (190, 60, 40), 3))
    for side in (-1.0, 1.0):
        tail = bumper.patch(0, (side * 0.7, side * 0.95), (0.1, 0.9), (196, 34, 30), 4)
        solid.append(replace(tail, lamp=True))
    solid += _cab((width * 0.95, cab_high, cab_m), length / 2 - cab_m / 2, paint)
    chassis = (width * 0.8, 0.35, hold_m)
    solid += box(chassis, (0.0, 0.5, bed[2]), (40, 40, 42), layer=0)
    return solid + wheels(width * 0.99, 0.42, (-length * 0.3, length * 0.36))


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
        head = loft.patch(4, (side * 0.64, side * 0.94), (0.45, 0.66), HEADLAMP, 3)
        solid.append(replace(head, lamp=True))
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
    solid += wheels(1.1, 0.27, (-0.75,))
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
