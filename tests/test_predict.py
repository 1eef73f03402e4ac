"""Prediction: batches, passes, ensembles, streams and resuming, on tiny networks and pictures."""

import threading
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from _street import Made, street
from _tiny_network import network, picture, video
from jaxtyping import UInt8
from typer.testing import CliRunner

from tinyseg import masks as mask_ops
from tinyseg.calibration import Calibration, write_calibration
from tinyseg.cli import app
from tinyseg.errors import (
    DataError,
    DeviceError,
    ImageError,
    RecipeError,
    TinysegError,
    WeightsError,
)
from tinyseg.frame import Instances
from tinyseg.image import write_jpeg
from tinyseg.network import Network
from tinyseg.networks import load_detector, save_weights
from tinyseg.predict import (
    BatchLimits,
    Member,
    MemberFile,
    Predictor,
    Shot,
    choose_plan,
    find_sources,
    load_member,
    load_predictor,
    predict_shots,
    read_ensemble,
    read_shots,
    write_ensemble,
)
from tinyseg.predict.ahead import ahead
from tinyseg.predict.batches import BatchSizes, Look, in_batches
from tinyseg.predictions import read_predictions
from tinyseg.views import (
    Focus,
    FrameInfo,
    Part,
    Plan,
    Planned,
    Tiles,
    View,
    Whole,
    learn_prior,
    prior_to_json,
    read_plan,
)

