"""The sky, and the ground under everything: paving, verges, road, kerbs and painted markings.

Comes in: an empty canvas, and the street. The sky is a gradient, clouds on a high plane and haze
toward the horizon; all of it is soft, so it is made coarse and enlarged. The ground comes in flat
colours and haze; surface.py then roughens it.
"""

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from tinyseg.scenes.canvas import Canvas, fill
from tinyseg.scenes.light import Colour, gain, mix
from tinyseg.scenes.plan import LANE_M, Street
from tinyseg.scenes.surface import roughen

FAR_M = 900.0
ASPHALT: Colour = (92, 95, 100)
PAVING: Colour = (150, 146, 140)
GRASS: Colour = (92, 104, 64)
KERB: Colour = (182, 180, 174)
PAINT: Colour = (226, 226, 220)
YELLOW: Colour = (214, 172, 62)

Outline = list[tuple[float, float]]
"""Points (x, z) on the ground."""


def paint_ground(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paving, verges, road, kerbs and markings, then the unevenness of all of them."""
    camera = canvas.camera
    top = min(camera.height, max(0, int(camera.horizon)))
    column = _receding(canvas, PAVING, top)[:, None, :]
    size = (camera.width, camera.height - top)
    canvas.image[top:] = cv2.resize(column, size, interpolation=cv2.INTER_NEAREST)
    # Grass between kerb and walk, and behind the walk where there are few houses
    if street.verge_m:
        _strip(canvas, street.right_m, street.right_m + street.verge_m, GRASS)
        _strip(canvas, street.left_m - street.verge_m, street.left_m, GRASS)
    walk = street.verge_m + street.walk_m
    _strip(canvas, street.right_m + walk, street.right_m + walk + 40.0, mix(GRASS, PAVING, 0.25))
    _strip(canvas, street.left_m - walk - 40.0, street.left_m - walk, mix(GRASS, PAVING, 0.25))
    _strip(canvas, street.left_m, street.right_m, ASPHALT)
    # What parts the directions: grass within kerbs, or painted lines
    left, right = street.middle_m - street.median_m, street.middle_m
    if street.median == "green":
        _strip(canvas, left, right, KERB)
        _strip(canvas, left + 0.2, right - 0.2, GRASS)
    else:
        _strip(canvas, right - 0.13, right, YELLOW)
        _strip(canvas, left, left + 0.13, YELLOW)
    if street.crossing_m is not None:
        # The crossing street's asphalt, over kerbs, walks and medians
        _flat(canvas, -90.0, 90.0, street.crossing_m, street.crossing_m + 7.0, ASPHALT)
        _flat(canvas, -90.0, 90.0, street.crossing_m + 7.0, street.crossing_m + 14.0, ASPHALT)
    # Kerb stones: a pale top, and on the far side of the view a face toward the road
    for edge, side in ((street.right_m, 1.0), (street.left_m, -1.0)):
        for z0, z1 in _runs(street, canvas):
            face = np.array([[edge, 0, z0], [edge, 0, z1], [edge, 0.15, z1], [edge, 0.15, z0]])
            shade = canvas.light.lit(KERB, canvas.light.shade((-side, 0.0, 0.0)))
            seen = canvas.light.far(shade, (z0 + z1) / 2)
            fill(canvas, canvas.camera.project(face), gain(seen, 0.86))
            _flat(canvas, edge, edge + side * 0.22, z0, z1, KERB, 0.15)
    light, near = canvas.light, camera.nearest_ground_m() * 0.97
    for outline in _markings(street):
        if max(z for _, z in outline) <= near:  # under the camera
            continue
        points = np.array([[x, 0.0, max(z, near)] for x, z in outline])
        seen = light.far(light.flat(PAINT), float(min(points[:, 2].mean(), 90.0)))
        fill(canvas, camera.project(points), seen)
    roughen(canvas, street, rng, top)


def _receding(canvas: Canvas, colour: Colour, top: int) -> UInt8[np.ndarray, "h 3"]:
    """The colour of level ground in every row below the horizon, paler with distance."""
    camera, light = canvas.camera, canvas.light
    rows = np.arange(top, camera.height) + 0.5
    z = camera.eye_m * camera.focal / np.maximum(rows - camera.horizon, 0.5)
    near, far = np.array(light.flat(colour), float), np.array(light.far(colour, 1e9), float)
    veil = 1.0 - np.exp(-z / light.weather.visibility_m / 1.6)
    return np.rint(near + (far - near) * veil[:, None]).astype(np.uint8)


def _flat(
    canvas: Canvas, x0: float, x1: float, z0: float, z1: float, colour: Colour, y: float = 0.0
) -> None:
    """A rectangle on the ground in one colour; nothing if it is behind the camera."""
    near = max(z0, canvas.camera.nearest_ground_m() * 0.97)
    if near >= z1:
        return
    corners = np.array([[x0, y, near], [x0, y, z1], [x1, y, z1], [x1, y, near]])
    seen = canvas.light.far(canvas.light.flat(colour), (near + min(z1, near + 60)) / 2)
    fill(canvas, canvas.camera.project(corners), seen)


def _slices(canvas: Canvas) -> Iterator[tuple[float, float]]:
    """Distances cut so that the haze can be taken as even within each piece."""
    near = canvas.camera.nearest_ground_m() * 0.97
    edges = (8.0, 16.0, 28.0, 44.0, 66.0, 95.0, 135.0, 190.0, 280.0, FAR_M)
    yield from itertools.pairwise([near, *(edge for edge in edges if edge > near)])


def _strip(canvas: Canvas, x0: float, x1: float, colour: Colour) -> None:
    """A band along the whole street."""
    for z0, z1 in _slices(canvas):
        _flat(canvas, x0, x1, z0, z1 + 0.3, colour)


def _runs(street: Street, canvas: Canvas) -> Iterator[tuple[float, float]]:
    """Pieces of a kerb, with the gap a crossing street leaves."""
    gap = (1e9, 1e9) if street.crossing_m is None else (street.crossing_m, street.crossing_m + 14)
    for z0, z1 in _slices(canvas):
        if z1 <= gap[0] or z0 >= gap[1]:
            yield z0, z1
            continue
        if z0 < gap[0]:
            yield z0, gap[0]
        if z1 > gap[1]:
            yield gap[1], z1


def _markings(street: Street) -> Iterator[Outline]:
    """What is painted on the road: lane lines, edge lines, and what goes with a crossing."""
    end = 230.0 if street.crossing_m is None else street.crossing_m - 7.5
    solid = end if street.crossing_m is None else end - 24.0
    # Dashed lines between the lanes of both directions, and the lines along the edges
    dashed = [(lane - street.own_lane - 0.5) * LANE_M for lane in range(1, street.lanes)]
    other = street.middle_m - street.median_m
    dashed += [other - lane * LANE_M for lane in range(1, street.oncoming)]
    for x in dashed:
        for z in np.arange(1.0, solid - 3.0, 10.0):
            yield _bar(x, 0.16, float(z), float(z) + 4.5)
        yield _bar(x, 0.16, solid, end)
    for x in (street.right_m - 0.35, street.left_m + 0.35):
        yield _bar(x, 0.16, 0.0, end)
    if street.crossing_m is None:
        return
    # The stop line, the zebra, and an arrow in each lane
    middle = (street.middle_m + street.right_m) / 2
    yield _bar(middle, street.right_m - street.middle_m, end, end + 0.45)
    for x in np.arange(street.left_m + 0.6, street.right_m - 0.4, 1.0):
        yield _bar(float(x), 0.45, street.crossing_m - 5.4, street.crossing_m - 1.0)
    for lane in range(street.lanes):
        turns = (lane == street.lanes - 1) - (lane == 0)
        for start in (end - 14.0, end - 46.0):
            yield from _arrow((lane - street.own_lane) * LANE_M, start, float(turns))


def _bar(x: float, wide: float, z0: float, z1: float) -> Outline:
    half = wide / 2
    return [(x - half, z0), (x - half, z1), (x + half, z1), (x + half, z0)]


def _arrow(x: float, z: float, turn: float) -> Iterator[Outline]:
    """Straight ahead, or bent to the side it turns to."""
    yield _bar(x, 0.22, z, z + 3.6)
    yield [(x - 0.42, z + 3.6), (x, z + 6.0), (x + 0.42, z + 3.6)]
    if turn:
        reach = x + turn * 0.75
        yield [(x, z + 1.4), (x, z + 2.0), (reach, z + 2.6), (reach, z + 2.0)]
        tip = x + turn * 1.35
        yield [(reach, z + 1.3), (reach, z + 3.3), (tip, z + 2.6)]


_SKY_COARSE = 8


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """A gradient from the zenith to the haze at the horizon, with clouds and the sun's glow."""
    camera, weather = canvas.camera, canvas.light.weather
    rows = min(camera.height, max(1, int(np.ceil(camera.horizon)) + 2))
    small_hw = (max(2, rows // _SKY_COARSE), max(2, camera.width // _SKY_COARSE))
    # Slopes above the horizon of the coarse rows, and beside the vanishing point of columns
    up = (camera.horizon - (np.arange(small_hw[0]) + 0.5) * rows / small_hw[0]) / camera.focal
    column = (np.arange(small_hw[1]) + 0.5) * camera.width / small_hw[1]
    across = (column - camera.vanish_col) / camera.focal
    height = np.clip(up / 0.72, 0, 1)[:, None, None] ** 0.75
    low, top = np.array(weather.sky_low, float), np.array(weather.sky_top, float)
    sky = low * (1 - height) + top * height
    cloud = _clouds(rng, up, across) * weather.clouds
    sky = sky + (np.array([252.0, 252.0, 250.0]) - sky) * cloud[..., None]
    veil = np.exp(-np.clip(up, 0, None) / 0.07)[:, None, None]
    sky = sky + (np.array(weather.haze, float) - sky) * veil * 0.85
    sky = np.clip(sky * min(1.0, canvas.light.exposure + 0.05), 0, 255).astype(np.uint8)
    canvas.image[:rows] = cv2.resize(sky, (camera.width, rows), interpolation=cv2.INTER_LINEAR)


def _clouds(
    rng: np.random.Generator, up: Float[np.ndarray, " h"], across: Float[np.ndarray, " w"]
) -> Float[np.ndarray, "h w"]:
    """Cover of clouds, 0..1: noise on a high plane, so that they shrink toward the horizon."""
    distance = 1.0 / (np.clip(up, 0.02, None) + 0.12)
    columns = (across[None, :] * distance[:, None] * 26 + 128).astype(np.float32)
    rows = np.broadcast_to(distance[:, None] * 34, columns.shape).astype(np.float32)
    total = np.zeros(columns.shape, np.float32)
    for octave in range(4):
        grid = rng.standard_normal((256, 256)).astype(np.float32)
        step = np.float32(2**octave / 8)
        wrapped = cv2.remap(
            grid, columns * step, rows * step, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP
        )
        total += wrapped * np.float32(0.55**octave)
    bias = float(rng.uniform(-0.3, 0.5))
    return np.clip((total - bias) * 0.55, 0, 1).astype(np.float64) ** 1.3
