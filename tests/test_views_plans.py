"""Plans of one pass, plans together, and their picture and verbs."""

import pickle
from dataclasses import replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from _street import HW, INFO, SMALL, inside, instances, street, views_of
from _tiny_network import TINY
from pydantic import TypeAdapter
from typer.testing import CliRunner

from tinyseg.cli import app, main
from tinyseg.errors import DataError
from tinyseg.frame import Instances
from tinyseg.image import read_image, write_jpeg
from tinyseg.networks import build_detector, save_weights
from tinyseg.predict import choose_plan, named_plan
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.recipes import find_recipe, with_settings
from tinyseg.report.plan_picture import draw_plan
from tinyseg.stored import WEIGHTS_NAME, read_weights_prior
from tinyseg.views import (
    Focus,
    FrameInfo,
    Part,
    Plan,
    Planned,
    Tiles,
    View,
    Whole,
    camera_of,
    learn_prior,
    prior_to_json,
    read_plan,
    read_prior,
    resolved,
)
from tinyseg.views.evidence import COUNT, OCTAVES, Grid

# Views and plans of one pass


def test_a_view_answers_for_sizes_at_both_ends_of_its_range() -> None:
    view = View((0.0, 0.0, 9.0, 9.0), (9, 9), answers_for=(4.0, 16.0))
    boxes = np.array([[0, 0, 4, 4], [0, 0, 2, 8], [0, 0, 3, 5], [0, 0, 16, 16], [0, 0, 16, 17.0]])
    assert view.answers(boxes).tolist() == [True, True, False, True, False]
    assert View((0.0, 0.0, 9.0, 9.0), (9, 9)).answers(boxes).all()
    for wrong in ((4.0, 4.0), (-1.0, 4.0), (5.0, 4.0), (float("nan"), 4.0)):
        with pytest.raises(DataError, match="answers for"):
            View((0.0, 0.0, 9.0, 9.0), (9, 9), answers_for=wrong)


def test_coarser_looks_are_for_what_is_large_in_them() -> None:
    def looks(whole: Whole, hw: tuple[int, int]) -> list[tuple[tuple[int, int], float]]:
        planned = whole.first(FrameInfo(hw))
        assert all(one.view.rect == (0, 0, hw[1], hw[0]) for one in planned)
        return [(one.view.out_hw, one.view.answers_for[0]) for one in planned]

    street = [((640, 1280), 0), ((320, 640), 96), ((160, 320), 192)]
    assert looks(Whole(largest_zoom=1.0, coarser=2), (640, 1280)) == street
    assert looks(Whole(largest_zoom=1.0, coarser=9), (640, 1280)) == street  # 80 rows are too few
    assert looks(Whole(largest_zoom=1.0), (640, 1280)) == street[:1]
    challenge = looks(Whole(coarser=2), (2710, 3384))
    assert [out_hw for out_hw, _ in challenge] == [(1800, 2248), (900, 1124), (450, 562)]
    assert [least for _, least in challenge[1:]] == pytest.approx([144.5, 289.1], abs=0.1)
    with pytest.raises(DataError, match="coarser looks"):
        Focus(coarser=-1)
    # No look that has nothing to answer for
    medium = Whole(640, None, answers_for=(120.0, 190.0), coarser=2)
    assert looks(medium, (640, 1280)) == [((640, 1280), 120), ((320, 640), 120)]


def test_focus_looks_coarser_after_the_whole_frame_which_alone_says_where_to_look_closer() -> None:
    info, found = FrameInfo((640, 1280)), instances((100, 300, 120, 320), scores=0.5)
    focus = Focus(0.5, view=(320, 640), source="first", largest_zoom=1.0)
    (once,), (half, quarter, *closer) = focus.first(info), focus.then(info, found)
    whole = [once, half, quarter]
    assert whole == Whole(largest_zoom=1.0, coarser=2).first(info)
    assert closer == replace(focus, coarser=0).then(info, found)
    prior = replace(focus, source="prior", prior=learn_prior([street()]))
    assert prior.first(info)[:3] == whole
    assert prior.then(info, found) == []


def test_a_network_with_one_size_of_input_gets_no_coarser_look() -> None:
    info, limits = FrameInfo((640, 1280)), find_recipe("lite").predict
    fixed = limits.model_copy(update={"input_hw": (640, 640)})
    for name in ("focus", "tiles"):
        for given, count in ((limits, 3), (fixed, 1)):
            plan = named_plan(name, given)
            views = views_of(plan.first(info) + plan.then(info, Instances.empty()))
            assert sum(view.rect == (0, 0, 1280, 640) for view in views) == count


