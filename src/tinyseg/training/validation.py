"""How good the weights are on frames that they do not learn from, while they learn.

A network and labelled frames go in, averages come out: predicted as `tinyseg predict` would with
the recipe's own plan, scored as `tinyseg evaluate` does. `selection_score` orders them: mask AP,
mean over the classes that the frames have.
"""

import math
from collections.abc import Callable, Sequence

import torch

from tinyseg.data import Item
from tinyseg.errors import TinysegError
from tinyseg.frame import FrameLabels
from tinyseg.model import Detector
from tinyseg.predict import DetectorNetwork, Member, Predictor
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.recipes import Recipe
from tinyseg.scoring import Averages, score_frames
from tinyseg.views import camera_of

OnSkip = Callable[[str, TinysegError], None]

Validate = Callable[[Detector], Averages]
"""What a network, a copy that is not learnt with, is worth."""


def refuse(name: str, error: TinysegError) -> None:
    """What is done with a frame that cannot be read, if nobody says otherwise."""
    raise error


def validate_on(
    items: Sequence[Item], recipe: Recipe, device: torch.device, *, on_skip: OnSkip = refuse
) -> Validate:
    """Scores on these frames, read anew each time: they need no memory between evaluations."""

    def validate(detector: Detector) -> Averages:
        member = Member(DetectorNetwork(detector, recipe), recipe.predict)
        predictor = Predictor([member], device=device)
        found, truth = predict_labelled(predictor, items, on_skip=on_skip)
        return score_frames(found, truth, classes=predictor.classes).averages

    return validate


def predict_labelled(
    predictor: Predictor,
    items: Sequence[Item],
    *,
    on_frame: Callable[[], None] = lambda: None,
    on_skip: OnSkip = refuse,
) -> tuple[Predictions, list[FrameLabels]]:
    """Predictions of each frame, and its labels; `on_frame` hears of each one done, `on_skip` of
    each one that cannot be read, by name."""
    found: list[FramePredictions] = []
    truth: list[FrameLabels] = []
    for item in items:
        try:
            frame = item.read()
        except TinysegError as error:
            on_skip(item.name, error)
            continue
        seen = predictor(frame.image, camera_of(frame.name))
        found.append(FramePredictions(frame.name, frame.name, frame.hw, seen))
        labels = FrameLabels(frame.name, frame.hw, frame.instances, frame.ignore, frame.unlabelled)
        truth.append(labels)
        on_frame()
    return Predictions(predictor.classes, tuple(found)), truth


def selection_score(averages: Averages) -> float:
    """One number, the more the better; frames without a label are worth nothing."""
    return 0.0 if math.isnan(averages.ap) else averages.ap
