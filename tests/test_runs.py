"""Run-length codes: COCO's against pycocotools byte for byte, the challenge's by hand, and fuzz.

`TINYSEG_FUZZ_COUNT=300000 pytest -s tests/test_runs.py -k fuzz` is the long form of the fuzz tests.
"""

import os
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jaxtyping import Bool
from pycocotools import mask as coco

from tinyseg import masks as mask_ops
from tinyseg.errors import MaskError
from tinyseg.masks import CropMasks
from tinyseg.masks.runs import _compress

# pycocotools' own way with arrays is out of date in numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FUZZ_COUNT = int(os.environ.get("TINYSEG_FUZZ_COUNT", "3000"))
HW = (5, 7)

Bitmap = Bool[np.ndarray, "h w"]


def bitmap_of(masks: CropMasks, hw: tuple[int, int]) -> Bitmap:
    return mask_ops.paint(masks, hw) > 0


@st.composite
def bitmaps(draw: st.DrawFn) -> Bitmap:
    """Small bitmaps of any density and shape, rows, columns, empty and full ones among them."""
    hw = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits = rng.random(hw) < draw(st.sampled_from([0.0, 0.03, 0.3, 0.5, 0.8, 0.97, 1.0]))
    repeat = draw(st.sampled_from([1, 1, 7, 40]))
    return np.kron(bits, np.ones((repeat, repeat), np.bool_)).astype(np.bool_)


def coco_code(bitmap: Bitmap) -> bytes:
    code: bytes = coco.encode(np.asfortranarray(bitmap.astype(np.uint8)))["counts"]
    return code


def coco_counts(bitmap: Bitmap) -> list[int]:
    """Alternating run lengths down the columns, the plain way."""
    counts, value = [0], False
    for bit in bitmap.T.ravel().tolist():
        if bit != value:
            counts.append(0)
            value = bit
        counts[-1] += 1
    return counts


# COCO


@settings(max_examples=150, deadline=None)
@given(bitmaps())
def test_coco_code_is_pycocotools_own(bitmap: Bitmap) -> None:
    hw = bitmap.shape
    masks = mask_ops.from_bitmaps([bitmap])
    (code,) = mask_ops.to_coco_rle(masks, hw)
    assert code == coco_code(bitmap)
    theirs = coco.decode({"size": list(hw), "counts": code}).astype(np.bool_)
    assert np.array_equal(theirs, bitmap)
    counts = coco_counts(bitmap)
    for back in (
        mask_ops.from_coco_rle([code], hw),
        mask_ops.from_coco_rle([code.decode()], hw),
        mask_ops.from_coco_counts([counts], hw),
        mask_ops.from_coco_counts([np.array(counts, np.int64)], hw),
    ):
        assert np.array_equal(back.boxes, masks.boxes * bool(bitmap.any()))
        assert np.array_equal(back.coverage, masks.coverage)


@settings(max_examples=30, deadline=None)
@given(st.lists(bitmaps(), max_size=5))
def test_many_masks_at_once_are_each_alone(several: list[Bitmap]) -> None:
    hw = (480, 480)
    placed = [np.pad(b, ((0, 480 - b.shape[0]), (0, 480 - b.shape[1]))) for b in several]
    masks = mask_ops.from_bitmaps(placed)
    codes = mask_ops.to_coco_rle(masks, hw)
    assert codes == [coco_code(b) for b in placed]
    back = mask_ops.from_coco_rle(codes, hw)
    texts = mask_ops.to_challenge_runs(masks, hw)
    again = mask_ops.from_challenge_runs(texts, hw)
    for i, bitmap in enumerate(placed):
        for masks in (back, again):
            assert np.array_equal(bitmap_of(masks.select(np.array([i])), hw), bitmap)


def test_large_counts_and_large_differences() -> None:
    hw = (4096, 4096)
    bitmap = np.zeros(hw, np.bool_)
    bitmap[0, 0] = bitmap[:, 2000] = bitmap[3, 4000] = bitmap[-1, -1] = True
    (code,) = mask_ops.to_coco_rle(mask_ops.from_bitmaps([bitmap]), hw)
    assert code == coco_code(bitmap)
    assert np.array_equal(bitmap_of(mask_ops.from_coco_rle([code], hw), hw), bitmap)


