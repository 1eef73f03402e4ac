"""What grows along a street: rows of trees, hedges, the bushes behind the walks.

Comes in: a street. Goes out: unlabelled items with a distance, each painted in its turn.

Crowns and hedges are leaf textures made once, laid into the picture at any size and coloured by a
256-entry table from leaf brightness, so tint, light and haze cost nothing per pixel.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8

from tinyseg.scenes.canvas import Canvas, Item, Place, blend, paint
from tinyseg.scenes.light import Colour, gain, jitter
from tinyseg.scenes.parts import stroke
from tinyseg.scenes.plan import Street

CROWNS = 6
_SIDES = (1024, 512, 256, 128, 64, 32)
"""Each texture is kept at these sizes: shrinking a large one anew for each far tree is slow."""
_LOBES = 7
_CLUMPS = 210
_LEAVES = 46

Texture = UInt8[np.ndarray, "s s"]


@dataclass(frozen=True, slots=True)
class Leaves:
    """Brightness of leaves and where there are any, on a square, at each of the sizes."""

    bright: list[UInt8[np.ndarray, "_ _"]]
    cover: list[UInt8[np.ndarray, "_ _"]]

    def for_side(self, side: int) -> tuple[Texture, Texture]:
        """The smallest pair that is not coarser than a picture this many pixels wide."""
        fitting = [i for i, s in enumerate(_SIDES) if s >= side]
        level = fitting[-1] if fitting else 0
        return self.bright[level], self.cover[level]


@lru_cache(maxsize=CROWNS)
def crown(number: int) -> Leaves:
    """One of a few crowns; the last third of them are slim, as poplars are."""
    rng = np.random.default_rng([2018, 40, number])
    side = _SIDES[0]
    slim = 0.55 if number >= CROWNS * 2 // 3 else 1.0
    bright = np.full((side, side), 60, np.uint8)
    cover = np.zeros((side, side), np.uint8)
    # Twigs as (x, y, nearness), gathered in lobes around the stem
    turn = rng.uniform(0, 2 * np.pi, _LOBES)
    out = np.sqrt(rng.uniform(0.05, 1, _LOBES)) * 0.24
    lobes = np.stack([0.5 + slim * out * np.cos(turn), 0.52 + 1.05 * out * np.sin(turn)], axis=1)
    own = rng.integers(_LOBES, size=_CLUMPS)
    spread = rng.normal(0, 0.085, (_CLUMPS, 2)) * np.array([0.6 + 0.4 * slim, 1.0])
    spots = np.clip(lobes[own] + spread, 0.07, 0.93)
    nearness = rng.random(_CLUMPS) + 0.6 * rng.random(_LOBES)[own]
    clumps = np.concatenate([spots, nearness[:, None]], axis=1)
    for x, y, near in clumps[np.argsort(clumps[:, 2])].tolist():
        # A twig's leaves: dark ones below and within, bright ones above and nearer
        offsets = rng.normal(0, float(rng.uniform(0.035, 0.065)) * 0.5, (_LEAVES, 2))
        base = 62 + 80 * (0.6 - y) + 42 * near + rng.normal(0, 8)
        tones = np.clip(base - 620 * offsets[:, 1] + rng.normal(0, 20, _LEAVES), 8, 250)
        axes = rng.integers([3, 2], [9, 5], (_LEAVES, 2))
        angles = rng.uniform(0, 180, _LEAVES)
        for i in np.argsort(-offsets[:, 1]):
            centre = (int((x + offsets[i, 0]) * side), int((y + offsets[i, 1]) * side))
            size = (int(axes[i, 0]), int(axes[i, 1]))
            cv2.ellipse(bright, centre, size, float(angles[i]), 0, 360, (int(tones[i]),), -1)
            cv2.ellipse(cover, centre, size, float(angles[i]), 0, 360, (255,), -1)
    return Leaves(_shrunk(bright), _shrunk(cover))


def _shrunk(texture: Texture) -> list[UInt8[np.ndarray, "_ _"]]:
    """The texture at all sizes."""
    sizes = [(side, side) for side in _SIDES[1:]]
    small = [cv2.resize(texture, size, interpolation=cv2.INTER_AREA) for size in sizes]
    return [texture, *(np.asarray(s, np.uint8) for s in small)]


def paint_leaves(
    canvas: Canvas, leaves: Leaves, place: Place, size_m: tuple[float, float], tint: Colour
) -> None:
    """Blend a crown of (width, height) whose middle is above the place at its ground height."""
    camera = canvas.camera
    per_m = camera.per_metre(place.z_m)
    middle = camera.project(np.array([[place.x_m, place.ground_m, place.z_m]]))[0]
    half = np.array(size_m) * per_m / 2
    low, high = ([round(float(v)) for v in edge] for edge in (middle - half, middle + half))
    x0, y0 = max(low[0], 0), max(low[1], 0)
    x1, y1 = min(high[0], camera.width), min(high[1], camera.height)
    if x1 <= x0 or y1 <= y0:
        return
    bounds = (x0, y0, x1, y1)
    pair = leaves.for_side(max(high[0] - low[0], high[1] - low[1]))
    span = (low[0], low[1], high[0], high[1])
    bright, cover = (_cut(a, bounds, span) for a in pair)
    # Leaf brightness to colour under the scene's light and haze
    light = canvas.light
    shade = light.exposure * (light.weather.ambient + 0.5 * light.weather.sun)
    deep = np.array(light.far(light.lit(gain(tint, 0.22), shade), place.z_m))
    full = np.array(light.far(light.lit(gain(tint, 1.75), shade), place.z_m))
    share = np.linspace(0, 1, 256)[:, None, None]
    table = np.clip(np.rint(deep * (1 - share) + full * share), 0, 255).astype(np.uint8)
    colour = cv2.LUT(cv2.cvtColor(bright, cv2.COLOR_GRAY2RGB), table)
    held = cv2.multiply(colour, cv2.cvtColor(cover, cv2.COLOR_GRAY2RGB), scale=1 / 255)
    blend(canvas, bounds, held.astype(np.uint8, copy=False), cover)


def _cut(
    texture: Texture,
    bounds: tuple[int, int, int, int],
    span: tuple[int, int, int, int],
) -> UInt8[np.ndarray, "h w"]:
    """The part of a texture stretched over `span` that falls into `bounds`, at picture size."""
    x0, y0, x1, y1 = bounds
    side = len(texture)
    across, down = side / (span[2] - span[0]), side / (span[3] - span[1])
    left, top = (x0 - span[0]) * across, (y0 - span[1]) * down
    right, low = (x1 - span[0]) * across, (y1 - span[1]) * down
    part = texture[
        int(top) : max(int(top) + 1, int(low)), int(left) : max(int(left) + 1, int(right))
    ]
    how = cv2.INTER_AREA if across > 1 else cv2.INTER_LINEAR
    return cv2.resize(part, (x1 - x0, y1 - y0), interpolation=how).astype(np.uint8, copy=False)


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
            if rng.random() < street.trees and street.clear_of_crossing(z):
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
            if rng.random() < 0.75 * street.trees and street.clear_of_crossing(float(z), 3.0):
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
        if street.clear_of_crossing(float(z)):
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
                if street.clear_of_crossing(float(z), 2.0):
                    place = Place(edge + side * walk, float(z), ground_m=high * 0.4)
                    yield _shrub(place, int(rng.integers(4)), high, jitter(tint, rng, 8))


def _shrub(place: Place, number: int, high: float, tint: Colour) -> Item:
    size = (high * 1.9, high * 1.15)
    return Item(place.z_m, lambda canvas: paint_leaves(canvas, crown(number), place, size, tint))
