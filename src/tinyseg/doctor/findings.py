"""What the doctor says: groups of faults with counts and examples, statistics, advice.

In: faults one by one, in whatever order the checks meet them. Out: Findings, a plain record; its
JSON form is what the report shows. Memory does not grow with the number of faults: beyond
EXAMPLES of a kind they are only counted.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from tinyseg.doctor.kinds import Fault, FaultKind, Severity
from tinyseg.doctor.statistics import Statistics

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
