"""A file -> its rows -> their fields, strictly: what is written comes back, and what is wrong is
named.

Each field is judged alone, so that one row can have several faults; of one kind in the runs the
first is told. What follows from a broken field is not told again.

A row ends with a line feed. One that is longer than MAX_ROW_BYTES is passed over in pieces, so
that no file can fill the memory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tinyseg.errors import PredictionsError
from tinyseg.labels import WAD_IDS
from tinyseg.masks import Runs, row_runs_to_text
from tinyseg.submission.pictures import is_id
from tinyseg.submission.rules import COLUMNS, HEADER, MAX_ROW_BYTES, RowFault, Rule, shown

_IMAGE_ID, _LABEL_ID, _PIXEL_COUNT, _CONFIDENCE, _RUNS = COLUMNS

_WHOLE = re.compile(r"[0-9]{1,12}")
_DECIMAL = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RUN = re.compile(r"[0-9]{1,12} [0-9]{1,12}")
_RUN_LIST = re.compile(r"(?:[0-9]{1,12} [0-9]{1,12}\|)+")
_BARS = str.maketrans("|", " ")


@dataclass(frozen=True, slots=True)
class Row:
    """The fields of a row; one that is broken is None, runs that are out of order included."""

    number: int
    image_id: str
    label_id: int | None
    confidence: float | None
    runs: Runs | None
    content: str
    """Picture, class and runs as they stand, which no two rows have alike."""


def row_to_text(image_id: str, label_id: int, confidence: float, runs: Runs) -> str:
    """The row with its line feed; the confidence has the digits that give it back exactly."""
    score = np.format_float_positional(confidence, trim="0")
    return f"{image_id},{label_id},{runs[1].sum()},{score},{row_runs_to_text(*runs)}\n"


def text_to_row(text: str, number: int, *, pixels: int) -> tuple[Row | None, list[RowFault]]:
    """A row and its faults; no row where it has not five fields. The frame has so many pixels."""
    faults: list[RowFault] = []
    if '"' in text:
        faults.append(RowFault(Rule.quotes, number))
        text = text.replace('"', "")
    if text == HEADER:
        return None, [*faults, RowFault(Rule.header_again, number)]
    fields = text.split(",")
    if len(fields) != len(COLUMNS):
        got = f"{len(fields)}: {shown(text)}" if text else "an empty row"
        return None, [*faults, RowFault(Rule.field_count, number, expected="5", got=got)]
    image_id, label_text, count_text, score_text, code = fields
    if not is_id(image_id):
        faults.append(RowFault(Rule.image_id, number, _IMAGE_ID, got=shown(image_id)))
    label_id = int(label_text) if _WHOLE.fullmatch(label_text) else None
    if label_id not in WAD_IDS:
        faults.append(RowFault(Rule.label_id, number, _LABEL_ID, _LABELS, shown(label_text)))
        label_id = None
    confidence = float(score_text) if _DECIMAL.fullmatch(score_text) else None
    if confidence is None or not 0 < confidence <= 1:
        is_number = confidence is not None or score_text.startswith("-")
        rule = Rule.confidence_range if is_number else Rule.confidence
        faults.append(RowFault(rule, number, _CONFIDENCE, got=shown(score_text)))
        confidence = None
    count = int(count_text) if _WHOLE.fullmatch(count_text) else 0
    if count < 1:
        faults.append(RowFault(Rule.pixel_count, number, _PIXEL_COUNT, got=shown(count_text)))
    runs, runs_faults = _text_to_runs(code, number, count, pixels)
    content = f"{image_id},{label_text},{code}"
    return Row(number, image_id, label_id, confidence, runs, content), faults + runs_faults


_LABELS = f"one of {', '.join(map(str, WAD_IDS))}"


def _text_to_runs(
    code: str, number: int, count: int, pixels: int
) -> tuple[Runs | None, list[RowFault]]:
    """The runs where they have a length, ascend, do not overlap and end within the frame; their sum
    is held against a count of 1 or more in any case."""
    if not _RUN_LIST.fullmatch(code):
        rule, got = _wrong_form(code)
        return None, [RowFault(rule, number, _RUNS, got=got)]
    faults = []
    numbers = np.fromstring(code.translate(_BARS), np.int64, sep=" ")
    starts, lengths = numbers[0::2], numbers[1::2]
    total = int(lengths.sum())
    if count >= 1 and count != total:
        faults.append(RowFault(Rule.pixel_sum, number, _PIXEL_COUNT, str(total), str(count)))
    ends, down = starts + lengths, starts[1:] < starts[:-1]
    places = {
        Rule.run_length: np.flatnonzero(lengths < 1),
        Rule.run_order: np.flatnonzero(down) + 1,
        Rule.run_overlap: np.flatnonzero((starts[1:] < ends[:-1]) & ~down) + 1,
        Rule.run_end: np.flatnonzero(ends > pixels),
    }
    broken = {rule: at for rule, at in places.items() if at.size}
    for rule, at in broken.items():
        first, others = int(at[0]), len(at) - 1
        got = f"run {first + 1}: {starts[first]} {lengths[first]}"
        got += f", and {others} others" if others else ""
        expected = f"at most {pixels} pixels" if rule is Rule.run_end else None
        faults.append(RowFault(rule, number, _RUNS, expected, got))
    return None if broken else (starts, lengths), faults


def _wrong_form(code: str) -> tuple[Rule, str]:
    """The first thing that is wrong with the form of the runs."""
    if not code:
        return Rule.no_runs, "nothing"
    *ended, rest = code.split("|")
    for index, run in enumerate(ended, start=1):
        if not _RUN.fullmatch(run):
            return Rule.run_form, f"run {index}: {shown(run)}"
    rule = Rule.last_bar if _RUN.fullmatch(rest) else Rule.run_form
    return rule, f"run {len(ended) + 1}: {shown(rest)}"


_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file: its number, its text without the end, and faults of its bytes.

    The text is None where the row could not be read.
    """

    number: int
    text: str | None
    faults: tuple[RowFault, ...]


