"""Focus and the prior: where plans look, what it costs, and what they say of foreign frames."""

import json
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tinyseg.cli import app, main
from tinyseg.errors import DataError
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import read_image, write_jpeg
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.report.plan_picture import draw_plan
from tinyseg.views import (
    FrameInfo,
    Plan,
    Planned,
    View,
    Zoomed,
    camera_of,
    flipped,
    focus,
    for_models,
    learn_prior,
    prior_from_json,
    prior_to_json,
    read_prior,
    scales,
    tiles,
    together,
    whole,
)
from tinyseg.views.choose import choose_rects
from tinyseg.views.evidence import COUNT, OCTAVES, Grid, octaves_of, worth
from tinyseg.views.hints import hints

HW = (270, 340)
INFO = FrameInfo(HW, "5")
SMALL_VIEWS = Zoomed(budget_mp=0.05, zoom=2.0, out_hw=(64, 128))
"""Six views of 32 x 64 frame pixels."""

ONCE = whole(short_side=180, longest_side=None)
"""A first pass that shrinks these frames, as large frames are shrunk."""


def instances(*boxes: tuple[float, float, float, float], scores: float = 0.9) -> Instances:
    grids = [np.full((int(y1 - y0), int(x1 - x0)), 255, np.uint8) for x0, y0, x1, y1 in boxes]
    masks = CropMasks.pack_pixels([(int(box[0]), int(box[1])) for box in boxes], grids)
    plain = Instances.from_labels(masks, np.zeros(len(boxes), np.int64))
    return replace(plain, scores=np.full(len(boxes), scores))


def street(name: str = "a_Camera_5", row: int = 150, hw: tuple[int, int] = HW) -> FrameLabels:
    """Five small objects side by side in a row, and a large one below."""
    small = [(x, row, x + 8, row + 6) for x in range(20, 320, 65)]
    return FrameLabels(name, hw, instances(*small, (50, 170, 150, 260)), CropMasks.empty())


def views_of(planned: list[Planned]) -> list[View]:
    return [one.view for one in planned]


def inside(box: tuple[float, ...], view: View) -> bool:
    low = zip(view.rect[:2], box[:2], strict=True)
    high = zip(view.rect[2:], box[2:], strict=True)
    return all(edge <= at for edge, at in low) and all(edge >= at for edge, at in high)


# Views and plans of one pass


def test_a_view_answers_for_sizes_at_both_ends_of_its_range() -> None:
    view = View((0.0, 0.0, 9.0, 9.0), (9, 9), answers_for=(4.0, 16.0))
    boxes = np.array([[0, 0, 4, 4], [0, 0, 2, 8], [0, 0, 3, 5], [0, 0, 16, 16], [0, 0, 16, 17.0]])
    assert view.answers(boxes).tolist() == [True, True, False, True, False]
    assert View((0.0, 0.0, 9.0, 9.0), (9, 9)).answers(boxes).all()
    for wrong in ((4.0, 4.0), (-1.0, 4.0), (5.0, 4.0), (float("nan"), 4.0)):
        with pytest.raises(DataError, match="answers for"):
            View((0.0, 0.0, 9.0, 9.0), (9, 9), answers_for=wrong)


def test_a_band_of_tiles_covers_its_rows_alone() -> None:
    views = views_of(tiles(size=64, overlap=8, zoom=2.0, band=(100, 160)).first(INFO))
    assert min(view.rect[1] for view in views) == 100
    assert max(view.rect[3] for view in views) == 160
    for y, x in product((100.5, 130.0, 159.5), np.arange(0.5, 340)):
        assert any(inside((x, y, x, y), view) for view in views)
    assert tiles(size=64, overlap=8, band=(300, 400)).first(INFO) == []
    assert {
        v.rect[1] for v in views_of(tiles(size=80, overlap=8, band=(200, 400)).first(INFO))
    } == {200}
    with pytest.raises(DataError, match="band"):
        tiles(size=64, overlap=8, band=(100, 100))


def test_scales_flips_and_models() -> None:
    plan = for_models(flipped(scales(135, 270)), (1,))
    planned = plan.first(INFO)
    assert [(one.view.out_hw, one.view.flip) for one in planned] == [
        ((135, 170), False),
        ((135, 170), True),
        ((270, 340), False),
        ((270, 340), True),
    ]
    assert {one.models for one in planned} == {(1,)}
    assert planned[0].view.rect == (0, 0, 340, 270)


