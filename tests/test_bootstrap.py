"""Intervals and comparisons: against frames written out as often as drawn, and on made data."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from _drawn import CLASSES, Drawn, box, draw_frame, pycocotools_averages, to_records
from hypothesis import given, settings, strategies as st
from jaxtyping import Float64, Int64
from rich.console import Console

from tinyseg.errors import DataError
from tinyseg.scoring.bootstrap import (
    FIGURES,
    Intervals,
    draw_frames,
    draw_units,
    ends,
    intervals,
    resampled,
    units_of,
)
from tinyseg.scoring.compare import Comparison, compare_scores
from tinyseg.scoring.curves import average_precision, resampled_precision
from tinyseg.scoring.matches import IOUS, NOTHING, Matches
from tinyseg.scoring.pairs import FramePairs, pair_frames
from tinyseg.scoring.score import score_frames
from tinyseg.scoring.tables import (
    comparison_table,
    comparison_to_json,
    intervals_table,
    intervals_to_json,
    signed_text,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def to_pairs(frames: list[Drawn]) -> list[FramePairs]:
    predictions, truth = to_records(frames)
    return pair_frames(predictions, truth, classes=CLASSES)


def drawn(seed: int, count: int, most_found: int = 15) -> list[Drawn]:
    """Frames without ties: those have another order when a frame is written out twice."""
    rng = np.random.default_rng(seed)
    frames = [draw_frame(rng, most_found) for _ in range(count)]
    return [f._replace(found=[(b, c, rng.random()) for b, c, _ in f.found]) for f in frames]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_a_resample_equals_pycocotools_on_frames_written_out(seed: int, count: int) -> None:
    frames = drawn(seed, count)
    weights = draw_frames(count, 2, seed=seed)
    values = resampled(to_pairs(frames), CLASSES, weights)
    for sample, row in zip(weights.tolist(), values, strict=True):
        copies = [f for f, times in zip(frames, sample, strict=True) for _ in range(times)]
        mean, by_class = pycocotools_averages(copies, len(CLASSES), 300)
        any_class, _ = pycocotools_averages(copies, 1, 300)
        expected = np.array([mean, any_class, *by_class])
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-9, equal_nan=True)


def test_frames_as_they_are_score_as_always() -> None:
    predictions, truth = to_records(drawn(3, 6))
    scores = score_frames(predictions, truth, classes=CLASSES)
    pairs = pair_frames(predictions, truth, classes=CLASSES)
    (row,) = resampled(pairs, CLASSES, np.ones((1, 6), np.int64))
    expected = [scores.averages, scores.any_class, *(c.averages for c in scores.classes)]
    np.testing.assert_allclose(row, [astuple(e) for e in expected], atol=1e-9, equal_nan=True)


def made_matches(rng: np.random.Generator, frames: int, alike: int = 1) -> Matches:
    """Frames that differ in how hard they are, `alike` ones in a row but not; 4 labels each. At IoU
    .50 detections are right by their score, at others none is."""
    count = rng.poisson(6, frames)
    frame = np.repeat(np.arange(frames), count)
    hardness = rng.beta(2, 2, frames)[frame - frame % alike]
    scores = rng.random(len(frame))
    right = rng.random(len(frame)) < scores * (1 - hardness)
    # Of the detections of a frame, which lie together, the first four that are right stay so.
    before: Int64[np.ndarray, " n"] = np.cumsum(right) - right
    starts = np.searchsorted(frame, np.arange(frames))
    right &= before - np.append(before, 0)[starts][frame] < 4
    best_first = np.argsort(-scores, kind="stable")
    at_all = np.zeros((len(IOUS), len(frame)), np.bool_)
    at_all[0] = right[best_first]
    return Matches(
        frame[best_first],
        scores[best_first],
        best_first,
        at_all,
        np.zeros_like(at_all),
        np.where(at_all, 0, NOTHING),
        np.full(frames, 4),
    )


def test_many_samples_equal_one_at_a_time() -> None:
    matches = made_matches(np.random.default_rng(0), 70)
    weights = draw_frames(70, 80, seed=1)
    together = resampled_precision(matches, weights)
    alone = np.stack([average_precision(matches, sample) for sample in weights])
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    truth = resampled_precision(made_matches(rng, 40_000), np.ones((1, 40_000), np.int64))[0, 0]
    held, repeats, frames = 0, 200, 60
    for seed in range(repeats):
        values = resampled_precision(made_matches(rng, frames), draw_frames(frames, 128, seed=seed))
        low, high = ends(values[:, None, :1])
        held += bool(low[0, 0] <= truth <= high[0, 0])
    # 95 % are meant. AP over few frames is itself too high, since precision is made to fall by
    # taking the best that follows, and resamples do it once more: of 60 frames 91 % were measured,
    # with 400 resamples. By chance 200 repeats stray by 2 % (one standard deviation).
    assert 0.86 <= held / repeats <= 0.98


def test_frames_of_a_clip_drawn_one_by_one_seem_to_know_more_than_they_do() -> None:
    rng = np.random.default_rng(4)
    clip = np.repeat(np.arange(30), 20)
    widths = []
    for units in (np.arange(600), clip):
        values = resampled_precision(
            made_matches(rng, 600, alike=20), draw_units(units, 128, seed=0)
        )
        low, high = ends(values[:, None, :1])
        widths.append(high.item() - low.item())
    # Of 200 made sets of 20 clips 55 % held the truth by frames, 92 % by clips; the widths were
    # .047 and .110.
    assert widths[1] > 1.6 * widths[0]


def test_intervals_hold_the_figures_and_follow_the_seed() -> None:
    frames = drawn(11, 20)
    pairs = to_pairs(frames)
    scores = score_frames(*to_records(frames), classes=CLASSES)
    spans = intervals(pairs, CLASSES, resamples=64, seed=4)
    for own, span in zip(scores.classes, spans.classes, strict=True):
        for value, low, high in zip(
            *map(astuple, (own.averages, span.low, span.high)), strict=True
        ):
            assert math.isnan(value) == math.isnan(low) == math.isnan(high)
            assert math.isnan(value) or low <= value <= high
    again, other = (intervals(pairs, CLASSES, resamples=64, seed=s) for s in (4, 5))
    assert str(again) == str(spans) != str(other)


def test_clips_are_drawn_whole() -> None:
    pairs = to_pairs(drawn(5, 6))
    clips = {"f0": "a", "f1": "b", "f2": "a", "f3": None, "f4": "b", "f5": None}
    units = units_of(pairs, clips.get)
    assert units.tolist() == [0, 1, 0, 3, 1, 5]
    weights = draw_units(units, 50, seed=0)
    np.testing.assert_array_equal(weights[:, [0, 1]], weights[:, [2, 4]])
    # Four units: two clips and two frames of no known clip.
    assert (weights[:, [0, 1, 3, 5]].sum(axis=1) == 4).all()
    assert len(np.unique(weights, axis=0)) > 10
    spans = intervals(pairs, CLASSES, resamples=20, clip_of=clips.get)
    assert (spans.drawn, spans.frames) == (4, 6)
    assert "20 resamples of 4 clips of 6 frames" in table_text(spans)
    assert "4 clips are too few" in table_text(spans)


def test_one_frame_has_no_spread_and_says_it_is_too_few() -> None:
    hw = (20, 20)
    label = box(hw, 2, 2, 12, 12)
    frames = [Drawn(hw, [(label, 0), (box(hw, 14, 14, 18, 18), 0)], [], [(label, 0, 0.9)])]
    spans = intervals(to_pairs(frames), CLASSES, resamples=10)
    # One of two is found: precision is 1 at recalls 0 ... .5, 51 of 101.
    assert spans.classes[0].low.ap == spans.classes[0].high.ap == pytest.approx(51 / 101)
    assert spans.few
    assert math.isnan(spans.classes[1].low.ap)
    text = table_text(spans)
    assert ".505-.505" in text
    assert "1 frame is too few" in text


def table_text(shown: Intervals | Comparison) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        if isinstance(shown, Comparison):
            console.print(comparison_table(shown))
        else:
            console.print(intervals_table(shown, CLASSES))
    return captured.get()


def worse(frames: list[Drawn]) -> list[Drawn]:
    """The same frames, where every third detection is lost."""
    return [frame._replace(found=frame.found[::3]) for frame in frames]


def test_against_itself_nothing_is_known() -> None:
    pairs = to_pairs(drawn(2, 12))
    compared = compare_scores(pairs, pairs, CLASSES, resamples=50)
    known = [d for row in compared.rows for d in row.differences if not math.isnan(d.a)]
    assert len(known) > 10
    assert {(d.difference, d.low, d.high, d.b_better) for d in known} == {(0, 0, 0, 0.5)}


def test_the_other_way_round_is_the_same_with_other_signs() -> None:
    frames = drawn(9, 14)
    a, b = to_pairs(frames), to_pairs(worse(frames))
    forth, back = (compare_scores(*two, CLASSES, resamples=80, seed=3) for two in ((a, b), (b, a)))
    assert [row.name for row in forth.rows] == ["all classes", "any class", *CLASSES]
    for one, other in zip(flat(forth), flat(back), strict=True):
        expected = [other[1], other[0], -other[3], -other[2], 1 - other[4]]
        np.testing.assert_allclose(one, expected, atol=1e-12, equal_nan=True)


def flat(compared: Comparison) -> list[list[float]]:
    differences = [d for row in compared.rows for d in row.differences]
    return [[d.a, d.b, d.low, d.high, d.b_better] for d in differences]


def slow_differences(a: list[Drawn], b: list[Drawn], seed: int) -> Float64[np.ndarray, " samples"]:
    """AP of any class, B - A, each sample's frames written out and scored by hotcoco."""
    out = []
    for sample in draw_frames(len(a), 8, seed=seed).tolist():
        aps = []
        for frames in (a, b):
            copies = [f for f, times in zip(frames, sample, strict=True) for _ in range(times)]
            aps.append(score_frames(*to_records(copies), classes=CLASSES).any_class.ap)
        out.append(aps[1] - aps[0])
    return np.array(out)


