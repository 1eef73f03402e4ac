"""Faults as they come -> groups with counts and examples, as text, and a JSON file of them all.

Memory holds the groups; the file takes every fault as it comes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from tinyseg.files import whole_file
from tinyseg.submission.rules import RowFault, Rule


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