def test_the_largest_frame_goes_there_and_back() -> None:
    hw = (mask_ops.MAX_FRAME_PIXELS // 2, 2)
    masks = CropMasks.pack_pixels([(1, hw[0] - 1)], [np.full((1, 1), 255, np.uint8)])
    (code,) = mask_ops.to_coco_rle(masks, hw)
    theirs = coco.frPyObjects({"size": list(hw), "counts": [2**28 - 1, 1]}, *hw)
    assert code == theirs["counts"]
    assert mask_ops.from_coco_rle([code], hw).boxes.tolist() == masks.boxes.tolist()


def test_no_masks_and_lists_without_counts() -> None:
    assert mask_ops.to_coco_rle(CropMasks.empty(), HW) == []
    assert mask_ops.to_challenge_runs(CropMasks.empty(), HW) == []
    assert len(mask_ops.from_coco_rle([], HW)) == len(mask_ops.from_challenge_runs([], HW)) == 0
    none, one = np.zeros(0, np.int64), np.array([1], np.int64)
    assert _compress([none, one, none, none, one, none]) == [b"", b"1", b"", b"", b"1", b""]


def test_masks_are_cut_to_the_frame() -> None:
    masks = CropMasks.pack_pixels([(-2, -2), (90, 90)], [np.full((4, 4), 255, np.uint8)] * 2)
    expected = np.zeros(HW, np.bool_)
    expected[:2, :2] = True
    assert mask_ops.to_coco_rle(masks, HW) == [coco_code(expected), coco_code(expected & False)]
    assert mask_ops.to_challenge_runs(masks, HW) == ["0 2|7 2|", ""]


# The challenge's runs, in a frame of 5 rows and 7 columns.


@pytest.mark.parametrize(
    ("text", "pixels_yx"),
    [
        ("", []),
        ("0 1|", [(0, 0)]),
        ("34 1|", [(4, 6)]),
        ("8 2|15 2|", [(1, 1), (1, 2), (2, 1), (2, 2)]),
        ("5 4|", [(0, 5), (0, 6), (1, 0), (1, 1)]),
        ("0 35|", [(y, x) for y in range(5) for x in range(7)]),
    ],
)
def test_challenge_runs_by_hand(text: str, pixels_yx: list[tuple[int, int]]) -> None:
    bitmap = np.zeros(HW, np.bool_)
    for y, x in pixels_yx:
        bitmap[y, x] = True
    assert np.array_equal(bitmap_of(mask_ops.from_challenge_runs([text], HW), HW), bitmap)
    assert mask_ops.to_challenge_runs(mask_ops.from_bitmaps([bitmap]), HW) == [text]


def test_neighbouring_runs_are_one_run() -> None:
    masks = mask_ops.from_challenge_runs(["3 2|5 3|8 1|"], HW)
    assert mask_ops.to_challenge_runs(masks, HW) == ["3 6|"]


@settings(max_examples=100, deadline=None)
@given(bitmaps())
def test_challenge_round_trip(bitmap: Bitmap) -> None:
    masks = mask_ops.from_bitmaps([bitmap])
    (text,) = mask_ops.to_challenge_runs(masks, bitmap.shape)
    flat = np.zeros(bitmap.size, np.bool_)
    for run in text.split("|")[:-1]:
        start, length = map(int, run.split(" "))
        flat[start : start + length] = True
    assert np.array_equal(flat.reshape(bitmap.shape), bitmap)
    back = mask_ops.from_challenge_runs([text], bitmap.shape)
    assert np.array_equal(back.coverage, masks.coverage)
    assert np.array_equal(back.boxes, masks.boxes)


# What is refused, and with which reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 1", "each ended by"),
        ("0 1||", "each ended by"),
        ("0  1|", "each ended by"),
        ("0 1|\n", "each ended by"),
        ("-1 2|", "each ended by"),
        ("1.0 2|", "each ended by"),
        ("\u0661 2|", "each ended by"),
        ("\u00b2 2|", "each ended by"),
        ("\ud800", "each ended by"),
        ("9" * 13 + " 1|", "each ended by"),
        ("999999999999 999999999999|", "run 0: runs ascend"),
        ("0 0|", "run 0: runs ascend"),
        ("34 2|", "run 0: runs ascend"),
        ("35 1|", "run 0: runs ascend"),
        ("0 3|2 1|", "run 1: runs ascend"),
        ("9 1|2 1|", "run 1: runs ascend"),
    ],
)
def test_challenge_runs_refused(text: str, reason: str) -> None:
    with pytest.raises(MaskError, match=reason):
        mask_ops.from_challenge_runs([text], HW)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (b"", r"add up .*expected 35, got 0"),
        (b"/", "byte 0: .*characters"),
        (b"S1p", "byte 2: .*characters"),
        (b"\x00", "byte 0: .*characters"),
        (b"\xff", "byte 0: .*characters"),
        ("S1\u0661", "byte 2: .*characters"),
        ("\ud800", "byte 0: .*characters"),
        ("S1\udc80", "byte 2: .*characters"),
        (b"S", "byte 0: .*ends within"),
        (b"oooooo", "byte 5: .*ends within"),
        (b"0oooooo0", "byte 1: .*at most 6"),
        (b"O", "count 0: .*negative.*got -1"),
        (b"S11", "add up"),
        (b"ooooo?", "add up"),
    ],
)
def test_coco_codes_refused(code: bytes | str, reason: str) -> None:
    with pytest.raises(MaskError, match=reason):
        mask_ops.from_coco_rle([code], HW)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ([], "add up"),
        ([34], "expected 35, got 34"),
        ([36], "expected 35, got 36"),
        ([36, -1], "count 1: .*negative"),
        ([35.0], "count 0: .*whole numbers.*35.0"),
        ([34.7, 1], "count 0: .*whole numbers"),
        ([float("nan"), 35], "count 0: .*whole numbers"),
        ([34, True], "count 1: .*whole numbers"),
        ([None], "count 0: .*whole numbers"),
        (["35"], "count 0: .*whole numbers"),
        (["\u0663\u0665"], "count 0: .*whole numbers"),
        ("\u0663\u0665", "count 0: .*whole numbers"),
        ([[35]], "count 0: .*whole numbers"),
        ([[30], [5]], "count 0: .*whole numbers"),
        ([10, [5], 20], "count 1: .*whole numbers"),
        ([10**5000], "count 0: .*below 2\\^63"),
        ([-(10**5000)], "count 0: .*below 2\\^63"),
        ([2**63 - 1, 2**63 - 1, 37], f"got {2**64 + 35}"),
        ([2**62] * 4 + [35], f"got {2**64 + 35}"),
    ],
)
def test_coco_counts_refused(counts: Sequence[object], reason: str) -> None:
    with pytest.raises(MaskError, match=reason):
        mask_ops.from_coco_counts([counts], HW)


