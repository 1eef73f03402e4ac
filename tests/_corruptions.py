"""Ways to damage a right submission in one place, each with the row and the rules that tell of it.

A kind takes the rows of a file (the header is rows[0]), the index of one of them and a generator;
it gives back the damaged file. Field kinds change one field; row kinds anything else.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from _submissions import HW, md5

from tinyseg import masks as mask_ops
from tinyseg.submission import HEADER, Rule

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Damaged:
    """A damaged file: one of the rules must be told of this row, and nothing of any other."""

    content: bytes
    row: int
    rules: frozenset[Rule]


Kind = Callable[[list[str], int, Rng], Damaged]


def damaged(rows: list[str], at: int, *rules: Rule) -> Damaged:
    return Damaged("".join(f"{row}\n" for row in rows).encode(), at + 1, frozenset(rules))


# One field


def field(column: int, rule: Rule, change: Callable[[str, Rng], str]) -> Kind:
    """The kind that changes one field of the row."""

    def kind(rows: list[str], at: int, rng: Rng) -> Damaged:
        fields = rows[at].split(",")
        fields[column] = change(fields[column], rng)
        return damaged([*rows[:at], ",".join(fields), *rows[at + 1 :]], at, rule)

    return kind


def one_run(change: Callable[[str, str], str]) -> Callable[[str, Rng], str]:
    """The change of one run, given its start and length, anywhere in the list."""

    def all_runs(code: str, rng: Rng) -> str:
        runs = code.split("|")[:-1]
        at = int(rng.integers(len(runs)))
        start, length = runs[at].split(" ")
        runs[at] = change(start, length)
        return "".join(f"{run}|" for run in runs)

    return all_runs


def swapped(code: str, rng: Rng) -> str:
    """Two neighbouring runs change places."""
    runs = code.split("|")[:-1]
    at = int(rng.integers(len(runs) - 1))
    runs[at : at + 2] = [runs[at + 1], runs[at]]
    return "".join(f"{run}|" for run in runs)


def beyond(code: str, rng: Rng) -> str:
    """One more run, which begins in the frame's last pixels and ends after them."""
    length = int(rng.integers(2, 50))
    return f"{code}{HW[0] * HW[1] - 1} {length}|"


def choice(*values: str) -> Callable[[str, Rng], str]:
    return lambda value, rng: str(rng.choice(values))


FIELDS: dict[str, Kind] = {
    "a picture that is none": field(0, Rule.unknown_image, lambda v, r: md5(int(r.integers(9999)))),
    "an ending": field(0, Rule.image_id, lambda v, r: f"{v}.jpg"),
    "a folder": field(0, Rule.image_id, lambda v, r: f"test/{v}"),
    "a space before": field(0, Rule.image_id, lambda v, r: f" {v}"),
    "an unscored class": field(1, Rule.label_id, choice("37", "0", "255", "33001", "161", "-33")),
    "a class by name": field(1, Rule.label_id, choice("car", "person", "33.0", "")),
    "a wrong count": field(2, Rule.pixel_sum, lambda v, r: str(int(v) + int(r.integers(1, 9)))),
    "no count": field(2, Rule.pixel_count, choice("0", "-7", "", "12.0", "1e2", "1 000")),
    "no confidence": field(3, Rule.confidence_range, choice("0", "0.0", "-0.5", "0e9")),
    "confidence above 1": field(3, Rule.confidence_range, choice("1.0001", "87", "2e3")),
    "confidence of no number": field(3, Rule.confidence, choice("nan", "inf", "", "0.5.1", "0x1")),
    "no runs": field(4, Rule.no_runs, lambda v, r: ""),
    "the last bar missing": field(4, Rule.last_bar, lambda v, r: v[:-1]),
    "a bar twice": field(4, Rule.run_form, one_run(lambda s, n: f"{s} {n}|")),
    "a letter": field(4, Rule.run_form, one_run(lambda s, n: f"{s} {n[:-1]}o")),
    "two spaces": field(4, Rule.run_form, one_run(lambda s, n: f"{s}  {n}")),
    "no length": field(4, Rule.run_form, one_run(lambda s, n: s)),
    "a negative start": field(4, Rule.run_form, one_run(lambda s, n: f"-{s} {n}")),
    "a fraction": field(4, Rule.run_form, one_run(lambda s, n: f"{s} {n}.5")),
    "length zero": field(4, Rule.run_length, one_run(lambda s, n: f"{s} 0")),
    "runs out of order": field(4, Rule.run_order, swapped),
    "runs that overlap": field(4, Rule.run_overlap, one_run(lambda s, n: f"{s} {n}|{s} {n}")),
    "beyond the frame": field(4, Rule.run_end, beyond),
}


# The row, or the file from there


def field_lost(rows: list[str], at: int, rng: Rng) -> Damaged:
    fields = rows[at].split(",")
    del fields[int(rng.integers(5))]
    return damaged([*rows[:at], ",".join(fields), *rows[at + 1 :]], at, Rule.field_count)


