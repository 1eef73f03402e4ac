"""Where a data set's frames lie, told leniently: nothing that is wrong stops the listing.

Survey is what each format's listing gives (folders.py, readers.py): complete frames by name,
frames of which one half is missing, and faults of the set as a whole. `chosen` keeps the frames of
a list file and says what is wrong with the list.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyseg.data import Names, frame_key, read_list
from tinyseg.doctor import kinds
from tinyseg.doctor.kinds import Fault
from tinyseg.doctor.labels import LabelLook
from tinyseg.fields import read_text


@dataclass(frozen=True, slots=True)
class ExaminedFrame:
    """One frame: its picture's path, and what looks at its labels."""

    name: str
    picture: Path
    labels: Callable[[], LabelLook]


@dataclass(frozen=True, slots=True)
class Survey:
    """Frames by name, half frames by name, and what is wrong with the set itself."""

    sources: dict[str, ExaminedFrame]
    halves: dict[str, Fault]
    faults: tuple[Fault, ...] = ()


def chosen(survey: Survey, listed: Path | None) -> tuple[list[ExaminedFrame], list[Fault]]:
    """The frames to look at, and the faults of listing; without a list all of them."""
    if listed is None:
        return list(survey.sources.values()), [*survey.faults, *survey.halves.values()]
    known = Names([*survey.sources, *survey.halves])
    kept: dict[str, ExaminedFrame] = {}
    faults, seen = list(survey.faults), set[str]()
    for line, entry in read_list(listed):
        own = known.fitting(entry)
        fault = _entry_fault(entry, own, f"{listed.name}, line {line}", seen, survey)
        if fault is not None:
            faults.append(fault)
        elif own:
            kept[own[0]] = survey.sources[own[0]]
        seen.add(own[0] if len(own) == 1 else entry)
    return list(kept.values()), faults + list(_pair_faults(listed))


def _entry_fault(
    entry: str, own: list[str], place: str, seen: set[str], survey: Survey
) -> Fault | None:
    if (own[0] if len(own) == 1 else entry) in seen:
        return Fault(kinds.LISTED_TWICE, place, entry)
    if not own:
        return Fault(kinds.LISTED_MISSING, place, entry)
    if len(own) > 1:
        return Fault(kinds.LISTED_AMBIGUOUS, place, ", ".join(own))
    return survey.halves.get(own[0])


def _pair_faults(listed: Path) -> Iterator[Fault]:
    """Lines of a WAD video list whose two columns are of different frames."""
    for number, line in enumerate(read_text(listed).splitlines(), start=1):
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) < 2 or not fields[0] or not fields[1]:
            continue
        picture, label = fields[:2]
        if frame_key(picture) != frame_key(label).removesuffix("_instanceIds"):
            detail = f"{frame_key(picture)} and {frame_key(label)}"
            yield Fault(kinds.LISTED_PAIR, f"{listed.name}, line {number}", detail)
