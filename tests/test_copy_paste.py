"""Copy-paste: sizes by rows, who covers whom, what is never pasted, and that it repeats."""

from pathlib import Path

import numpy as np
import pytest
from _small_frames import items
from jaxtyping import UInt8

from tinyseg import masks as mask_ops
from tinyseg.frame import Frame, Instances
from tinyseg.masks import CropMasks
from tinyseg.recipes import Recipe, Sampling, lite
from tinyseg.training.balance import Draws
from tinyseg.training.batches import FrameStore, make_sample
from tinyseg.training.copy_paste import CutOut, cut_out, find_slides, paste, paste_objects
from tinyseg.training.sampler import shape_of
from tinyseg.views import View

HORIZON = 200.0
HW = (600, 800)
RED, GREY = (200, 30, 30), 128


def scene(
    boxes: list[tuple[int, int, int, int]],
    *,
    ignore: list[tuple[int, int, int, int]] | None = None,
    hw: tuple[int, int] = HW,
) -> Frame:
    """A grey frame with red rectangles of class 0, 1, 2 ... and an ignore region of rectangles."""
    image = np.full((*hw, 3), GREY, np.uint8)
    for x0, y0, x1, y1 in boxes:
        image[y0:y1, x0:x1] = RED
    found = Instances.from_labels(rectangles(boxes), np.arange(len(boxes)))
    return Frame("scene", image, found, rectangles(ignore or []))


def rectangles(boxes: list[tuple[int, int, int, int]]) -> CropMasks:
    grids: list[UInt8[np.ndarray, "h w"]] = [
        np.full((y1 - y0, x1 - x0), 255, np.uint8) for x0, y0, x1, y1 in boxes
    ]
    return CropMasks.pack_pixels([(x0, y0) for x0, y0, _, _ in boxes], grids)


def rules(**changes: object) -> Sampling:
    paste_rules = {"share": 1.0, "most": 1, "horizon": HORIZON / HW[0], **changes}
    return Sampling.model_validate({"copy_paste": paste_rules})


def native(hw: tuple[int, int] = HW, *, flip: bool = False) -> View:
    return View((0.0, 0.0, float(hw[1]), float(hw[0])), hw, flip)


def pasted(seed: int, donor: Frame, *, view: View | None = None, **changes: object) -> Frame:
    """An empty view with what is pasted from the donor."""
    view = native() if view is None else view
    empty = view.cut(scene([]))
    chance = np.random.default_rng(seed)
    return paste_objects(empty, view, donor, rules(**changes), chance, horizon=HORIZON)


# ---------------------------------------------------------------------------- where, how large


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("zoom", [1.0, 0.5])
def test_size_follows_from_the_row_it_lands_on(flip: bool, zoom: float) -> None:
    donor = scene([(500, 380, 560, 500)])  # 300 below the horizon: height 120, width 60
    out_hw = (round(HW[0] * zoom), round(HW[1] * zoom))
    view = View((0.0, 0.0, 800.0, 600.0), out_hw, flip)
    sizes = set()
    for seed in range(30):
        lifted = view.lift(pasted(seed, donor, view=view).instances)
        for x0, y0, x1, y1 in lifted.boxes:
            scale = (y1 - HORIZON) / 300
            assert y1 - y0 == pytest.approx(120 * scale, abs=2.5 / zoom)
            assert x1 - x0 == pytest.approx(60 * scale, abs=1.5 / zoom)
            sizes.add(round(float(y1 - y0)))
    assert len(sizes) > 12
    assert min(sizes) < 50
    assert max(sizes) > 110


def test_it_slides_along_its_own_line_to_the_vanishing_point() -> None:
    donor = scene([(500, 380, 560, 500)])  # its foot lies 130 right of the middle, 300 below
    for seed in range(40):
        for x0, _, x1, y1 in pasted(seed, donor).instances.boxes:
            side = ((x0 + x1) / 2 - 400) / (y1 - HORIZON)
            assert min(abs(side - 130 / 300), abs(side + 130 / 300)) < 0.7 + 0.05


def test_slides_stay_inside_the_view_and_the_range_of_sizes() -> None:
    donor = scene([(500, 380, 560, 500), (100, 250, 140, 300), (300, 210, 330, 260)])
    view = View((380.0, 220.0, 540.0, 380.0), (320, 320))
    for seed in range(20):
        chance = np.random.default_rng(seed)
        chosen = rules(scale=(0.3, 0.8))
        found = find_slides(donor, view, chosen, chance, horizon=HORIZON, mirrored=False)
        for ends in (found.low, found.high):
            feet = np.array([400, HORIZON]) + ends[:, None] * found.direction
            assert (feet >= np.array([380, 220]) - 1e-6).all()
            assert (feet <= np.array([540, 380]) + 1e-6).all()
        assert (found.low >= 0.3).all()
        assert (found.high <= 0.8).all()


