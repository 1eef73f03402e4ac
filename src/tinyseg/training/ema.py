"""Exponential moving average of the weights (Polyak averaging, with the usual warm-up).

    average <- d * average + (1 - d) * weights,   d = min(decay, (1 + updates) / (10 + updates))

so that early weights, far from the end, do not linger. Buffers are constant in training (batch
norms keep their statistics) and are not averaged. The averages live in the weights' own precision.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """Averages of a module's parameters, by name."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._weights = dict(module.named_parameters())
        self.averages = {name: p.detach().clone() for name, p in self._weights.items()}

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Take the weights in; `updates` counts the earlier calls."""
        decay = min(self.decay, (1 + updates) / (10 + updates))
        weights = [p.detach() for p in self._weights.values()]
        torch._foreach_lerp_(list(self.averages.values()), weights, 1 - decay)

    @torch.no_grad()
    def load(self, averages: Mapping[str, Tensor]) -> None:
        """Averages of an earlier run of the same network."""
        for name, own in self.averages.items():
            own.copy_(averages[name])
