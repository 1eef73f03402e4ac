"""Sky, ground and road markings: what is behind and under everything else.

Comes in: an empty canvas and the street. Goes out: the canvas painted up to, not including, what
stands on the ground. Soft things (clouds, asphalt, shade of trees) are made coarse and enlarged.
"""

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from tinyseg.data.synthetic.canvas import Canvas, Place, fill
from tinyseg.data.synthetic.light import Colour, gain, mix
from tinyseg.data.synthetic.plan import LANE_M, Street

FAR_M = 900.0
ASPHALT: Colour = (92, 95, 100)
PAVING: Colour = (150, 146, 140)
GRASS: Colour = (84, 104, 54)
KERB: Colour = (182, 180, 174)
PAINT: Colour = (226, 226, 220)
YELLOW: Colour = (214, 172, 62)

_COARSE = 4
_SKY_COARSE = 8


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """A gradient from the zenith to the haze at the horizon, with clouds and the sun's glow."""
    camera, weather = canvas.camera, canvas.light.weather
    rows = min(camera.height, max(1, int(np.ceil(camera.horizon)) + 2))
    small_hw = (max(2, rows // _SKY_COARSE), max(2, camera.width // _SKY_COARSE))
    up, across = _sky_angles(canvas, small_hw, rows)
    height = np.clip(up / 0.72, 0, 1)[:, None, None] ** 0.75
    low, top = np.array(weather.sky_low, float), np.array(weather.sky_top, float)
    sky = low * (1 - height) + top * height
    cloud = _clouds(rng, up, across) * weather.clouds
    sky = sky + (np.array([252.0, 252.0, 250.0]) - sky) * cloud[..., None]
    veil = np.exp(-np.clip(up, 0, None) / 0.07)[:, None, None]
    sky = sky + (np.array(weather.haze, float) - sky) * veil * 0.85
    sky = np.clip(sky * min(1.0, canvas.light.exposure + 0.05), 0, 255).astype(np.uint8)
    canvas.image[:rows] = cv2.resize(sky, (camera.width, rows), interpolation=cv2.INTER_LINEAR)


def _sky_angles(
    canvas: Canvas, small_hw: tuple[int, int], rows: int
) -> tuple[Float[np.ndarray, " h"], Float[np.ndarray, " w"]]:
    """Slopes above the horizon of the coarse rows, and beside the vanishing point of columns."""
    camera = canvas.camera
    row = (np.arange(small_hw[0]) + 0.5) * rows / small_hw[0]
    column = (np.arange(small_hw[1]) + 0.5) * camera.width / small_hw[1]
    return (camera.horizon - row) / camera.focal, (column - camera.vanish_col) / camera.focal


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


def paint_ground(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paving, verges, road, kerbs and markings, then the unevenness of all of them."""
    camera = canvas.camera
    top = min(camera.height, max(0, int(camera.horizon)))
    canvas.image[top:] = _receding(canvas, PAVING, top)[:, None, :]
    _verges(canvas, street)
    _strip(canvas, street.left_m, street.right_m, ASPHALT)
    _median(canvas, street)
    if street.crossing_m is not None:
        _side_street(canvas, street.crossing_m)
    _kerbs(canvas, street)
    for x0, x1, z0, z1, colour in _markings(street):
        _flat(canvas, x0, x1, z0, z1, colour)
    _roughen(canvas, street, rng, top)


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
    edges = [canvas.camera.nearest_ground_m() * 0.97, 8.0, 16.0, 28.0, 44.0, 66.0, 95.0, 135.0, 190.0, 280.0, FAR_M]
    kept = [edges[0], *[e for e in edges[1:] if e > edges[0]]]
    yield from itertools.pairwise(kept)


def _strip(canvas: Canvas, x0: float, x1: float, colour: Colour, y: float = 0.0) -> None:
    """A band along the whole street."""
    for z0, z1 in _slices(canvas):
        _flat(canvas, x0, x1, z0, z1 + 0.3, colour, y)


def _verges(canvas: Canvas, street: Street) -> None:
    """Grass between kerb and walk, and behind the walk where there are few houses."""
    if street.verge_m:
        _strip(canvas, street.right_m, street.right_m + street.verge_m, GRASS)
        _strip(canvas, street.left_m - street.verge_m, street.left_m, GRASS)
    walk = street.verge_m + street.walk_m
    _strip(canvas, street.right_m + walk, street.right_m + walk + 40, mix(GRASS, PAVING, 0.25))
    _strip(canvas, street.left_m - walk - 40, street.left_m - walk, mix(GRASS, PAVING, 0.25))


def _median(canvas: Canvas, street: Street) -> None:
    """What parts the directions: grass within kerbs, or painted lines."""
    left, right = street.middle_m - street.median_m, street.middle_m
    if street.median == "green":
        _strip(canvas, left, right, KERB)
        _strip(canvas, left + 0.2, right - 0.2, GRASS)
        return
    _strip(canvas, right - 0.13, right + 0.0, YELLOW)
    _strip(canvas, left, left + 0.13, YELLOW)


def _side_street(canvas: Canvas, z: float) -> None:
    """The crossing street's asphalt, over kerbs, walks and medians."""
    _flat(canvas, -90.0, 90.0, z, z + 7.0, ASPHALT)
    _flat(canvas, -90.0, 90.0, z + 7.0, z + 14.0, ASPHALT)


def _kerbs(canvas: Canvas, street: Street) -> None:
    """Kerb stones: a pale top, and on the far side of the view a face toward the road."""
    for edge, side in ((street.right_m, 1.0), (street.left_m, -1.0)):
        for z0, z1 in _runs(street, canvas):
            face = np.array([[edge, 0, z0], [edge, 0, z1], [edge, 0.15, z1], [edge, 0.15, z0]])
            shade = canvas.light.lit(KERB, canvas.light.shade((-side, 0.0, 0.0)))
            seen = canvas.light.far(shade, (z0 + z1) / 2)
            fill(canvas, canvas.camera.project(face), gain(seen, 0.86))
            _flat(canvas, edge, edge + side * 0.22, z0, z1, KERB, 0.15)


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


def _markings(street: Street) -> Iterator[tuple[float, float, float, float, Colour]]:
    """Painted rectangles as (x0, x1, z0, z1, colour): lane lines, edge lines, the zebra."""
    end = 230.0 if street.crossing_m is None else street.crossing_m - 7.5
    solid = end - 24 if street.crossing_m is not None else end
    for x in _lane_lines(street):
        for z in np.arange(1.0, solid, 10.0):
            yield x - 0.08, x + 0.08, float(z), float(z) + 4.5, PAINT
        yield x - 0.08, x + 0.08, solid, end, PAINT
    for x in (street.right_m - 0.35, street.left_m + 0.35):
        yield x - 0.08, x + 0.08, 0.0, end, PAINT
    if street.crossing_m is None:
        return
    yield street.middle_m, street.right_m, end, end + 0.45, PAINT
    for x in np.arange(street.left_m + 0.4, street.right_m - 0.4, 1.1):
        yield float(x), float(x) + 0.5, street.crossing_m - 5.2, street.crossing_m - 1.2, PAINT
    for lane in range(street.lanes):
        x = (lane - street.own_lane) * LANE_M
        yield x - 0.09, x + 0.09, end - 12.0, end - 8.0, PAINT
        yield x - 0.3, x + 0.3, end - 8.2, end - 7.4, PAINT


def _lane_lines(street: Street) -> Iterator[float]:
    """x of the dashed lines between lanes, both directions."""
    for lane in range(1, street.lanes):
        yield (lane - street.own_lane - 0.5) * LANE_M
    for lane in range(1, street.oncoming):
        yield street.middle_m - street.median_m - lane * LANE_M


_MAP_M = (44.0, 90.0)
_CELL_M = 0.06


def _roughen(canvas: Canvas, street: Street, rng: np.random.Generator, top: int) -> None:
    """Multiply the ground by its unevenness: a map from above, seen in perspective."""
    camera = canvas.camera
    height, width = camera.height - top, camera.width
    small = (max(1, width // _COARSE), max(1, height // _COARSE))
    seen = cv2.warpPerspective(
        _ground_map(canvas, street, rng),
        _map_to_picture(canvas, top, small),
        small,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(128,),
    )
    full = cv2.resize(seen, (width, height), interpolation=cv2.INTER_LINEAR)
    under = canvas.image[top:]
    under[:] = cv2.multiply(under, cv2.cvtColor(full, cv2.COLOR_GRAY2RGB), scale=1 / 128)


def _map_to_picture(canvas: Canvas, top: int, small: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """The homography from cells of the ground map to pixels of the coarse ground picture."""
    camera = canvas.camera
    metres = np.array([[_CELL_M, 0, -_MAP_M[0] / 2], [0, -_CELL_M, _MAP_M[1]], [0, 0, 1.0]])
    seen = np.array(
        [
            [camera.focal, camera.vanish_col, 0.0],
            [0.0, camera.horizon - top, camera.eye_m * camera.focal],
            [0.0, 1.0, 0.0],
        ]
    )
    shrink = np.diag([small[0] / camera.width, small[1] / max(1, camera.height - top), 1.0])
    return shrink @ seen @ metres


def _ground_map(
    canvas: Canvas, street: Street, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w"]:
    """Brightness of the ground from above, 128 as it is: wear, cracks, patches, trees' shade."""
    size = (int(_MAP_M[0] / _CELL_M), int(_MAP_M[1] / _CELL_M))
    wear = cv2.resize(rng.normal(0, 5, (90, 44)).astype(np.float32), size)
    wear += cv2.resize(rng.normal(0, 3.5, (500, 240)).astype(np.float32), size)
    wear += _tracks(street, size)
    grain = cv2.resize(rng.normal(0, 15, (750, 366)).astype(np.float32), size)
    wear += grain * _off_road(street, size)
    _patch(wear, street, rng)
    if canvas.light.weather.sun > 0.25:
        wear = _tree_shade(wear, street, canvas, rng)
    fade = np.exp(-np.linspace(_MAP_M[1], 0, size[1]) / 45)[:, None]
    return np.clip(128 + wear * fade, 0, 255).astype(np.uint8)


def _cells(x_m: np.ndarray | float) -> np.ndarray:
    return np.rint((np.asarray(x_m) + _MAP_M[0] / 2) / _CELL_M).astype(int)


def _tracks(street: Street, size: tuple[int, int]) -> Float[np.ndarray, "1 w"]:
    """Darker bands where tyres run, paler ones between."""
    x = (np.arange(size[0]) + 0.5) * _CELL_M - _MAP_M[0] / 2
    phase = (x / LANE_M) % 1.0
    bands = -6.0 * np.exp(-(((np.abs(phase - 0.5) - 0.25) / 0.09) ** 2))
    on_road = (x > street.left_m) & (x < street.right_m)
    return (bands * on_road)[None, :].astype(np.float32)


def _off_road(street: Street, size: tuple[int, int]) -> Float[np.ndarray, "1 w"]:
    """1 on verges and walks, a little on the road."""
    x = (np.arange(size[0]) + 0.5) * _CELL_M - _MAP_M[0] / 2
    on_road = (x > street.left_m) & (x < street.right_m)
    return np.where(on_road, 0.12, 1.0)[None, :].astype(np.float32)


def _patch(wear: np.ndarray, street: Street, rng: np.random.Generator) -> None:
    """Repairs and cracks in the asphalt."""
    low, high = _cells(street.left_m), _cells(street.right_m)
    rows = wear.shape[0]
    for _ in range(int(rng.integers(2, 7))):
        x, y = int(rng.integers(low, max(low + 1, high - 20))), int(rng.integers(rows))
        corner = (x + int(rng.integers(20, 60)), y + int(rng.integers(30, 160)))
        shade = wear[y : corner[1], max(x, 0) : corner[0]]
        shade += float(rng.uniform(-13, 9))
    for _ in range(int(rng.integers(3, 9))):
        steps = rng.normal([0.0, 6.0], [4.0, 3.0], (24, 2)).cumsum(axis=0)
        line = steps + np.array([rng.integers(low, high), rng.integers(rows)])
        cv2.polylines(wear, [np.rint(line).astype(np.int32)], False, (-26.0,), 1)


def _tree_shade(
    wear: np.ndarray, street: Street, canvas: Canvas, rng: np.random.Generator
) -> np.ndarray:
    """Dappled shade beside the trees, on the side away from the sun."""
    shade = np.zeros(wear.shape, np.float32)
    sun = canvas.light.sun_xyz
    throw = np.array([-sun[0], -sun[2]]) / max(sun[1], 0.35) * 6.0
    count = int(40 * street.trees)
    for _ in range(count):
        edge = street.right_m + 2.0 if rng.random() < 0.5 else street.left_m - 2.0
        x, z = edge + throw[0] + rng.normal(0, 0.8), rng.uniform(0, _MAP_M[1]) + throw[1]
        centre = (int(_cells(float(x))), int((_MAP_M[1] - z) / _CELL_M))
        axes = (int(rng.integers(35, 70)), int(rng.integers(35, 80)))
        cv2.ellipse(shade, centre, axes, 0, 0, 360, (1.0,), -1)
    shade = cv2.GaussianBlur(shade, (0, 0), 9)
    leaves = cv2.resize(
        rng.normal(0.0, 0.55, (wear.shape[0] // 7, wear.shape[1] // 7)).astype(np.float32),
        (wear.shape[1], wear.shape[0]),
        interpolation=cv2.INTER_CUBIC,
    )
    mottled = np.clip((shade * 1.25 + leaves * (shade > 0.05) - 0.35) * 2.4, 0, 1)
    return wear - mottled * np.float32(52.0 * min(1.0, canvas.light.weather.sun * 1.7))


def paint_shadow(canvas: Canvas, size_m: tuple[float, float, float], place: Place) -> None:
    """A thing's shadow on the ground: dark under it, and thrown away from the sun."""
    sun = canvas.light.sun_xyz
    reach = size_m[1] * 0.8 / max(sun[1], 0.3)
    throw = (-sun[0] * reach, -sun[2] * reach)
    foot = _footprint(size_m, place)
    if foot[:, 2].min() < 1.5:
        return
    strength = canvas.light.weather.sun
    if strength > 0.15:
        moved = foot + np.array([throw[0], 0.0, throw[1]])
        moved[:, 2] = np.maximum(moved[:, 2], 1.2)
        _darken(canvas, np.concatenate([foot, moved]), 0.62 * min(1.0, strength * 1.6), 0.05)
    _darken(canvas, foot, 0.62, 0.14)


def _footprint(size_m: tuple[float, float, float], place: Place) -> Float[np.ndarray, "4 3"]:
    """Corners of the ground a thing covers."""
    half_x, half_z = size_m[0] / 2 * 1.04, size_m[2] / 2 * 1.02
    c, s = np.cos(place.yaw_rad), np.sin(place.yaw_rad)
    corners = np.array([[-half_x, -half_z], [-half_x, half_z], [half_x, half_z], [half_x, -half_z]])
    x = place.x_m + corners[:, 0] * c + corners[:, 1] * s
    z = place.z_m - corners[:, 0] * s + corners[:, 1] * c
    return np.stack([x, np.zeros(4), z], axis=1)


def _darken(canvas: Canvas, ground: Float[np.ndarray, "n 3"], by: float, blur_m: float) -> None:
    """Darken the hull of ground points, with a soft edge."""
    camera = canvas.camera
    pixels = camera.project(ground)
    soft = max(0.5, blur_m * camera.per_metre(float(ground[:, 2].mean())))
    pad = 3 * soft + 1
    x0, y0 = np.maximum(np.floor(pixels.min(axis=0) - pad), 0).astype(int)
    x1, y1 = np.ceil(pixels.max(axis=0) + pad).astype(int)
    x1, y1 = min(int(x1), camera.width), min(int(y1), camera.height)
    if x1 <= x0 or y1 <= y0:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    hull = cv2.convexHull((pixels - np.array([x0, y0])).astype(np.float32))
    cv2.fillConvexPoly(
        mask, np.rint(hull * 16).astype(np.int32), (round(255 * by),), cv2.LINE_AA, 4
    )
    mask = cv2.bitwise_not(cv2.blur(mask, (2 * round(soft) + 1, 2 * max(1, round(soft / 2)) + 1)))
    under = canvas.image[y0:y1, x0:x1]
    under[:] = cv2.multiply(under, cv2.cvtColor(mask, cv2.COLOR_GRAY2RGB), scale=1 / 255)
