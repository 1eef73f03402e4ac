"""Weather and time of day: one record that every painter asks for its colours.

Comes in: a generator. Goes out: a Light, drawn from a handful of weathers and varied a little.
Colours are RGB triples of 0..255.
"""

import math
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    keep = 1.0 - share
    return (
        round(first[0] * keep + second[0] * share),
        round(first[1] * keep + second[1] * share),
        round(first[2] * keep + second[2] * share),
    )


def gain(colour: Colour, by: float) -> Colour:
    """A colour made brighter or darker, kept within the range."""
    red, green, blue = (min(255, max(0, round(c * by))) for c in colour)
    return (red, green, blue)


def jitter(colour: Colour, rng: np.random.Generator, by: int) -> Colour:
    """A colour moved by up to `by` in each channel."""
    red, green, blue = (
        int(np.clip(c + d, 0, 255))
        for c, d in zip(colour, rng.integers(-by, by + 1, 3), strict=True)
    )
    return (red, green, blue)


@dataclass(frozen=True, slots=True)
class Weather:
    """The fixed part of a light: what a clear noon or an overcast day have in common."""

    share: float
    sky_top: Colour
    sky_low: Colour
    haze: Colour
    clouds: float
    visibility_m: float
    sun: float
    ambient: float
    tint: tuple[float, float, float]
    lamps: bool = False


WEATHERS: dict[str, Weather] = {
    # share, sky at the top, low, haze, clouds, visibility in metres, sun, ambient, tint
    "clear": Weather(
        0.3, (58, 106, 196), (168, 208, 240), (186, 206, 222), 0.35, 420.0,
        0.6, 0.6, (1.0, 1.0, 0.98),
    ),
    "bright": Weather(
        0.22, (150, 186, 226), (238, 244, 248), (222, 230, 234), 0.7, 300.0,
        0.5, 0.66, (0.98, 1.0, 1.02),
    ),
    "overcast": Weather(
        0.24, (196, 204, 212), (244, 246, 247), (212, 218, 222), 0.8, 240.0,
        0.08, 0.72, (0.96, 1.0, 1.03),
    ),
    "haze": Weather(
        0.12, (196, 192, 182), (234, 228, 214), (216, 210, 197), 0.3, 130.0,
        0.2, 0.7, (1.03, 1.0, 0.93),
    ),
    "evening": Weather(
        0.12, (84, 98, 142), (246, 196, 142), (196, 170, 148), 0.6, 280.0,
        0.32, 0.48, (1.06, 0.98, 0.92), lamps=True,
    ),
}  # fmt: skip
"""Colours follow real frames: white skies are as common there as blue ones."""


@dataclass(frozen=True, slots=True)
class Light:
    """What a scene is lit by: the weather, the direction to the sun, the camera's exposure."""

    weather: Weather
    sun_xyz: tuple[float, float, float]
    exposure: float

    def shade(self, normal: tuple[float, float, float]) -> float:
        """Brightness of a surface by its outward normal: sky from above, sun from its side."""
        facing = sum(n * s for n, s in zip(normal, self.sun_xyz, strict=True))
        sky = self.weather.ambient * (0.82 + 0.25 * normal[1])
        return self.exposure * (sky + self.weather.sun * max(0.0, facing))

    def lit(self, colour: Colour, shade: float) -> Colour:
        """The colour a surface shows at this brightness under this tint."""
        red, green, blue = (
            min(255, round(c * shade * t)) for c, t in zip(colour, self.weather.tint, strict=True)
        )
        return (red, green, blue)

    def flat(self, colour: Colour) -> Colour:
        """The colour of level ground."""
        return self.lit(colour, self.shade((0.0, 1.0, 0.0)))

    def veil(self, z_m: float) -> float:
        """Share of haze in what is seen at this distance."""
        return 1.0 - math.exp(-max(z_m, 0.0) / self.weather.visibility_m / 1.6)

    def far(self, colour: Colour, z_m: float) -> Colour:
        """The colour seen through the air between."""
        return mix(colour, gain(self.weather.haze, min(1.0, self.exposure + 0.05)), self.veil(z_m))


def draw_light(rng: np.random.Generator) -> Light:
    """A weather, a sun and an exposure."""
    weathers = list(WEATHERS.values())
    shares = np.array([w.share for w in weathers])
    weather = weathers[int(rng.choice(len(weathers), p=shares / shares.sum()))]
    bearing = rng.uniform(0, 2 * math.pi)
    lift = rng.uniform(0.15, 0.35) if weather.lamps else rng.uniform(0.5, 1.1)
    sun = (
        math.cos(lift) * math.sin(bearing),
        math.sin(lift),
        math.cos(lift) * math.cos(bearing),
    )
    return Light(weather, sun, float(rng.uniform(0.9, 1.15)))