def test_second_passes_are_flipped_and_joined_too() -> None:
    seen: list[int] = []

    def then(info: FrameInfo, found: Instances) -> list[Planned]:
        seen.append(len(found))
        return [Planned(View((0.0, 0.0, 9.0, 9.0), (9, 9)))]

    plan = together(whole(), flipped(Plan(whole().first, then, lambda info: ("mind this",))))
    found = instances((1, 1, 3, 3))
    assert [one.view.flip for one in plan.then(INFO, found)] == [False, True]
    assert seen == [1]
    assert plan.remarks(INFO) == ("mind this",)
    assert len(plan.first(INFO)) == 3


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("170908_061522285_Camera_5", "5"),
        ("170908_061522285_Camera_6.jpg", "6"),
        (r"Record011\Camera 5\170908_061502408_Camera_5.jpg", "5"),
        ("170908_061522285_Camera_5_instanceIds.png", "5"),
        ("/x_Camera_7/frankfurt_000000_leftImg8bit.png", None),
        ("0a1b2c", None),
        ("", None),
    ],
)
def test_the_camera_in_a_name(name: str, camera: str | None) -> None:
    assert camera_of(name) == camera
    assert FrameInfo.named(name, HW) == FrameInfo(HW, camera)


# The prior


def test_a_prior_expects_what_it_was_shown() -> None:
    prior = learn_prior([street(), street(), street("b_Camera_6", row=100)])
    expected = prior.expected(INFO)
    assert expected is not None
    assert expected.shape == Grid.of(HW).shape
    # Two frames of five sizes 6.9 each, and one of 95: on average 5 and 1 a frame.
    assert expected.sum(axis=(1, 2)) == pytest.approx([5, 0, 0, 0, 1, 0], abs=0.05)
    rows = expected[0].sum(axis=1)
    assert abs(Grid.of(HW).centres(0)[rows.argmax()] - 153) <= 4
    assert rows[np.abs(Grid.of(HW).centres(0) - 153) > 20].sum() < 0.01
    other = prior.expected(FrameInfo(HW, "6"))
    assert other is not None
    assert abs(Grid.of(HW).centres(0)[other[0].sum(axis=1).argmax()] - 103) <= 4


@pytest.mark.parametrize("info", [FrameInfo(HW, "7"), FrameInfo(HW), FrameInfo((340, 270), "5")])
def test_a_foreign_frame_has_no_prior_and_the_plan_says_so(info: FrameInfo) -> None:
    prior = learn_prior([street()])
    assert prior.expected(info) is None
    alone = focus(SMALL_VIEWS, source="prior", prior=prior, first=ONCE)
    assert len(alone.first(info)) == 1
    assert len(alone.first(INFO)) > 1
    found = instances((100, 60, 106, 66))
    both, first = (focus(SMALL_VIEWS, source=s, prior=prior, first=ONCE) for s in ("both", "first"))
    assert both.then(info, found) == first.then(info, found)
    assert both.then(INFO, found) != first.then(INFO, found)
    (remark,) = both.remarks(info)
    assert remark.startswith("the prior is not used: this frame is of ")
    assert remark.endswith("it of camera 5 at 340 x 270")
    assert both.remarks(INFO) == ("the prior of camera 5 is used, learned on 1 frames",)
    assert first.remarks(info) == ()


def test_frames_of_no_camera_teach_nothing() -> None:
    with pytest.raises(DataError, match="cameras"):
        learn_prior([street("frankfurt")])
    prior = learn_prior([street("frankfurt"), street()])
    assert [(c.camera, c.frames) for c in prior.cameras] == [("5", 1)]
    named = learn_prior([street("frankfurt")], camera="roof")
    assert named.expected(FrameInfo(HW, "roof")) is not None