def test_nothing_is_pasted_far_from_its_lines() -> None:
    donor = scene([(500, 380, 560, 500)])
    sky = View((0.0, 0.0, 100.0, 100.0), (100, 100))
    for seed in range(10):
        assert len(pasted(seed, donor, view=sky).instances) == 0


@pytest.mark.parametrize(
    ("boxes", "ignore"),
    [
        ([(500, 380, 560, 601)], []),  # cut by the frame's lower edge
        ([(0, 380, 60, 500)], []),  # by its left edge
        ([(500, 380, 560, 500)], [(540, 400, 580, 420)]),  # touches the ignore region
        ([(500, 150, 560, 203)], []),  # hardly below the horizon
        ([(500, 380, 510, 500)], []),  # narrow
    ],
)
def test_objects_that_may_not_be_whole_are_not_cut_out(
    boxes: list[tuple[int, int, int, int]], ignore: list[tuple[int, int, int, int]]
) -> None:
    boxes = [(x0, y0, x1, min(y1, HW[0])) for x0, y0, x1, y1 in boxes]
    donor = scene(boxes, ignore=ignore)
    assert all(len(pasted(seed, donor).instances) == 0 for seed in range(10))


def test_no_object_is_pasted_twice_into_a_view() -> None:
    donor = scene([(500, 380, 560, 500), (200, 300, 230, 360)])
    counts = [len(pasted(seed, donor, most=5).instances) for seed in range(20)]
    assert max(counts) == 2


def test_what_a_nearer_object_may_cover_and_fragments_are_not_cut_out() -> None:
    donor = scene([(500, 380, 560, 500), (550, 400, 620, 520)])
    chance = np.random.default_rng(0)
    found = find_slides(donor, native(), rules(), chance, horizon=HORIZON, mirrored=False)
    assert found.which.tolist() == [1]
    flag = np.zeros((120, 60), np.uint8)
    flag[:60], flag[60:, :10] = 255, 255  # what a pole in front leaves
    masks = CropMasks.pack_pixels([(500, 380)], [flag])
    torn = Frame("torn", donor.image, Instances.from_labels(masks, np.array([0])), donor.ignore)
    found = find_slides(torn, native(), rules(), chance, horizon=HORIZON, mirrored=False)
    assert len(found.which) == 0


# ---------------------------------------------------------------------------- who covers whom


def red_piece(height: int, width: int, label: int = 9) -> CutOut:
    donor = scene([(100, 100, 100 + width, 100 + height)])
    piece: CutOut = cut_out(donor, 0, mirrored=False, smallest=4.0)
    return CutOut(piece.image, piece.rim, piece.grid, label)


def test_the_nearer_covers_the_farther() -> None:
    seen = scene([(100, 100, 140, 160), (200, 100, 240, 220)])  # farther and nearer than row 200
    seen = paste(seen, red_piece(100, 40), (120, 100, 160, 200), Sampling())
    assert seen.instances.labels.tolist() == [0, 1, 9]
    np.testing.assert_array_equal(
        seen.instances.boxes, [(100, 100, 120, 160), (200, 100, 240, 220), (120, 100, 160, 200)]
    )
    seen = paste(seen, red_piece(100, 40), (180, 100, 220, 200), Sampling())
    np.testing.assert_array_equal(seen.instances.boxes[-1], (180, 100, 200, 200))
    np.testing.assert_array_equal(seen.instances.boxes[1], (200, 100, 240, 220))
    areas = mask_ops.area(seen.instances.masks).tolist()
    assert areas == [20 * 60, 40 * 120, 40 * 100, 20 * 100]
    shared = mask_ops.intersections(seen.instances.masks, seen.instances.masks)
    assert (shared == np.diag(areas)).all()


def test_pixels_are_those_of_the_cut_out_and_nobody_elses() -> None:
    before = scene([(200, 100, 240, 220)])
    before.image[:, 200:240] = (0, 200, 0)
    kept = before.image.copy()
    after = paste(before, red_piece(100, 40), (170, 100, 210, 200), Sampling())
    np.testing.assert_array_equal(before.image, kept)
    changed = (after.image != before.image).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[0] in {99, 100}
    assert rows[-1] in {199, 200}
    assert columns[0] in {169, 170}
    assert not changed[100:220, 200:240].any()  # the nearer object, no blending over it
    assert changed[110:190, 199].all()
    inner = after.image[110:190, 180:195].reshape(-1, 3).astype(int)
    assert (inner[:, 0] > inner[:, 1] + 60).all()


