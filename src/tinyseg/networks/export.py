"""A trained run -> one small file to give away, and what such a file says about itself.

In: a run's folder or a weights file, and what shall stand beside the weights: how `predict` looks
by default, the score calibration, the licence and the model card's fields. Out: a weights file in
half precision, without the statistics of its norms (`weights.py`). Recipe and location prior are
carried over. Refused: settings that would change the network or its classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyseg.errors import RecipeError, WeightsError
from tinyseg.model import Detector
from tinyseg.networks.network import keep_as_predicted
from tinyseg.networks.shared import load_shared
from tinyseg.networks.weights import FOLDED, folded, halved, load_detector, write_safetensors
from tinyseg.recipes import Recipe, with_settings
from tinyseg.stored import (
    CALIBRATION,
    CARD,
    FORMAT,
    LICENCE,
    PRIOR,
    Notes,
    file_sha256,
    read_header,
    weights_file,
)

KEPT = (PRIOR, CALIBRATION, LICENCE, CARD)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: recipe, checksum, bytes, and the numbers in the file's tensors."""

    recipe: Recipe
    sha256: str
    size_bytes: int
    numbers: int


@dataclass(frozen=True, slots=True)
class Given:
    """What is exported: the network, set to keep what prediction keeps, its recipe with the wished
    settings, what shall stand beside it, and its own file with its checksum."""

    detector: Detector
    recipe: Recipe
    header: Mapping[str, str]
    file: Path
    sha256: str


def given_to_export(
    source: Path, *, settings: Sequence[str] = (), notes: Notes | None = None
) -> Given:
    """Of a weights file, a run's folder or torchvision's COCO checkpoint; what the notes leave out
    is taken from the source."""
    file = weights_file(source)
    if file.suffix == ".pth":
        (detector, recipe), kept = load_shared(file), {}
    else:
        detector, recipe = load_detector(file)
        kept = {key: text for key, text in read_header(file).items() if key in KEPT}
    for setting in settings:
        if not setting.startswith("predict."):
            rule = "an exported network changes in its use alone"
            raise RecipeError(rule, where="settings", expected="predict.KEY=VALUE", got=setting)
    changed = with_settings(recipe, settings)
    keep_as_predicted(detector, changed)
    header = kept if notes is None else kept | notes.to_header()
    return Given(detector, changed, header, file, file_sha256(file))


def export_weights(
    source: Path, target: Path, *, settings: Sequence[str] = (), notes: Notes | None = None
) -> Exported:
    """Write the source's network to the target in half precision; what the notes leave out is
    taken from the source."""
    return write_weights(given_to_export(source, settings=settings, notes=notes), target)


def write_weights(given: Given, target: Path) -> Exported:
    """Write the network in half precision; refused: torchvision's own, and numbers too large."""
    if given.file.suffix == ".pth":
        raise WeightsError("torchvision's checkpoints are no weights of ours", path=given.file)
    state, norms = folded(given.detector)
    try:
        small = halved(state)
    except WeightsError as error:
        raise error.at(path=given.file) from None
    told = {
        "format": FORMAT,
        "recipe": given.recipe.model_dump_json(),
        FOLDED: " ".join(norms),
    }
    sha256 = write_safetensors(target, small, told | dict(given.header))
    numbers = sum(value.numel() for value in small.values())
    return Exported(given.recipe, sha256, target.stat().st_size, numbers)
