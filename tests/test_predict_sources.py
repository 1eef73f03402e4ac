"""What predict is given: files of other types, broken and cut videos, and more than it keeps."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from _tiny_network import network, picture, video
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.errors import DataError, ImageError, TinysegError
from tinyseg.image import write_jpeg
from tinyseg.merge import MergeRules
from tinyseg.networks import save_weights
from tinyseg.predict import find_sources, read_shots
from tinyseg.predictions import read_predictions

CASES = Path(__file__).parents[2] / "shared/data/cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the folder of cases is not there")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(path, *network(0))
    return path


def predict(weights: Path | None, *words: object) -> str:
    given = ["predict", *map(str, words)]
    given += [] if weights is None else ["--weights", str(weights)]
    result = CliRunner().invoke(app, given)
    if isinstance(result.exception, TinysegError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def broken(path: Path) -> None:
    """A video whose index is lost, as a copy that was stopped leaves it."""
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(5000))


def cut(path: Path, count: int) -> None:
    """A video without its last frames, which its head still states."""
    video(path, count)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])


def test_a_video_that_cannot_be_opened_is_one_frame_that_cannot_be_read(tmp_path: Path) -> None:
    broken(tmp_path / "a.mp4")
    video(tmp_path / "b.avi", 3)
    sources = find_sources([str(tmp_path)])
    assert [source.frames for source in sources] == [None, 3]
    shots = list(read_shots(sources, lambda name, mark: False))
    assert [shot.name for shot in shots] == ["a", "b_000000", "b_000001", "b_000002"]
    assert isinstance(shots[0].content, ImageError)
    assert "a.mp4: the video cannot be opened" in str(shots[0].content)
    assert all(isinstance(shot.content, np.ndarray) for shot in shots[1:])


def test_predict_skips_a_broken_video_and_counts_it(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    broken(tmp_path / "in/a.mp4")
    video(tmp_path / "in/b.avi", 2)
    words = (tmp_path / "in", "--out", tmp_path / "out")
    with pytest.raises(ImageError, match="cannot be opened"):
        predict(weights, *words)
    told = predict(weights, *words, "--on-error", "skip")
    assert "2 frames in" in told
    assert "1 frames skipped" in told


def test_a_video_that_ends_early_is_said(weights: Path, tmp_path: Path) -> None:
    cut(tmp_path / "v.avi", 60)
    told: list[str] = []
    sources = find_sources([str(tmp_path / "v.avi")])
    assert sources[0].frames == 60
    shots = list(read_shots(sources, lambda name, mark: False, told.append))
    assert 1 <= len(shots) < 60
    assert told == [f"v.avi ends after {len(shots)} of the 60 frames that it states"]
    words = (tmp_path / "v.avi", "--out", tmp_path / "out")
    assert f"ends after {len(shots)} of the 60 frames" in predict(weights, *words)
    video(tmp_path / "w.avi", 6)
    whole = find_sources([str(tmp_path / "w.avi")])
    assert len(list(read_shots(whole, lambda name, mark: False, told.append))) == 6
    assert len(told) == 1


def test_other_files_are_counted_and_said(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jpeg(tmp_path / "in/a.jpg", picture(0))
    (tmp_path / "in/b.heic").write_bytes(b"none")
    told = predict(weights, tmp_path / "in", "--out", tmp_path / "out")
    assert "neither picture nor video: 1 (b.heic)" in told
    assert "1 frames in" in told


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("http://a.b/c.jpg", "download it first"),
        ("rtsp://camera/1", "download it first"),
        ("{root}/above", "quote '{root}/above/*/*'"),
        ("{root}/odd", "got 2 (a.heic, b.txt)"),
        ("{root}/empty", "a file, folder, list or glob"),
        ("{root}/none*.jpg", "a file, folder, list or glob"),
    ],
)
def test_words_that_name_no_picture_get_a_hint(tmp_path: Path, word: str, hint: str) -> None:
    for folder in ("above/one", "odd", "empty"):
        (tmp_path / folder).mkdir(parents=True)
    write_jpeg(tmp_path / "above/one/a.jpg", picture(0))
    for name in ("a.heic", "b.txt"):
        (tmp_path / "odd" / name).write_bytes(b"none")
    with pytest.raises(DataError, match="no picture or video of this name") as caught:
        find_sources([word.format(root=tmp_path)])
    assert hint.format(root=tmp_path) in str(caught.value)
    assert len(find_sources([f"{tmp_path}/above/*/*"])) == 1


def test_a_larger_frame_keeps_more() -> None:
    rules = MergeRules()
    assert rules.most((2710, 3384)) == 300
    assert rules.most((64, 64)) == 300
    assert rules.most((2 * 2710, 3384)) == 600
    assert rules.most((12000, 16000)) == 6280  # a panorama of 192 megapixels
    assert MergeRules(keep=7, keep_pixels=None).most((12000, 16000)) == 7


def test_the_most_that_is_kept_is_an_option_and_said(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        write_jpeg(tmp_path / f"in/{name}.jpg", picture(0))
    words = (tmp_path / "in", "--plan", "whole", "--out")
    told = predict(weights, *words, tmp_path / "many", "--detections", "1000")
    assert "the most instances" not in told
    frames = read_predictions(tmp_path / "many/predictions.json").frames
    assert len(frames[0].instances) > 25  # of which this network's recipe would keep 20
    told = predict(weights, *words, tmp_path / "few", "--detections", "5")
    assert "2 frames: the most instances that are kept were reached: more detections" in told
    few = read_predictions(tmp_path / "few/predictions.json").frames
    assert [len(frame.instances) for frame in few] == [5, 5]
    kept, best = few[0].instances.scores, frames[0].instances.scores[:5]
    np.testing.assert_allclose(kept, best)
    again = predict(weights, *words, tmp_path / "few", "--detections", "5")
    assert "2 frames: the most instances" in again


def test_a_resumed_call_counts_all_frames(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        write_jpeg(tmp_path / f"in/{name}.jpg", picture(0))
    words = (tmp_path / "in", "--plan", "whole", "--out")
    whole = predict(weights, *words, tmp_path / "whole")
    predict(weights, tmp_path / "in/a.jpg", *words[1:], tmp_path / "parts")
    resumed = predict(weights, *words, tmp_path / "parts")
    told = whole[whole.index("found with") :]
    assert resumed.endswith(told)
    assert "2 frames in" in resumed
    assert "1 of them finished before" in resumed


@needs_cases
def test_the_case_of_other_pictures(weights: Path, tmp_path: Path) -> None:
    case = CASES / "08-other-picture-formats"
    told = predict(weights, case / "pics", "--plan", "whole", "--out", tmp_path / "a")
    assert "9 frames in" in told
    told = predict(weights, case / "only-bmp", "--plan", "whole", "--out", tmp_path / "b")
    assert "1 frames in" in told


@needs_cases
def test_the_case_of_a_broken_video(weights: Path, tmp_path: Path) -> None:
    case = CASES / "10-broken-video"
    words = ("--plan", "whole", "--on-error", "skip")
    told = predict(weights, case / "vids", *words, "--out", tmp_path / "a")
    assert "1 frames skipped" in told
    told = predict(weights, case / "trunc.avi", *words, "--out", tmp_path / "b")
    assert "ends after 2 of the 3 frames" in told


@needs_cases
def test_the_case_of_turned_pictures(tmp_path: Path) -> None:
    """The package's own weights find the same objects in each."""
    for name in ("exif3.jpg", "exif6.jpg", "upright.jpg"):
        shutil.copy(CASES / "02-exif-predict" / name, tmp_path)
    predict(None, f"{tmp_path}/*.jpg", "--plan", "whole", "--out", tmp_path / "out")
    frames = read_predictions(tmp_path / "out/predictions.json").frames
    assert len({frame.hw for frame in frames}) == 1
    sure = frames[2].instances.boxes[frames[2].instances.scores > 0.3]
    assert len(sure) >= 3
    for frame in frames:
        apart = np.abs(frame.instances.boxes[:, None] - sure).max(axis=2)
        assert (apart.min(axis=0) < 8).mean() > 0.9  # each was coded anew, with loss