@pytest.mark.parametrize(
    "hw", [(0, 5), (5, 0), (-1, -35), (2**14, 2**14 + 1), (2**32, 2**32), (10**400, 1)]
)
def test_impossible_frames_are_refused(hw: tuple[int, int]) -> None:
    doors: tuple[Callable[[], object], ...] = (
        lambda: mask_ops.from_coco_rle([b"S1"], hw),
        lambda: mask_ops.from_coco_counts([[35]], hw),
        lambda: mask_ops.from_challenge_runs(["0 1|"], hw),
        lambda: mask_ops.to_coco_rle(CropMasks.empty(), hw),
        lambda: mask_ops.to_challenge_runs(CropMasks.empty(), hw),
    )
    for door in doors:
        with pytest.raises(MaskError, match="a frame has 1"):
            door()


def test_memory_limit_is_looked_at_before_memory_is_taken() -> None:
    side = 2**14
    text, total = f"0 1|{side * side - 1} 1|", side * side
    too_many = mask_ops.MAX_COVERAGE_BYTES // total + 1
    tracemalloc.start()
    try:
        with pytest.raises(MaskError, match=f"may take {mask_ops.MAX_COVERAGE_BYTES} bytes"):
            mask_ops.from_challenge_runs([text] * too_many, (side, side))
        with pytest.raises(MaskError, match=f"may take {mask_ops.MAX_COVERAGE_BYTES} bytes"):
            mask_ops.from_coco_counts([[0, 1, total - 2, 1]] * too_many, (side, side))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_memory_is_the_masks_own_and_not_twice_that() -> None:
    counts = [[1000 * 1000, 1000 * 1000]] * 20
    tracemalloc.start()
    masks = mask_ops.from_coco_counts(counts, (1000, 2000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert masks.coverage.size == 20_000_000
    assert peak < 1.5 * masks.coverage.size


# Fuzz: any text gives a mask or a MaskError, and the mask is the one pycocotools sees.


def mutated(text: bytes, rng: random.Random, alphabet: bytes) -> bytes:
    """A few characters changed, put in, taken out or doubled."""
    out = bytearray(text)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            out[at : at + 1] = bytes([rng.choice(alphabet)])
        elif kind == 1:
            out[at:at] = bytes([rng.choice(alphabet)])
        elif kind == 2:
            del out[at : at + 1]
        else:
            out[at:at] = out[max(at - 3, 0) : at]
    return bytes(out)


def fuzz_inputs(
    count: int, valid: Callable[[random.Random], bytes], alphabet: bytes
) -> list[bytes]:
    """A third valid, a third valid ones damaged, a third of random characters or bytes."""
    rng = random.Random(7)
    anything = bytes(range(256))
    inputs = []
    for i in range(count):
        if i % 3 == 0:
            inputs.append(valid(rng))
        elif i % 3 == 1:
            inputs.append(mutated(valid(rng), rng, alphabet if rng.random() < 0.8 else anything))
        else:
            letters = alphabet if rng.random() < 0.7 else anything
            inputs.append(bytes(rng.choices(letters, k=rng.randrange(12))))
    return inputs


def tally(inputs: Sequence[bytes], decode: Callable[[bytes], CropMasks]) -> Counter[str]:
    """How many give a mask, and how many each reason; other errors pass through."""
    outcomes: Counter[str] = Counter()
    for text in inputs:
        try:
            masks = decode(text)
        except MaskError as error:
            outcomes[error.rule] += 1
        else:
            assert len(masks) == 1
            assert masks.in_pixel_form().all()
            outcomes["decoded"] += 1
    print(f"\n{len(inputs)} inputs: {dict(outcomes.most_common())}")
    return outcomes


def random_bitmap(rng: random.Random) -> Bitmap:
    level = rng.random()
    return np.array([[rng.random() < level for _ in range(HW[1])] for _ in range(HW[0])])


def test_fuzz_coco_codes() -> None:
    alphabet = bytes(range(48, 112))

    def decode(code: bytes) -> CropMasks:
        masks = mask_ops.from_coco_rle([code], HW)
        theirs = coco.decode({"size": list(HW), "counts": code}).astype(np.bool_)
        assert np.array_equal(bitmap_of(masks, HW), theirs), code
        return masks

    inputs = fuzz_inputs(FUZZ_COUNT, lambda rng: coco_code(random_bitmap(rng)), alphabet)
    outcomes = tally(inputs, decode)
    assert FUZZ_COUNT / 3 <= outcomes["decoded"] < FUZZ_COUNT / 2
    assert len(outcomes) == 6


def test_fuzz_challenge_runs() -> None:
    def valid(rng: random.Random) -> bytes:
        masks = mask_ops.from_bitmaps([random_bitmap(rng)])
        return mask_ops.to_challenge_runs(masks, HW)[0].encode()

    def decode(text: bytes) -> CropMasks:
        return mask_ops.from_challenge_runs([text.decode("utf-8", "surrogateescape")], HW)

    outcomes = tally(fuzz_inputs(FUZZ_COUNT, valid, b"0123456789 ||"), decode)
    assert FUZZ_COUNT / 3 <= outcomes["decoded"] < FUZZ_COUNT * 0.7
    assert len(outcomes) == 3


def test_fuzz_counts() -> None:
    rng = random.Random(7)
    odd = [-1, 0, 1.0, 0.5, True, None, "7", "\u0667", [7], 2**31, 2**63 - 1, 2**64, float("nan")]
    outcomes: Counter[str] = Counter()
    for i in range(FUZZ_COUNT):
        counts: list[object] = list(coco_counts(random_bitmap(rng)))
        for _ in range(i % 3):
            counts[rng.randrange(len(counts))] = rng.choice(odd)
        try:
            masks = mask_ops.from_coco_counts([counts], HW)
        except MaskError as error:
            outcomes[error.rule] += 1
        else:
            outcomes["decoded"] += 1
            code = coco.frPyObjects({"size": list(HW), "counts": counts}, *HW)
            theirs = coco.decode(code).astype(np.bool_)
            assert np.array_equal(bitmap_of(masks, HW), theirs), counts
    print(f"\n{FUZZ_COUNT} inputs: {dict(outcomes.most_common())}")
    assert outcomes["decoded"] >= FUZZ_COUNT / 3
    assert len(outcomes) == 5