def field_added(rows: list[str], at: int, rng: Rng) -> Damaged:
    fields = rows[at].split(",")
    fields.insert(int(rng.integers(6)), str(rng.choice(["", "0", "x"])))
    return damaged([*rows[:at], ",".join(fields), *rows[at + 1 :]], at, Rule.field_count)


def empty_row(rows: list[str], at: int, rng: Rng) -> Damaged:
    return damaged([*rows[:at], "", *rows[at:]], at, Rule.field_count)


def header_again(rows: list[str], at: int, rng: Rng) -> Damaged:
    return damaged([*rows[:at], HEADER, *rows[at:]], at, Rule.header_again)


def rows_joined(rows: list[str], at: int, rng: Rng) -> Damaged:
    at = min(at, len(rows) - 2)
    joined = rows[at] + rows[at + 1]
    return damaged([*rows[:at], joined, *rows[at + 2 :]], at, Rule.field_count)


def carriage_return(rows: list[str], at: int, rng: Rng) -> Damaged:
    return damaged([*rows[:at], f"{rows[at]}\r", *rows[at + 1 :]], at, Rule.line_end)


def quoted(rows: list[str], at: int, rng: Rng) -> Damaged:
    fields = rows[at].split(",")
    column = int(rng.integers(5))
    fields[column] = f'"{fields[column]}"'
    return damaged([*rows[:at], ",".join(fields), *rows[at + 1 :]], at, Rule.quotes)


def foreign_byte(rows: list[str], at: int, rng: Rng) -> Damaged:
    """A byte that is no UTF-8 anywhere in the row."""
    right = damaged(rows, at, Rule.encoding)
    place = len("".join(f"{row}\n" for row in rows[:at])) + int(rng.integers(len(rows[at])))
    return Damaged(right.content[:place] + b"\xff" + right.content[place:], at + 1, right.rules)


def zero_byte(rows: list[str], at: int, rng: Rng) -> Damaged:
    """A zero byte inside any of the fields."""
    place = int(rng.integers(1, len(rows[at])))
    row = f"{rows[at][:place]}\0{rows[at][place:]}"
    told = (Rule.image_id, Rule.label_id, Rule.pixel_count, Rule.confidence)
    runs = (Rule.run_form, Rule.last_bar)
    return damaged([*rows[:at], row, *rows[at + 1 :]], at, *told, *runs)


def row_again(rows: list[str], at: int, rng: Rng) -> Damaged:
    """The row once more, with another confidence, right after it or anywhere below in its frame."""
    fields = rows[at].split(",")
    same = [i for i, row in enumerate(rows) if i >= at and row.startswith(fields[0])]
    below = int(rng.choice(same)) + 1
    fields[3] = "0.5"
    return damaged([*rows[:below], ",".join(fields), *rows[below:]], below, Rule.duplicate)


def pixels_of_another(rows: list[str], at: int, rng: Rng) -> Damaged:
    """The row takes the pixels of another row of its frame; the later of the two is told."""
    fields = rows[at].split(",")
    others = [i for i, row in enumerate(rows) if i != at and row.startswith(fields[0])]
    other = int(rng.choice(others))
    theirs = rows[other].split(",")
    label = "33" if theirs[1] != "33" else "36"
    row = ",".join([fields[0], label, theirs[2], fields[3], theirs[4]])
    return damaged([*rows[:at], row, *rows[at + 1 :]], max(at, other), Rule.overlap)


def file_cut(rows: list[str], at: int, rng: Rng) -> Damaged:
    """The file ends within the row."""
    before = "".join(f"{row}\n" for row in rows[:at])
    part = rows[at][: int(rng.integers(1, len(rows[at])))]
    fields = (Rule.field_count, Rule.pixel_sum, Rule.no_runs, Rule.last_bar, Rule.run_form)
    return Damaged((before + part).encode(), at + 1, frozenset(fields))


def down_the_columns(rows: list[str], at: int, rng: Rng) -> Damaged:
    """The runs counted in column-major order, one pixel a run where it has to be."""
    fields = rows[at].split(",")
    (bits,) = [mask_ops.paint(mask_ops.from_challenge_runs([fields[4]], HW), HW)]
    turned = np.ascontiguousarray(bits.T > 0)
    (fields[4],) = mask_ops.to_challenge_runs(mask_ops.from_bitmaps([turned]), turned.shape)
    return damaged([*rows[:at], ",".join(fields), *rows[at + 1 :]], at, Rule.column_major)


ROWS: dict[str, Kind] = {
    "a field lost": field_lost,
    "a field added": field_added,
    "an empty row": empty_row,
    "the header again": header_again,
    "two rows joined": rows_joined,
    "a carriage return": carriage_return,
    "quotes": quoted,
    "a byte of no character": foreign_byte,
    "a zero byte": zero_byte,
    "a row again": row_again,
    "pixels of another": pixels_of_another,
    "the file cut": file_cut,
    "down the columns": down_the_columns,
}

KINDS: dict[str, Kind] = {**FIELDS, **ROWS}
