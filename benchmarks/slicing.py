"""Tiles through one network in OpenVINO: by the package, by SAHI, and by supervision.

    python benchmarks/slicing.py [--weights NAME] [--runtime openvino] [--count N] [PICTURE ...]

The same exported network, the same tiles of 640 pixels that overlap by 160, one at a time and one
thread; scores from .1, under which SAHI changes from merging to suppression. Processor seconds a
megapixel looked at, from pixels to COCO's run lengths, and what of them the network took; ways go
in turns, a first tile was looked at before. A last row is our own plan, focus. Without pictures
the frames of ../shared/data/wad/val.txt. Needs the extras `bench` and `openvino`.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import supervision
from _report import machine, table
from jaxtyping import Bool, UInt8
from pipeline import OVERLAP, TILE, SameTiles
from pycocotools import mask as coco
from sahi.models.base import DetectionModel
from sahi.predict import get_sliced_prediction
from sahi.prediction import ObjectPrediction
from sahi.utils.cv import get_coco_segmentation_from_bool_mask

from tinyseg import masks as mask_ops
from tinyseg.frame import Instances
from tinyseg.image import read_image
from tinyseg.network import PROCESSOR, Network, Pictures
from tinyseg.predict import BatchLimits, Member, Predictor, choose_backend, load_member
from tinyseg.stored import find_weights

LEAST = 0.1
DATA = Path("../shared/data/wad")

Image = UInt8[np.ndarray, "height width 3"]
Bitmaps = Bool[np.ndarray, "n height width"]


@dataclass(slots=True)
class Clock(Network):
    """A network with a watch, which keeps what has a score of LEAST and more."""

    inner: Network
    seconds: float = 0.0
    pixels: int = 0

    @property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The network's own."""
        return self.inner.classes

    def detect(self, images: Pictures) -> list[Instances]:
        """As the network itself, without what is unsure."""
        start = time.process_time()
        found = self.inner.detect(images)
        self.seconds += time.process_time() - start
        self.pixels += images.shape[0] * images.shape[1] * images.shape[2]
        return [one.select(one.scores >= LEAST) for one in found]


def tile_bitmaps(clock: Clock, tile: Image) -> tuple[Instances, Bitmaps]:
    """What is found on a tile, and its pixels there."""
    (found,) = clock.detect(np.ascontiguousarray(tile)[None])
    hw = (tile.shape[0], tile.shape[1])
    bitmaps = np.zeros((len(found), *hw), bool)
    for place, (x0, y0, x1, y1) in enumerate(np.rint(found.boxes).astype(int)):
        width, height = max(x1 - x0, 1), max(y1 - y0, 1)
        grid = cv2.resize(found.masks.grid(place), (width, height)) > 127
        x0, y0 = min(x0, hw[1] - 1), min(y0, hw[0] - 1)
        bitmaps[place, y0 : y0 + height, x0 : x0 + width] = grid[: hw[0] - y0, : hw[1] - x0]
    return found, bitmaps


def encode(bitmap: Bool[np.ndarray, "height width"]) -> None:
    """A mask as COCO's run lengths."""
    coco.encode(np.asfortranarray(bitmap.view(np.uint8)))


class Sliced(DetectionModel):  # type: ignore[misc]
    """The network as SAHI wants it."""

    def set_model(self, model: Clock, **rest: object) -> None:
        """It is loaded."""
        self.model = model

    def perform_inference(self, image: Image) -> None:
        """One tile."""
        self._original_predictions = tile_bitmaps(self.model, image)

    def _create_object_prediction_list_from_original_predictions(
        self,
        shift_amount_list: list[list[int | float]] | None = None,
        full_shape_list: list[list[int | float]] | None = None,
    ) -> None:
        found, bitmaps = self._original_predictions
        out = []
        for place, bitmap in enumerate(bitmaps):
            polygons = get_coco_segmentation_from_bool_mask(bitmap)
            if polygons:
                out.append(
                    ObjectPrediction(
                        bbox=found.boxes[place].tolist(),
                        category_id=int(found.labels[place]),
                        category_name=str(found.labels[place]),
                        segmentation=polygons,
                        score=float(found.scores[place]),
                        shift_amount=(shift_amount_list or [[0, 0]])[0],
                        full_shape=(full_shape_list or [[TILE, TILE]])[0],
                    )
                )
        self._object_prediction_list_per_image = [out]


