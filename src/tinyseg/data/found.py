"""What a reader lists of a data set, before a picture or a label is read; and where the pictures
lie that a label file names.

In: a folder, and names as other machines wrote them: paths below another folder, from a root, with
drive letters and backslashes, or web addresses. Out: paths below the folder, and never outside it.
A name fits a picture where the one's path ends with the other's; what fits several, or a picture
that another name has, is not taken.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import unquote

from tinyseg.errors import DataError, TinysegError, first_few
from tinyseg.frame import FrameLabels
from tinyseg.image import is_picture

Files = tuple[Path, Callable[[], FrameLabels]]
"""Where a frame's picture lies, and what reads its labels: whole, with the faults beside."""

Entry = TypeVar("Entry")


def names_below(root: Path, files: Sequence[Path]) -> list[str]:
    """A name for each file: its own without its ending where no two are alike, else its path below
    the root, with its ending where it needs that too."""
    for named in (
        lambda path: path.stem,
        lambda path: _below(root, path).with_suffix("").as_posix(),
        lambda path: _below(root, path).as_posix(),
    ):
        names = [named(path) for path in files]
        if len(set(names)) == len(files):
            return names
    return [str(path) for path in files]


def _below(root: Path, path: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


@dataclass(frozen=True, slots=True)
class Found:
    """Frames by name, and what else is known of the data set.

    `missing` are the names of which picture or label is not there. `labelled` are the data set's
    own classes by name: objects of any other class may stand in its pictures without a label; None
    where all classes of the list are labelled. `remarks` are sentences for the user. `faults` are
    what is broken in the set itself and therefore in no frame, `doubts` what is odd, for the
    doctor. `ids` are what the data set's files call a frame, by its name, where they number them.
    """

    frames: dict[str, Files]
    missing: tuple[str, ...] = ()
    labelled: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()
    faults: tuple[TinysegError, ...] = ()
    doubts: tuple[TinysegError, ...] = ()
    ids: dict[str, int | str] = field(default_factory=dict)


def find_pictures(
    folder: Path, names: Sequence[str], *, below: bool = True
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The path below the folder of each name that fits one picture; and the names that fit several.

    With `below` folders inside are searched where a name alone does not lead to a picture.
    """
    root = str(folder)
    plain = (name for name in names if not PurePosixPath(name).is_absolute())
    plain = (name for name in plain if ".." not in PurePosixPath(name).parts)
    found = {name: name for name in plain if _is_file(root, name)}
    rest = {name: last_parts(name) for name in names if name not in found}
    fitting: dict[str, list[str]] = {}
    for name, parts in rest.items():
        # The longest end of the path that leads to a picture
        tails = ("/".join(parts[at:]) for at in range(len(parts)))
        fitting[name] = next(([tail] for tail in tails if _is_file(root, tail)), [])
    if below and not all(fitting.values()):
        deeper = _by_last_part(folder, {parts[-1] for parts in rest.values() if parts})
        for name, paths in fitting.items():
            own = "/" + "/".join(rest[name])
            ends = deeper.get(own.rpartition("/")[2], [])
            fitting[name] = paths or [path for path in ends if f"/{path}".endswith(own)]
    taken = set(found.values())
    claims: dict[str, int] = {}
    for paths in fitting.values():
        for path in paths:
            claims[path] = claims.get(path, 0) + 1
    several = []
    for name, paths in fitting.items():
        if len(paths) == 1 and claims[paths[0]] == 1 and paths[0] not in taken:
            found[name] = paths[0]
        elif paths and not taken.issuperset(paths):
            several.append(name)
    return found, tuple(several)


@dataclass(frozen=True, slots=True)
class Listing:
    """Frames as files name their pictures; names without a picture; and what is wrong."""

    frames: dict[str, Files] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    faults: list[TinysegError] = field(default_factory=list)

    def take(
        self,
        file: Path,
        folder: Path,
        entries: Sequence[tuple[str, Entry]],
        read: Callable[[Path, str, Path, Entry], Callable[[], FrameLabels]],
        *,
        below: bool = True,
    ) -> None:
        """Joins the pictures below the folder that a file names, each with its entry; `read` makes
        what reads the labels, from the file, the frame's name, its picture and the entry."""
        found, _ = find_pictures(folder, [given for given, _ in entries], below=below)
        for given, entry in entries:
            name = found.get(given)
            if name is None:
                self.missing.append(given)
            elif name in self.frames:
                rule = "a picture is named once"
                self.faults.append(DataError(rule, path=file, where=given, code="name-twice"))
            else:
                picture = folder / name
                self.frames[name] = picture, read(file, name, picture, entry)

    def found(self, labelled: Iterable[str] | None = None) -> Found:
        """All that was taken, of a data set that labels these classes; None is all of the list."""
        own = None if labelled is None else tuple(labelled)
        return Found(self.frames, tuple(self.missing), own, faults=tuple(self.faults))


USUAL = frozenset({".txt", ".json", ".yaml", ".xml", ".csv", ".npy", ".cache"})
"""Endings of what lies beside pictures by custom."""


def others_among(files: Iterable[Path], where: str) -> tuple[str, ...]:
    """A remark on files that lie where pictures are and are none; hidden and usual ones apart."""
    odd = [path.name for path in sorted(files) if is_other(path) and path.suffix not in USUAL]
    return (f"files in {where} that are no picture: {first_few(odd)}",) if odd else ()


def is_other(path: Path) -> bool:
    """Whether a file is no picture by its ending, and is to be seen."""
    return not is_picture(path) and not path.name.startswith(".") and path.is_file()


def last_parts(name: str) -> list[str]:
    """The parts of a path or web address after the last `..`, without a query."""
    if "://" in name:
        name = unquote(name.partition("://")[2].partition("/")[2].split("?")[0].split("#")[0])
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    ups = [at for at, part in enumerate(parts) if part == ".."]
    return parts[ups[-1] + 1 :] if ups else parts


def _is_file(root: str, name: str) -> bool:
    return os.path.isfile(os.path.join(root, name))


def _by_last_part(folder: Path, wanted: set[str]) -> dict[str, list[str]]:
    """Files inside the folder's folders whose last part is wanted."""
    found: dict[str, list[str]] = {}
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in wanted.intersection(files):
            path = os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/")
            found.setdefault(name, []).append(path)
    return found