def test_a_comparison_equals_samples_written_out() -> None:
    frames = drawn(21, 5)
    other = worse(frames)
    compared = compare_scores(to_pairs(frames), to_pairs(other), CLASSES, resamples=8, seed=6)
    slow = slow_differences(frames, other, seed=6)
    own = compared.rows[1].of("ap")
    assert own.low == pytest.approx(np.percentile(slow, 2.5), abs=1e-9)
    assert own.high == pytest.approx(np.percentile(slow, 97.5), abs=1e-9)
    assert own.b_better == (np.mean(slow > 0) + np.mean(slow == 0) / 2)


def test_what_is_clearly_worse_is_called_so() -> None:
    hw = (30, 30)
    label, wrong = box(hw, 2, 2, 12, 12), box(hw, 15, 15, 25, 25)
    good = [Drawn(hw, [(label, 0)], [], [(label, 0, 0.9)])] * 12
    bad = [frame._replace(found=[(wrong, 0, 0.9)]) for frame in good]
    compared = compare_scores(to_pairs(good), to_pairs(bad), CLASSES, resamples=30)
    own = compared.rows[0].of("ap")
    assert (own.a, own.b, own.low, own.high, own.b_better) == (1, 0, -1, -1, 0)
    assert not compared.few
    assert "-1.000 ... -1.000" in table_text(compared)
    assert "too few" not in table_text(compared)


def test_as_json_the_figures_have_names() -> None:
    pairs = to_pairs(drawn(2, 3))
    told = intervals_to_json(intervals(pairs, CLASSES, resamples=5), CLASSES)
    assert told["too_few"] is True
    assert isinstance(told["averages"], dict)
    assert tuple(told["averages"]) == FIGURES
    compared = comparison_to_json(compare_scores(pairs, pairs, CLASSES, resamples=5))
    assert isinstance(compared["rows"], list)
    assert compared["rows"][0]["figures"][0].keys() == {
        *("figure", "a", "b", "low", "high", "b_better", "difference"),
    }
    assert compared["rows"][4]["figures"][0]["a"] is None or compared["frames"] == 3


def test_different_frames_cannot_be_compared() -> None:
    pairs = to_pairs(drawn(2, 3))
    with pytest.raises(DataError, match="same frames"):
        compare_scores(pairs, pairs[:2], CLASSES)
    with pytest.raises(DataError, match="a frame and a resample"):
        intervals([], CLASSES)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0124, "+.012"), (-0.3, "-.300"), (1e-5, " .000"), (math.nan, "-"), (-1.0, "-1.000")],
)
def test_signed_text(value: float, text: str) -> None:
    assert signed_text(value) == text
