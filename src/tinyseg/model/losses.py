"""The five losses of Mask R-CNN, as tensors: not weighted, not logged, not reduced over ranks."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor


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
