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
from tinyseg.doctor.kinds import Fault
from tinyseg.errors import ImageError
from tinyseg.image import EMPTY, ENDINGS, FOREIGN, read_header, read_image

THUMBNAIL = 32
"""Side in pixels: 32 x 32 tell frames of one camera apart (correlation up to .80 on 15 WAD frames)
and do not change when a picture is compressed again (.9999)."""

BLANK = 1.0
"""Grey levels of deviation below which there is nothing to see."""

Thumbnail = Float16[np.ndarray, " pixels"]


@dataclass(frozen=True, slots=True)
class PictureLook:
    """`hw` is the upright picture's and `stored_hw` that of its pixels, both None where the file
    cannot be read; `digest` is empty and `thumbnail` None where the pixels were not."""

    hw: tuple[int, int] | None
    faults: tuple[Fault, ...] = ()
    digest: bytes = b""
    thumbnail: Thumbnail | None = None
    stored_hw: tuple[int, int] | None = None


def look_at_picture(path: Path, place: str, *, fast: bool) -> PictureLook:
    """Everything there is to say of one picture file."""
    faults = []
    try:
        header = read_header(path)
        if ENDINGS.get(path.suffix.lower(), header.type) != header.type:
            faults.append(Fault(kinds.PICTURE_ENDING, place, f"{header.type} named {path.suffix}"))
        if (header.mode, header.bits) != ("RGB", 8):
            faults.append(Fault(kinds.PICTURE_MODE, place, f"{header.mode}, {header.bits} bits"))
        if header.turn.orientation != 1:
            told = f"orientation {header.turn.orientation}"
            faults.append(Fault(kinds.PICTURE_ROTATED, place, told))
        if fast:
            return PictureLook(header.upright_hw, tuple(faults), stored_hw=header.hw)
        image = read_image(path)
    except ImageError as error:
        faults.append(Fault(damage_kind(error), place, picture_fault_text(error)))
        return PictureLook(None, tuple(faults))
    thumbnail = thumbnail_of(image)
    if thumbnail is None:
        faults.append(Fault(kinds.PICTURE_BLANK, place, f"colour {image[0, 0].tolist()}"))
    return PictureLook(header.upright_hw, tuple(faults), digest_of(path), thumbnail, header.hw)


def damage_kind(error: ImageError) -> kinds.FaultKind:
    """What is wrong with a picture file, by the rule that it breaks."""
    whole = {EMPTY: kinds.PICTURE_EMPTY, FOREIGN: kinds.PICTURE_FOREIGN}
    cut = any(words in error.rule for words in ("cut short", "begins with a header of"))
    return whole.get(error.rule, kinds.PICTURE_CUT if cut else kinds.PICTURE_DAMAGED)


def picture_fault_text(error: ImageError) -> str:
    """The error without its file, which is the fault's place, and without what its kind says."""
    if error.rule in (EMPTY, FOREIGN):
        return "" if error.rule == EMPTY else str(error.got)
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
