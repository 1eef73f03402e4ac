"""A trained run -> one small file to give away, and what such a file says about itself.

In: a run's folder or a weights file, and what shall stand beside the weights: how `predict` looks
by default, the score calibration, the licence and the model card's fields. Out: a weights file in
half precision, without the statistics of its norms (`compact.py`). Recipe and location prior are
carried over. Refused: settings that would change the network or its classes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyseg.build.compact import FOLDED, folded, halved
from tinyseg.build.network import keep_as_predicted
from tinyseg.build.shared import load_shared
from tinyseg.build.weights import (
    FORMAT,
    PRIOR,
    file_sha256,
    load_detector,
    read_header,
    weights_file,
    write_safetensors,
)
from tinyseg.errors import RecipeError, WeightsError
from tinyseg.model.detector import Detector
from tinyseg.recipes import Recipe, with_settings

CALIBRATION, LICENCE, CARD = "calibration", "licence", "card"
"""The header's keys of the texts that a file may bring along."""

KEPT = (PRIOR, CALIBRATION, LICENCE, CARD)


@dataclass(frozen=True, slots=True)
class Notes:
    """What stands beside the weights: calibration (JSON), licence, card; None where it does not."""

    calibration: str | None = None
    licence: str | None = None
    card: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(header: Mapping[str, str], path: Path) -> "Notes":
        """The notes that a file's header holds."""
        try:
            card = json.loads(header.get(CARD, "{}"))
        except json.JSONDecodeError:
            raise WeightsError("the file's card is not JSON", path=path) from None
        if not isinstance(card, dict):
            raise WeightsError("a card is a JSON object", path=path, got=type(card).__name__)
        texts = {str(key): str(value) for key, value in card.items()}
        return Notes(header.get(CALIBRATION), header.get(LICENCE), texts)

    def to_header(self) -> dict[str, str]:
        """The entries of a file's header, without those that are not there."""
        card = json.dumps(dict(self.card), sort_keys=True) if self.card else None
        texts = {CALIBRATION: self.calibration, LICENCE: self.licence, CARD: card}
        return {key: text for key, text in texts.items() if text is not None}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: recipe, checksum, bytes, and the numbers in the file's tensors."""

    recipe: Recipe
    sha256: str
    size_bytes: int
    numbers: int


def read_notes(path: Path) -> Notes:
    """The notes of a weights file or a run's folder; reads no tensor."""
    file = weights_file(path)
    return Notes.of(read_header(file), file)


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
    changed = _use_only(recipe, settings)
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


def _use_only(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with these settings, which may only say how the network is used."""
    for setting in settings:
        if not setting.startswith("predict."):
            rule = "an exported network changes in its use alone"
            raise RecipeError(rule, where="--set", expected="predict.KEY=VALUE", got=setting)
    return with_settings(recipe, settings)
