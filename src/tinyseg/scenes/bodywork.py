"""What all vehicles share: the colours of glass, tyres and lamps, wheels, the dark underside."""

from tinyseg.scenes.light import Colour
from tinyseg.scenes.parts import Solid, blob, disc

GLASS: Colour = (38, 46, 54)
SKY_GLEAM: Colour = (150, 170, 186)
TYRE: Colour = (24, 24, 26)
RIM: Colour = (132, 134, 138)
UNDER: Colour = (20, 20, 22)
PLATE: Colour = (36, 74, 168)
HEADLAMP: Colour = (244, 244, 232)


def underside(width: float, height: float, length: float) -> Solid:
    """The dark underside and the tyres below the bumpers, as seen from behind or before."""
    half, low, high = width / 2, height * 0.10, height * 0.30
    solid = []
    for z in (-length * 0.46, length * 0.46):
        points = [(-half * 0.9, low, z), (half * 0.9, low, z)]
        points += [(half * 0.9, high, z), (-half * 0.9, high, z)]
        solid.append(blob(points, 0.0, UNDER))
        axle = z * 0.72
        for x in (-half * 0.82, half * 0.82):
            tyre = [(x - 0.1, 0.03, axle), (x + 0.1, 0.03, axle)]
            tyre += [(x + 0.1, 0.5, axle), (x - 0.1, 0.5, axle)]
            solid.append(blob(tyre, 0.05, TYRE))
    return solid


def wheels(width: float, radius: float, axles: tuple[float, ...]) -> Solid:
    """Dark tyres with bright rims on both sides, at these axles."""
    solid = []
    for side in (-1.0, 1.0):
        for z in axles:
            solid.append(disc((side * width / 2, radius, z), radius * 1.16, (16, 16, 18), side, 2))
            solid.append(disc((side * width / 2, radius, z), radius, TYRE, side, 3))
            solid.append(disc((side * width / 2, radius, z), radius * 0.62, RIM, side, 4))
            solid.append(disc((side * width / 2, radius, z), radius * 0.2, (60, 60, 62), side, 5))
    return solid
