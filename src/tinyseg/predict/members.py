"""Member: one network of an ensemble, with its weight, its calibration and its location prior.

In: a weights file, a run's folder, or torchvision's COCO checkpoint. Out: the network, what its
recipe says of prediction, the prior and calibration of its file if it has them,
and the file's sha256, by which results know whose they are. Members of an ensemble have one class
list, or are refused.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tinyseg.adapters import load_yolo_seg
from tinyseg.build import (
    WEIGHTS_NAME,
    load_detector,
    load_shared,
    read_notes,
    read_weights_prior,
)
from tinyseg.calibrate import Calibration, calibration_from_json
from tinyseg.errors import RecipeError
from tinyseg.frame import Instances
from tinyseg.network import Network
from tinyseg.predict.detector_network import DetectorNetwork
from tinyseg.recipes import Predict
from tinyseg.views import LocationPrior


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A network and how it looks; how much its word counts; what its scores mean."""

    network: Network
    predict: Predict = field(default_factory=Predict)
    weight: float = 1.0
    calibration: Calibration | None = None
    sha256: str = ""
    prior: LocationPrior | None = None

    def calibrated(self, found: Instances) -> Instances:
        """The instances with calibrated scores, if there is a calibration."""
        if self.calibration is None:
            return found
        return replace(found, scores=self.calibration(found.scores))


def load_member(
    path: Path, *, weight: float = 1.0, calibration: Calibration | None = None
) -> Member:
    """A member from a weights file, a run's folder, or torchvision's COCO checkpoint (.pth).

    Without a calibration it takes the one that the file brings.
    """
    foreign = path.suffix == ".pth"
    detector, recipe = load_shared(path) if foreign else load_detector(path)
    prior = None if foreign else read_weights_prior(path)
    if calibration is None and not foreign:
        calibration = _own_calibration(path)
    network = DetectorNetwork(detector, recipe)
    return Member(network, recipe.predict, weight, calibration, file_sha256(path), prior)


def member_of(network: Network) -> Member:
    """A member that is somebody else's network: its views have its own input size."""
    inner = network.limits.input_hw
    if inner is None:
        return Member(network)
    return Member(network, Predict(short_side=min(inner), longest_side=max(inner), input_hw=inner))


ADAPTERS: dict[str, Callable[[Path], Network]] = {"yolo-seg": load_yolo_seg}
"""Networks of other libraries' files, by form."""


def load_adapted(path: Path, adapter: str) -> Member:
    """A member from a file of this form; raises RecipeError for a form that is not known."""
    if adapter not in ADAPTERS:
        raise RecipeError("no adapter of this name", expected=" | ".join(ADAPTERS), got=adapter)
    beside = path.with_suffix(".bin")  # where OpenVINO keeps the weights
    network = ADAPTERS[adapter](path)
    return replace(member_of(network), sha256=file_sha256(beside if beside.is_file() else path))


def _own_calibration(path: Path) -> Calibration | None:
    text = read_notes(path).calibration
    return None if text is None else calibration_from_json(text, path=path)


def allow(member: Member, detections: int) -> None:
    """From now on at least so many instances of a view, of a network of ours."""
    if isinstance(member.network, DetectorNetwork):
        head = member.network.detector.box_head
        head.rules = replace(head.rules, detections=max(head.rules.detections, detections))


def own_prior(members: Sequence[Member]) -> LocationPrior | None:
    """The prior of the first network that brings one."""
    return next((member.prior for member in members if member.prior is not None), None)


def file_sha256(path: Path) -> str:
    """The sha256 of a weights file, or of the one in a run's folder."""
    with (path / WEIGHTS_NAME if path.is_dir() else path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def common_classes(members: Sequence[Member]) -> tuple[str, ...]:
    """The class list of all members; raises RecipeError without members or where lists differ."""
    if not members:
        raise RecipeError("a prediction needs at least one network")
    classes = members[0].network.classes
    for place, member in enumerate(members):
        if member.network.classes != classes:
            rule = "the networks of an ensemble have one class list"
            got = ", ".join(member.network.classes)
            raise RecipeError(rule, where=f"member {place}", expected=", ".join(classes), got=got)
    return classes
