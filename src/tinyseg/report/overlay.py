"""One picture of a frame with what was found on it, made to be read where objects are tiny.

The frame's image, instances in its pixels and their class list go in; an RGB picture comes out:
the frame with translucent masks inside thin outlines, a legend with the count of each class, and
below it the rows around the horizon magnified to the full width, in slices. An outline runs
around its mask, not on it, and a name stands beside a small object, tied to it by a line.
All work is on crops; the largest arrays are pictures. Refuses what Instances and CropMasks do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.labels import canonical
from tinyseg.masks import CropMasks
from tinyseg.report.lettering import GREY, WHITE, Colour, Name, text_lines, write_names
from tinyseg.views import View

COLOURS: dict[str, Colour] = {
    "car": (86, 190, 255),
    "person": (255, 160, 0),
    "truck": (0, 200, 140),
    "bus": (245, 230, 60),
    "bicycle": (235, 130, 200),
    "motorcycle": (165, 145, 255),
    "tricycle": (255, 95, 50),
}
"""After Okabe and Ito's palette, which the colour-blind tell apart, lightened for dark streets."""

OTHER_COLOURS: tuple[Colour, ...] = (
    (170, 220, 90),
    (190, 150, 110),
    (130, 220, 220),
    (220, 190, 240),
    (240, 200, 160),
)
"""For other classes, by their place in the class list."""

FILL, HATCH = 0.24, 0.45
DRAWN_FROM = 0.5
"""Lowest score that is drawn, and counted as found, unless told otherwise: with calibrated scores,
what is more likely right than not. Of what the package's weights draw then four of five are right
(docs/model-card.md)."""

SMALL_AREA = 32 * 32
BAND_FRAC = 0.10
"""Height of the magnified band over the frame's."""
DARK_MEDIAN = 72
"""A magnified band with a median grey below this is brightened to it."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """All that is drawn, in frame pixels; instances are ordered from large to small."""

    image: UInt8[np.ndarray, "height width 3"]
    instances: Instances
    truth: Instances
    ignore: CropMasks
    classes: tuple[str, ...]
    min_score: float
    hidden: int

    @property
    def with_scores(self) -> bool:
        """False for labels, whose scores are all 1 and say nothing."""
        return bool((self.instances.scores < 1).any())


def draw_overlay(
    image: UInt8[np.ndarray, "height width 3"],
    instances: Instances,
    classes: Sequence[str],
    *,
    ignore: CropMasks | None = None,
    min_score: float = DRAWN_FROM,
    strip: bool = True,
    truth: Instances | None = None,
    max_width: int | None = None,
) -> UInt8[np.ndarray, "out_height out_width 3"]:
    """The picture with instances of at least `min_score`, as wide as the frame or `max_width`.

    `ignore` is hatched, `truth` outlined in dotted white. `strip` adds the magnified rows where
    the small objects are, if there are any.
    """
    height, width = image.shape[:2]
    shown = instances.select(instances.scores >= min_score)
    areas = mask_ops.area(mask_ops.rasterise(shown.masks, (height, width)))
    order = np.argsort(-areas, kind="stable")
    scene = _Scene(
        image,
        shown.select(order[areas[order] > 0]),
        Instances.empty() if truth is None else truth,
        CropMasks.empty() if ignore is None else ignore,
        tuple(classes),
        min_score,
        len(instances) - len(shown),
    )
    out_width = min(width, max_width or width)
    out_hw = (max(round(height * out_width / width), 1), out_width)
    small = mask_ops.area(scene.instances.masks) < SMALL_AREA
    band = _band(scene) if strip else None
    masks = scene.instances.masks
    middle = (masks.boxes[:, 1] + masks.boxes[:, 3]) / 2
    low, high = band or (0, 0)
    in_band = small & np.asarray((middle >= low) & (middle < high))
    whole = View((0.0, 0.0, float(width), float(height)), out_hw)
    panels = [_panel(whole, scene, ~in_band, tone=None), _legend(scene, out_width)]
    if band is not None:
        _mark_band(panels[0], band, out_hw[0] / height)
        panels += _slices(scene, band, out_width, in_band)
    return np.concatenate(panels)


def colour_of(name: str, index: int) -> Colour:
    """The class's own colour, or one by its place in the class list."""
    return COLOURS.get(canonical(name), OTHER_COLOURS[index % len(OTHER_COLOURS)])


