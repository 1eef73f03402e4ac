"""The ground's unevenness and the shadows on it: both only darken or brighten what is painted.

Comes in: a canvas with a flat-coloured ground. Goes out: the same with wear, cracks and the shade
of trees, drawn from above in cells and seen in perspective; and each thing's own shadow.
"""

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from tinyseg.scenes.canvas import Canvas, Place
from tinyseg.scenes.plan import LANE_M, Street

_COARSE = 4
_MAP_M = (44.0, 90.0)
_CELL_M = 0.06


def roughen(canvas: Canvas, street: Street, rng: np.random.Generator, top: int) -> None:
    """Multiply the ground by its unevenness: a map from above, seen in perspective."""
    camera = canvas.camera
    height, width = camera.height - top, camera.width
    small = (max(1, width // _COARSE), max(1, height // _COARSE))
    # Cells of the map -> metres on the ground -> pixels -> pixels of the coarse picture
    metres = np.array([[_CELL_M, 0, -_MAP_M[0] / 2], [0, -_CELL_M, _MAP_M[1]], [0, 0, 1.0]])
    pixels = np.array(
        [
            [camera.focal, camera.vanish_col, 0.0],
            [0.0, camera.horizon - top, camera.eye_m * camera.focal],
            [0.0, 1.0, 0.0],
        ]
    )
    shrink = np.diag([small[0] / width, small[1] / max(1, height), 1.0])
    seen = cv2.warpPerspective(
        _ground_map(canvas, street, rng),
        shrink @ pixels @ metres,
        small,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(128,),
    )
    full = cv2.resize(seen, (width, height), interpolation=cv2.INTER_LINEAR)
    under = canvas.image[top:]
    under[:] = cv2.multiply(under, cv2.cvtColor(full, cv2.COLOR_GRAY2RGB), scale=1 / 128)


def _ground_map(
    canvas: Canvas, street: Street, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w"]:
    """Brightness of the ground from above, 128 as it is: wear, cracks, patches, trees' shade."""
    size = (int(_MAP_M[0] / _CELL_M), int(_MAP_M[1] / _CELL_M))
    wear = _noise(rng, 5.0, (90, 44), size) + _noise(rng, 3.5, (500, 240), size)
    x = (np.arange(size[0]) + 0.5) * _CELL_M - _MAP_M[0] / 2
    on_road = (x > street.left_m) & (x < street.right_m)
    # Darker bands where tyres run, paler ones between; rough on verges and walks, less on the road.
    tracks = -6.0 * np.exp(-(((np.abs((x / LANE_M) % 1.0 - 0.5) - 0.25) / 0.09) ** 2)) * on_road
    rough = np.where(on_road, 0.12, 1.0).astype(np.float32)
    wear += tracks.astype(np.float32) + _noise(rng, 15.0, (750, 366), size) * rough
    # Repairs and cracks in the asphalt
    low, high = _cell(street.left_m), _cell(street.right_m)
    for _ in range(int(rng.integers(2, 7))):
        x0, y0 = int(rng.integers(low, max(low + 1, high - 20))), int(rng.integers(size[1]))
        x1, y1 = x0 + int(rng.integers(20, 60)), y0 + int(rng.integers(30, 160))
        wear[y0:y1, max(x0, 0) : x1] += float(rng.uniform(-13, 9))
    for _ in range(int(rng.integers(3, 9))):
        steps = rng.normal([0.0, 6.0], [4.0, 3.0], (24, 2)).cumsum(axis=0)
        line = steps + np.array([rng.integers(low, high), rng.integers(size[1])])
        cv2.polylines(wear, [np.rint(line).astype(np.int32)], False, (-26.0,), 1)
    if canvas.light.weather.sun > 0.25:
        wear = _tree_shade(wear, street, canvas, rng)
    fade = np.exp(-np.linspace(_MAP_M[1], 0, size[1]) / 45)[:, None]
    return np.clip(128 + wear * fade, 0, 255).astype(np.uint8)


def _noise(
    rng: np.random.Generator, sigma: float, coarse_hw: tuple[int, int], size: tuple[int, int]
) -> Float32[np.ndarray, "h w"]:
    """Smooth noise: coarse and enlarged."""
    coarse = rng.normal(0.0, sigma, coarse_hw).astype(np.float32)
    return np.asarray(cv2.resize(coarse, size), np.float32)


def _cell(x_m: float) -> int:
    """The column of the ground map at this x."""
    return round((x_m + _MAP_M[0] / 2) / _CELL_M)


def _tree_shade(
    wear: Float32[np.ndarray, "h w"], street: Street, canvas: Canvas, rng: np.random.Generator
) -> Float32[np.ndarray, "h w"]:
    """Dappled shade beside the trees, on the side away from the sun."""
    shade = np.zeros(wear.shape, np.float32)
    sun = canvas.light.sun_xyz
    throw = np.array([-sun[0], -sun[2]]) / max(sun[1], 0.35) * 6.0
    count = int(40 * street.trees)
    for _ in range(count):
        edge = street.right_m + 2.0 if rng.random() < 0.5 else street.left_m - 2.0
        x, z = edge + throw[0] + rng.normal(0, 0.8), rng.uniform(0, _MAP_M[1]) + throw[1]
        centre = (_cell(float(x)), int((_MAP_M[1] - z) / _CELL_M))
        axes = (int(rng.integers(35, 70)), int(rng.integers(35, 80)))
        cv2.ellipse(shade, centre, axes, 0, 0, 360, (1.0,), -1)
    shade = np.asarray(cv2.GaussianBlur(shade, (0, 0), 9), np.float32)
    rows, columns = wear.shape
    leaves = _noise(rng, 0.6, (rows // 6, columns // 6), (columns, rows))
    mottled = np.clip((shade * 1.25 + leaves * (shade > 0.05) - 0.35) * 2.4, 0, 1)
    depth = 52.0 * min(1.0, canvas.light.weather.sun * 1.7)
    return (wear - mottled * depth).astype(np.float32)


def paint_shadow(canvas: Canvas, size_m: tuple[float, float, float], place: Place) -> None:
    """A thing's shadow on the ground: dark under it, and thrown away from the sun."""
    sun = canvas.light.sun_xyz
    reach = size_m[1] * 0.8 / max(sun[1], 0.3)
    throw = (-sun[0] * reach, -sun[2] * reach)
    # Corners of the ground a thing covers
    half_x, half_z = size_m[0] / 2 * 1.04, size_m[2] / 2 * 1.02
    c, s = np.cos(place.yaw_rad), np.sin(place.yaw_rad)
    corners = np.array([[-half_x, -half_z], [-half_x, half_z], [half_x, half_z], [half_x, -half_z]])
    x = place.x_m + corners[:, 0] * c + corners[:, 1] * s
    z = place.z_m - corners[:, 0] * s + corners[:, 1] * c
    foot = np.stack([x, np.zeros(4), z], axis=1)
    if foot[:, 2].min() < 1.5:
        return
    strength = canvas.light.weather.sun
    if strength > 0.15:
        moved = foot + np.array([throw[0], 0.0, throw[1]])
        moved[:, 2] = np.maximum(moved[:, 2], 1.2)
        _darken(canvas, np.concatenate([foot, moved]), 0.62 * min(1.0, strength * 1.6), 0.05)
    _darken(canvas, foot, 0.62, 0.14)


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
