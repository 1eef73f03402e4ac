"""Views: what they show, and that what was moved into one comes back where it was."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jaxtyping import Float64, UInt8

from tinyseg import masks as mask_ops
from tinyseg.errors import DataError
from tinyseg.frame import Frame, Instances
from tinyseg.masks import CropMasks
from tinyseg.views import PADDING, FrameInfo, Plan, PlanLike, Tiles, View, Whole

HW = (60, 80)
WHOLE = (0.0, 0.0, 80.0, 60.0)


def ramp(gain_x: float = 2.0, gain_y: float = 0.0) -> UInt8[np.ndarray, "h w 3"]:
    """An image whose value at (x, y) is gain_x * x + gain_y * y at pixel centres."""
    y, x = np.mgrid[0 : HW[0], 0 : HW[1]] + 0.5
    return np.repeat((gain_x * x + gain_y * y).astype(np.uint8)[:, :, None], 3, axis=2)


def random_masks(seed: int, count: int = 6, hw: tuple[int, int] = HW) -> CropMasks:
    rng = np.random.default_rng(seed)
    origins, grids = [], []
    for _ in range(count):
        h, w = rng.integers(1, 15, 2).tolist()
        origins.append((int(rng.integers(0, hw[1] - w)), int(rng.integers(0, hw[0] - h))))
        grid = (rng.random((h, w)) < 0.6).astype(np.uint8) * np.uint8(255)
        grid[0, 0] = grid[-1, -1] = 255
        grids.append(grid)
    return CropMasks.pack_pixels(origins, grids)


def frame_with(masks: CropMasks, image: UInt8[np.ndarray, "h w 3"] | None = None) -> Frame:
    labels = np.arange(len(masks), dtype=np.int64)
    ignore = CropMasks.pack_pixels([(0, 50)], [np.full((10, 80), 255, np.uint8)])
    picture = ramp() if image is None else image
    return Frame("a", picture, Instances.from_labels(masks, labels), ignore)


# Boxes and masks


@st.composite
def views(draw: st.DrawFn, *, integral: bool = False) -> View:
    """Views of the frame or of something beside it, zooming in or out, perhaps flipped."""
    low, extent = st.floats(-40, 70), st.floats(3, 130)
    edges = [draw(low), draw(low), draw(extent), draw(extent)]
    x, y, w, h = (float(round(edge)) for edge in edges) if integral else edges
    out_hw = (draw(st.integers(1, 90)), draw(st.integers(1, 90)))
    return View((x, y, x + w, y + h), out_hw, draw(st.booleans()))


@settings(max_examples=60, deadline=None)
@given(views(), st.integers(0, 1000))
def test_boxes_and_masks_moved_into_a_view_are_lifted_back(view: View, seed: int) -> None:
    masks = random_masks(seed)
    there = view.boxes_to_view(masks.boxes)
    seen = masks.shift(-view.rect[0], -view.rect[1]).scale(*view.scale_xy)
    seen = seen.flip(float(view.out_hw[1])) if view.flip else seen
    assert np.allclose(seen.boxes, there, rtol=0, atol=1e-9)
    lifted = view.lift(Instances(there, seen, np.arange(len(masks)), np.ones(len(masks))))
    assert np.allclose(lifted.boxes, masks.boxes, rtol=0, atol=1e-9)
    assert np.allclose(lifted.masks.boxes, masks.boxes, rtol=0, atol=1e-9)
    assert np.array_equal(lifted.masks.coverage, masks.coverage)
    assert np.array_equal(mask_ops.paint(lifted.masks, HW), mask_ops.paint(masks, HW))


@settings(max_examples=60, deadline=None)
@given(views(integral=True), st.integers(0, 1000))
def test_cut_and_lift_give_back_exactly_what_was_in_an_integral_view(view: View, seed: int) -> None:
    frame = frame_with(random_masks(seed))
    seen = view.cut(frame)
    lifted = view.lift(seen.instances)
    x0, y0, x1, y1 = (int(edge) for edge in view.rect)
    window = np.zeros(HW, np.uint8)
    window[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 255
    found = iter(range(len(lifted)))
    for label, grid_masks in enumerate(map(frame.instances.masks.select, np.arange(6)[:, None])):
        expected = mask_ops.paint(grid_masks, HW) & window
        if not expected.any():
            assert label not in lifted.labels
            continue
        index = next(found)
        assert lifted.labels[index] == label
        own = lifted.masks.select(np.array([index]))
        assert np.array_equal(mask_ops.paint(own, HW), expected)
        tight = mask_ops.from_bitmaps([expected > 0]).boxes
        assert np.allclose(lifted.boxes[index], tight[0], rtol=0, atol=1e-9)
    assert next(found, None) is None
    assert np.allclose(seen.instances.boxes, seen.instances.masks.boxes)
    assert seen.hw == view.out_hw


@settings(max_examples=60, deadline=None)
@given(views(), st.integers(0, 1000))
def test_cut_at_parts_of_pixels_keeps_the_pixels_whose_centres_it_shows(
    view: View, seed: int
) -> None:
    frame = frame_with(random_masks(seed))
    seen = view.cut(frame).instances
    lifted = view.lift(seen)
    y, x = np.mgrid[0 : HW[0], 0 : HW[1]] + 0.5
    x0, y0, x1, y1 = view.rect
    shown = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    everything = mask_ops.paint(frame.instances.masks, HW) > 0
    assert np.array_equal(mask_ops.paint(lifted.masks, HW) > 0, everything & shown)
    half_pixel = np.array(view.scale_xy) / 2 + 1e-6
    assert (seen.boxes[:, :2] >= -half_pixel).all()
    assert (seen.boxes[:, 2:] <= np.array(view.out_hw[::-1]) + half_pixel).all()


def test_view_by_hand() -> None:
    frame = frame_with(CropMasks.pack_pixels([(20, 10)], [np.full((4, 6), 255, np.uint8)]))
    view = View((10.0, 5.0, 30.0, 15.0), (20, 40))
    assert view.scale_xy == (2, 2)
    assert view.cut(frame).instances.boxes.tolist() == [[20, 10, 32, 18]]
    flipped = View(view.rect, view.out_hw, flip=True).cut(frame)
    assert flipped.instances.boxes.tolist() == [[8, 10, 20, 18]]
    assert np.array_equal(flipped.image, view.cut(frame).image[:, ::-1])
    assert len(View((0.0, 0.0, 20.0, 9.0), (9, 20)).cut(frame).instances) == 0


def test_ignore_region_is_cut_too() -> None:
    frame = frame_with(CropMasks.empty())
    seen = View((70.0, 40.0, 90.0, 60.0), (40, 40), flip=True).cut(frame)
    expected = np.zeros((40, 40), np.bool_)
    expected[20:, 20:] = True
    # Its corners in the view are round by a pixel, as all stretched grids are.
    assert (expected != (mask_ops.paint(seen.ignore, (40, 40)) > 0)).sum() <= 4


# Pixels


@settings(max_examples=60, deadline=None)
@given(views(), st.booleans())
def test_one_colour_stays_one_colour_and_outside_is_grey(view: View, integral: bool) -> None:
    if integral:
        x0, y0 = np.floor(view.rect[:2]).tolist()
        x1, y1 = np.ceil(view.rect[2:]).tolist()
        view = View((x0, y0, x1, y1), view.out_hw, view.flip)
    colour = (200, 30, 90)
    seen = view.cut_image(np.full((*HW, 3), colour, np.uint8))
    plain = View(view.rect, view.out_hw)
    inside = pixel_cover(plain, 1.0 if integral else 1.5)
    outside = pixel_cover(plain, -1.0 if integral else -1.5)
    seen = seen[:, ::-1] if view.flip else seen
    assert (np.abs(seen[inside].astype(int) - colour) <= 1).all()
    assert (np.abs(seen[~outside].astype(int) - PADDING) <= 1).all()


def pixel_cover(view: View, margin: float) -> np.ndarray:
    """Which view pixels lie in the frame by a margin of frame (and view) pixels."""
    (x0, y0, _, _), (sx, sy) = view.rect, view.scale_xy
    x = x0 + np.arange(view.out_hw[1] + 1) / sx
    y = y0 + np.arange(view.out_hw[0] + 1) / sy
    mx, my = margin * max(1, 1 / sx), margin * max(1, 1 / sy)
    in_x = (x[:-1] >= mx) & (x[1:] <= HW[1] - mx)
    in_y = (y[:-1] >= my) & (y[1:] <= HW[0] - my)
    if margin < 0:
        in_x = (x[1:] >= mx) & (x[:-1] <= HW[1] - mx)
        in_y = (y[1:] >= my) & (y[:-1] <= HW[0] - my)
    return np.asarray(in_y[:, None] & in_x)


@pytest.mark.parametrize(
    ("rect", "out_hw"),
    [
        ((10.3, 5.6, 42.8, 30.1), (49, 65)),  # twice as large
        ((10.3, 5.6, 42.8, 30.1), (25, 32)),  # about the same
        ((4.25, 3.75, 74.25, 53.75), (20, 28)),  # 2.5 times smaller
        ((4.0, 3.0, 74.0, 53.0), (20, 28)),
        ((4.0, 3.0, 74.0, 53.0), (100, 140)),
        ((4.0, 3.0, 74.0, 53.0), (100, 28)),  # grows along y, shrinks along x
        ((4.5, 3.5, 74.5, 53.5), (100, 28)),
    ],
)
def test_ramp_has_the_right_value_at_every_pixel_centre(
    rect: tuple[float, float, float, float], out_hw: tuple[int, int]
) -> None:
    view = View(rect, out_hw)
    seen = view.cut_image(ramp(1.5, 1.25))
    sx, sy = view.scale_xy
    x = rect[0] + (np.arange(out_hw[1]) + 0.5) / sx
    y = rect[1] + (np.arange(out_hw[0]) + 0.5) / sy
    expected = 1.5 * x + 1.25 * y[:, None] - 0.5
    error = np.abs(seen[:, :, 0] - expected)[3:-3, 3:-3]
    assert error.max() < 1.2
    assert abs((seen[:, :, 0] - expected)[3:-3, 3:-3].mean()) < 0.3


def test_whole_factors_are_means_of_blocks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (*HW, 3), dtype=np.uint8)
    seen = View((8.0, 4.0, 68.0, 49.0), (15, 20)).cut_image(image)
    blocks = image[4:49, 8:68].reshape(15, 3, 20, 3, 3).mean(axis=(1, 3))
    assert np.abs(seen - blocks).max() <= 0.5 + 1e-6
    tall = View((8.0, 4.0, 68.0, 49.0), (45, 20)).cut_image(image)
    assert np.abs(tall - image[4:49, 8:68].reshape(45, 20, 3, 3).mean(axis=2)).max() <= 0.5 + 1e-6


def test_native_views_are_bit_equal_copies() -> None:
    image = np.random.default_rng(0).integers(0, 256, (*HW, 3), dtype=np.uint8)
    for flip in (False, True):
        seen = View(WHOLE, HW, flip).cut_image(image)
        assert np.array_equal(seen, image[:, ::-1] if flip else image)
        assert not np.shares_memory(seen, image)
        assert seen.flags.c_contiguous
    sticking_out = View((-5.0, -7.0, 90.0, 70.0), (77, 95)).cut_image(image)
    assert np.array_equal(sticking_out[7:67, 5:85], image)
    sticking_out[7:67, 5:85] = PADDING
    assert (sticking_out == PADDING).all()
    assert (View((500.0, 0.0, 510.0, 10.0), (5, 5)).cut_image(image) == PADDING).all()


@pytest.mark.parametrize(
    ("rect", "out_hw"),
    [
        ((0.0, 0.0, 0.0, 5.0), (5, 5)),
        ((5.0, 0.0, 1.0, 5.0), (5, 5)),
        ((0.0, 0.0, 5.0, 5.0), (0, 5)),
        ((0.0, 0.0, float("nan"), 5.0), (5, 5)),
        ((0.0, 0.0, float("inf"), 5.0), (5, 5)),
        ((float("-inf"), 0.0, 1.0, 5.0), (5, 5)),
    ],
)
def test_views_without_an_area_are_refused(
    rect: tuple[float, float, float, float], out_hw: tuple[int, int]
) -> None:
    with pytest.raises(DataError, match="a view needs an area"):
        View(rect, out_hw)


# Plans


def looked_at(plan: PlanLike, hw: tuple[int, int]) -> list[View]:
    """The views of a plan's first pass."""
    return [planned.view for planned in plan.first(FrameInfo(hw))]


