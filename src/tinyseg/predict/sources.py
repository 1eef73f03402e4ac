"""Words of the command line -> the frames to look at: pictures, folders, globs, lists and videos.

In: paths, glob patterns, text files that list paths one a line (relative to the list), and video
files. Out: sources in order, each once, and from those their shots: a name, and the RGB picture.
A frame is called as its file is, with folders where names would be alike; a video's frames are
named <name>_000123 and read one after the other; those to be skipped are not converted to pictures.
Refused: words that name nothing. A frame that cannot be read comes as its error, so that the others
go on; files of other types in folders and globs, and videos that end before the frames they state,
are told as remarks.
"""

import glob as globbing
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from tinyseg.data import names_of
from tinyseg.errors import DataError, ImageError, TinysegError, first_few
from tinyseg.fields import read_text
from tinyseg.image import MAX_PIXELS, is_picture, read_image

VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})
LISTS = frozenset({".txt"})


@dataclass(frozen=True, slots=True)
class Source:
    """A picture or a video file, how many frames it says it has (None where it does not), and its
    name in this call."""

    path: Path
    frames: int | None
    name: str

    @property
    def is_video(self) -> bool:
        """Whether it holds more than a picture."""
        return _is_video(self.path)


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame to look at: its name, its file's name, and the picture, or why there is none.

    `mark` changes where the file does. The content is None once it has been looked at.
    """

    name: str
    file_name: str
    mark: str
    content: UInt8[np.ndarray, "h w 3"] | TinysegError | None


Skip = Callable[[str, str], bool]
"""Whether the frame of this name and mark needs no look."""

Tell = Callable[[str], None]
"""Told a remark for the user."""


def _quietly(remark: str) -> None:
    """Nobody wants to know."""


def find_sources(words: Sequence[str], tell: Tell = _quietly) -> list[Source]:
    """The files that the words name, each once, in order; folders give their pictures and videos.

    Raises DataError for a word that names nothing.
    """
    paths: dict[Path, None] = {}
    for word in words:
        paths.update(dict.fromkeys(_expand(word, tell)))
    return [
        Source(path, _count(path), name) for path, name in zip(paths, names_of(paths), strict=True)
    ]


def _expand(word: str, tell: Tell) -> list[Path]:
    """The picture and video files of one word."""
    path = Path(word)
    if os.path.exists(word) and not os.path.isdir(word):
        return _listed(path) if path.suffix.lower() in LISTS else [path]
    is_folder = os.path.isdir(word)
    there = path.iterdir() if is_folder else map(Path, globbing.glob(word, recursive=True))
    entries = sorted(entry for entry in there if not entry.name.startswith("."))
    found = [entry for entry in entries if _is_source(entry)]
    others = [one.name for one in entries if not _is_source(one) and not one.is_dir()]
    if not found:
        raise DataError(
            "no picture or video of this name",
            path=word,
            expected=_hint(word, entries),
            got=first_few(others) if others else None,
        )
    if others:
        tell(f"files in {word} that are neither picture nor video: {first_few(others)}")
    return found


def _hint(word: str, entries: Sequence[Path]) -> str:
    """What the user may have meant."""
    if "://" in word:
        return "a file of this machine: download it first"
    if any(entry.is_dir() for entry in entries):
        return f"pictures in the folder itself; quote '{Path(word) / '*/*'}' for those below it"
    return "a file, folder, list or glob"


def _is_source(path: Path) -> bool:
    return is_picture(path) or _is_video(path)


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEOS


def _listed(path: Path) -> list[Path]:
    """The files of a list, one a line; relative ones from where the list lies."""
    lines = [line.strip() for line in read_text(path).splitlines()]
    found = []
    for number, line in enumerate(lines, start=1):
        file = path.parent / line
        if line and not file.is_file():
            raise DataError("no such file", path=path, where=f"line {number}", got=line)
        found += [file] if line else []
    return found


def _count(path: Path) -> int | None:
    """None for a video that does not say, or that cannot be opened: its turn to be read comes."""
    if not _is_video(path):
        return 1
    try:
        video = _open(path)
    except ImageError:
        return None
    return _stated(video)


def _stated(video: cv2.VideoCapture) -> int | None:
    """How many frames the video says it has."""
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    return count if count > 0 else None


def _open(path: Path) -> cv2.VideoCapture:
    video = cv2.VideoCapture(str(path))
    keys = cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH
    height, width = (int(video.get(key)) for key in keys)
    if not video.isOpened():
        raise ImageError("the video cannot be opened: it is damaged, cut short or none", path=path)
    if not 0 < height * width <= MAX_PIXELS:
        rule, got = f"a video's frames have 1 ... {MAX_PIXELS} pixels", f"{height} x {width}"
        raise ImageError(rule, path=path, got=got)
    return video


def read_shots(sources: Sequence[Source], skip: Skip, tell: Tell = _quietly) -> Iterator[Shot]:
    """The frames of all sources in order, without those to be skipped."""
    for source in sources:
        try:
            mark = _mark(source.path)
        except OSError as error:
            lost = ImageError("cannot be read", path=source.path, got=error.strerror)
            yield Shot(source.name, source.path.name, "", lost)
            continue
        if source.is_video:
            yield from _read_video(source, mark, skip, tell)
        elif not skip(source.name, mark):
            yield Shot(source.name, source.path.name, mark, _read_picture(source.path))


def _mark(path: Path) -> str:
    """Size and time of the file: where one changes, an old result is not its own."""
    status = path.stat()
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns"


def _read_picture(path: Path) -> UInt8[np.ndarray, "h w 3"] | TinysegError:
    try:
        return read_image(path)
    except TinysegError as error:
        return error


def _read_video(source: Source, mark: str, skip: Skip, tell: Tell) -> Iterator[Shot]:
    """The video's frames until it ends."""
    path = source.path
    try:
        video = _open(path)
    except ImageError as error:
        yield Shot(source.name, path.name, mark, error)
        return
    index = 0
    while video.grab():
        name = f"{source.name}_{index:06d}"
        index += 1
        if skip(name, mark):
            continue
        whole, image = video.retrieve()
        damaged = ImageError("a frame cannot be decoded", path=path, where=name)
        content = cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if whole else damaged
        yield Shot(name, path.name, mark, content)
    stated = _stated(video)
    if index == 0:
        yield Shot(source.name, path.name, mark, ImageError("the video has no frame", path=path))
    elif stated is not None and index < stated:
        tell(f"{path.name} ends after {index} of the {stated} frames that it states")
