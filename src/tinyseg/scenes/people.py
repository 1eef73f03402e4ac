"""People on foot, and the two-wheelers with whoever rides them, as solids in metres.

Comes in: a generator, which picks clothes, stride and make. Goes out: a Solid with its front at
+z. Limbs are round strokes between joints, so a figure is right from every side.
"""

import numpy as np

from tinyseg.scenes.light import Colour, gain, jitter
from tinyseg.scenes.parts import Part, Point, Solid, blob, ring, stroke

SKIN: Colour = (206, 160, 130)
HAIR: Colour = (28, 24, 24)
SHIRTS: list[Colour] = [
    (222, 222, 220),
    (40, 44, 58),
    (158, 44, 44),
    (62, 96, 142),
    (120, 122, 126),
    (28, 28, 30),
    (198, 156, 74),
    (84, 116, 84),
    (186, 110, 136),
]
TROUSERS: list[Colour] = [(38, 42, 58), (28, 28, 30), (92, 88, 80), (58, 72, 104), (120, 112, 98)]


def _choice(rng: np.random.Generator, colours: list[Colour]) -> Colour:
    return jitter(colours[int(rng.integers(len(colours)))], rng, 12)


def person(rng: np.random.Generator) -> Solid:
    """A pedestrian, walking or standing; now and then with a skirt, a bag or an umbrella."""
    tall = float(rng.uniform(1.55, 1.82))
    shirt, trousers = _choice(rng, SHIRTS), _choice(rng, TROUSERS)
    swing = float(rng.choice([0.0, 0.5, 1.0, -0.7])) * 0.26
    solid = _figure(tall, swing, shirt, trousers) + _head((0.0, tall * 0.925, 0.0), helmet=None)
    extra = float(rng.random())
    if extra < 0.16:
        skirt = _trapeze((0.2, tall * 0.3, 0.0), (0.11, tall * 0.56, 0.0))
        solid.append(blob(skirt, 0.08, _choice(rng, SHIRTS), 1))
    elif extra < 0.36:
        rucksack = _trapeze((0.11, tall * 0.58, -0.16), (0.11, tall * 0.78, -0.14))
        solid.append(blob(rucksack, 0.1, gain(_choice(rng, SHIRTS), 0.8), 2))
    elif extra < 0.41:  # an open umbrella over the head, held on the right
        turn = np.linspace(0, np.pi, 9)
        dome: list[Point] = [
            (0.08 + 0.52 * float(np.cos(t)), tall * 1.02 + 0.26 * float(np.sin(t)), 0.05)
            for t in turn
        ]
        stick: list[Point] = [(0.2, tall * 0.62, 0.15), (0.1, tall * 1.15, 0.06)]
        solid.append(stroke(stick, 0.03, (60, 60, 62), 2))
        solid.append(blob(dome, 0.02, _choice(rng, SHIRTS), 4))
    return solid


def _trapeze(low: Point, high: Point) -> list[Point]:
    """An upright polygon as wide to the left as its right corners say."""
    return [(-low[0], *low[1:]), low, high, (-high[0], *high[1:])]


def _figure(tall: float, swing: float, shirt: Colour, trousers: Colour) -> Solid:
    """Legs from the hip, one forward by the swing; trunk and neck; arms swung against the legs."""
    solid = []
    for side in (-1.0, 1.0):
        x, ahead = side * 0.085, side * swing
        hip, knee = (x, tall * 0.5, 0.0), (x, tall * 0.27, ahead * 0.65 + abs(swing) * 0.12)
        foot = (x, 0.09, ahead * 1.15)
        shoe: list[Point] = [(x, 0.05, foot[2] - 0.03), (x, 0.04, foot[2] + 0.13)]
        solid.append(stroke([hip, knee], 0.155, trousers))
        solid.append(stroke([knee, foot], 0.12, gain(trousers, 0.93)))
        solid.append(stroke(shoe, 0.09, (36, 32, 30)))
    top = (0.14, tall * 0.79, 0.0)
    solid += [
        blob(_trapeze((0.09, tall * 0.52, 0.0), top), 0.17, shirt, 1),
        # Lit a little on its upper part
        blob(_trapeze((0.1, tall * 0.7, 0.0), (0.13, *top[1:])), 0.13, gain(shirt, 1.08), 2),
        stroke([(0.0, tall * 0.82, 0.0), (0.0, tall * 0.88, 0.0)], 0.1, SKIN, 1),
    ]
    for side in (-1.0, 1.0):
        shoulder, ahead = (side * 0.2, tall * 0.79, 0.0), -side * swing
        elbow = (side * 0.25, tall * 0.62, ahead * 0.5 - 0.03)
        hand = (side * 0.24, tall * 0.48, ahead * 1.05 + 0.05)
        solid.append(stroke([shoulder, elbow, hand], 0.085, gain(shirt, 0.88), 2))
        solid.append(stroke([hand], 0.085, SKIN, 2))
    return solid


