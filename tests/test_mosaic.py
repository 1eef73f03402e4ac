"""Mosaics: cells, the views of their frames, what is joined; sources that keep to data sets."""

from pathlib import Path

import numpy as np
import pytest
import torch
from _small_frames import frame, items
from jaxtyping import UInt8

from tinyseg.errors import RecipeError, TrainingError
from tinyseg.frame import Frame, Instances
from tinyseg.masks import CropMasks
from tinyseg.recipes import Mosaic, Recipe, Sampling, Tile, Whole, lite, with_settings
from tinyseg.training.balance import Draws, TrainData, draws_from, epoch_order, join, plan_draws
from tinyseg.training.batches import Batch, FrameStore, Portion, batches, make_sample
from tinyseg.training.mosaic import Cell, cell_frame, cells_of, draw_cell, join_cells
from tinyseg.training.sampler import frame_of, shape_of

CPU = torch.device("cpu")
HW = (192, 192)


def recipe(*, batch: int = 2, **changes: object) -> Recipe:
    run = lite().train.model_copy(update={"batch": batch})
    sampling = Sampling.model_validate({"view": 192, **changes})
    return lite().model_copy(update={"sampling": sampling, "train": run})


def grey(hw: tuple[int, int], value: int = 0) -> Frame:
    """A frame of one colour with an object of 8 x 4 pixels at its upper left corner."""
    grids: list[UInt8[np.ndarray, "h w"]] = [np.full((8, 4), 255, np.uint8)]
    masks = CropMasks.pack_pixels([(0, 0)], grids)
    found = Instances.from_labels(masks, np.array([1]))
    ignored = CropMasks.pack_pixels([(hw[1] - 4, hw[0] - 4)], [np.full((4, 4), 255, np.uint8)])
    return Frame(f"grey{value}", np.full((*hw, 3), value, np.uint8), found, ignored)


# ---------------------------------------------------------------------------- cells


@pytest.mark.parametrize("across", [1, 2, 3, 7])
def test_cells_are_the_view_and_do_not_overlap(across: int) -> None:
    covered = np.zeros((200, 192), int)
    for cell in cells_of(5, Mosaic(grid=(across, across)), (200, 192), 0):
        (x0, y0), (height, width) = cell.at_xy, cell.out_hw
        covered[y0 : y0 + height, x0 : x0 + width] += 1
        assert abs(height - 200 / across) < 1
        assert abs(width - 192 / across) < 1
    assert (covered == 1).all()


def test_every_number_of_cells_comes_as_often_as_the_recipe_says() -> None:
    even, weighted = Mosaic(grid=(1, 4)), Mosaic(grid=(2, 4), weights=(3, 0, 1))
    counts = [len(cells_of(i, even, HW, 0)) for i in range(800)]
    shares = [counts.count(n * n) / 800 for n in range(1, 5)]
    np.testing.assert_allclose(shares, 0.25, atol=0.05)
    counts = [len(cells_of(i, weighted, HW, 0)) for i in range(800)]
    assert set(counts) == {4, 16}
    assert counts.count(4) / 800 == pytest.approx(0.75, abs=0.05)


def test_no_two_cells_of_a_run_have_one_number() -> None:
    source = Mosaic(grid=(1, 3))
    numbers = [cell.index for i in range(50) for cell in cells_of(i, source, HW, 0)]
    assert len(set(numbers)) == len(numbers)
    drawn = [
        cell_frame(cell, source, draws=Draws.even(9 * 50), seed=0)
        for i in range(50)
        for cell in cells_of(i, source, HW, 0)
    ]
    assert len(set(drawn)) == len(drawn)  # within an epoch no frame comes twice


def cell_rects(
    hw: tuple[int, int], source: Mosaic, *, factor: float = 1.0, cell_hw: tuple[int, int] = (64, 48)
) -> np.ndarray:
    rules = recipe(zoom=(0.5, 2.0)).sampling
    views = [
        draw_cell(grey(hw), Cell(i, (0, 0), cell_hw), source, rules, seed=0, factor=factor)
        for i in range(200)
    ]
    assert {view.out_hw for view in views} == {cell_hw}
    rects = np.array([view.rect for view in views])
    assert (rects[:, :2] >= 0).all()
    assert (rects[:, 2] <= hw[1]).all()
    assert (rects[:, 3] <= hw[0]).all()
    return rects


