"""Weights files: ours, and states under torchvision's names.

One .safetensors carries its recipe (classes included) in its header, so a file alone is enough to
predict; a location prior may stand beside it. torchvision's checkpoints (.pth, .safetensors) load
by one table of names, v1 and v2 and the older names of files made before torchvision 0.13 among
them (`inner_blocks.N.weight`, `rpn.head.conv.weight`, `mask_fcnN`); no pickle is ever loaded with
weights_only=False. Files are written beside, synced and renamed; a damaged or foreign file is
refused with the reason.

Weights are made small for a file and whole again: half precision, norms without statistics. A batch
norm whose statistics stay is x -> scale * x + shift; of its four vectors two are enough.
`folded` puts scale and shift in the place of weight and bias and leaves the statistics out;
`unfolded` gives back statistics with which the norm computes the same: mean 0, variance 1. `halved`
rounds every number to 11 binary digits. Refused: a number that half precision cannot hold.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tinyseg.errors import WeightsError
from tinyseg.files import write_whole
from tinyseg.model import Detector, set_norm_eps
from tinyseg.networks.network import build_detector
from tinyseg.recipes import Recipe
from tinyseg.stored import FORMAT, PRIOR, check_format, recipe_of, weights_file
from tinyseg.views import LocationPrior, prior_to_json

_ROWS: tuple[tuple[str, str], ...] = (
    (r"backbone\.body\.(.+)", r"backbone.body.\1"),
    (r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.(weight|bias)", r"pyramid.fpn.\1_blocks.\2.0.\3"),
    (r"backbone\.fpn\.(.+)", r"pyramid.fpn.\1"),
    (r"rpn\.head\.conv\.(weight|bias)", r"proposals.head.convs.0.0.\1"),
    (r"rpn\.head\.conv\.(.+)", r"proposals.head.convs.\1"),
    (r"rpn\.head\.cls_logits\.(.+)", r"proposals.head.objectness.\1"),
    (r"rpn\.head\.bbox_pred\.(.+)", r"proposals.head.deltas.\1"),
    (r"roi_heads\.box_head\.fc6\.(.+)", r"box_head.trunk.1.\1"),
    (r"roi_heads\.box_head\.fc7\.(.+)", r"box_head.trunk.3.\1"),
    (r"roi_heads\.box_head\.(\d.+)", r"box_head.trunk.\1"),
    (r"roi_heads\.box_predictor\.cls_score\.(.+)", r"box_head.classes.\1"),
    (r"roi_heads\.box_predictor\.bbox_pred\.(.+)", r"box_head.deltas.\1"),
    (r"roi_heads\.mask_head\.mask_fcn1\.(.+)", r"mask_head.convs.0.0.\1"),
    (r"roi_heads\.mask_head\.mask_fcn2\.(.+)", r"mask_head.convs.1.0.\1"),
    (r"roi_heads\.mask_head\.mask_fcn3\.(.+)", r"mask_head.convs.2.0.\1"),
    (r"roi_heads\.mask_head\.mask_fcn4\.(.+)", r"mask_head.convs.3.0.\1"),
    (r"roi_heads\.mask_head\.(\d.+)", r"mask_head.convs.\1"),
    (r"roi_heads\.mask_predictor\.conv5_mask\.(.+)", r"mask_head.upsample.\1"),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\.(.+)", r"mask_head.logits.\1"),
)


def looks_like_torchvision(names: list[str]) -> bool:
    """Whether a checkpoint with these names is one of torchvision's detectors."""
    return any(name.startswith("roi_heads.") for name in names)


def our_name(name: str) -> str | None:
    """Our name of a tensor of torchvision's; None where the table has none."""
    for pattern, ours in _ROWS:
        if found := re.fullmatch(pattern, name):
            return found.expand(ours)
    return None


def translate(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The state under our names, and the names that no row knows."""
    renamed = {name: our_name(name) for name in state}
    unknown = [name for name, ours in renamed.items() if ours is None]
    return {ours: state[name] for name, ours in renamed.items() if ours is not None}, unknown


FOLDED = "folded"
"""The header's key of the names of norms without statistics, a space between two."""

State = dict[str, Tensor]


def folded(network: nn.Module) -> tuple[State, list[str]]:
    """The network's state without its batch norms' statistics, and the names of these norms."""
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    norms = {n: m for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    for name, norm in norms.items():
        mean, variance = (state.pop(f"{name}.running_{what}") for what in ("mean", "var"))
        state.pop(f"{name}.num_batches_tracked", None)
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        scale = weight.double() / (variance.double() + norm.eps).sqrt()
        state[f"{name}.bias"] = (bias - mean * scale).float()
        state[f"{name}.weight"] = (scale * (1 + norm.eps) ** 0.5).float()
    return state, list(norms)


def unfolded(state: State, norms: Sequence[str]) -> State:
    """The state with statistics for these norms that leave scale and shift as they are."""
    whole = dict(state)
    for name in norms:
        weight = state[f"{name}.weight"]
        whole[f"{name}.running_mean"] = torch.zeros_like(weight)
        whole[f"{name}.running_var"] = torch.ones_like(weight)
    return whole


def halved(state: Mapping[str, Tensor]) -> State:
    """Every floating number in half precision; raises WeightsError for one beyond its range."""
    half = {n: t.half() if t.is_floating_point() else t for n, t in state.items()}
    for name, value in half.items():
        if value.is_floating_point() and not value.isfinite().all():
            got = f"{state[name].abs().max().item():.3g}"
            rule = "half precision holds numbers up to 65504"
            raise WeightsError(rule, where=name, got=got)
    return {name: value.contiguous() for name, value in half.items()}


def as_float32(state: Mapping[str, Tensor]) -> State:
    """Numbers in half precision as float32; others stay."""
    return {n: t.float() if t.dtype == torch.float16 else t for n, t in state.items()}


def save_weights(
    path: Path, detector: nn.Module, recipe: Recipe, *, prior: LocationPrior | None = None
) -> str:
    """Write weights, recipe and prior to one file, all or nothing; returns its sha256."""
    header = {"format": FORMAT, "recipe": recipe.model_dump_json()}
    state = {name: t.detach().cpu().contiguous() for name, t in detector.state_dict().items()}
    header |= {} if prior is None else {PRIOR: prior_to_json(prior)}
    return write_safetensors(path, state, header)


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
