"""The submission: what is written comes back, by hand and on random masks; names, cuts, streams."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _submissions import HW, ellipse, found_in, frames_apart, md5
from hypothesis import given, settings, strategies as st
from jaxtyping import Bool
from typer.testing import CliRunner

from tinyseg import masks as mask_ops
from tinyseg.cli import app
from tinyseg.errors import DataError, OutputError, PredictionsError
from tinyseg.image import write_png
from tinyseg.labels import WAD_CLASSES
from tinyseg.masks import Runs
from tinyseg.merge.fuse import Objects
from tinyseg.merge.looks import MergeRules
from tinyseg.merge.merger import resolve
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.submission import (
    FRAME_HW,
    HEADER,
    Cuts,
    Pictures,
    Rule,
    check,
    find_pictures,
    read_submission,
    spans,
    write_submission,
)
from tinyseg.tasks.opening import read_given

Bitmap = Bool[np.ndarray, "h w"]
SMALL = Pictures(frame_hw=HW)


def one_frame(
    *bitmaps: Bitmap, scores: list[float] | None = None, name: str = md5(0)
) -> Predictions:
    count = len(bitmaps)
    found = found_in(list(bitmaps), scores or [0.5] * count, [0] * count)
    hw = bitmaps[0].shape if bitmaps else HW
    return Predictions(WAD_CLASSES, (FramePredictions(name, f"{name}.jpg", hw, found),))


def pixels_of(predictions: Predictions) -> dict[str, list[tuple[str, float, bytes]]]:
    """For each frame with instances, class name, score and pixels of each, in order."""
    return {
        frame.name: [
            (predictions.classes[label], score, mask_ops.paint(mask, frame.hw).tobytes())
            for label, score, mask in zip(
                frame.instances.labels.tolist(),
                frame.instances.scores.tolist(),
                (frame.instances.masks.select(np.array([i])) for i in range(len(frame.instances))),
                strict=True,
            )
        ]
        for frame in predictions.frames
        if len(frame.instances)
    }


# The form, by hand


def test_rows_by_hand(tmp_path: Path) -> None:
    """A run over two rows' border goes on; a single pixel; best first; a score of many digits."""
    wide = np.zeros((3, 4), np.bool_)
    wide[0, 3] = wide[1] = wide[2, 0] = True
    dot = np.zeros((3, 4), np.bool_)
    dot[2, 3] = True
    given = one_frame(wide, dot, scores=[0.25, 1.0])
    found = replace(given.frames[0].instances, labels=np.array([6, 3]))
    given = replace(given, frames=(replace(given.frames[0], instances=found),))
    written = write_submission(tmp_path / "s.csv", [given], Pictures(frame_hw=(3, 4)))
    assert (written.frames, written.rows) == (1, 2)
    rows = [f"{md5(0)},36,1,1.0,11 1|", f"{md5(0)},40,6,0.25,3 6|"]
    assert (tmp_path / "s.csv").read_bytes() == "\n".join([HEADER, *rows, ""]).encode()


@pytest.mark.parametrize("score", [1e-7, 0.1 + 0.2, 1 / 3, 0.999999999])
def test_scores_come_back_to_the_last_bit(score: float, tmp_path: Path) -> None:
    write_submission(
        tmp_path / "s.csv", [one_frame(ellipse((9, 9), (4, 4)), scores=[score])], SMALL
    )
    text = (tmp_path / "s.csv").read_text()
    assert "e" not in text.splitlines()[1].split(",")[3]
    back = read_submission(tmp_path / "s.csv", SMALL)
    assert back.frames[0].instances.scores.tolist() == [score]


@st.composite
def bitmap_lists(draw: st.DrawFn) -> list[Bitmap]:
    """Bitmaps of one frame: any density, whole frames, single pixels, full rows and columns."""
    hw = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made: list[Bitmap] = []
    for density in draw(
        st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=1, max_size=4)
    ):
        bits = rng.random(hw) < density
        bits[draw(st.integers(0, hw[0] - 1)), draw(st.integers(0, hw[1] - 1))] = True
        if draw(st.booleans()):
            bits[draw(st.integers(0, hw[0] - 1)) :] = True
        made.append(bits)
    return made


@settings(max_examples=60, deadline=None)
@given(bitmap_lists(), st.booleans())
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, bitmaps: list[Bitmap], exclusive: bool
) -> None:
    path = tmp_path_factory.mktemp("s") / "s.csv"
    scores = np.linspace(0.9, 0.1, len(bitmaps)).tolist()
    given, pictures = one_frame(*bitmaps, scores=scores), Pictures(frame_hw=bitmaps[0].shape)
    write_submission(path, [given], pictures, cuts=Cuts(exclusive=exclusive))
    back = pixels_of(read_submission(path, pictures))[md5(0)]
    owned = np.zeros(bitmaps[0].shape, np.bool_)
    expected = []
    for bitmap, score in zip(bitmaps, scores, strict=True):
        bits = bitmap & ~owned if exclusive else bitmap
        owned |= bitmap
        if bits.any():
            expected.append(("car", score, (bits * np.uint8(255)).tobytes()))
    assert back == expected
    wrong = [f for f in check(path, pictures, exclusive=exclusive) if not f.is_warning]
    twice = len({e[2] for e in expected}) < len(expected)
    assert [f for f in wrong if f.rule is not Rule.duplicate or not twice] == []


