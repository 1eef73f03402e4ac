"""JSON from a file: parsed, and its values checked as they are asked for.

In: bytes, or an object of a file with the place that it has there. Out: plain values. Refused with
the place and the rule: what is no JSON, a key that is missing, a value of another type, a number
that is not finite.
"""

import json
import math
import re
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import orjson

from tinyseg.errors import DataError, TinysegError

MAX_WHOLE = 2**53

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
"""Half characters and the end of a string, which no file system and no terminal takes."""

_BOM = b"\xef\xbb\xbf"
"""What Windows' editors put before a text."""

Object = dict[str, Any]
Identity = int | str


def read_json(path: Path, refuse: type[TinysegError] = DataError) -> tuple[Any, bool]:
    """What a file holds, and whether it is JSON to the letter.

    NaN and Infinity are no JSON, but Python writes them: they are let pass, for the checks that
    follow to say where one is.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise refuse("cannot be read", path=path, got=error.strerror, code="json-damaged") from None
    try:
        return orjson.loads(data.removeprefix(_BOM)), True
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
    try:
        return json.loads(data), False
    except (ValueError, RecursionError):
        raise refuse("is not JSON", path=path, where=place, code="json-damaged") from None


def read_object(path: Path) -> "Fields":
    """The one JSON object that a file holds."""
    document, _ = read_json(path)
    if not isinstance(document, dict):
        raise DataError("is one JSON object", path=path, got=type(document).__name__)
    return Fields(document)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the block name this file."""
    try:
        yield
    except TinysegError as error:
        raise error.at(path=path) from None


def read_text(path: Path, refuse: type[TinysegError] = DataError) -> str:
    """A file's text in UTF-8, without the mark that Windows' editors put before it."""
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise refuse("cannot be read", path=path, got=error.strerror) from None
    except UnicodeDecodeError as error:
        raise refuse("is not text in UTF-8", path=path, where=f"byte {error.start}") from None


def shown(value: object) -> str:
    """A value in few words, for an error."""
    if isinstance(value, list | dict):
        return f"a {'list' if isinstance(value, list) else 'JSON object'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether JSON calls it a number, and it is finite as a float; `true` is none."""
    if type(value) is int:
        return abs(value) < 2**1023
    return type(value) is float and math.isfinite(value)


def identity(value: object) -> Identity | None:
    """An id as it is compared, None for what is none: whole numbers from 0 on, and texts.

    "7" and 7.0 are 7, since tools write one id in several of these ways; "07" is a text.
    """
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is str and value.isdecimal() and len(value) < 16 and str(int(value)) == value:
        value = int(value)
    if type(value) is int:
        return value if 0 <= value <= MAX_WHOLE else None
    return value if is_text(value) else None


def is_text(value: object) -> TypeGuard[str]:
    """Whether it is text with something in it that can be written."""
    return type(value) is str and bool(value.strip()) and _UNWRITABLE.search(value) is None


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object, its place in the file, and the class of the errors that it gives."""

    values: Object
    where: str | None = None
    refuse: type[TinysegError] = DataError

    def fault(
        self, rule: str, *, expected: object = None, got: object = None, code: str = "json-key"
    ) -> TinysegError:
        """An error that names this object."""
        return self.refuse(rule, where=self.where, expected=expected, got=got, code=code)

    def wrong(self, key: str, what: str, code: str = "json-key") -> TinysegError:
        """The error of a value that is not what it must be."""
        got = shown(self.values[key]) if key in self.values else "no such key"
        return self.fault(f"'{key}' is {what}", got=got, code=code)

    def text(self, key: str) -> str:
        """Text with something in it."""
        value = self.values.get(key)
        if not is_text(value):
            raise self.wrong(key, "text")
        return value

    def whole(self, key: str, *, low: int = 0) -> int:
        """A whole number, at least `low`."""
        value = self.values.get(key)
        # A bool is an int to isinstance.
        if type(value) is not int or not low <= value <= MAX_WHOLE:
            raise self.wrong(key, f"a whole number from {low} to {MAX_WHOLE}")
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        value = self.values.get(key)
        if not is_number(value):
            raise self.wrong(key, "a number")
        return float(value)

    def numbers(self, key: str, count: int) -> list[float]:
        """A list of so many finite numbers."""
        value = self.values.get(key)
        if not (isinstance(value, list) and len(value) == count and all(map(is_number, value))):
            raise self.wrong(key, f"a list of {count} numbers")
        return [float(one) for one in value]

    def identity(self, key: str) -> Identity:
        """An id: a whole number or a text."""
        value = identity(self.values.get(key))
        if value is None:
            raise self.wrong(key, "an id: a whole number from 0 on, or text")
        return value

    def link(self, key: str, known: Container[Identity], code: str = "json-key") -> Identity:
        """An id that is one of those that are known."""
        value = self.identity(key)
        if value not in known:
            raise self.fault(f"'{key}' leads nowhere", got=value, code=code)
        return value

    def part(self, key: str) -> "Fields":
        """An object inside this one."""
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "a JSON object")
        return Fields(value, self.where, self.refuse)

    def rows(self, key: str) -> list[Any]:
        """A list."""
        value = self.values.get(key)
        if not isinstance(value, list):
            got = shown(value) if key in self.values else "no such key"
            raise self.fault(f"needs a list '{key}'", got=got, code="json-list")
        return value

    def entries(self, key: str) -> Iterator["Fields"]:
        """The objects of a list, each called by its place; what is none is an empty one."""
        above = f"{self.where}: " if self.where else ""
        for index, row in enumerate(self.rows(key)):
            values = row if isinstance(row, dict) else {}
            yield Fields(values, f"{above}{key}[{index}]", self.refuse)

    def parts(
        self, key: str, noun: str, on_fault: Callable[[TinysegError], None]
    ) -> Iterator[tuple[Identity, "Fields"]]:
        """The objects of a list by their ids, each called by its noun, as in "image 17".

        What is wrong with the others goes to `on_fault`, which may raise; objects of one id are
        wrong all together, since nobody knows which of them is meant.
        """
        found: dict[Identity, Fields] = {}
        twice: set[Identity] = set()
        for index, row in enumerate(self.rows(key)):
            try:
                own, entry = entry_of(row, f"{key}[{index}]", noun, self.refuse)
                if own in found:
                    twice.add(own)
                    raise repeated(entry, f"{key}[{index}]", noun)
                found[own] = entry
            except TinysegError as error:
                on_fault(error)
        yield from ((own, entry) for own, entry in found.items() if own not in twice)


def entry_of(
    row: object, place: str, noun: str, refuse: type[TinysegError] = DataError
) -> tuple[Identity, Fields]:
    """The id of an object of a list, and the object, called by its noun and id."""
    if not isinstance(row, dict):
        rule = f"each of '{place.partition('[')[0]}' is a JSON object"
        raise refuse(rule, where=place, got=shown(row), code="json-key")
    own = Fields(row, place, refuse).identity("id")
    return own, Fields(row, f"{noun} {own}", refuse)


def repeated(entry: Fields, place: str, noun: str) -> TinysegError:
    """The error of an id that another object has."""
    return entry.fault("an id occurs once", got=f"again at {place}", code=f"{noun}-id-twice")


def stop(error: TinysegError) -> None:
    """What a strict reader does with a fault."""
    raise error
