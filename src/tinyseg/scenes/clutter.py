"""What stands along a street and is never labelled: lamp posts, signs, fences, bridges.

Comes in: a street. Goes out: items with a distance, each ready to be painted in its turn among the
labelled things, which it may hide.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from tinyseg.scenes.canvas import Item, Place, solid_item
from tinyseg.scenes.light import Colour, gain, jitter
from tinyseg.scenes.parts import Part, Point, Solid, blob, box, stroke
from tinyseg.scenes.plan import Street

STEEL: Colour = (156, 160, 164)
WHITE: Colour = (224, 226, 226)

BANNERS: list[Colour] = [(176, 38, 36), (36, 84, 168), (40, 120, 84)]

_FENCE_TO_M = 170.0


def draw_clutter(street: Street, rng: np.random.Generator) -> list[Item]:
    """All street furniture, in no order."""
    items = [*_lamp_posts(street, rng), *_signs(street, rng), *_cones(street, rng)]
    if street.median == "fence":
        items += _fence(street, rng)
    if street.crossing_m is not None:
        items += _traffic_lights(street)
    if street.towers > 0.86:
        items += _footbridge(street, rng)
    return items


def _lamp_posts(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """Posts with an arm over the road."""
    step = float(rng.uniform(26, 36))
    for edge, side in ((street.right_m, 1.0), (street.left_m, -1.0)):
        for z in np.arange(float(rng.uniform(12, 30)), 320.0, step):
            if street.clear_of_crossing(float(z)):
                arm = -side * 1.9
                bend: list[Point] = [
                    (0.0, 0.0, 0.0),
                    (0.0, 7.6, 0.0),
                    (arm * 0.2, 8.4, 0.0),
                    (arm, 8.8, 0.0),
                ]
                solid = [
                    stroke(bend, 0.14, STEEL),
                    stroke([(0.0, 0.0, 0.0), (0.0, 1.1, 0.0)], 0.24, gain(STEEL, 0.8), 1),
                    stroke([(arm, 8.8, 0.0), (arm * 1.4, 8.86, 0.0)], 0.24, gain(STEEL, 0.9), 1),
                ]
                yield solid_item(solid, Place(edge + side * 0.6, float(z)))


def _signs(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """Round, square and overhead signs, and a bus stop's poster."""
    for _ in range(int(rng.integers(2, 7))):
        z = float(rng.uniform(16, 140))
        side = 1.0 if rng.random() < 0.7 else -1.0
        edge = street.right_m if side > 0 else street.left_m
        draw = SIGNS[int(rng.choice(len(SIGNS), p=[0.4, 0.3, 0.15, 0.15]))]
        if street.clear_of_crossing(z):
            yield solid_item(draw(side), Place(edge + side * 0.5, z))


def _plate(points: list[Point], colour: Colour, layer: int) -> Part:
    """A sign's face, toward us."""
    return Part(np.array(points, float), colour, normal=(0.0, 0.0, -1.0), layer=layer)


def _round(x: float, y: float, radius: float, colour: Colour, layer: int) -> Part:
    turn = np.linspace(0, 2 * math.pi, 20, endpoint=False)
    return _plate(
        [(x + radius * math.cos(t), y + radius * math.sin(t), 0.0) for t in turn], colour, layer
    )


def _square(x: float, y: float, half_w: float, half_h: float, colour: Colour, layer: int) -> Part:
    corners: list[Point] = [(x - half_w, y - half_h, 0.0), (x - half_w, y + half_h, 0.0)]
    corners += [(x + half_w, y + half_h, 0.0), (x + half_w, y - half_h, 0.0)]
    return _plate(corners, colour, layer)


def _round_sign(side: float) -> Solid:
    """A speed limit: red ring, white face, dark figures."""
    return [
        stroke([(0.0, 0.0, 0.0), (0.0, 2.9, 0.0)], 0.08, STEEL),
        _round(0.0, 2.55, 0.4, (196, 36, 36), 1),
        _round(0.0, 2.55, 0.31, (236, 236, 234), 2),
        _square(-0.11, 2.55, 0.07, 0.14, (30, 30, 32), 3),
        _square(0.11, 2.55, 0.07, 0.14, (30, 30, 32), 3),
    ]


def _square_sign(side: float) -> Solid:
    """A blue board with white marks."""
    return [
        stroke([(0.0, 0.0, 0.0), (0.0, 2.9, 0.0)], 0.08, STEEL),
        _square(0.0, 2.5, 0.44, 0.44, (232, 234, 236), 1),
        _square(0.0, 2.5, 0.41, 0.41, (34, 84, 176), 2),
        _square(0.0, 2.42, 0.05, 0.24, (236, 238, 240), 3),
        _square(0.0, 2.62, 0.2, 0.06, (236, 238, 240), 3),
    ]


def _gantry(side: float) -> Solid:
    """A direction board on an arm over the road."""
    arm, blue = -side * 3.4, (28, 76, 164)
    solid = [
        stroke([(0.0, 0.0, 0.0), (0.0, 6.4, 0.0)], 0.26, STEEL),
        stroke([(0.0, 6.0, 0.0), (arm * 1.5, 6.0, 0.0)], 0.16, STEEL),
        _square(arm, 5.9, 1.75, 1.05, (230, 232, 236), 1),
        _square(arm, 5.9, 1.69, 0.99, blue, 2),
        _square(arm, 5.6, 0.07, 0.55, (236, 238, 240), 3),
        _square(arm, 5.95, 0.75, 0.07, (236, 238, 240), 3),
    ]
    for dx, dy in ((-1.15, 0.5), (1.15, 0.5), (0.0, 0.68)):
        solid.append(_square(arm + dx, 5.9 + dy, 0.36, 0.11, (220, 226, 236), 3))
    return solid


