"""What an image file says of itself before a pixel is decoded.

In: a path. Out: a Header with the file's real type, its ending's type, colour mode, bits a channel
and EXIF orientation; or, for a file that is no JPEG or PNG, a name for what it is instead. Nothing
is refused here: the checks that follow say what is wrong.
"""

import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags
from PIL.JpegImagePlugin import JpegImageFile

_HEAD_BYTES = 4096
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"

_OTHERS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"%PDF": "PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer: the file itself was not fetched",
    b"<": "a web page or XML",
    b"{": "JSON",
}
"""First bytes of what lies in picture folders by mistake."""

_PNG_MODES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_JPEG_MODES = {"L": "grey", "RGB": "RGB", "CMYK": "CMYK"}
_ENDINGS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}


@dataclass(frozen=True, slots=True)
class Header:
    """`type` is "jpeg", "png" or None; `told` names the file's content in words."""

    type: str | None
    told: str
    mode: str = "RGB"
    bits: int = 8
    orientation: int = 1
    """EXIF's: 1 is upright, 2 ... 8 are turned or mirrored."""


def read_header(path: Path) -> Header:
    """The header of a file; raises OSError where it cannot be opened."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if head.startswith(_PNG):
        return _png_header(head)
    if head.startswith(_JPEG):
        return _jpeg_header(path)
    return Header(None, _name_of(head))


def ending_type(path: Path) -> str | None:
    """What the file's ending says that it is."""
    return _ENDINGS.get(path.suffix.lower())


def _name_of(head: bytes) -> str:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        return "HEIC, AVIF or a film"
    if not head.strip(b"\0"):
        return "zeros: the copy was never finished"
    plain = head.lstrip()
    for start, name in _OTHERS.items():
        if plain.startswith(start):
            return name
    return f"first bytes {head[:8]!r}"


def _png_header(head: bytes) -> Header:
    if len(head) < 33:
        return Header("png", "PNG")
    return Header("png", "PNG", _PNG_MODES.get(head[25], "of unknown colour"), head[24])


def _jpeg_header(path: Path) -> Header:
    """By Pillow, which decodes nothing before it is asked to; damage is found by the decoder."""
    try:
        with warnings.catch_warnings(), path.open("rb") as stream:
            warnings.simplefilter("ignore")  # of damaged EXIF
            picture = JpegImageFile(io.BytesIO(stream.read(2**18)))
            turned = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except (OSError, SyntaxError, ValueError, KeyError, IndexError, struct.error):
        return Header("jpeg", "JPEG")
    told = turned if isinstance(turned, int) and 1 <= turned <= 8 else 1
    mode = _JPEG_MODES.get(picture.mode, picture.mode)
    return Header("jpeg", "JPEG", mode, orientation=told)
