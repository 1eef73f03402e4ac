"""Words of the command line -> the frames to look at: pictures, folders, globs, lists and videos.

In: paths, glob patterns, text files that list paths one a line (relative to the list), and video
files. Out: sources in order, each once, and from those their shots: a name, and the RGB picture.
A frame is called as its file is, with folders where names would be alike; a video's frames are
named <name>_000123 and read one after the other; those to be skipped are not
converted to pictures. Refused: words that name nothing. A frame that
cannot be read comes as its error, so that the others go on.
"""

import glob as globbing
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from tinyseg.data.names import names_of
from tinyseg.errors import DataError, ImageError, TinysegError
from tinyseg.image import MAX_PIXELS, read_image

PICTURES = frozenset({".jpg", ".jpeg", ".png"})
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
        return self.path.suffix.lower() in VIDEOS


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


def find_sources(words: Sequence[str]) -> list[Source]:
    """The files that the words name, each once, in order; folders give their pictures and videos.

    Raises DataError for a word that names nothing.
    """
    paths: dict[Path, None] = {}
    for word in words:
        paths.update(dict.fromkeys(_expand(word)))
    return [
        Source(path, _count(path), name) for path, name in zip(paths, names_of(paths), strict=True)
    ]


def _expand(word: str) -> list[Path]:
    """The picture and video files of one word."""
    path = Path(word)
    if os.path.isdir(word):
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES | VIDEOS)
    elif os.path.exists(word):
        found = _listed(path) if path.suffix.lower() in LISTS else [path]
    else:
        found = [Path(p) for p in sorted(globbing.glob(word, recursive=True))]
    if not found:
        raise DataError(
            "no picture or video of this name", path=word, expected="a file, folder, list or glob"
        )
    return found


def _listed(path: Path) -> list[Path]:
    """The files of a list, one a line; relative ones from where the list lies."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        raise DataError("the list cannot be read", path=path, got=error) from error
    found = []
    for number, line in enumerate(lines, start=1):
        file = path.parent / line
        if line and not file.is_file():
            raise DataError("no such file", path=path, where=f"line {number}", got=line)
        found += [file] if line else []
    return found


def _count(path: Path) -> int | None:
    if path.suffix.lower() not in VIDEOS:
        return 1
    video = _open(path)
    count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    video.release()
    return count if count > 0 else None


def _open(path: Path) -> cv2.VideoCapture:
    video = cv2.VideoCapture(str(path))
    size = [video.get(key) for key in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)]
    if not (video.isOpened() and 0 < size[0] * size[1] <= MAX_PIXELS):
        raise ImageError("the video cannot be read", path=path, got=f"height and width {size}")
    return video


def read_shots(sources: Sequence[Source], skip: Skip) -> Iterator[Shot]:
    """The frames of all sources in order, without those to be skipped."""
    for source in sources:
        try:
            mark = _mark(source.path)
        except OSError as error:
            lost = ImageError("cannot be read", path=source.path, got=error.strerror)
            yield Shot(source.name, source.path.name, "", lost)
            continue
        if source.is_video:
            yield from _read_video(source, mark, skip)
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


def _read_video(source: Source, mark: str, skip: Skip) -> Iterator[Shot]:
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
    video.release()
    if index == 0:
        yield Shot(source.name, path.name, mark, ImageError("the video has no frame", path=path))