def test_what_is_covered_too_much_is_ignored_and_what_is_gone_is_gone() -> None:
    boxes = [(100, 100, 140, 160), (104, 120, 120, 150), (90, 100, 102, 160)]
    seen = paste(scene(boxes), red_piece(100, 40), (102, 100, 142, 200), Sampling(min_visible=0.25))
    assert seen.instances.labels.tolist() == [2, 9]  # 0 shows 2 of its 40 columns, 1 nothing
    np.testing.assert_array_equal(seen.ignore.boxes, [(100, 100, 102, 160)])
    dropping = Sampling(min_visible=0.25, drop_visible=0.1)
    seen = paste(scene(boxes), red_piece(100, 40), (102, 100, 142, 200), dropping)
    assert len(seen.ignore) == 0


def test_the_ignore_region_is_respected() -> None:
    before = scene([], ignore=[(120, 150, 200, 160)])
    after = paste(before, red_piece(100, 40), (100, 100, 140, 200), Sampling())
    assert after is before
    assert len(paste(before, red_piece(100, 40), (60, 100, 100, 200), Sampling()).instances) == 1


def test_a_cut_out_that_would_hardly_be_seen_is_not_pasted() -> None:
    before = scene([(100, 100, 140, 260)])
    assert paste(before, red_piece(100, 40), (105, 100, 145, 200), Sampling()) is before
    assert paste(before, red_piece(100, 40), (-30, 100, 10, 200), Sampling()) is before
    cut = paste(before, red_piece(100, 40), (-10, 100, 30, 200), Sampling())
    np.testing.assert_array_equal(cut.instances.boxes[-1], (0, 100, 30, 200))


def test_edges_are_blended_and_shrunk_cut_outs_have_no_halo() -> None:
    after = paste(scene([]), red_piece(100, 40), (100, 100, 120, 150), Sampling())
    row = after.image[125].astype(int)
    assert (np.abs(row[:98] - GREY) <= 1).all()
    redness = row[:, 0] - row[:, 1]
    assert redness[104:116].min() > 80
    assert 0 < redness[100] < redness[104] + 5
    assert redness[98] == 0


def test_cut_outs_take_on_the_light_of_the_place() -> None:
    dark, light = scene([]), scene([])
    dark.image[:], light.image[:] = 20, 235
    means = [
        paste(one, red_piece(100, 40), (100, 100, 140, 200), Sampling())
        .image[120:180, 110:130]
        .mean()
        for one in (dark, light)
    ]
    assert means[0] < 80 < 150 < means[1]


def test_mirrored_cut_outs_are_mirrored_with_their_masks() -> None:
    donor = scene([(100, 100, 140, 200)])
    donor.image[100:200, 100:110] = (0, 0, 255)
    grid = np.full((100, 40), 255, np.uint8)
    grid[:50, :10] = 0
    masks = CropMasks.pack_pixels([(100, 100)], [grid])
    shaped = Frame("a", donor.image, Instances.from_labels(masks, np.array([0])), donor.ignore)
    plain, mirrored = (cut_out(shaped, 0, mirrored=m, smallest=4.0) for m in (False, True))
    np.testing.assert_array_equal(plain.image[:, ::-1], mirrored.image)
    np.testing.assert_array_equal(plain.grid[:, ::-1], mirrored.grid)
    rim = plain.rim
    np.testing.assert_array_equal(plain.image[rim:-rim, rim:-rim], donor.image[100:200, 100:140])


# ---------------------------------------------------------------------------- in a run


def chosen(**changes: object) -> Recipe:
    sampling = Sampling.model_validate(
        {
            "view": 96,
            "zoom": (0.8, 1.25),
            "views_per_frame": 2,
            "copy_paste": {"share": 1.0, "horizon": 0.1, **changes},
        }
    )
    return lite().model_copy(update={"sampling": sampling})


def samples(store: FrameStore, recipe: Recipe, order: range) -> list[Frame]:
    return [make_sample(store, i, shape_of(0, recipe.sampling, 0), recipe) for i in order]


def test_samples_with_pasted_objects_repeat_whatever_was_made_before(tmp_path: Path) -> None:
    def store(kept: int) -> FrameStore:
        listed = items(tmp_path)
        return FrameStore(listed, kept_bytes=kept, draws=Draws.even(3, horizon=0.1))

    forth = samples(store(2**30), chosen(), range(16))
    back = samples(store(1), chosen(), range(15, -1, -1))[::-1]
    plain = samples(store(2**30), chosen(share=0.0), range(16))
    for one, other in zip(forth, back, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.instances.boxes, other.instances.boxes)
        np.testing.assert_array_equal(one.instances.masks.coverage, other.instances.masks.coverage)
    more = [len(a.instances) > len(b.instances) for a, b in zip(forth, plain, strict=True)]
    assert sum(more) > 3


def test_nothing_is_pasted_without_a_horizon(tmp_path: Path) -> None:
    recipe = chosen(horizon=None)
    made = samples(FrameStore(items(tmp_path)), recipe, range(12))
    plain = samples(FrameStore(items(tmp_path)), chosen(share=0.0), range(12))
    for one, other in zip(made, plain, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
