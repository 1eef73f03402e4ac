"""Which video clip a frame is from, and which frames are both learnt from and judged on.

In: the WAD's video lists, a folder of them or one file, where the list's name is the clip's and
each line begins with a frame (`train_video_list/<clip>_image_list_train.txt`; of the test set
`list_test_mapping/md5_mapping_<clip>...`); or a regular expression over frame names. Out: a
function, frame name -> clip, None where it is not known. Refused: a folder without lists, a frame
in two lists, an expression that cannot be read.

A score on frames that were learnt from says nothing. Two frames are one where they are one file, or
where their files hold the same bytes. Only files of a size that occurs on both sides are read. What
merely resembles one another is the doctor's.
"""

import re
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

from tinyseg.data.dataset import Item, read_list
from tinyseg.data.names import Names, frame_key, plain_parts
from tinyseg.errors import DataError

ClipOf = Callable[[str], str | None]
"""A frame's name -> its clip, None where that is not known."""

LISTS_FOLDER = "train_video_list"
"""Where the lists of a WAD training set lie, in its folder."""

_LIST_NAME = re.compile(r"^(?:md5_mapping_)?(.+?)(?:_image_list_\w+)?$")


def clips_from_lists(path: Path) -> ClipOf:
    """The clip by which list a frame stands in; names are compared as in names.py."""
    lists = [path] if path.is_file() else sorted(path.glob("*.txt"))
    lists = lists or sorted(path.glob("md5_mapping_*"))
    if not lists:
        raise DataError("no video list", path=path, expected="a folder of .txt files, or one file")
    clips: dict[str, str] = {}
    for one in lists:
        clip = clip_of_list(one)
        for line, entry in read_list(one):
            name = "/".join(plain_parts(entry))
            if clips.setdefault(name, clip) != clip:
                rule, other = "a frame is of one clip", clips[name]
                raise DataError(rule, path=one, where=f"line {line}", got=f"also in {other}")
    listed = Names(clips)

    def clip_of(name: str) -> str | None:
        # The lists' folders are the camera's, which a data set made of them may not have.
        fitting = listed.fitting(name) or listed.fitting(frame_key(name))
        known = {clips[entry] for entry in fitting}
        return known.pop() if len(known) == 1 else None

    return clip_of


def clip_of_list(path: Path) -> str:
    """`road01_cam_5_video_6` of `road01_cam_5_video_6_image_list_train.txt`."""
    found = _LIST_NAME.match(path.name.removesuffix(".txt"))
    return path.stem if found is None else found.group(1)


def clips_from_pattern(pattern: str) -> ClipOf:
    """The clip is what the expression's groups hold, joined by _, or all that it matches.

    `^([0-9]{6}).*(Camera_[0-9])` makes `170908_Camera_5` of `170908_061522285_Camera_5.jpg`.
    """
    try:
        compiled = re.compile(pattern)
    except re.error:
        rule = "a regular expression cannot be read"
        raise DataError(rule, expected="such as ^([0-9]{6})", got=pattern) from None

    def clip_of(name: str) -> str | None:
        match = compiled.search(frame_key(name)) or compiled.search("/".join(plain_parts(name)))
        if match is None:
            return None
        return "_".join(g for g in match.groups() if g is not None) or match.group(0)

    return clip_of


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
