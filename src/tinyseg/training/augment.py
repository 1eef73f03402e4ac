"""Changes to a view's colours; geometry is the view's own business (zoom, place, flip)."""

import cv2
import numpy as np
from jaxtyping import UInt8


def jitter_colours(
    image: UInt8[np.ndarray, "h w 3"], generator: np.random.Generator, *, strength: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Brightness, contrast and saturation each changed by up to +- `strength`."""
    if strength == 0:
        return image
    gain, contrast, saturation = 1 + generator.uniform(-strength, strength, 3)
    ramp = (np.arange(256, dtype=np.float64) - 127) * contrast + 127
    curve = np.clip(ramp * gain, 0, 255).astype(np.uint8)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    mixed = cv2.addWeighted(image, float(saturation), grey, float(1 - saturation), 0)
    return np.asarray(cv2.LUT(mixed, curve), np.uint8)
