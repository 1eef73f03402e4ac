"""The only place where bytes become pixels: JPEG and PNG pictures, and 16-bit PNG label maps.

In: a path. Out: RGB uint8 pictures or uint16 label maps, exactly as stored: EXIF orientation is
not applied, because a label map is drawn on the stored pixels. Alpha is dropped, 16-bit pictures
keep their high byte. Refused, always as ImageError: files that are missing, empty, damaged or cut
short, of another format, or over MAX_FILE_BYTES or MAX_PIXELS; both limits are checked before
anything is decoded. Files are written beside their place and moved there when complete.
"""

import io
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8, UInt16
from PIL.JpegImagePlugin import JpegImageFile

from tinyseg.errors import ImageError
from tinyseg.files import write_whole
from tinyseg.grey_png import SIGNATURE as _PNG_SIGNATURE
from tinyseg.grey_png import decode_grey16

MAX_FILE_BYTES = 2**28
MAX_PIXELS = 2**28

_JPEG_SIGNATURE = b"\xff\xd8\xff"
_GREY = 0
"""PNG's colour type of one channel without palette or alpha."""


@dataclass(frozen=True, slots=True)
class _Header:
    """What a file says about itself: "jpeg" or "png", its size, bits a channel, PNG colour type."""

    format: str
    hw: tuple[int, int]
    bits: int
    colour_type: int | None = None


def read_image(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """The picture in RGB, as stored: EXIF orientation is not applied."""
    with _told_with(path):
        data = _read(path)
        header = _parse_header(io.BytesIO(data))
        decode = {"jpeg": _decode_jpeg, "png": _decode_png}[header.format]
        return _checked(decode(data), header.hw)


def read_label(path: Path) -> UInt16[np.ndarray, "h w"]:
    """The values of a 16-bit single-channel PNG."""
    with _told_with(path):
        data = _read(path)
        header = _parse_header(io.BytesIO(data))
        if (header.format, header.bits, header.colour_type) != ("png", 16, _GREY):
            rule, colour = "a label map is a 16-bit PNG of one channel", header.colour_type
            came = header.format + ("" if colour is None else f" of colour type {colour}")
            raise ImageError(rule, got=f"{header.bits}-bit {came}")
        _check_png_chunks(data)
        pixels = decode_grey16(data, header.hw)
        if pixels is None:
            pixels = _decode_cv2(data, cv2.IMREAD_UNCHANGED)
        return _checked(pixels, header.hw)


def image_hw(path: Path) -> tuple[int, int]:
    """Height and width that the file's header states; no pixel is decoded."""
    with _told_with(path):
        _check_file(path)
        with path.open("rb") as stream:
            return _parse_header(stream).hw


def write_jpeg(path: Path, image: UInt8[np.ndarray, "h w 3"], quality: int = 92) -> None:
    """Write an RGB picture with colour at half resolution, as cameras do; quality is 1 ... 100."""
    with _told_with(path):
        if not 1 <= quality <= 100:
            raise ImageError("JPEG quality lies in 1 ... 100", got=quality)
        if not 1 <= min(image.shape[:2]) <= max(image.shape[:2]) <= 65500:
            raise ImageError("a JPEG's sides are 1 ... 65500 pixels", got=image.shape[:2])
        pixels = np.ascontiguousarray(image)
        data = simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling="420")
        write_whole(path, data)


def write_png(
    path: Path,
    image: UInt8[np.ndarray, "h w 3"] | UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"],
) -> None:
    """Write an RGB or grey picture, or a 16-bit label map, without loss."""
    with _told_with(path):
        if min(image.shape[:2]) < 1:
            raise ImageError("a PNG's sides are at least 1 pixel", got=image.shape[:2])
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
        _, data = cv2.imencode(".png", np.ascontiguousarray(pixels))
        write_whole(path, data.tobytes())


@contextmanager
def _told_with(path: Path) -> Iterator[None]:
    """Every failure inside becomes an ImageError that names the file."""
    try:
        yield
    except ImageError as error:
        raise error.at(path=path) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        rule, reason = "the file cannot be read or written", getattr(error, "strerror", None)
        raise ImageError(rule, path=path, got=reason or error) from error
    except cv2.error as error:
        raise ImageError("the picture cannot be coded", path=path, got=error.err) from error


