"""From JPEG to run lengths through tiles: ours against what is in use.

    python benchmarks/pipeline.py [--data DIR] [--list FILE] [--frames N] [--repeats N]

One network (a narrow `lite` with random weights and ten detections a tile, which sees every second
pixel to save time; its masks are replaced by soft ellipses), the same tiles of 640 pixels that
overlap by 160, one at a time, on whole frames: by the package, by SAHI's get_sliced_prediction and
by supervision's InferenceSlicer with compact masks. Each run is a process of its own with one
thread for the network. Time and memory beyond the forward passes are the wall time less what the
passes took, and the peak of resident memory less the peak after forward passes alone. A last row
has a frame with up to a thousand instances.
Needs the `bench` extra (sahi and supervision).
"""

import argparse
import pickle
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from _report import machine, table
from jaxtyping import Bool, Float32, UInt8
from pycocotools import mask as coco
from torch import Tensor
from torchvision.models.detection.roi_heads import paste_masks_in_image

from tinyseg.errors import TinysegError
from tinyseg.masks import to_coco_rle
from tinyseg.merge import MergeRules
from tinyseg.model.box_head import Candidates
from tinyseg.model.detector import Detector
from tinyseg.networks import build_detector
from tinyseg.predict import (
    BatchLimits,
    Member,
    Predictor,
    find_sources,
    predict_shots,
    read_shots,
)
from tinyseg.predict.detector_network import DetectorNetwork
from tinyseg.recipes import Recipe, find_recipe, with_settings
from tinyseg.views import FrameInfo, PlanLike, Planned, View

TILE, OVERLAP = 640, 160
MIN_SCORE = 0.1
"""Under this SAHI changes from merging to plain suppression."""

Image = UInt8[np.ndarray, "height width 3"]
Found = tuple[Candidates, Tensor]


@dataclass(slots=True)
class Clock:
    """The network with a watch: seconds and number of its forward passes, and what they saw."""

    detector: Detector
    seconds: float = 0.0
    tiles: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inner = self.detector.detect_tensors
        self.grid = torch.from_numpy(ellipse())

    inner: Callable[[Tensor], list[Found]] = field(init=False)
    grid: Tensor = field(init=False)

    def __call__(self, images: Tensor) -> list[Found]:
        """What the network finds, with ellipses for masks."""
        start = time.perf_counter()
        halved = self.inner(images[:, :, ::2, ::2])
        found = [(_doubled(c), self.grid.expand(len(c.boxes), -1, -1)) for c, _ in halved]
        self.seconds += time.perf_counter() - start
        self.tiles += [int(image.long().sum()) for image in images]
        return found


def _doubled(found: Candidates) -> Candidates:
    return Candidates(found.boxes * 2, found.labels, found.scores)


def ellipse() -> Float32[np.ndarray, "28 28"]:
    """A soft ellipse that nearly fills its box."""
    y, x = (np.mgrid[0:28, 0:28] - 13.5) / 14
    return (1 / (1 + np.exp((np.hypot(x, y) - 0.9) * 12))).astype(np.float32)


def network(detections: int) -> tuple[Detector, Recipe]:
    """Random weights, large enough that tiles have their full count of detections."""
    torch.manual_seed(0)
    small = ("network.pyramid_channels=32", "network.box_hidden=32", "network.mask_depth=1")
    rules = (f"network.boxes.min_score={MIN_SCORE}", f"network.boxes.detections={detections}")
    recipe = with_settings(find_recipe("lite"), [*small, *rules])
    detector = build_detector(recipe)
    with torch.no_grad():
        detector.box_head.classes.weight.normal_(std=2.0)
        detector.box_head.deltas.weight.normal_(std=0.3)
        detector.proposals.head.objectness.weight.normal_(std=0.5)
    return detector, recipe


def starts(length: int) -> list[int]:
    """Where tiles begin: at steps, the last one moved back to the frame's end."""
    return [*range(0, length - TILE, TILE - OVERLAP), max(length - TILE, 0)]


class SameTiles(PlanLike):
    """The tiles that the others make, too."""

    def first(self, info: FrameInfo) -> list[Planned]:
        """All of them."""
        places = [(x, y) for y in starts(info.hw[0]) for x in starts(info.hw[1])]
        return [
            Planned(View((float(x), float(y), float(x + TILE), float(y + TILE)), (TILE, TILE)))
            for x, y in places
        ]


