"""Small frames that the tests of training share, and data set items that read them."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from tinyseg.data import Item
from tinyseg.frame import Frame, FrameLabels, Instances
from tinyseg.image import write_png
from tinyseg.masks import CropMasks


@lru_cache(maxsize=8)
def frame(index: int) -> Frame:
    """A grey frame of 96 x 128 with a bright square (class 0) and a dark high box (class 1)."""
    generator = np.random.default_rng(index)
    image = generator.integers(100, 140, (96, 128, 3)).astype(np.uint8)
    x, y = (int(v) for v in generator.integers(4, 60, 2))
    image[y : y + 24, x : x + 24] = (250, 220, 40)
    image[40:70, 100:112] = (10, 10, 60)
    boxes = ((x, y), (100, 40))
    grids: list[UInt8[np.ndarray, "h w"]] = [
        np.full(hw, 255, np.uint8) for hw in ((24, 24), (30, 12))
    ]
    found = Instances.from_labels(CropMasks.pack_pixels(boxes, grids), np.array([0, 1]))
    return Frame(f"frame{index}", image, found, CropMasks.empty())


def labels_of(one: Frame) -> FrameLabels:
    return FrameLabels(one.name, one.hw, one.instances, one.ignore)


def item(folder: Path, index: int) -> Item:
    path = folder / f"{frame(index).name}.png"
    if not path.exists():
        write_png(path, np.ascontiguousarray(frame(index).image))
    return Item(path.stem, path, lambda: labels_of(frame(index)))


def broken_item(index: int) -> Item:
    return Item(f"broken{index}", Path(f"no/such/{index}.png"), lambda: labels_of(frame(0)))


def items(folder: Path, count: int = 3) -> list[Item]:
    return [item(folder, index) for index in range(count)]
