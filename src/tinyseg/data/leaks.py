"""Frames that are learnt from and judged on: a score on them says nothing.

Two frames are one where they are one file, or where their files hold the same bytes. Only files of
a size that occurs on both sides are read. What merely resembles one another is the doctor's.
"""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from tinyseg.data.dataset import Item
from tinyseg.errors import DataError


def check_apart(learnt: Sequence[Item], judged: Sequence[Item]) -> None:
    """Raises DataError, with their count, where judged frames are among those learnt from."""
    both = shared_frames(learnt, judged)
    if both:
        rule = "frames that are judged must not be learnt from"
        some = ", ".join(f"{b.name} is {a.image_path}" for a, b in both[:3])
        got = f"{len(both)} of {len(judged)}: {some}"
        raise DataError(rule, where="val", expected="another split or list", got=got)


def shared_frames(learnt: Sequence[Item], judged: Sequence[Item]) -> list[tuple[Item, Item]]:
    """The judged frames whose pictures are learnt from, each behind the one it equals."""
    files = {item.image_path.resolve(): item for item in learnt}
    sizes = {_size(path) for path in files} & {_size(item.image_path) for item in judged} - {0}
    contents = {_content(path): item for path, item in files.items() if _size(path) in sizes}
    found = []
    for item in judged:
        same = files.get(item.image_path.resolve())
        if same is None and _size(item.image_path) in sizes:
            same = contents.get(_content(item.image_path))
        if same is not None:
            found.append((same, item))
    return found


def _size(path: Path) -> int:
    """In bytes; 0 for a file that cannot be looked at, which is told when it is read."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _content(path: Path) -> bytes:
    """A digest of the file's bytes; of its name where it cannot be read."""
    try:
        return blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError:
        return bytes(path.resolve())
