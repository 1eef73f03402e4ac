"""The picture of a frame with what was found: where it is drawn on, and where it is not."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jaxtyping import UInt8

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.labels import WAD_BACKGROUND, WAD_CLASSES, WAD_IDS
from tinyseg.masks import CropMasks
from tinyseg.report import lettering, overlay
from tinyseg.report.lettering import Name, font_size, text_lines, write_names
from tinyseg.report.overlay import COLOURS, colour_of, draw_overlay

Picture = UInt8[np.ndarray, "h w 3"]


def grey(height: int, width: int, value: int = 120) -> Picture:
    return np.full((height, width, 3), value, np.uint8)


def rectangles(*boxes: tuple[int, int, int, int]) -> CropMasks:
    grids = [np.full((y1 - y0, x1 - x0), 255, np.uint8) for x0, y0, x1, y1 in boxes]
    return CropMasks.pack_pixels([(x0, y0) for x0, y0, _, _ in boxes], grids)


def found(*boxes: tuple[int, int, int, int], score: float = 0.9, label: int = 0) -> Instances:
    masks, n = rectangles(*boxes), len(boxes)
    return Instances(masks.boxes, masks, np.full(n, label, np.int64), np.full(n, score))


def main_part(picture: Picture, image: Picture) -> Picture:
    return picture[: image.shape[0]]


def test_a_frame_without_instances_is_itself_with_a_legend() -> None:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    before = image.copy()
    picture = draw_overlay(image, Instances.empty(), WAD_CLASSES)
    np.testing.assert_array_equal(main_part(picture, image), image)
    np.testing.assert_array_equal(image, before)
    assert 480 < picture.shape[0] < 560
    assert picture.shape[1] == 640


def test_the_input_is_left_as_it_was() -> None:
    image = grey(200, 300)
    draw_overlay(image, found((10, 10, 40, 40)), WAD_CLASSES, ignore=rectangles((0, 0, 9, 9)))
    assert (image == 120).all()


def test_a_mask_is_tinted_inside_and_outlined_outside() -> None:
    image = grey(480, 640)
    picture = draw_overlay(image, found((100, 200, 160, 260)), WAD_CLASSES)
    colour = np.array(COLOURS["car"])
    inside = picture[205, 105].astype(int)
    np.testing.assert_allclose(inside, 120 * 0.76 + colour * 0.24, atol=1)
    for row, column in ((199, 130), (260, 130), (230, 99), (230, 160)):
        np.testing.assert_array_equal(picture[row, column], colour)
    np.testing.assert_array_equal(picture[300, 300], 120)


def test_the_smallest_object_keeps_its_own_pixels_to_be_seen() -> None:
    image = grey(480, 640)
    image[300, 400] = (200, 30, 30)
    picture = draw_overlay(image, found((400, 300, 401, 301)), WAD_CLASSES)
    expected = image[300, 400] * 0.76 + np.array(COLOURS["car"]) * 0.24
    np.testing.assert_allclose(picture[300, 400].astype(int), expected, atol=1)
    assert (picture[299:302, 399:402] == COLOURS["car"]).all(axis=2).sum() == 8


def test_scores_below_the_cut_are_not_drawn() -> None:
    image = grey(480, 640)
    picture = draw_overlay(image, found((100, 200, 160, 260), score=0.2), WAD_CLASSES)
    np.testing.assert_array_equal(main_part(picture, image), image)
    lower = draw_overlay(image, found((100, 200, 160, 260), score=0.2), WAD_CLASSES, min_score=0.2)
    assert (main_part(lower, image) != image).any()


def test_small_objects_are_magnified_below_the_frame() -> None:
    image = grey(1000, 1600)
    instances = found((200, 500, 210, 520), (1200, 510, 1210, 530))
    plain = draw_overlay(image, instances, WAD_CLASSES, strip=False)
    picture = draw_overlay(image, instances, WAD_CLASSES)
    slices = picture.shape[0] - plain.shape[0]
    # Three slices of 100 rows, each 1600 / (1600 / 3 + 32) times as large, and their captions.
    assert slices > 3 * 283
    assert picture.shape[1] == 1600
    marked = np.asarray((picture[:1000] == 255).all(axis=2))
    assert sorted(set(np.nonzero(marked)[0].tolist())) == [465, 466, 565, 566]


def test_large_objects_alone_need_no_magnified_rows() -> None:
    image = grey(480, 640)
    instances = found((100, 100, 300, 300))
    with_strip, without = (
        draw_overlay(image, instances, WAD_CLASSES, strip=strip) for strip in (True, False)
    )
    np.testing.assert_array_equal(with_strip, without)


def test_what_is_ignored_is_hatched_and_the_rest_is_not() -> None:
    image = grey(480, 640, value=0)
    region = rectangles((100, 100, 200, 150))
    picture = main_part(draw_overlay(image, Instances.empty(), WAD_CLASSES, ignore=region), image)
    changed = np.asarray((picture > 0).any(axis=2))
    assert changed[100:150, 100:200].all()
    assert changed.sum() == 100 * 50
    assert len(np.unique(picture[100:150, 100:200])) == 2


def test_labels_are_dotted_in_white_around_their_masks() -> None:
    image = grey(480, 640, value=0)
    truth = found((100, 200, 160, 260), score=1.0)
    picture = main_part(draw_overlay(image, Instances.empty(), WAD_CLASSES, truth=truth), image)
    white = np.asarray((picture == 255).all(axis=2))
    ring = 62 * 62 - 60 * 60
    assert 0.5 * ring < white.sum() < 0.75 * ring
    assert not white[200:260, 100:160].any()


@pytest.mark.parametrize(
    ("instances", "told"),
    [
        (found((10, 10, 40, 40), score=1.0), "1 labelled"),
        (found((10, 10, 40, 40), score=0.9), "1 found, score 0.50 or more"),
        (found((10, 10, 40, 40), score=0.2), "0 found, score 0.50 or more, 1 below it hidden"),
        (Instances.empty(), "0 instances"),
    ],
)
def test_the_legend_tells_labels_from_predictions(
    monkeypatch: pytest.MonkeyPatch, instances: Instances, told: str
) -> None:
    lines: list[str] = []

    def told_lines(items: list[Any], width: int, *, enlarge: float = 1.0) -> Picture:
        lines.extend(text for text, _ in items)
        return text_lines(items, width, enlarge=enlarge)

    monkeypatch.setattr(overlay, "text_lines", told_lines)
    draw_overlay(grey(200, 300), instances, WAD_CLASSES, strip=False)
    assert lines[0] == told


def test_max_width_shrinks_the_picture() -> None:
    image = grey(1000, 2000)
    picture = draw_overlay(image, found((900, 400, 1100, 600)), WAD_CLASSES, max_width=500)
    assert picture.shape[1] == 500
    np.testing.assert_allclose(
        picture[103, 228].astype(int), 120 * 0.76 + np.array(COLOURS["car"]) * 0.24, atol=1
    )
    wide = draw_overlay(image, Instances.empty(), WAD_CLASSES, max_width=9000)
    assert wide.shape[1] == 2000


def test_a_dark_band_is_brightened_and_a_bright_one_is_not() -> None:
    instances = found((200, 500, 210, 520), score=1.0)
    dark, bright = (
        draw_overlay(grey(1000, 1600, value), instances, WAD_CLASSES) for value in (20, 120)
    )
    assert dark[-5, 5, 0] == pytest.approx(overlay.DARK_MEDIAN, abs=8)
    assert (bright[-5, 5] == 120).all()
    assert (dark[600, 5] == 20).all()


def test_every_class_has_a_colour_of_its_own() -> None:
    colours = [colour_of(name, i) for i, name in enumerate(WAD_CLASSES)]
    assert len(set(colours)) == len(WAD_CLASSES)
    assert colour_of("Pedestrian", 40) == COLOURS["person"]
    assert colour_of("kite", 0) != colour_of("train", 1)


def test_names_stand_apart_from_objects_and_from_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = []
    monkeypatch.setattr(
        lettering,
        "write_text",
        lambda canvas, text, corner, *, size, colour: places.append((*corner, text, size)),
    )
    pixels = rectangles(*[(100 + 9 * i, 200, 106 + 9 * i, 212) for i in range(20)])
    names = [Name(i, f"car .{i:02d}", (255, 255, 255)) for i in range(20)]
    write_names(grey(480, 640), pixels, names)
    assert len(places) == 20
    boxes = []
    for x, y, text, size in places:
        height, width = lettering.letters(text, size).shape
        boxes.append((x, y, x + width, y + height))
    canvas = np.zeros((480, 640), np.int64)
    for x0, y0, x1, y1 in boxes:
        assert x0 >= 0
        assert y0 >= 0
        canvas[y0:y1, x0:x1] += 1
    assert canvas.max() == 1
    assert canvas[200:212, 100:280].max() == 0


def test_the_name_of_a_large_object_is_on_its_thickest_part() -> None:
    canvas, pixels = grey(480, 640), rectangles((100, 100, 400, 400))
    write_names(canvas, pixels, [Name(0, "bus .97", (255, 255, 0))])
    changed = np.argwhere((canvas != 120).any(axis=2))
    assert (changed.min(axis=0) > 150).all()
    assert (changed.max(axis=0) < 350).all()


def test_a_name_without_room_is_left_out() -> None:
    canvas = grey(8, 8)
    write_names(canvas, rectangles((1, 1, 3, 3)), [Name(0, "motorcycle .50", (255, 255, 0))])
    assert (canvas == 120).all()


def test_lines_of_text_wrap_at_the_width() -> None:
    one = text_lines([("car 3", (255, 255, 255))], 640)
    many = text_lines([("car 3", (255, 255, 255))] * 40, 640)
    assert many.shape[1] == one.shape[1] == 640
    assert many.shape[0] >= 3 * one.shape[0]
    assert one.max() > 200
    assert font_size(3384) > font_size(640) >= 11


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_any_picture_with_any_instances_can_be_drawn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 120, 2))
    n = int(rng.integers(0, 8))
    low = rng.uniform(-30, 120, (n, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.1, 60, (n, 2))], axis=1)
    masks = mask_ops.from_roi_grids(boxes, rng.random((n, 7, 7)).astype(np.float32))
    instances = Instances(boxes, masks, rng.integers(0, 7, n), rng.random(n))
    picture = draw_overlay(
        rng.integers(0, 255, (height, width, 3)).astype(np.uint8),
        instances,
        WAD_CLASSES,
        ignore=masks if rng.random() < 0.5 else None,
        truth=instances if rng.random() < 0.5 else None,
        max_width=int(rng.integers(1, 200)),
    )
    assert picture.shape[1] <= width
    assert picture.dtype == np.uint8


WAD = Path(__file__).parents[2] / "shared/data/wad"


@pytest.mark.skipif(not WAD.is_dir(), reason=f"no real frames in {WAD}")
def test_real_labels_are_drawn_over_real_frames() -> None:
    path = max(WAD.rglob("*_instanceIds.png"), key=lambda p: (p.stat().st_size, p.name))
    label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    image = cv2.imread(str(next(WAD.rglob(path.name.replace("_instanceIds.png", ".jpg")))))
    assert label is not None
    assert image is not None
    values, masks = mask_ops.from_label_map(label.astype(np.uint16), background=WAD_BACKGROUND)
    scored = np.isin(values // 1000, list(WAD_IDS))
    places = [list(WAD_IDS).index(v // 1000) for v in values[scored].tolist()]
    own = Instances.from_labels(masks.select(scored), np.array(places, np.int64))
    rgb = np.ascontiguousarray(image[:, :, ::-1], np.uint8)
    picture = draw_overlay(rgb, own, WAD_CLASSES, ignore=masks.select(~scored))
    outside = mask_ops.paint(masks.shift(0.0, 0.0), (2710, 3384)) == 0
    untouched = np.asarray((main_part(picture, rgb) == rgb).all(axis=2))
    assert picture.shape[0] > 4000
    assert untouched[outside].mean() > 0.95
