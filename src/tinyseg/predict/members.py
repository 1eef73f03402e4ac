"""Member: one network of an ensemble, with its weight, its calibration and its location prior.

In: a weights file, a run's folder, torchvision's COCO checkpoint, or an exported file. Out: the
network, what its recipe says of prediction, the prior and calibration of its file if it has them,
and the file's sha256, by which results know whose they are. Members of an ensemble have one class
list, or are refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tinyseg.adapters import load_yolo_seg
from tinyseg.calibration import Calibration, noted_calibration
from tinyseg.errors import OutputError, RecipeError, WeightsError
from tinyseg.exporting import ExportedFile, is_exported, kept_export, open_exported, read_exported
from tinyseg.frame import Instances
from tinyseg.network import Network
from tinyseg.predict.backends import IN_TORCH, Backend
from tinyseg.recipes import Predict
from tinyseg.stored import (
    CALIBRATION,
    Notes,
    file_sha256,
    prior_of,
    read_notes,
    read_weights_prior,
    recipe_of,
)
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
    backend: str = "torch"
    """What runs it."""

    def calibrated(self, found: Instances) -> Instances:
        """The instances with calibrated scores, if there is a calibration."""
        if self.calibration is None:
            return found
        scores = self.calibration(found.scores, found.labels, self.network.classes)
        return replace(found, scores=scores)


def load_member(
    path: Path,
    *,
    weight: float = 1.0,
    calibration: Calibration | None = None,
    backend: Backend = IN_TORCH,
) -> Member:
    """A member from a weights file, a run's folder, torchvision's COCO checkpoint (.pth), or an
    exported file (.onnx, .xml).

    Without a calibration it takes the one that the file brings.
    """
    if is_exported(path):
        member = _exported(path, read_exported(path), backend)
    elif backend.name == "torch":
        member = _in_torch(path)
    else:
        member = _ready(path, backend)
    own = member.calibration if calibration is None else calibration
    return replace(member, weight=weight, calibration=own)


def _in_torch(path: Path) -> Member:
    from tinyseg.networks import load_detector, load_shared  # torch takes seconds to import
    from tinyseg.predict.detector_network import DetectorNetwork

    if path.suffix == ".pth":
        detector, recipe = load_shared(path)
        notes = Notes()
        prior = None
    else:
        detector, recipe = load_detector(path)
        notes, prior = read_notes(path), read_weights_prior(path)
    calibration = noted_calibration(notes.calibration, path=path)
    network = DetectorNetwork(detector, recipe)
    return Member(network, recipe.predict, 1.0, calibration, file_sha256(path), prior)


def _ready(path: Path, backend: Backend) -> Member:
    """The network in its exported form, which is made if it is not there; it is itself no other."""
    try:
        exported, file = kept_export(path) or _exported_now(path, backend)
    except (WeightsError, OutputError) as error:
        if not backend.auto:
            raise
        member = _in_torch(path)  # or tells what is wrong with the file itself
        backend.tell(f"{path} stays in torch: {error}")
        return member
    return replace(_exported(exported, file, backend), sha256=file_sha256(path))


def _exported_now(path: Path, backend: Backend) -> tuple[Path, ExportedFile]:
    from tinyseg.exporting import keep_export  # torch takes seconds to import

    return keep_export(path, tell=backend.tell)


def _exported(path: Path, file: ExportedFile, backend: Backend) -> Member:
    runtime = backend.for_exported(path)
    network = open_exported(path, runtime, threads=backend.threads, file=file)
    recipe = recipe_of(file.notes, path)
    calibration = noted_calibration(file.notes.get(CALIBRATION), path=path)
    prior, sha256 = prior_of(file.notes, path), file_sha256(path)
    return Member(network, recipe.predict, 1.0, calibration, sha256, prior, runtime)


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
    sha256 = file_sha256(beside if beside.is_file() else path)
    return replace(member_of(network), sha256=sha256, backend=adapter)


def own_prior(members: Sequence[Member]) -> LocationPrior | None:
    """The prior of the first network that brings one."""
    return next((member.prior for member in members if member.prior is not None), None)


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
