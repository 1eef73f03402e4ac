"""What stands along a street and is never labelled: trees, hedges, lamp posts, signs, fences.

Comes in: a street. Goes out: items with a distance, each ready to be painted in its turn among the
labelled things, which it may hide.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tinyseg.data.synthetic.canvas import Canvas, Place, paint
from tinyseg.data.synthetic.foliage import CROWNS, crown, paint_leaves
from tinyseg.data.synthetic.light import Colour, gain, jitter
from tinyseg.data.synthetic.parts import Part, Point, Solid, blob, box, stroke
from tinyseg.data.synthetic.plan import Street

BARK: Colour = (84, 72, 60)
STEEL: Colour = (156, 160, 164)
WHITE: Colour = (224, 226, 226)
LEAF_TINTS: list[Colour] = [(70, 92, 44), (62, 88, 50), (84, 98, 40), (140, 112, 40), (58, 80, 52)]

_TREES_TO_M = 260.0
_FENCE_TO_M = 170.0


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of clutter: how far, and how to paint it."""

    z_m: float
    paint: Callable[[Canvas], None]

    def paint_on(self, canvas: Canvas) -> Callable[[], None]:
        """The job of painting it on this canvas."""
        return lambda: self.paint(canvas)


def draw_clutter(street: Street, rng: np.random.Generator) -> list[Item]:
    """All clutter of a street, in no order."""
    items = [*_trees(street, rng), *_lamp_posts(street, rng), *_signs(street, rng)]
    if street.median == "fence":
        items += _fence(street)
    if street.median == "green":
        items += _hedge(street, rng)
    if street.crossing_m is not None:
        items += _traffic_lights(street)
    return items


def _solid(solid: Solid, place: Place) -> Item:
    return Item(place.z_m, lambda canvas: paint(canvas, solid, place))


def _clear_of_crossing(street: Street, z: float) -> bool:
    """Whether the crossing street leaves this distance free."""
    return street.crossing_m is None or not street.crossing_m - 6 < z < street.crossing_m + 17


def _trees(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """A row behind each kerb, as dense as the street has it."""
    tint = LEAF_TINTS[int(rng.integers(len(LEAF_TINTS)))]
    kind = int(rng.integers(CROWNS))
    high = float(rng.uniform(6.5, 12.0))
    washed = bool(rng.random() < 0.5)
    for edge, side in ((street.right_m, 1.0), (street.left_m, -1.0)):
        z = float(rng.uniform(6, 14))
        x = edge + side * (max(street.verge_m * 0.5, 0.9))
        while z < _TREES_TO_M:
            if rng.random() < street.trees and _clear_of_crossing(street, z):
                number = kind if rng.random() < 0.6 else int(rng.integers(CROWNS))
                tall = high * float(rng.uniform(0.8, 1.15))
                place = Place(x + float(rng.normal(0, 0.15)), z)
                yield _tree(place, tall, number, jitter(tint, rng, 9), washed=washed)
            z += float(rng.uniform(6.5, 9.0))


def _tree(place: Place, tall: float, number: int, tint: Colour, *, washed: bool) -> Item:
    """A trunk with boughs, its foot painted white in many streets, and a crown."""
    stem = tall * 0.34
    solid = [
        stroke([(0.0, 0.05, 0.0), (0.03, stem, 0.0), (0.0, tall * 0.7, 0.0)], tall * 0.026, BARK),
        stroke([(0.03, stem, 0.0), (-tall * 0.12, tall * 0.6, 0.0)], tall * 0.014, BARK),
        stroke([(0.03, stem, 0.0), (tall * 0.13, tall * 0.58, 0.0)], tall * 0.014, BARK),
    ]
    if washed:
        solid.append(stroke([(0.0, 0.08, 0.0), (0.01, 1.05, 0.0)], tall * 0.028, WHITE, 1))

    def job(canvas: Canvas) -> None:
        paint(canvas, solid, place)
        middle = Place(place.x_m, place.z_m, ground_m=tall * 0.66)
        paint_leaves(canvas, crown(number), middle, (tall * 0.84, tall * 0.84), tint)

    return Item(place.z_m, job)


def _hedge(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """Low shrubs along the green between the directions."""
    x = street.middle_m - street.median_m / 2
    tint = jitter(LEAF_TINTS[int(rng.integers(3))], rng, 8)
    for z in np.arange(5.0, 160.0, 1.6):
        if _clear_of_crossing(street, float(z)):
            place = Place(x + float(rng.normal(0, 0.1)), float(z), ground_m=0.42)
            yield _shrub(place, int(rng.integers(4)), float(rng.uniform(0.9, 1.15)), tint)


def _shrub(place: Place, number: int, high: float, tint: Colour) -> Item:
    size = (high * 2.1, high)
    return Item(place.z_m, lambda canvas: paint_leaves(canvas, crown(number), place, size, tint))


def _lamp_posts(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """Posts with an arm over the road."""
    step = float(rng.uniform(26, 36))
    for edge, side in ((street.right_m, 1.0), (street.left_m, -1.0)):
        for z in np.arange(float(rng.uniform(12, 30)), 320.0, step):
            if _clear_of_crossing(street, float(z)):
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
                yield _solid(solid, Place(edge + side * 0.6, float(z)))


def _signs(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """Round, square and overhead signs, and a bus stop's poster."""
    for _ in range(int(rng.integers(2, 7))):
        z = float(rng.uniform(16, 140))
        side = 1.0 if rng.random() < 0.7 else -1.0
        edge = street.right_m if side > 0 else street.left_m
        draw = SIGNS[int(rng.choice(len(SIGNS), p=[0.4, 0.3, 0.15, 0.15]))]
        if _clear_of_crossing(street, z):
            yield _solid(draw(side), Place(edge + side * 0.5, z))


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


def _fence(street: Street) -> Iterator[Item]:
    """The white railing between the directions, in panels; far ones as two rails."""
    x = street.middle_m - street.median_m / 2
    for z in np.arange(3.5, _FENCE_TO_M, 3.0):
        if _clear_of_crossing(street, float(z)):
            yield _solid(_railing(16 if z < 45 else 7 if z < 90 else 0), Place(x, float(z)))


def _railing(bars: int) -> Solid:
    """One panel of three metres along the street."""
    solid = [stroke([(0.0, y, -1.5), (0.0, y, 1.5)], 0.05, WHITE) for y in (0.2, 0.95)]
    for z in np.linspace(-1.4, 1.4, bars):
        solid.append(stroke([(0.0, 0.2, float(z)), (0.0, 0.95, float(z))], 0.03, WHITE))
    solid.append(stroke([(0.0, 0.0, -1.5), (0.0, 1.1, -1.5)], 0.1, (206, 208, 208), 1))
    return solid


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
    yield _solid(solid, Place(street.right_m + 0.9, street.crossing_m + 15.0))