def test_soft_masks_are_the_frames_pixels(tmp_path: Path) -> None:
    """A mask head's grid is rasterised once, as predictions files have it."""
    rng = np.random.default_rng(0)
    boxes = np.array([[1.3, 2.2, 30.1, 25.9], [-4.0, 40.0, 20.0, 70.0]])
    masks = mask_ops.from_roi_grids(boxes, rng.random((2, 28, 28)).astype(np.float32))
    scores = np.array([0.9, 0.4])
    instances = replace(
        found_in([], [], []), boxes=boxes, masks=masks, labels=np.array([0, 1]), scores=scores
    )
    given = Predictions(WAD_CLASSES, (FramePredictions(md5(1), "x.jpg", HW, instances),))
    write_submission(tmp_path / "s.csv", [given], SMALL)
    assert pixels_of(read_submission(tmp_path / "s.csv", SMALL)) == pixels_of(given)


# One owner a pixel


def as_runs(bits: Bitmap) -> Runs:
    return mask_ops.to_row_runs(mask_ops.from_bitmaps([bits]), bits.shape)[0]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from([0.0, 0.05, 0.5, 0.95, 1.0]), max_size=5),
    st.integers(1, 9),
)
def test_owners_are_those_of_bitmaps(seed: int, densities: list[float], width: int) -> None:
    rng = np.random.default_rng(seed)
    bitmaps = [rng.random((7, width)) < density for density in densities]
    several = [as_runs(bits) for bits in bitmaps]
    owned, left, shared = np.zeros((7, width), np.bool_), [], []
    for index, bits in enumerate(bitmaps):
        left.append(as_runs(bits & ~owned))
        if (bits & owned).any():
            row, column = np.argwhere(bits & owned)[0]
            owner = next(i for i, other in enumerate(bitmaps) if other[row, column])
            shared.append(spans.Shared(index, int((bits & owned).sum()), owner))
        owned |= bits
    assert spans.any_overlap(several) == bool(shared)
    assert spans.overlaps(several) == shared
    got = [[part.tolist() for part in runs] for runs in spans.exclusive(several)]
    assert got == [[part.tolist() for part in runs] for runs in left]


def test_one_owner_is_the_mergers(tmp_path: Path) -> None:
    """The better instance keeps its pixels, as where `predict --exclusive` resolves overlaps."""
    rng = np.random.default_rng(1)
    bitmaps = [ellipse(tuple(rng.uniform(10, 50, 2).tolist()), (14, 9)) for _ in range(7)]
    scores = rng.uniform(0.1, 0.9, 7)
    given = one_frame(*bitmaps, scores=scores.tolist())
    write_submission(tmp_path / "s.csv", [given], SMALL, cuts=Cuts(exclusive=True))
    windows = np.tile(np.array([0, 0, HW[1], HW[0]]), (7, 1))
    objects = Objects(windows.astype(np.float64), np.zeros(7, np.int64), scores, [], np.ones(7))
    rules = MergeRules(same_iou=1.0, inside=1.0, conflict_iou=1.0, exclusive=True)
    merged = resolve(objects, windows, lambda i: ((0, 0, HW[1], HW[0]), bitmaps[i]), rules, 7)
    expected = replace(given, frames=(replace(given.frames[0], instances=merged),))
    assert pixels_of(read_submission(tmp_path / "s.csv", SMALL)) == pixels_of(expected)


