"""Many looks at one frame become its instances."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jaxtyping import Bool
from pydantic import TypeAdapter, ValidationError

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.merge import MergeRules, Seen, merge
from tinyseg.views import View

FRAME_HW = (64, 96)
WHOLE = View((0.0, 0.0, 96.0, 64.0), FRAME_HW)
LEFT, RIGHT = View((0.0, 0.0, 56.0, 64.0), (64, 56)), View((40.0, 0.0, 96.0, 64.0), (64, 56))
RULES = MergeRules()

Box = tuple[int, int, int, int]
Row = tuple[Box, int, float]


def found(*rows: Row) -> Instances:
    """Full rectangles in pixel form, each with a label and a score."""
    grids = [np.full((y1 - y0, x1 - x0), 255, np.uint8) for (x0, y0, x1, y1), _, _ in rows]
    masks = CropMasks.pack_pixels([row[0][:2] for row in rows], grids)
    labels = np.array([row[1] for row in rows], np.int64)
    return Instances(masks.boxes, masks, labels, np.array([row[2] for row in rows], np.float64))


def cut_to(view: View, instances: Instances) -> Seen:
    """What a perfect detector reports of these instances in a view."""
    masks = mask_ops.cut(instances.masks, view.rect)
    shown = np.flatnonzero(masks.grid_hw.prod(axis=1))
    masks = masks.select(shown)
    return Seen(
        view, Instances(masks.boxes, masks, instances.labels[shown], instances.scores[shown])
    )


def boxes(instances: Instances) -> list[list[float]]:
    return instances.masks.boxes.tolist()


def test_nothing_seen_is_nothing_found() -> None:
    assert len(merge([], FRAME_HW, RULES)) == 0
    assert len(merge([Seen(LEFT, Instances.empty()), Seen(RIGHT, found())], FRAME_HW, RULES)) == 0


def test_halves_cut_by_a_border_are_the_whole() -> None:
    truth = found(((10, 20, 90, 40), 2, 0.8))
    merged = merge([cut_to(LEFT, truth), cut_to(RIGHT, truth)], FRAME_HW, RULES)
    assert boxes(merged) == [[10, 20, 90, 40]]
    assert merged.boxes.tolist() == [[10, 20, 90, 40]]
    assert merged.masks.coverage.min() == 255
    assert merged.labels.tolist() == [2]


def test_parts_whose_views_share_too_little_stay_apart() -> None:
    far = View((58.0, 0.0, 96.0, 64.0), (64, 38))
    truth = found(((10, 20, 90, 40), 2, 0.8))
    assert len(merge([cut_to(LEFT, truth), cut_to(far, truth)], FRAME_HW, RULES)) == 2


def test_neighbours_stay_apart_however_close() -> None:
    rows: list[Row] = [((38 + 3 * k, 20, 41 + 3 * k, 40), 0, 0.9 - 0.01 * k) for k in range(6)]
    truth = found(*rows)
    merged = merge([cut_to(view, truth) for view in (WHOLE, LEFT, RIGHT)], FRAME_HW, RULES)
    assert sorted(boxes(merged)) == sorted(boxes(truth))


def test_what_one_look_told_apart_stays_apart() -> None:
    """A second look that took two for one joins the one that it agrees with more."""
    apart = found(((10, 10, 22, 20), 0, 0.9), ((22, 10, 32, 20), 0, 0.9))
    merged = merge(
        [Seen(WHOLE, apart), Seen(LEFT, found(((10, 10, 32, 20), 0, 0.3)))], FRAME_HW, RULES
    )
    assert len(merged) == 2


def test_duplicates_from_flips_and_scales_take_a_vote() -> None:
    views = [
        WHOLE,
        View(WHOLE.rect, FRAME_HW, flip=True),
        View(WHOLE.rect, (128, 192)),
    ]
    parts = [found(((10, 10, 30, 30 + k), 1, 0.5)) for k in (0, 0, 2)]
    rules = MergeRules(unseen=0.0)
    merged = merge([Seen(v, p) for v, p in zip(views, parts, strict=True)], FRAME_HW, rules)
    assert len(merged) == 1
    assert boxes(merged) == [[10, 10, 30, 30]]
    assert merged.scores.tolist() == pytest.approx([0.5])


def test_a_sure_look_outvotes_two_unsure_ones() -> None:
    parts = [found(((10, 10, 30, 30), 1, 0.3)), found(((10, 10, 30, 32), 1, 0.9))]
    merged = merge([Seen(WHOLE, parts[k > 1], k) for k in range(3)], FRAME_HW, RULES)
    assert boxes(merged) == [[10, 10, 30, 32]]


def test_soft_masks_are_averaged_not_their_pixels() -> None:
    """Two soft masks that each stop short of a pixel, or overshoot: their mean decides."""
    box = np.array([[10.0, 10.0, 14.0, 14.0]])
    weak, strong = np.full((4, 4), 100, np.uint8), np.full((4, 4), 180, np.uint8)
    parts = [
        Instances(box, CropMasks.pack(box, [grid]), np.zeros(1, np.int64), np.array([0.5]))
        for grid in (weak, strong)
    ]
    merged = merge(
        [Seen(WHOLE, parts[0], 0), Seen(WHOLE, parts[1], 1), Seen(WHOLE, parts[1], 2)],
        FRAME_HW,
        MergeRules(link_iou=0.0),
    )
    assert boxes(merged) == [[10, 10, 14, 14]]


def test_the_score_is_the_surest_looks_less_if_others_could_have_seen_it() -> None:
    first, second = found(((10, 10, 30, 30), 0, 0.9)), found(((10, 10, 30, 30), 0, 0.3))
    rules = MergeRules(model_weights=(3.0, 1.0))
    both = merge([Seen(WHOLE, first, 0), Seen(WHOLE, second, 1)], FRAME_HW, rules)
    assert both.scores.tolist() == [0.9]
    alone = merge([Seen(WHOLE, first, 0), Seen(WHOLE, found(), 1)], FRAME_HW, rules)
    assert alone.scores.tolist() == pytest.approx([0.9 * (3 / 4) ** 0.5])


def test_a_look_that_does_not_answer_neither_reports_nor_counts() -> None:
    near = View(LEFT.rect, LEFT.out_hw, answers_for=(0.0, 12.0))
    truth = found(((10, 10, 30, 30), 0, 0.8), ((40, 10, 50, 20), 0, 0.7))
    merged = merge([Seen(WHOLE, truth), cut_to(near, truth)], FRAME_HW, RULES)
    assert boxes(merged) == [[10, 10, 30, 30], [40, 10, 50, 20]]
    assert merged.scores.tolist() == pytest.approx([0.8, 0.7])


def test_one_place_has_one_class_the_better_one() -> None:
    rows: list[Row] = [((10, 10, 30, 30), 0, 0.6), ((10, 10, 30, 31), 1, 0.8)]
    merged = merge([Seen(WHOLE, found(*rows))], FRAME_HW, RULES)
    assert merged.labels.tolist() == [1]
    assert len(merge([Seen(WHOLE, found(*rows))], FRAME_HW, MergeRules(conflict_iou=1.0))) == 2


def test_a_fragment_inside_a_better_one_goes() -> None:
    rows: list[Row] = [((10, 10, 50, 50), 0, 0.8), ((40, 30, 52, 40), 0, 0.5)]
    assert boxes(merge([Seen(WHOLE, found(*rows))], FRAME_HW, RULES)) == [[10, 10, 50, 50]]


def test_a_pixel_has_one_owner_if_so_wished() -> None:
    rows: list[Row] = [((10, 10, 30, 30), 0, 0.6), ((20, 10, 40, 30), 1, 0.8)]
    rules = MergeRules(exclusive=True)
    merged = merge([Seen(WHOLE, found(*rows))], FRAME_HW, rules)
    assert boxes(merged) == [[20, 10, 40, 30], [10, 10, 20, 30]]


def test_keep_is_a_limit_on_the_best() -> None:
    rows: list[Row] = [((10 * k, 10, 10 * k + 5, 20), 0, 0.1 * k) for k in range(1, 8)]
    merged = merge([Seen(WHOLE, found(*rows))], FRAME_HW, MergeRules(keep=2))
    assert merged.scores.tolist() == pytest.approx([0.7, 0.6])


def test_what_lies_outside_view_or_frame_is_not_there() -> None:
    beyond = View((60.0, 0.0, 124.0, 64.0), (64, 64))
    part = found(((90, 10, 110, 20), 0, 0.9), ((100, 10, 110, 20), 0, 0.8))
    assert boxes(merge([Seen(beyond, part)], FRAME_HW, RULES)) == [[90, 10, 96, 20]]


def test_large_masks_are_compared_at_fewer_points() -> None:
    hw = (700, 900)
    left, right = View((0.0, 0.0, 600.0, 700.0), (700, 600)), View((300.0, 0.0, 900.0, 700.0), hw)
    truth = found(((11, 13, 877, 655), 0, 0.8))
    merged = merge([cut_to(left, truth), cut_to(right, truth)], hw, RULES)
    assert boxes(merged) == [[11, 13, 877, 655]]
    assert merged.masks.coverage.min() == 255


def test_rules_are_checked_where_they_are_read() -> None:
    reader = TypeAdapter(MergeRules)
    assert reader.validate_python({"keep": 5}) == MergeRules(keep=5)
    for bad in ({"keep": 0}, {"link_iou": 1.5}, {"nonsense": 1}, {"model_weights": [0.0]}):
        with pytest.raises(ValidationError):
            reader.validate_python(bad)


def random_views(rng: np.random.Generator, count: int) -> list[View]:
    views = []
    for _ in range(count):
        x0, y0 = rng.uniform(-10, 50, 2)
        width, height = rng.uniform(20, 70, 2)
        size = (int(rng.integers(20, 90)), int(rng.integers(20, 90)))
        views.append(View((x0, y0, x0 + width, y0 + height), size, bool(rng.integers(2))))
    return views


def random_seen(seed: int) -> list[Seen]:
    """Soft and hard masks anywhere in a few views; some places are shared."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 50, (4, 2))
    seen = []
    for view in [WHOLE, *random_views(rng, int(rng.integers(0, 4)))]:
        count = int(rng.integers(0, 6))
        low = places[rng.integers(0, 4, count)] + rng.normal(0, 1.5, (count, 2))
        spans = np.concatenate([low, low + rng.uniform(0.5, 25, (count, 2))], axis=1)
        spans = np.clip(
            spans, *(np.array(view.rect * 1)[[0, 1, 0, 1]], np.array(view.rect)[[2, 3, 2, 3]])
        )
        if rng.integers(2):
            spans = np.rint(spans)
        hw = [(5, 7)] * count
        if (spans == np.rint(spans)).all() and rng.integers(2):
            hw = [(int(b[3] - b[1]), int(b[2] - b[0])) for b in spans]
        grids = [rng.integers(0, 256, size).astype(np.uint8) for size in hw]
        labels, scores = rng.integers(0, 2, count), rng.integers(0, 5, count) / 4
        found_here = Instances(spans, CropMasks.pack(spans, grids), labels, scores)
        seen.append(Seen(view, found_here, int(rng.integers(2))))
    return seen


