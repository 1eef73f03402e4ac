"""Label maps of other sets than the WAD's: tables of what 16-bit values mean, and wider codes.

A value of 16 bits is class * 256 + instance in some sets; three or four bytes of a PNG in colour
are read as one code, and codes are numbered anew so that they become such a map.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Int16, UInt16, UInt32

from tinyseg.data.wad import MEANS_BACKGROUND, MEANS_UNKNOWN, labels_from_map
from tinyseg.errors import DataError
from tinyseg.frame import FrameLabels

MOST_CODES = 2**16 - 1


def table_of(meaning: Callable[[int], int], *, step: int) -> Int16[np.ndarray, "65536"]:
    """What each value means, from its class, value // step."""
    classes = np.array([meaning(number) for number in range(-(-(2**16) // step))], np.int16)
    return np.repeat(classes, step)[: 2**16]


def labels_from_codes(
    codes: UInt32[np.ndarray, "h w"], meaning: Callable[[int], int], *, path: Path, name: str
) -> FrameLabels:
    """Labels from a map of codes and what each of them means, as in wad.py; an unknown one raises
    DataError."""
    numbers, found = _numbered(codes, path)
    meanings = np.full(2**16, MEANS_UNKNOWN, np.int16)
    meanings[MOST_CODES] = MEANS_BACKGROUND  # that one value is; no code has this number
    for number, code in enumerate(found):
        meanings[number] = meaning(code)
        if meanings[number] == MEANS_UNKNOWN:
            rule = "what a value means must be known"
            raise DataError(rule, path=path, where=f"value {code}")
    return labels_from_map(numbers, path=path, name=name, meanings=meanings)


def _numbered(
    codes: UInt32[np.ndarray, "h w"], path: Path
) -> tuple[UInt16[np.ndarray, "h w"], list[int]]:
    """Each code's place among those that occur, and these; runs are sorted, not pixels."""
    flat = codes.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    found, places = np.unique(flat[starts], return_inverse=True)
    if len(found) > MOST_CODES:
        rule = f"a map holds up to {MOST_CODES} values: is it a picture?"
        raise DataError(rule, path=path, got=len(found))
    lengths = np.diff(np.append(starts, flat.size))
    numbers = np.repeat(places.astype(np.uint16), lengths).reshape(codes.shape)
    return numbers, found.tolist()
