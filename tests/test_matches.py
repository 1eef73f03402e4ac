"""Matching and average precision: pycocotools' own figures, and bootstrap samples spelt out."""

import numpy as np
import pytest
from _drawn import CLASSES, RANGES, Drawn, draw_frame, pycocotools_averages, to_records
from hypothesis import given, settings, strategies as st

from tinyseg.scoring.curves import average_precision
from tinyseg.scoring.matches import Within, gather, match
from tinyseg.scoring.pairs import pair_frames

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def own_figures(frames: list[Drawn], label: int | None, most: int) -> list[float]:
    predictions, truth = to_records(frames)
    pairs = pair_frames(predictions, truth, classes=CLASSES, max_detections=most)
    pool = gather(pairs, label, max_detections=most)
    ranges = [Within((low, high)) for low, high in RANGES.values()]
    aps = [average_precision(match(pool, within)) for within in ranges]
    means = [float(ap.mean()) for ap in aps]
    return [float(aps[0][0]), float(aps[0][5]), *means[1:], means[0]]


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 4), st.sampled_from([300, 300, 10, 11]))
def test_average_precision_equals_pycocotools(seed: int, count: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [draw_frame(rng, most_found=25) for _ in range(count)]
    _, by_class = pycocotools_averages(frames, len(CLASSES), most)
    as_one, _ = pycocotools_averages(frames, 1, most)
    for label, expected in [(None, as_one), *enumerate(by_class)]:
        own = own_figures(frames, label, most)
        np.testing.assert_allclose(own, expected, rtol=0, atol=1e-9, equal_nan=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_weights_count_frames_as_often(seed: int) -> None:
    """A sample by weights scores as the same frames written out as often."""
    rng = np.random.default_rng(seed)
    frames = [draw_frame(rng, most_found=10) for _ in range(3)]
    # Of equal scores the order is a convention, and copies of a frame would come one by one.
    frames = [
        f._replace(found=[(bitmap, c, rng.random()) for bitmap, c, _ in f.found]) for f in frames
    ]
    predictions, truth = to_records(frames)
    pairs = pair_frames(predictions, truth, classes=CLASSES)
    weights = rng.integers(0, 4, (2, 3))
    matches = match(gather(pairs))
    for sample in weights:
        own = average_precision(matches, sample)
        written_out = [
            frame for frame, times in zip(pairs, sample, strict=True) for _ in range(times)
        ]
        expected = average_precision(match(gather(written_out)))
        np.testing.assert_allclose(own, expected, rtol=0, atol=1e-12, equal_nan=True)
