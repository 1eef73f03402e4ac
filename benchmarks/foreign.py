"""One network, seen as somebody else's, through SAHI, supervision's slicer and ours.

    python benchmarks/foreign.py --weights RUN --data DATA [--list FILE] [--side 640] [--frames 40]
        [--only ours*,sahi] [--json FILE]

The network is asked for pictures of side x side pixels alone, as most exported ones are. All tile
alike (a fifth of overlap) and, but supervision, look at the whole frame besides; the focus rows
spend as much as that, and .6 of it. A row: mask AP of car and person and of any class, looks of a
frame, seconds of a frame, and the process' largest memory so far (one way a call for its own).
SAHI and supervision are left out where they are not installed (extra `bench`).
"""

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _report import machine, table
from jaxtyping import UInt8

from tinyseg import masks as mask_ops
from tinyseg.adapters import Adapted
from tinyseg.data import open_data
from tinyseg.exchange import from_supervision
from tinyseg.foreign import focus_plan
from tinyseg.frame import Frame, FrameLabels, Instances
from tinyseg.networks import load_detector
from tinyseg.predict import Predictor, member_of, named_plan
from tinyseg.predict.detector_network import DetectorNetwork
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.scoring.score import score_frames
from tinyseg.views import FrameInfo, Part, Plan, PlanLike, Tiles

Image = UInt8[np.ndarray, "_h _w 3"]
MIN_SCORE = 0.02


class Foreign:
    """A network of one input size, which counts how often it is asked."""

    def __init__(self, weights: Path, side: int) -> None:
        detector, recipe = load_detector(weights)
        self.inner, self.classes, self.looks = DetectorNetwork(detector, recipe), recipe.classes, 0
        self.inner.to(torch.device("cpu"))
        self.boxed = Adapted(self.answer, self.classes, input_hw=(side, side))

    def answer(self, image: Image) -> Instances:
        """What is in one picture of the input's size."""
        self.looks += 1
        found = self.inner.detect(np.ascontiguousarray(image)[None])[0]
        return found.select(found.scores >= MIN_SCORE)

    def bitmaps(self, image: Image) -> tuple[Instances, list[Any]]:
        """What is in a picture of any size, with a bitmap for each."""
        (found,) = self.boxed.detect(np.ascontiguousarray(image)[None])
        hw = (image.shape[0], image.shape[1])
        each = [found.masks.select(np.array([i])) for i in range(len(found))]
        return found, [mask_ops.paint(mask, hw) > 0 for mask in each]


Way = Callable[[Frame], Instances]


def ours(foreign: Foreign, plan_of: Callable[[tuple[int, int]], PlanLike]) -> Way:
    """A plan, and the merger."""
    member = member_of(foreign.boxed)
    return lambda frame: Predictor([member], plan_of(frame.hw))(frame.image)


def sahis(foreign: Foreign, side: int) -> Way:
    """SAHI with its defaults."""
    from sahi.models.base import DetectionModel
    from sahi.predict import get_sliced_prediction
    from sahi.prediction import ObjectPrediction
    from sahi.utils.cv import get_coco_segmentation_from_bool_mask

    class Model(DetectionModel):  # type: ignore[misc]
        def load_model(self) -> None:
            self.model = foreign

        def perform_inference(self, image: Image) -> None:
            self._original_predictions = foreign.bitmaps(image)

        def _create_object_prediction_list_from_original_predictions(
            self, shift_amount_list: Any = None, full_shape_list: Any = None
        ) -> None:
            found, bits = self._original_predictions
            # SAHI gives one pair of numbers for a slice, lists of them for several pictures.
            shift = np.reshape(shift_amount_list or (0, 0), (-1, 2))[0].tolist()
            full = np.reshape(full_shape_list, (-1, 2))[0].tolist() if full_shape_list else None
            rows = zip(found.boxes, found.labels.tolist(), found.scores.tolist(), bits, strict=True)
            out = [
                ObjectPrediction(
                    bbox=box.tolist(),
                    category_id=label,
                    category_name=foreign.classes[label],
                    segmentation=polygons,
                    score=sure,
                    shift_amount=shift,
                    full_shape=full or list(mask.shape),
                )
                for box, label, sure, mask in rows
                if (polygons := get_coco_segmentation_from_bool_mask(mask))
            ]
            self._object_prediction_list_per_image = [out]

    model = Model(confidence_threshold=MIN_SCORE, device="cpu")

    def look(frame: Frame) -> Instances:
        sizes = {"slice_height": side, "slice_width": side}
        shares = {"overlap_height_ratio": 0.2, "overlap_width_ratio": 0.2}
        result = get_sliced_prediction(frame.image, model, **sizes, **shares, verbose=0)
        told = [one for one in result.object_prediction_list if one.mask is not None]
        masks = mask_ops.from_bitmaps([one.mask.bool_mask for one in told])
        labels = np.array([one.category.id for one in told], np.int64)
        return replace(
            Instances.from_labels(masks, labels),
            scores=np.array([float(one.score.value) for one in told]),
        )

    return look


