"""Focus: where it looks, what it costs, and that it is the same again."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from _street import HW, INFO, SMALL, inside, instances, street, views_of
from hypothesis import given, settings, strategies as st

from tinyseg.errors import DataError
from tinyseg.frame import Instances
from tinyseg.views import Focus, FrameInfo, learn_prior
from tinyseg.views.choose import choose_rects
from tinyseg.views.evidence import OCTAVES, Grid, gain_of_zoom, hints, octaves_of

# Hints and what a look is worth


def test_octaves_and_worth_by_hand() -> None:
    sizes = np.array([0.0, 7.9, 8.0, 31.9, 32.0, 1000.0])
    assert octaves_of(sizes).tolist() == [0, 0, 1, 2, 3, 5]
    gain = gain_of_zoom(zoom=2.0, scale=0.66)
    # 11.3 pixels: 22.6 in a 2x view, .5 + .4 * 6.6 / 24 found; 7.5 in the whole frame, none.
    assert gain[1] == pytest.approx(0.61, abs=0.01)
    assert gain[4] == gain[5] == 0
    assert (gain_of_zoom(zoom=0.5, scale=1.0) == 0).all()


def test_a_hint_speaks_for_its_place_and_its_row() -> None:
    evidence = hints(instances((100, 60, 106, 66), scores=0.5), HW)
    tiny = evidence[0]
    row, column = np.unravel_index(tiny.argmax(), tiny.shape)
    grid = Grid.of(HW)
    assert abs(grid.centres(0)[row] - 63) <= grid.cell / 2
    assert abs(grid.centres(1)[column] - 103) <= grid.cell / 2
    assert tiny.sum() == pytest.approx(0.5 * 1.3)
    assert tiny[row].sum() > 0.9 * tiny[row - 3].sum()
    assert tiny[row, -1] > 100 * tiny[row + 20, -1]
    # A tall one says the row below its top, and less surely.
    tall = hints(instances((100, 60, 160, 160)), HW)[0].sum(axis=1)
    assert abs(grid.centres(0)[tall.argmax()] - 85) <= grid.cell
    assert hints(Instances.empty(), HW).sum() == 0


def test_what_lies_outside_the_frame_stays_a_number() -> None:
    found = instances((1, 1, 9, 9))
    away = replace(found, boxes=found.boxes + 1e5)
    assert np.isfinite(hints(away, HW)).all()


# Choosing


@settings(max_examples=20, deadline=None)
@given(
    st.tuples(st.integers(10, 300), st.integers(10, 300)),
    st.tuples(st.integers(16, 128), st.integers(16, 128)),
    st.integers(1, 9),
    st.integers(0, 1000),
)
def test_chosen_rectangles_are_few_in_the_frame_and_the_same_again(
    hw: tuple[int, int], side: tuple[int, int], most: int, seed: int
) -> None:
    weights = np.random.default_rng(seed).random(Grid.of(hw).shape) ** 8
    sides = (float(side[0]), float(side[1]))
    rects = choose_rects(weights, hw, side_hw=sides, most=most, least=1e-3)
    assert len(rects) == len(set(rects)) <= most
    for x0, y0, x1, y1 in rects:
        assert (x1 - x0, y1 - y0) == (side[1], side[0])
        assert 0 <= x0 <= max(hw[1] - side[1], 0)
        assert 0 <= y0 <= max(hw[0] - side[0], 0)
    assert choose_rects(weights, hw, side_hw=sides, most=most, least=1e-3) == rects


def test_one_rectangle_is_the_best_of_all() -> None:
    """By trying every one of them, with sums written out."""
    rng = np.random.default_rng(3)
    weights = rng.random(Grid.of(HW).shape) ** 20
    (rect,) = choose_rects(weights, HW, side_hw=(70.0, 90.0), most=1, least=0.0)
    grid = Grid.of(HW)

    def gain(x0: float, y0: float) -> float:
        total = 0.0
        for octave, reach in enumerate(OCTAVES[1:]):
            y, x = grid.centres(0)[:, None], grid.centres(1)
            rows = ((y >= y0 + reach) | (y0 <= 0)) & ((y <= y0 + 70 - reach) | (y0 + 70 >= HW[0]))
            cols = ((x >= x0 + reach) | (x0 <= 0)) & ((x <= x0 + 90 - reach) | (x0 + 90 >= HW[1]))
            total += float(weights[octave][rows & cols].sum())
        return total

    xs, ys = [*range(0, 250, 4), 250], [*range(int(rect[1]) % 20, 200, 20), 200]
    assert gain(*rect[:2]) == pytest.approx(max(gain(x, y) for x in xs for y in ys))


def test_even_weight_in_a_row_is_covered_without_a_gap() -> None:
    weights = np.zeros(Grid.of(HW).shape)
    weights[0, 30:33] = 1.0
    rects = choose_rects(weights, HW, side_hw=(48.0, 100.0), most=4, least=0.1)
    edges = sorted((x0, x1) for x0, _, x1, _ in rects)
    assert edges[0][0] == 0
    assert edges[-1][1] == HW[1]
    assert all(b[0] <= a[1] - 2 * OCTAVES[1] + 4 for a, b in pairwise(edges))


def test_nothing_expected_nothing_looked_at() -> None:
    weights = np.zeros(Grid.of(HW).shape)
    assert choose_rects(weights, HW, side_hw=(48.0, 100.0), most=4, least=1e-3) == []


# Focus


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(32, 300), st.integers(32, 300)),
    st.floats(0.0082, 0.2),
    st.sampled_from([1.0, 2.0, 3.0]),
    st.integers(0, 100),
)
def test_focus_keeps_its_budget_and_is_the_same_again(
    hw: tuple[int, int], budget_mp: float, zoom: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    middle = rng.random((4, 2)) * np.array(hw[::-1])
    found = instances((0, 0, 4, 4), (0, 0, 6, 6), (0, 0, 9, 9), (0, 0, 40, 40), scores=0.4)
    found = replace(found, boxes=found.boxes + np.tile(middle, 2))
    plan = replace(SMALL, budget_mp=budget_mp, zoom=zoom, answers_for=(0.0, 30.0), source="first")
    info = FrameInfo(hw)
    views = views_of(plan.then(info, found))
    assert len(views) * 64 * 128 <= budget_mp * 1e6 + 1e-3
    assert {view.out_hw for view in views} <= {(64, 128)}
    assert {view.answers_for for view in views} <= {(0.0, 30.0)}
    assert all(np.allclose(view.scale_xy, zoom) for view in views)
    assert views_of(plan.then(info, found)) == views
    assert views_of(plan.first(info))[0].rect == (0, 0, hw[1], hw[0])


def test_a_small_frame_gets_fewer_zoomed_views() -> None:
    plan = Focus(1.0, 2.0, (64, 128), (0.0, 30.0), "first", budget_share=1.5)
    found = instances((10, 10, 14, 14), (50, 40, 54, 44), (90, 50, 94, 54), scores=0.6)
    for hw, most in (((60, 100), 1), ((100, 128), 2), ((200, 256), 9)):
        views = replace(plan, short_side=hw[0]).then(FrameInfo(hw), found)
        assert 1 <= len(views) <= most
        alone = replace(plan, short_side=hw[0], budget_share=None).then(FrameInfo(hw), found)
        assert len(alone) > len(views)


def test_focus_looks_where_the_prior_says() -> None:
    prior = learn_prior([street(), street()])
    plan = replace(SMALL, source="prior", prior=prior)
    first, *zoomed = views_of(plan.first(INFO))
    assert first.answers_for == (0, np.inf)
    assert 4 <= len(zoomed) <= 6
    small = street().instances.boxes[:5].tolist()
    assert all(any(inside(tuple(box), view) for view in zoomed) for box in small)
    assert plan.then(INFO, Instances.empty()) == []


def test_focus_looks_at_what_the_first_pass_found_and_along_its_row() -> None:
    found = instances((100, 60, 106, 66), (230, 61, 236, 67), scores=0.6)
    views = views_of(replace(SMALL, source="first").then(INFO, found))
    assert all(any(inside(tuple(box), view) for view in views) for box in found.boxes.tolist())
    assert sum(view.rect[1] <= 63 <= view.rect[3] for view in views) >= 5


def test_a_first_pass_that_magnifies_as_much_leaves_nothing_to_look_at() -> None:
    prior = learn_prior([street()])
    near = replace(SMALL, source="prior", prior=prior, short_side=540, coarser=0)
    assert len(near.first(INFO)) == 1


def test_where_nothing_is_known_the_middle_rows_are_looked_at() -> None:
    views = views_of(replace(SMALL, source="first").then(INFO, Instances.empty()))
    assert views
    assert all(view.rect[1] <= 150 and view.rect[3] >= 120 for view in views[:5])


@pytest.mark.parametrize(
    ("zoom", "budget_mp", "view"),
    [(0.0, 1.0, (64, 64)), (2.0, 0.001, (64, 64)), (2.0, 1.0, (16, 64)), (np.inf, 1.0, (64, 64))],
)
def test_impossible_focuses_are_refused(
    zoom: float, budget_mp: float, view: tuple[int, int]
) -> None:
    with pytest.raises(DataError, match="a focus needs"):
        Focus(budget_mp, zoom, view)


def test_unknown_sources_are_refused() -> None:
    with pytest.raises(DataError, match="source"):
        Focus(source="second")
    with pytest.raises(DataError, match="needs a prior"):
        Focus(source="prior").first(INFO)
