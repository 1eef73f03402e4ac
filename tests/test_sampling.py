"""Sampling: sources and sizes of steps, places of views, what is learnt, the frames kept."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from _small_frames import broken_item, frame, item, items, labels_of
from jaxtyping import UInt8

from tinyseg.data import Item
from tinyseg.errors import DataError, RecipeError, TinysegError, TrainingError
from tinyseg.frame import Frame, FrameLabels, Instances
from tinyseg.masks import CropMasks
from tinyseg.recipes import Recipe, Sampling, Tile, Whole, lite, with_settings
from tinyseg.recipes.sampling import MIXTURES, VTR
from tinyseg.training.balance import Draws, TrainData, join
from tinyseg.training.batches import (
    Batch,
    FrameStore,
    Portion,
    batches,
    jitter_colours,
    make_sample,
)
from tinyseg.training.sampler import StepShape, draw_view, frame_of, ignore_unlearnable, shape_of
from tinyseg.views import View

CPU = torch.device("cpu")


def rules(**changes: object) -> Sampling:
    return Sampling.model_validate({"view": 64, **changes})


def recipe(*, seed: int = 0, batch: int = 2, **changes: object) -> Recipe:
    run = lite().train.model_copy(update={"seed": seed, "batch": batch})
    return lite().model_copy(update={"sampling": rules(**changes), "train": run})


def view_of(one: Frame, index: int, chosen: Sampling, *, seed: int = 0, step: int = 0) -> View:
    return draw_view(one, index, shape_of(step, chosen, seed), chosen, seed=seed)


def sample(store: FrameStore, index: int, chosen: Recipe) -> Frame:
    shape = shape_of(index // chosen.train.batch, chosen.sampling, chosen.train.seed)
    return make_sample(store, index, shape, chosen)


def no_thread_is_left() -> bool:
    return not any(thread.name.startswith("views") for thread in threading.enumerate())


# ---------------------------------------------------------------------------- views


def test_a_view_follows_from_seed_and_index_alone() -> None:
    forth = [view_of(frame(0), i, rules()) for i in range(20)]
    back = [view_of(frame(0), i, rules()) for i in reversed(range(20))]
    assert forth == back[::-1]
    assert len(set(forth)) == 20
    assert forth != [view_of(frame(0), i, rules(), seed=1) for i in range(20)]


def test_a_sample_is_the_same_whatever_was_made_before(tmp_path: Path) -> None:
    store = FrameStore(items(tmp_path), kept_bytes=1)
    forth = [sample(store, i, recipe()) for i in range(8)]
    back = [sample(FrameStore(items(tmp_path)), i, recipe()) for i in reversed(range(8))]
    for one, other in zip(forth, back[::-1], strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.instances.boxes, other.instances.boxes)


def test_every_frame_comes_once_an_epoch_in_a_new_order() -> None:
    chosen = rules(views_per_frame=3)
    shape = shape_of(0, chosen, 0)
    drawn = [
        frame_of(i, draws=Draws.even(7), shape=shape, rules=chosen, seed=0)
        for i in range(3 * 7 * 2)
    ]
    groups = [drawn[i : i + 3] for i in range(0, len(drawn), 3)]
    assert all(len(set(group)) == 1 for group in groups)
    first, second = ([group[0] for group in groups[i : i + 7]] for i in (0, 7))
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second


def wide_frame(count: int = 1) -> Frame:
    """1000 x 1000 pixels with `count` objects of 4 x 4 in the middle."""
    grids: list[UInt8[np.ndarray, "h w"]] = [np.full((4, 4), 255, np.uint8)] * count
    found = CropMasks.pack_pixels([(498, 498)] * count, grids)
    labelled = Instances.from_labels(found, np.zeros(count, np.int64))
    return Frame("wide", np.zeros((1000, 1000, 3), np.uint8), labelled, CropMasks.empty())


def shows_the_middle(index: int, chosen: Sampling) -> bool:
    x0, y0, x1, y1 = view_of(wide_frame(), index, chosen).rect
    return x0 <= 498 and y0 <= 498 and x1 >= 502 and y1 >= 502


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_stated_share_of_views_shows_an_instance(share: float) -> None:
    chosen = rules(near_share=share, zoom=(1.0, 1.0))
    seen = float(np.mean([shows_the_middle(i, chosen) for i in range(400)]))
    assert seen == pytest.approx(share, abs=0.08)


def test_views_of_frames_without_an_instance_lie_anywhere() -> None:
    views = [view_of(wide_frame(0), i, rules(near_share=1.0)) for i in range(200)]
    centres = np.array([(v.rect[0] + v.rect[2], v.rect[1] + v.rect[3]) for v in views]) / 2
    assert (centres.min(axis=0) < 200).all()
    assert (centres.max(axis=0) > 800).all()


def test_views_lie_inside_the_frame_where_they_fit_and_have_the_stated_zoom() -> None:
    for index in range(300):
        x0, y0, x1, y1 = view_of(wide_frame(), index, rules(zoom=(0.25, 4.0))).rect
        assert min(x0, y0) >= 0
        assert max(x1, y1) <= 1000
        assert x1 - x0 == y1 - y0
        assert 16 <= x1 - x0 <= 256


def test_a_view_wider_than_the_frame_has_the_frame_in_its_middle() -> None:
    view = view_of(frame(0), 0, rules(view=256, zoom=(1.0, 1.0)))
    assert view.rect == (-64, -80, 192, 176)


def test_objects_that_are_cut_or_tiny_are_ignored_not_learnt() -> None:
    origins = ((0, 0), (36, 10), (20, 30), (60, 60))
    sizes = ((10, 10), (10, 20), (10, 2), (10, 10))
    grids: list[UInt8[np.ndarray, "h w"]] = [np.full(hw, 255, np.uint8) for hw in sizes]
    found = Instances.from_labels(CropMasks.pack_pixels(origins, grids), np.arange(4))
    whole = Frame("a", np.zeros((80, 80, 3), np.uint8), found, CropMasks.empty())
    # A view of 40 x 40: object 0 is whole, 1 shows 4 of its 20 columns, 2 is 2 pixels wide, and
    # 3 is not there at all.
    kept = ignore_unlearnable(
        whole, View((0.0, 0.0, 40.0, 40.0), (40, 40)), rules(min_visible=0.25)
    )
    assert kept.instances.labels.tolist() == [0]
    np.testing.assert_array_equal(kept.ignore.boxes, found.boxes[[1, 2]])
    kept = ignore_unlearnable(whole, View((0.0, 0.0, 40.0, 40.0), (80, 80)), rules(min_visible=0.2))
    assert kept.instances.labels.tolist() == [0, 1, 2]
    assert len(kept.ignore) == 0


def test_colours_change_by_hand() -> None:
    image = np.full((2, 2, 3), 100, np.uint8)
    generator = np.random.default_rng(0)
    assert jitter_colours(image, generator, strength=0.0) is image
    gain, contrast, _ = 1 + np.random.default_rng(5).uniform(-0.3, 0.3, 3)
    changed = jitter_colours(image, np.random.default_rng(5), strength=0.3)
    expected = int(((100 - 127) * contrast + 127) * gain)
    np.testing.assert_array_equal(changed, np.full((2, 2, 3), expected, np.uint8))


# ---------------------------------------------------------------------------- frames


def counted_item(folder: Path, index: int, read: list[int]) -> Item:
    """An item that notes each reading."""

    def read_labels() -> FrameLabels:
        read.append(index)
        return labels_of(frame(index))

    return Item(f"frame{index}", item(folder, index).image_path, read_labels)


def test_frames_are_read_once_while_there_is_room(tmp_path: Path) -> None:
    read: list[int] = []
    store = FrameStore([counted_item(tmp_path, i, read) for i in range(3)])
    for index in (0, 1, 2, 1, 0):
        assert store[index].name == f"frame{index}"
    assert read == [0, 1, 2]


def test_the_frame_that_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    read: list[int] = []
    listed = [counted_item(tmp_path, i, read) for i in range(3)]
    store = FrameStore(listed, kept_bytes=2 * frame(0).image.nbytes + 2000)
    for index in (0, 1, 0, 2, 0, 1):  # 2 puts 1 out, and not 0
        store[index]
    assert read == [0, 1, 2, 1]


def test_unreadable_frames_raise_their_own_error(tmp_path: Path) -> None:
    with pytest.raises(TinysegError, match=r"1\.png"):
        FrameStore([item(tmp_path, 0), broken_item(1)])[1]


def test_skipped_frames_are_told_and_the_next_one_stands_in(tmp_path: Path) -> None:
    told: list[str] = []
    listed = [broken_item(0), broken_item(1), item(tmp_path, 2)]
    store = FrameStore(listed, on_skip=lambda one, error: told.append(one.name))
    assert store[0].name == "frame2"
    assert told == ["broken0", "broken1"]
    assert store[2].name == "frame2"
    assert store[1].name == "frame2"
    assert told == ["broken0", "broken1", "broken1"]


def test_a_store_without_a_readable_frame_says_so() -> None:
    store = FrameStore([broken_item(0), broken_item(1)], on_skip=lambda one, error: None)
    with pytest.raises(TrainingError, match="no frame can be read"):
        store[0]


def test_a_skip_policy_may_stop(tmp_path: Path) -> None:
    def stop(one: Item, error: TinysegError) -> None:
        raise error

    with pytest.raises(TinysegError, match=r"0\.png"):
        FrameStore([broken_item(0), item(tmp_path, 1)], on_skip=stop)[0]


def test_batches_come_in_order_and_name_their_frames(tmp_path: Path) -> None:
    store = FrameStore(items(tmp_path))
    chosen = recipe(batch=3, views_per_frame=1)
    shape = shape_of(0, chosen.sampling, 0)
    made = list(batches(store, chosen, CPU, first=2, last=6))
    assert len(made) == 4
    for step, batch in zip(range(2, 6), made, strict=True):
        assert batch.images.shape == (3, 3, 64, 64)
        expected = [
            frame_of(step * 3 + i, draws=store.draws, shape=shape, rules=chosen.sampling, seed=0)
            for i in range(3)
        ]
        assert batch.names == [f"frame{index}" for index in expected]
    assert no_thread_is_left()


# ---------------------------------------------------------------------------- sources and sizes


def test_steps_draw_sources_by_their_shares_and_one_size_for_all() -> None:
    chosen = rules(sources=(Tile(share=1), Whole(share=3, short_side=(50, 60), aspect=1.25)))
    shapes = [shape_of(step, chosen, 0) for step in range(800)]
    whole = [shape for shape in shapes if isinstance(shape.source, Whole)]
    assert len(whole) / len(shapes) == pytest.approx(0.75, abs=0.05)
    assert {shape.out_hw for shape in shapes if isinstance(shape.source, Tile)} == {(64, 64)}
    assert {shape.out_hw[0] for shape in whole} == set(range(50, 61))
    assert all(shape.out_hw[1] == round(shape.out_hw[0] * 1.25) for shape in whole)
    assert shapes == [shape_of(step, chosen, 0) for step in range(800)]
    assert shapes != [shape_of(step, chosen, 1) for step in range(800)]


def test_the_challenges_frames_at_1800_have_the_slides_canvas() -> None:
    chosen = rules(sources=(Whole(short_side=(1800, 1800)),))
    shape = shape_of(0, chosen, 0)
    assert shape.out_hw == (1800, 2248)


def test_a_canvas_stays_within_its_longest_side() -> None:
    chosen = rules(sources=(Whole(short_side=(1500, 1500), longest_side=1800),))
    assert shape_of(0, chosen, 0).out_hw == (1441, 1800)
    high = rules(sources=(Whole(short_side=(30, 30), aspect=0.5),))
    assert shape_of(0, high, 0).out_hw == (60, 30)


def whole_view(hw: tuple[int, int], out_hw: tuple[int, int], zoom: float = 1.0) -> View:
    one = Frame("a", np.zeros((*hw, 3), np.uint8), Instances.empty(), CropMasks.empty())
    shape = StepShape(Whole(), out_hw)
    return draw_view(one, 0, shape, rules(flip=False), seed=0, zoom=zoom)


def test_whole_frames_fill_their_canvas_or_lie_in_its_middle() -> None:
    assert whole_view((80, 100), (40, 50)).rect == (0, 0, 100, 80)
    assert whole_view((80, 60), (40, 50)).rect == (-20, 0, 80, 80)  # grey left and right
    assert whole_view((20, 100), (40, 50)).rect == (0, -30, 100, 50)  # grey above and below
    assert whole_view((80, 100), (40, 50), zoom=0.5).rect == (-50, -40, 150, 120)
    assert whole_view((80, 100), (40, 50), zoom=2.0).rect == (0, 0, 100, 80)


def test_whole_frames_are_shown_once_where_tiles_share_a_frame() -> None:
    draws = Draws.even(8)
    chosen = rules(views_per_frame=4)
    whole, tile = StepShape(Whole(), (8, 8)), StepShape(Tile(), (8, 8))
    seen = [frame_of(i, draws=draws, shape=whole, rules=chosen, seed=0) for i in range(8)]
    assert sorted(seen) == list(range(8))
    seen = [frame_of(i, draws=draws, shape=tile, rules=chosen, seed=0) for i in range(8)]
    assert len(set(seen)) == 2


def test_a_tile_takes_its_own_rules_before_the_sections() -> None:
    chosen = rules(sources=(Tile(view=(96, 96), zoom=(2.0, 2.0), near_share=0.0),), near_share=1.0)
    views = [view_of(wide_frame(), i, chosen) for i in range(40)]
    assert {view.out_hw for view in views} == {(96, 96)}
    assert {view.rect[2] - view.rect[0] for view in views} == {48.0}
    assert np.mean([abs(view.rect[0] - 476) < 40 for view in views]) < 0.3


def test_mixtures_have_names_and_wrong_ones_are_refused() -> None:
    assert with_settings(lite(), ["sampling.sources=vtr"]).sampling.sources == VTR
    listed = "sampling.sources=[{kind: whole, short_side: [1500, 1800], longest_side: 2400}]"
    assert with_settings(lite(), [listed]).sampling.sources == VTR
    assert with_settings(lite(), ["sampling.sources=native_tiles"]) == lite()
    for name, sources in MIXTURES.items():
        assert with_settings(lite(), [f"sampling.sources={name}"]).sampling.sources == sources


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("sampling.sources=vtrr", "sampling.sources: no mixture of this name, there are native_ti"),
        ("sampling.sources=[]", "sampling.sources: Tuple should have at least 1 item"),
        ("sampling.sources=[{kind: part}]", "sampling.sources.0: "),
        ("sampling.sources=[{kind: whole, zoom: 2}]", "sampling.sources.0.whole: unknown key"),
        (
            "sampling.sources=[{kind: whole, short_side: [9, 8]}]",
            "sampling.sources.0.whole.short_side: short_side must be (lowest, highest)",
        ),
        ("sampling.copy_paste.scale=[2, 1]", "sampling.copy_paste.scale: scale must be"),
        ("sampling.drop_visible=0.5", "sampling: drop_visible must not be above min_visible"),
    ],
)
def test_wrong_sampling_is_refused_by_name(setting: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        with_settings(lite(), [setting])
    assert str(caught.value).startswith(told)


def test_objects_that_a_view_hardly_shows_are_background() -> None:
    grids: list[UInt8[np.ndarray, "h w"]] = [np.full((10, 20), 255, np.uint8)] * 3
    found = CropMasks.pack_pixels([(0, 0), (32, 10), (38, 20)], grids)
    labelled = Instances.from_labels(found, np.arange(3))
    whole = Frame("a", np.zeros((80, 80, 3), np.uint8), labelled, CropMasks.empty())
    view = View((0.0, 0.0, 40.0, 40.0), (40, 40))  # it shows all, 8 of 20, and 2 of 20 columns
    kept = ignore_unlearnable(whole, view, rules(min_visible=0.5, drop_visible=0.2))
    assert kept.instances.labels.tolist() == [0]
    np.testing.assert_array_equal(kept.ignore.boxes, found.boxes[[1]])
    assert len(ignore_unlearnable(whole, view, rules(min_visible=0.5)).ignore) == 2


def test_classes_are_looked_at_equally_often_where_the_recipe_says_so() -> None:
    grids: list[UInt8[np.ndarray, "h w"]] = [np.full((4, 4), 255, np.uint8)] * 20
    found = CropMasks.pack_pixels([(100, 100)] * 19 + [(800, 800)], grids)
    labels = np.array([0] * 19 + [1])
    one = Frame(
        "a",
        np.zeros((1000, 1000, 3), np.uint8),
        Instances.from_labels(found, labels),
        CropMasks.empty(),
    )

    def share(near: str) -> float:
        chosen = rules(near_share=1.0, zoom=(1.0, 1.0), near=near)
        return float(np.mean([view_of(one, i, chosen).rect[0] > 500 for i in range(400)]))

    assert share("instance") == pytest.approx(0.05, abs=0.04)
    assert share("class") == pytest.approx(0.5, abs=0.08)


# ---------------------------------------------------------------------------- several processes


def same(one: Batch, other: Batch) -> bool:
    seeds = [[target.seed for target in batch.targets] for batch in (one, other)]
    return (
        one.names == other.names
        and torch.equal(one.images, other.images)
        and len(set(map(tuple, seeds))) == 1
    )


def joined(parts: Sequence[Batch]) -> Batch:
    return Batch(
        torch.cat([part.images for part in parts]),
        [target for part in parts for target in part.targets],
        [name for part in parts for name in part.names],
    )


def test_processes_and_rounds_share_a_steps_samples(tmp_path: Path) -> None:
    store = FrameStore(items(tmp_path))
    sources = (Tile(), Whole(short_side=(40, 90), aspect=1.3))
    four, two, one = (recipe(batch=size, sources=sources, views_per_frame=1) for size in (4, 2, 1))
    expected = list(batches(store, four, CPU, first=0, last=6))
    ranks = [
        list(batches(store, two, CPU, first=0, last=6, portion=Portion(rank, 2)))
        for rank in range(2)
    ]
    rounds = list(batches(store, one, CPU, first=0, last=6, portion=Portion(rounds=4)))
    assert len({batch.images.shape for batch in expected}) > 2
    for step, batch in enumerate(expected):
        assert same(batch, joined([ranks[0][step], ranks[1][step]]))
        assert same(batch, joined(rounds[4 * step : 4 * step + 4]))
    assert not same(
        expected[0], next(batches(store, recipe(batch=4, seed=1), CPU, first=0, last=1))
    )
    assert no_thread_is_left()


def test_a_run_that_starts_later_goes_on_the_same(tmp_path: Path) -> None:
    chosen = recipe(sources=(Tile(), Whole(short_side=(40, 60))))
    whole = list(batches(FrameStore(items(tmp_path)), chosen, CPU, first=0, last=8))
    rest = list(batches(FrameStore(items(tmp_path)), chosen, CPU, first=5, last=8))
    assert all(same(*pair) for pair in zip(whole[5:], rest, strict=True))


def test_data_sets_have_their_own_zoom(tmp_path: Path) -> None:
    listed = items(tmp_path, 2)
    data = [TrainData(listed[:1]), TrainData(listed[1:], zoom=0.5)]
    store = FrameStore(listed, draws=join(data, [np.ones(1), np.ones(1)]))
    chosen = recipe(zoom=(1.0, 1.0), near_share=1.0)
    widths: dict[str, set[float]] = {"frame0": set(), "frame1": set()}
    for index in range(16):
        made = sample(store, index, chosen)
        boxes = made.instances.boxes
        widths[made.name] |= {float(w) for w in (boxes[:, 2] - boxes[:, 0])}
    assert max(widths["frame0"]) == 24
    assert max(widths["frame1"]) == 12


def test_batches_do_not_depend_on_the_threads_that_make_them(tmp_path: Path) -> None:
    chosen = recipe(sources=(Tile(), Whole(short_side=(40, 60))), views_per_frame=2)
    runs = [
        list(batches(FrameStore(items(tmp_path)), chosen, CPU, first=0, last=12, threads=threads))
        for threads in (1, 4)
    ]
    assert all(same(*pair) for pair in zip(*runs, strict=True))
    assert no_thread_is_left()


def test_threads_that_ask_for_one_frame_read_it_once(tmp_path: Path) -> None:
    read: list[int] = []
    gate = threading.Event()

    def slow_labels() -> FrameLabels:
        read.append(0)
        gate.wait(10)
        return labels_of(frame(0))

    store = FrameStore([Item("frame0", item(tmp_path, 0).image_path, slow_labels)])
    names: list[str] = []
    askers = [threading.Thread(target=lambda: names.append(store[0].name)) for _ in range(4)]
    for asker in askers:
        asker.start()
    gate.set()
    for asker in askers:
        asker.join(10)
    assert names == ["frame0"] * 4
    assert read == [0]


def test_a_frame_that_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    failures = [DataError("not yet")]

    def labels() -> FrameLabels:
        if failures:
            raise failures.pop()
        return labels_of(frame(0))

    store = FrameStore([Item("frame0", item(tmp_path, 0).image_path, labels)])
    with pytest.raises(DataError, match="not yet"):
        store[0]
    assert store[0].name == "frame0"
