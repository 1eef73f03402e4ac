"""The pinhole camera: metres in, pixels out.

World axes: x to the right, y up from the road, z ahead along the street; the camera stands over
the origin at `eye_m`. Vertical lines stay vertical: pitch and yaw shift the picture, as a shift
lens does, which for the few degrees used here is within a pixel or two of a true rotation where
the small objects are. Pixels are continuous: pixel i covers [i, i + 1).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

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
