"""What a picture's file says of itself before a pixel is decoded: type, size, samples, EXIF turn.

In: an open file. Out: a Header. Refused, as ImageError: a file of another type, by the name of what
it is instead, one that is cut short in its header, and sizes over the limits. Types and endings of
pictures are listed here for every room.
"""

import io
import os
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from PIL import ExifTags
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile

from tinyseg.errors import ImageError
from tinyseg.grey_png import SIGNATURE as PNG_SIGNATURE
from tinyseg.image import exif
from tinyseg.image.exif import UPRIGHT, Turn, read_directory, read_turn

MAX_PIXELS = 2**28
ALWAYS_PIXELS = 2**24
MAX_PIXELS_A_BYTE = 4096
"""A picture of over ALWAYS_PIXELS has a byte of its file for each so many pixels; a file that says
more makes gigabytes of nothing, or is cut short. A JPEG has at most 512, a PNG in colour 344."""

ENDINGS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx", ".jpf"), "JPEG 2000"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PNM"),
    **{".png": "PNG", ".webp": "WebP", ".bmp": "BMP", ".gif": "GIF", ".avif": "AVIF"},
}
"""The endings of pictures in lower case, and the type that each promises; content decides."""


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its ending, and not hidden, as what other systems leave is."""
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".")


FOREIGN = f"a picture is {', '.join(dict.fromkeys(ENDINGS.values()))}"
"""The rule that a file of another type breaks."""

_OTHERS = {
    b"%PDF": "PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer: the file itself was not fetched",
    b"<": "a web page or XML",
    b"{": "JSON",
}
"""First bytes of what lies in picture folders by mistake."""


@dataclass(frozen=True, slots=True)
class Header:
    """`hw` is the size of the stored pixels, `bits` are those of a sample."""

    type: str
    hw: tuple[int, int]
    mode: str = "RGB"
    bits: int = 8
    turn: Turn = UPRIGHT

    @property
    def upright_hw(self) -> tuple[int, int]:
        """Height and width once the picture is turned as its EXIF tag says."""
        return self.hw[::-1] if self.turn.orientation >= 5 else self.hw


def parse_header(stream: BufferedIOBase) -> Header:
    """The header of an open file; refuses other types and sizes over the limits."""
    head = stream.read(32)
    parse = next((parse for fits, parse in _PARSERS if fits(head)), None)
    if parse is None:
        raise ImageError(FOREIGN, got=_name_of(head))
    stream.seek(0)
    header = parse(stream)
    height, width = header.hw
    if not 1 <= height * width <= MAX_PIXELS:
        rule = f"an image has 1 ... {MAX_PIXELS} pixels"
        raise ImageError(rule, got=f"height {height} x width {width}")
    size = stream.seek(0, os.SEEK_END)
    if height * width > max(ALWAYS_PIXELS, MAX_PIXELS_A_BYTE * size):
        rule = "the file is cut short, or a bomb: it is too small for its pixels"
        raise ImageError(rule, got=f"{size} bytes for height {height} x width {width}")
    return header


def _name_of(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return "HEIC" if head[8:11] in (b"hei", b"hev", b"mif", b"msf") else "a film"
    if not head.strip(b"\0"):
        return "zeros: the copy was never finished"
    plain = head.lstrip()
    known = (name for start, name in _OTHERS.items() if plain.startswith(start))
    return next(known, f"first bytes {head[:8]!r}")


# JPEG: segments, each with a marker and a length.

_LAYERS = {1: "grey", 3: "RGB", 4: "CMYK"}


def _parse_jpeg(stream: BufferedIOBase) -> Header:
    """Steps from segment to segment until the one that states the frame's size."""
    stream.seek(2)
    turn = UPRIGHT
    while True:
        marker = _next_marker(stream)
        length = int.from_bytes(stream.read(2), "big")
        if marker in (0xD9, 0xDA) or length < 2:
            rule = "a JPEG states its size before its pixels"
            raise ImageError(rule, where=f"byte {stream.tell()}", got=f"marker {marker:#04x}")
        end = stream.tell() + length - 2
        # C4, C8 and CC lie in the frame headers' range and are not frame headers.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            body = stream.read(6)
            if len(body) < 6:
                raise ImageError("a JPEG is cut short in its header", where=f"byte {stream.tell()}")
            bits, height, width, layers = struct.unpack(">BHHB", body)
            mode = _LAYERS.get(layers, f"{layers} layers")
            return Header("JPEG", (height, width), mode, bits, turn)
        if marker == 0xE1 and stream.read(6) == b"Exif\0\0" and turn == UPRIGHT:
            turn = read_turn(stream)
        stream.seek(end)