def ours(clock: Clock, recipe: Recipe, paths: Sequence[Path], keep: int) -> int:
    """The package: decoding, the network and merging at the same time."""
    predictor = Predictor(
        [Member(DetectorNetwork(clock.detector, recipe), recipe.predict)],
        SameTiles(),
        device=torch.device("cpu"),
        limits=BatchLimits(pixels=TILE**2),
        rules=MergeRules(keep=keep),
    )
    shots = read_shots(find_sources([str(path) for path in paths]), lambda name, mark: False)
    count = 0
    for frame in predict_shots(predictor, shots, on_error=_raise):
        count += len(to_coco_rle(frame.instances.masks, frame.hw))
    return count


def _raise(name: str, error: TinysegError) -> None:
    raise error


def _tile_masks(clock: Clock, tile: Image) -> tuple[Candidates, Bool[np.ndarray, "n h w"]]:
    """Detections of a tile and their pixels there, as torchvision pastes them."""
    pixels = torch.from_numpy(np.ascontiguousarray(tile.transpose(2, 0, 1)))[None]
    with torch.inference_mode():
        ((found, grids),) = clock(pixels)
        masks = paste_masks_in_image(grids[:, None], found.boxes, (tile.shape[0], tile.shape[1]))
    return found, (masks[:, 0] >= 0.5).numpy()


def _read(path: Path) -> Image:
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"{path} cannot be read")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def sahis(clock: Clock, recipe: Recipe, paths: Sequence[Path], keep: int) -> int:
    """SAHI with its defaults, and the network as a model of its kind."""
    from sahi.models.base import DetectionModel
    from sahi.predict import get_sliced_prediction
    from sahi.prediction import ObjectPrediction
    from sahi.utils.cv import get_coco_segmentation_from_bool_mask

    class Model(DetectionModel):
        def load_model(self) -> None:
            self.model = clock

        def perform_inference(self, image: Image) -> None:
            self._original_predictions = _tile_masks(clock, image)

        def _create_object_prediction_list_from_original_predictions(
            self,
            shift_amount_list: list[list[int | float]] | None = None,
            full_shape_list: list[list[int | float]] | None = None,
        ) -> None:
            found, masks = self._original_predictions
            columns = (found.boxes.tolist(), found.labels.tolist(), found.scores.tolist())
            rows = zip(*columns, masks, strict=True)
            out = []
            for box, label, score, mask in rows:
                polygons = get_coco_segmentation_from_bool_mask(mask)
                if not polygons:
                    continue
                out.append(
                    ObjectPrediction(
                        bbox=box,
                        category_id=label,
                        category_name=str(label),
                        segmentation=polygons,
                        score=score,
                        shift_amount=(shift_amount_list or [[0, 0]])[0],
                        full_shape=(full_shape_list or [[TILE, TILE]])[0],
                    )
                )
            self._object_prediction_list_per_image = [out]

    model = Model(confidence_threshold=MIN_SCORE, device="cpu")
    count = 0
    for path in paths:
        result = get_sliced_prediction(
            _read(path),
            model,
            slice_height=TILE,
            slice_width=TILE,
            overlap_height_ratio=OVERLAP / TILE,
            overlap_width_ratio=OVERLAP / TILE,
            perform_standard_pred=False,
            verbose=0,
        )
        for one in result.object_prediction_list:
            if one.mask is not None:
                coco.encode(np.asfortranarray(one.mask.bool_mask.view(np.uint8)))
                count += 1
    return count


def supervisions(clock: Clock, recipe: Recipe, paths: Sequence[Path], keep: int) -> int:
    """supervision's slicer with compact masks and its default suppression."""
    import supervision as sv

    def look(tile: Image) -> sv.Detections:
        found, masks = _tile_masks(clock, tile)
        return sv.Detections(
            xyxy=found.boxes.numpy(),
            mask=masks,
            confidence=found.scores.numpy(),
            class_id=found.labels.numpy(),
        )

    slicer = sv.InferenceSlicer(
        callback=look,
        slice_wh=TILE,
        overlap_wh=OVERLAP,
        thread_workers=1,
        compact_masks=True,
    )
    count = 0
    for path in paths:
        masks = slicer(_read(path)).mask
        if masks is None:
            continue
        for i in range(len(masks)):
            coco.encode(np.asfortranarray(np.asarray(masks[i]).view(np.uint8)))
            count += 1
    return count