def _shelter(side: float) -> Solid:
    """A bus shelter: roof, posts, a lit poster."""
    solid: Solid = []
    for z in (-2.4, 2.4):
        solid.append(stroke([(side * 1.1, 0.0, z), (side * 1.1, 2.5, z)], 0.1, (90, 94, 98)))
    solid += box((1.7, 0.14, 5.6), (side * 0.9, 2.5, 0.0), (108, 112, 116), (150, 154, 158))
    poster: list[Point] = [(side * 1.2, 0.4, -2.2), (side * 1.2, 2.2, -2.2)]
    poster += [(side * 1.2, 2.2, 2.0), (side * 1.2, 0.4, 2.0)]
    solid.append(blob(poster, 0.04, (150, 66, 60), 0))
    return solid


SIGNS: list[Callable[[float], Solid]] = [_round_sign, _square_sign, _gantry, _shelter]


def _fence(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """The white railing between the directions, in panels, a banner on some; far ones as rails."""
    x = street.middle_m - street.median_m / 2
    banner = jitter(BANNERS[int(rng.integers(len(BANNERS)))], rng, 15)
    for z in np.arange(3.5, _FENCE_TO_M, 3.0):
        if street.clear_of_crossing(float(z)):
            panel = [stroke([(0.0, y, -1.5), (0.0, y, 1.5)], 0.05, WHITE) for y in (0.2, 0.95)]
            for bar in np.linspace(-1.4, 1.4, 16 if z < 45 else 7 if z < 90 else 0):
                panel.append(stroke([(0.0, 0.2, float(bar)), (0.0, 0.95, float(bar))], 0.03, WHITE))
            panel.append(stroke([(0.0, 0.0, -1.5), (0.0, 1.1, -1.5)], 0.1, (206, 208, 208), 1))
            if rng.random() < 0.08:  # a cloth over the panel, with marks like writing
                panel.append(blob(_sheet(0.25, 0.95, -1.4, 1.4), 0.0, banner, 2))
                for mark in np.linspace(-1.1, 1.1, 6):
                    middle = float(mark)
                    sheet = _sheet(0.45, 0.76, middle - 0.11, middle + 0.11)
                    panel.append(blob(sheet, 0.0, (232, 226, 214), 3))
            yield solid_item(panel, Place(x, float(z)))


def _sheet(low: float, high: float, near: float, far: float) -> list[Point]:
    """An upright rectangle along the street."""
    return [(0.0, low, near), (0.0, high, near), (0.0, high, far), (0.0, low, far)]


def _cones(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """A few cones at a kerb, on some streets."""
    if rng.random() > 0.3:
        return
    start, edge = float(rng.uniform(14, 60)), street.right_m - float(rng.uniform(0.3, 1.2))
    for number in range(int(rng.integers(3, 8))):
        cone: list[Point] = [
            (-0.17, 0.06, 0.0),
            (-0.04, 0.7, 0.0),
            (0.04, 0.7, 0.0),
            (0.17, 0.06, 0.0),
        ]
        band: list[Point] = [(-0.11, 0.34, 0.0), (-0.08, 0.48, 0.0), (0.08, 0.48, 0.0)]
        foot: list[Point] = [(-0.2, 0.02, 0.0), (0.2, 0.02, 0.0)]
        solid = [
            stroke(foot, 0.06, (40, 40, 42)),
            blob(cone, 0.02, (226, 88, 36), 1),
            blob([*band, (0.11, 0.34, 0.0)], 0.0, (232, 232, 228), 2),
        ]
        yield solid_item(solid, Place(edge, start + 2.5 * number))


def _footbridge(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """A bridge for pedestrians over the whole street, with its piers."""
    z = float(rng.uniform(70, 170))
    if not street.clear_of_crossing(z, 6.0):
        return
    left, right = street.left_m - 3.0, street.right_m + 3.0
    middle, wide = (left + right) / 2, right - left
    solid = box((wide + 6, 1.0, 3.0), (middle, 5.4, 0.0), (150, 150, 148), (176, 176, 172))
    solid += box((wide + 6, 0.9, 0.1), (middle, 6.4, -1.4), (96, 124, 148))
    for x in (left, right):
        solid += box((0.9, 5.4, 1.2), (x, 0.0, 0.0), (164, 162, 158), layer=0)
    yield solid_item(solid, Place(0.0, z))


def _traffic_lights(street: Street) -> Iterator[Item]:
    """Lights on arms at the crossing's far side, one of three shining."""
    if street.crossing_m is None:
        return
    shining = round(street.crossing_m * 7) % 3
    arm = -3.2
    solid = [
        stroke([(0.0, 0.0, 0.0), (0.0, 6.2, 0.0)], 0.2, STEEL),
        stroke([(0.0, 6.0, 0.0), (arm - 0.6, 6.0, 0.0)], 0.14, STEEL),
        _square(arm, 5.95, 0.62, 0.24, (30, 32, 34), 1),
        _square(0.3, 2.6, 0.2, 0.5, (30, 32, 34), 1),
    ]
    colours: list[Colour] = [(250, 60, 50), (250, 190, 60), (70, 240, 150)]
    for number, colour in enumerate(colours):
        lit = number == shining
        bulb = _round(arm + 0.38 * (number - 1), 5.95, 0.14, colour if lit else (52, 48, 46), 2)
        solid.append(Part(bulb.points, bulb.colour, bulb.normal, layer=2, glows=lit))
    yield solid_item(solid, Place(street.right_m + 0.9, street.crossing_m + 15.0))