# The magnified rows.


def _band(scene: _Scene) -> tuple[int, int] | None:
    """Half-open rows around the median small object; None where there is none."""
    masks = CropMasks.concatenate([scene.instances.masks, scene.truth.masks])
    small = masks.select(mask_ops.area(masks) < SMALL_AREA)
    if len(small) == 0:
        return None
    height = scene.image.shape[0]
    rows = max(round(height * BAND_FRAC), min(height, 32))
    middle = float(np.median((small.boxes[:, 1] + small.boxes[:, 3]) / 2))
    top = min(max(round(middle - rows / 2), 0), height - rows)
    return top, top + rows


def _slices(
    scene: _Scene, band: tuple[int, int], out_width: int, named: Bool[np.ndarray, " n"]
) -> list[UInt8[np.ndarray, "_h out_width 3"]]:
    """The band, magnified: slices of its width one below the other, each with a caption."""
    width = scene.image.shape[1]
    count = 3 if width >= 1600 else 2
    # Neighbours share some columns, so that an object on a cut is whole in one of them.
    span = min(width / count + width / 50, width)
    zoom = out_width / span
    out_hw = (max(round((band[1] - band[0]) * zoom), 1), out_width)
    panels = []
    for index in range(count):
        left = index * (width - span) / (count - 1)
        view = View((left, float(band[0]), left + span, float(band[1])), out_hw)
        tone = _tone(scene.image[band[0] : band[1], round(left) : round(left + span)])
        note = "" if tone is None else ", brightened"
        place = f"columns {left:.0f} to {left + span:.0f}, rows {band[0]} to {band[1]}"
        caption = [(f"x {zoom:.1f}   {place}{note}", GREY)]
        panels += [text_lines(caption, out_width), _panel(view, scene, named, tone=tone)]
    return panels


def _tone(band: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, " 256"] | None:
    """A gamma curve for a dark band; None for one that is bright enough, or black."""
    median = float(np.median(band[::2, ::2]))
    if not 1 <= median < DARK_MEDIAN:
        return None
    gamma = np.log(DARK_MEDIAN / 255) / np.log(median / 255)
    curve = 255 * (np.arange(256) / 255) ** max(gamma, 0.45)
    return np.rint(curve).astype(np.uint8)


