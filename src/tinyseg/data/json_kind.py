"""Whose a JSON file is, told by its keys without parsing it.

In: a path. Out: "labelme", "via", "scalabel", "coco", or None. The file is mapped into memory and
looked at from its beginning until a key tells; a picture of megabytes inside it is one string that
is passed over. What the file holds otherwise is for its reader to check.
"""

import mmap
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

MOST_TOKENS = 100_000
"""Names and brackets that are looked at, a quarter of a second; telling keys come early."""

MOST_FILES = 50
"""Of a folder, so that one with thousands of other files is soon passed over."""

_TOKEN = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:(?=\s*(\[)?))?|[{}\[\]]', re.DOTALL)

_TOP = {
    b"shapes": "labelme",
    b"imagePath": "labelme",
    b"_via_settings": "via",
    b"_via_img_metadata": "via",
    b"images": "coco",
    b"annotations": "coco",
    b"categories": "coco",
}
"""Keys of the outermost object; COCO's hold lists."""

_BELOW = {b"regions": "via", b"file_attributes": "via"}
"""Keys of the objects in it, where it has names of its own."""

_LISTED = {b"labels": "scalabel"}
"""Keys of objects in a list, itself or called "frames"."""


def json_kind(path: Path) -> str | None:
    """Whose file it is; None for one that cannot be read, too."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return next(_kinds(data), None)
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        return None


def any_of_kind(folder: Path, kind: str, *patterns: str) -> bool:
    """Whether one of the first files of these patterns is of the kind."""
    files = (path for pattern in patterns for path in sorted(folder.glob(pattern)))
    return any(json_kind(path) == kind for path in islice(files, MOST_FILES))


def _kinds(data: mmap.mmap) -> Iterator[str]:
    """What each telling key tells, in their order."""
    open_brackets: list[bytes] = []
    top = b""
    for token in islice(_TOKEN.finditer(data), MOST_TOKENS):
        sign = token[0][:1]
        if sign in b"{[":
            open_brackets.append(sign)
        elif sign in b"}]":
            del open_brackets[-1:]
        elif token[2]:
            place = b"".join(open_brackets)
            top = token[1] if place == b"{" else top
            listed = place == b"[{" or (place == b"{[{" and top == b"frames")
            known = {b"{": _TOP, b"{{": _BELOW}.get(place, _LISTED if listed else {})
            kind = known.get(token[1])
            if kind is not None and (kind != "coco" or token[3]):
                yield kind
