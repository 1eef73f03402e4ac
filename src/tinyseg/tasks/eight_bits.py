"""What 8 bits may cost: known to the command line before a network is loaded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EightBits:
    """Numbers in 8 bits for OpenVINO: `frames` of the data set, evenly spread, set their ranges,
    and at most `most_loss` of the average precision, all classes as one, may be lost on them."""

    frames: int = 32
    most_loss: float = 0.01
