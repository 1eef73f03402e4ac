"""The challenge's rule: cases worked by hand, and a slow implementation that takes it at its word.

By hand: of n instances, k found at precision p from the start give AP (floor(100 k / n) + 1) p /
101, since precision is read at the recalls 0, .01, ... 1. The IoUs are .50, .55, ... .95: an IoU of
.82 is enough at 7 of the 10, one of .97 at all.
"""

import math
from typing import NamedTuple

import numpy as np
import pytest
from _drawn import box, draw_frame, to_records
from hypothesis import given, settings, strategies as st
from jaxtyping import Float64
from rich.console import Console
from rich.table import Table

from tinyseg import masks as mask_ops
from tinyseg.errors import DataError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.scoring.curves import average_precision
from tinyseg.scoring.matches import IOUS, gather, match
from tinyseg.scoring.pairs import FramePairs, Sides, pair_frames
from tinyseg.scoring.wad_rule import (
    CutScore,
    WadScores,
    match_wad,
    score_wad,
    sweep_table,
    wad_classes_table,
    wad_to_json,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CLASSES = ("car", "person")


class Found(NamedTuple):
    """A prediction: score, IoU with each label, class, share of it on the ignore region."""

    score: float
    iou: list[float]
    label: int = 0
    on_ignore: float = 0.0


def frame(labels: list[int], *found: Found, name: str = "a_1") -> FramePairs:
    """One frame; predictions are told best first."""
    iou = np.array([one.iou for one in found], np.float64).reshape(len(found), len(labels))
    return FramePairs(
        name,
        (100, 100),
        sides(labels, [1.0] * len(labels)),
        sides([one.label for one in found], [one.score for one in found]),
        iou,
        np.array([one.on_ignore for one in found], np.float64),
    )


def sides(labels: list[int], scores: list[float]) -> Sides:
    count = len(labels)
    boxes = np.tile([0.0, 0.0, 10.0, 10.0], (count, 1))
    areas, index = np.full(count, 100), np.arange(count)
    return Sides(np.array(labels, np.int64), boxes, areas, np.array(scores), index)


def one_cut(*frames: FramePairs, cut: float = 0.0) -> CutScore:
    (result,) = score_wad(list(frames), CLASSES, clip_of=clip_of, cuts=(cut,)).cuts
    return result


def clip_of(name: str) -> str | None:
    """`a` of `a_1`; names that begin with ? are of no known clip."""
    return None if name.startswith("?") else name.split("_")[0]


def coco(*frames: FramePairs) -> float:
    return float(average_precision(match(gather(list(frames), 0))).mean())


def test_1_one_found() -> None:
    # True at .50 ... .80, 7 of 10, there with AP 1: 7 x 1 / 10.
    own = one_cut(frame([0], Found(0.9, [0.82])))
    assert own.pooled == pytest.approx(0.7)
    assert own.pooled_50 == own.classes[0] / 0.7 == pytest.approx(1)


def test_2_the_larger_iou_is_true_and_makes_a_false_one_of_the_better_score() -> None:
    # By the rule the second is true where it is enough, at .50 ... .85, 8 of 10. The first stands
    # before it as a false one: precision 1/2 at every recall. 8 x 1/2 / 10 = .4.
    # COCO: the first is true at 7 of 10 with AP 1; at .85 the second, with 1/2: 7.5 / 10.
    both = frame([0], Found(0.9, [0.82]), Found(0.4, [0.88]))
    assert one_cut(both).pooled == pytest.approx(0.4)
    assert coco(both) == pytest.approx(0.75)


def test_3_a_cut_takes_it_away() -> None:
    # Case 2 without the second, whose score is .4: the first alone has AP 1 at 7 of 10.
    both = frame([0], Found(0.9, [0.82]), Found(0.4, [0.88]))
    scores = score_wad([both], CLASSES)
    assert [round(c.pooled, 9) for c in scores.cuts] == [0.4] * 9 + [0.7] * 10 + [0.0]
    assert scores.best(lambda c: c.pooled).cut == 0.45
    assert [c.detections for c in scores.cuts] == [2] * 9 + [1] * 10 + [0]


def test_4_a_worse_double_behind_the_true_one_costs_nothing() -> None:
    # The first is true at .50 ... .90, 9 of 10. The second is false, but recall is 1 before it,
    # and at .95 nothing is found: 9 x 1 / 10.
    own = one_cut(frame([0], Found(0.9, [0.92]), Found(0.8, [0.7])))
    assert own.pooled == pytest.approx(0.9)


def test_5_on_the_ignore_region_by_more_than_the_threshold() -> None:
    # .72 is more than .50 ... .70: dropped at 5 of 10, where AP is 1. At the other 5 it is a false
    # one before the true one, precision 1/2: (5 x 1 + 5 x 1/2) / 10 = .75.
    own = one_cut(frame([0], Found(0.9, [0.0], on_ignore=0.72), Found(0.5, [0.97])))
    assert own.pooled == pytest.approx(0.75)


def test_6_on_the_ignore_region_by_just_the_threshold() -> None:
    # .50 is not more than .50: false at all 10, precision 1/2. COCO drops it at .50: 5.5 / 10.
    just = frame([0], Found(0.9, [0.0], on_ignore=0.5), Found(0.5, [0.97]))
    assert one_cut(just).pooled == pytest.approx(0.5)
    assert coco(just) == pytest.approx(0.55)


def test_7_an_iou_of_just_the_threshold_is_enough() -> None:
    # True at .50 alone: 1 x 1 / 10.
    assert one_cut(frame([0], Found(0.9, [0.5]))).pooled == pytest.approx(0.1)


def test_8_another_class_finds_nothing() -> None:
    # The car is missed, AP 0. No person is labelled: that class has no AP, and the mean is 0.
    own = one_cut(frame([0], Found(0.9, [0.97], label=1)))
    assert own.pooled == 0
    assert math.isnan(own.classes[1])


def test_9_the_mean_over_classes() -> None:
    # Car: AP 1. Person: 1 of 2 found, precision 1 at recalls 0 ... .50, 51 of 101.
    iou = ([0.97, 0, 0], [0, 0.97, 0])
    own = one_cut(frame([0, 1, 1], Found(0.9, iou[0]), Found(0.8, iou[1], label=1)))
    assert own.pooled == pytest.approx((1 + 51 / 101) / 2)


def test_10_clips_pooled_or_one_by_one() -> None:
    # Pooled: false (.95), true (.9), of 2 instances: precision 1/2 at 51 of 101 recalls.
    # One by one: clip a has AP 1, clip b 0.
    own = one_cut(
        frame([0], Found(0.9, [0.97]), name="a_1"), frame([0], Found(0.95, [0.1]), name="b_1")
    )
    assert own.pooled == pytest.approx(51 / 101 / 2)
    assert own.per_clip == pytest.approx(0.5)


def test_11_a_clip_without_instances_has_no_score() -> None:
    # Pooled: false (.95) before true (.9), one instance: 1/2. Clip a alone: 1; b and the frame
    # of no known clip do not count there.
    frames = [
        frame([0], Found(0.9, [0.97]), name="a_1"),
        frame([], Found(0.95, []), name="b_1"),
        frame([], name="?"),
    ]
    scores = score_wad(frames, CLASSES, clip_of=clip_of, cuts=(0.0,))
    assert scores.cuts[0].pooled == pytest.approx(0.5)
    assert scores.cuts[0].per_clip == pytest.approx(1)
    assert (scores.clips, scores.frames_without_clip) == (1, 1)


def test_12_each_prediction_finds_one() -> None:
    # Labels overlap. Largest first: second - A (.97), then first - B (.82), though the first has
    # .9 with A. At 7 of 10 both are true, AP 1. At .85, .90, .95 the first (score .9) is false and
    # the second true, of 2 instances: precision 1/2 at 51 of 101 recalls.
    own = one_cut(frame([0, 0], Found(0.9, [0.9, 0.82]), Found(0.8, [0.97, 0.0])))
    assert own.pooled == pytest.approx((7 + 3 * 51 / 101 / 2) / 10)


def test_13_of_equal_ious_the_better_score_is_true() -> None:
    # True before false: AP 1 at all 10. The other way round it would be 1/2.
    own = one_cut(frame([0], Found(0.9, [0.97]), Found(0.6, [0.97])))
    assert own.pooled == pytest.approx(1)


def test_14_a_class_counts_in_the_clips_that_show_it() -> None:
    # Clip a: car AP 1, person (missed) 0, mean 1/2. Clip b: car 0, no person: 0. Mean 1/4.
    # Pooled: car 1 of 2, 51/101; person 0: mean 51/202.
    own = one_cut(
        frame([0, 1], Found(0.9, [0.97, 0.0]), name="a_1"),
        frame([0], name="b_1"),
    )
    assert own.per_clip == pytest.approx(0.25)
    assert own.pooled == pytest.approx(51 / 202)


def test_15_group_classes_are_dropped() -> None:
    # The group's prediction (.95) is of no scored class; the car's is alone: AP 1.
    hw = (40, 40)
    car = mask_ops.from_bitmaps([box(hw, 5, 5, 25, 25)])
    truth = FrameLabels(
        "f", hw, Instances.from_labels(car, np.array([0])), mask_ops.from_bitmaps([])
    )
    group = mask_ops.from_bitmaps([box(hw, 0, 0, 40, 40)])
    both = type(car).concatenate([group, car])
    found = Instances(both.boxes, both, np.array([1, 0]), np.array([0.95, 0.5]))
    given = Predictions(("car", "car group"), (FramePredictions("f", "f.jpg", hw, found),))
    pairs = pair_frames(given, [truth], classes=CLASSES)
    assert score_wad(pairs, CLASSES, cuts=(0.0,)).cuts[0].pooled == pytest.approx(1)


def slow_average_precision(
    frames: list[FramePairs], label: int, cut: float
) -> Float64[np.ndarray, " ious"]:
    """The rule at its word: a loop over thresholds, frames, and pairs from the largest IoU down."""
    out = []
    for threshold in IOUS.tolist():
        rows: list[tuple[float, bool]] = []
        instances = 0
        for one in frames:
            labels = [j for j, c in enumerate(one.truth.labels) if c == label]
            found = [
                i
                for i, c in enumerate(one.found.labels)
                if c == label and one.found.scores[i] >= cut
            ]
            instances += len(labels)
            pairs = [(-one.iou[i, j], i, j) for i in found for j in labels]
            made: dict[int, int] = {}
            for minus_iou, i, j in sorted(pairs):
                if -minus_iou >= threshold and i not in made and j not in made.values():
                    made[i] = j
            kept = [i for i in found if i in made or one.on_ignore[i] <= threshold]
            rows += [(float(one.found.scores[i]), i in made) for i in kept]
        out.append(slow_area(sorted(rows, key=lambda row: -row[0]), instances))
    return np.array(out)


def slow_area(rows: list[tuple[float, bool]], instances: int) -> float:
    if not instances:
        return math.nan
    true = np.cumsum([hit for _, hit in rows])
    points = [(t / instances, t / (k + 1)) for k, t in enumerate(true)]
    levels = np.linspace(0, 1, 101)
    return float(np.mean([max((p for r, p in points if r >= v), default=0.0) for v in levels]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.25, 0.5]))