WAYS = {"tinyseg": ours, "SAHI": sahis, "supervision": supervisions}


@dataclass(frozen=True, slots=True)
class Run:
    """One process: seconds in all and in forward passes, MB beyond them, instances, tiles."""

    wall_s: float
    forward_s: float
    beyond_mb: float
    count: int
    tiles: list[int]


def run_here(way: str, paths: Sequence[Path], detections: int, keep: int) -> Run:
    """One measured run in this process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    clock = Clock(*network(detections)[:1])
    recipe = network(detections)[1]
    clock.detector.detect_tensors = clock  # type: ignore[method-assign]
    if way != "tinyseg":  # their imports are no part of the work
        import supervision  # noqa: F401
    noise = torch.randint(0, 255, (1, 3, TILE, TILE), dtype=torch.uint8)
    with torch.inference_mode():
        for _ in range(3):
            clock(noise)
    before = _peak_mb()
    clock.seconds, clock.tiles = 0.0, []
    start = time.perf_counter()
    count = WAYS[way](clock, recipe, paths, keep)
    wall = time.perf_counter() - start
    return Run(wall, clock.seconds, _peak_mb() - before, count, sorted(clock.tiles))


def _peak_mb() -> float:
    """Highest resident size of this process so far; Linux counts it in KiB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def run_apart(way: str, paths: Sequence[Path], detections: int = 10, keep: int = 10000) -> Run:
    """One measured run in a process of its own."""
    numbers = ["--detections", str(detections), "--keep", str(keep)]
    command = [sys.executable, __file__, "--only", way, *numbers, *map(str, paths)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: Run = pickle.loads(done.stdout)
    return found


def report(paths: Sequence[Path], repeats: int) -> None:
    """Runs all ways in turns and prints the table."""
    runs: dict[str, list[Run]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            runs[way].append(run_apart(way, paths))
    seen = {way: found[0].tiles for way, found in runs.items()}
    alike = all(tiles == seen["tinyseg"] for tiles in seen.values())
    rows = [_row(way, found, len(paths)) for way, found in runs.items()]
    thousand = run_apart("tinyseg", paths[:1], detections=100, keep=1000)
    rows.append(_row(f"tinyseg, {thousand.count} instances", [thousand], 1))
    header = ("for each frame", "wall, s", "forward, s", "beyond, s", "beyond, MB", "instances")
    print(table(header, rows))
    print(f"\n{len(seen['tinyseg'])} tiles of {len(paths)} frames, the same pixels: {alike}.")
    print(f"Medians of {repeats} runs in turns, each in its own process. {machine()}")


def _row(name: str, runs: Sequence[Run], frames: int) -> tuple[str, ...]:
    walls, forwards = [r.wall_s for r in runs], [r.forward_s for r in runs]
    beyond = [w - f for w, f in zip(walls, forwards, strict=True)]
    seconds = [f"{median(values) / frames:.2f}" for values in (walls, forwards, beyond)]
    memory = max(r.beyond_mb for r in runs)
    return (name, *seconds, f"{memory:,.0f}", f"{runs[0].count / frames:,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/wad"))
    parser.add_argument("--list", type=Path, help="frames by name; val.txt of the data if not said")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--only", choices=list(WAYS), help="one run, pickled to standard output")
    parser.add_argument("--detections", type=int, default=10, help="of each tile, for --only")
    parser.add_argument("--keep", type=int, default=10000, help="of each frame, for --only")
    parser.add_argument("paths", type=Path, nargs="*", help="pictures, for --only")
    arguments = parser.parse_args()
    if arguments.only is not None:
        warnings.simplefilter("ignore")
        run = run_here(arguments.only, arguments.paths, arguments.detections, arguments.keep)
        sys.stdout.buffer.write(pickle.dumps(run))
        return
    listed = arguments.list or arguments.data / "val.txt"
    names = listed.read_text("utf-8").split()[: arguments.frames]
    report([arguments.data / "train_color" / f"{name}.jpg" for name in names], arguments.repeats)


if __name__ == "__main__":
    main()
