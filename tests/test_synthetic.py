"""Synthetic scenes: the same each time, labelled as the WAD is, as small as its objects are."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from jaxtyping import UInt16

from tinyseg.scenes import Scene, render_scene, write_wad
from tinyseg.scenes.canvas import (
    BACKGROUND,
    IGNORE,
    Camera,
    Place,
    Pose,
    camera_of,
    new_canvas,
    paint,
)
from tinyseg.scenes.catalogue import RIDER, SPECIES
from tinyseg.scenes.light import draw_light
from tinyseg.scenes.parts import blob
from tinyseg.scenes.plan import draw_plan
from tinyseg.scenes.scene import MIN_VISIBLE_PX

SMALL_HW = {"height": 256, "width": 320}
SCORED = {species.label for species in SPECIES.values()}
FULL_FRAMES = 10


@lru_cache(maxsize=1)
def full_size_labels() -> list[UInt16[np.ndarray, "h w"]]:
    """The labels of a few full-size frames."""
    return [render_scene(seed=11, index=i).label for i in range(FULL_FRAMES)]


def scored_areas(label: UInt16[np.ndarray, "h w"]) -> dict[int, int]:
    """Visible pixels of each scored instance of a frame."""
    codes, counts = np.unique(label, return_counts=True)
    pairs = zip(codes.tolist(), counts.tolist(), strict=True)
    return {code: count for code, count in pairs if code // 1000 in SCORED}


def test_same_seed_gives_the_same_bytes_whatever_came_before() -> None:
    first = render_scene(seed=3, index=2, zoom=6.0, **SMALL_HW)
    render_scene(seed=3, index=1, **SMALL_HW)
    again = render_scene(seed=3, index=2, zoom=6.0, **SMALL_HW)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.label, again.label)


@pytest.mark.parametrize(("seed", "index"), [(4, 2), (3, 3)])
def test_another_seed_or_index_gives_another_scene(seed: int, index: int) -> None:
    first = render_scene(seed=3, index=2, **SMALL_HW)
    other = render_scene(seed=seed, index=index, **SMALL_HW)
    assert float(np.mean(first.image != other.image)) > 0.5


@pytest.mark.parametrize("index", range(4))
def test_labels_follow_the_wad_code(index: int) -> None:
    scene = render_scene(seed=5, index=index, zoom=4.0, **SMALL_HW)
    assert scene.image.shape == (256, 320, 3)
    by_class: dict[int, list[int]] = {}
    for code, count in zip(*np.unique(scene.label, return_counts=True), strict=True):
        if code in (BACKGROUND, IGNORE):
            continue
        assert code // 1000 in SCORED | {RIDER}
        assert count >= MIN_VISIBLE_PX
        by_class.setdefault(int(code) // 1000, []).append(int(code) % 1000)
    for instances in by_class.values():
        assert instances == list(range(len(instances)))


@pytest.mark.parametrize("hw", [(64, 80), (200, 600)])
def test_any_size_and_zoom_renders(hw: tuple[int, int]) -> None:
    for zoom in (0.7, 6.0):
        scene = render_scene(seed=1, index=0, height=hw[0], width=hw[1], zoom=zoom)
        assert scene.image.shape == (*hw, 3)
        assert scene.label.shape == hw


def test_sizes_are_those_of_the_wad() -> None:
    areas = np.array([a for label in full_size_labels() for a in scored_areas(label).values()])
    assert 9 <= len(areas) / FULL_FRAMES <= 24
    assert 0.5 <= np.mean(areas < 32**2) <= 0.72
    assert 0.14 <= np.mean(areas < 16**2) <= 0.38


def test_small_instances_lie_in_a_band_at_the_horizon() -> None:
    rows = []
    for label in full_size_labels():
        for code, area in scored_areas(label).items():
            if area < 32**2:
                rows.append(float(np.flatnonzero((label == code).any(axis=1)).mean()))
    assert np.mean((np.array(rows) > 1640) & (np.array(rows) < 1820)) > 0.95


def test_classes_and_counts_of_many_plans() -> None:
    plans = [draw_plan(1, index).things for index in range(250)]
    kinds = [thing.kind for things in plans for thing in things if not thing.ignored]
    counts = [sum(not thing.ignored for thing in things) for things in plans]
    assert 13 <= np.mean(counts) <= 20
    assert max(counts) <= 99
    assert 0 < np.mean(np.array(counts) == 0) < 0.04
    for kind, share in (("car", 0.64), ("person", 0.20), ("bus", 0.05), ("truck", 0.035)):
        assert kinds.count(kind) / len(kinds) == pytest.approx(share, abs=0.03)


def test_zoom_enlarges_the_same_scene() -> None:
    near, wide = (render_scene(seed=7, index=4, zoom=z, **SMALL_HW) for z in (3.0, 1.0))
    assert max(scored_areas(near.label).values()) > 2 * max(scored_areas(wide.label).values())


def test_camera_projects_by_hand() -> None:
    camera = Camera(height=100, width=200, focal=50.0, vanish_col=100.0, horizon=60.0, eye_m=2.0)
    seen = camera.project(np.array([[1.0, 0.0, 10.0], [0.0, 2.0, 25.0]]))
    np.testing.assert_allclose(seen, [[105.0, 70.0], [100.0, 60.0]])


def test_nearer_square_hides_the_farther_one() -> None:
    """A 2 m square at 20 m before a 4 m square at 40 m: both 10 px wide, half of it shared."""
    pose = Pose(eye_m=1.0, pitch_rad=0.0, yaw_rad=0.0)
    base = camera_of(pose, height=100, width=100, zoom=1.0)
    camera = Camera(100, 100, 100.0, base.vanish_col, base.horizon, base.eye_m)
    canvas = new_canvas(camera, draw_light(np.random.default_rng(0)))
    near = [
        blob([(0.0, 0.0, 0.0), (0.0, 2.0, 0.0), (2.0, 2.0, 0.0), (2.0, 0.0, 0.0)], 0.0, (9, 9, 9))
    ]
    far = [
        blob(
            [(-2.0, -1.0, 0.0), (-2.0, 3.0, 0.0), (2.0, 3.0, 0.0), (2.0, -1.0, 0.0)],
            0.0,
            (250, 0, 0),
        )
    ]
    paint(canvas, far, Place(0.0, 40.0), 1001)
    paint(canvas, near, Place(0.0, 20.0), 1000)
    expected = np.full((100, 100), BACKGROUND, np.uint16)
    expected[45:55, 45:55] = 1001
    expected[45:55, 50:60] = 1000
    assert np.count_nonzero(canvas.label != expected) <= 2
    red = canvas.image[50, 46]
    assert red[0] > 100
    assert red[0] > 2 * red[1]


def test_unlabelled_clutter_hides_a_labelled_thing() -> None:
    camera = Camera(100, 100, 100.0, 50.0, 50.0, 1.0)
    canvas = new_canvas(camera, draw_light(np.random.default_rng(0)))
    square = [
        blob([(0.0, 0.0, 0.0), (0.0, 2.0, 0.0), (2.0, 2.0, 0.0), (2.0, 0.0, 0.0)], 0.0, (9, 9, 9))
    ]
    paint(canvas, square, Place(0.0, 40.0), 1000)
    paint(canvas, square, Place(0.0, 20.0))
    assert not (canvas.label == 1000).any()


@pytest.mark.parametrize("kind", SPECIES)
@pytest.mark.parametrize("yaw", [0.0, 1.0, 1.57, 3.14])
def test_objects_have_their_size(kind: str, yaw: float) -> None:
    """Seen from 30 m the labelled pixels are as high as the object's metres say."""
    species = SPECIES[kind]
    camera = Camera(600, 800, 900.0, 400.0, 250.0, 2.2)
    canvas = new_canvas(camera, draw_light(np.random.default_rng(0)))
    paint(canvas, species.draw(np.random.default_rng(1)), Place(0.0, 30.0, yaw), 1000)
    rows = np.flatnonzero((canvas.label == 1000).any(axis=1))
    high_m = (rows[-1] + 1 - rows[0]) / camera.per_metre(30.0)
    assert 0.75 * species.size_m[1] < high_m < 1.6 * species.size_m[1]


