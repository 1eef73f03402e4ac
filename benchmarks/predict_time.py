"""Where the time of `tinyseg predict` goes, by stage, and whether all backends find the same.

    python benchmarks/predict_time.py [--data DIR [--list FILE] [--split val]]
        [--pictures FILE ...] [--weights NAME] [--exported FILE.xml ...] [--plan whole] [--count N]
        [--backends torch openvino onnxruntime openvino-bf16] [--threads N]

After loading, one thread, seconds of the processor a frame: other work on the machine matters
little. With more threads, seconds of the clock. The stages run one after the other here, and every
frame goes through all backends before the next. Read: bytes to pixels. Cut: pixels of the views.
Network: first look; closer looks, the coarser ones with them. Choose: where to look closer. Merge:
what was seen to the frame's instances. --exported are files of the same network, such as one in 8
bits; openvino-bf16 is what OpenVINO would do in bfloat16, which the package does not use. Agreement
is with the first backend, for scores from .1.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from _report import machine, table

from tinyseg import masks as mask_ops
from tinyseg.allocator import keep_freed_memory
from tinyseg.data import open_data
from tinyseg.exporting import runtimes
from tinyseg.frame import Instances
from tinyseg.image import read_image
from tinyseg.merge import Seen, merge
from tinyseg.network import Network, Pictures
from tinyseg.predict import Member, Predictor, choose_backend, choose_plan, load_member, predictor
from tinyseg.stored import find_weights
from tinyseg.views import FrameInfo, PlanLike, Planned

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "wad"
BACKENDS = ("torch", "openvino", "onnxruntime")
BF16 = "openvino-bf16"
STAGES = ("read", "cut", "first look", "closer looks", "choose", "merge")
SURE = 0.1

T = TypeVar("T")


@dataclass(slots=True)
class Stages:
    """Seconds by stage, and what was counted."""

    clock: Callable[[], float] = time.process_time
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    views: int = 0
    pixels: int = 0
    looking: str = STAGES[2]

    def timed(self, stage: str, call: Callable[[], T]) -> T:
        """The call's result; its time goes to the stage."""
        start = self.clock()
        try:
            return call()
        finally:
            self.seconds[stage] += self.clock() - start


class TimedNetwork(Network):
    """A network whose time is counted."""

    def __init__(self, inner: Network, stages: Stages) -> None:
        self.inner, self.stages, self.classes = inner, stages, inner.classes

    def detect(self, images: Pictures) -> list[Instances]:
        """As the network itself."""
        self.stages.views += len(images)
        self.stages.pixels += images.shape[0] * images.shape[1] * images.shape[2]
        return self.stages.timed(self.stages.looking, lambda: self.inner.detect(images))


class TimedPlan:
    """A plan whose choice is timed; what is looked at after it is looked at closer."""

    def __init__(self, inner: PlanLike, stages: Stages) -> None:
        self.inner, self.stages = inner, stages

    def first(self, info: FrameInfo) -> list[Planned]:
        """As the plan's."""
        self.stages.looking = "first look"
        return self.inner.first(info)

    def then(self, info: FrameInfo, found: Instances) -> list[Planned]:
        """As the plan's."""
        chosen = self.stages.timed("choose", lambda: self.inner.then(info, found))
        self.stages.looking = "closer looks"
        return chosen

    def remarks(self, info: FrameInfo) -> tuple[str, ...]:
        """As the plan's."""
        return self.inner.remarks(info)


@dataclass(frozen=True, slots=True)
class Way:
    """A backend, its networks ready, and its stages."""

    name: str
    predictor: Predictor
    stages: Stages


def load_way(name: str, weights: Path, plan: str | None, threads: int) -> Way:
    """The weights in a backend, or an exported file in OpenVINO."""
    exported = name not in (*BACKENDS, BF16)
    backend = name if name in BACKENDS else "openvino"
    runs = choose_backend(backend, device="cpu", threads=threads, tell=print)
    vars(runtimes)["OPTIONS"]["INFERENCE_PRECISION_HINT"] = "bf16" if name == BF16 else "f32"
    member = load_member(Path(name) if exported else weights, backend=runs)
    stages = Stages(time.process_time if threads == 1 else time.perf_counter)
    timed: Member = replace(member, network=TimedNetwork(member.network, stages))
    device = torch.device("cpu")
    member.network.to(device)
    own = Predictor([timed], choose_plan(member.predict, plan=plan), device=device)
    own.plan = TimedPlan(own.plan, stages)
    return Way(Path(name).stem, own, stages)


def in_turn(items: Iterable[Any], *, depth: int = 2) -> Iterator[Any]:
    """Instead of `ahead`: without a thread."""
    return iter(items)


