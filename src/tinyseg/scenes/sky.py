"""The sky: a gradient, clouds on a high plane, haze toward the horizon.

Comes in: an empty canvas. Goes out: its rows above the horizon painted. All of it is soft, so it is
made coarse and enlarged.
"""

import cv2
import numpy as np
from jaxtyping import Float

from tinyseg.scenes.canvas import Canvas

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