# What is left out, and what is refused


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    big, inner = ellipse((30, 30), (20, 20)), ellipse((30, 30), (5, 5))
    found = found_in([big, inner, big, big, big], [0.9, 0.8, 0.05, 0.0, 0.7], [1, 1, 1, 1, 0])
    frame = FramePredictions("x", "x.jpg", HW, found)
    given = Predictions(("dog", "pedestrian"), (frame,))
    written = write_submission(
        tmp_path / "s.csv", [given], SMALL, cuts=Cuts(min_score=0.1, exclusive=True)
    )
    assert (written.rows, written.other_classes, written.under_score, written.without_pixel) == (
        1,
        1,
        2,
        1,
    )
    back = read_submission(tmp_path / "s.csv", SMALL)
    assert [back.classes[i] for i in back.frames[0].instances.labels] == ["person"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("old")
    twice = [one_frame(ellipse((9, 9), (4, 4)))] * 2
    with pytest.raises(PredictionsError, match="come once"):
        write_submission(path, twice, SMALL)
    with pytest.raises(PredictionsError, match="own pixels"):
        write_submission(path, twice[:1], Pictures(frame_hw=(61, 90)))
    with pytest.raises(PredictionsError, match="no spaces"):
        write_submission(path, [one_frame(ellipse((9, 9), (4, 4)), name="a b")], SMALL)
    with pytest.raises(OutputError, match="cannot be written"):
        write_submission(tmp_path / "no" / "s.csv", twice[:1], SMALL)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["s.csv"]


# Names and sizes


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """A mapping folder with two lists, as the challenge has them."""
    folder = tmp_path / "maps" / "list_test_mapping"
    folder.mkdir(parents=True)
    first = "road01_ins\\ColorImage\\Record011\\Camera 5\\170908_061502408_Camera_5.jpg"
    (folder / "md5_mapping_a").write_text(f"{md5(1)}\t{first}\r\n{md5(2)}\tother.jpg\n\n")
    (folder / "md5_mapping_b").write_text(f"{md5(3)}\tthird\n{md5(2)}\tother\n")
    return tmp_path / "maps"


def test_original_names_become_md5(mapping: Path, tmp_path: Path) -> None:
    pictures = find_pictures(mappings=[mapping], frame_hw=HW)
    assert pictures.ids == frozenset({md5(1), md5(2), md5(3)})
    names = ["170908_061502408_Camera_5", md5(1), "third.jpg", r"Camera 5\other.jpg"]
    assert [pictures.image_id(n) for n in names] == [md5(1), md5(1), md5(3), md5(2)]
    assert pictures.missing({md5(2)}) == sorted([md5(1), md5(3)])
    with pytest.raises(PredictionsError, match=r"one of the test pictures.*one of 3"):
        pictures.image_id("fourth")
    given = one_frame(ellipse((9, 9), (4, 4)), name="third")
    written = write_submission(tmp_path / "s.csv", [given], pictures)
    assert (tmp_path / "s.csv").read_text().splitlines()[1].startswith(md5(3))
    assert written.missing == tuple(sorted([md5(1), md5(2)]))


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        (f"{md5(1)} a.jpg", "md5, tab, original"),
        ("12ab\ta.jpg", "md5, tab, original"),
        (f"{md5(1)}\ta.jpg\n{md5(2)}\ta.jpg", "line 2: .* belong to each other"),
        (f"{md5(1)}\ta.jpg\n{md5(1)}\tb.jpg", "line 2: .* belong to each other"),
    ],
)
def test_bad_mapping_lists_are_refused(lines: str, rule: str, tmp_path: Path) -> None:
    (tmp_path / "md5_mapping_x").write_text(lines)
    with pytest.raises(DataError, match=rule):
        find_pictures(mappings=[tmp_path])
    with pytest.raises(DataError, match=r"no mapping list|cannot be read"):
        find_pictures(mappings=[tmp_path / "nothing"])


def test_a_folder_gives_names_and_sizes(tmp_path: Path) -> None:
    write_png(tmp_path / f"{md5(1)}.png", np.zeros((6, 7), np.uint8))
    write_png(tmp_path / f"{md5(2)}.png", np.zeros((8, 9), np.uint8))
    pictures = find_pictures(tmp_path)
    assert pictures.ids == frozenset({md5(1), md5(2)})
    assert (pictures.hw(md5(1)), pictures.hw(md5(2))) == ((6, 7), (8, 9))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no picture"):
        find_pictures(tmp_path / "empty")


def test_verbs_that_judge_take_a_submission(tmp_path: Path) -> None:
    given = one_frame(ellipse((40, 30), (20, 10)), name="some")
    frame = replace(given.frames[0], hw=FRAME_HW)
    given = replace(given, frames=(frame,))
    write_predictions(tmp_path / "predictions.json", given)
    write_submission(tmp_path / "s.csv", [given])
    assert pixels_of(read_given(tmp_path / "s.csv")) == pixels_of(read_given(tmp_path))


# The command


def test_the_command_writes_and_checks(tmp_path: Path) -> None:
    write_predictions(tmp_path / "predictions.json", frames_apart(3, np.random.default_rng(0)))
    out = tmp_path / "s.csv"
    words = ["submit", str(tmp_path), "--out", str(out), "--size", "180x120", "--min-score", "0.5"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert "of 3 frames" in done.stdout
    assert "under the score cut" in done.stdout
    words = ["submit", "--check", str(out), "--size", "180x120", "--json", str(tmp_path / "f.json")]
    clean = CliRunner().invoke(app, words, catch_exceptions=False)
    assert clean.exit_code == 0
    assert "0 faults, 0 warnings" in clean.stdout
    assert '"faults":0' in (tmp_path / "f.json").read_text()
    out.write_text(out.read_text().replace("|\n", "\n", 1))
    wrong = CliRunner().invoke(app, words, catch_exceptions=False)
    assert wrong.exit_code == 1
    assert "the last run ends with '|' too" in wrong.stdout
    assert "row 2" in wrong.stdout
    assert '"row":2,"column":"EncodedPixels"' in (tmp_path / "f.json").read_text()


def test_the_command_wants_one_of_the_two() -> None:
    for words in (["submit"], ["submit", "x", "--check", "y"], ["submit", "x"]):
        with pytest.raises(PredictionsError, match="PREDICTIONS and --out"):
            CliRunner().invoke(app, words, catch_exceptions=False)
