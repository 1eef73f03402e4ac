"""A submission file -> every fault in it, as a stream: memory holds a few frames, and of each row
a digest.

In: the file, what is known of the test pictures, and whether a pixel may have two owners. Out:
faults in the order of the rows, but overlaps at the end of their frame and those of the file as a
whole last. Nothing is refused here but a file that cannot be opened; a file of another kind comes
out as faults.

Overlaps are looked for while a frame is one of the RECENT_FRAMES that came last; where it comes
again later, that is told instead.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from tinyseg.masks import Runs
from tinyseg.submission import spans
from tinyseg.submission.lines import Line, read_lines
from tinyseg.submission.pictures import Pictures, is_id, is_md5
from tinyseg.submission.row import text_to_row
from tinyseg.submission.rules import COLUMNS, HEADER, RowFault, Rule, shown
from tinyseg.submission.suspect import LeftBorder, looks_column_major, looks_one_based

RECENT_FRAMES = 8
"""A stray row of another frame does not tear a frame apart."""

_IMAGE_ID, _RUNS = COLUMNS[0], COLUMNS[-1]


def check(
    path: Path,
    pictures: Pictures | None = None,
    *,
    exclusive: bool = False,
    meet: Callable[[int], None] = lambda number: None,
) -> Iterator[RowFault]:
    """All faults of a submission; `meet` is told the number of each row.

    `exclusive`: a pixel may belong to one instance of its frame only. Raises PredictionsError
    where the file cannot be read, ImageError where a picture's size is asked for and cannot be.
    """
    checker = _Checker(pictures or Pictures(), exclusive)
    for line in read_lines(path):
        meet(line.number)
        yield from checker.line(line)
    yield from checker.end()


@dataclass(slots=True)
class _Frame:
    """A frame whose rows are coming: its size, and where overlaps matter the rows' runs."""

    hw: tuple[int, int]
    rows: list[tuple[int, Runs]] = field(default_factory=list)


class _Checker:
    """Judges row after row; holds the frames that came last, and 16 bytes of each row."""

    def __init__(self, pictures: Pictures, exclusive: bool) -> None:
        self.pictures, self.exclusive = pictures, exclusive
        self.first: dict[bytes, int] = {}
        self.met: set[str] = set()
        self.recent: dict[str, _Frame] = {}
        self.border = LeftBorder()
        self.rows = 0

    def line(self, line: Line) -> Iterator[RowFault]:
        self.rows += 1
        yield from line.faults
        if line.text is None:
            return
        if line.number == 1:
            yield from self._header(line.text)
            return
        yield from self._instance(line.text, line.number)

    def _header(self, text: str) -> Iterator[RowFault]:
        """Row 1; where it is not the header but an instance, it is judged as one too."""
        if text == HEADER:
            return
        yield RowFault(Rule.header, 1, got=shown(text))
        fields = text.split(",")
        if len(fields) == len(COLUMNS) and fields[1].isdecimal():
            yield from self._instance(text, 1)

    def _instance(self, text: str, number: int) -> Iterator[RowFault]:
        frame = None
        image_id = text.partition(",")[0].replace('"', "")
        if image_id in self.recent or (self._is_frame(image_id) and text != HEADER):
            yield from self._arrive(image_id, number)
            frame = self.recent[image_id]
        hw = self.pictures.frame_hw if frame is None else frame.hw
        row, faults = text_to_row(text, number, pixels=hw[0] * hw[1])
        yield from faults
        if row is None:
            return
        if frame is None and is_id(row.image_id):  # another name is told as such
            expected = self.pictures.some()
            yield RowFault(Rule.unknown_image, number, _IMAGE_ID, expected, shown(row.image_id))
        digest = blake2b(row.content.encode("utf-8"), digest_size=16).digest()
        first = self.first.setdefault(digest, row.number)
        if first != row.number:
            yield RowFault(Rule.duplicate, row.number, got=f"row {first} again")
        if row.runs is not None:
            self.border.add(row.runs, hw[1])
            tests = {Rule.column_major: looks_column_major, Rule.one_based: looks_one_based}
            for rule, looks in tests.items():
                if looks(row.runs, hw):
                    yield RowFault(rule, number, _RUNS)
            if self.exclusive and frame is not None:
                frame.rows.append((number, row.runs))

    def _is_frame(self, image_id: str) -> bool:
        ids = self.pictures.ids
        return is_id(image_id) if ids is None else image_id in ids

    def _arrive(self, image_id: str, number: int) -> Iterator[RowFault]:
        """A row of this frame has come; the frame that is longest ago goes, with its overlaps."""
        if image_id in self.recent:
            return
        if image_id in self.met:
            rule = Rule.apart_overlap if self.exclusive else Rule.apart
            yield RowFault(rule, number, _IMAGE_ID, got=f"{shown(image_id)} again")
        elif self.pictures.ids is None and not is_md5(image_id):
            yield RowFault(Rule.not_md5, number, _IMAGE_ID, got=shown(image_id))
        self.met.add(image_id)
        self.recent[image_id] = _Frame(self.pictures.hw(image_id))
        if len(self.recent) > RECENT_FRAMES:
            yield from _overlaps(self.recent.pop(next(iter(self.recent))))

    def end(self) -> Iterator[RowFault]:
        """What only the whole file can tell."""
        for frame in self.recent.values():
            yield from _overlaps(frame)
        if self.rows == 0:
            yield RowFault(Rule.header, 1, got="an empty file")
        if self.border.looks_shifted():
            got = f"{self.border.beside} masks begin in column 1 and none in column 0"
            yield RowFault(Rule.one_based, None, _RUNS, got=got)
        for image_id in self.pictures.missing(self.met):
            yield RowFault(Rule.missing_frame, None, _IMAGE_ID, got=image_id)


def _overlaps(frame: _Frame) -> Iterator[RowFault]:
    """Rows of the frame that share pixels with rows before them."""
    for shared in spans.overlaps([runs for _, runs in frame.rows]):
        number, owner = frame.rows[shared.mask][0], frame.rows[shared.owner][0]
        got = f"{shared.pixels} pixels of earlier rows, the first of row {owner}"
        yield RowFault(Rule.overlap, number, _RUNS, expected="0 pixels", got=got)