def by_sahi(clock: Clock, image: Image) -> int:
    """With its defaults."""
    model = Sliced(model=clock, confidence_threshold=LEAST, device="cpu")
    share = OVERLAP / TILE
    result = get_sliced_prediction(
        image,
        model,
        slice_height=TILE,
        slice_width=TILE,
        overlap_height_ratio=share,
        overlap_width_ratio=share,
        perform_standard_pred=False,
        verbose=0,
    )
    masks = [one.mask for one in result.object_prediction_list if one.mask is not None]
    for mask in masks:
        encode(mask.bool_mask)
    return len(masks)


def by_supervision(clock: Clock, image: Image) -> int:
    """With compact masks and its default suppression."""

    def look(tile: Image) -> supervision.Detections:
        found, bitmaps = tile_bitmaps(clock, tile)
        return supervision.Detections(
            xyxy=found.boxes, mask=bitmaps, confidence=found.scores, class_id=found.labels
        )

    slicer = supervision.InferenceSlicer(
        callback=look, slice_wh=TILE, overlap_wh=OVERLAP, thread_workers=1, compact_masks=True
    )
    masks = slicer(image).mask
    found = [] if masks is None else [np.asarray(masks[place]) for place in range(len(masks))]
    for bitmap in found:
        encode(bitmap)
    return len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pictures", type=Path, nargs="*")
    parser.add_argument("--weights")
    parser.add_argument("--runtime", default="openvino")
    parser.add_argument("--count", type=int, default=4)
    given = parser.parse_args()
    names = [] if given.pictures else (DATA / "val.txt").read_text("utf-8").split()
    paths = given.pictures or [DATA / "train_color" / f"{name}.jpg" for name in names]
    weights = find_weights(given.weights, on_progress=lambda done, total: None)
    member = load_member(weights, backend=choose_backend(given.runtime, device="cpu", threads=1))
    cv2.setNumThreads(1)

    def by_us(member: Member, plan: SameTiles | None) -> Callable[[Clock, Image], int]:
        def look(clock: Clock, image: Image) -> int:
            own = Predictor(
                [replace(member, network=clock)],
                plan,
                device=PROCESSOR,
                limits=BatchLimits(pixels=TILE**2),
            )
            found = own(image)
            mask_ops.to_coco_rle(found.masks, (image.shape[0], image.shape[1]))
            return len(found)

        return look

    ways = {
        "tinyseg": by_us(member, SameTiles()),
        "SAHI": by_sahi,
        "supervision": by_supervision,
        "tinyseg, its plan": by_us(member, None),
    }
    clocks = {name: Clock(member.network) for name in ways}
    seconds, found = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0)
    member.network.detect(np.zeros((1, TILE, TILE, 3), np.uint8))
    frames = [read_image(path) for path in paths[: given.count]]
    for image in frames:
        for name, way in ways.items():
            start = time.process_time()
            found[name] += way(clocks[name], image)
            seconds[name] += time.process_time() - start
    rows = []
    for name, clock in clocks.items():
        mp, beyond = clock.pixels / 1e6, seconds[name] - clock.seconds
        cells = [
            mp / len(frames),
            seconds[name] / len(frames),
            seconds[name] / mp,
            clock.seconds / mp,
        ]
        rows.append(
            [
                name,
                *(f"{one:.3f}" for one in cells),
                f"{beyond / len(frames):.2f}",
                f"{found[name] / len(frames):.0f}",
            ]
        )
    heads = ("a frame", "MP", "s", "s a MP", "network, s a MP", "beyond, s", "found")
    print(table(heads, rows))
    print(f"\n{len(frames)} frames; {machine()}")


if __name__ == "__main__":
    main()
