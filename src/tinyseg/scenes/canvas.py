"""The camera, and the picture being painted: the image and, in step with it, the labels.

Comes in: solids at places in the world, from far to near. Each is drawn magnified into a small
raster and reduced, so the image gets soft edges; the label takes the pixels that are covered to
at least one half, so it has hard edges and holds what is visible of each object.

The camera is a pinhole: metres in, pixels out. World axes: x to the right, y up from the road, z
ahead along the street; the camera stands over the origin at `eye_m`. Vertical lines stay vertical:
pitch and yaw shift the picture, as a shift lens does, which for the few degrees used here is within
a pixel or two of a true rotation where the small objects are. Pixels are continuous: pixel i covers
[i, i + 1).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8, UInt16

from tinyseg.scenes.light import Colour, Light
from tinyseg.scenes.parts import Solid

FOCAL_FRAC = 2304.5 / 3384
"""Focal length over frame width, of ApolloScape's front cameras."""

NEAR_M = 0.8
"""Points nearer than this are moved here: nothing behind the camera can be projected."""


@dataclass(frozen=True, slots=True)
class Pose:
    """How the camera is mounted in one scene; independent of the picture's size."""

    eye_m: float
    pitch_rad: float
    yaw_rad: float


@dataclass(frozen=True, slots=True)
class Camera:
    """A pose at a picture size: the vanishing point in pixels, and pixels per radian there."""

    height: int
    width: int
    focal: float
    vanish_col: float
    horizon: float
    eye_m: float

    def project(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        """World points to (column, row)."""
        per_m = self.focal / np.maximum(points[:, 2], NEAR_M)
        columns = self.vanish_col + points[:, 0] * per_m
        rows = self.horizon + (self.eye_m - points[:, 1]) * per_m
        return np.stack([columns, rows], axis=1)

    def per_metre(self, z_m: float) -> float:
        """Pixels a metre across the view takes at this distance."""
        return self.focal / max(z_m, NEAR_M)

    def nearest_ground_m(self) -> float:
        """Distance of the road point on the picture's lowest row."""
        below = max(self.height - self.horizon, 1.0)
        return max(self.eye_m * self.focal / below, NEAR_M)


def camera_of(pose: Pose, *, height: int, width: int, zoom: float) -> Camera:
    """The camera for a picture size; `zoom` narrows the view around the vanishing point."""
    focal = FOCAL_FRAC * width
    return Camera(
        height=height,
        width=width,
        focal=focal * zoom,
        vanish_col=width / 2 + focal * math.tan(pose.yaw_rad),
        horizon=height / 2 + focal * math.tan(pose.pitch_rad),
        eye_m=pose.eye_m,
    )


BACKGROUND = 255
IGNORE = 65535

_SUBPIXEL_BITS = 4
_LAMP_VEIL = 0.35
"""A lamp is dimmed by haze only this much of what a surface is."""

_HALO_M = 0.75
"""How far the light of a lamp scatters, in metres at its distance."""

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a solid stands: the point on the ground, and its turn (0: its back to the camera)."""

    x_m: float
    z_m: float
    yaw_rad: float = 0.0
    ground_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Canvas:
    """Image and label arrays that painters write into, with the camera and light they share."""

    image: UInt8[np.ndarray, "h w 3"]
    label: UInt16[np.ndarray, "h w"]
    camera: Camera
    light: Light


@dataclass(frozen=True, slots=True)
class _Shape:
    """A part as it is seen: pixels, final colour, line width in pixels."""

    pixels: Float[np.ndarray, "n 2"]
    colour: Colour
    line: float
    filled: bool
    halo: float = 0.0


def new_canvas(camera: Camera, light: Light) -> Canvas:
    """An empty picture: black, and background everywhere."""
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    label = np.full((camera.height, camera.width), BACKGROUND, np.uint16)
    return Canvas(image, label, camera, light)


def paint(canvas: Canvas, solid: Solid, place: Place, identity: int = BACKGROUND) -> None:
    """Draw a solid over what is there; its pixels get this label, background for clutter."""
    shapes = _seen(canvas, solid, place)
    if not shapes:
        return
    # The pixels they may touch, cut to the picture
    low = np.min([s.pixels.min(axis=0) - s.line / 2 for s in shapes], axis=0)
    high = np.max([s.pixels.max(axis=0) + s.line / 2 for s in shapes], axis=0)
    x0, y0 = (max(0, math.floor(v) - 1) for v in low)
    x1 = min(canvas.camera.width, math.ceil(high[0]) + 1)
    y1 = min(canvas.camera.height, math.ceil(high[1]) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    colour, cover = _raster(shapes, (x0, y0, x1, y1))
    blend(canvas, (x0, y0, x1, y1), colour, cover, identity)
    for shape in shapes:
        if shape.halo:
            _shine(canvas, shape)


@dataclass(frozen=True, slots=True)
class Item:
    """Clutter: unlabelled, but painted in its turn, so that it may hide what is labelled."""

    z_m: float
    paint: Callable[[Canvas], None]


def solid_item(solid: Solid, place: Place) -> Item:
    """An item that is a solid at a place."""
    return Item(place.z_m, lambda canvas: paint(canvas, solid, place))


def _shine(canvas: Canvas, shape: _Shape) -> None:
    """Light scattered around a lamp, over what is behind it."""
    radius = math.ceil(shape.halo)
    column, row = (round(float(v)) for v in shape.pixels.mean(axis=0))
    x0, y0 = max(0, column - radius), max(0, row - radius)
    x1, y1 = min(canvas.camera.width, column + radius), min(canvas.camera.height, row + radius)
    if x1 <= x0 or y1 <= y0:
        return
    across = (np.arange(x0, x1) - column)[None, :] / radius
    down = (np.arange(y0, y1) - row)[:, None] / radius
    fall = np.exp(-6.0 * np.sqrt(across**2 + down**2)) * (across**2 + down**2 < 1) * 0.75
    glow = (fall[..., None] * np.array(shape.colour)).astype(np.uint8)
    canvas.image[y0:y1, x0:x1] = cv2.add(canvas.image[y0:y1, x0:x1], glow)


def fill(canvas: Canvas, pixels: Float[np.ndarray, "n 2"], colour: Colour) -> None:
    """A flat polygon straight into the image: for backdrops, which carry no label."""
    cv2.fillPoly(canvas.image, [fixed_point(pixels)], colour, cv2.LINE_AA, _SUBPIXEL_BITS)


def fixed_point(pixels: Float[np.ndarray, "n 2"]) -> np.ndarray:
    """Continuous pixel coordinates to OpenCV's fixed point, whose pixel centres are integers."""
    scaled = (np.clip(pixels, -30000, 30000) - 0.5) * (1 << _SUBPIXEL_BITS)
    return np.rint(scaled).astype(np.int32)


def blend(
    canvas: Canvas,
    bounds: Box,
    colour: UInt8[np.ndarray, "h w 3"],
    cover: UInt8[np.ndarray, "h w"],
    identity: int = BACKGROUND,
) -> None:
    """Lay colour (already multiplied by its cover) over a rectangle, and its label with it."""
    x0, y0, x1, y1 = bounds
    under = canvas.image[y0:y1, x0:x1]
    keep = cv2.cvtColor(cv2.bitwise_not(cover), cv2.COLOR_GRAY2RGB)
    under[:] = cv2.add(cv2.multiply(under, keep, scale=1 / 255), colour)
    labels = canvas.label[y0:y1, x0:x1]
    if identity != BACKGROUND or (labels != BACKGROUND).any():
        labels[cover >= 128] = identity


def _seen(canvas: Canvas, solid: Solid, place: Place) -> list[_Shape]:
    """The parts that face the camera, projected and coloured, in the order to paint them."""
    # Rotation about the vertical; a positive turn swings the front to the right
    c, s = math.cos(place.yaw_rad), math.sin(place.yaw_rad)
    turn = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    counts = np.array([len(part.points) for part in solid])
    at = np.array([place.x_m, place.ground_m, place.z_m])
    world = np.concatenate([part.points for part in solid]) @ turn.T + at
    if world[:, 2].min() < NEAR_M:
        return []
    pixels = canvas.camera.project(world)
    ends = np.cumsum(counts)
    depths = np.add.reduceat(world[:, 2], ends - counts) / counts
    order = sorted(range(len(solid)), key=lambda i: (solid[i].layer, -float(depths[i])))
    eye, light = np.array([0.0, canvas.camera.eye_m, 0.0]), canvas.light
    shapes = []
    for i in order:
        part, depth_m = solid[i], float(depths[i])
        rows = slice(int(ends[i] - counts[i]), int(ends[i]))
        shade = light.exposure * (0.86 * light.weather.ambient + 0.45 * light.weather.sun)
        if part.normal is not None:
            normal = turn @ np.array(part.normal)
            if float((world[rows][0] - eye) @ normal) >= 0:
                continue  # it faces away
            shade = light.shade((float(normal[0]), float(normal[1]), float(normal[2])))
        per_m = canvas.camera.per_metre(depth_m)
        shines = part.lamp and light.weather.lamps
        halo = min(_HALO_M * per_m, 300.0) if shines else 0.0
        if part.glows or shines:
            colour = light.far(part.colour, depth_m * _LAMP_VEIL)
        else:
            colour = light.far(light.lit(part.colour, shade), depth_m)
        shapes.append(_Shape(pixels[rows], colour, part.round_m * per_m, part.filled, halo))
    return shapes


def _raster(
    shapes: list[_Shape], bounds: Box
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
    """Colour multiplied by cover, and cover, of the shapes within the bounds."""
    x0, y0, x1, y1 = bounds
    width, height = x1 - x0, y1 - y0
    # How much finer to draw than the picture: small objects need it most and cost least
    side = max(width, height)
    factor = 4 if side < 240 else 2 if side < 1400 else 1
    colour = np.zeros((height * factor, width * factor, 3), np.uint8)
    cover = np.zeros(colour.shape[:2], np.uint8)
    for shape in shapes:
        points = fixed_point((shape.pixels - np.array([x0, y0])) * factor)
        line = shape.line * factor
        if len(points) == 1:
            points = np.repeat(points, 2, axis=0)
        for target, tone in ((colour, shape.colour), (cover, (255,))):
            if shape.filled:
                cv2.fillPoly(target, [points], tone, cv2.LINE_8, _SUBPIXEL_BITS)
            if not shape.filled or line >= 1:
                wide = max(1, round(line))
                closed = shape.filled
                cv2.polylines(target, [points], closed, tone, wide, cv2.LINE_8, _SUBPIXEL_BITS)
    if factor == 1:
        return colour, cover
    small = (width, height)
    return (
        cv2.resize(colour, small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False),
        cv2.resize(cover, small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False),
    )
