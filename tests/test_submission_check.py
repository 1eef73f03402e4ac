"""The check of a submission: no false alarm, each kind of damage found in its row, whole files.

`TINYSEG_CORRUPTIONS=40 pytest -s tests/test_submission_check.py -k damage` damages 40 places by
each kind (`make fuzz`); the ordinary run takes fewer.
"""

import os
import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import orjson
import pytest
from _corruptions import KINDS
from _submissions import HW, ellipse, found_in, frames_apart, md5
from hypothesis import given, settings, strategies as st

from tinyseg import masks as mask_ops
from tinyseg.errors import PredictionsError
from tinyseg.image import write_png
from tinyseg.labels import WAD_CLASSES
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.submission import (
    HEADER,
    Pictures,
    RowFault,
    Rule,
    check,
    collect,
    find_pictures,
    findings_text,
    read_submission,
    write_submission,
)

PLACES = int(os.environ.get("TINYSEG_CORRUPTIONS", "3"))
FRAMES = 12
IDS = frozenset(md5(index) for index in range(FRAMES))
PICTURES = Pictures(ids=IDS, frame_hw=HW)

ROW = f"{md5(0)},33,4,0.5,5 1|7 3|"


@cache
def right_rows() -> tuple[str, ...]:
    """The rows of a right file, its header first."""
    made = frames_apart(FRAMES, np.random.default_rng(5))
    rows = [HEADER]
    for frame in made.frames:
        codes = mask_ops.to_challenge_runs(frame.instances.masks, HW)
        areas = mask_ops.area(frame.instances.masks).tolist()
        for i, code in enumerate(codes):
            label = (33, 34, 35, 36, 38, 39, 40)[int(frame.instances.labels[i])]
            score = round(float(frame.instances.scores[i]), 4)
            rows.append(f"{frame.name},{label},{areas[i]},{score},{code}")
    return tuple(rows)


def faults_of(
    tmp_path: Path,
    content: str | bytes,
    pictures: Pictures | None = PICTURES,
    *,
    exclusive: bool = True,
) -> list[RowFault]:
    path = tmp_path / "s.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(check(path, pictures, exclusive=exclusive))


def rules_of(faults: list[RowFault]) -> list[tuple[Rule, int | None]]:
    return [(fault.rule, fault.row) for fault in faults]


def test_a_right_file_has_no_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "\n".join([*right_rows(), ""])) == []
    made = frames_apart(FRAMES, np.random.default_rng(5))
    write_submission(tmp_path / "s.csv", [made], PICTURES)
    assert list(check(tmp_path / "s.csv", PICTURES, exclusive=True)) == []