def test_a_band_of_tiles_covers_its_rows_alone() -> None:
    views = views_of(Tiles(size=64, overlap=8, zoom=2.0, band=(100, 160)).first(INFO))
    assert min(view.rect[1] for view in views) == 100
    assert max(view.rect[3] for view in views) == 160
    for y, x in product((100.5, 130.0, 159.5), np.arange(0.5, 340)):
        assert any(inside((x, y, x, y), view) for view in views)
    assert Tiles(size=64, overlap=8, band=(300, 400)).first(INFO) == []
    assert {
        v.rect[1] for v in views_of(Tiles(size=80, overlap=8, band=(200, 400)).first(INFO))
    } == {200}
    with pytest.raises(DataError, match="band"):
        Tiles(size=64, overlap=8, band=(100, 100))


def test_scales_flips_and_models() -> None:
    plan = Plan(tuple(Part.of(Whole(side, None), models=(1,)) for side in (135, 270)), flip=True)
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
    plan = Plan((Part.of(Whole()), Part.of(SMALL, models=(2,)), Part.of(SMALL)), flip=True)
    found = instances((100, 60, 106, 66))
    then, alone = plan.then(INFO, found), SMALL.then(INFO, found)
    assert [one.view.flip for one in then] == [False, True] * 2 * len(alone)
    assert views_of(then[::2]) == views_of(alone) * 2
    assert [one.models for one in then] == [(2,)] * 2 * len(alone) + [None] * 2 * len(alone)
    assert plan.remarks(INFO) == SMALL.remarks(INFO) != ()
    assert len(plan.first(INFO)) == 6


def test_plans_are_records(tmp_path: Path) -> None:
    """They compare, pickle, and are read from a file as they are written in Python."""
    prior = learn_prior([street()])
    plan = Plan((Part.of(replace(SMALL, prior=prior)), Part.of(Tiles(64), (0, 1))), flip=True)
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan
    assert hash(again) == hash(plan)
    assert again.first(INFO) == plan.first(INFO)
    assert plan != plan.with_focus(lambda focus: replace(focus, prior=None))
    other = learn_prior([street(row=100)])
    assert plan != plan.with_focus(lambda focus: replace(focus, prior=other))
    (tmp_path / "plan.yaml").write_text(
        "parts: [{focus: {prior: p.json}}, {tiles: {answers_for: null}}, {whole: {}}]"
    )
    read = read_plan(tmp_path / "plan.yaml")
    assert read == Plan.of(Focus(prior=tmp_path / "p.json"), Tiles(), Whole())
    tree = TypeAdapter(Plan).dump_python(read, mode="json")
    assert TypeAdapter(Plan).validate_python(tree) == read