def supervisions(foreign: Foreign, side: int) -> Way:
    """supervision's slicer with its default suppression; it does not look at the whole frame."""
    import supervision as sv

    def callback(tile: Image) -> Any:
        found, bits = foreign.bitmaps(tile)
        if not bits:
            return sv.Detections.empty()
        return sv.Detections(
            xyxy=found.boxes, mask=np.array(bits), confidence=found.scores, class_id=found.labels
        )

    slicer = sv.InferenceSlicer(callback, slice_wh=side, overlap_wh=side // 5, thread_workers=1)
    return lambda frame: from_supervision(slicer(frame.image))


@dataclass(frozen=True, slots=True)
class Row:
    """What a way gave."""

    name: str
    car_person: Sequence[float]
    any_class: Sequence[float]
    looks: float
    seconds: float
    memory_mb: float


def measure(name: str, way: Way, foreign: Foreign, frames: Sequence[Frame]) -> Row:
    """The way on all frames."""
    foreign.looks, seconds, found = 0, 0.0, []
    for frame in frames:
        start = time.perf_counter()
        instances = way(frame)
        seconds += time.perf_counter() - start
        found.append(FramePredictions(frame.name, frame.name, frame.hw, instances))
    truth = [FrameLabels(f.name, f.hw, f.instances, f.ignore) for f in frames]
    scores = score_frames(
        Predictions(foreign.classes, tuple(found)), truth, classes=foreign.classes
    )
    both = scores.mean_over(["car", "person"]), scores.any_class
    car_person, any_class = ([one.ap, one.ap_small, one.ap_tiny] for one in both)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    count = len(frames)
    looks = foreign.looks / count
    return Row(name, car_person, any_class, looks, seconds / count, memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--side", type=int, default=640, help="of the network's input")
    parser.add_argument("--frames", type=int, default=40, help="spread evenly over the data set")
    parser.add_argument("--only", default="*")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    foreign, side = Foreign(given.weights, given.side), given.side
    items = open_data(given.data, listed=given.list, classes=foreign.classes).items
    frames = [item.read() for item in items[:: max(len(items) // given.frames, 1)][: given.frames]]
    limits = member_of(foreign.boxed).predict
    tiles = Tiles(side, side // 5, answers_for=(0.0, side / 2))
    looked = named_plan("whole", limits)
    tiled = Plan((*looked.parts, Part.of(tiles)))

    def focus(share: float) -> Callable[[tuple[int, int]], PlanLike]:
        def plan_of(hw: tuple[int, int]) -> PlanLike:
            count = share * (len(tiles.first(FrameInfo(hw))) + 1) - 1
            return focus_plan(member_of(foreign.boxed), hw, budget_mp=count * side**2 / 1e6)

        return plan_of

    ways: dict[str, Callable[[], Way]] = {
        "ours, whole": lambda: ours(foreign, lambda hw: looked),
        "ours, tiles": lambda: ours(foreign, lambda hw: tiled),
        "ours, focus at the same cost": lambda: ours(foreign, focus(1.0)),
        "ours, focus at .6": lambda: ours(foreign, focus(0.6)),
    }
    if find_spec("sahi"):
        ways["sahi"] = lambda: sahis(foreign, side)
    if find_spec("supervision"):
        ways["supervision"] = lambda: supervisions(foreign, side)
    heads = ("way", *("car+person AP", "AP_s", "AP_tiny"), *("any AP", "AP_s", "AP_tiny"))
    print(table((*heads, "looks", "s a frame", "MB"), []))
    rows = list[Row]()
    for name, make in ways.items():
        if any(fnmatch(name, one) for one in given.only.split(",")):
            row = measure(name, make(), foreign, frames)
            figures = " | ".join(f"{v:.3f}" for v in (*row.car_person, *row.any_class))
            cost = f"{row.looks:.1f} | {row.seconds:.2f} | {row.memory_mb:.0f}"
            print(f"| {name} | {figures} | {cost} |", flush=True)
            rows.append(row)
    objects = sum(len(frame.instances) for frame in frames)
    print(f"\n{len(frames)} frames, {objects} objects, side {side}; {machine()}")
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
