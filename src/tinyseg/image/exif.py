"""How a camera was held: EXIF's orientation, in a JPEG, PNG, WebP or TIFF.

In: an open file, placed where a directory of tags begins (TIFF 6.0, section 2; EXIF is one). Out:
the Turn: which of the eight orientations, and where in the file it stands, so that it can be taken
out without touching a pixel. Damaged directories are none: the picture is taken as it is stored.
"""

import struct
from dataclasses import dataclass
from io import BufferedIOBase

import numpy as np
from jaxtyping import UInt8

WIDTH, HEIGHT, BITS, COLOUR, ORIENTATION, SAMPLES, SAMPLE_FORMAT = TAGS = (
    *(256, 257, 258, 262, 274, 277, 339),
)
"""The tags that are read, by TIFF's numbers; in EXIF only the orientation counts."""

_SIZES = {1: "B", 3: "H", 4: "I"}
"""Whole numbers of one, two and four bytes."""


@dataclass(frozen=True, slots=True)
class Turn:
    """EXIF's orientation, 1 ... 8, where 1 is upright; its place in the file, None where the file
    says it in another way, and the form of the number there."""

    orientation: int = 1
    at: int | None = None
    form: str = ""

    @staticmethod
    def of(value: object, at: int | None = None, form: str = "") -> "Turn":
        """Upright for a value that is none of the eight."""
        if isinstance(value, int) and 1 <= value <= 8:
            return Turn(value, at, form)
        return UPRIGHT

    def write_upright(self, data: bytearray) -> None:
        """Put 1 where the orientation stands."""
        if self.at is not None:
            struct.pack_into(self.form, data, self.at, 1)


UPRIGHT = Turn()


@dataclass(frozen=True, slots=True)
class Directory:
    """Tags: the first number of each and its place in the file."""

    order: str
    numbers: dict[int, tuple[int, int, str]]

    def number(self, tag: int, default: int) -> int:
        """The tag's first number, if it has one."""
        return self.numbers.get(tag, (default, 0, ""))[0]

    @property
    def turn(self) -> Turn:
        """What the directory says of the orientation."""
        return Turn.of(*self.numbers[ORIENTATION]) if ORIENTATION in self.numbers else UPRIGHT


def read_turn(stream: BufferedIOBase) -> Turn:
    """The orientation in the EXIF that begins here, in some files after the word Exif."""
    start = stream.tell()
    if stream.read(6) != b"Exif\0\0":
        stream.seek(start)
    tags = read_directory(stream)
    return UPRIGHT if tags is None else tags.turn


def read_directory(stream: BufferedIOBase) -> Directory | None:
    """The first directory of the TIFF that begins here; None where it is damaged or cut short."""
    start = stream.tell()
    head = stream.read(8)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None or len(head) < 8:
        return None
    at = start + struct.unpack(f"{order}I", head[4:])[0]
    stream.seek(at)
    count = int.from_bytes(stream.read(2), "little" if order == "<" else "big")
    body = stream.read(12 * count)
    numbers: dict[int, tuple[int, int, str]] = {}
    for entry in range(len(body) // 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", body, 12 * entry)
        if tag not in TAGS or kind not in _SIZES or values == 0:
            continue
        form = order + _SIZES[kind]
        place = at + 2 + 12 * entry + 8
        if values * struct.calcsize(form) > 4:
            place = start + struct.unpack_from(f"{order}I", body, 12 * entry + 8)[0]
        stream.seek(place)
        data = stream.read(struct.calcsize(form))
        if len(data) == struct.calcsize(form):
            numbers.setdefault(tag, (struct.unpack(form, data)[0], place, form))
    return Directory(order, numbers) if len(body) == 12 * count and numbers else None


def upright(
    image: UInt8[np.ndarray, "h w 3"], orientation: int
) -> UInt8[np.ndarray, "upright_h upright_w 3"]:
    """The stored pixels as they are to be seen."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