@pytest.mark.parametrize("factor", [0.1, 1.0])
@pytest.mark.parametrize("hw", [(300, 100), (100, 300), (20, 20)])
def test_small_frames_fill_their_cell_nearly_whole(hw: tuple[int, int], factor: float) -> None:
    rects = cell_rects(hw, Mosaic(), factor=factor)
    filling = max(64 / hw[0], 48 / hw[1])
    zooms = 64 / (rects[:, 3] - rects[:, 1]) / filling
    assert zooms.min() >= 1 - 0.02  # whole pixels
    assert zooms.max() <= (1.62 if factor == 1 else 1.02)
    if factor == 1 and min(hw) > 50:
        assert zooms.min() < 1.05
        assert zooms.max() > 1.5


def test_large_frames_are_shown_in_part_at_the_sections_or_the_sources_zoom() -> None:
    for source, low, high in (
        (Mosaic(large=300), 0.5, 2.0),
        (Mosaic(large=300, zoom=(1.0, 1.0)), 1.0, 1.0),
        (Mosaic(large=300, zoom=(0.01, 0.01)), 64 / 300, 64 / 300),  # it must fill the cell
    ):
        zooms = 64 / np.diff(cell_rects((300, 400), source)[:, 1::2])
        assert zooms.min() == pytest.approx(low, rel=0.05)
        assert zooms.max() == pytest.approx(high, rel=0.05)
    halved = 64 / np.diff(cell_rects((300, 400), Mosaic(large=300), factor=0.5)[:, 1::2])
    assert halved.max() == pytest.approx(1.0, rel=0.05)


def test_cells_of_large_frames_lie_near_an_instance() -> None:
    def share(near: float) -> float:
        rects = cell_rects((1000, 1000), Mosaic(zoom=(1, 1), near_share=near))
        return float(np.mean((rects[:, 0] < 48) & (rects[:, 1] < 64)))

    assert share(1.0) == 1
    assert share(0.0) < 0.1


# ---------------------------------------------------------------------------- mosaics


def test_cells_are_joined_by_hand() -> None:
    parts = [grey((32, 32), value) for value in (1, 2)]
    cells = [Cell(0, (0, 0), (32, 32)), Cell(1, (32, 0), (32, 32))]
    made = join_cells(parts, cells, (32, 64))
    assert made.name == "grey1+grey2"
    assert (made.image[:, :32] == 1).all()
    assert (made.image[:, 32:] == 2).all()
    expected = [[0, 0, 4, 8], [32, 0, 36, 8]]
    np.testing.assert_array_equal(made.instances.boxes, expected)
    np.testing.assert_array_equal(made.instances.masks.boxes, expected)
    assert made.instances.labels.tolist() == [1, 1]
    np.testing.assert_array_equal(made.ignore.boxes, [[28, 28, 32, 32], [60, 28, 64, 32]])


def test_objects_lie_where_their_pixels_are(tmp_path: Path) -> None:
    store, chosen = FrameStore(items(tmp_path)), recipe(colour=0.0, sources=[{"kind": "mosaic"}])
    seen = 0
    for index in range(12):
        made = make_sample(store, index, shape_of(0, chosen.sampling, 0), chosen)
        assert made.hw == HW
        for box, label in zip(made.instances.boxes, made.instances.labels, strict=True):
            x, y = int((box[0] + box[2]) / 2), int((box[1] + box[3]) / 2)
            blue = {0: 40, 1: 60}[int(label)]  # the bright square, the dark box
            assert abs(int(made.image[y, x, 2]) - blue) < 12
            seen += 1
    assert seen > 60