def _check_file(path: Path) -> None:
    """Looks at the directory entry only, so that a pipe or a device is never opened."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("an image is a regular file", got=stat.filemode(status.st_mode))
    if status.st_size == 0:
        raise ImageError("the file is empty", got="0 bytes")
    if status.st_size > MAX_FILE_BYTES:
        rule = "an image file is over the size limit"
        raise ImageError(rule, expected=f"<= {MAX_FILE_BYTES} bytes", got=status.st_size)


def _read(path: Path) -> bytes:
    _check_file(path)
    return path.read_bytes()


def _parse_header(stream: io.BufferedIOBase) -> _Header:
    """Format and size from the first bytes; refuses other formats and pictures over the limit."""
    start = stream.read(8)
    stream.seek(0)
    if start.startswith(_JPEG_SIGNATURE):
        header = _parse_jpeg_header(stream)
    elif start == _PNG_SIGNATURE:
        header = _parse_png_header(stream)
    else:
        raise ImageError("an image file is JPEG or PNG", got=f"first bytes {start!r}")
    height, width = header.hw
    if not 1 <= height * width <= MAX_PIXELS:
        rule = f"an image has 1 ... {MAX_PIXELS} pixels"
        raise ImageError(rule, got=f"height {height} x width {width}")
    return header


def _parse_png_header(stream: io.BufferedIOBase) -> _Header:
    head = stream.read(33)
    if len(head) < 33 or head[8:16] != b"\x00\x00\x00\rIHDR":
        raise ImageError("a PNG begins with a header of 33 bytes", got=f"{len(head)} bytes")
    width, height = (int.from_bytes(head[at : at + 4], "big") for at in (16, 20))
    return _Header("png", (height, width), bits=head[24], colour_type=head[25])


def _parse_jpeg_header(stream: io.BufferedIOBase) -> _Header:
    """Steps from segment to segment until the one that states the frame's size."""
    stream.seek(2)
    while True:
        marker = _next_marker(stream)
        length = int.from_bytes(stream.read(2), "big")
        if marker in (0xD9, 0xDA) or length < 2:
            rule = "a JPEG states its size before its pixels"
            raise ImageError(rule, where=f"byte {stream.tell()}", got=f"marker {marker:#04x}")
        # C4, C8 and CC lie in the frame headers' range and are not frame headers.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            body = stream.read(5)
            if len(body) < 5:
                raise ImageError("a JPEG is cut short in its header", where=f"byte {stream.tell()}")
            height, width = (int.from_bytes(body[at : at + 2], "big") for at in (1, 3))
            return _Header("jpeg", (height, width), bits=body[0])
        stream.seek(length - 2, os.SEEK_CUR)


def _next_marker(stream: io.BufferedIOBase) -> int:
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


def _decode_png(data: bytes) -> UInt8[np.ndarray, "h w 3"] | None:
    _check_png_chunks(data)
    return _decode_rgb_cv2(data)


def _check_png_chunks(data: bytes) -> None:
    """Refuses a PNG that is cut short or whose bytes were changed: each chunk has a checksum."""
    at, view = len(_PNG_SIGNATURE), memoryview(data)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(view[at : at + 4], "big")
        if end > len(data):
            break
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise ImageError("a PNG chunk differs from its checksum", where=f"byte {at}")
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end
    raise ImageError("a PNG is cut short", where=f"byte {at}", got=f"{len(data)} bytes")


def _decode_jpeg(data: bytes) -> UInt8[np.ndarray, "h w 3"] | None:
    """The first decoder that knows this kind of JPEG has the last word.

    The end marker is looked for here, because decoders fill the missing rows with grey.
    """
    if data.find(b"\xff\xd9", data.rfind(b"\xff\xda")) < 0:
        raise ImageError("a JPEG is cut short: it has no end marker", got=f"{len(data)} bytes")
    for decode in _JPEG_DECODERS:
        image = decode(data)
        if image is not None:
            return image
    return None


def _decode_simplejpeg(data: bytes) -> UInt8[np.ndarray, "h w 3"] | None:
    """None for a kind of JPEG that the library does not know; damage is an error."""
    try:
        return simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except ValueError as error:
        unknown = ("Unsupported", "subsampling level", "colorspace")
        if any(words in str(error) for words in unknown):
            return None
        raise ImageError("a JPEG is damaged", got=error) from None


def _decode_cv2(
    data: bytes, flags: int
) -> UInt8[np.ndarray, "..."] | UInt16[np.ndarray, "..."] | None:
    """The decoded array, channels in OpenCV's order, or None."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)


def _decode_rgb_cv2(data: bytes) -> UInt8[np.ndarray, "h w 3"] | None:
    image = _decode_cv2(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _decode_pillow(data: bytes) -> UInt8[np.ndarray, "h w 3"] | None:
    # Made directly: Image.open would warn of pictures under our own limit.
    try:
        return np.array(JpegImageFile(io.BytesIO(data)).convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        return None


_JPEG_DECODERS: tuple[Callable[[bytes], UInt8[np.ndarray, "h w 3"] | None], ...] = (
    _decode_simplejpeg,
    _decode_rgb_cv2,
    _decode_pillow,
)


def _checked(
    image: UInt8[np.ndarray, "h w *c"] | UInt16[np.ndarray, "h w"] | None, hw: tuple[int, int]
) -> UInt8[np.ndarray, "h w *c"] | UInt16[np.ndarray, "h w"]:
    """The array, unless no decoder understood the file or its size is not the header's."""
    if image is None:
        raise ImageError("the pixels cannot be decoded")
    if image.shape[:2] != hw:
        raise ImageError("pixels differ in size from the header", expected=hw, got=image.shape[:2])
    return image