def _head(centre: Point, helmet: Colour | None) -> Solid:
    """Face, and hair or a helmet above and behind it."""
    x, y, z = centre
    cap = helmet or HAIR
    wide = 0.26 if helmet else 0.2
    return [
        stroke([(x, y - 0.03, z + 0.025), (x, y + 0.02, z + 0.02)], 0.175, SKIN, 3),
        stroke([(x, y + 0.045, z - 0.01)], wide, cap, 3),
        stroke([(x, y + 0.01, z - 0.05)], 0.17, cap, 3),
    ]


def bicycle(rng: np.random.Generator) -> Solid:
    """A city or hire bicycle, without its rider."""
    paint = _choice(
        rng, [(222, 118, 30), (230, 190, 40), (40, 42, 46), (52, 96, 156), (160, 40, 40)]
    )
    tyre: Colour = (30, 30, 32)
    crank, seat, head = (0.0, 0.32, -0.03), (0.0, 0.86, -0.2), (0.0, 0.88, 0.36)
    rear, front = (0.0, 0.33, -0.52), (0.0, 0.33, 0.54)
    solid = [ring(rear, 0.31, 0.055, tyre), ring(front, 0.31, 0.055, tyre)]
    solid += [stroke([rear], 0.09, (120, 120, 122)), stroke([front], 0.09, (120, 120, 122))]
    for line in (
        [rear, crank, (0.0, 0.74, 0.34)],
        [crank, seat],
        [rear, (0.0, 0.74, -0.16)],
        [(0.0, 0.74, -0.16), (0.0, 0.76, 0.34)],
        [front, (0.0, 0.74, 0.36), head],
    ):
        solid.append(stroke(line, 0.045, paint))
    solid += [
        stroke([(-0.28, 1.0, 0.28), (0.0, 0.94, 0.38), (0.28, 1.0, 0.28)], 0.04, tyre, 1),
        stroke([(0.0, 0.9, -0.3), (0.0, 0.92, -0.12)], 0.12, tyre, 1),
        stroke([(-0.16, 0.2, -0.03), (0.16, 0.44, -0.03)], 0.05, tyre, 1),
        stroke([(0.0, 0.68, -0.52), (0.0, 0.64, -0.72)], 0.05, paint, 1),
        stroke([(0.0, 0.6, -0.8)], 0.06, (196, 40, 36), 2),
    ]
    if rng.random() < 0.5:
        solid.append(blob(_trapeze((0.15, 0.7, 0.5), (0.18, 0.95, 0.55)), 0.06, (70, 72, 74), 2))
    return solid


