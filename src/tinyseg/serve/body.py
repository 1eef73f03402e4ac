"""The picture in a request's body: raw, or the one file of a multipart form.

In: a request. Out: the file's bytes, the name that the client gave it as a label, and its height
and width by its header alone. Refused, as Problem: too many bytes, a body that comes too slowly,
what is no picture, a picture over the limits. Nothing is written to a file.
"""

import asyncio
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from tinyseg.errors import ImageError
from tinyseg.image import parse_header
from tinyseg.serve.problems import Problem
from tinyseg.serve.settings import Settings

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

PLAIN_NAME = "picture"
MOST_NAME = 120
MOST_PARTS = 8
MOST_HEADERS = 8
CUT = "the multipart body is damaged or cut short"


@dataclass(slots=True)
class Room:
    """Bytes of bodies that are being read or wait, of all requests together."""

    most: int
    taken: int = 0

    def take(self, count: int) -> None:
        """Raises Problem where there is no room."""
        if self.taken + count > self.most and self.taken > 0:
            raise Problem("busy", "the bodies of requests have no more room", retry_s=2.0)
        self.taken += count

    def give_back(self, count: int) -> None:
        """Room for others."""
        self.taken -= count


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A picture's file as it came, and what its header says."""

    data: bytes
    file_name: str
    pixels: int


class Body:
    """Reads a request's body into the room that there is; `close` gives the room back."""

    def __init__(self, room: Room, settings: Settings) -> None:
        self._room, self._settings = room, settings
        self._held = 0

    def close(self) -> None:
        """Nothing of the body is kept any more."""
        self._room.give_back(self._held)
        self._held = 0

    async def read(self, request: Request) -> Uploaded:
        """The picture; raises Problem, or ClientDisconnect for a client that went away."""
        stated = request.headers.get("content-length", "")
        if stated.isdigit() and len(stated) < 20:
            self._check(int(stated))  # it takes room when it comes
        try:
            async with asyncio.timeout(self._settings.body_s):
                data = await self._read(request)
        except TimeoutError:
            rule = "the body comes within its time, without long pauses"
            expected = f"{self._settings.body_s:g} s, pauses of {self._settings.pause_s:g} s"
            raise Problem("too-slow", rule, expected=expected) from None
        picture, name = picture_of(data, request.headers.get("content-type"))
        del data
        return Uploaded(picture, clean_name(name), self._pixels(picture))

    async def _read(self, request: Request) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            async with asyncio.timeout(self._settings.pause_s):
                message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            size += len(chunk)
            self._check(size)
            if size > self._held:
                self._room.take(size - self._held)
                self._held = size
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _check(self, size: int) -> None:
        most = self._settings.max_bytes
        if size > most:
            raise Problem("too-large", f"a picture's file has at most {most} bytes", got=size)

    def _pixels(self, data: bytes) -> int:
        """Height times width, by the header."""
        if not data:
            raise Problem("no-picture", "the body is a picture's file", got="0 bytes")
        try:
            height, width = parse_header(io.BytesIO(data)).hw
        except ImageError as error:
            raise Problem(
                "no-picture", error.rule, where=error.where, expected=error.expected, got=error.got
            ) from None
        settings = self._settings
        if height * width > settings.max_pixels:
            rule = f"a picture has at most {settings.max_pixels} pixels"
            raise Problem("too-large", rule, got=f"{width} x {height}")
        if max(height, width) > settings.max_side:
            rule = f"a picture's sides have at most {settings.max_side} pixels"
            raise Problem("too-large", rule, got=f"{width} x {height}")
        return height * width


def picture_of(body: bytes, content_type: str | None) -> tuple[bytes, str | None]:
    """The file's bytes and its name; a body that is no form is the file itself."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        return body, None
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise Problem("bad-request", "a multipart body names its boundary")
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks(), max_header_count=MOST_HEADERS)
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise Problem("bad-request", CUT) from None
    return parts.picture()


class _Parts:
    """The parts of a multipart body as its parser tells them."""

    def __init__(self) -> None:
        self.found: list[tuple[bytes, list[memoryview]]] = []
        self._field, self._value = b"", b""
        self._ended = False

    def callbacks(self) -> "MultipartCallbacks":
        """For the parser."""
        return {
            "on_part_begin": self._begin,
            "on_header_begin": self._header,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._header_end,
            "on_part_data": self._on_data,
            "on_end": self._end,
        }

    def picture(self) -> tuple[bytes, str | None]:
        """The one part, and the file name that it states."""
        if not self._ended:
            raise Problem("bad-request", CUT)
        if len(self.found) != 1:
            rule = "a form has one part: the picture's file"
            raise Problem("bad-request", rule, got=f"{len(self.found)} parts")
        disposition, pieces = self.found[0]
        _, options = parse_options_header(disposition)
        name = options.get(b"filename")
        return b"".join(pieces), None if name is None else name.decode("utf-8", "replace")

    def _begin(self) -> None:
        if len(self.found) == MOST_PARTS:
            raise Problem("bad-request", "a form has one part: the picture's file", got="many")
        self.found.append((b"", []))

    def _header(self) -> None:
        self._field, self._value = b"", b""

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self.found[-1] = self._value, self.found[-1][1]

    def _end(self) -> None:
        self._ended = True

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self.found[-1][1].append(memoryview(data)[start:end])


def clean_name(given: str | None) -> str:
    """A label of a client's file name: its last part, printable and short."""
    last = (given or "").replace("\\", "/").rsplit("/", 1)[-1]
    plain = "".join(c for c in last if c.isprintable() and not 0xD800 <= ord(c) < 0xE000)
    return plain.strip()[-MOST_NAME:].strip() or PLAIN_NAME