def test_written_files_read_back(tmp_path: Path) -> None:
    heard: list[int] = []
    stems = write_wad(
        tmp_path, count=2, seed=9, first=12, zoom=4.0, progress=heard.append, **SMALL_HW
    )
    assert stems == ["synth_000012_Camera_5", "synth_000013_Camera_6"]
    assert heard == [1, 2]
    assert (tmp_path / "train.txt").read_text().split() == stems
    for index, stem in zip((12, 13), stems, strict=True):
        scene = render_scene(seed=9, index=index, zoom=4.0, **SMALL_HW)
        label = cv2.imread(
            str(tmp_path / "train_label" / f"{stem}_instanceIds.png"), cv2.IMREAD_UNCHANGED
        )
        image = cv2.imread(str(tmp_path / "train_color" / f"{stem}.jpg"), cv2.IMREAD_UNCHANGED)
        assert label is not None
        assert image is not None
        assert label.dtype == np.uint16
        np.testing.assert_array_equal(label, scene.label)
        assert image.shape == scene.image.shape
        assert np.abs(image[..., ::-1].astype(int) - scene.image.astype(int)).mean() < 8
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert len(names) == 5, "nothing half-written is left"


def test_scene_is_a_frozen_record() -> None:
    scene = Scene(np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3), np.uint16))
    with pytest.raises(AttributeError):
        scene.image = scene.image  # type: ignore[misc]
