"""What the doctor says: groups of faults with counts and examples, statistics, advice.

In: faults one by one, in whatever order the checks meet them. Out: Findings, a plain record; its
JSON form is what the report shows. Memory does not grow with the number of faults: beyond
EXAMPLES of a kind they are only counted.

For a terminal they are rich's renderables: groups, worst first, then tables of sizes and coverage,
then advice; names from files are escaped, so
that brackets in them are no markup.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import inf
from textwrap import fill
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from tinyseg.doctor.kinds import Fault, FaultKind, Severity
from tinyseg.doctor.statistics import SIZES, Statistics

EXAMPLES = 20
"""Faults of a kind that are kept in words."""


@dataclass(frozen=True, slots=True)
class FaultGroup:
    """All faults of one kind: their number, and the first of them."""

    kind: FaultKind
    count: int
    examples: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; examples as place and detail."""
        shown = [{"place": one.place, "detail": one.detail} for one in self.examples]
        return {**asdict(self.kind), "count": self.count, "examples": shown}


@dataclass(frozen=True, slots=True)
class ExaminedSet:
    """One of the sets that were looked at: "train" (or the only one) and "val"."""

    name: str
    path: str
    format: str
    frames: int
    instances: int


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was found, worst first; `fast`: pictures were not decoded."""

    parts: tuple[ExaminedSet, ...]
    groups: tuple[FaultGroup, ...]
    statistics: Statistics
    advice: tuple[str, ...]
    fast: bool = False

    def count(self, severity: Severity) -> int:
        """Faults of this severity."""
        return sum(group.count for group in self.groups if group.kind.severity is severity)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "parts": [asdict(part) for part in self.parts],
            "counts": {severity.value: self.count(severity) for severity in Severity},
            "groups": [group.to_json() for group in self.groups],
            "statistics": self.statistics.to_json(),
            "advice": list(self.advice),
            "fast": self.fast,
        }


@dataclass(slots=True)
class Collector:
    """Counts faults by kind while the checks run, and keeps the first of each."""

    _counts: dict[FaultKind, int] = field(default_factory=dict)
    _examples: dict[FaultKind, list[Fault]] = field(default_factory=dict)

    def add(self, fault: Fault) -> None:
        """One more fault."""
        self._counts[fault.kind] = self._counts.get(fault.kind, 0) + 1
        kept = self._examples.setdefault(fault.kind, [])
        if len(kept) < EXAMPLES:
            kept.append(fault)

    def groups(self) -> tuple[FaultGroup, ...]:
        """By severity, then by number."""
        order = list(Severity)
        kinds = sorted(self._counts, key=lambda k: (order.index(k.severity), -self._counts[k]))
        return tuple(FaultGroup(k, self._counts[k], tuple(self._examples[k])) for k in kinds)


SHOWN = 3
"""Examples of a group on the terminal; the JSON has more."""

WIDTH = 96

_STYLES = {Severity.error: "bold red", Severity.warning: "yellow", Severity.note: "cyan"}


def findings_to_text(findings: Findings) -> Iterator[RenderableType]:
    """Everything there is to say."""
    for part in findings.parts:
        counts = f"{part.frames:,} frames, {part.instances:,} instances"
        yield f"[bold]{part.name}[/] {escape(part.path)} ({part.format}): {counts}"
    if findings.fast:
        yield "[dim]Pictures were not decoded: damage in them was not looked for.[/]"
    for group in findings.groups:
        kind = group.kind
        style = _STYLES[kind.severity]
        yield f"\n[{style}]{kind.severity}[/] {group.count:,} x {kind.title} [dim]({kind.code})[/]"
        for one in group.examples[:SHOWN]:
            yield escape(f"      {one.place}" + (f": {one.detail}" if one.detail else ""))
        if group.count > SHOWN:
            yield f"      [dim]and {group.count - SHOWN:,} more[/]"
        yield f"[italic]{escape(_wrapped(kind.advice, 4))}[/]"
    yield _summary(findings)
    yield from _tables(findings.statistics)
    if findings.advice:
        yield "\n[bold]What would help[/]"
    for number, sentence in enumerate(findings.advice, start=1):
        yield escape(_wrapped(f"{number}. {sentence}", 2))


def _wrapped(text: str, indent: int) -> str:
    """Sentences in lines of up to WIDTH characters; places are left whole, to be copied."""
    space = " " * indent
    return fill(text, WIDTH, initial_indent=space, subsequent_indent=space)


def _summary(findings: Findings) -> str:
    counts = {severity: findings.count(severity) for severity in Severity}
    if not any(counts.values()):
        return "\n[green]Nothing is wrong with it.[/]"
    return "\n" + ", ".join(
        f"[{_STYLES[severity]}]{count:,} {severity}{'' if count == 1 else 's'}[/]"
        for severity, count in counts.items()
    )


def _tables(statistics: Statistics) -> Iterator[RenderableType]:
    if statistics.counts.sum() == 0:
        return
    sizes = [f"{low:g}-" if high == inf else f"{low:g}-{high:g}" for low, high in pairwise(SIZES)]
    title = "Instances by size (square root of the box, frame pixels)"
    counts = zip(statistics.classes, statistics.counts.sum(axis=2).tolist(), strict=True)
    rows: list[tuple[object, ...]] = [(escape(name), sum(row), *row) for name, row in counts]
    yield from _table(title, ("class", "n", *sizes), rows)
    # A line for each bin of rows between the first and the last that holds an instance
    by_row = statistics.counts.sum(axis=0).T
    held, step = np.flatnonzero(by_row.sum(axis=1)), 100 // len(by_row)
    bins = range(int(held[0]), int(held[-1]) + 1)
    rows = [(f"{n * step}-{(n + 1) * step}", *by_row[n].tolist()) for n in bins]
    yield from _table("By row of the frame", ("% of its height", *sizes), rows)
    rows = [(escape(one.resolution), *map(_percent, one.below)) for one in statistics.shrunk]
    heads = ("short / longest side", "<4", "<8", "<16")
    yield from _table("What is left at a resolution", heads, rows)
    rows = [
        (one.recipe, one.resolution, _percent(one.tiny), _percent(one.all))
        for one in statistics.anchors
    ]
    title = "Instances with an anchor over the recipe's threshold"
    yield from _table(title, ("recipe", "trained at", "under 16 px", "all"), rows)
    rows = []
    for tile in statistics.tiles:
        cells = f"{tile.zoom:g}", tile.tiles, f"{tile.megapixels:.1f}"
        rows.append((tile.size, *cells, _percent(tile.whole), _percent(tile.below_16)))
    title = "Tiles, neighbours sharing a quarter"
    yield from _table(title, ("size", "zoom", "a frame", "MP", "whole in one", "<16"), rows)


def _table(
    title: str, heads: Sequence[str], rows: Sequence[tuple[object, ...]]
) -> Iterator[RenderableType]:
    """An empty line and the table: names on the left, figures on the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(str, row))
    yield ""
    yield table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
