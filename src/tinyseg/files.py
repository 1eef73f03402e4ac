"""Files are written whole or not at all: beside their place, synced, then renamed.

A reader sees the old file or the new one, never a part, also after a crash or a full disk. Every
room that writes goes through here. What the system refuses is an OutputError with the path and the
system's reason; `check_folder`, `check_output` and `make_folder` raise it before the work is done.
"""

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tinyseg.errors import OutputError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system refuses inside is told of this path."""
    try:
        yield
    except OSError as error:
        raise OutputError("cannot be written", path=path, got=error.strerror) from error


def make_folder(folder: Path) -> Path:
    """The folder, made with those above it where it is missing, and found open to writing."""
    check_folder(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_folder(folder: Path) -> None:
    """Refuses, before any work is done, a folder that could not be written into; makes none."""
    with writing(folder):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        _try_out(there)


def check_output(*paths: Path | None) -> None:
    """Refuses, before any work is done, files that could not be written; makes none."""
    for path in paths:
        if path is not None:
            with writing(path):
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                _try_out(path.parent)


def _try_out(folder: Path) -> None:
    """Only the system knows what it allows: permissions, lists of access, mounts, quotas."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Put these bytes at the path; what was there stays if that fails."""
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write piece by piece; it takes the path's place once the block ends well.

    An error of the system inside the block is told as the file's.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with writing(path):
        try:
            with beside.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


def write_synced(path: Path, data: bytes | memoryview) -> None:
    """A new file with these bytes, on the disk and not only on its way there."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Put the folder's entries on the disk: files that were made, renamed, deleted."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