def test_equals_the_rule_at_its_word(seed: int, cut: float) -> None:
    rng = np.random.default_rng(seed)
    predictions, truth = to_records([draw_frame(rng, most_found=15) for _ in range(3)])
    pairs = pair_frames(predictions, truth, classes=predictions.classes)
    for label in range(len(predictions.classes)):
        own = average_precision(match_wad(gather(pairs, label), cut))
        slow = slow_average_precision(pairs, label, cut)
        np.testing.assert_allclose(own, slow, rtol=0, atol=1e-12, equal_nan=True)


def both_tables(scores: WadScores) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        tables: list[Table] = [sweep_table(scores), wad_classes_table(scores)]
        console.print(*tables)
    return captured.get()


def test_tables_and_json_name_both_readings() -> None:
    both = frame([0], Found(0.9, [0.82]), Found(0.4, [0.88]))
    known = score_wad([both], CLASSES, clip_of=clip_of)
    assert "best pooled and per clip" in both_tables(known)
    told = wad_to_json(known)
    assert told["best"] == {"pooled": 0.45, "per_clip": 0.45}
    assert isinstance(told["cuts"], list)
    assert told["cuts"][0]["classes"] == [pytest.approx(0.4), None]

    unknown = score_wad([both], CLASSES)
    assert "clips they are from is not known" in both_tables(unknown)
    assert wad_to_json(unknown)["best"] == {"pooled": 0.45}


def test_nothing_labelled_and_bad_cuts() -> None:
    scores = score_wad([], CLASSES, clip_of=clip_of)
    assert math.isnan(scores.cuts[0].pooled)
    assert "-" in both_tables(scores)
    with pytest.raises(DataError, match=r"score cuts lie in 0 \.\.\. 1"):
        score_wad([], CLASSES, cuts=(1.5,))
