"""Pictures and label maps from and to files.

Limits are checked before anything is decoded; every failure names the file. Files are written
beside their place and moved there when complete. LabelMe keeps a picture
inside its .json as `imageData`, in base64.
"""

import base64
import binascii
import io
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import orjson
import simplejpeg
from jaxtyping import UInt8, UInt16

from tinyseg.errors import DataError, ImageError
from tinyseg.files import write_whole
from tinyseg.image.decode import check_png, decode, decode_channels, decode_label
from tinyseg.image.exif import upright
from tinyseg.image.header import ENDINGS, Header, parse_header

ENDING = ".json"
"""Of the files in which a picture is looked for."""


def embedded_picture(data: bytes) -> bytes:
    """The picture's own bytes; raises ImageError where the file holds none."""
    try:
        document = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        document = None
    text = document.get("imageData") if isinstance(document, dict) else None
    if not isinstance(text, str) or not text:
        raise ImageError("a .json is no picture and holds none as imageData")
    try:
        return base64.b64decode(text.rpartition(",")[2], validate=False)  # may be a data: address
    except (binascii.Error, ValueError):
        raise ImageError("imageData is a picture in base64") from None


MAX_FILE_BYTES = 2**28

EMPTY = "the file is empty"
"""The rule that a file of no bytes breaks."""