def _next_marker(stream: BufferedIOBase) -> int:
    """The second byte of the marker here; any number of FF bytes may come before it."""
    byte = stream.read(1)
    if byte == b"\xff":
        while byte == b"\xff":
            byte = stream.read(1)
        if byte:
            return byte[0]
    place = f"byte {stream.tell()}"
    if not byte:
        raise ImageError("a JPEG is cut short in its header", where=place)
    raise ImageError("a JPEG's segment begins with a marker", where=place, got=f"{byte!r}")


# PNG and WebP: chunks.

_PNG_MODES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


def _parse_png(stream: BufferedIOBase) -> Header:
    head = stream.read(33)
    if len(head) < 33 or head[8:16] != b"\x00\x00\x00\rIHDR":
        raise ImageError("a PNG begins with a header of 33 bytes", got=f"{len(head)} bytes")
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    mode = _PNG_MODES.get(colour, f"colour type {colour}")
    turn = UPRIGHT
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        after = stream.tell() + length + 4
        if kind == b"eXIf":
            turn = read_turn(stream)
        if kind in (b"eXIf", b"IEND"):
            break
        stream.seek(after)
    return Header("PNG", (height, width), mode, bits, turn)


def _parse_webp(stream: BufferedIOBase) -> Header:
    """The canvas of the extended form, else the size of the one picture."""
    _, size, _ = struct.unpack("<4sI4s", stream.read(12))
    hw: tuple[int, int] | None = None
    mode, turn = "RGB", UPRIGHT
    while len(head := stream.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        after = stream.tell() + length + length % 2
        body = stream.read(10) if kind != b"EXIF" else b""
        if hw is None and len(body) == 10:
            hw, alpha = _webp_size(kind, body)
            mode = "RGB with alpha" if alpha else "RGB"
            if kind != b"VP8X":
                break
        if kind == b"EXIF":
            turn = read_turn(stream)
            break
        stream.seek(after)
    if hw is None or stream.seek(0, os.SEEK_END) < size + 8:
        raise ImageError("a WebP is cut short", got=f"{stream.tell()} of {size + 8} bytes")
    return Header("WebP", hw, mode, 8, turn)


def _webp_size(kind: bytes, body: bytes) -> tuple[tuple[int, int] | None, bool]:
    """Height and width, and whether there is alpha, from the first bytes of a chunk."""
    if kind == b"VP8X":
        width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
        return (height, width), bool(body[0] & 0x10)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return (height & 0x3FFF, width & 0x3FFF), False
    if kind == b"VP8L":
        packed = int.from_bytes(body[1:5], "little")
        return ((packed >> 14 & 0x3FFF) + 1, (packed & 0x3FFF) + 1), bool(packed >> 28 & 1)
    return None, False


# TIFF: a directory of tags, as EXIF is.

_TIFF_COLOURS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "RGB"}
_WHOLE = 1
_GREY_UP, _RGB = 1, 2