def test_a_prior_comes_back_from_its_file(tmp_path: Path) -> None:
    prior = learn_prior([street(), street("b_Camera_6"), street("c_Camera_5", hw=(300, 340))])
    text = prior_to_json(prior)
    again = prior_from_json(text)
    assert prior_to_json(again) == text
    assert [(c.camera, c.hw, c.frames) for c in again.cameras] == [
        ("5", (270, 340), 1),
        ("5", (300, 340), 1),
        ("6", (270, 340), 1),
    ]
    for one, two in zip(prior.cameras, again.cameras, strict=True):
        assert np.array_equal(one.counts, two.counts)
    (tmp_path / "prior.json").write_text(text)
    assert prior_to_json(read_prior(tmp_path / "prior.json")) == text
    with pytest.raises(DataError, match="cannot be read"):
        read_prior(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"version": 2}, "version"),
        ({"rows": 64}, "rows"),
        ({"more": 1}, "more"),
        ({"cameras": []}, "cameras"),
        ({"cameras": [{"camera": "5", "hw": [270, 340], "frames": 0, "counts": []}]}, "frames"),
        ({"cameras": [{"camera": "5", "hw": [0, 340], "frames": 1, "counts": []}]}, "hw"),
        ({"cameras": [{"camera": "5", "hw": [9, 9], "frames": 1, "counts": [[0, 1]]}]}, "counts.0"),
        (
            {"cameras": [{"camera": "5", "hw": [9, 9], "frames": 1, "counts": [[0, 128, 0, 1]]}]},
            "counts.0",
        ),
        (
            {"cameras": [{"camera": "5", "hw": [9, 9], "frames": 1, "counts": [[0, 1, 0, -1]]}]},
            "counts.0",
        ),
        ({"cameras": [{"camera": "5", "hw": [9, 9], "frames": 1, "counts": []}] * 2}, "once"),
    ],
)
def test_damaged_priors_are_refused(change: dict[str, object], place: str) -> None:
    tree = json.loads(prior_to_json(learn_prior([street()])))
    with pytest.raises(DataError) as caught:
        prior_from_json(json.dumps({**tree, **change}), path="prior.json")
    assert place in str(caught.value)
    assert "prior.json" in str(caught.value)


def test_no_json_is_no_prior() -> None:
    with pytest.raises(DataError, match="not a prior"):
        prior_from_json("{")


# Hints and what a look is worth


def test_octaves_and_worth_by_hand() -> None:
    sizes = np.array([0.0, 7.9, 8.0, 31.9, 32.0, 1000.0])
    assert octaves_of(sizes).tolist() == [0, 0, 1, 2, 3, 5]
    gain = worth(zoom=2.0, scale=0.66)
    # 11.3 pixels: 22.6 in a 2x view, .5 + .4 * 6.6 / 24 found; 7.5 in the whole frame, none.
    assert gain[1] == pytest.approx(0.61, abs=0.01)
    assert gain[4] == gain[5] == 0
    assert (worth(zoom=0.5, scale=1.0) == 0).all()


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
    zoomed = Zoomed(budget_mp, zoom, (64, 128), (0.0, 30.0))
    plan = focus(zoomed, source="first", first=ONCE)
    info = FrameInfo(hw)
    views = views_of(plan.then(info, found))
    assert len(views) * 64 * 128 <= budget_mp * 1e6 + 1e-3
    assert {view.out_hw for view in views} <= {(64, 128)}
    assert {view.answers_for for view in views} <= {(0.0, 30.0)}
    assert all(np.allclose(view.scale_xy, zoom) for view in views)
    assert views_of(plan.then(info, found)) == views
    assert views_of(plan.first(info))[0].rect == (0, 0, hw[1], hw[0])


def test_focus_looks_where_the_prior_says() -> None:
    prior = learn_prior([street(), street()])
    plan = focus(SMALL_VIEWS, source="prior", prior=prior, first=ONCE)
    first, *zoomed = views_of(plan.first(INFO))
    assert first.answers_for == (0, np.inf)
    assert 4 <= len(zoomed) <= 6
    small = street().instances.boxes[:5].tolist()
    assert all(any(inside(tuple(box), view) for view in zoomed) for box in small)
    assert plan.then(INFO, Instances.empty()) == []


def test_focus_looks_at_what_the_first_pass_found_and_along_its_row() -> None:
    found = instances((100, 60, 106, 66), (230, 61, 236, 67), scores=0.6)
    views = views_of(focus(SMALL_VIEWS, source="first", first=ONCE).then(INFO, found))
    assert all(any(inside(tuple(box), view) for view in views) for box in found.boxes.tolist())
    assert sum(view.rect[1] <= 63 <= view.rect[3] for view in views) >= 5


def test_a_first_pass_that_magnifies_as_much_leaves_nothing_to_look_at() -> None:
    prior = learn_prior([street()])
    near = whole(short_side=540, longest_side=None)
    assert len(focus(SMALL_VIEWS, source="prior", prior=prior, first=near).first(INFO)) == 1


