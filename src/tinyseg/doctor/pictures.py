"""A frame's picture: type, mode, rotation, whether it decodes, and what it is compared by.

In: a path. Out: PictureLook: size, faults, a digest of the file, and a thumbnail of 32 x 32 grey
values, normalised, whose dot product with another is their correlation. The file is decoded once;
with `fast` only its header is read.
"""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float16, UInt8

from tinyseg.doctor import kinds
from tinyseg.doctor.headers import ending_type, read_header
from tinyseg.doctor.kinds import Fault
from tinyseg.errors import ImageError
from tinyseg.image import image_hw, read_image

THUMBNAIL = 32
"""Side in pixels: 32 x 32 tell frames of one camera apart (correlation up to .80 on 15 WAD frames)
and do not change when a picture is compressed again (.9999)."""

BLANK = 1.0
"""Grey levels of deviation below which there is nothing to see."""

Thumbnail = Float16[np.ndarray, " pixels"]


@dataclass(frozen=True, slots=True)
class PictureLook:
    """`hw` is None where even the header cannot be read, `digest` empty and `thumbnail` None where
    the pixels were not."""

    hw: tuple[int, int] | None
    faults: tuple[Fault, ...] = ()
    digest: bytes = b""
    thumbnail: Thumbnail | None = None
    rotated: bool = False


def look_at_picture(path: Path, place: str, *, fast: bool) -> PictureLook:
    """Everything there is to say of one picture file."""
    try:
        size = path.stat().st_size
        header = read_header(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return PictureLook(None, (Fault(kinds.PICTURE_DAMAGED, place, str(reason)),))
    if size == 0:
        return PictureLook(None, (Fault(kinds.PICTURE_EMPTY, place),))
    if header.type is None:
        return PictureLook(None, (Fault(kinds.PICTURE_FOREIGN, place, header.told),))
    faults = []
    if ending_type(path) not in (header.type, None):
        faults.append(Fault(kinds.PICTURE_ENDING, place, f"{header.told} named {path.suffix}"))
    if (header.mode, header.bits) != ("RGB", 8):
        faults.append(Fault(kinds.PICTURE_MODE, place, f"{header.mode}, {header.bits} bits"))
    rotated = header.orientation != 1
    if rotated:
        faults.append(Fault(kinds.PICTURE_ROTATED, place, f"orientation {header.orientation}"))
    try:
        if fast:
            return PictureLook(image_hw(path), tuple(faults), rotated=rotated)
        image = read_image(path)
    except ImageError as error:
        faults.append(Fault(damage_kind(error), place, told(error)))
        return PictureLook(None, tuple(faults), rotated=rotated)
    hw = (image.shape[0], image.shape[1])
    thumbnail = thumbnail_of(image)
    if thumbnail is None:
        faults.append(Fault(kinds.PICTURE_BLANK, place, f"colour {image[0, 0].tolist()}"))
    return PictureLook(hw, tuple(faults), digest_of(path), thumbnail, rotated)


def damage_kind(error: ImageError) -> kinds.Kind:
    """Whether a picture ends too early or is damaged in another way."""
    cut = any(words in error.rule for words in ("cut short", "begins with a header of"))
    return kinds.PICTURE_CUT if cut else kinds.PICTURE_DAMAGED


def told(error: ImageError) -> str:
    """The error without its file, which is the fault's place."""
    return str(ImageError(error.rule, where=error.where, expected=error.expected, got=error.got))


def digest_of(path: Path) -> bytes:
    """16 bytes that tell files of other content apart."""
    with path.open("rb") as stream:
        return blake2b(stream.read(), digest_size=16).digest()


def thumbnail_of(image: UInt8[np.ndarray, "h w 3"]) -> Thumbnail | None:
    """32 x 32 grey values of mean 0 and length 1; None for a picture of a single colour.

    Kept in 16 bits: that changes a correlation by less than 1e-4.
    """
    # Every so-manieth pixel first: averaging all of a large frame takes longer than decoding it.
    step = max(min(image.shape[:2]) // (4 * THUMBNAIL), 1)
    small = cv2.resize(
        np.ascontiguousarray(image[::step, ::step]),
        (THUMBNAIL, THUMBNAIL),
        interpolation=cv2.INTER_AREA,
    )
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32).ravel()
    centred = grey - grey.mean()
    if float(centred.std()) < BLANK:
        return None
    return np.asarray(centred / np.linalg.norm(centred), np.float16)
