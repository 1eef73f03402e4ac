"""Weights files: ours, and states under torchvision's names.

One .safetensors carries its recipe (classes included) in its header, so a file alone is enough to
predict; a location prior may stand beside it. torchvision's checkpoints (.pth, .safetensors) load
through torchvision_keys; no pickle is ever loaded with weights_only=False. Files are written
beside, synced and renamed; a damaged or foreign file is refused with the reason.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tinyseg.errors import WeightsError
from tinyseg.files import write_whole
from tinyseg.model import Detector, set_norm_eps
from tinyseg.networks.compact import FOLDED, as_float32, unfolded
from tinyseg.networks.network import build_detector
from tinyseg.recipes import Recipe
from tinyseg.stored import FORMAT, PRIOR, check_format, recipe_of, weights_file
from tinyseg.torchvision_keys import looks_like_torchvision, translate
from tinyseg.views import LocationPrior, prior_to_json


def save_weights(
    path: Path, detector: nn.Module, recipe: Recipe, *, prior: LocationPrior | None = None
) -> str:
    """Write weights, recipe and prior to one file, all or nothing; returns its sha256."""
    header = {"format": FORMAT, "recipe": recipe.model_dump_json()}
    state = {name: t.detach().cpu().contiguous() for name, t in detector.state_dict().items()}
    header |= {} if prior is None else {PRIOR: prior_to_json(prior)}
    return write_safetensors(path, state, header)


def put_prior(path: Path, prior: LocationPrior) -> str:
    """Give a weights file (or the one in a run's folder) this prior, in place of its own if it has
    one; recipe and tensors stay. Returns the new sha256: an ensemble's file names the old one."""
    file = weights_file(path)
    state, header = read_safetensors(file)
    check_format(header, file)
    return write_safetensors(file, state, header | {PRIOR: prior_to_json(prior)})


def write_safetensors(path: Path, state: Mapping[str, Tensor], header: dict[str, str]) -> str:
    """Write tensors and header to one file, all or nothing; returns its sha256."""
    data = _sorted_header(save(dict(state), metadata=header))
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def _sorted_header(data: bytes) -> bytes:
    """The same safetensors file with its header's keys in order: equal weights, equal bytes."""
    start = 8 + int.from_bytes(data[:8], "little")
    text = json.dumps(json.loads(data[8:start]), sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, memoryview(data)[start:]])


def load_detector(path: Path) -> tuple[Detector, Recipe]:
    """Network and recipe from a weights file, or from a run's folder that holds one."""
    file = weights_file(path)
    state, recipe = read_own(file)
    detector = build_detector(recipe)
    load_state(detector, state, path=file)
    return detector, recipe


def read_own(path: Path) -> tuple[dict[str, Tensor], Recipe]:
    """The state, in float32, and the recipe of a weights file of ours."""
    state, header = read_safetensors(path)
    check_format(header, path)
    norms = header.get(FOLDED, "").split()
    try:
        return unfolded(as_float32(state), norms), recipe_of(header, path)
    except KeyError as error:
        raise WeightsError("a norm has no weight", path=path, where=str(error.args[0])) from None


def our_names(state: Mapping[str, Tensor], *, path: Path) -> dict[str, Tensor]:
    """The state under our names, be it under ours or torchvision's; an unknown name is refused."""
    named = dict(state)
    if not looks_like_torchvision(list(named)):
        return named
    named, unknown = translate(named)
    if unknown:
        raise WeightsError("names that this network has no place for", path=path, got=unknown[:5])
    return named


def load_state(detector: Detector, state: Mapping[str, Tensor], *, path: Path) -> None:
    """Fill the network with a state under our names or torchvision's; no key is left over."""
    named = our_names(state, path=path)
    own = detector.state_dict()
    # Frozen batch norms of torchvision hold no count of batches, and nothing here reads it.
    counters = {name: value for name, value in own.items() if name.endswith("num_batches_tracked")}
    named = counters | named
    missing, extra = sorted(own.keys() - named.keys()), sorted(named.keys() - own.keys())
    if missing or extra:
        rule = "weights and network need the same tensors"
        raise WeightsError(rule, path=path, got=f"missing {missing[:3]}, left over {extra[:3]}")
    wrong = [name for name in own if own[name].shape != named[name].shape]
    if wrong:
        at, shape = wrong[0], tuple(named[wrong[0]].shape)
        rule = "a tensor has another shape"
        raise WeightsError(rule, path=path, where=at, expected=tuple(own[at].shape), got=shape)
    detector.load_state_dict(named)


def load_torchvision(detector: Detector, path: Path, *, norm_eps: float | None = None) -> None:
    """Fill the network from one of torchvision's checkpoint files (.pth or .safetensors).

    torchvision sets its batch norms' eps to 0 for the v1 COCO weights: pass norm_eps=0.0 for these.
    """
    load_state(detector, read_tensors(path), path=path)
    if norm_eps is not None:
        set_norm_eps(detector.backbone, norm_eps)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A state dict from a .safetensors file, or from a pickle that holds tensors only."""
    return read_safetensors(path)[0] if path.suffix == ".safetensors" else read_pickle(path)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a safetensors file."""
    if not path.is_file():
        raise WeightsError("no such weights file", path=path)
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError):
        raise WeightsError("damaged, or not a safetensors file", path=path) from None


def read_pickle(path: Path) -> dict[str, Tensor]:
    """A state dict; files that hold anything but tensors are refused by torch."""
    if not path.is_file():
        raise WeightsError("no such weights file", path=path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises many kinds for a damaged file
        raise WeightsError("damaged, or holds more than tensors", path=path) from None
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise WeightsError("a checkpoint is a dict of tensors", path=path, got=type(state).__name__)
    return state
