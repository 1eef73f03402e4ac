"""What grows along a street: rows of trees, hedges, the bushes behind the walks.

Comes in: a street. Goes out: unlabelled items with a distance, each painted in its turn.
"""

from collections.abc import Iterator

import numpy as np

from tinyseg.scenes.canvas import Canvas, Place, paint
from tinyseg.scenes.foliage import CROWNS, crown, paint_leaves
from tinyseg.scenes.item import Item, clear_of_crossing
from tinyseg.scenes.light import Colour, jitter
from tinyseg.scenes.parts import stroke
from tinyseg.scenes.plan import Street

BARK: Colour = (84, 72, 60)
WHITEWASH: Colour = (214, 214, 208)
LEAF_TINTS: list[Colour] = [(78, 94, 52), (70, 90, 58), (88, 98, 50), (136, 112, 48), (64, 82, 58)]

_TREES_TO_M = 260.0


def draw_greenery(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """Everything green on a street, in no order."""
    tint = LEAF_TINTS[int(rng.integers(len(LEAF_TINTS)))]
    yield from _kerb_trees(street, tint, rng)
    yield from _back_trees(street, tint, rng)
    yield from _bushes(street, tint, rng)
    if street.median == "green":
        yield from _hedge(street, rng)


def _kerb_trees(street: Street, tint: Colour, rng: np.random.Generator) -> Iterator[Item]:
    """A row behind each kerb, as dense as the street has it."""
    kind = int(rng.integers(CROWNS))
    high = float(rng.uniform(6.5, 12.0))
    washed = bool(rng.random() < 0.5)
    for edge, side in ((street.right_m, 1.0), (street.left_m, -1.0)):
        z = float(rng.uniform(9, 17))
        x = edge + side * (max(street.verge_m * 0.5, 0.9))
        while z < _TREES_TO_M:
            if rng.random() < street.trees and clear_of_crossing(street, z):
                number = kind if rng.random() < 0.6 else int(rng.integers(CROWNS))
                tall = high * float(rng.uniform(0.8, 1.15))
                place = Place(x + float(rng.normal(0, 0.15)), z)
                yield _tree(place, tall, number, jitter(tint, rng, 9), washed=washed)
            z += float(rng.uniform(6.5, 9.0))


def _back_trees(street: Street, tint: Colour, rng: np.random.Generator) -> Iterator[Item]:
    """Looser, taller trees behind the walks."""
    walk = street.verge_m + street.walk_m
    for edge, side in ((street.right_m, 1.0), (street.left_m, -1.0)):
        for z in np.arange(float(rng.uniform(14, 24)), 300.0, 9.0):
            if rng.random() < 0.75 * street.trees and clear_of_crossing(street, float(z), 3.0):
                x = edge + side * (walk + float(rng.uniform(1.2, 8.0)))
                place = Place(x, float(z) + float(rng.uniform(-3, 3)))
                tall = float(rng.uniform(7, 15))
                number = int(rng.integers(CROWNS))
                yield _tree(place, tall, number, jitter(tint, rng, 14), washed=False)


def _tree(place: Place, tall: float, number: int, tint: Colour, *, washed: bool) -> Item:
    """A trunk with boughs, its foot painted white in many streets, and a crown."""
    stem, thick = tall * 0.34, 0.12 + tall * 0.017
    solid = [
        stroke([(0.0, 0.05, 0.0), (0.03, stem, 0.0)], thick, BARK),
        stroke([(0.03, stem, 0.0), (0.0, tall * 0.72, 0.0)], thick * 0.7, BARK),
        stroke([(0.03, stem, 0.0), (-tall * 0.12, tall * 0.6, 0.0)], thick * 0.5, BARK),
        stroke([(0.03, stem, 0.0), (tall * 0.13, tall * 0.58, 0.0)], thick * 0.5, BARK),
        stroke([(thick * 0.25, 0.1, 0.0), (thick * 0.3, stem, 0.0)], thick * 0.4, (104, 92, 78), 1),
    ]
    if washed:
        solid.append(stroke([(0.0, 0.08, 0.0), (0.01, 1.05, 0.0)], thick * 1.08, WHITEWASH, 2))

    def job(canvas: Canvas) -> None:
        paint(canvas, solid, place)
        middle = Place(place.x_m, place.z_m, ground_m=tall * 0.64)
        paint_leaves(canvas, crown(number), middle, (tall * 0.9, tall * 0.9), tint)

    return Item(place.z_m, job)


def _hedge(street: Street, rng: np.random.Generator) -> Iterator[Item]:
    """Low shrubs along the green between the directions."""
    x = street.middle_m - street.median_m / 2
    tint = jitter(LEAF_TINTS[int(rng.integers(3))], rng, 8)
    for z in np.arange(5.0, 160.0, 1.6):
        if clear_of_crossing(street, float(z)):
            place = Place(x + float(rng.normal(0, 0.1)), float(z), ground_m=0.42)
            yield _shrub(place, int(rng.integers(4)), float(rng.uniform(0.9, 1.15)), tint)


def _bushes(street: Street, tint: Colour, rng: np.random.Generator) -> Iterator[Item]:
    """Clumps of bushes behind the walks, with gaps."""
    walk = street.verge_m + street.walk_m + 0.9
    for edge, side in ((street.right_m, 1.0), (street.left_m, -1.0)):
        for start in np.arange(6.0, 190.0, 22.0):
            if rng.random() > 0.7:
                continue
            high = float(rng.uniform(0.9, 2.4))
            for z in np.arange(start, start + float(rng.uniform(8, 22)), high * 0.8):
                if clear_of_crossing(street, float(z), 2.0):
                    place = Place(edge + side * walk, float(z), ground_m=high * 0.4)
                    yield _shrub(place, int(rng.integers(4)), high, jitter(tint, rng, 8))


def _shrub(place: Place, number: int, high: float, tint: Colour) -> Item:
    size = (high * 1.9, high * 1.15)
    return Item(place.z_m, lambda canvas: paint_leaves(canvas, crown(number), place, size, tint))
