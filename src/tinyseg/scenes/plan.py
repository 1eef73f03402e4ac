"""What a scene holds and where: streets and the things in them, in metres, before any pixel.

Comes in: (seed, index). Goes out: a ScenePlan that is the same for every picture size and zoom.
The shares of the classes, the number of things in a frame and their distances follow the WAD.
"""

import math
from dataclasses import dataclass

import numpy as np

from tinyseg.scenes.canvas import FOCAL_FRAC, Pose
from tinyseg.scenes.catalogue import SPECIES
from tinyseg.scenes.light import Light, draw_light

LANE_M = 3.4
MOST_THINGS = 99
_EMPTY_SHARE = 0.015
_QUEUE_SHARE = 0.55
_SPACE_M = 0.45


@dataclass(frozen=True, slots=True)
class Street:
    """A straight street; x = 0 is the middle of the camera's own lane."""

    own_lane: int
    lanes: int
    oncoming: int
    median: str
    median_m: float
    walk_m: float
    verge_m: float
    crossing_m: float | None
    trees: float
    towers: float

    @property
    def right_m(self) -> float:
        """x of the right kerb."""
        return (self.lanes - self.own_lane - 0.5) * LANE_M + 0.6

    @property
    def middle_m(self) -> float:
        """x of the line that parts the two directions' lanes: the median's right edge."""
        return -(self.own_lane + 0.5) * LANE_M - 0.3

    @property
    def left_m(self) -> float:
        """x of the left kerb."""
        return self.middle_m - self.median_m - self.oncoming * LANE_M - 0.9

    def clear_of_crossing(self, z_m: float, spare_m: float = 0.0) -> bool:
        """Whether the crossing street, and its zebra, leave this distance free."""
        start = self.crossing_m
        return start is None or not start - 6 - spare_m < z_m < start + 17 + spare_m


@dataclass(frozen=True, slots=True)
class Thing:
    """One object to draw: kind, place, the seed of its looks, and whether it is only ignored."""

    kind: str
    x_m: float
    z_m: float
    yaw_rad: float
    looks: int
    ignored: bool = False
    ridden: bool = False


@dataclass(frozen=True, slots=True)
class ScenePlan:
    """All that a picture of a scene is made from."""

    pose: Pose
    light: Light
    street: Street
    things: list[Thing]
    blur_frac: float
    """Length of the horizontal motion blur as a share of the frame's width; 0 for most scenes."""


def draw_plan(seed: int, index: int) -> ScenePlan:
    """The plan of frame `index`, from its own generators only."""
    rng = np.random.default_rng([seed, index, 0])
    pose = Pose(
        eye_m=float(rng.uniform(2.0, 2.4)),
        pitch_rad=math.radians(float(rng.normal(8.35, 0.28))),
        yaw_rad=math.radians(float(rng.normal(0.0, 1.6))),
    )
    lanes = int(rng.choice([2, 3, 4], p=[0.35, 0.45, 0.2]))
    median = str(rng.choice(["line", "fence", "green"], p=[0.35, 0.35, 0.3]))
    street = Street(
        own_lane=int(rng.integers(lanes)),
        lanes=lanes,
        oncoming=max(2, lanes - int(rng.integers(2))),
        median=median,
        median_m={"line": 0.5, "fence": 0.8, "green": 2.6}[median],
        walk_m=float(rng.uniform(2.5, 4.5)),
        verge_m=float(rng.choice([0.0, 1.6, 3.2])),
        crossing_m=float(rng.uniform(38, 130)) if rng.random() < 0.45 else None,
        trees=float(rng.uniform(0.25, 1.0)),
        towers=float(rng.uniform(0.3, 1.0)),
    )
    light = draw_light(rng)
    blur = float(rng.uniform(0.0008, 0.0022)) if rng.random() < 0.1 else 0.0
    things = _draw_things(np.random.default_rng([seed, index, 1]), street)
    return ScenePlan(pose, light, street, things, blur)


def _draw_things(rng: np.random.Generator, street: Street) -> list[Thing]:
    """Things of random classes placed where they fit, none inside another."""
    wanted = 0
    if rng.random() >= _EMPTY_SHARE:
        wanted = min(MOST_THINGS, max(1, round(float(rng.lognormal(math.log(13.6), 0.72)))))
    kinds = list(SPECIES)
    shares = np.array([SPECIES[k].share for k in kinds])
    drawn = rng.choice(len(kinds), size=wanted, p=shares / shares.sum())
    things: list[Thing] = []
    for number in drawn:
        thing = _placed(rng, kinds[int(number)], street, things)
        if thing is not None:
            things.append(thing)
    if rng.random() < _QUEUE_SHARE:
        # A knot of traffic too far to tell apart: painted, and ignored in the labels
        for _ in range(int(rng.integers(3, 9))):
            spot = _lane if rng.random() < 0.6 else _oncoming
            x, z, yaw = spot(rng, street, float(rng.uniform(255, 330)))
            things.append(Thing("car", x, z, yaw, int(rng.integers(2**31)), ignored=True))
    return things


