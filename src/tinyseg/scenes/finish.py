"""What the camera adds: its own car at the lower edge, darker corners, blur and noise.

Comes in: a painted canvas. Goes out: the same canvas, finished. Full-frame steps are few and in
uint8: they are most of a frame's time.
"""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8

from tinyseg.scenes.canvas import BACKGROUND, Canvas, fixed_point
from tinyseg.scenes.light import Colour, gain

_NOISE_SIDE = 512
_NOISE_SIGMAS = (2.0, 3.0, 4.5)


def paint_own_car(canvas: Canvas, rng: np.random.Generator) -> None:
    """The roof and mirror of the car that carries the camera, on the left or the right."""
    side = float(rng.choice([-1.0, 1.0]))
    paint: Colour = ((34, 36, 40), (62, 64, 66), (26, 28, 32))[int(rng.integers(3))]
    top = float(rng.uniform(0.30, 0.34))
    light = canvas.light
    below = canvas.camera.horizon + top * canvas.camera.focal
    if below > canvas.camera.height:
        return
    roof = [(0.9, 0.008), (0.3, 0.0), (-0.02, 0.004), (-0.07, 0.016), (-0.11, 0.07), (-0.2, 0.3)]
    pane = [(0.9, 0.028), (0.3, 0.018), (0.02, 0.022), (-0.035, 0.036), (-0.065, 0.11)]
    mirror = [(-0.17, 0.07), (-0.245, 0.066), (-0.265, 0.085), (-0.26, 0.115), (-0.17, 0.13)]
    for outline, colour, shade in (
        (mirror, paint, 0.45),
        ([*roof, (0.9, 0.3)], paint, 1.0),
        ([*pane, (-0.05, 0.125), (0.9, 0.135)], gain(paint, 1.35), 1.0),
    ):
        shape = [(x, top + y) for x, y in outline]
        # A polygon fixed to the camera, in slopes beside and below the vanishing point
        camera = canvas.camera
        points = np.array(shape) * np.array([side, 1.0]) * camera.focal
        pixels = fixed_point(points + np.array([camera.vanish_col, camera.horizon]))
        cv2.fillPoly(
            canvas.image, [pixels], light.lit(colour, light.exposure * shade), cv2.LINE_AA, 4
        )
        cv2.fillPoly(canvas.label, [pixels], (BACKGROUND,), cv2.LINE_8, 4)
    _reflect(canvas, top, side, float(rng.uniform(0.1, 0.4)))


def _reflect(canvas: Canvas, top: float, side: float, at: float) -> None:
    """The sky in the roof: a soft bright patch, added to what is there."""
    camera = canvas.camera
    y0 = max(0, int(camera.horizon + (top + 0.022) * camera.focal))
    y1 = min(camera.height, int(camera.horizon + (top + 0.125) * camera.focal))
    if y1 <= y0:
        return
    columns = np.linspace(0, camera.width, max(2, camera.width // 8))
    slope = (columns - camera.vanish_col) / camera.focal * side
    spots = ((at, 0.11, 1.0), (at + 0.2, 0.05, 0.25))
    across = sum(share * np.exp(-(((slope - m) / wide) ** 2)) for m, wide, share in spots)
    down = np.linspace(1.0, 0.25, 24)[:, None] * (across * (slope > -0.02))[None, :]
    sky = np.array(canvas.light.weather.sky_low) * 0.55
    glow = cv2.resize(
        (down[..., None] * sky).clip(0, 255).astype(np.uint8), (camera.width, y1 - y0)
    )
    canvas.image[y0:y1] = cv2.add(canvas.image[y0:y1], glow)


def blur(canvas: Canvas, length_frac: float) -> None:
    """Smear along the rows, as a turn of the car does."""
    length = round(length_frac * canvas.camera.width)
    if length > 1:
        canvas.image[:] = cv2.blur(canvas.image, (length, 1))


def darken_corners(canvas: Canvas, by: float) -> None:
    """The lens's vignette: corners darker by this share."""
    height, width = canvas.label.shape
    y = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, 64, dtype=np.float32)[None, :]
    small = 255 * (1 - by * ((x**2 + y**2) / 2) ** 1.5)
    mask = cv2.resize(small.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(
        canvas.image, cv2.cvtColor(mask, cv2.COLOR_GRAY2RGB), dst=canvas.image, scale=1 / 255
    )


def add_noise(canvas: Canvas, rng: np.random.Generator) -> None:
    """Sensor noise: a prepared block laid as tiles from a random corner."""
    above, below = _noise_blocks(int(rng.integers(len(_NOISE_SIGMAS))))
    shift = rng.integers(0, _NOISE_SIDE, 2)
    above, below = (np.roll(b, tuple(shift), axis=(0, 1)) for b in (above, below))
    height, width = canvas.label.shape
    for y in range(0, height, _NOISE_SIDE):
        for x in range(0, width, _NOISE_SIDE):
            tile = canvas.image[y : y + _NOISE_SIDE, x : x + _NOISE_SIDE]
            h, w = tile.shape[:2]
            cv2.subtract(cv2.add(tile, above[:h, :w]), below[:h, :w], dst=tile)


@lru_cache(maxsize=len(_NOISE_SIGMAS))
def _noise_blocks(
    level: int,
) -> tuple[UInt8[np.ndarray, "s s 3"], UInt8[np.ndarray, "s s 3"]]:
    """The positive and the negative part of a block of noise, each as something to add or take."""
    rng = np.random.default_rng([2018, level])
    shape = (_NOISE_SIDE, _NOISE_SIDE)
    shared = rng.normal(0, _NOISE_SIGMAS[level], (*shape, 1))
    noise = np.rint(shared + rng.normal(0, _NOISE_SIGMAS[level] * 0.6, (*shape, 3)))
    return (
        np.clip(noise, 0, 255).astype(np.uint8),
        np.clip(-noise, 0, 255).astype(np.uint8),
    )