@pytest.mark.parametrize("name", KINDS)
def test_each_damage_is_found_in_its_row(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(sum(name.encode()))
    rows, found = list(right_rows()[: 1 + max(24, 2 * PLACES)]), 0
    places = rng.choice(np.arange(1, len(rows)), PLACES, replace=False).tolist()
    for at in places:
        made = KINDS[name](rows, at, rng)
        # A mask that is scattered over the frame meets others: that is told too, and is true.
        exclusive = name != "down the columns"
        faults = faults_of(tmp_path, made.content, exclusive=exclusive)
        here = [fault for fault in faults if fault.row is not None]
        found += any(f.rule in made.rules and f.row == made.row for f in here)
        assert {f.row for f in here} == {made.row}, (at, here)
        assert {f.rule for f in faults if f.row is None} <= {Rule.missing_frame}
    print(f"{name}: {found} of {PLACES} found in the right row")
    assert found == PLACES


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_bytes_are_judged(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Whatever is in the file, the check ends with faults in its rows and never raises."""
    rng = np.random.default_rng(seed)
    content = bytearray("\n".join([*right_rows()[:14], ""]).encode())
    for _ in range(int(rng.integers(1, 40))):
        at = int(rng.integers(len(content)))
        content[at : at + int(rng.integers(0, 3))] = rng.bytes(int(rng.integers(0, 3)))
    faults = faults_of(tmp_path_factory.mktemp("f"), bytes(content))
    rows = content.count(b"\n") + 1
    assert all(fault.row is None or 1 <= fault.row <= rows for fault in faults)


# The file as a whole


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", [(Rule.header, 1)]),
        (HEADER, [(Rule.last_line_end, 1)]),
        (f"{HEADER.lower()}\n{ROW}\n", [(Rule.header, 1)]),
        (f"{ROW}\n", [(Rule.header, 1)]),
        (f"{ROW.replace(',33,', ',37,')}\n", [(Rule.header, 1), (Rule.label_id, 1)]),
        (b"\xef\xbb\xbf" + f"{HEADER}\n{ROW}\n".encode(), [(Rule.byte_order_mark, 1)]),
        (f"{HEADER}\n{ROW}\n".encode("utf-16"), [(Rule.encoding, 1)]),
        (f"{HEADER}\r\n{ROW}\r\n", [(Rule.line_end, 1), (Rule.line_end, 2)]),
        (f"{HEADER}\n{ROW}", [(Rule.last_line_end, 2)]),
        (f"{HEADER}\n{ROW}\n\n", [(Rule.field_count, 3)]),
        (f"{HEADER}\n{ROW.replace('0.5', '.5')}\n", []),
        (f"{HEADER}\n{ROW.replace('0.5', '1e-3')}\n", []),
        (f"{HEADER}\n{ROW.replace('33,4', '37,5')}\n", [(Rule.label_id, 2), (Rule.pixel_sum, 2)]),
    ],
)
def test_whole_files(
    content: str | bytes, expected: list[tuple[Rule, int]], tmp_path: Path
) -> None:
    one = Pictures(ids=frozenset({md5(0)}), frame_hw=HW)
    faults = faults_of(tmp_path, content, one)
    assert rules_of([f for f in faults if f.rule is not Rule.missing_frame]) == expected


def test_faults_say_what_came(tmp_path: Path) -> None:
    row = f"{md5(0)},33,9,0.5,5 1|7 3|21590 20|"
    first, second = faults_of(tmp_path, f"{HEADER}\n{row}\n", Pictures(frame_hw=HW))
    assert (first.rule, first.column) == (Rule.pixel_sum, "PixelCount")
    assert (first.expected, first.got) == ("24", "9")
    assert (second.rule, second.column) == (Rule.run_end, "EncodedPixels")
    assert (second.expected, second.got) == ("at most 21600 pixels", "run 3: 21590 20")


def test_frames_that_are_missing_or_torn_apart(tmp_path: Path) -> None:
    ids = [md5(index) for index in range(12)]
    rows = [f"{image_id},33,1,0.5,{index} 1|" for index, image_id in enumerate(ids[:11])]
    again = f"{ids[0]},33,1,0.5,99 1|"
    content = "\n".join([HEADER, *rows, again, ""])
    faults = faults_of(tmp_path, content, exclusive=False)
    assert rules_of(faults) == [(Rule.apart, 13), (Rule.missing_frame, None)]
    assert faults[1].got == ids[11]
    assert all(fault.is_warning for fault in faults)
    assert rules_of(faults_of(tmp_path, content))[0] == (Rule.apart_overlap, 13)


def test_rows_that_come_again_far_away(tmp_path: Path) -> None:
    """However far the second one is, and whether or not the two are of one class."""
    rows = [f"{md5(i % 12)},33,1,0.5,{i} 1|" for i in range(600)]
    other_class = rows[7].replace(",33,", ",36,")
    faults = faults_of(
        tmp_path, "\n".join([HEADER, *rows, rows[7], other_class, ""]), exclusive=False
    )
    assert [f.row for f in faults if f.rule is Rule.duplicate] == [602]
    assert next(f.got for f in faults if f.rule is Rule.duplicate) == "row 9 again"


def test_names_are_judged_by_form_where_no_pictures_are_known(tmp_path: Path) -> None:
    rows = [
        f"{n},33,1,0.5,{i} 1|" for i, n in enumerate([md5(0), "170908_Camera_5", "170908_Camera_5"])
    ]
    faults = faults_of(tmp_path, "\n".join([HEADER, *rows, ""]), None)
    assert rules_of(faults) == [(Rule.not_md5, 3)]


def test_overlaps_are_counted_by_pixels(tmp_path: Path) -> None:
    rows = [f"{md5(0)},33,10,0.9,0 10|", f"{md5(0)},36,4,0.8,20 4|", f"{md5(0)},39,18,0.7,5 18|"]
    (fault,) = faults_of(tmp_path, "\n".join([HEADER, *rows, ""]), Pictures(frame_hw=HW))
    assert (fault.rule, fault.row) == (Rule.overlap, 4)
    assert fault.got == "8 pixels of earlier rows, the first of row 2"


# Masks in another order


def rewritten(
    tmp_path: Path, predictions: Predictions, *, columns: bool, shift: int
) -> list[RowFault]:
    """The faults of a submission whose runs go down the columns, or are counted from `shift`."""
    rows = [HEADER]
    for frame in predictions.frames:
        for i in range(len(frame.instances)):
            bits = mask_ops.paint(frame.instances.masks.select(np.array([i])), frame.hw) > 0
            turned = np.ascontiguousarray(bits.T) if columns else bits
            starts, lengths = mask_ops.to_row_runs(mask_ops.from_bitmaps([turned]), turned.shape)[0]
            code = mask_ops.row_runs_to_text(starts + shift, lengths)
            rows.append(f"{frame.name},33,{bits.sum()},0.5,{code}")
    return faults_of(tmp_path, "\n".join([*rows, ""]), exclusive=False)


def test_column_major_files_are_suspected(tmp_path: Path) -> None:
    made = frames_apart(FRAMES, np.random.default_rng(2))
    for shift in (0, 1):
        faults = rewritten(tmp_path, made, columns=True, shift=shift)
        assert {f.rule for f in faults} == {Rule.column_major}
        assert len(faults) == 6 * FRAMES
        assert all(fault.is_warning for fault in faults)


def test_files_counted_from_one_are_suspected(tmp_path: Path) -> None:
    """Masks at the right border spill over it; those at the left border all begin beside it."""
    left, right = ellipse((2, 20), (8, 9)), ellipse((HW[1] - 2, 40), (8, 9))
    frames = [
        FramePredictions(md5(i), "x.jpg", HW, found_in([left, right], [0.9, 0.8], [0, 0]))
        for i in range(FRAMES * 2)
    ]
    made = Predictions(WAD_CLASSES, tuple(frames))
    pictures_faults = rewritten(tmp_path, made, columns=False, shift=1)
    suspected = [f for f in pictures_faults if f.rule is Rule.one_based]
    assert [f.row for f in suspected] == [*range(3, 2 + 2 * len(frames), 2), None]
    right_ones = rewritten(tmp_path, made, columns=False, shift=0)
    assert Rule.one_based not in {f.rule for f in right_ones}


def test_odd_masks_that_are_right_are_not_suspected(tmp_path: Path) -> None:
    """Whole frames, stripes, dust, rings, frames' borders: read along the rows as they are."""
    rng = np.random.default_rng(0)
    stripes, columns = np.zeros(HW, np.bool_), np.zeros(HW, np.bool_)
    stripes[::3], columns[:, ::7] = True, True
    border = ~np.pad(np.ones((HW[0] - 2, HW[1] - 2), np.bool_), 1)
    bitmaps = [
        *(np.ones(HW, np.bool_), stripes, columns, border, rng.random(HW) < 0.02),
        *(rng.random(HW) < 0.5, ellipse((45, 30), (40, 3)), ellipse((45, 30), (2, 28))),
        ellipse((30, 30), (20, 20)) & ~ellipse((30, 30), (17, 17)),
    ]
    found = found_in(bitmaps, [0.5] * len(bitmaps), [0] * len(bitmaps))
    made = Predictions(WAD_CLASSES, (FramePredictions(md5(0), "x.jpg", HW, found),))
    assert rewritten(tmp_path, made, columns=False, shift=0)[:-11] == []


# Findings, memory, reading


def test_findings_are_grouped_and_all_in_the_file(tmp_path: Path) -> None:
    rows = [f"{md5(0)},37,1,0.5,{i} 1|" for i in range(8)]
    (tmp_path / "s.csv").write_text("\n".join([HEADER, *rows]))
    faults = check(tmp_path / "s.csv", Pictures(frame_hw=HW))
    findings = collect(faults, json=tmp_path / "f.json", examples=2)
    assert (findings.faults, findings.warnings) == (8, 1)
    lines = list(findings_text(findings))
    assert lines[0] == "fault: LabelId is one of the seven scored classes: 8"
    assert lines[1].startswith("    row 2, LabelId: expected one of 33, 34")
    assert lines[3] == "    and 6 more"
    assert lines[4].startswith("warning: the last row ends")
    document = orjson.loads((tmp_path / "f.json").read_bytes())
    assert [f["row"] for f in document["found"] if f["rule"] == "label_id"] == list(range(2, 10))
    assert document["summary"]["faults"] == 8
    clean = collect(iter(()), json=tmp_path / "f.json")
    assert orjson.loads((tmp_path / "f.json").read_bytes())["found"] == []
    assert list(findings_text(clean)) == []


def test_memory_holds_a_digest_of_a_row_and_not_the_row(tmp_path: Path) -> None:
    peaks, pictures = [], Pictures(ids=frozenset(md5(i) for i in range(120)), frame_hw=HW)
    for rows in (60, 60, 600):  # the first warms up; five rows a frame
        runs = ["".join(f"{i + 2 * k} 1|" for k in range(200)) for i in range(rows)]
        lines = [f"{md5(i // 5)},33,200,0.5,{runs[i]}" for i in range(rows)]
        (tmp_path / "s.csv").write_text("\n".join([HEADER, *lines, ""]))
        tracemalloc.start()
        assert not any(True for f in check(tmp_path / "s.csv", pictures) if not f.is_warning)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 540 * 500  # bytes a row; its text alone has over 1,000


def test_an_endless_row_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyseg.submission.row.MAX_ROW_BYTES", 200)
    content = f"{HEADER}\n{ROW}{'9 1|' * 500}\n{ROW}\n"
    faults = faults_of(tmp_path, content, Pictures(frame_hw=HW))
    assert rules_of(faults) == [(Rule.row_bytes, 2)]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"s\.csv: cannot be read"):
        list(check(tmp_path / "s.csv"))


@pytest.mark.parametrize("name", ["a letter", "no confidence", "a field lost", "a folder"])
def test_reading_stops_at_the_first_fault(name: str, tmp_path: Path) -> None:
    made = KINDS[name](list(right_rows()), 11, np.random.default_rng(0))
    (tmp_path / "s.csv").write_bytes(made.content)
    with pytest.raises(PredictionsError, match=r"s\.csv: row 12"):
        read_submission(tmp_path / "s.csv", PICTURES)
    (tmp_path / "s.csv").write_text(f"{HEADER}\n{ROW.replace(md5(0), md5(99))}\n")
    with pytest.raises(PredictionsError, match="row 2, ImageId"):
        read_submission(tmp_path / "s.csv", PICTURES)


def test_sizes_of_pictures_are_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "test"
    folder.mkdir()
    write_png(folder / f"{md5(0)}.png", np.zeros((2, 5), np.uint8))
    faults = faults_of(tmp_path, f"{HEADER}\n{ROW}\n", find_pictures(folder))
    assert faults == []
    faults = faults_of(tmp_path, f"{HEADER}\n{ROW.replace('7 3', '8 3')}\n", find_pictures(folder))
    assert rules_of(faults) == [(Rule.run_end, 2)]
