"""A run -> an OpenVINO file with numbers of 8 bits, if that costs little on frames of the user.

In: a network, labelled frames, and how much average precision may be lost. The frames are looked at
through the network's own plan, in 32 bits and in 8; some of their views set the ranges of numbers.
Out: the file, with both figures in its notes. Refused: a loss beyond the limit, and frames without
an instance, on which nothing can be lost.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyseg.calibration import noted_calibration
from tinyseg.data import Item
from tinyseg.errors import DataError, WeightsError
from tinyseg.exporting import (
    RuntimeNetwork,
    View,
    folded,
    in_8_bits,
    require,
    run_openvino,
    save_openvino,
    to_onnx,
)
from tinyseg.frame import FrameLabels, Instances
from tinyseg.network import PROCESSOR, Network, Pictures
from tinyseg.networks import Exported, Given
from tinyseg.predict import Member, Predictor
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.scoring import score_frames
from tinyseg.stored import CALIBRATION, prior_of
from tinyseg.views import camera_of

VIEWS_OF_A_FRAME, MOST_VIEWS = 4, 64
"""Views that set the ranges: some of each batch, spread over the frames."""

MOST_SIDE = 1024
"""Pixels along a side that are taken of a view: all that is computed of it is held at once."""

NOTE = "int8"
"""The file's note with both figures."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Average precision (all classes as one) of both networks on some frames."""

    frames: int
    instances: int
    exact_ap: float
    int8_ap: float


class _Recorded(Network):
    """A network that keeps some of the views it sees, or parts of them."""

    def __init__(self, inner: Network) -> None:
        self.inner, self.classes, self.views = inner, inner.classes, list[View]()
        self.rng = np.random.default_rng(0)

    def detect(self, images: Pictures) -> list[Instances]:
        """As the network itself."""
        few = self.rng.permutation(len(images))[:VIEWS_OF_A_FRAME]
        self.views += [self._part(images[place]) for place in few.tolist()]
        return self.inner.detect(images)

    def _part(self, view: View) -> View:
        spare = [max(side - MOST_SIDE, 0) for side in view.shape[:2]]
        y, x = (int(self.rng.integers(0, most + 1)) for most in spare)
        return view[y : y + MOST_SIDE, x : x + MOST_SIDE].copy()


def write_int8(
    given: Given,
    target: Path,
    items: Sequence[Item],
    *,
    most_loss: float,
    advance: Callable[[str], None] = lambda text: None,
) -> tuple[Exported, Worth]:
    """Write the network in OpenVINO's form and 8 bits to `target`, an .xml; `advance` is called
    twice a frame. Raises WeightsError where it would lose too much."""
    require("openvino"), require("nncf")
    truth = [item.read_labels() for item in items]
    if not any(len(labels.instances) for labels in truth):
        raise DataError("no instance is labelled, so that no loss could be seen", where="--data")
    model = folded(to_onnx(given.detector))
    exact = _Recorded(_network(model, given))
    exact_ap = _ap(exact, given, items, truth, advance)
    views = exact.views[:: -(-len(exact.views) // MOST_VIEWS)]
    # A part of a view may show nothing, though the whole did.
    views = [view for view in views if len(exact.inner.detect(view[None])[0])]
    if not views:
        rule = "8 bits are ranged by what the network finds, and it finds nothing in these frames"
        raise DataError(rule, where="--data", got=f"{len(truth)} frames")
    if exact_ap <= most_loss < 1:  # 1 takes any loss
        rule = "the network finds too little right on these frames for a loss to be seen"
        expected = f"an average precision above {most_loss:g} in 32 bits"
        raise WeightsError(rule, path=given.file, expected=expected, got=f"{exact_ap:.4f}")
    model = in_8_bits(model, views)
    int8_ap = _ap(_network(model, given), given, items, truth, advance)
    worth = Worth(len(truth), sum(len(one.instances) for one in truth), exact_ap, int8_ap)
    if exact_ap - int8_ap > most_loss:
        rule = f"8 bits lose more than {most_loss:g} of average precision on these frames"
        got = f"{exact_ap:.4f} in 32 bits, {int8_ap:.4f} in 8, on {worth.frames} frames"
        raise WeightsError(rule, path=given.file, got=got)
    figures: dict[str, float] = {"frames": worth.frames, "instances": worth.instances}
    figures |= {"ap_float32": round(exact_ap, 5), "ap_int8": round(int8_ap, 5)}
    return save_openvino(model, given, target, {NOTE: json.dumps(figures)}), worth


def _network(model: Any, given: Given) -> RuntimeNetwork:
    use = given.recipe.predict
    return RuntimeNetwork(run_openvino(model), given.recipe.classes, "openvino", use.detections)


def _ap(
    network: Network,
    given: Given,
    items: Sequence[Item],
    truth: Sequence[FrameLabels],
    advance: Callable[[str], None],
) -> float:
    """Average precision through the network's own plan, with its own calibration."""
    member = Member(
        network,
        given.recipe.predict,
        calibration=noted_calibration(given.header.get(CALIBRATION), path=given.file),
        prior=prior_of(given.header, given.file),
        backend="openvino",
    )
    predictor, found = Predictor([member], device=PROCESSOR), []
    for item, labels in zip(items, truth, strict=True):
        instances = predictor(item.read().image, camera_of(item.name))
        found.append(FramePredictions(item.name, item.name, labels.hw, instances))
        advance(item.name)
    classes = given.recipe.classes
    return score_frames(Predictions(classes, tuple(found)), truth, classes=classes).any_class.ap
