"""The doctor: every kind of fault planted and found, clean sets left in peace.

TINYSEG_FAULTS sets how often each fault is planted, at another place each time.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from _clean_sets import FRAMES, Planted, clean
from _planted import PLANTS
from _spoiled_labels import with_val

from tinyseg.doctor import Findings, Place, Severity, examination_of, examine, kinds
from tinyseg.doctor.kinds import FaultKind
from tinyseg.labels import WAD_CLASSES
from tinyseg.scenes import write_wad

ROUNDS = int(os.environ.get("TINYSEG_FAULTS", "1"))
REAL = Path(__file__).parents[2] / "shared/data"

UNPLANTED = {kinds.CHECK_FAILED, kinds.CLASS_ABSENT, kinds.HALF_MISSING, kinds.LABEL_REFUSED}
"""A bug of ours; what every small set shows; and what other formats alone have."""


def look(made: Planted, *, fast: bool = False) -> Findings:
    plan = examination_of(Place(made.root, made.listed), made.val, WAD_CLASSES)
    return examine(plan, WAD_CLASSES, fast=fast, threads=1)


def told(findings: Findings) -> dict[FaultKind, list[str]]:
    """Places and details by kind."""
    return {g.kind: [f"{one.place}: {one.detail}" for one in g.examples] for g in findings.groups}


def loud(findings: Findings) -> dict[FaultKind, list[str]]:
    """Errors and warnings alone."""
    return {k: v for k, v in told(findings).items() if k.severity is not Severity.note}


def test_every_kind_is_planted() -> None:
    every = {value for value in vars(kinds).values() if isinstance(value, FaultKind)}
    assert {plant.kind for plant in PLANTS.values()} == every - UNPLANTED
    assert len({kind.code for kind in every}) == len(every)
    assert len(every - UNPLANTED) >= 30


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_named(tmp_path: Path, name: str) -> None:
    plant = PLANTS[name]
    for seed in range(ROUNDS):
        rng = np.random.default_rng([seed, *name.encode()])
        made = clean(tmp_path / str(seed), plant.format, rng, plant.frames)
        place = plant.planter(made, rng)
        findings = look(made)
        found = told(findings)
        assert any(place in words for words in found.get(plant.kind, [])), (seed, place, found)
        assert loud(findings).keys() <= {plant.kind, *plant.also}, (seed, found)


@pytest.mark.parametrize("format", ["wad", "cityscapes", "coco"])
def test_clean_sets_are_left_in_peace(tmp_path: Path, format: str) -> None:
    for seed in range(ROUNDS):
        rng = np.random.default_rng(seed)
        made = clean(tmp_path / str(seed), format, rng)
        if format == "wad":
            with_val(made, rng)
        findings = look(made)
        assert told(findings).keys() <= {kinds.CLASS_ABSENT}, told(findings)
        assert findings.parts[0].frames == FRAMES


def test_the_generators_scenes_are_clean(tmp_path: Path) -> None:
    for seed in range(1, 1 + ROUNDS):
        write_wad(tmp_path / str(seed), count=2, seed=seed, height=256, width=320, zoom=4.0)
        findings = look(Planted(tmp_path / str(seed), "wad", []))
        assert loud(findings) == {}
        assert findings.parts[0].frames == 2


@pytest.mark.parametrize(("name", "listed"), [("wad", "val.txt"), ("cityscapes", None)])
def test_real_frames_are_clean(name: str, listed: str | None) -> None:
    if not (REAL / name).is_dir():
        pytest.skip(f"the real frames are not here: {REAL / name}")
    root = REAL / name
    place = Place(root, None if listed is None else root / listed)
    findings = examine(examination_of(place, None, WAD_CLASSES), WAD_CLASSES, fast=True)
    assert loud(findings) == {}
