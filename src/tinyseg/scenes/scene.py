"""One synthetic street scene: (seed, index, size) in, image and label out.

The plan is drawn in metres; the canvas is painted from far to near; the labels are then counted
and renumbered as the WAD numbers them. The same seed, index and size give the same bytes, whatever
else was rendered before.

`write_wad` leaves many of them in the WAD's own layout: `train_color/<stem>.jpg`,
`train_label/<stem>_instanceIds.png` (16 bit) and `train.txt`. A file is written beside its place
and renamed, so that a killed run leaves no half of one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8, UInt16

from tinyseg.errors import DataError
from tinyseg.files import make_folder, write_whole
from tinyseg.scenes import backdrop, buildings, clutter, finish, greenery, surface
from tinyseg.scenes.canvas import (
    BACKGROUND,
    IGNORE,
    Canvas,
    Item,
    Place,
    camera_of,
    new_canvas,
    paint,
)
from tinyseg.scenes.catalogue import RIDER, SPECIES
from tinyseg.scenes.plan import ScenePlan, Thing, draw_plan

MIN_VISIBLE_PX = 9
"""Instances with fewer pixels in view are ignored: nobody could find them, nobody should lose."""

_FIRST_IDENTITY = 1000


@dataclass(frozen=True, slots=True)
class Scene:
    """An RGB frame and its label in the WAD's code: class * 1000 + instance, 255, 65535."""

    image: UInt8[np.ndarray, "h w 3"]
    label: UInt16[np.ndarray, "h w"]


def render_scene(
    *, seed: int, index: int, height: int = 2710, width: int = 3384, zoom: float = 1.0
) -> Scene:
    """Frame `index` of the synthetic set `seed`; `zoom` narrows the view to the road's far end."""
    plan = draw_plan(seed, index)
    canvas = new_canvas(camera_of(plan.pose, height=height, width=width, zoom=zoom), plan.light)
    backdrop.paint_sky(canvas, np.random.default_rng([seed, index, 2]))
    backdrop.paint_ground(canvas, plan.street, np.random.default_rng([seed, index, 3]))
    buildings.paint_buildings(canvas, plan.street, np.random.default_rng([seed, index, 4]))
    classes = _paint_standing(canvas, plan, np.random.default_rng([seed, index, 5]))
    rng = np.random.default_rng([seed, index, 6])
    if rng.random() < 0.7:
        finish.paint_own_car(canvas, rng)
    finish.blur(canvas, plan.blur_frac)
    finish.darken_corners(canvas, float(rng.uniform(0.12, 0.35)))
    finish.add_noise(canvas, rng)
    _renumber(canvas.label, classes)
    return Scene(canvas.image, canvas.label)


def _paint_standing(canvas: Canvas, plan: ScenePlan, rng: np.random.Generator) -> list[int]:
    """Everything that stands on the ground, far to near; the class of each identity given."""
    for thing in plan.things:
        size = SPECIES[thing.kind].size_m
        surface.paint_shadow(canvas, size, Place(thing.x_m, thing.z_m, thing.yaw_rad))
    items: list[Item | Thing] = [*greenery.draw_greenery(plan.street, rng)]
    items += clutter.draw_clutter(plan.street, rng)
    classes: list[int] = []
    identities = counting(_FIRST_IDENTITY)
    for standing in sorted([*items, *plan.things], key=lambda one: -one.z_m):
        if isinstance(standing, Item):
            standing.paint(canvas)
            continue
        species = SPECIES[standing.kind]
        place = Place(standing.x_m, standing.z_m, standing.yaw_rad)
        looks = np.random.default_rng(standing.looks)
        classes.append(IGNORE if standing.ignored else species.label)
        paint(canvas, species.draw(looks), place, next(identities))
        if standing.ridden and species.seat is not None:
            classes.append(RIDER)
            paint(canvas, species.seat(looks), place, next(identities))
    return classes


def _renumber(label: UInt16[np.ndarray, "h w"], classes: list[int]) -> None:
    """Identities to the WAD's code in place, counted from 0 in each class; specks to ignore."""
    rows = np.flatnonzero((label != BACKGROUND).any(axis=1))
    if not len(rows):
        return
    band = label[rows[0] : rows[-1] + 1]
    pixels = np.bincount(band.ravel(), minlength=_FIRST_IDENTITY + len(classes))
    codes = np.full(len(pixels), BACKGROUND, np.uint16)
    counted: dict[int, int] = {}
    for number, label_class in enumerate(classes):
        identity = _FIRST_IDENTITY + number
        if label_class == IGNORE or pixels[identity] < MIN_VISIBLE_PX:
            codes[identity] = IGNORE
            continue
        instance = counted.get(label_class, 0)
        counted[label_class] = instance + 1
        codes[identity] = label_class * 1000 + instance
    band[:] = codes[band]


JPEG_QUALITY = 92


def write_wad(
    out: Path,
    *,
    count: int,
    seed: int,
    height: int = 2710,
    width: int = 3384,
    first: int = 0,
    zoom: float = 1.0,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Render frames first ... first + count - 1 into `out`; `progress` hears of each one done."""
    make_folder(out)
    for folder in ("train_color", "train_label"):
        make_folder(out / folder)
    stems = []
    for index in range(first, first + count):
        scene = render_scene(seed=seed, index=index, height=height, width=width, zoom=zoom)
        stem = f"synth_{index:06d}_Camera_{5 + index % 2}"
        # The label as a 16-bit PNG: run lengths only, as labels are long runs of one value
        how = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY]
        done, data = cv2.imencode(".png", scene.label, [*how, cv2.IMWRITE_PNG_STRATEGY_RLE])
        if not done:
            raise DataError("the label could not be encoded", got=scene.label.shape)
        write_whole(out / "train_label" / f"{stem}_instanceIds.png", np.asarray(data).tobytes())
        # The image last, for it is what a reader looks for
        jpeg = simplejpeg.encode_jpeg(
            scene.image, quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="420"
        )
        write_whole(out / "train_color" / f"{stem}.jpg", jpeg)
        stems.append(stem)
        if progress is not None:
            progress(index - first + 1)
    write_whole(out / "train.txt", "".join(f"{stem}\n" for stem in stems).encode())
    return stems