def claimed(seen: list[Seen], label: int) -> Bool[np.ndarray, "h w"]:
    """The pixels that any input of the class holds."""
    canvas = np.zeros(FRAME_HW, np.bool_)
    for s in seen:
        masks = s.instances.masks.select(s.instances.labels == label)
        canvas |= mask_ops.paint(masks, FRAME_HW) > 0
    return canvas


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_order_is_nothing_and_nothing_is_invented(seed: int, exclusive: bool) -> None:
    seen, rng = random_seen(seed), np.random.default_rng(seed)
    rules = MergeRules(exclusive=exclusive)
    merged = merge(seen, FRAME_HW, rules)
    shuffled = []
    for index in rng.permutation(len(seen)).tolist():
        part = seen[index]
        order = rng.permutation(len(part.instances))
        shuffled.append(Seen(part.view, part.instances.select(order), part.model))
    again = merge(shuffled, FRAME_HW, rules)
    for a, b in (
        (merged.boxes, again.boxes),
        (merged.scores, again.scores),
        (merged.labels, again.labels),
        (merged.masks.boxes, again.masks.boxes),
        (merged.masks.coverage, again.masks.coverage),
    ):
        assert a.tobytes() == b.tobytes()
    assert merged.masks.in_pixel_form().all()
    assert (np.diff(merged.scores) <= 0).all()
    for label in (0, 1):
        mine = mask_ops.paint(merged.masks.select(merged.labels == label), FRAME_HW) > 0
        assert not (mine & ~claimed(seen, label)).any()
    if exclusive:
        assert (
            mask_ops.area(merged.masks).sum() == (mask_ops.paint(merged.masks, FRAME_HW) > 0).sum()
        )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 90), st.integers(20, 90))
