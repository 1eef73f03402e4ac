"""The object classes: label, share, usual size, distances, where they stand, who draws them.

A new class is one drawing function and one entry here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tinyseg.scenes import cars, people, vehicles
from tinyseg.scenes.parts import Point, Solid

RIDER = 37
"""Labelled, never scored: the person on a two-wheeler."""


@dataclass(frozen=True, slots=True)
class Species:
    """One class: its WAD id, its share of the instances, and how it is placed and drawn."""

    label: int
    share: float
    size_m: Point
    """Width, height, length: for keeping things apart and for shadows, not for drawing."""
    near_m: float
    far_m: float
    spots: dict[str, float]
    draw: Callable[[np.random.Generator], Solid]
    seat: Callable[[np.random.Generator], Solid] | None = None
    """Draws the rider, where there can be one."""


SPECIES: dict[str, Species] = {
    "car": Species(
        33, 0.64, (1.82, 1.5, 4.6), 9.0, 232.0,
        {"lane": 0.44, "oncoming": 0.26, "parked": 0.17, "crossing": 0.06, "lot": 0.07},
        cars.car,
    ),
    "motorcycle": Species(
        34, 0.025, (0.5, 1.15, 1.8), 9.0, 125.0,
        {"edge": 0.55, "lane": 0.1, "parked_walk": 0.25, "zebra": 0.1},
        people.motorcycle, partial(people.rider_of, "motorcycle"),
    ),
    "bicycle": Species(
        35, 0.030, (0.4, 1.05, 1.75), 8.0, 105.0,
        {"edge": 0.45, "parked_walk": 0.4, "zebra": 0.15},
        people.bicycle, partial(people.rider_of, "bicycle"),
    ),
    "person": Species(
        36, 0.20, (0.5, 1.7, 0.45), 7.0, 128.0,
        {"walk": 0.7, "zebra": 0.2, "edge": 0.1},
        people.person,
    ),
    "truck": Species(
        38, 0.035, (2.4, 3.0, 7.5), 18.0, 235.0,
        {"lane": 0.5, "oncoming": 0.35, "crossing": 0.1, "parked": 0.05},
        vehicles.truck,
    ),
    "bus": Species(
        39, 0.050, (2.5, 3.1, 11.5), 22.0, 255.0,
        {"lane": 0.5, "oncoming": 0.4, "crossing": 0.1},
        vehicles.bus,
    ),
    "tricycle": Species(
        40, 0.020, (1.2, 1.65, 2.5), 9.0, 165.0,
        {"edge": 0.6, "lane": 0.15, "zebra": 0.1, "oncoming": 0.15},
        vehicles.tricycle,
    ),
}  # fmt: skip
