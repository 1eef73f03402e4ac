"""The houses along both sides and the skyline at the street's end.

Comes in: a canvas with sky and ground. Goes out: the canvas with a few large facets for each house
and all windows of a facet filled in two calls.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from tinyseg.scenes.canvas import Canvas, fill, fixed_point
from tinyseg.scenes.light import Colour, gain, jitter, mix
from tinyseg.scenes.plan import Street

WALLS: list[Colour] = [
    (176, 166, 152),
    (198, 194, 186),
    (150, 112, 92),
    (138, 142, 148),
    (186, 172, 140),
    (112, 116, 122),
    (168, 130, 108),
]
PANE: Colour = (66, 80, 94)
SIGNS: list[Colour] = [(176, 40, 38), (40, 84, 156), (52, 124, 84), (208, 150, 44), (90, 60, 120)]


@dataclass(frozen=True, slots=True)
class House:
    """A block on one side: its face to the road at x, its extent along the street, its look."""

    side: float
    x_m: float
    near_m: float
    far_m: float
    height_m: float
    wall: Colour
    glassy: bool
    looks: int


def paint_buildings(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """The skyline, then houses from far to near."""
    # Far blocks and a line of trees, nearly lost in the haze
    camera, light = canvas.camera, canvas.light
    for _ in range(26):
        x, z = float(rng.uniform(-420, 420)), float(rng.uniform(450, 800))
        width, high = float(rng.uniform(14, 50)), float(rng.gamma(2.0, 9.0)) + 6
        high = min(high, 9.0 + abs(x + width / 2) / 4)  # the street's end stays open
        seen = light.far(light.lit((140, 144, 150), light.exposure * 0.8), z)
        corners = np.array([[x, 0, z], [x, high, z], [x + width, high, z], [x + width, 0, z]])
        fill(canvas, camera.project(corners), seen)
    columns = np.linspace(-460, 460, 600)
    lumps = np.convolve(rng.standard_normal(612), np.hanning(13) / 2.0, mode="valid")
    crowns = np.stack([columns, 4.2 + 1.3 * lumps, np.full(600, 470.0)], axis=1)
    feet = np.array([[460.0, -1.0, 470.0], [-460.0, -1.0, 470.0]])
    seen = light.far(light.lit((70, 88, 60), light.exposure * 0.8), 470.0)
    fill(canvas, camera.project(np.concatenate([crowns, feet])), seen)
    houses = [*_row(street, 1.0, rng), *_row(street, -1.0, rng)]
    for house in sorted(houses, key=lambda h: -h.near_m):
        # The gable to us and the face to the road
        x, near, side = house.x_m, house.near_m, house.side
        gable = _Facet((x, near), (x + side * 13.0, near), (0.0, 0.0, -1.0))
        road = _Facet((x, near), (x, house.far_m), (-side, 0.0, 0.0))
        looks = np.random.default_rng(house.looks)
        for facet in (gable, road):
            _paint_facet(canvas, house, facet, looks)


def _row(street: Street, side: float, rng: np.random.Generator) -> list[House]:
    """Houses along one side, with gaps, set back behind the walk."""
    edge = street.right_m if side > 0 else -street.left_m
    line = edge + street.verge_m + street.walk_m
    z, houses = float(rng.uniform(4, 14)), []
    while z < 420:
        length = float(rng.uniform(14, 42))
        crossed = street.crossing_m is not None and (
            z < street.crossing_m + 19 and z + length > street.crossing_m - 5
        )
        if rng.random() < street.towers and not crossed:
            high = float(rng.choice([7, 11, 17, 24, 45], p=[0.2, 0.25, 0.25, 0.2, 0.1]))
            x = side * (line + float(rng.uniform(3.5, 14.0)))
            wall = jitter(WALLS[int(rng.integers(len(WALLS)))], rng, 10)
            glassy = bool(high > 12 and rng.random() < 0.35)
            looks = int(rng.integers(2**31))
            high *= float(rng.uniform(0.85, 1.2))
            houses.append(House(side, x, z, z + length, high, wall, glassy, looks))
        z += length + float(rng.choice([0.4, 3.0, 9.0]))
    return houses


@dataclass(frozen=True, slots=True)
class _Facet:
    """An upright wall between two ground points (x, z)."""

    start: tuple[float, float]
    end: tuple[float, float]
    normal: tuple[float, float, float]

    @property
    def length_m(self) -> float:
        return abs(self.end[0] - self.start[0]) + abs(self.end[1] - self.start[1])

    def at(self, along: Float[np.ndarray, "..."], up: Float[np.ndarray, "..."]) -> np.ndarray:
        """World points at metres along and metres up, last axis (x, y, z)."""
        share = np.asarray(along) / self.length_m
        x = self.start[0] + (self.end[0] - self.start[0]) * share
        z = self.start[1] + (self.end[1] - self.start[1]) * share
        return np.stack([x, np.broadcast_to(up, x.shape), z], axis=-1)

    def quads(
        self, along: Float[np.ndarray, "n 2"], up: Float[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "n 4 3"]:
        """Rectangles on the wall from their spans along and up."""
        return self.at(along[:, [0, 0, 1, 1]], up[:, [0, 1, 1, 0]])


def _quad(facet: _Facet, a0: float, a1: float, u0: float, u1: float) -> np.ndarray:
    return facet.quads(np.array([[a0, a1]]), np.array([[u0, u1]]))[0]


def _paint_facet(canvas: Canvas, house: House, facet: _Facet, rng: np.random.Generator) -> None:
    """Wall, parapet, ledges, windows, shop signs."""
    light, camera = canvas.light, canvas.camera
    z = (facet.start[1] + facet.end[1]) / 2
    base = mix(house.wall, PANE, 0.55) if house.glassy else house.wall
    wall = light.far(light.lit(base, light.shade(facet.normal) * 0.92), z)
    corners = _quad(facet, 0.0, facet.length_m, 0.0, house.height_m)
    pixels = camera.project(corners)
    if pixels[:, 0].max() < 0 or pixels[:, 0].min() > camera.width:
        return
    fill(canvas, pixels, wall)
    top = _quad(facet, 0.0, facet.length_m, house.height_m - 0.7, house.height_m)
    fill(canvas, camera.project(top), gain(wall, 1.12))
    # A line between the floors, and upright ones on every second house
    ledge = gain(wall, 0.88 if house.looks % 2 else 1.1)
    for floor in np.arange(3.3, house.height_m - 1.0, 3.3):
        quad = _quad(facet, 0.0, facet.length_m, float(floor), float(floor) + 0.3)
        fill(canvas, camera.project(quad), ledge)
    for pier in np.arange(0.2, facet.length_m - 0.5, 6.0) if house.looks % 4 < 2 else ():
        quad = _quad(facet, float(pier), float(pier) + 0.45, 0.0, house.height_m - 0.7)
        fill(canvas, camera.project(quad), ledge)
    _windows(canvas, house, facet, wall, z, rng)
    if facet.normal[0] and rng.random() < 0.75:
        _shops(canvas, facet, z, rng)


def _windows(
    canvas: Canvas, house: House, facet: _Facet, wall: Colour, z: float, rng: np.random.Generator
) -> None:
    """A grid of panes, some of them mirroring the sky; bands where they would be under a pixel."""
    light = canvas.light
    bay = 1.7 if house.glassy else float(rng.choice([2.4, 3.2, 4.0]))
    floor = 3.3
    inset = 0.07 if house.glassy else 0.26
    floors = np.arange(1.05 * floor, house.height_m - floor - 0.4, floor)
    bays = np.arange(0.6, facet.length_m - bay, bay)
    if not len(floors) or not len(bays):
        return
    along, up = np.meshgrid(bays, floors)
    spans = np.stack([along + bay * inset, along + bay * (1 - inset)], axis=-1).reshape(-1, 2)
    heights = np.stack([up + floor * 0.22, up + floor * (0.95 - inset * 0.6)], axis=-1)
    quads = facet.quads(spans, heights.reshape(-1, 2))
    pixels = canvas.camera.project(quads.reshape(-1, 3)).reshape(-1, 4, 2)
    sky = gain(light.weather.sky_low, light.exposure)
    dark = light.far(light.lit(PANE, light.exposure * 0.85), z)
    lit = rng.random(len(pixels))
    warm: Colour = (246, 214, 150) if light.weather.lamps else mix(dark, sky, 0.75)
    tones = ((0.0, 0.55, dark), (0.55, 0.86, mix(dark, sky, 0.3)))
    inside = (pixels[..., 0].max(axis=1) > 0) & (pixels[..., 0].min(axis=1) < canvas.camera.width)
    inside &= pixels[..., 1].max(axis=1) > 0
    for low, high, colour in (*tones, (0.86, 1.1, warm)):
        shapes = [fixed_point(q) for q in pixels[inside & (lit >= low) & (lit < high)]]
        if shapes:  # all of a tone in one call, as they do not overlap
            cv2.fillPoly(canvas.image, shapes, mix(colour, wall, 0.12), cv2.LINE_AA, 4)


def _shops(canvas: Canvas, facet: _Facet, z: float, rng: np.random.Generator) -> None:
    """Shop windows on the ground floor, coloured boards above them."""
    light, camera = canvas.light, canvas.camera
    shade = light.shade(facet.normal) * 0.9
    start = 0.4
    while start < facet.length_m - 3:
        end = min(start + float(rng.uniform(4, 9)), facet.length_m - 0.3)
        board = jitter(SIGNS[int(rng.integers(len(SIGNS)))], rng, 25)
        glass = light.far(light.lit(gain(PANE, 0.7), light.exposure), z)
        fill(canvas, camera.project(_quad(facet, start, end, 0.2, 2.5)), glass)
        sign = light.far(light.lit(mix(board, (120, 116, 112), 0.25), shade), z)
        fill(canvas, camera.project(_quad(facet, start, end, 2.6, 3.4)), sign)
        middle = _quad(facet, start + 0.8, end - 0.8, 2.85, 3.15)
        fill(canvas, camera.project(middle), mix(sign, (240, 236, 224), 0.6))
        start = end + 0.4
