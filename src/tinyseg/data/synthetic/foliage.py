"""Tree crowns and hedges: leaf textures made once, laid into the picture at any size.

Comes in: a place and a size in metres. Goes out: the crown blended over the canvas, coloured by a
256-entry table from leaf brightness, so tint, light and haze cost nothing per pixel.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8

from tinyseg.data.synthetic.canvas import Canvas, Place, blend
from tinyseg.data.synthetic.light import Colour, gain

CROWNS = 6
_SIDE = 768
_CLUMPS = 90
_LEAVES = 42


@dataclass(frozen=True, slots=True)
class Leaves:
    """Brightness of leaves and where there are any, on a square."""

    bright: UInt8[np.ndarray, "s s"]
    cover: UInt8[np.ndarray, "s s"]


@lru_cache(maxsize=CROWNS)
def crown(number: int) -> Leaves:
    """One of a few crowns; the last third of them are slim."""
    rng = np.random.default_rng([2018, 40, number])
    slim = 0.62 if number >= CROWNS * 2 // 3 else 1.0
    bright = np.full((_SIDE, _SIDE), 70, np.uint8)
    cover = np.zeros((_SIDE, _SIDE), np.uint8)
    turn, reach = rng.uniform(0, 2 * np.pi, _CLUMPS), np.sqrt(rng.uniform(0, 1, _CLUMPS))
    x = 0.5 + 0.36 * slim * reach * np.cos(turn)
    y = 0.5 + 0.37 * reach * np.sin(turn)
    for i in np.argsort(rng.random(_CLUMPS) + (1 - reach)):
        _clump(bright, cover, (float(x[i]), float(y[i])), rng)
    return Leaves(bright, cover)


def _clump(
    bright: UInt8[np.ndarray, "s s"],
    cover: UInt8[np.ndarray, "s s"],
    middle: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """A twig's leaves: dark ones below and within, bright ones above."""
    radius = float(rng.uniform(0.05, 0.10))
    spots = rng.normal(0, radius * 0.55, (_LEAVES, 2))
    base = 92 + 70 * (0.55 - middle[1]) + float(rng.normal(0, 16))
    for dx, dy in spots[np.argsort(-spots[:, 1])]:
        centre = (int((middle[0] + dx) * _SIDE), int((middle[1] + dy) * _SIDE))
        axes = (int(rng.integers(4, 12)), int(rng.integers(3, 8)))
        tone = int(np.clip(base - 420 * dy + rng.normal(0, 20), 12, 250))
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(bright, centre, axes, angle, 0, 360, (tone,), -1)
        cv2.ellipse(cover, centre, axes, angle, 0, 360, (255,), -1, cv2.LINE_AA)


def paint_leaves(
    canvas: Canvas, leaves: Leaves, place: Place, size_m: tuple[float, float], tint: Colour
) -> None:
    """Blend a crown of (width, height) whose middle is above the place at its ground height."""
    camera = canvas.camera
    per_m = camera.per_metre(place.z_m)
    middle = camera.project(np.array([[place.x_m, place.ground_m, place.z_m]]))[0]
    half = np.array(size_m) * per_m / 2
    low, high = np.rint(middle - half).astype(int), np.rint(middle + half).astype(int)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), camera.width), min(int(high[1]), camera.height)
    if x1 <= x0 or y1 <= y0:
        return
    bounds = (x0, y0, x1, y1)
    span = (low[0], low[1], high[0], high[1])
    bright, cover = (_cut(a, bounds, span) for a in (leaves.bright, leaves.cover))
    table = _table(canvas, tint, place.z_m)
    colour = cv2.LUT(cv2.cvtColor(bright, cv2.COLOR_GRAY2RGB), table)
    held = cv2.multiply(colour, cv2.cvtColor(cover, cv2.COLOR_GRAY2RGB), scale=1 / 255)
    blend(canvas, bounds, held.astype(np.uint8, copy=False), cover)


def _cut(
    texture: UInt8[np.ndarray, "s s"],
    bounds: tuple[int, int, int, int],
    span: tuple[int, int, int, int],
) -> UInt8[np.ndarray, "h w"]:
    """The part of a texture stretched over `span` that falls into `bounds`, at picture size."""
    x0, y0, x1, y1 = bounds
    across, down = _SIDE / (span[2] - span[0]), _SIDE / (span[3] - span[1])
    left, top = (x0 - span[0]) * across, (y0 - span[1]) * down
    right, low = (x1 - span[0]) * across, (y1 - span[1]) * down
    part = texture[
        int(top) : max(int(top) + 1, int(low)), int(left) : max(int(left) + 1, int(right))
    ]
    how = cv2.INTER_AREA if across > 1 else cv2.INTER_LINEAR
    return cv2.resize(part, (x1 - x0, y1 - y0), interpolation=how).astype(np.uint8, copy=False)


def _table(canvas: Canvas, tint: Colour, z_m: float) -> UInt8[np.ndarray, "256 1 3"]:
    """Leaf brightness to colour under the scene's light and haze."""
    light = canvas.light
    shade = light.exposure * (light.weather.ambient + 0.5 * light.weather.sun)
    deep = light.far(light.lit(gain(tint, 0.22), shade), z_m)
    full = light.far(light.lit(gain(tint, 1.75), shade), z_m)
    share = np.linspace(0, 1, 256)[:, None]
    table = np.array(deep) * (1 - share) + np.array(full) * share
    return np.clip(np.rint(table), 0, 255).astype(np.uint8)[:, None, :]