def covered(plan: PlanLike, hw: tuple[int, int]) -> Float64[np.ndarray, "h w"]:
    """How many views show each pixel centre."""
    y, x = np.arange(hw[0])[:, None] + 0.5, np.arange(hw[1]) + 0.5
    count = np.zeros(hw)
    for view in looked_at(plan, hw):
        x0, y0, x1, y1 = view.rect
        count += (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    return count


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.integers(1, 60),
    st.integers(0, 59),
    st.sampled_from([0.5, 0.75, 1.0, 1.3, 1.5, 2.0, 3.7]),
)
def test_tiles_cover_the_frame_and_overlap(
    hw: tuple[int, int], size: int, overlap: int, zoom: float
) -> None:
    if overlap >= int(size / zoom):
        with pytest.raises(DataError, match="overlap"):
            Tiles(size=size, overlap=overlap, zoom=zoom)
        return
    plan = Tiles(size=size, overlap=overlap, zoom=zoom)
    assert (covered(plan, hw) >= 1).all()
    found = looked_at(plan, hw)
    assert {view.out_hw for view in found} == {(size, size)}
    assert np.allclose([view.scale_xy for view in found], zoom)
    for axis, length in ((0, hw[1]), (1, hw[0])):
        starts = sorted({view.rect[axis] for view in found})
        side = size / zoom
        assert starts[0] == 0
        assert all(start.is_integer() for start in starts)
        assert (side - np.diff(starts) >= overlap - 1e-9).all()
        assert starts[-1] + side < length + 1 or len(starts) == 1


