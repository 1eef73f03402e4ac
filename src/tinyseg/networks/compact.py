"""Weights made small for a file and whole again: half precision, norms without statistics.

A batch norm whose statistics stay is x -> scale * x + shift; of its four vectors two are enough.
`folded` puts scale and shift in the place of weight and bias and leaves the statistics out;
`unfolded` gives back statistics with which the norm computes the same: mean 0, variance 1. `halved`
rounds every number to 11 binary digits. Refused: a number that half precision cannot hold.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tinyseg.errors import WeightsError

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