def test_an_object_does_not_leave_its_cell(tmp_path: Path) -> None:
    sources = [{"kind": "mosaic", "grid": [3, 3], "cover": [2, 2]}]
    store, chosen = FrameStore(items(tmp_path)), recipe(sources=sources, min_visible=0.6)
    ignored = 0
    for index in range(8):
        made = make_sample(store, index, shape_of(0, chosen.sampling, 0), chosen)
        for boxes in (made.instances.boxes, made.ignore.boxes):
            first, last = np.floor(boxes[:, :2] / 64), np.ceil(boxes[:, 2:] / 64) - 1
            np.testing.assert_array_equal(first, last)
        ignored += len(made.ignore)
    assert ignored  # objects that their cell shows less than 60 % of


def test_one_cell_is_a_view_of_one_frame(tmp_path: Path) -> None:
    sources = [{"kind": "mosaic", "grid": [1, 1], "cover": [1, 1]}]
    store, chosen = FrameStore(items(tmp_path)), recipe(sources=sources)
    made = make_sample(store, 0, shape_of(0, chosen.sampling, 0), chosen)
    assert made.name in {"frame0", "frame1", "frame2"}
    assert made.hw == HW


# ---------------------------------------------------------------------------- data sets


def two_sets(folder: Path) -> FrameStore:
    """Frames 0 and 1 are one data set, 2 ... 5 another, of which four times as many are shown."""
    listed = items(folder, 6)
    data = [TrainData(listed[:2], share=1.0, zoom=0.5), TrainData(listed[2:], share=4.0)]
    return FrameStore(listed, draws=join(data, [np.ones(2), np.ones(4)]))


def test_a_source_shows_its_data_sets_alone(tmp_path: Path) -> None:
    sources = [
        {"kind": "tile", "data": [0]},
        {"kind": "mosaic", "data": [1]},
        {"kind": "whole", "data": [1, 0], "short_side": [192, 192], "aspect": 1},
    ]
    store, chosen = two_sets(tmp_path), recipe(sources=sources)
    seen: dict[str, set[str]] = {"tile": set(), "mosaic": set(), "whole": set()}
    for step, batch in enumerate(batches(store, chosen, CPU, first=0, last=40)):
        kind = shape_of(step, chosen.sampling, 0).source.kind
        seen[kind] |= {name for joined in batch.names for name in joined.split("+")}
    first, second = {"frame0", "frame1"}, {f"frame{i}" for i in range(2, 6)}
    assert seen == {"tile": first, "mosaic": second, "whole": first | second}


def test_shares_hold_among_a_sources_data_sets(tmp_path: Path) -> None:
    draws = join(
        [TrainData(items(tmp_path, 4), share=share) for share in (1.0, 3.0, 9.0)],
        [np.ones(4), np.ones(4), np.ones(4)],
    )
    own = draws_from(draws, (0, 1))
    np.testing.assert_allclose(own.weights, [1] * 4 + [3] * 4 + [0] * 4)
    assert sorted(epoch_order(own, 0, 0)) == sorted([*range(4), *[4, 5, 6, 7] * 3])
    assert draws_from(draws, None) is draws
    assert draws_from(draws, (0, 1)) is own


def test_an_epoch_of_a_source_shows_each_of_its_frames_once(tmp_path: Path) -> None:
    draws = join(
        [TrainData(items(tmp_path, 3)), TrainData(items(tmp_path, 5))], [np.ones(3), np.ones(5)]
    )
    for sets, expected in (((0,), [0, 1, 2]), ((1,), [3, 4, 5, 6, 7])):
        rules = recipe(sources=[{"kind": "tile", "data": sets}], views_per_frame=1).sampling
        shape = shape_of(0, rules, 0)
        drawn = [
            frame_of(i, draws=draws, shape=shape, rules=rules, seed=0)
            for i in range(2 * len(expected))
        ]
        assert sorted(drawn[: len(expected)]) == sorted(drawn[len(expected) :]) == expected