CPU = torch.device("cpu")
Image = UInt8[np.ndarray, "height width 3"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Weights files of two networks."""
    folder = tmp_path_factory.mktemp("weights")
    for seed, name in enumerate("ab"):
        save_weights(folder / f"{name}.safetensors", *network(seed))
    return folder / "a.safetensors", folder / "b.safetensors"


@pytest.fixture(scope="module")
def member(files: tuple[Path, Path]) -> Member:
    return load_member(files[0])


def same(a: Instances, b: Instances) -> bool:
    """Bit for bit."""
    return (
        np.array_equal(a.boxes, b.boxes)
        and np.array_equal(a.scores, b.scores)
        and np.array_equal(a.labels, b.labels)
        and np.array_equal(a.masks.boxes, b.masks.boxes)
        and np.array_equal(a.masks.coverage, b.masks.coverage)
    )


SMALL_TILES = Tiles(size=128, overlap=32)


def test_a_frame_alone_gives_what_it_gives_among_four(member: Member) -> None:
    plan = Plan.of(
        Whole(short_side=128, longest_side=192), Tiles(size=128, overlap=0, band=(60, 188))
    )
    predictor = Predictor([member], plan, device=CPU, limits=BatchLimits(pixels=8 * 128**2))
    images = [picture(seed) for seed in range(4)]
    infos = [FrameInfo((200, 300))] * 4
    among_four = predictor.look(images, infos)
    for image, seen in zip(images, among_four, strict=True):
        alone, among = predictor(image), predictor.merge(seen, (200, 300))
        assert len(alone) > 5
        assert len(alone) == len(among)
        np.testing.assert_allclose(alone.boxes, among.boxes, atol=1e-3)
        np.testing.assert_array_equal(alone.labels, among.labels)
        assert np.diag(mask_ops.iou(alone.masks, among.masks)).min() >= 0.999


def test_the_order_of_views_changes_no_bit(member: Member) -> None:
    image = picture(0)
    forward = Predictor([member], SMALL_TILES, device=CPU)(image)
    rng = np.random.default_rng(0)

    def shuffled(info: FrameInfo) -> list[Planned]:
        views = SMALL_TILES.first(info)
        return [views[i] for i in rng.permutation(len(views))] + views[:1]

    assert len(forward) > 5
    for _ in range(2):
        assert same(forward, Predictor([member], Made(shuffled), device=CPU)(image))


def test_the_second_pass_sees_what_the_first_found(member: Member) -> None:
    asked: list[Instances] = []
    closer = Planned(View((50.0, 50.0, 114.0, 114.0), (128, 128)))

    def then(info: FrameInfo, found: Instances) -> list[Planned]:
        asked.append(found)
        return [closer]

    first = Whole(short_side=128, longest_side=192)
    predictor = Predictor([member], Made(first.first, then), device=CPU)
    info = FrameInfo((200, 300), "5")
    (seen,) = predictor.look([picture(0)], [info])
    assert [s.view for s in seen] == [first.first(info)[0].view, closer.view]
    assert same(asked[0], seen[0].instances)


def test_models_look_at_the_views_that_are_theirs(files: tuple[Path, Path]) -> None:
    members = [load_member(file) for file in files]
    parts = Part.of(Whole(short_side=128)), Part.of(SMALL_TILES, models=(1,))
    predictor = Predictor(members, Plan(parts, flip=True), device=CPU)
    info = FrameInfo((200, 300))
    (seen,) = predictor.look([picture(0)], [info])
    count = len(SMALL_TILES.first(info))
    assert [s.model for s in seen].count(0) == 2
    assert [s.model for s in seen].count(1) == 2 + 2 * count
    assert predictor.rules.model_weights == (1.0, 1.0)


def test_scores_are_calibrated_before_merging(member: Member) -> None:
    calibration = Calibration(slope=0.5, offset=-1.0)
    plan = Whole(short_side=128)
    info = [FrameInfo((200, 300))]
    (plain,) = Predictor([member], plan, device=CPU).look([picture(0)], info)
    changed = Predictor([replace(member, calibration=calibration)], plan, device=CPU)
    (seen,) = changed.look([picture(0)], info)
    found = plain[0].instances
    expected = calibration(found.scores, found.labels, member.network.classes)
    np.testing.assert_array_equal(seen[0].instances.scores, expected)


class Cramped:
    """A network on a device that holds so many views."""

    def __init__(self, network: Network, most: int) -> None:
        self.network, self.most, self.asked = network, most, list[int]()

    def detect(self, images: UInt8[np.ndarray, "b h w 3"]) -> list[Instances]:
        self.asked.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")
        return self.network.detect(images)


def test_a_batch_that_does_not_fit_is_halved(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor([member], SMALL_TILES, device=CPU)
    image = picture(0)
    expected = predictor(image)
    cramped = Cramped(copy(member.network), 2)
    monkeypatch.setattr(member.network, "detect", cramped.detect)
    found = predictor(image)
    assert cramped.asked == [6, 3, 2, 1, 3, 2, 1]
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
    cramped.asked.clear()
    predictor(image)
    assert max(cramped.asked) == 2, "what did not fit is remembered"
    cramped.most = 0
    with pytest.raises(DeviceError, match=r"one view does not fit .* 128 x 128 pixels"):
        predictor(image)


def test_batches_keep_to_the_limits(member: Member) -> None:
    view = View((0.0, 0.0, 64.0, 64.0), (64, 64))
    looks = [
        Look.of(replace(view, rect=(float(x), 0.0, x + 64.0, 64.0)), member=0, frame=frame)
        for frame in (1, 0)
        for x in (3, 1, 2)
    ]
    by_pixels = BatchSizes(BatchLimits(pixels=4 * 64**2))
    batches = list(in_batches([*looks, looks[0]], (member,), by_pixels))
    assert [[(k.frame, k.rect[0]) for k in batch] for batch in batches] == [
        [(0, 1), (0, 2), (0, 3), (1, 1)],
        [(1, 2), (1, 3)],
    ]
    each = member.network.view_bytes((64, 64)) / 1e6
    by_memory = BatchSizes(BatchLimits(memory_mb=int(each * 2.5) + 1))
    assert max(len(b) for b in in_batches(looks, (member,), by_memory)) in (2, 3)
    tight = BatchSizes(BatchLimits(pixels=1, memory_mb=1))
    assert {len(b) for b in in_batches(looks, (member,), tight)} == {1}


def test_ahead_keeps_order_and_errors() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise DataError("no more")

    got: list[int] = []
    with pytest.raises(DataError, match="no more"):
        got.extend(ahead(items()))
    assert got == [0, 1, 2]
    assert list(ahead([])) == []
    early = ahead(range(100))
    assert next(early) == 0
    early.close()
    assert not any(t.name.startswith("ahead") for t in threading.enumerate())


def raised(name: str, error: TinysegError) -> None:
    raise error


def test_a_stream_is_in_order_and_as_one_by_one(member: Member) -> None:
    limits = BatchLimits(pixels=3 * 128 * 192)
    predictor = Predictor([member], Whole(short_side=128), device=CPU, limits=limits)
    assert predictor.frames_at_once(FrameInfo((200, 300))) == 3
    shots = [Shot(f"f{i}", f"f{i}.jpg", "", picture(i)) for i in range(7)]
    finished: list[str] = []
    frames = list(
        predict_shots(
            predictor,
            shots,
            on_error=raised,
            finish=lambda frame, mark, image: finished.append(frame.name),
        )
    )
    assert [frame.name for frame in frames] == finished == [shot.name for shot in shots]
    for i, frame in enumerate(frames):
        alone = predictor(picture(i))
        np.testing.assert_allclose(frame.instances.boxes, alone.boxes, atol=1e-3)


def test_a_stream_finishes_what_came_before_an_error(member: Member) -> None:
    predictor = Predictor([member], Whole(short_side=128), device=CPU)
    bad = Shot("bad", "bad.jpg", "", ImageError("broken"))
    shots = [Shot("a", "a.jpg", "", picture(0)), bad, Shot("b", "b.jpg", "", picture(1))]
    told: list[str] = []
    names = [
        frame.name
        for frame in predict_shots(predictor, shots, on_error=lambda name, error: told.append(name))
    ]
    assert names == ["a", "b"]
    assert told == ["bad"]
    got: list[str] = []
    with pytest.raises(ImageError, match="broken"):
        got.extend(frame.name for frame in predict_shots(predictor, shots, on_error=raised))
    assert got == ["a"]


def test_sources_of_every_kind(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "c.png"):
        write_jpeg(tmp_path / name, picture(0))
    video(tmp_path / "v.avi", 4)
    (tmp_path / "notes.md").write_text("not a picture")
    folder = find_sources([str(tmp_path)])
    assert [s.path.name for s in folder] == ["a.jpg", "b.jpg", "c.png", "v.avi"]
    assert [s.frames for s in folder] == [1, 1, 1, 4]
    globbed = find_sources([f"{tmp_path}/*.jpg", str(tmp_path / "a.jpg")])
    assert [s.path.name for s in globbed] == ["a.jpg", "b.jpg"]
    (tmp_path / "list.txt").write_text("b.jpg\n\nv.avi\n")
    assert [s.path.name for s in find_sources([str(tmp_path / "list.txt")])] == ["b.jpg", "v.avi"]
    (tmp_path / "list.txt").write_text("b.jpg\nnone.jpg\n")
    with pytest.raises(DataError, match=r"list.txt: line 2: no such file \(got none.jpg\)"):
        find_sources([str(tmp_path / "list.txt")])
    (tmp_path / "more").mkdir()
    write_jpeg(tmp_path / "more/a.jpg", picture(0))
    both = find_sources([str(tmp_path), str(tmp_path / "more")])
    assert [s.name for s in both] == ["a", "b", "c", "v", "more/a"]


def test_a_videos_frames_have_numbers_and_colours(tmp_path: Path) -> None:
    video(tmp_path / "v.avi", 4)
    sources = find_sources([str(tmp_path / "v.avi")])
    shots = list(read_shots(sources, lambda name, mark: name.endswith("2")))
    assert [shot.name for shot in shots] == ["v_000000", "v_000001", "v_000003"]
    assert shots[2].file_name == "v.avi"
    last = shots[2].content
    assert isinstance(last, np.ndarray)
    np.testing.assert_allclose(last[32, 48], (10, 120, 200), atol=6)  # RGB, not OpenCV's BGR


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        write_jpeg(folder / f"p{i}.jpg", picture(i))
    return folder


def test_predict_goes_on_where_it_stopped(
    files: tuple[Path, Path], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (str(pictures), "--weights", str(files[0]), "--threads", "1")
    whole_run, broken = tmp_path / "whole", tmp_path / "broken"
    run("predict", *words, "--out", str(whole_run))

    calls: list[int] = []
    merge = Predictor.merge

    def interrupted(self: Predictor, seen: object, hw: object) -> Instances:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return merge(self, seen, hw)  # type: ignore[arg-type]

    monkeypatch.setattr(Predictor, "merge", interrupted)
    ended = CliRunner().invoke(app, ["predict", *words, "--out", str(broken)])
    assert ended.exit_code != 0
    done = len(read_predictions(broken / "predictions.json").frames)
    assert 1 <= done < 3
    monkeypatch.setattr(Predictor, "merge", merge)
    told = run("predict", *words, "--out", str(broken))
    assert f"3 frames in {broken}/predictions.json, {done} of them finished before" in told
    assert (broken / "predictions.json").read_bytes() == (
        whole_run / "predictions.json"
    ).read_bytes()
    one = read_predictions(broken / "frames/p1.json")
    assert [frame.name for frame in one.frames] == ["p1"]

    write_jpeg(pictures / "p1.jpg", picture(9))  # another picture of the same name
    assert "2 of them finished before" in run("predict", *words, "--out", str(broken))

    refused = CliRunner().invoke(app, ["predict", *words, "--out", str(broken), "--flip"])
    assert "another plan" in str(refused.exception)
    others = (str(pictures), "--weights", str(files[1]), "--out", str(broken))
    refused = CliRunner().invoke(app, ["predict", *others])
    assert "other networks" in str(refused.exception)


def test_ensembles_scales_and_flips_from_the_command_line(
    files: tuple[Path, Path], pictures: Path, tmp_path: Path
) -> None:
    write_calibration(tmp_path / "c.json", Calibration(slope=0.9, offset=-0.1))
    models = [word for file in files for word in ("--model", str(file))]
    calibrations = ["--calibration", str(tmp_path / "c.json")] * 2
    saved, out = tmp_path / "both.yaml", tmp_path / "out"
    run(
        "predict",
        str(pictures / "p0.jpg"),
        *models,
        *calibrations,
        *("--scales", "96,128", "--flip", "--save-ensemble", str(saved), "--out", str(out)),
    )
    again = tmp_path / "again"
    run("predict", str(pictures / "p0.jpg"), "--weights", str(saved), "--out", str(again))
    first, second = (folder / "predictions.json" for folder in (out, again))
    assert first.read_bytes() == second.read_bytes()
    predictor = Predictor(saved, device=CPU)
    assert [m.calibration.slope for m in predictor.members if m.calibration] == [0.9, 0.9]
    views = predictor.plan.first(FrameInfo((200, 300)))
    assert [(p.view.out_hw[0], p.view.flip) for p in views] == [
        (96, False),
        (96, True),
        (128, False),
        (128, True),
    ]


def test_an_ensemble_knows_its_weights(files: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    write_ensemble(
        path, [MemberFile(weights=files[0], weight=2.0)], plan := Plan.of(Focus(answers_for=None))
    )
    assert Predictor(path, device=CPU).rules.model_weights == (2.0,)
    assert read_ensemble(path).plan == plan, "none is not what stands where nothing is said"
    text = path.read_text()
    path.write_text(text.replace("sha256: ", "sha256: 00"))
    with pytest.raises(WeightsError, match="not the weights that the ensemble was made with"):
        Predictor(path, device=CPU)
    path.write_text(text + "wheels: 4\n")
    with pytest.raises(RecipeError, match=r"e.yaml: unknown key .*plan, got wheels"):
        Predictor(path, device=CPU)


def test_plans_by_name_and_from_files(tmp_path: Path, member: Member) -> None:
    limits, info = member.predict, FrameInfo((200, 300))
    assert choose_plan(limits).parts[0].whole is not None
    tiled = choose_plan(limits, tile=128).first(info)
    assert [p.view.out_hw for p in tiled] == [(128, 192), *[(128, 128)] * 6]
    assert tiled[1].view.answers_for == (0.0, 64.0)
    focused = choose_plan(limits, plan="focus", budget_mp=2.5).parts[0].focus
    assert focused is not None
    assert focused.budget_mp == 2.5
    file = tmp_path / "plan.yaml"
    file.write_text(
        "parts:\n- tiles: {size: 64, overlap: 8, band: [50, 114]}\n  models: [1]\nflip: true\n"
    )
    planned = choose_plan(limits, plan=str(file)).first(info)
    assert {p.models for p in planned} == {(1,)}
    assert {p.view.rect[1] for p in planned} == {50.0}
    assert [p.view.flip for p in planned[:2]] == [False, True]
    own = Plan.of(Whole(short_side=64))
    assert choose_plan(limits, own) == own
    file.write_text("parts: [{whole: {}, tiles: {}}]")
    with pytest.raises(RecipeError, match=r"plan.yaml: parts.0: a part of a plan is one of"):
        read_plan(file)
    with pytest.raises(RecipeError, match="budget and a prior belong to the plan focus"):
        choose_plan(limits, budget_mp=3.0)
    with pytest.raises(RecipeError, match="no plan of this name"):
        choose_plan(limits, plan="fovea")


def test_focus_runs_from_the_command_line(
    files: tuple[Path, Path], pictures: Path, tmp_path: Path
) -> None:
    words = (str(pictures / "p0.jpg"), "--weights", str(files[0]), "--out", str(tmp_path / "out"))
    told = run("predict", *words, "--plan", "focus", "--budget", "1MP", "--exclusive")
    assert "there is no prior" in told


def test_focus_uses_the_prior_of_the_weights_and_says_so(
    files: tuple[Path, Path], pictures: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "w.safetensors"
    save_weights(weights, *load_detector(files[0]), prior=learn_prior([street(hw=(200, 300))]))
    (pictures / "p0.jpg").rename(pictures / "p0_Camera_5.jpg")
    words = ("predict", str(pictures), "--weights", str(weights), "--plan", "focus")
    told = run(*words, "--budget", "1MP", "--out", str(tmp_path / "own"))
    assert "1 frames: the prior of camera 5 is used, learned on 1 frames" in told
    assert "2 frames: the prior is not used: this frame is of unknown camera" in told
    # One that is named goes before it.
    other = tmp_path / "other.json"
    other.write_text(prior_to_json(learn_prior([street("a_Camera_6", hw=(200, 300))])))
    told = run(*words, "--prior", str(other), "--out", str(tmp_path / "other"))
    assert "the prior is not used: this frame is of camera 5 at 300 x 200, it of camera 6" in told
    # An ensemble's file with a focus takes that of the first network that has one.
    members = [MemberFile(weights=files[1]), MemberFile(weights=weights)]
    focus = choose_plan(load_member(weights).predict, plan="focus")
    write_ensemble(tmp_path / "both.yaml", members, focus)
    plan = Predictor(tmp_path / "both.yaml", device=CPU).plan
    (remark,) = plan.remarks(FrameInfo((200, 300), "5"))
    assert remark.startswith("the prior of camera 5 is used")
    held = focus.with_focus(lambda one: replace(one, prior=learn_prior([street()])))
    with pytest.raises(RecipeError, match=r"e.yaml: a plan in a file names its prior by a path"):
        write_ensemble(tmp_path / "e.yaml", members, held)


def test_load_predictor_takes_tiles(files: tuple[Path, Path]) -> None:
    predictor = load_predictor(files[0], device=CPU, tile=128)
    assert len(predictor.plan.first(FrameInfo((200, 300)))) == 7
    assert len(predictor(picture(0))) > 0
