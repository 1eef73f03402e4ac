"""Weights as files: found by name, and what they say beside their tensors. Without torch.

In: a weights file of ours, or a run's folder that holds one. Out: what its header holds: recipe,
prior, notes, checksum. Refused: files of others, damaged ones, and headers that cannot be read.

By name there are the package's own, which lie in `tinyseg/weights/` and need no network, and
published ones, which are fetched once (`tinyseg.downloads`). Refused: a name that is neither known
nor a path, and the package's own where it brings none.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open

from tinyseg.downloads import COCO, OnProgress, fetch
from tinyseg.errors import DataError, RecipeError, WeightsError
from tinyseg.recipes import Recipe, recipe_from_tree
from tinyseg.views import LocationPrior, prior_from_json

WEIGHTS_NAME = "weights.safetensors"
FORMAT = "tinyseg-weights/1"

PRIOR, CALIBRATION, LICENCE, CARD = "prior", "calibration", "licence", "card"
"""The header's keys of what a file may bring along."""


def weights_file(path: Path) -> Path:
    """The file itself, or the one in a run's folder."""
    return path / WEIGHTS_NAME if path.is_dir() else path


def file_sha256(path: Path) -> str:
    """The sha256 of a weights file, or of the one in a run's folder; raises WeightsError where
    there is none."""
    try:
        with weights_file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise WeightsError("no such weights file", path=weights_file(path)) from None


def read_header(path: Path) -> dict[str, str]:
    """What stands beside the tensors of a weights file of ours, or of the one in a run's folder."""
    file = weights_file(path)
    if not file.is_file():
        raise WeightsError("no such weights file", path=file)
    try:
        with safe_open(file, framework="numpy") as opened:
            header: dict[str, str] = opened.metadata() or {}
    except (SafetensorError, OSError):
        raise WeightsError("damaged, or not a safetensors file", path=file) from None
    check_format(header, file)
    return header


def check_format(header: Mapping[str, str], path: Path) -> None:
    found = header.get("format")
    if found != FORMAT:
        raise WeightsError("not a weights file of ours", path=path, expected=FORMAT, got=found)


def read_recipe(path: Path) -> Recipe:
    """The recipe of a weights file or a run's folder; reads no tensor."""
    file = weights_file(path)
    return recipe_of(read_header(file), file)


def recipe_of(header: Mapping[str, str], path: Path) -> Recipe:
    """The recipe that a file's header holds."""
    try:
        return recipe_from_tree(json.loads(header["recipe"]))
    except (KeyError, json.JSONDecodeError):
        raise WeightsError("the file's recipe cannot be read", path=path) from None
    except RecipeError as error:
        rule = "the file's recipe cannot be read"
        raise WeightsError(rule, path=path, where=error.where, got=error.rule) from None


def read_weights_prior(path: Path) -> LocationPrior | None:
    """The prior of a weights file or a run's folder, None where it has none; reads no tensor."""
    file = weights_file(path)
    return prior_of(read_header(file), file)


def prior_of(header: Mapping[str, str], path: Path) -> LocationPrior | None:
    """The prior that a file's header holds, None where there is none."""
    if PRIOR not in header:
        return None
    try:
        return prior_from_json(header[PRIOR], path=path)
    except DataError as error:
        rule = "the file's prior cannot be read"
        raise WeightsError(rule, path=path, where=error.where, got=error.rule) from None


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


def read_notes(path: Path) -> Notes:
    """The notes of a weights file or a run's folder; reads no tensor."""
    file = weights_file(path)
    return Notes.of(read_header(file), file)


OWN = "tinyseg-lite"
"""The package's own weights, which are used where none are named."""

OWN_FILE = Path(__file__).parent / "weights" / f"{OWN}.safetensors"

PUBLISHED = {
    "coco-r50": "maskrcnn_resnet50_fpn_v2_coco",
    "coco-r50-v1": "maskrcnn_resnet50_fpn_coco",
}
"""torchvision's networks trained on COCO, by the names that `predict` takes."""

_PUBLISHED_FIGURES = {"coco-r50": (177.2, 41.8), "coco-r50-v1": (169.8, 34.6)}
"""Megabytes, and the publisher's own mask AP in per cent on COCO's val2017."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Weights that have a name, and what one wants to know before using them. `place` is the file,
    or the address that it is fetched from on first use."""

    name: str
    place: Path | str
    size_mb: float
    classes: str
    licence: str
    figures: str


def offers() -> list[Offer]:
    """All weights that can be named, the package's own first; fetches nothing."""
    every = []
    if OWN_FILE.is_file():
        header = read_header(OWN_FILE)
        notes, size_mb = Notes.of(header, OWN_FILE), OWN_FILE.stat().st_size / 1e6
        classes = ", ".join(recipe_of(header, OWN_FILE).classes)
        licence, figures = (notes.licence or "").strip(), notes.card.get("figures", "")
        every.append(Offer(OWN, OWN_FILE, size_mb, classes, licence, figures))
    for name, (size_mb, mask_ap) in _PUBLISHED_FIGURES.items():
        published = COCO[PUBLISHED[name]]
        place = published.kept_at if published.kept_at.is_file() else published.url
        classes = "the same but tricycle, which COCO does not have"
        licence = "BSD-3-Clause, torchvision's; trained on COCO's pictures"
        figures = f"mask AP {mask_ap} % on COCO's val2017, as torchvision says"
        every.append(Offer(name, place, size_mb, classes, licence, figures))
    return every


def find_weights(name: str | None, *, on_progress: OnProgress) -> Path:
    """The path of the weights of this name; the package's own if it is None."""
    if name is not None and Path(name).exists():
        return Path(name)
    if name is None or name == OWN:
        return own_weights()
    if name in PUBLISHED:
        return fetch(COCO[PUBLISHED[name]], on_progress=on_progress)
    known = " | ".join(("a file or folder", OWN, *PUBLISHED))
    raise WeightsError("no such weights file", path=name, expected=known)


def own_weights() -> Path:
    """The package's own weights file."""
    if not OWN_FILE.is_file():
        rule = "this package brings no weights of its own: name some"
        expected = " | ".join(("a run's folder", *PUBLISHED))
        raise WeightsError(rule, path=OWN_FILE, expected=expected)
    return OWN_FILE
