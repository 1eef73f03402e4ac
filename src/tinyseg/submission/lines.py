"""A file -> its rows, one at a time, as text, with what is wrong about their bytes.

A row ends with a line feed. One that is longer than MAX_ROW_BYTES is passed over in pieces, so
that no file can fill the memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tinyseg.errors import PredictionsError
from tinyseg.submission.rules import MAX_ROW_BYTES, RowFault, Rule

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
        if len(raw) == MAX_ROW_BYTES and not raw.endswith(b"\n"):
            size = len(raw) + _pass_over(file)
            yield Line(number, None, (RowFault(Rule.row_bytes, number, got=str(size)),))
            continue
        yield _line(number, raw)


def _pass_over(file: BinaryIO) -> int:
    """Read on to the end of the row; returns how many bytes that were."""
    size = 0
    while piece := file.readline(MAX_ROW_BYTES):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


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
