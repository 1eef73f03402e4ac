"""A picture's bytes -> RGB pixels as they are stored, by the decoder that knows the type best.

In: the whole file, whose header was looked at, without an EXIF turn, so that no decoder applies it.
Out: RGB uint8. Alpha is dropped, grey tripled, CMYK and palettes converted; of several pictures in
a file the first is taken. Samples of more than 8 bits are cut to 8: the fewest of 8, 10, 12, 14 and
16 bits that hold the picture's largest value are taken for its depth, so that 12 bits in a 16-bit
file are not 16 times too dark. Refused, as ImageError: damage, and files that are cut short.
"""

import io
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8, UInt16
from PIL.JpegImagePlugin import JpegImageFile

from tinyseg.errors import ImageError
from tinyseg.grey_png import SIGNATURE, decode_grey16
from tinyseg.image.header import PILLOW, Header, open_with_pillow

DEPTHS = (8, 10, 12, 14, 16)

_CODESTREAM, _END, _END_WITHIN = b"\xff\x4f\xff\x51", b"\xff\xd9", 64
"""How a bare JPEG 2000 begins and ends, but for some bytes of padding."""


def decode(data: bytes, header: Header) -> UInt8[np.ndarray, "h w 3"]:
    """The picture's pixels."""
    deep = header.bits > 8
    # libtiff's own conversion, which OpenCV takes for 8 bits, multiplies colours by alpha.
    # Pillow scales deep PNM to 8 bits by the largest value that its header allows.
    if header.type in PILLOW and not (header.type in ("TIFF", "PNM") and deep):
        return _checked(_decode_pillow(data, header.type), header.hw)
    if header.type == "JPEG":
        return _checked(_decode_jpeg(data), header.hw)
    if header.type == "PNG":
        check_png(data)
    return _checked(_decode_rgb_cv2(data, deep=deep), header.hw)


def decode_label(data: bytes, header: Header) -> UInt16[np.ndarray, "h w"]:
    """The values of a 16-bit PNG of one channel."""
    check_png(data)
    pixels = decode_grey16(data, header.hw)
    whole = _decode_cv2(data, cv2.IMREAD_UNCHANGED) if pixels is None else pixels
    return _checked(whole, header.hw)


def decode_channels(data: bytes, header: Header) -> UInt8[np.ndarray, "h w channels"]:
    """The bytes of an 8-bit PNG in colour, red first, alpha last if there is one."""
    check_png(data)
    pixels = _checked(_decode_cv2(data, cv2.IMREAD_UNCHANGED), header.hw)
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def check_png(data: bytes) -> None:
    """Refuses a PNG that is cut short or whose bytes were changed: each chunk has a checksum."""
    at, view = len(SIGNATURE), memoryview(data)
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


def in_8_bits(deep: UInt16[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """The high 8 of as many bits as the largest value shows."""
    largest = int(deep.max(initial=0))
    depth = next(bits for bits in DEPTHS if largest < 1 << bits)
    return np.asarray(deep >> (depth - 8), np.uint8)


def _decode_jpeg(data: bytes) -> UInt8[np.ndarray, "h w 3"] | None:
    """The first decoder that knows this kind of JPEG has the last word.

    The end marker is looked for here, because decoders fill the missing rows with grey.
    """
    if data.find(b"\xff\xd9", data.rfind(b"\xff\xda")) < 0:
        raise ImageError("a JPEG is cut short: it has no end marker", got=f"{len(data)} bytes")
    for decode_one in JPEG_DECODERS:
        image = decode_one(data)
        if image is not None:
            return image
    return None


def _decode_simplejpeg(data: bytes) -> UInt8[np.ndarray, "h w 3"] | None:
    """None for a kind of JPEG that the library does not know; damage is an error."""
    try:
        return simplejpeg.decode_jpeg(data, "RGB", strict=True)
    except ValueError as error:
        told = str(error)
    if any(words in told for words in ("Unsupported", "subsampling level", "colorspace")):
        return None
    raise ImageError("a JPEG is damaged")


def _decode_cv2(
    data: bytes, flags: int
) -> UInt8[np.ndarray, "..."] | UInt16[np.ndarray, "..."] | None:
    """The decoded array, channels in OpenCV's order, or None."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _decode_rgb_cv2(data: bytes, *, deep: bool = False) -> UInt8[np.ndarray, "h w 3"] | None:
    flags = cv2.IMREAD_UNCHANGED if deep else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = _decode_cv2(data, flags)
    if image is None:
        return None
    if image.dtype == np.uint16:
        image = in_8_bits(image if image.ndim == 2 else np.ascontiguousarray(image[..., :3]))
    if image.dtype != np.uint8:
        return None
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB)


def _decode_pillow_jpeg(data: bytes) -> UInt8[np.ndarray, "h w 3"] | None:
    # Made directly: Image.open would warn of pictures under our own limit.
    try:
        return np.array(JpegImageFile(io.BytesIO(data)).convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        return None


def _decode_pillow(data: bytes, type: str) -> UInt8[np.ndarray, "h w 3"]:
    if data.startswith(_CODESTREAM) and data.rfind(_END, -_END_WITHIN) < 0:
        raise ImageError("a JPEG 2000 is cut short: it has no end marker")
    picture = open_with_pillow(type, io.BytesIO(data))
    try:
        if picture.mode == "I;16":
            return np.repeat(in_8_bits(np.array(picture))[..., None], 3, axis=2)
        return np.array(picture.convert("RGB"))
    except MemoryError:
        raise
    except Exception:  # whatever a decoder makes of damage
        raise ImageError(f"a {type} is damaged or cut short") from None


JPEG_DECODERS: tuple[Callable[[bytes], UInt8[np.ndarray, "h w 3"] | None], ...] = (
    _decode_simplejpeg,
    _decode_rgb_cv2,
    _decode_pillow_jpeg,
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
