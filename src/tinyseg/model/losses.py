"""The five losses of Mask R-CNN, as tensors: not weighted, not logged.

Each is a sum over the samples of this process, divided by a count that `Normalise` may take over
all processes, so that the mean of their losses is the loss of their batches taken as one.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

Normalise = Callable[[Float[Tensor, ""]], Float[Tensor, ""]]
"""This process's count -> the count to divide by: the mean over processes, where there are more."""


def own_count(count: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """One process: its own count."""
    return count


def divide(total: Float[Tensor, ""], count: int, normalise: Normalise) -> Float[Tensor, ""]:
    """A summed loss by its count; 0 where there is nothing to count in any process."""
    shared = normalise(total.new_tensor(float(count)))
    return total / torch.where(shared > 0, shared, 1.0)


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean loss of each part over the batch, scalars with gradients."""

    objectness: Float[Tensor, ""]
    proposal_box: Float[Tensor, ""]
    box_class: Float[Tensor, ""]
    box: Float[Tensor, ""]
    mask: Float[Tensor, ""]

    def total(self) -> Float[Tensor, ""]:
        """The sum that is minimised."""
        return torch.stack(list(self.parts().values())).sum()

    def parts(self) -> dict[str, Float[Tensor, ""]]:
        """Each loss by its name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
