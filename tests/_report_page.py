"""A page of two runs on two made-up frames, for the tests of the report."""

from functools import lru_cache

import numpy as np
from jaxtyping import UInt8

from tinyseg.frame import Frame, FrameLabels, Instances
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.report.html.figures import Measured
from tinyseg.report.html.gather import JudgedRun, PageChoice, page_of, sheets_of
from tinyseg.report.html.records import Finding, Page
from tinyseg.scoring.bootstrap import intervals
from tinyseg.scoring.breakdown import break_down
from tinyseg.scoring.compare import compare_scores
from tinyseg.scoring.pairs import pair_frames
from tinyseg.scoring.score import score_pairs
from tinyseg.scoring.shapes import ShapeRules

HW = (1300, 1400)
"""Just large enough to be kept at half resolution."""

CLASSES = ("car", "person")


def picture(seed: int) -> UInt8[np.ndarray, "h w 3"]:
    """A smooth street-like picture: sky above, road below."""
    rows = np.linspace(210, 60 + seed, HW[0])[:, None, None]
    return np.broadcast_to(rows, (*HW, 3)).astype(np.uint8)


def blobs(*boxes: tuple[int, int, int, int]) -> CropMasks:
    """Ellipses that fill their boxes."""
    grids = []
    for x0, y0, x1, y1 in boxes:
        down, across = np.mgrid[: y1 - y0, : x1 - x0] + 0.5
        inside = (2 * down / (y1 - y0) - 1) ** 2 + (2 * across / (x1 - x0) - 1) ** 2 <= 1
        grids.append(np.where(inside, 255, 0).astype(np.uint8))
    return CropMasks.pack_pixels([(x0, y0) for x0, y0, _, _ in boxes], grids)


@lru_cache
def frame(index: int) -> Frame:
    """Six labels: three small cars and two persons in a row, a large car; a region not judged."""
    boxes = [(100 + 150 * i, 640, 124 + 150 * i, 660) for i in range(3)]
    boxes += [(600 + 100 * i, 630, 610 + 100 * i, 656) for i in range(2)]
    boxes.append((300, 800, 700, 1000))
    labels = np.array([0, 0, 0, 1, 1, 0])
    image = picture(index)
    for (x0, y0, x1, y1), label in zip(boxes, labels.tolist(), strict=True):
        image[y0:y1, x0:x1] = (160, 40, 40) if label else (30, 60, 140)
    return Frame(
        f"frame{index}",
        image,
        Instances.from_labels(blobs(*boxes), labels),
        blobs((900, 600, 1200, 700)),
    )


def labels_of(index: int) -> FrameLabels:
    one = frame(index)
    return FrameLabels(one.name, one.hw, one.instances, one.ignore)


def found(index: int, run: int) -> Instances:
    """What a run finds: run 0 one small car, a loose person, the large car and a thing in the sky;
    run 1 two cars more.
    """
    boxes = [(101, 641, 124, 660), (604, 636, 616, 660), (305, 804, 700, 1000), (50, 100, 90, 130)]
    labels, scores = [0, 1, 0, 0], [0.8, 0.55, 0.9, 0.45 - 0.1 * index]
    if run:
        boxes += [(250, 640, 274, 660), (400, 640, 424, 660)]
        labels, scores = [*labels, 0, 0], [*scores, 0.5, 0.2]
    masks = blobs(*boxes)
    return Instances(masks.boxes, masks, np.array(labels), np.array(scores))


@lru_cache
def judged_run(run: int, frames: int = 2) -> JudgedRun:
    """The run on all frames."""
    given = [
        FramePredictions(f"frame{i}", f"frame{i}.png", HW, found(i, run)) for i in range(frames)
    ]
    truth = [labels_of(index) for index in range(frames)]
    return judged(Predictions(CLASSES, tuple(given)), truth, f"run-{run}")


def judged(predictions: Predictions, truth: list[FrameLabels], name: str) -> JudgedRun:
    """These predictions, measured."""
    pairs = tuple(pair_frames(predictions, truth, classes=CLASSES, shapes=ShapeRules()))
    scores = score_pairs(pairs, classes=CLASSES)
    spans = intervals(pairs, CLASSES, resamples=20)
    parts = break_down(pairs, CLASSES)
    return JudgedRun.of(Measured(name, pairs, scores, spans, parts), predictions)


CHOICE = PageChoice("streets", 20, 0.3, 0.05, 15_000_000)


@lru_cache
def made_page(runs: int, frames: int = 2) -> Page:
    """A page of one run, or of both."""
    judged = [judged_run(run, frames) for run in range(runs)]
    compared = None
    if runs == 2:
        a, b = (run.measured.pairs for run in judged)
        compared = compare_scores(a, b, CLASSES, resamples=20)
    places = list(range(frames))
    sheets = sheets_of(judged, places, (frame(place) for place in places), CHOICE)
    finding = Finding("warning", "files that are not read", 2, "Mind <endings>.", ("x.tif",))
    return page_of(judged, compared, sheets, CHOICE, classes=CLASSES, findings=[finding])