def test_a_prior_is_the_plans_own_or_the_networks(tmp_path: Path) -> None:
    own, named = (learn_prior([street(row=row)]) for row in (150, 100))
    (tmp_path / "p.json").write_text(prior_to_json(named))
    focus = replace(SMALL, source="prior", prior=tmp_path / "p.json")
    assert resolved(focus, own) == replace(focus, prior=named)
    assert focus.first(INFO) == replace(focus, prior=named).first(INFO)
    plan = Plan.of(SMALL, focus, Whole())
    expected = Plan.of(replace(SMALL, prior=own), replace(focus, prior=named), Whole())
    assert resolved(plan, own) == expected
    assert resolved(expected, None) == expected
    assert resolved(Whole(), own) == Whole()


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
    learn = ["export", "--learn-prior", "--data", str(scenes), "--out"]
    result = CliRunner().invoke(app, [*learn, str(prior)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert {c.camera for c in read_prior(prior).cameras} == {"5", "6"}
    out, run = str(tmp_path / "w.safetensors"), str(tmp_path)
    for wrong, said in {
        (*learn, out): "--learn-prior alone to .json",
        (*learn, out, run): "no such weights",
        (*learn, str(prior), "--card", "a"): "--card: the option has no effect",
        ("export", run, "--out", out, "--camera", "5"): "--camera: the option has no effect",
        ("export", run, "--out", out, "--list", "a"): "--list: the option has no effect",
    }.items():
        refused = CliRunner().invoke(app, wrong)
        assert said in str(refused.exception)
    recipe = with_settings(find_recipe("lite"), TINY)
    save_weights(tmp_path / WEIGHTS_NAME, build_detector(recipe), recipe)
    result = CliRunner().invoke(app, [*learn, out, run], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    own = read_weights_prior(Path(out))
    assert own is not None
    assert prior_to_json(own) == prior.read_text()

    image = scenes / "train_color/0_Camera_5.jpg"
    frame = FramePredictions(image.stem, image.name, HW, instances((100, 60, 106, 66)))
    write_predictions(tmp_path / "predictions.json", Predictions(("car",), (frame,)))
    for name, more in {
        "focus": ["--budget", "2MP", "--prior", str(prior)],
        "tiles": [],
        "whole": ["--predictions", str(tmp_path)],
    }.items():
        words = ["show", str(image), "--plan", name, "--out", str(seen / name), *more]
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert read_image(seen / name / f"{image.stem}_views.jpg").shape[1] == 340


def test_views_of_weights_are_those_of_their_own_prior_and_plan(
    scenes: Path, tmp_path: Path
) -> None:
    image, prior = scenes / "train_color/0_Camera_5.jpg", tmp_path / "prior.json"
    sizes = ["predict.short_side=96", "predict.longest_side=128", "predict.plan=focus"]
    recipe = with_settings(find_recipe("lite"), [*TINY, *sizes])
    save_weights(tmp_path / WEIGHTS_NAME, build_detector(recipe), recipe)
    learn = ["export", "--learn-prior", "--data", str(scenes), "--out"]
    out = str(tmp_path / "w.safetensors")

    def said(*words: str) -> str:
        given = ["show", str(image), "--budget", "2MP", "--out", str(tmp_path / "seen"), *words]
        result = CliRunner().invoke(app, given, catch_exceptions=False)
        return result.output.partition("Camera_5.jpg: ")[2]

    without = said("--weights", str(tmp_path))
    for files in ([out, str(tmp_path)], [str(prior)]):
        assert CliRunner().invoke(app, [*learn, *files], catch_exceptions=False).exit_code == 0
    own = ["--weights", out]
    assert said(*own) != without
    assert said(*own) == said(*own, "--prior", str(prior))
    assert said(*own) != said("--prior", str(prior))  # the preset's sizes are not the network's


def test_a_files_focus_says_what_its_closer_looks_are(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(
        "parts: [{focus: {budget_mp: 2, zoom: 1.5, view: [320, 640], answers_for: [0, 48],"
        " short_side: 300, longest_side: 400, largest_zoom: 0.5}}]"
    )
    plan = read_plan(path)
    info = FrameInfo((800, 1000), None)
    first, then = plan.first(info), plan.then(info, Instances.empty())
    assert [p.view.out_hw for p in first] == [(300, 375)]
    assert {(p.view.out_hw, p.view.answers_for) for p in then} == {((320, 640), (0.0, 48.0))}
    assert np.allclose([p.view.scale_xy for p in then], 1.5)
    assert 1 <= len(then) <= 2_000_000 // (320 * 640)


def test_several_closer_looks_share_a_budget() -> None:
    own = Plan.of(Focus(7.0, budget_share=1.0), Focus(4.0))
    chosen = choose_plan(find_recipe("lite").predict, own, budget_mp=5.5)
    budgets = [(p.focus.budget_mp, p.focus.budget_share) for p in chosen.parts if p.focus]
    assert budgets == [(3.5, None), (2.0, None)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("parts: [{whole: {short_side: 1800, longest: 9}}]", "longest"),
        ("parts: [{tiles: {size: 64}, focus: {}}]", "one of whole, tiles and focus"),
        ("parts: [{whole: {short_side: 0}}]", "parts.0.whole: a whole view needs sides"),
        ("parts: [{tiles: {size: 64, overlap: 64}}]", "expected 0 ... 63, got 64"),
        ("parts: [{focus: {answers_for: [8, 8]}}]", "parts.0.focus: a view answers for sizes"),
        ("parts: [{focus: {source: second}}]", "expected prior | first | both, got second"),
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
    words = ["show", image, "--plan", str(tmp_path / "plan.yaml"), "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["tinyseg", *words])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 2
    error = " ".join(capsys.readouterr().err.split())
    assert said in error
    assert "plan.yaml" in error.replace(" ", "")


def test_octaves_fit_the_grid() -> None:
    assert Grid.of(HW).shape[0] == COUNT == len(OCTAVES) - 1