def _parse_tiff(stream: BufferedIOBase) -> Header:
    tags = read_directory(stream)
    if tags is None:
        raise ImageError("a TIFF is cut short: it has no directory of tags")
    hw = tags.number(exif.HEIGHT, 0), tags.number(exif.WIDTH, 0)
    bits, colour, layers = (tags.number(t, 1) for t in (exif.BITS, exif.COLOUR, exif.SAMPLES))
    mode = _TIFF_COLOURS.get(colour, f"colours of kind {colour}")
    if tags.number(exif.SAMPLE_FORMAT, _WHOLE) != _WHOLE or bits > 16:
        rule = "a TIFF's samples are whole numbers of 1 to 16 bits, not negative"
        raise ImageError(rule, got=f"{bits} bits of kind {tags.number(exif.SAMPLE_FORMAT, _WHOLE)}")
    if colour not in _TIFF_COLOURS or (bits > 8 and colour not in (_GREY_UP, _RGB)):
        raise ImageError("a TIFF is grey, RGB, palette or CMYK", got=f"{mode} of {bits} bits")
    if layers > {"grey": 1, "palette": 1, "RGB": 3, "CMYK": 4}[mode]:
        mode += " with alpha"
    return Header("TIFF", hw, mode, bits, tags.turn)


# Types whose headers Pillow reads, and TIFF; it decodes nothing before it is asked to.

warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")  # of damage: ours says it

PILLOW: dict[str, Callable[[io.BytesIO], ImageFile]] = {
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "AVIF": AvifImageFile,
    "JPEG 2000": Jpeg2KImageFile,
    "PNM": PpmImageFile,
    "TIFF": TiffImageFile,
}
_PILLOW_MODES = {
    **dict.fromkeys(("1", "L", "I", "I;16"), "grey"),
    "LA": "grey with alpha",
    "P": "palette",
    "RGBA": "RGB with alpha",
}
_DEEP = {"I": 16, "I;16": 16, "1": 1}


def _by_pillow(type: str) -> Callable[[BufferedIOBase], Header]:
    def parse(stream: BufferedIOBase) -> Header:
        picture = open_with_pillow(type, stream)
        width, height = picture.size
        turned = _avif_turn(picture) if type == "AVIF" else 1
        mode, bits = _PILLOW_MODES.get(picture.mode, picture.mode), _DEEP.get(picture.mode, 8)
        if type == "PNM" and _pnm_largest(picture) > 255:
            bits = 16
        return Header(type, (height, width), mode, bits, Turn.of(turned))

    return parse


def _pnm_largest(picture: ImageFile) -> int:
    """The largest value that the header allows, which Pillow keeps with the form of samples."""
    told = picture.tile[0].args
    return int(told[1]) if isinstance(told, tuple) else 255


def _avif_turn(picture: ImageFile) -> object:
    """What the file's own boxes say, in EXIF's numbers."""
    try:
        return picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # whatever Pillow makes of damage
        return 1


def open_with_pillow(type: str, stream: BufferedIOBase) -> ImageFile:
    """The picture, not decoded; made directly, since Image.open warns of what is under our limit.

    Raises ImageError for whatever Pillow makes of damage.
    """
    try:
        return PILLOW[type](io.BytesIO(stream.read()))
    except Exception:  # whatever it is
        raise ImageError(f"a {type}'s header is damaged or cut short") from None


_PNM = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")

_PARSERS: tuple[tuple[Callable[[bytes], bool], Callable[[BufferedIOBase], Header]], ...] = (
    (lambda head: head.startswith(b"\xff\xd8\xff"), _parse_jpeg),
    (lambda head: head.startswith(PNG_SIGNATURE), _parse_png),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", _parse_webp),
    (lambda head: head[:4] in (b"II*\0", b"MM\0*"), _parse_tiff),
    (lambda head: head[:2] == b"BM", _by_pillow("BMP")),
    (lambda head: head[:4] == b"GIF8", _by_pillow("GIF")),
    (lambda head: head[:2] in _PNM and head[2:3].isspace(), _by_pillow("PNM")),
    (lambda head: head[4:8] == b"ftyp" and b"avi" in head[8:], _by_pillow("AVIF")),
    (
        lambda head: head[:12] == b"\0\0\0\x0cjP  \r\n\x87\n" or head[:4] == b"\xff\x4f\xff\x51",
        _by_pillow("JPEG 2000"),
    ),
)
"""How the first bytes tell a type, and what reads its header."""
