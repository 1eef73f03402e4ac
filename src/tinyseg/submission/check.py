"""A submission file -> every fault in it, as a stream: memory holds a few frames, and of each row
a digest.

In: the file, what is known of the test pictures, and whether a pixel may have two owners. Out:
faults in the order of the rows, but overlaps at the end of their frame and those of the file as a
whole last. Nothing is refused here but a file that cannot be opened; a file of another kind comes
out as faults.

Overlaps are looked for while a frame is one of the RECENT_FRAMES that came last; where it comes
again later, that is told instead.

Some runs keep every rule and are still wrong: counted down the columns, or from 1. Both variants
circulate. Small masks alone cannot tell; these tests speak only where they can:

Down the columns: read along the rows, such a mask is scattered over the frame's width; read down
the columns, it fills a good part of its box.
From 1: masks that touch the frame's right border spill one pixel into each next row; and where
many masks begin in column 1, some would begin in column 0.

`collect` makes groups of the faults, with counts and examples, while a JSON file takes each as it
comes; `findings_text` says the groups to people.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import orjson

from tinyseg.files import whole_file
from tinyseg.masks import Runs
from tinyseg.submission import spans
from tinyseg.submission.pictures import Pictures, is_id, is_md5
from tinyseg.submission.row import Line, read_lines, text_to_row
from tinyseg.submission.rules import COLUMNS, HEADER, RowFault, Rule, shown

LEAST_RUNS = 4
LEAST_FILL, LEAST_GAIN = 0.25, 3.0
"""A mask is read down the columns where that fills so much of its box, and so much more of it."""

LEAST_SPILLS = 2
LEAST_BESIDE = 20
"""So many masks that begin in column 1, and none in column 0, are no accident."""


def looks_column_major(runs: Runs, frame_hw: tuple[int, int]) -> bool:
    """Whether the mask is compact only when its runs are read down the columns."""
    if len(runs[0]) < LEAST_RUNS:
        return False
    height, width = frame_hw
    along, down = _fill(runs, width), _fill(runs, height)
    return down >= LEAST_FILL and down >= LEAST_GAIN * along


def _fill(runs: Runs, line: int) -> float:
    """Share of the box around the runs, on lines of this length, that they fill."""
    starts, lengths = runs
    last = starts + lengths - 1
    rows = int(last[-1] // line - starts[0] // line) + 1
    first_column, last_column = starts % line, last % line
    crossing = bool((last_column < first_column).any()) or int(lengths.max()) >= line
    columns = line if crossing else int(last_column.max() - first_column.min()) + 1
    return int(lengths.sum()) / (rows * columns)


def looks_one_based(runs: Runs, frame_hw: tuple[int, int]) -> bool:
    """Whether the mask spills just one pixel over the right border, in several rows."""
    starts, lengths = runs
    width = frame_hw[1]
    first = starts % width
    beyond = first + lengths - width
    spilled = beyond > 0
    at_left = bool((first == 0).any())
    return int(spilled.sum()) >= LEAST_SPILLS and not at_left and bool((beyond[spilled] == 1).all())


class LeftBorder:
    """Counts the masks of a whole file that begin in columns 0 and 1."""

    def __init__(self) -> None:
        self.at_border = self.beside = 0

    def add(self, runs: Runs, width: int) -> None:
        """Count one mask."""
        first = int((runs[0] % width).min())
        self.at_border += first == 0
        self.beside += first == 1

    def looks_shifted(self) -> bool:
        """Whether masks begin beside the border and never at it."""
        return self.at_border == 0 and self.beside >= LEAST_BESIDE


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
            if line.text == HEADER:
                return
            yield RowFault(Rule.header, 1, got=shown(line.text))
            fields = line.text.split(",")
            if len(fields) != len(COLUMNS) or not fields[1].isdecimal():
                return  # else it is an instance, which is judged as one too
        yield from self._instance(line.text, line.number)

    def _instance(self, text: str, number: int) -> Iterator[RowFault]:
        frame, ids = None, self.pictures.ids
        image_id = text.partition(",")[0].replace('"', "")
        is_frame = is_id(image_id) if ids is None else image_id in ids
        if image_id in self.recent or (is_frame and text != HEADER):
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


@dataclass(slots=True)
class RowFaultGroup:
    """How often a rule is broken, and the first places."""

    rule: Rule
    count: int = 0
    examples: list[RowFault] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """ "fault" or "warning"."""
        return "warning" if RowFault(self.rule).is_warning else "fault"


class CheckResult:
    """The groups of the faults that have been added, `examples` of each kept."""

    def __init__(self, examples: int = 5) -> None:
        self.examples = examples
        self._groups: dict[Rule, RowFaultGroup] = {}

    def add(self, fault: RowFault) -> None:
        """Count one more."""
        group = self._groups.setdefault(fault.rule, RowFaultGroup(fault.rule))
        group.count += 1
        if group.count <= self.examples:
            group.examples.append(fault)

    @property
    def groups(self) -> list[RowFaultGroup]:
        """Faults first, then warnings, each in the order in which they were first met."""
        return sorted(self._groups.values(), key=lambda group: group.kind != "fault")

    @property
    def faults(self) -> int:
        """How many there are, warnings not counted."""
        return sum(g.count for g in self.groups if g.kind == "fault")

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return sum(g.count for g in self.groups if g.kind == "warning")


def collect(
    faults: Iterable[RowFault], *, json: Path | None = None, examples: int = 5
) -> CheckResult:
    """The faults in groups; every one of them, in order, in the JSON file too.

    Raises OutputError where that file cannot be written.
    """
    findings = CheckResult(examples)
    if json is None:
        for fault in faults:
            findings.add(fault)
        return findings
    with whole_file(json) as file:
        before = b'{"found":['
        for fault in faults:
            findings.add(fault)
            file.write(before + b"\n" + orjson.dumps(fault_to_json(fault)))
            before = b","
        head = b"" if findings.groups else before
        groups = [{"rule": g.rule.name, "kind": g.kind, "count": g.count} for g in findings.groups]
        summary = {"faults": findings.faults, "warnings": findings.warnings, "groups": groups}
        file.write(head + b'\n],"summary":' + orjson.dumps(summary) + b"}\n")
    return findings


def fault_to_json(fault: RowFault) -> dict[str, object]:
    """A fault in plain values; the rule by its short name and in words."""
    return {
        "row": fault.row,
        "column": fault.column,
        "kind": "warning" if fault.is_warning else "fault",
        "rule": fault.rule.name,
        "says": fault.rule.value,
        "expected": fault.expected,
        "got": fault.got,
    }


def findings_text(findings: CheckResult) -> Iterator[str]:
    """Lines for people: a heading a group, with its count, then its first places."""
    for group in findings.groups:
        yield f"{group.kind}: {group.rule.value}: {group.count:,}"
        yield from (f"    {place_text(fault)}" for fault in group.examples)
        if group.count > len(group.examples):
            yield f"    and {group.count - len(group.examples):,} more"


def place_text(fault: RowFault) -> str:
    """Where a fault is, and what was expected and came."""
    row = None if fault.row is None else f"row {fault.row}"
    place = ", ".join(part for part in (row, fault.column) if part is not None)
    named = (("expected", fault.expected), ("got", fault.got))
    detail = ", ".join(f"{name} {value}" for name, value in named if value is not None)
    return ": ".join(part for part in (place or "the file", detail) if part)