def test_tiles_by_hand() -> None:
    starts = [view.rect[:2] for view in looked_at(Tiles(size=40, overlap=10), HW)]
    assert starts == [(x, y) for y in (0, 20) for x in (0, 20, 40)]
    assert [v.rect for v in looked_at(Tiles(size=90, overlap=0), HW)] == [(0, 0, 90, 90)]
    assert len(looked_at(Tiles(size=640, overlap=64), (2710, 3384))) == 5 * 6


@pytest.mark.parametrize(
    ("overlap", "zoom"), [(-1, 1.0), (40, 1.0), (0, 0.0), (0, -1.0), (20, 2.0)]
)
def test_tiles_refused(overlap: int, zoom: float) -> None:
    with pytest.raises(DataError):
        Tiles(size=40, overlap=overlap, zoom=zoom)


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.integers(1, 2000),
    st.integers(1, 4000),
)
def test_whole_respects_both_sides(hw: tuple[int, int], short: int, longest: int) -> None:
    (view,) = looked_at(Whole(short_side=short, longest_side=longest), hw)
    assert view.rect == (0, 0, hw[1], hw[0])
    assert min(view.out_hw) <= max(short, 1)
    assert max(view.out_hw) <= longest
    assert min(view.out_hw) == short or max(view.out_hw) == longest
    scale = min(short / min(hw), longest / max(hw))
    assert np.abs(np.array(view.out_hw) - np.array(hw) * scale).max() <= 1


def test_a_small_frame_is_magnified_no_more_than_it_may_be() -> None:
    plan = Whole(short_side=1800, longest_side=2400, largest_zoom=1.5)
    assert [looked_at(plan, hw)[0].out_hw for hw in ((480, 640), (1800, 2000), (2710, 3384))] == [
        (720, 960),
        (1800, 2000),
        (1800, 2248),
    ]
    with pytest.raises(DataError, match="zoom"):
        Whole(largest_zoom=0.0)


def test_the_parts_of_a_plan_are_one_list() -> None:
    plan = Plan.of(Whole(short_side=30, longest_side=90), Tiles(size=40, overlap=10))
    found = looked_at(plan, HW)
    assert found[0] == View(WHOLE, (30, 40))
    assert found[1:] == looked_at(Tiles(size=40, overlap=10), HW)
