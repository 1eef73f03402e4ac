"""The two run-length forms of a mask, both ways: COCO's and the challenge's.

COCO (column-major): lengths of alternating runs of 0 and 1 down the columns; "compressed", they
are written as differences in a base-32 code of printable characters (pycocotools, rleToString).
Challenge (row-major): `start length|` for each run of 1, counted from 0 along the rows.

Any text goes in and gives a mask or a MaskError with the reason. A frame may have up to
MAX_FRAME_PIXELS pixels, and one call makes at most MAX_COVERAGE_BYTES of mask cells.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Int64, UInt8

from tinyseg.errors import MaskError
from tinyseg.masks.raster import rasterise
from tinyseg.masks.record import HALF, MAX_COVERAGE_BYTES, CropMasks

MAX_FRAME_PIXELS = 2**28

CHUNK_CELLS = 2**22

_MAX_GROUPS = 6
"""Characters of one COCO number: 6 x 5 bits, sign included, hold any count of a frame."""

_CHALLENGE_FORM = re.compile(r"(?:[0-9]{1,12} [0-9]{1,12}\|)*")


Runs = tuple[Int64[np.ndarray, " _k"], Int64[np.ndarray, " _k"]]
"""Starts and lengths along the rows of a frame; COCO's order is the same with rows and columns
exchanged."""


@dataclass(frozen=True, slots=True)
class LineRuns:
    """Runs of several masks, in order: of which mask, and the line and place where each begins and
    where its last pixel is."""

    mask: Int64[np.ndarray, " n"]
    first_line: Int64[np.ndarray, " n"]
    first_place: Int64[np.ndarray, " n"]
    last_line: Int64[np.ndarray, " n"]
    last_place: Int64[np.ndarray, " n"]


def to_coco_rle(masks: CropMasks, frame_hw: tuple[int, int]) -> list[bytes]:
    """COCO's compressed counts of each mask, cut to the frame."""
    height, width = checked_frame(frame_hw)
    pixels = rasterise(masks, frame_hw)
    counts = []
    for (x0, y0, _, _), grid in zip(pixels.boxes.astype(int).tolist(), pixels.grids(), strict=True):
        starts, lengths = _grid_to_runs(grid.T, (x0, y0), height)
        edges = np.stack([starts, starts + lengths], axis=1).ravel()
        # Alternating counts, zeros first; a last count of zero is left out, as COCO does
        own = np.diff(edges, prepend=0, append=height * width)
        counts.append(own[:-1] if len(own) > 1 and own[-1] == 0 else own)
    return _compress(counts)


def from_coco_rle(codes: Sequence[bytes | str], frame_hw: tuple[int, int]) -> CropMasks:
    """Masks in pixel form from COCO's compressed counts, of a frame of this height and width."""
    return from_coco_counts([_decompress(code) for code in codes], frame_hw)


def from_coco_counts(
    counts: Sequence[Sequence[object] | Int64[np.ndarray, " _k"]], frame_hw: tuple[int, int]
) -> CropMasks:
    """Masks in pixel form from COCO's uncompressed counts, of a frame of this height and width.

    Counts come from files: whatever is not a whole number, `true` and `1.0` included, is refused.
    """
    height, width = checked_frame(frame_hw)
    runs = []
    for own in counts:
        checked = _checked_counts(own, height * width)
        lengths = checked[1::2]
        starts = np.cumsum(checked)[1::2] - lengths
        runs.append((starts[lengths > 0], lengths[lengths > 0]))
    return _runs_to_masks(runs, (width, height), transposed=True)


def to_challenge_runs(masks: CropMasks, frame_hw: tuple[int, int]) -> list[str]:
    """The challenge's `start length|...` of each mask, cut to the frame; "" for an empty mask."""
    return [row_runs_to_text(*runs) for runs in to_row_runs(masks, frame_hw)]


