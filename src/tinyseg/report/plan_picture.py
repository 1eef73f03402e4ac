"""A plan of views drawn on its frame: what is looked at, how closely, and what it costs.

The image and the planned views of both passes go in; an RGB picture comes out. What no zoomed view
shows is dimmed; each view has an outline in the colour of its zoom and a label with its zoom, the
sizes that it answers for, and its share of all the views' pixels. Views of one rectangle (flips,
the same view for several models) share an outline. Below stand the sums.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from tinyseg.report.lettering import (
    GREY,
    WHITE,
    Colour,
    font_size,
    letters,
    text_lines,
    write_text,
)
from tinyseg.views import Planned, View

DIM = 0.5
"""How bright the frame stays where no zoomed view looks."""

LARGER, NATIVE, SMALLER = (255, 176, 46), (86, 200, 255), (225, 225, 225)
"""Outlines of views that magnify, show pixels as they are, and shrink."""

MEGA = 1e6

MAX_WIDTH = 2400
"""Pictures are at most this wide."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A rectangle in picture pixels, and what is said of the views that share it."""

    box: tuple[int, int, int, int]
    text: str
    colour: Colour


def draw_plan(
    image: UInt8[np.ndarray, "height width 3"],
    first: Sequence[Planned],
    then: Sequence[Planned],
    *,
    found: Float64[np.ndarray, "n 4"] | None = None,
    remarks: Sequence[str] = (),
) -> UInt8[np.ndarray, "out_height out_width 3"]:
    """The picture, as wide as the frame or MAX_WIDTH; `found` are boxes of a first pass."""
    height, width = image.shape[:2]
    scale = min(MAX_WIDTH / width, 1.0)
    out_hw = (max(round(height * scale), 1), max(round(width * scale), 1))
    planned = [*first, *then]
    shown = _shown(planned, scale, out_hw)
    bright = View((0.0, 0.0, float(width), float(height)), out_hw).cut_image(image)
    zoomed = [one.box for one in shown if one.colour != SMALLER]
    canvas = (bright * DIM).astype(np.uint8) if zoomed else bright.copy()
    for x0, y0, x1, y1 in zoomed:
        canvas[y0:y1, x0:x1] = bright[y0:y1, x0:x1]
    stroke = max(round(out_hw[1] / 1000), 1)
    for box in np.rint((np.zeros((0, 4)) if found is None else found) * scale).astype(int):
        x0, y0, x1, y1 = box.tolist()
        cv2.rectangle(canvas, (x0 - 1, y0 - 1), (x1, y1), WHITE, 1)
    for one in shown:
        x0, y0, x1, y1 = one.box
        cv2.rectangle(canvas, (x0, y0), (x1 - 1, y1 - 1), one.colour, stroke)
    _label(canvas, shown)
    sums = _sums(first, then, (height, width), remarks)
    return np.concatenate([canvas, text_lines(sums, out_hw[1], enlarge=1.25)])


def _shown(planned: Sequence[Planned], scale: float, out_hw: tuple[int, int]) -> list[_Shown]:
    """The rectangles, largest first, so that the smaller ones stay to be seen."""
    total = sum(_pixels(one.view) for one in planned)
    by_rect: dict[tuple[tuple[float, ...], tuple[int, int]], list[View]] = {}
    for one in planned:
        by_rect.setdefault((one.view.rect, one.view.out_hw), []).append(one.view)
    shown = []
    for views in sorted(by_rect.values(), key=lambda v: -_area(v[0])):
        view = views[0]
        x0, y0, x1, y1 = (round(edge * scale) for edge in view.rect)
        box = (max(x0, 0), max(y0, 0), min(x1, out_hw[1]), min(y1, out_hw[0]))
        zoom = float(np.sqrt(view.scale_xy[0] * view.scale_xy[1]))
        colour = LARGER if zoom > 1.01 else NATIVE if zoom > 0.99 else SMALLER
        low, high = view.answers_for
        sizes = f"{low:.0f} to {high:.0f} px" if np.isfinite(high) else f"{low:.0f} px and more"
        sizes = "all sizes" if view.answers_for == (0.0, np.inf) else sizes
        times = f"{len(views)} times " if len(views) > 1 else ""
        share = sum(_pixels(view) for view in views) / total
        shown.append(_Shown(box, f"{times}x {zoom:.2g}   {sizes}   {share:.1%}", colour))
    return shown


def _pixels(view: View) -> int:
    return view.out_hw[0] * view.out_hw[1]


def _area(view: View) -> float:
    x0, y0, x1, y1 = view.rect
    return (x1 - x0) * (y1 - y0)


def _label(canvas: UInt8[np.ndarray, "h w 3"], shown: Sequence[_Shown]) -> None:
    """Each text by its rectangle where no other text is; one without room is left out."""
    size = font_size(canvas.shape[1])
    taken = np.zeros(canvas.shape[:2], np.bool_)
    for one in sorted(shown, key=lambda s: (s.box[1], s.box[0])):
        (x0, y0, x1, y1), (h, w) = one.box, letters(one.text, size).shape
        gap = max(h // 5, 2)
        # Above and below its rectangle, then inside
        rows = (y0 - h - gap, y1 + gap, y0 + gap, y1 - h - gap, y0 + gap + h, y1 - 2 * h - gap)
        columns = (x0 + gap, (x0 + x1 - w) // 2, x1 - w - gap)
        for y, x in itertools.product(rows, columns):
            inside = 0 <= x <= canvas.shape[1] - w and 0 <= y <= canvas.shape[0] - h
            if inside and not taken[y : y + h, x : x + w].any():
                taken[y : y + h, x : x + w] = True
                write_text(canvas, one.text, (x, y), size=size, colour=one.colour)
                break


def _sums(
    first: Sequence[Planned], then: Sequence[Planned], hw: tuple[int, int], remarks: Sequence[str]
) -> list[tuple[str, Colour]]:
    """How many views and pixels, beside those of the frame at twice its size."""
    lines: list[tuple[str, Colour]] = []
    for name, planned in (("first", first), ("then", then)):
        if planned:
            pixels = sum(_pixels(one.view) for one in planned)
            text = f"{name} {len(planned)} views, {pixels / MEGA:.1f} MP"
            lines.append((text.replace("1 views", "1 view") if len(planned) == 1 else text, WHITE))
    total = sum(_pixels(one.view) for one in [*first, *then])
    lines.append((f"together {total / (4 * hw[0] * hw[1]):.1%} of the frame at x 2", GREY))
    return [*lines, *((remark, GREY) for remark in remarks)]
