"""Ensembles as one file: which networks, how much each counts, what their scores mean, the plan.

YAML or JSON; paths are relative to the file, and each weights file has to have the sha256 that is
written beside it:

    format: tinyseg-ensemble/1
    members:
      - {weights: a/weights.safetensors, sha256: 3f..., weight: 1.0, calibration: a/scores.json}
      - {weights: b/weights.safetensors, sha256: 91..., weight: 0.5}
    plan: {parts: [{whole: {short_side: 1800}}], flip: true}

Refused: unknown keys, missing files, and weights that are not those the file was written for.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, PositiveFloat

from tinyseg.calibration import read_calibration
from tinyseg.checked import checked, read_tree
from tinyseg.errors import DataError, RecipeError, WeightsError
from tinyseg.exporting import is_exported
from tinyseg.files import write_whole
from tinyseg.predict.backends import IN_TORCH, Backend
from tinyseg.predict.members import Member, load_adapted, load_member
from tinyseg.recipes import Section
from tinyseg.stored import WEIGHTS_NAME, file_sha256
from tinyseg.views import LocationPrior, Plan

ENDINGS = frozenset({".yaml", ".yml", ".json"})


class MemberFile(Section):
    """Where a network's weights and calibration lie, and how much it counts; `adapter` is the form
    of a file that is not ours."""

    weights: Path
    adapter: str | None = None
    sha256: str | None = None
    weight: PositiveFloat = 1.0
    calibration: Path | None = None


class EnsembleFile(Section):
    """What an ensemble's file says; `plan` is None for the first member's own."""

    format: Literal["tinyseg-ensemble/1"] = "tinyseg-ensemble/1"
    members: Annotated[tuple[MemberFile, ...], Field(min_length=1)]
    plan: Plan | None = None


def is_ensemble(path: Path) -> bool:
    """Whether the path is an ensemble's file by its ending."""
    return path.suffix.lower() in ENDINGS


def read_ensemble(path: Path) -> EnsembleFile:
    """What the file says, with its paths made to start from where the reader is."""
    ensemble = checked(EnsembleFile, read_tree(path), path=path)
    folder, plan = path.parent, ensemble.plan
    update = {
        "members": tuple(_moved(one, folder) for one in ensemble.members),
        "plan": None if plan is None else plan.with_priors(lambda prior: folder / prior),
    }
    return ensemble.model_copy(update=update)


def _moved(member: MemberFile, folder: Path) -> MemberFile:
    calibration = None if member.calibration is None else folder / member.calibration
    update = {"weights": folder / member.weights, "calibration": calibration}
    return member.model_copy(update=update)


def write_ensemble(path: Path, members: Sequence[MemberFile], plan: Plan | None = None) -> None:
    """Write an ensemble's file; paths become relative to it, checksums are those of now."""
    folder = path.parent
    if plan is not None:
        if any(p.focus and isinstance(p.focus.prior, LocationPrior) for p in plan.parts):
            raise RecipeError("a plan in a file names its prior by a path", path=path)
        plan = plan.with_priors(lambda prior: Path(os.path.relpath(prior, folder)))
    ensemble = EnsembleFile(members=tuple(_relative(m, folder) for m in members), plan=plan)
    tree = ensemble.model_dump(mode="json")
    write_whole(path, yaml.safe_dump(tree, sort_keys=False).encode())


def _relative(member: MemberFile, folder: Path) -> MemberFile:
    weights = member.weights / WEIGHTS_NAME if member.weights.is_dir() else member.weights
    if not weights.is_file():
        raise WeightsError("no such weights file", path=weights)
    calibration = member.calibration
    return MemberFile(
        weights=Path(os.path.relpath(weights, folder)),
        adapter=member.adapter,
        sha256=file_sha256(weights),
        weight=member.weight,
        calibration=None if calibration is None else Path(os.path.relpath(calibration, folder)),
    )


def load(
    member: MemberFile, backend: Backend = IN_TORCH, *, detections: int | None = None
) -> Member:
    """The network of one member, its weights checked against their sha256, set to keep so many
    instances; in torch where its exported form keeps fewer and no runtime was asked for."""
    loaded = _load(member, backend)
    if detections is None:
        return loaded
    try:
        loaded.network.keep(detections)
    except DataError as error:
        if not backend.auto or member.adapter is not None or is_exported(member.weights):
            raise
        backend.tell(f"{member.weights} stays in torch: {error.rule}")
        loaded = _load(member, replace(backend, name="torch"))
        loaded.network.keep(detections)
    return loaded


def _load(member: MemberFile, backend: Backend) -> Member:
    calibration = None if member.calibration is None else read_calibration(member.calibration)
    if member.adapter is None:
        loaded = load_member(
            member.weights, weight=member.weight, calibration=calibration, backend=backend
        )
    else:
        foreign = load_adapted(member.weights, member.adapter)
        loaded = replace(foreign, weight=member.weight, calibration=calibration)
    if member.sha256 is not None and loaded.sha256 != member.sha256:
        rule = "not the weights that the ensemble was made with"
        raise WeightsError(
            rule, path=member.weights, expected=f"sha256 {member.sha256}", got=loaded.sha256
        )
    return loaded


def load_members(path: Path, backend: Backend = IN_TORCH) -> tuple[tuple[Member, ...], Plan | None]:
    """The members of an ensemble's file and its plan, or the one network of a weights file."""
    if not is_ensemble(path):
        return (load_member(path, backend=backend),), None
    ensemble = read_ensemble(path)
    return tuple(load(member, backend) for member in ensemble.members), ensemble.plan