def _mark_band(canvas: UInt8[np.ndarray, "h w 3"], band: tuple[int, int], scale: float) -> None:
    """Ticks at the left and right rims, where the magnified rows begin and end."""
    height, width = canvas.shape[:2]
    reach, thick = max(width // 60, 4), _stroke(width)
    for row in band:
        y = min(max(round(row * scale), 0), height - thick)
        canvas[y : y + thick, :reach] = WHITE
        canvas[y : y + thick, width - reach :] = WHITE


# One panel: a view of the scene.


def _panel(
    view: View,
    scene: _Scene,
    named: Bool[np.ndarray, " n"],
    *,
    tone: UInt8[np.ndarray, " 256"] | None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The view with all that is in it; those `named` get their names."""
    image = view.cut_image(scene.image)
    canvas = image.copy() if tone is None else tone[image]
    _hatch(canvas, _in_view(scene.ignore, view))
    shown = _in_view(scene.instances.masks, view)
    colours = [colour_of(scene.classes[label], label) for label in scene.instances.labels.tolist()]
    for index, colour in enumerate(colours):
        x0, y0, x1, y1 = shown.boxes[index].astype(int).tolist()
        window, inside = canvas[y0:y1, x0:x1], shown.grid(index) > 0
        mixed = window[inside] * (1 - FILL) + np.array(colour) * FILL
        window[inside] = mixed.astype(np.uint8)
    stroke = _stroke(canvas.shape[1])
    for index, colour in enumerate(colours):
        _outline(canvas, shown, index, colour, stroke=stroke)
    truth = _in_view(scene.truth.masks, view)
    for index in range(len(truth)):
        _outline(canvas, truth, index, WHITE, stroke=1, dotted=True)
    names = []
    for index in np.flatnonzero(named).tolist():
        text = scene.classes[int(scene.instances.labels[index])]
        if scene.with_scores:
            text += f" {scene.instances.scores[index]:.2f}".replace(" 0", " ")
        names.append(Name(index, text, colours[index]))
    write_names(canvas, shown, names)
    return canvas


def _in_view(masks: CropMasks, view: View) -> CropMasks:
    """The masks as the view's pixels; those outside stay in their places, empty."""
    moved = masks.shift(-view.rect[0], -view.rect[1]).scale(*view.scale_xy)
    return mask_ops.rasterise(moved, view.out_hw)


def _stroke(width: int) -> int:
    return 1 if width < 1600 else 2


def _hatch(canvas: UInt8[np.ndarray, "h w 3"], ignore: CropMasks) -> None:
    """Greyed, with diagonal lines, so that it reads as a region without hiding what is there."""
    if len(ignore) == 0:
        return
    region = mask_ops.paint(ignore, (canvas.shape[0], canvas.shape[1])) > 0
    rows, columns = np.nonzero(region)
    step = 6 * _stroke(canvas.shape[1])
    on_line = (rows + columns) % step < _stroke(canvas.shape[1])
    share = np.where(on_line, 0.75, HATCH)[:, None]
    grey = np.where(on_line, 200, 128)[:, None]
    pixels = canvas[rows, columns]
    canvas[rows, columns] = (pixels * (1 - share) + grey * share).astype(np.uint8)


def _outline(
    canvas: UInt8[np.ndarray, "h w 3"],
    pixels: CropMasks,
    index: int,
    colour: Colour,
    *,
    stroke: int,
    dotted: bool = False,
) -> None:
    """A line just outside the mask, which leaves even the smallest object to be seen."""
    grid = pixels.grid(index)
    if grid.size == 0:
        return
    grown = np.pad(grid, stroke)
    around = cv2.dilate(grown, np.ones((2 * stroke + 1,) * 2, np.uint8)) > grown
    if dotted:
        rows, columns = np.indices(around.shape)
        around &= (rows + columns) % 8 < 5
    left, top = (int(edge) - stroke for edge in pixels.boxes[index, :2])
    height, width = canvas.shape[:2]
    y0, x0 = max(top, 0), max(left, 0)
    ring = around[y0 - top : height - top, x0 - left : width - left]
    canvas[y0 : y0 + ring.shape[0], x0 : x0 + ring.shape[1]][ring] = colour


def _legend(scene: _Scene, width: int) -> UInt8[np.ndarray, "h width 3"]:
    """How many are shown at which cut, the count of each class in its colour, and what else is."""
    counts = np.bincount(scene.instances.labels, minlength=len(scene.classes)).tolist()
    hidden = f", {scene.hidden} below it hidden" if scene.hidden else ""
    count = len(scene.instances)
    kind = "instances" if not count and not hidden else "labelled"
    if scene.with_scores or hidden:
        kind = f"found, score {scene.min_score:.2f} or more{hidden}"
    total = f"{count} {kind}"
    items: list[tuple[str, Colour]] = [(total, WHITE)]
    for index, name in enumerate(scene.classes):
        if counts[index]:
            items.append((f"{name} {counts[index]}", colour_of(name, index)))
    if len(scene.truth):
        items.append((f"labelled {len(scene.truth)} (dotted)", WHITE))
    if len(scene.ignore):
        items.append(("not judged (hatched)", GREY))
    return text_lines(items, width, enlarge=1.25)
