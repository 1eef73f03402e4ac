"""Balance: repeat factors, data sets' shares, the horizon, and the file that keeps the scan."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from _small_frames import broken_item
from jaxtyping import UInt8

from tinyseg.data import Item
from tinyseg.errors import DataError, OutputError, TinysegError, TrainingError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.masks import CropMasks
from tinyseg.recipes import Sampling
from tinyseg.training.balance import Draws, TrainData, epoch_order, join, plan_draws
from tinyseg.training.label_scan import LabelScan, fit_horizon, repeat_factors, scan_labels

CLASSES = ("car", "person", "bus")


def scan_of(frames: Sequence[Sequence[int]]) -> LabelScan:
    """A scan of frames with objects of these classes."""
    frame = np.array([i for i, labels in enumerate(frames) for _ in labels], np.int64)
    labels = np.array([label for one in frames for label in one], np.int64)
    return LabelScan(len(frames), frame, labels, np.zeros(len(frame)), np.ones(len(frame)))


def item(name: str, labels: Sequence[int], read: list[str] | None = None) -> Item:
    """A frame of 100 x 100 with an object of each class, in rows 20 ... 30."""

    def read_labels() -> FrameLabels:
        if read is not None:
            read.append(name)
        grids: list[UInt8[np.ndarray, "h w"]] = [np.full((10, 5), 255, np.uint8)] * len(labels)
        masks = CropMasks.pack_pixels([(5 * i, 20) for i in range(len(labels))], grids)
        found = Instances.from_labels(masks, np.array(labels, np.int64))
        return FrameLabels(name, (100, 100), found, CropMasks.empty())

    return Item(name, Path(f"{name}.png"), read_labels)


def test_repeat_factors_by_hand() -> None:
    # Class 0 is in 8 of 8 frames, class 1 in 2, class 2 in 1; objects of a frame count once.
    frames = [[0, 0, 0], [0], [0], [0], [0], [0, 1, 1], [0, 1], [0, 2, 1]]
    frames[6] = [0]
    factors = repeat_factors(scan_of(frames), threshold=0.5)
    expected = np.ones(8)
    expected[5] = np.sqrt(0.5 / 0.25)
    expected[7] = np.sqrt(0.5 / 0.125)
    np.testing.assert_allclose(factors, expected)
    np.testing.assert_array_equal(repeat_factors(scan_of(frames), threshold=0.0), np.ones(8))
    np.testing.assert_array_equal(repeat_factors(scan_of([[], []]), threshold=1.0), np.ones(2))


def counts(draws: Draws, epochs: int) -> np.ndarray:
    """Appearances of each frame, (epochs, frames)."""
    rows = [epoch_order(draws, 3, epoch) for epoch in range(epochs)]
    return np.stack([np.bincount(row, minlength=len(draws.weights)) for row in rows])


def test_weights_are_rounded_by_chance_and_met_in_the_mean() -> None:
    draws = join(
        [TrainData([item(str(i), []) for i in range(6)])], [np.array([1, 1, 1, 1, 1.3, 2.5])]
    )
    assert draws.length == 8
    seen = counts(draws, 600)
    assert (seen.sum(axis=1) == 8).all()
    assert (seen >= np.floor(draws.weights)).all()
    assert (seen <= np.ceil(draws.weights)).all()
    np.testing.assert_allclose(seen.mean(axis=0), draws.weights, atol=0.07)
    np.testing.assert_allclose(draws.weights, np.array([1, 1, 1, 1, 1.3, 2.5]) * 8 / 7.8)


def test_even_draws_show_each_frame_once_in_a_new_order() -> None:
    draws = Draws.even(50)
    first, second = (epoch_order(draws, 0, epoch).tolist() for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert first == epoch_order(Draws.even(50), 0, 0).tolist()
    assert first != epoch_order(draws, 1, 0).tolist()


def test_data_sets_have_their_shares() -> None:
    large, small = ([item(f"{name}{i}", []) for i in range(n)] for name, n in (("a", 30), ("b", 4)))
    data = [TrainData(large, share=3.0), TrainData(small, share=1.0, zoom=0.5)]
    draws = join(data, [np.ones(30), np.ones(4)], [0.6, float("nan")])
    assert draws.length == 40  # the large one is seen once, the small one 2.5 times
    np.testing.assert_allclose(draws.weights, [1.0] * 30 + [2.5] * 4)
    np.testing.assert_array_equal(draws.zooms, [1.0] * 30 + [0.5] * 4)
    np.testing.assert_array_equal(draws.horizons, [0.6] * 30 + [np.nan] * 4)
    assert (counts(draws, 5)[:, 30:].sum(axis=1) == 10).mean() > 0.5


def test_empty_data_sets_take_no_share_and_wrong_shares_are_refused() -> None:
    some = [item("a", [])]
    draws = join([TrainData([]), TrainData(some)], [np.ones(0), np.ones(1)])
    np.testing.assert_array_equal(draws.weights, [1.0])
    assert len(join([], []).weights) == 0
    for bad in (TrainData(some, share=0.0), TrainData(some, zoom=-1.0)):
        with pytest.raises(TrainingError, match="must be above 0"):
            join([bad], [np.ones(1)])


def on_a_road(horizon: float, *, noise: float, count: int = 120) -> LabelScan:
    """Cars and people standing on a plane, of 0.6 and 0.8 camera heights."""
    generator = np.random.default_rng(0)
    bottoms = horizon + np.exp(generator.uniform(np.log(0.01), np.log(0.3), count))
    labels = generator.integers(0, 2, count)
    heights = np.array([0.6, 0.8])[labels] * (bottoms - horizon)
    heights *= np.exp(generator.normal(0, noise, count))
    return LabelScan(1, np.zeros(count, np.int64), labels, bottoms - heights, bottoms)


@pytest.mark.parametrize("horizon", [0.35, 0.5, 0.62])
def test_the_horizon_is_found_where_sizes_follow_one(horizon: float) -> None:
    assert fit_horizon(on_a_road(horizon, noise=0.15)) == pytest.approx(horizon, abs=0.011)


def test_no_horizon_is_made_up() -> None:
    generator = np.random.default_rng(1)
    tops, heights = generator.uniform(0, 0.5, 300), np.exp(generator.uniform(-4, -0.7, 300))
    zeros = np.zeros(300, np.int64)
    assert fit_horizon(LabelScan(1, zeros, zeros, tops, tops + heights)) is None
    assert fit_horizon(on_a_road(0.5, noise=0.1, count=10)) is None
    assert fit_horizon(scan_of([[], []])) is None


def test_labels_are_read_once_and_kept_beside_the_run(tmp_path: Path) -> None:
    read: list[str] = []
    told: list[str] = []
    items = [item("a", [0, 0], read), item("b", [], read), item("c", [2], read)]
    cache = tmp_path / "run" / "labels.json"
    first = scan_labels(items, CLASSES, cache, on_frame=told.append)
    assert read == told == ["a", "b", "c"]
    assert first.frame.tolist() == [0, 0, 2]
    assert first.labels.tolist() == [0, 0, 2]
    assert first.tops.tolist() == [0.2] * 3
    assert first.bottoms.tolist() == [0.3] * 3
    again = scan_labels(items, CLASSES, cache)
    assert read == ["a", "b", "c"]
    for name in ("frame", "labels", "tops", "bottoms"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.prior is again.prior is None  # no name tells a camera
    part = again.part(1, 3)
    assert (part.frames, part.frame.tolist(), part.labels.tolist()) == (2, [1], [2])


def test_the_prior_is_learned_from_the_same_labels(tmp_path: Path) -> None:
    read: list[str] = []
    items = [item("a_Camera_5", [0, 0], read), item("b", [1], read), item("c_Camera_5", [2], read)]
    cache, rules = tmp_path / "labels.json", Sampling(repeat=0.4)
    for _ in range(2):  # read, then from the file
        draws = plan_draws([TrainData(items[:2]), TrainData(items[2:])], CLASSES, rules, cache)
        assert draws.prior is not None
        (own,) = draws.prior.cameras
        assert (own.camera, own.hw, own.frames, own.counts.sum()) == ("5", (100, 100), 2, 3)
        assert len(read) == 3
    cache.write_text(cache.read_text().replace(r"\"frames\":2", r"\"frames\":0"))
    plan_draws([TrainData(items)], CLASSES, rules, cache)
    assert len(read) == 6


def test_a_run_that_needs_no_labels_reads_some_for_the_prior(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyseg.training.label_scan.PRIOR_FRAMES", 2)
    read: list[str] = []
    names = ("a_Camera_5", "b", "c_Camera_5", "d_Camera_5", "e_Camera_5")
    parts = [TrainData([item(name, [0], read) for name in names])]
    draws = plan_draws(parts, CLASSES, Sampling(), tmp_path / "labels.json")
    assert read == ["a_Camera_5", "d_Camera_5"]
    assert draws.prior is not None
    assert draws.prior.cameras[0].frames == 2
    assert not (tmp_path / "labels.json").exists()
    nameless = plan_draws([TrainData([item("b", [0], read)])], CLASSES, Sampling(), tmp_path / "l")
    assert (nameless.prior, len(read)) == (None, 2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"frame":[0,0,2]', '"frame":[0,0,9]'),
        lambda text: text.replace('"labels":[0,0,2]', '"labels":[0,0,-1]'),
        lambda text: text.replace('"labels":[0,0,2]', '"labels":[0,0]'),
        lambda text: text.replace('"c"', '"d"'),
        lambda text: text.replace('"bus"', '"truck"'),
        lambda text: "[]",
    ],
)
def test_a_file_that_does_not_fit_is_read_again(
    tmp_path: Path, damage: Callable[[str], str]
) -> None:
    read: list[str] = []
    items = [item("a", [0, 0], read), item("b", [], read), item("c", [2], read)]
    cache = tmp_path / "labels.json"
    scan_labels(items, CLASSES, cache)
    good = cache.read_text()
    assert damage(good) != good
    cache.write_text(damage(good))
    scan_labels(items, CLASSES, cache)
    assert len(read) == 6
    assert cache.read_text() == good


def test_labels_that_cannot_be_read_stop_or_count_as_empty(tmp_path: Path) -> None:
    def fail() -> FrameLabels:
        raise DataError("no such file")

    bad = Item("bad", Path("bad.png"), fail)
    cache = tmp_path / "labels.json"
    with pytest.raises(DataError, match="no such file"):
        scan_labels([bad, item("a", [1])], CLASSES, cache)
    told: list[tuple[str, TinysegError]] = []
    scan = scan_labels(
        [bad, item("a", [1])], CLASSES, cache, on_skip=lambda one, e: told.append((one.name, e))
    )
    assert [name for name, _ in told] == ["bad"]
    assert scan.frame.tolist() == [1]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        scan_labels([item("a", [1])], CLASSES, tmp_path / "file" / "labels.json")


def test_a_recipe_that_needs_no_labels_reads_none(tmp_path: Path) -> None:
    cache = tmp_path / "labels.json"
    data = [TrainData([broken_item(0), broken_item(1)])]
    draws = plan_draws(data, CLASSES, Sampling(), cache)
    np.testing.assert_array_equal(draws.weights, [1, 1])
    assert np.isnan(draws.horizons).all()
    given = Sampling.model_validate({"copy_paste": {"share": 0.5, "horizon": 0.4}})
    np.testing.assert_array_equal(plan_draws(data, CLASSES, given, cache).horizons, [0.4, 0.4])
    assert not cache.exists()


def test_a_recipe_with_repeats_draws_rare_classes_more_often(tmp_path: Path) -> None:
    many = [item(f"a{i}", [0]) for i in range(9)]
    data = [TrainData([*many, item("rare", [0, 2])]), TrainData([item("b", [1])])]
    draws = plan_draws(data, CLASSES, Sampling(repeat=0.4), tmp_path / "labels.json")
    # In its own data set of 10 frames: f = 0.1, sqrt(0.4 / 0.1) = 2, 11 in an epoch; as many of b.
    np.testing.assert_allclose(draws.weights, [1.0] * 9 + [2.0, 11.0])
    assert np.isnan(draws.horizons).all()