def read_lines(path: Path) -> Iterator[Line]:
    """The rows in order; raises PredictionsError where the file cannot be read.

    A file in UTF-16 is one row with one fault.
    """
    try:
        with path.open("rb") as file:
            yield from _lines(file)
    except OSError as error:
        raise PredictionsError("cannot be read", path=path, got=error.strerror) from error


def _lines(file: BinaryIO) -> Iterator[Line]:
    number = 0
    while raw := file.readline(MAX_ROW_BYTES):
        number += 1
        if number == 1 and raw.startswith(_UTF16_MARKS):
            yield Line(1, None, (RowFault(Rule.encoding, 1, got="a mark of UTF-16"),))
            return
        size = len(raw)
        if size < MAX_ROW_BYTES or raw.endswith(b"\n"):
            yield _line(number, raw)
            continue
        while not raw.endswith(b"\n") and (raw := file.readline(MAX_ROW_BYTES)):
            size += len(raw)  # passed over up to the end of the row
        yield Line(number, None, (RowFault(Rule.row_bytes, number, got=str(size)),))


def _line(number: int, raw: bytes) -> Line:
    faults = []
    if number == 1 and raw.startswith(_UTF8_MARK):
        raw = raw.removeprefix(_UTF8_MARK)
        faults.append(RowFault(Rule.byte_order_mark, number))
    content = raw.removesuffix(b"\n")
    if len(content) == len(raw):
        faults.append(RowFault(Rule.last_line_end, number))
    if content.endswith(b"\r"):
        content = content.removesuffix(b"\r")
        faults.append(RowFault(Rule.line_end, number, got="carriage return"))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        text = content.decode("utf-8", "replace")
        got = f"byte {content[error.start]:#04x} at {error.start} of the row"
        faults.append(RowFault(Rule.encoding, number, got=got))
    return Line(number, text, tuple(faults))