def read_image(path: Path, hw: tuple[int, int] | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """The picture in RGB, upright: turned as its EXIF tag says.

    `hw` is the height and width that labels of it state: where they fit the stored pixels alone,
    those are what was drawn on, and the picture stays as it is stored. Raises DataError where they
    fit neither.
    """
    with _told_with(path):
        data = _read(path)
        header = parse_header(io.BytesIO(data))
        return _pixels(data, header, turned=_is_turned(header, hw, path))


def image_from_bytes(data: bytes) -> UInt8[np.ndarray, "h w 3"]:
    """The picture of a file's bytes in RGB, upright; the limits are a file's."""
    with _told_with(Path("picture")):
        _check_size(len(data))
        return _pixels(data, parse_header(io.BytesIO(data)), turned=True)


def _pixels(data: bytes, header: Header, *, turned: bool) -> UInt8[np.ndarray, "h w 3"]:
    pixels = decode(_without_turn(data, header), header)
    return upright(pixels, header.turn.orientation) if turned else pixels


def read_label(path: Path) -> UInt16[np.ndarray, "h w"]:
    """The values of a 16-bit single-channel PNG, as stored: a label map is never turned."""
    with _told_with(path):
        data = _read(path)
        header = parse_header(io.BytesIO(data))
        if (header.type, header.bits, header.mode) != ("PNG", 16, "grey"):
            rule = "a label map is a 16-bit PNG of one channel"
            raise ImageError(rule, got=f"{header.bits}-bit {header.mode} {header.type}")
        return decode_label(data, header)


def read_channels(path: Path) -> UInt8[np.ndarray, "h w channels"]:
    """The bytes of an 8-bit PNG of RGB or RGBA as stored, in which some formats keep numbers."""
    with _told_with(path):
        data = _read(path)
        header = parse_header(io.BytesIO(data))
        if (header.type, header.bits) != ("PNG", 8) or not header.mode.startswith("RGB"):
            rule = "a map of numbers is an 8-bit PNG of RGB or RGBA"
            raise ImageError(rule, got=f"{header.bits}-bit {header.mode} {header.type}")
        return decode_channels(data, header)


def read_header(path: Path) -> Header:
    """What the file says of itself; no pixel is decoded."""
    with _told_with(path):
        if _is_container(path):
            return parse_header(io.BytesIO(_read(path)))
        _check_file(path)
        with path.open("rb") as stream:
            return parse_header(stream)


def image_hw(path: Path) -> tuple[int, int]:
    """Height and width of the upright picture, by its header alone."""
    return read_header(path).upright_hw


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A picture of its own without an EXIF turn: its ending and bytes, and whether its pixels were
    turned, None where it had no turn and came out of another file."""

    ending: str
    data: bytes
    turned: bool | None


def plain_file(path: Path, hw: tuple[int, int]) -> PlainFile | None:
    """What every tool shows as `read_image(path, hw)` reads it, whether it minds EXIF or not; None
    where the file itself is that.

    Nothing is lost: stored pixels keep their code and lose the tag, turned ones become a PNG.
    """
    header = read_header(path)
    turned = _is_turned(header, hw, path)
    ending = path.suffix.lower()
    if _is_container(path):
        ending = next(end for end, type in ENDINGS.items() if type == header.type)
    if header.turn.orientation == 1:
        return PlainFile(ending, _read(path), None) if _is_container(path) else None
    if turned or header.turn.at is None:
        return PlainFile(".png", png_bytes(read_image(path, hw)), turned)
    with _told_with(path):
        return PlainFile(ending, _without_turn(_read(path), header), turned)


def write_jpeg(path: Path, image: UInt8[np.ndarray, "h w 3"], quality: int = 92) -> None:
    """Write an RGB picture with colour at half resolution, as cameras do; quality is 1 ... 100."""
    with _told_with(path):
        write_whole(path, jpeg_bytes(image, quality))


def jpeg_bytes(image: UInt8[np.ndarray, "h w 3"], quality: int = 92) -> bytes:
    """A JPEG file of an RGB picture; raises ImageError for what a JPEG cannot be."""
    if not 1 <= quality <= 100:
        raise ImageError("JPEG quality lies in 1 ... 100", got=quality)
    if not 1 <= min(image.shape[:2]) <= max(image.shape[:2]) <= 65500:
        raise ImageError("a JPEG's sides are 1 ... 65500 pixels", got=image.shape[:2])
    pixels = np.ascontiguousarray(image)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling="420"))


def write_png(
    path: Path,
    image: UInt8[np.ndarray, "h w 3"] | UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"],
) -> None:
    """Write an RGB or grey picture, or a 16-bit label map, without loss."""
    with _told_with(path):
        write_whole(path, png_bytes(image))


def png_bytes(
    image: UInt8[np.ndarray, "h w 3"] | UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"],
) -> bytes:
    """A PNG file of such a picture; raises ImageError for one without a pixel."""
    if min(image.shape[:2]) < 1:
        raise ImageError("a PNG's sides are at least 1 pixel", got=image.shape[:2])
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    return cv2.imencode(".png", np.ascontiguousarray(pixels))[1].tobytes()


@contextmanager
def _told_with(path: Path) -> Iterator[None]:
    """Every failure inside names the file, an ImageError but for what a disk does not take."""
    rule = "the file cannot be read or written"
    if "\0" in str(path):
        raise ImageError(rule, path=path, got="a path with a null character")
    try:
        yield
    except ImageError as error:
        raise error.at(path=path) from None
    except OSError as error:
        raise ImageError(rule, path=path, got=error.strerror) from error
    except cv2.error as error:
        raise ImageError("the picture cannot be coded", path=path) from error


def _check_file(path: Path) -> None:
    """Looks at the directory entry only, so that a pipe or a device is never opened."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("an image is a regular file", got=stat.filemode(status.st_mode))
    _check_size(status.st_size)


def _check_size(size: int) -> None:
    if size == 0:
        raise ImageError(EMPTY, got="0 bytes")
    if size > MAX_FILE_BYTES:
        rule = "an image file is over the size limit"
        raise ImageError(rule, expected=f"<= {MAX_FILE_BYTES} bytes", got=size)


def _is_container(path: Path) -> bool:
    return path.suffix.lower() == ENDING


def _read(path: Path) -> bytes:
    _check_file(path)
    data = path.read_bytes()
    return embedded_picture(data) if _is_container(path) else data


def _is_turned(header: Header, hw: tuple[int, int] | None, path: Path) -> bool:
    """Whether labels of this height and width were drawn on the upright picture."""
    if hw is None or hw == header.upright_hw:
        return True
    if hw == header.hw:
        return False
    sizes = [str(header.upright_hw)]
    sizes += [f"{header.hw} as it is stored"] if header.hw != header.upright_hw else []
    rule = "image and label need one size (height, width)"
    raise DataError(rule, path=path, expected=" or ".join(sizes), got=hw)


def _without_turn(data: bytes, header: Header) -> bytes:
    """The file's bytes with the orientation 1, which is upright."""
    turn = header.turn
    if turn.orientation == 1 or turn.at is None:
        return data
    plain = bytearray(data)
    turn.write_upright(plain)
    if header.type == "PNG":
        check_png(data)
        start = data.rindex(b"eXIf", 0, turn.at)
        length = int.from_bytes(data[start - 4 : start], "big")
        end = start + 4 + length
        plain[end : end + 4] = zlib.crc32(plain[start:end]).to_bytes(4, "big")
    return bytes(plain)
