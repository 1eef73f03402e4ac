"""Randomness: a generator for each decision, recomputed from what the decision is about.

Nothing is drawn from a shared state, so any sample can be made again alone, on any process.
"""

import zlib

import numpy as np


def rng(seed: int, index: int, purpose: str) -> np.random.Generator:
    """The generator of one decision: the same for the same three, and independent of all others."""
    return np.random.default_rng([seed, index, zlib.crc32(purpose.encode())])
