"""Words of the command line -> the frames of a job, on disks and in object stores.

In: pictures, folders, globs and lists as `predict` takes them; a .csv or .parquet with a column of
paths (COLUMNS), and perhaps their names (NAME_COLUMNS); addresses such as s3://bucket/prefix, whose
pictures are taken at any depth. Out: a Listing. Frames are called as by `predict`: as their file
is, with folders where names would be alike. Refused: words that name nothing, tables without such
a column, names that come twice, and videos, whose frames have to be read one after the other.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow import csv, fs, parquet

from tinyseg.data import names_of
from tinyseg.errors import DataError
from tinyseg.image import is_picture
from tinyseg.predict import VIDEOS, Tell, find_sources

COLUMNS = ("path", "uri", "file_name", "image")
"""A table's column of paths or addresses: the first of these that it has. Relative ones start from
where the table lies."""

NAME_COLUMNS = ("frame", "name")

TABLES = frozenset({".csv", ".parquet"})


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A file: its file system's number in the listing, its path there, and size and time of change
    where the listing knows them."""

    store: int
    path: str
    mark: str = ""
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The frames of a job, each once, and the file systems that they lie on.

    `table` has a row a frame: frame, store, path and mark, all of them as in Place.
    """

    table: pa.Table
    stores: tuple[fs.FileSystem, ...]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def digest(self) -> str:
        """Changes where any frame's name, path, size or time of change does."""
        total = sha256()
        for batch in self.table.select(["frame", "path", "mark"]).to_batches(2**14):
            total.update(repr(batch.to_pydict()).encode())
        return total.hexdigest()


def _quietly(remark: str) -> None:
    """Nobody wants to know."""


def find_frames(words: Sequence[str], tell: Tell = _quietly) -> Listing:
    """The frames that the words name, each file once, in order."""
    stores: list[fs.FileSystem] = [fs.LocalFileSystem()]
    places = dict.fromkeys(place for word in words for place in _of_word(word, stores, tell))
    given = [place.name for place in places]
    own = names_of([Path(place.path) for place in places])
    names = [name if told is None else told for name, told in zip(own, given, strict=True)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError("each frame name comes once", got=f"{twice[0]}, {len(twice)} such names")
    columns = {
        "frame": pa.array(names, pa.string()),
        "store": pa.array([place.store for place in places], pa.int32()),
        "path": pa.array([place.path for place in places], pa.string()),
        "mark": pa.array([place.mark for place in places], pa.string()),
    }
    return Listing(pa.table(columns), tuple(stores))


def open_store(address: str) -> tuple[fs.FileSystem, str]:
    """The file system of an address or a local path, and the path there."""
    if "://" not in address:
        return fs.LocalFileSystem(), str(Path(address).absolute())
    try:
        store, path = fs.FileSystem.from_uri(address)
    except (ValueError, OSError, NotImplementedError):
        rule = "no file system of this address can be opened"
        raise DataError(rule, path=shown(address), expected="s3:// | gs:// | file://") from None
    return store, path


def shown(address: str) -> str:
    """The address without what only its owner should know."""
    scheme, mark, rest = address.partition("://")
    host, slash, path = rest.split("?")[0].partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else address


def _of_word(word: str, stores: list[fs.FileSystem], tell: Tell) -> Iterator[StoredFrame]:
    if PurePosixPath(word.split("?")[0]).suffix.lower() in TABLES:
        yield from _of_table(word, stores)
    elif "://" in word:
        yield from _of_address(word, stores)
    else:
        for source in find_sources([word], tell):
            if source.is_video:
                rule = "a video is read frame by frame: predict it without a cluster"
                raise DataError(rule, path=source.path)
            status = source.path.stat()
            mark = _mark(status.st_size, status.st_mtime_ns)
            yield StoredFrame(0, str(source.path.absolute()), mark)


def _of_address(word: str, stores: list[fs.FileSystem]) -> Iterator[StoredFrame]:
    """The pictures at or below an address."""
    store, base = open_store(word)
    try:
        about = store.get_file_info(base)
        if about.type == fs.FileType.File:
            infos = [about]
        else:
            infos = store.get_file_info(fs.FileSelector(base, recursive=True))
    except OSError:
        raise DataError("cannot be reached, or is not there", path=shown(word)) from None
    pictures = [info for info in infos if is_picture(Path(info.path))]
    if not pictures:
        videos = sum(PurePosixPath(info.path).suffix.lower() in VIDEOS for info in infos)
        got = f"{len(infos)} files, {videos} of them videos"
        raise DataError("no picture at this address", path=shown(word), got=got)
    number = _number_of(store, stores)
    for info in sorted(pictures, key=lambda info: str(info.path)):
        yield StoredFrame(number, info.path, _mark(info.size, info.mtime_ns))


def _of_table(word: str, stores: list[fs.FileSystem]) -> Iterator[StoredFrame]:
    """The files that a table names."""
    store, path = open_store(word)
    try:
        with store.open_input_file(path) as file:
            table = (
                csv.read_csv(file) if path.lower().endswith(".csv") else parquet.read_table(file)
            )
    except OSError:
        raise DataError("cannot be read, or is not there", path=shown(word)) from None
    except pa.ArrowInvalid:
        raise DataError("is no table", path=shown(word), expected="CSV or Parquet") from None
    column = next((name for name in COLUMNS if name in table.column_names), None)
    if column is None:
        rule, got = "the table has no column of paths", ", ".join(table.column_names)
        raise DataError(rule, path=shown(word), expected=" | ".join(COLUMNS), got=got)
    if table.num_rows == 0:
        raise DataError("the table names no file", path=shown(word))
    named = next((name for name in NAME_COLUMNS if name in table.column_names), None)
    names = table[named].to_pylist() if named else [None] * table.num_rows
    numbers: dict[str, int] = {}
    for row, (where, name) in enumerate(zip(table[column].to_pylist(), names, strict=True)):
        if not isinstance(where, str) or not where:
            raise DataError("a path is a text", path=shown(word), where=f"row {row}", got=where)
        if "://" in where:
            host = where.split("/")[2]
            own, inner = open_store(where)
            number = numbers.setdefault(host, _number_of(own, stores))
        else:
            inner = str(PurePosixPath(path).parent / where)
            number = numbers.setdefault("", _number_of(store, stores))
        yield StoredFrame(number, inner, name=None if name is None else str(name))


def _number_of(store: fs.FileSystem, stores: list[fs.FileSystem]) -> int:
    if store not in stores:
        stores.append(store)
    return stores.index(store)


def _mark(size: int | None, time: int | None) -> str:
    return f"{size} bytes, {time} ns"