def look_at(way: Way, path: Path, name: str) -> tuple[Instances, tuple[int, int]]:
    """What is found on a frame; its stages' times are counted."""
    stages, own = way.stages, way.predictor
    image = stages.timed("read", lambda: read_image(path))
    info = FrameInfo.named(name, (image.shape[0], image.shape[1]))
    start, inside = stages.clock(), sum(stages.seconds.values())
    seen: list[Seen] = own.look([image], [info])[0]
    rest = stages.clock() - start - (sum(stages.seconds.values()) - inside)
    stages.seconds["other"] += rest
    found = stages.timed("merge", lambda: merge(seen, info.hw, own.rules))
    return found, info.hw


@dataclass(slots=True)
class Agreement:
    """How far detections of score SURE and more are from the first backend's."""

    frames: int = 0
    wanted: int = 0
    alone: int = 0
    score: float = 0.0
    box: float = 0.0
    least_iou: float = 1.0

    def add(self, found: Instances, wanted: Instances) -> None:
        """One frame's. A detection whose partner is only just below SURE is not alone."""
        self.frames += 1
        self.wanted += int((wanted.scores >= SURE).sum())
        for ours, theirs in ((found, wanted), (wanted, found)):
            iou = mask_ops.iou(ours.masks, theirs.masks) * (
                ours.labels[:, None] == theirs.labels[None]
            )
            for one in (ours.scores >= SURE).nonzero()[0]:
                best = int(iou[one].argmax()) if iou.shape[1] else -1
                if best < 0 or iou[one, best] < 0.9:
                    self.alone += 1
                    continue
                self.least_iou = min(self.least_iou, float(iou[one, best]))
                self.score = max(self.score, float(abs(ours.scores[one] - theirs.scores[best])))
                apart = np.abs(ours.boxes[one] - theirs.boxes[best]).max()
                self.box = max(self.box, float(apart))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--split")
    parser.add_argument("--pictures", type=Path, nargs="*")
    parser.add_argument("--weights")
    parser.add_argument("--backends", nargs="*", default=BACKENDS, choices=(*BACKENDS, BF16))
    parser.add_argument("--exported", type=Path, nargs="*", default=[])
    parser.add_argument("--plan")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    weights = find_weights(given.weights, on_progress=lambda done, total: None)
    names = [*given.backends, *map(str, given.exported)]
    ways = [load_way(name, weights, given.plan, given.threads) for name in names]
    vars(predictor)["ahead"] = in_turn
    paths = given.pictures or [
        item.image_path
        for item in open_data(given.data, listed=given.list, split=given.split).items
    ]
    agreements = {way.name: Agreement() for way in ways[1:]}
    for way in ways:  # a first picture is slower
        look_at(way, paths[0], paths[0].stem)
        way.stages.seconds.clear()
        way.stages.views = way.stages.pixels = 0
    paths = paths[: given.count]
    for path in paths:
        wanted, _ = look_at(ways[0], path, path.stem)
        for way in ways[1:]:
            agreements[way.name].add(look_at(way, path, path.stem)[0], wanted)
    tell_times(ways, len(paths))
    tell_agreement(agreements, ways[0].name)
    print(f"\n{len(paths)} pictures, {given.threads} threads; {machine()}")


def tell_times(ways: Sequence[Way], frames: int) -> None:
    """Mean seconds a frame, by stage."""
    whole = [sum(way.stages.seconds.values()) / frames for way in ways]
    rows = []
    for way, seconds in zip(ways, whole, strict=True):
        parts = dict(way.stages.seconds)
        parts["cut"] = parts.pop("other", 0.0)
        cells = [f"{parts.get(stage, 0.0) / frames:.3f}" for stage in STAGES]
        looks = f"{way.stages.views / frames:.1f}", f"{way.stages.pixels / frames / 1e6:.1f}"
        rows.append([way.name, *cells, f"{seconds:.2f}", f"{whole[0] / seconds:.2f} x", *looks])
    heads = ("backend", *STAGES, "together", "faster", "views", "MP")
    print(table(heads, rows) + "\n")


def tell_agreement(agreements: dict[str, Agreement], first: str) -> None:
    """The largest differences."""
    rows = [
        [
            *(name, str(one.wanted), str(one.alone), f"{one.score:.1e}", f"{one.box:.1e}"),
            f"{one.least_iou:.4f}",
        ]
        for name, one in agreements.items()
    ]
    heads = (f"against {first}", "detections", "without equal", "score", "box, px", "least IoU")
    print(table(heads, rows))


if __name__ == "__main__":
    main()