def from_challenge_runs(texts: Sequence[str], frame_hw: tuple[int, int]) -> CropMasks:
    """Masks in pixel form from the challenge's runs, of a frame of this height and width."""
    runs = []
    for text in texts:
        if not _CHALLENGE_FORM.fullmatch(text):
            rule = "runs are written 'start length|', each ended by '|'"
            raise MaskError(rule, got=repr(text[:60]))
        numbers = np.array(text.replace("|", " ").split(), np.int64)
        runs.append((numbers[0::2], numbers[1::2]))
    return from_row_runs(runs, frame_hw)


def to_row_runs(masks: CropMasks, frame_hw: tuple[int, int]) -> list[Runs]:
    """Starts and lengths of each mask's runs along the frame's rows, none of length 0."""
    _, width = checked_frame(frame_hw)
    pixels = rasterise(masks, frame_hw)
    boxes = pixels.boxes.astype(int).tolist()
    return [
        _grid_to_runs(grid, (y0, x0), width)
        for (x0, y0, _, _), grid in zip(boxes, pixels.grids(), strict=True)
    ]


def from_row_runs(runs: Sequence[Runs], frame_hw: tuple[int, int]) -> CropMasks:
    """Masks in pixel form from starts and lengths along the rows of a frame.

    Raises MaskError where runs do not ascend, overlap, are empty or end beyond the frame.
    """
    height, width = checked_frame(frame_hw)
    for starts, lengths in runs:
        total = height * width
        ends = starts + lengths
        bad = (lengths < 1) | (starts < 0) | (ends > total)
        bad[1:] |= starts[1:] < ends[:-1]
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            rule = f"runs ascend, do not overlap, have a length and end within {total} pixels"
            raise MaskError(rule, where=f"run {at}", got=f"{starts[at]} {lengths[at]}")
    return _runs_to_masks(runs, (height, width))


def row_runs_to_text(starts: Int64[np.ndarray, " k"], lengths: Int64[np.ndarray, " k"]) -> str:
    """The challenge's form of one mask's runs: `start length|`, the last one ended too."""
    pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
    return "".join(f"{start} {length}|" for start, length in pairs)