def test_where_nothing_is_known_the_middle_rows_are_looked_at() -> None:
    views = views_of(focus(SMALL_VIEWS, source="first", first=ONCE).then(INFO, Instances.empty()))
    assert views
    assert all(view.rect[1] <= 150 and view.rect[3] >= 120 for view in views[:5])


@pytest.mark.parametrize(
    ("zoom", "budget_mp", "out_hw"),
    [(0.0, 1.0, (64, 64)), (2.0, 0.001, (64, 64)), (2.0, 1.0, (16, 64)), (np.inf, 1.0, (64, 64))],
)
def test_impossible_focuses_are_refused(
    zoom: float, budget_mp: float, out_hw: tuple[int, int]
) -> None:
    with pytest.raises(DataError, match="a focus needs"):
        Zoomed(budget_mp, zoom, out_hw)


def test_unknown_sources_are_refused() -> None:
    with pytest.raises(DataError, match="source"):
        focus(source="second")
    with pytest.raises(DataError, match="needs a prior"):
        focus(source="prior")


# The picture and the command line


def test_the_picture_dims_what_is_not_looked_at() -> None:
    image = np.full((*HW, 3), 200, np.uint8)
    first = [Planned(View((0.0, 0.0, 340.0, 270.0), (135, 170)))]
    then = [Planned(View((100.0, 100.0, 164.0, 132.0), (64, 128), answers_for=(0.0, 96.0)))]
    picture = draw_plan(image, first, then, found=np.array([[10.0, 200.0, 20.0, 210.0]]))
    assert picture.shape[1] == 340
    assert picture.shape[0] > 270
    assert (picture[116, 132] == 200).all()
    assert (picture[50, 300] == 100).all()
    assert (picture[100, 120] == (255, 176, 46)).all()
    assert (picture[210, 15] == 255).all()
    assert (draw_plan(image, first, [])[50, 300] == 200).all()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two grey frames with one car each, in the WAD's layout."""
    out = tmp_path_factory.mktemp("scenes")
    (out / "train_color").mkdir()
    (out / "train_label").mkdir()
    label = np.full(HW, 255, np.uint16)
    label[150:156, 100:108] = 33000
    for stem in ("0_Camera_5", "1_Camera_6"):
        write_jpeg(out / f"train_color/{stem}.jpg", np.full((*HW, 3), 90, np.uint8))
        cv2.imwrite(str(out / f"train_label/{stem}_instanceIds.png"), label)
    return out


def test_the_verbs(scenes: Path, tmp_path: Path) -> None:
    prior, seen = tmp_path / "prior.json", tmp_path / "seen"
    words = ["prior", "--data", str(scenes), "--out", str(prior)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert {c.camera for c in read_prior(prior).cameras} == {"5", "6"}

    image = scenes / "train_color/0_Camera_5.jpg"
    frame = FramePredictions(image.stem, image.name, HW, instances((100, 60, 106, 66)))
    write_predictions(tmp_path / "predictions.json", Predictions(("car",), (frame,)))
    for name, more in {
        "focus": ["--budget", "2MP", "--prior", str(prior)],
        "tiles": [],
        "whole": ["--predictions", str(tmp_path)],
    }.items():
        words = ["views", str(image), "--plan", name, "--out", str(seen / name), *more]
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert read_image(seen / name / f"{image.stem}_views.jpg").shape[1] == 340


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("parts: [{whole: {short_side: 1800, longest: 9}}]", "longest"),
        ("parts: [{tiles: {size: 64}, focus: {}}]", "one of whole, tiles and focus"),
        ("parts: []", "parts"),
        ("views: []", "parts"),
        ("parts: [", "YAML"),
    ],
)
def test_wrong_plan_files_are_refused(
    text: str,
    said: str,
    tmp_path: Path,
    scenes: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "plan.yaml").write_text(text)
    image = str(scenes / "train_color/0_Camera_5.jpg")
    words = ["views", image, "--plan", str(tmp_path / "plan.yaml"), "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["tinyseg", *words])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 2
    error = " ".join(capsys.readouterr().err.split())
    assert said in error
    assert "plan.yaml" in error.replace(" ", "")


def test_octaves_fit_the_grid() -> None:
    assert Grid.of(HW).shape[0] == COUNT == len(OCTAVES) - 1