def _placed(
    rng: np.random.Generator, kind: str, street: Street, others: list[Thing]
) -> Thing | None:
    """A free place in view for a thing of this kind, or None after a number of tries."""
    species = SPECIES[kind]
    spots = list(species.spots)
    odds = np.array([species.spots[s] for s in spots])
    for _ in range(40):
        spot = spots[int(rng.choice(len(spots), p=odds / odds.sum()))]
        z = float(rng.uniform(species.near_m, species.far_m))
        x, z, yaw = SPOTS[spot](rng, street, z)
        thing = Thing(
            kind,
            x,
            z,
            yaw,
            looks=int(rng.integers(2**31)),
            ridden=species.seat is not None and spot != "parked_walk" and rng.random() < 0.85,
        )
        # Its middle well inside the whole picture's width
        in_view = z > 4 and abs(x) / z < 0.47 / FOCAL_FRAC
        if in_view and all(_apart(thing, other) for other in others):
            return thing
    return None


def _apart(one: Thing, other: Thing) -> bool:
    """Whether two things' footprints leave space between them, taken along the street's axes."""
    half_x, half_z = (a + b + _SPACE_M for a, b in zip(_reach(one), _reach(other), strict=True))
    return abs(one.x_m - other.x_m) > half_x or abs(one.z_m - other.z_m) > half_z


def _reach(thing: Thing) -> tuple[float, float]:
    """Half the extent of a turned footprint across and along the street."""
    width, _, length = SPECIES[thing.kind].size_m
    c, s = abs(math.cos(thing.yaw_rad)), abs(math.sin(thing.yaw_rad))
    return (width * c + length * s) / 2, (width * s + length * c) / 2


Spot = tuple[float, float, float]


def _lane(rng: np.random.Generator, street: Street, z: float) -> Spot:
    """In a lane of our direction, its back to us."""
    lane = int(rng.integers(street.lanes))
    x = (lane - street.own_lane) * LANE_M + float(rng.normal(0, 0.18))
    return x, max(z, 9.0), float(rng.normal(0, 0.025))


def _oncoming(rng: np.random.Generator, street: Street, z: float) -> Spot:
    """In a lane of the other direction, facing us."""
    lane = int(rng.integers(street.oncoming))
    x = street.middle_m - street.median_m - (lane + 0.5) * LANE_M + float(rng.normal(0, 0.18))
    return x, z, math.pi + float(rng.normal(0, 0.025))


def _parked(rng: np.random.Generator, street: Street, z: float) -> Spot:
    """At the right kerb, or now and then at the left one."""
    if rng.random() < 0.75:
        return street.right_m + 0.2, z, float(rng.normal(0.0, 0.02))
    return street.left_m - 0.2, z, math.pi + float(rng.normal(0.0, 0.02))


def _crossing(rng: np.random.Generator, street: Street, z: float) -> Spot:
    """On the crossing street, seen from the side; where there is none, turning out of a yard."""
    side = float(rng.choice([-1.0, 1.0]))
    if street.crossing_m is None:
        return street.right_m - 1.6, z, side * float(rng.uniform(0.3, 0.9))
    z = street.crossing_m + (4.5 if side > 0 else 9.5) + float(rng.normal(0, 0.4))
    reach = 0.62 * z
    return float(rng.uniform(-reach, reach)), z, side * math.pi / 2 + float(rng.normal(0, 0.06))


def _lot(rng: np.random.Generator, street: Street, z: float) -> Spot:
    """On a forecourt beside the walk, turned any way."""
    off = street.verge_m + street.walk_m + float(rng.uniform(1.5, 4.0))
    right = rng.random() < 0.6
    x = street.right_m + off if right else street.left_m - off
    return (
        x,
        z,
        float(rng.choice([0.0, math.pi / 2, math.pi, -math.pi / 2])) + float(rng.normal(0, 0.15)),
    )


def _walk(rng: np.random.Generator, street: Street, z: float) -> Spot:
    """On a walk, along the street mostly."""
    off = street.verge_m + float(rng.uniform(0.4, street.walk_m))
    x = street.right_m + off if rng.random() < 0.62 else street.left_m - off
    return x, z, float(rng.choice([0.0, math.pi])) + float(rng.normal(0, 0.5))


def _zebra(rng: np.random.Generator, street: Street, z: float) -> Spot:
    """Crossing the street: on the zebra where there is one."""
    if street.crossing_m is not None:
        z = street.crossing_m - 3.2 + float(rng.uniform(-1.5, 1.5))
    x = float(rng.uniform(street.left_m, street.right_m))
    return x, z, float(rng.choice([-1, 1])) * math.pi / 2 + float(rng.normal(0, 0.2))


def _edge(rng: np.random.Generator, street: Street, z: float) -> Spot:
    """Riding along a kerb."""
    if rng.random() < 0.65:
        return street.right_m - float(rng.uniform(0.6, 1.6)), z, float(rng.normal(0, 0.05))
    return street.left_m + float(rng.uniform(0.6, 1.6)), z, math.pi + float(rng.normal(0, 0.05))


def _parked_walk(rng: np.random.Generator, street: Street, z: float) -> Spot:
    """Left standing on a walk."""
    x, z, _ = _walk(rng, street, z)
    return x, z, float(rng.choice([-1, 1])) * math.pi / 2 + float(rng.normal(0, 0.3))


SPOTS = {
    "lane": _lane,
    "oncoming": _oncoming,
    "parked": _parked,
    "crossing": _crossing,
    "lot": _lot,
    "walk": _walk,
    "zebra": _zebra,
    "edge": _edge,
    "parked_walk": _parked_walk,
}