def checked_frame(frame_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a frame that masks can be made for; raises MaskError for any other."""
    height, width = (int(side) for side in frame_hw)
    if height < 1 or width < 1 or height * width > MAX_FRAME_PIXELS:
        rule = f"a frame has 1 ... {MAX_FRAME_PIXELS} pixels"
        raise MaskError(rule, got=f"height {height} x width {width}")
    return height, width


def _grid_to_runs(grid: UInt8[np.ndarray, "h w"], origin_rc: tuple[int, int], width: int) -> Runs:
    """Runs of a frame `width` pixels wide, from a crop whose first pixel is (row, column)."""
    h, w = grid.shape
    # A zero column after each row keeps a run from going on in the next one.
    bits = np.zeros((h, w + 1), np.int8)
    bits[:, :w] = grid >= HALF
    edges = np.flatnonzero(np.diff(bits.ravel(), prepend=0))
    row, column = np.divmod(edges, w + 1)
    place = (row + origin_rc[0]) * width + column + origin_rc[1]
    starts, ends = place[0::2], place[1::2]
    # Across the frame's whole width a run does go on in the next row.
    apart = starts[1:] != ends[:-1]
    starts = starts[np.concatenate([[True], apart])] if starts.size else starts
    ends = ends[np.concatenate([apart, [True]])] if ends.size else ends
    return starts.astype(np.int64), (ends - starts).astype(np.int64)


def _runs_to_masks(
    runs: Sequence[Runs], frame_hw: tuple[int, int], *, transposed: bool = False
) -> CropMasks:
    """Masks in pixel form; runs ascend, are disjoint and lie inside the frame.

    `transposed`: of the frame whose columns these rows are.
    """
    width, none = frame_hw[1], np.zeros(0, np.int64)
    mask = np.repeat(np.arange(len(runs)), [len(starts) for starts, _ in runs])
    starts = np.concatenate([none, *(starts for starts, _ in runs)])
    lengths = np.concatenate([none, *(lengths for _, lengths in runs)])
    places = (*np.divmod(starts, width), *np.divmod(starts + lengths - 1, width))
    return masks_of_runs(LineRuns(mask, *places), len(runs), width, transposed=transposed)


def masks_of_runs(
    runs: LineRuns, count: int, line_length: int, *, transposed: bool = False
) -> CropMasks:
    """So many masks in pixel form from their runs, which ascend and are disjoint.

    `transposed`: the lines are the frame's columns.
    """
    numbers = np.bincount(runs.mask, minlength=count)
    stops = numbers.cumsum()
    left, top, right, bottom = boxes = _boxes_of_runs(runs, numbers, stops, line_length)
    across, down = right - left, bottom - top
    ends = (across * down).cumsum()
    total = int(ends[-1]) if count else 0
    if total > MAX_COVERAGE_BYTES:
        rule = f"the masks of one call may take {MAX_COVERAGE_BYTES} bytes"
        raise MaskError(rule, got=f"{total} for {count} masks")
    # Cells one after the other change where a run begins and after it; each mask has its own end.
    width, origin = across[runs.mask], (ends - bottom * across - left)[runs.mask]
    at = np.arange(0, 2 * len(width), 2) + runs.mask
    edges = np.empty(2 * len(at) + count, np.int64)
    edges[at] = origin + runs.first_line * width + runs.first_place
    edges[at + 1] = origin + runs.last_line * width + runs.last_place + 1
    closes = 2 * stops + np.arange(count)
    edges[closes] = ends
    edges[1:] -= edges[:-1].copy()
    values = np.zeros(len(edges), np.uint8)
    values[at + 1] = 255
    if not transposed:
        coverage, grid_hw = values.repeat(edges), np.stack([down, across], axis=1)
        return CropMasks(boxes.T.astype(np.float64), grid_hw, coverage)
    coverage = _across(values, edges, closes + 1, across, ends)
    grid_hw = np.stack([across, down], axis=1)
    return CropMasks(boxes[[1, 0, 3, 2]].T.astype(np.float64), grid_hw, coverage)


def _across(
    values: UInt8[np.ndarray, " m"],
    lengths: Int64[np.ndarray, " m"],
    stops: Int64[np.ndarray, " n"],
    widths: Int64[np.ndarray, " n"],
    ends: Int64[np.ndarray, " n"],
) -> UInt8[np.ndarray, " total"]:
    """The cells of n masks, each transposed: `stops` are its runs' ends, `ends` its cells'.

    As many masks at a time as CHUNK_CELLS holds, since all at once would take the memory twice.
    """
    cells, runs = [0, *ends.tolist()], [0, *stops.tolist()]
    coverage = np.empty(cells[-1], np.uint8)
    chunk = ends // CHUNK_CELLS
    cuts = [0, *((chunk[1:] != chunk[:-1]).nonzero()[0] + 1).tolist(), len(ends)]
    for a, b in pairwise(cuts):
        of_runs, begin = slice(runs[a], runs[b]), cells[a]
        lines = values[of_runs].repeat(lengths[of_runs])
        for mask, width in enumerate(widths[a:b].tolist(), start=a):
            start, end = cells[mask], cells[mask + 1]
            if end > start:
                own = lines[start - begin : end - begin].reshape(-1, width)
                cv2.transpose(own, coverage[start:end].reshape(width, -1))
    return coverage


def _boxes_of_runs(
    runs: LineRuns,
    numbers: Int64[np.ndarray, " n"],
    stops: Int64[np.ndarray, " n"],
    line_length: int,
) -> Int64[np.ndarray, "4 n"]:
    """Left, top, right, bottom of each mask, x along the lines; zeros for one without a run."""
    seen = numbers.nonzero()[0]
    first, last = (stops - numbers)[seen], stops[seen] - 1
    boxes = np.zeros((4, len(numbers)), np.int64)
    boxes[0, seen] = np.minimum.reduceat(runs.first_place, first)
    boxes[1, seen] = runs.first_line[first]
    boxes[2, seen] = np.maximum.reduceat(runs.last_place, first) + 1
    boxes[3, seen] = runs.last_line[last] + 1
    # A run that goes on in the next line covers all places.
    onwards = runs.mask[runs.last_line > runs.first_line]
    boxes[0, onwards], boxes[2, onwards] = 0, line_length
    return boxes


def _checked_counts(
    counts: Sequence[object] | Int64[np.ndarray, " k"], total: int
) -> Int64[np.ndarray, " k"]:
    """The counts as an array: whole numbers, none negative, that add up to the frame's pixels."""
    values = counts if isinstance(counts, np.ndarray) else _whole_numbers(counts)
    if (values < 0).any():
        at = int(np.flatnonzero(values < 0)[0])
        raise MaskError("a run length is negative", where=f"count {at}", got=int(values[at]))
    # Their sum may be above 2^63
    pixels = (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())
    if pixels != total:
        rule = "run lengths must add up to the frame's pixels"
        raise MaskError(rule, expected=total, got=pixels)
    return values


def _whole_numbers(counts: Sequence[object]) -> Int64[np.ndarray, " k"]:
    """Python integers as an array; numpy alone would take 1.5, True and "1" too."""
    for at, count in enumerate(counts):
        if type(count) is not int:
            rule = "run lengths must be whole numbers"
            raise MaskError(rule, where=f"count {at}", got=repr(count)[:60])
        if not -(2**63) <= count < 2**63:
            rule = "run lengths must be below 2^63"
            raise MaskError(rule, where=f"count {at}", got=f"a number of {count.bit_length()} bits")
    return np.array(counts, np.int64).reshape(len(counts))


def _compress(counts: Sequence[Int64[np.ndarray, " _k"]]) -> list[bytes]:
    """COCO's printable code of each list of counts, all lists at once."""
    rows = [np.zeros(0, np.int64)]
    for own in counts:
        # From the fourth on each becomes its difference to the count two before
        rows += [own[:3], own[3:] - own[1:-2]]
    flat = np.concatenate(rows)[:, None]
    # Signed 5-bit groups, lowest first, until the rest is only sign.
    groups = np.arange(_MAX_GROUPS)
    bound = 1 << (5 * groups + 4)
    last = ((flat >= -bound) & (flat < bound)).argmax(axis=1)[:, None]
    code = ((flat >> (5 * groups)) & 31 | np.where(groups < last, 32, 0)) + 48
    text = code[groups <= last].astype(np.uint8)
    # Where each number ends in the text, and of those the last of each list.
    number_ends = np.concatenate([[0], np.cumsum(last + 1)])
    cuts = number_ends[np.cumsum([0, *map(len, counts)])]
    return [text[start:end].tobytes() for start, end in pairwise(cuts.tolist())]


def _decompress(code: bytes | str) -> Int64[np.ndarray, " k"]:
    """The counts in COCO's printable code; they may still be any numbers."""
    text = _code_digits(code)
    if text.size == 0:
        return text
    last = np.flatnonzero(text < 32)
    first = np.concatenate([[0], last[:-1] + 1])
    used = last - first + 1
    if (used > _MAX_GROUPS).any():
        at = int(first[np.flatnonzero(used > _MAX_GROUPS)[0]])
        rule = f"a number of a COCO run-length code has at most {_MAX_GROUPS} characters"
        raise MaskError(rule, where=f"byte {at}")
    place = np.arange(text.size) - np.repeat(first, used)
    values = np.add.reduceat((text & 31) << (5 * place), first)
    values -= np.where(text[last] & 16, np.int64(1) << (5 * used), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def _code_digits(code: bytes | str) -> Int64[np.ndarray, " k"]:
    """The characters as numbers 0 ... 63; the last one ends a number, so it is below 32."""
    raw = code.encode("utf-8", "surrogatepass") if isinstance(code, str) else code
    text = np.frombuffer(raw, np.uint8).astype(np.int64) - ord("0")
    foreign = np.flatnonzero((text < 0) | (text > 63))
    if foreign.size:
        at = int(foreign[0])
        rule = "a COCO run-length code has characters '0' ... 'o'"
        raise MaskError(rule, where=f"byte {at}", got=raw[at : at + 1])
    if text.size and text[-1] >= 32:
        rule = "a COCO run-length code ends within a number"
        raise MaskError(rule, where=f"byte {text.size - 1}")
    return text
