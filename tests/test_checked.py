"""Types and shapes of every call are checked while tests run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError

from tinyseg import boxes
from tinyseg.masks import CropMasks
from tinyseg.model.assign import encode_boxes
from tinyseg.predictions import FramePredictions
from tinyseg.views import View

WRONG: Any = "all"
REFUSED = (BeartypeCallHintViolation, TypeCheckError)


@pytest.mark.parametrize(
    "call",
    [
        lambda: boxes.areas(np.zeros((2, 3))),  # a dimension of another size
        lambda: boxes.areas(np.zeros((2, 4), np.float32)),  # another type of number
        lambda: encode_boxes(torch.ones(2, 4), torch.ones(1, 4), (1.0, 1.0, 1.0, 1.0)),  # n and n
        lambda: boxes.clip(WRONG, (0.0, 0.0, 1.0, 1.0)),  # no array
        lambda: boxes.clip(np.zeros((1, 4)), WRONG),  # a plain argument
        lambda: CropMasks(np.zeros((2, 4)), np.zeros((3, 2), np.int64), np.zeros(0, np.uint8)),
        lambda: FramePredictions("a", "a", (1, 1), WRONG),  # a record's field
        lambda: View(WRONG, (1, 1)),
    ],
)
def test_a_call_of_other_types_or_shapes_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(REFUSED):
        call()
