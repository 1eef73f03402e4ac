"""The report's outlines and pictures: the same pixels, within the bytes that were asked for."""

import base64
import re

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from jaxtyping import Bool, Float64, UInt8

from tinyseg.masks import CropMasks
from tinyseg.report.html import pictures
from tinyseg.report.html.pictures import Patch, picture_of
from tinyseg.report.html.sheets import EXACT_AREA, mask_rings, outlines

Grid = UInt8[np.ndarray, "h w"]


Line = Float64[np.ndarray, "_k 2"]


def filled(lines: list[Line], hw: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Pixels inside closed lines along pixel edges, by counting the upright edges to their left."""
    inside = np.zeros(hw, np.bool_)
    for line in lines:
        corners = line.astype(int).tolist()
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            assert x0 == x1 or y0 == y1, "an edge that runs across pixels"
            inside[min(y0, y1) : max(y0, y1), x0:] ^= x0 == x1
    return inside


@given(
    arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14))
)
@settings(max_examples=120, deadline=None)
def test_a_small_outline_holds_exactly_the_masks_pixels(bits: Bool[np.ndarray, "h w"]) -> None:
    lines = mask_rings(np.where(bits, 255, 0).astype(np.uint8), (0, 0))
    np.testing.assert_array_equal(filled(lines, bits.shape), bits)


def test_a_path_by_hand() -> None:
    grid = np.array([[255, 255], [0, 255]], np.uint8)
    (path,) = outlines(CropMasks.pack_pixels([(10, 20)], [grid]), (100, 100))
    assert path == "M10 20v1h1v1h1v-2z"


def test_a_hole_is_a_line_of_its_own() -> None:
    grid = np.full((5, 5), 255, np.uint8)
    grid[2, 2] = 0
    (path,) = outlines(CropMasks.pack_pixels([(0, 0)], [grid]), (9, 9))
    assert path.count("M") == 2


def test_a_mask_without_a_pixel_in_the_frame_has_no_path() -> None:
    grid = np.full((4, 4), 255, np.uint8)
    masks = CropMasks.pack_pixels([(50, 50), (-2, -2)], [grid, grid])
    assert outlines(masks, (20, 20)) == ["", "M0 0v2h2v-2z"]


def test_a_large_outline_is_short_and_near() -> None:
    down, across = np.mgrid[:400, :600] + 0.5
    inside = ((down - 200) / 190) ** 2 + ((across - 300) / 290) ** 2 <= 1
    assert inside.sum() > EXACT_AREA
    (line,) = mask_rings(np.where(inside, 255, 0).astype(np.uint8), (0, 0))
    assert len(line) < 120
    canvas = np.zeros((3200, 4800), np.uint8)
    cv2.fillPoly(canvas, [np.rint(line * 8).astype(np.int32)], 1)
    centres = canvas[4::8, 4::8] > 0
    assert np.count_nonzero(centres != inside) < 0.002 * inside.sum()


def test_a_large_rectangle_keeps_its_corners() -> None:
    (line,) = mask_rings(np.full((100, 200), 255, np.uint8), (10, 20))
    corners = np.array([[10, 20], [210, 20], [210, 120], [10, 120]])
    distances = np.abs(line[None] - corners[:, None]).max(axis=2).min(axis=1)
    assert distances.max() <= 0.5


def noise(height: int, width: int) -> UInt8[np.ndarray, "h w 3"]:
    coarse = np.random.default_rng(3).integers(0, 255, (height // 8, width // 8, 3))
    return cv2.resize(coarse.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def decoded(patch: Patch) -> UInt8[np.ndarray, "h w 3"]:
    code = base64.b64decode(patch.source.removeprefix("data:image/webp;base64,"))
    return np.asarray(cv2.imdecode(np.frombuffer(code, np.uint8), cv2.IMREAD_COLOR_RGB))


BOXES = np.array([[10.0, 10, 40, 30], [400, 300, 410, 312], [790, 590, 800, 600]])


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> UInt8[np.ndarray, "h w 3"]:
    """A frame that is too large to be kept at native resolution as a whole."""
    monkeypatch.setattr(pictures, "SMALL_PICTURE", 1e5)
    return noise(600, 800)


def test_small_objects_keep_their_pixels(large: UInt8[np.ndarray, "h w 3"]) -> None:
    picture = picture_of(large, BOXES, np.array([1.0, 2.0, 1.0]), max_bytes=2_000_000)
    assert decoded(picture.whole).shape == (300, 400, 3)
    for x0, y0, x1, y1 in BOXES.astype(int).tolist():
        holders = [p for p in picture.native if p.box[0] <= x0 and p.box[1] <= y0]
        (holder,) = [p for p in holders if p.box[2] >= x1 and p.box[3] >= y1]
        left, top = holder.box[:2]
        seen = decoded(holder)[y0 - top : y1 - top, x0 - left : x1 - left]
        assert np.abs(seen.astype(int) - large[y0:y1, x0:x1]).mean() < 12


@pytest.mark.parametrize("most", [15_000, 60_000, 200_000])
def test_a_picture_keeps_to_its_bytes(most: int, large: UInt8[np.ndarray, "h w 3"]) -> None:
    corners = np.random.default_rng(0).uniform(0, 550, (60, 2))
    boxes = np.concatenate([corners, corners + 20], axis=1)
    assert picture_of(large, boxes, np.ones(60), max_bytes=most).bytes <= most


def test_the_worthiest_tiles_come_first(large: UInt8[np.ndarray, "h w 3"]) -> None:
    worth = np.array([1.0, 5.0, 0.0])
    sizes = range(12_000, 60_000, 8_000)
    made = [picture_of(large, BOXES, worth, max_bytes=size).native for size in sizes]
    assert len(made[-1]) == 2
    single = [patches[0] for patches in made if len(patches) == 1]
    assert single
    assert all(patch.box[0] <= 400 < patch.box[2] for patch in single)


def test_a_small_frame_is_kept_whole() -> None:
    image = noise(480, 640)
    picture = picture_of(image, BOXES[:1], np.ones(1), max_bytes=1_000_000)
    assert picture.native == ()
    assert picture.whole.scale == 1
    assert decoded(picture.whole).shape == image.shape
    assert re.fullmatch(r"data:image/webp;base64,[A-Za-z0-9+/=]+", picture.whole.source)