def test_any_cut_of_separate_objects_heals(seed: int, right_end: int, left_start: int) -> None:
    """Perfect parts from two tiles that overlap by 16 pixels or more give the objects back."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for k in range(int(rng.integers(1, 6))):
        x0 = int(rng.integers(0, 60))
        size = (x0, 11 * k, x0 + int(rng.integers(6, 36)), 11 * k + int(rng.integers(5, 12)))
        rows.append((size, int(rng.integers(0, 2)), 0.5 + 0.05 * k))
    end = float(max(right_end, 30))
    start = float(min(left_start, end - 16))
    views = [View((0.0, 0.0, end, 64.0), (64, 64)), View((start, 0.0, 96.0, 64.0), (64, 64))]
    truth = found(*rows)
    merged = merge([cut_to(view, truth) for view in views], FRAME_HW, RULES)
    assert sorted(boxes(merged)) == sorted(boxes(truth))


def test_a_thousand_detections_of_a_large_frame_take_little_memory() -> None:
    hw, rng = (2710, 3384), np.random.default_rng(0)
    view = View((0.0, 0.0, 3384.0, 2710.0), hw)
    sides = np.exp(rng.uniform(2, 6, (500, 2)))
    sides[::50] = 1500.0
    low = rng.uniform(0, 1, (500, 2)) * (np.array([3384.0, 2710.0]) - sides)
    spans = np.concatenate([low, low + sides], axis=1)
    masks = CropMasks.pack(spans, [np.full((28, 28), 200, np.uint8)] * 500)
    part = Instances(spans, masks, rng.integers(0, 7, 500), rng.uniform(0, 1, 500))
    tracemalloc.start()
    merged = merge([Seen(view, part, model) for model in (0, 1)], hw, RULES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(merged) == RULES.keep
    assert peak < 2**28
