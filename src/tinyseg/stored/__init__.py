"""Weights as files: found by name, and what they say without a tensor; torch is not needed.

header.py   a weights file's recipe, prior, notes and checksum
named.py    the package's own weights, and published ones by name
"""

from tinyseg.stored.header import (
    CALIBRATION,
    CARD,
    FORMAT,
    LICENCE,
    PRIOR,
    WEIGHTS_NAME,
    Notes,
    check_format,
    file_sha256,
    prior_of,
    read_header,
    read_notes,
    read_recipe,
    read_weights_prior,
    recipe_of,
    weights_file,
)
from tinyseg.stored.named import OWN, PUBLISHED, find_weights, own_weights

__all__ = [
    "CALIBRATION",
    "CARD",
    "FORMAT",
    "LICENCE",
    "OWN",
    "PRIOR",
    "PUBLISHED",
    "WEIGHTS_NAME",
    "Notes",
    "check_format",
    "file_sha256",
    "find_weights",
    "own_weights",
    "prior_of",
    "read_header",
    "read_notes",
    "read_recipe",
    "read_weights_prior",
    "recipe_of",
    "weights_file",
]