def motorcycle(rng: np.random.Generator) -> Solid:
    """A motor scooter, as most powered two-wheelers of these streets are, without its rider."""
    paint = _choice(
        rng, [(160, 34, 34), (34, 36, 40), (44, 82, 142), (214, 216, 216), (60, 116, 84)]
    )
    tyre: Colour = (24, 24, 26)
    solid: Solid = []
    for z in (-0.58, 0.62):
        solid.append(ring((0.0, 0.26, z), 0.2, 0.13, tyre))
        solid.append(stroke([(0.0, 0.26, z)], 0.2, (96, 98, 100)))
    tail: list[Point] = [
        (0.0, 0.42, -0.62),
        (0.0, 0.72, -0.72),
        (0.0, 0.74, 0.02),
        (0.0, 0.36, 0.06),
    ]
    solid += [
        blob(tail, 0.26, paint, 1),
        stroke([(0.0, 0.32, -0.1), (0.0, 0.32, 0.4)], 0.22, gain(paint, 0.7), 1),
        stroke([(0.0, 0.84, -0.62), (0.0, 0.84, 0.02)], 0.17, (34, 32, 32), 2),
        blob(_trapeze((0.17, 0.36, 0.36), (0.15, 0.92, 0.42)), 0.1, paint, 2),
        stroke([(0.0, 0.36, 0.62), (0.0, 0.92, 0.46)], 0.09, (70, 70, 74), 1),
        stroke([(0.0, 0.5, 0.62), (0.0, 0.48, 0.74)], 0.16, paint, 1),
        stroke([(-0.32, 1.04, 0.38), (0.32, 1.04, 0.38)], 0.05, (40, 40, 42), 2),
        stroke([(0.0, 0.96, 0.46)], 0.2, paint, 2),
    ]
    solid += _scooter_lamps()
    if rng.random() < 0.45:
        solid.append(blob(_trapeze((0.17, 0.9, -0.8), (0.17, 1.16, -0.8)), 0.08, (46, 48, 52), 2))
    return solid


def _scooter_lamps() -> Solid:
    """Head lamp seen from ahead, tail lamp and plate from behind, mirrors from both."""
    front = np.array(_trapeze((0.08, 0.9, 0.56), (0.07, 1.0, 0.55)))
    back = np.array(_trapeze((0.1, 0.66, -0.87), (0.1, 0.74, -0.87)))
    plate = np.array(_trapeze((0.1, 0.44, -0.86), (0.1, 0.58, -0.86)))
    ahead, behind = (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)
    solid = [
        Part(front, (240, 240, 232), ahead, layer=3),
        Part(back, (210, 36, 34), behind, layer=3),
        Part(plate, (214, 214, 196), behind, layer=3),
    ]
    for side in (-1.0, 1.0):
        solid.append(stroke([(side * 0.26, 1.06, 0.36), (side * 0.33, 1.2, 0.36)], 0.03, HAIR, 2))
        solid.append(stroke([(side * 0.34, 1.21, 0.36)], 0.09, (58, 60, 64), 2))
    return solid


def rider_of(kind: str, rng: np.random.Generator) -> Solid:
    """Who sits on a two-wheeler of this kind: hands on the bar, feet on pedals or footboard."""
    scooter = kind == "motorcycle"
    shirt, trousers = _choice(rng, SHIRTS), _choice(rng, TROUSERS)
    hip = (0.0, 0.92 if scooter else 0.98, -0.22)
    neck = (0.0, hip[1] + 0.5, hip[2] + (0.08 if scooter else 0.2))
    bar_y, bar_z = (1.06, 0.36) if scooter else (1.02, 0.28)
    solid: Solid = []
    for side in (-1.0, 1.0):
        knee = (side * 0.14, hip[1] - 0.16 - 0.08 * side, hip[2] + 0.42)
        foot = (
            side * 0.12,
            0.42 - 0.14 * side * (not scooter),
            hip[2] + (0.42 if scooter else 0.24),
        )
        solid.append(stroke([(side * 0.1, *hip[1:]), knee, foot], 0.135, trousers, 1))
        solid.append(stroke([foot, (foot[0], foot[1] - 0.02, foot[2] + 0.14)], 0.09, HAIR, 1))
        shoulder = (side * 0.18, neck[1] - 0.06, neck[2])
        elbow = (side * 0.27, neck[1] - 0.3, (neck[2] + bar_z) / 2 - 0.02)
        solid.append(
            stroke([shoulder, elbow, (side * 0.25, bar_y, bar_z)], 0.09, gain(shirt, 0.9), 2)
        )
    body = _trapeze((0.1, *hip[1:]), (0.13, neck[1] - 0.07, neck[2]))
    solid.append(blob(body, 0.18, shirt, 2))
    helmet = _choice(rng, SHIRTS) if scooter and rng.random() < 0.7 else None
    return solid + _head((0.0, neck[1] + 0.17, neck[2] + 0.04), helmet)