@pytest.mark.parametrize("sets", [(2,), (0, 2), (1,)])
def test_data_sets_that_are_not_there_or_empty_are_refused(
    sets: tuple[int, ...], tmp_path: Path
) -> None:
    rules = recipe(sources=(Tile(), Whole(data=sets))).sampling
    data = [TrainData(items(tmp_path, 2)), TrainData([])]
    with pytest.raises(TrainingError, match=r"sampling\.sources\.1\.data"):
        plan_draws(data, ("car", "person"), rules, tmp_path / "scan.json")
    if len(sets) == 1:
        with pytest.raises(TrainingError, match="data sets of the run that have frames"):
            draws_from(Draws.even(2), sets)


# ---------------------------------------------------------------------------- several processes


def same(one: Batch, *parts: Batch) -> bool:
    targets = [target for part in parts for target in part.targets]
    return (
        one.names == [name for part in parts for name in part.names]
        and torch.equal(one.images, torch.cat([part.images for part in parts]))
        and [t.seed for t in one.targets] == [t.seed for t in targets]
        and all(torch.equal(a.boxes, b.boxes) for a, b in zip(one.targets, targets, strict=True))
    )


def test_processes_rounds_and_threads_make_the_same_mosaics(tmp_path: Path) -> None:
    sources = (Tile(data=(0,)), Mosaic(data=(1,), view=(96, 96)), Mosaic())
    four, two, one = (recipe(batch=size, sources=sources) for size in (4, 2, 1))
    expected = list(batches(two_sets(tmp_path), four, CPU, first=0, last=6))
    for threads in (1, 4):
        store = two_sets(tmp_path)
        ranks = [
            list(
                batches(
                    *(store, two, CPU), first=0, last=6, portion=Portion(rank, 2), threads=threads
                )
            )
            for rank in range(2)
        ]
        assert all(same(*step) for step in zip(expected, *ranks, strict=True))
    rounds = list(batches(two_sets(tmp_path), one, CPU, first=0, last=6, portion=Portion(rounds=4)))
    assert all(same(batch, *rounds[4 * i : 4 * i + 4]) for i, batch in enumerate(expected))
    rest = list(batches(two_sets(tmp_path), four, CPU, first=4, last=6))
    assert all(same(*pair) for pair in zip(expected[4:], rest, strict=True))
    assert len({batch.images.shape for batch in expected}) == 2


# ---------------------------------------------------------------------------- recipes


def test_a_mosaic_on_the_command_line() -> None:
    told = "sampling.sources=[{kind: mosaic, view: 448, grid: [1, 2], weights: [2, 1], data: [1]}]"
    expected = (Mosaic(view=(448, 448), grid=(1, 2), weights=(2, 1), data=(1,)),)
    assert with_settings(lite(), [told]).sampling.sources == expected
    assert with_settings(lite(), ["sampling.sources=mosaics"]).sampling.sources == (Mosaic(),)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("grid: [3, 2]", "grid must be (lowest, highest)"),
        ("grid: [0, 2]", "Input should be greater than or equal to 1"),
        ("grid: [1, 3], weights: [1, 1]", "weights must be 3 numbers"),
        ("weights: [0, 0, 0, 0]", "weights must be 4 numbers, not all 0"),
        ("cover: [0.5, 1]", "Input should be greater than or equal to 1"),
        ("zoom: [2, 1]", "zoom must be (lowest, highest)"),
        ("data: []", "Tuple should have at least 1 item"),
        ("data: [-1]", "Input should be greater than or equal to 0"),
    ],
)
def test_wrong_mosaics_are_refused(setting: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        with_settings(lite(), [f"sampling.sources=[{{kind: mosaic, {setting}}}]"])
    assert told in str(caught.value)


def test_frames_have_no_trace_of_the_mosaics_made_of_them(tmp_path: Path) -> None:
    store, chosen = FrameStore(items(tmp_path)), recipe(sources=[{"kind": "mosaic"}])
    make_sample(store, 0, shape_of(0, chosen.sampling, 0), chosen)
    np.testing.assert_array_equal(store[0].image, frame(0).image)
    np.testing.assert_array_equal(store[0].instances.boxes, frame(0).instances.boxes)
