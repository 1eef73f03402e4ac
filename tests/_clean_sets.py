"""Small data sets of the three formats without a fault, for the doctor's tests to spoil."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from tinyseg.doctor import Place
from tinyseg.image import write_jpeg, write_png

HW = (96, 128)
FRAMES = 6

Rng = np.random.Generator


@dataclass(slots=True)
class Planted:
    """A set on the disk: the folder, its format, its frames' names in order, and its parts."""

    root: Path
    format: str
    names: list[str]
    hw: tuple[int, int] = HW
    listed: Path | None = None
    val: Place | None = None
    document: dict[str, Any] = field(default_factory=dict)

    def picture(self, name: str) -> Path:
        if self.format == "wad":
            return self.root / "train_color" / f"{name}.jpg"
        if self.format == "coco":
            return self.root / "images" / name
        return self.root / "leftImg8bit/train/aachen" / f"{name}_leftImg8bit.png"

    def label(self, name: str) -> Path:
        if self.format == "wad":
            return self.root / "train_label" / f"{name}_instanceIds.png"
        return self.root / "gtFine/train/aachen" / f"{name}_gtFine_instanceIds.png"

    def map_of(self, name: str) -> UInt16[np.ndarray, "h w"]:
        found = cv2.imread(str(self.label(name)), cv2.IMREAD_UNCHANGED)
        return np.asarray(found, np.uint16)

    def some(self, rng: Rng, count: int = 1) -> list[str]:
        return [self.names[i] for i in rng.permutation(len(self.names))[:count]]

    def annotation(self, rng: Rng) -> dict[str, Any]:
        rows: list[dict[str, Any]] = self.document["annotations"]
        return rows[int(rng.integers(len(rows)))]

    def file_of(self, row: dict[str, Any]) -> str:
        return str(self.names[row["image_id"] - 1])

    def write_json(self) -> None:
        text = json.dumps(self.document)  # writes NaN where it must
        (self.root / "annotations.json").write_text(text)


# Clean sets


def picture(rng: Rng, hw: tuple[int, int] = HW) -> UInt8[np.ndarray, "h w 3"]:
    """Soft blotches: two of them are as unlike as two streets."""
    coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, hw[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def boxes(rng: Rng, hw: tuple[int, int], count: int) -> list[tuple[int, int, int, int]]:
    """Boxes in a row of their own each, so that they never meet."""
    height = hw[0] // count
    found = []
    for row in range(count):
        w, h = (int(v) for v in rng.integers((6, 5), (hw[1] // 3, height - 2)))
        x, y = int(rng.integers(0, hw[1] - w)), row * height + int(rng.integers(0, height - h))
        found.append((x, y, x + w, y + h))
    return found


def clean(root: Path, format: str, rng: Rng, count: int = FRAMES, day: int = 170908) -> Planted:
    """A set without a fault, at least one car and one person in each frame."""
    makers = {"wad": _clean_wad, "cityscapes": _clean_cityscapes, "coco": _clean_coco}
    return makers[format](root, rng, count, day)


def _clean_wad(root: Path, rng: Rng, count: int, day: int) -> Planted:
    names = [f"{day}_{6 + i // 60:02}{i % 60:02}15042_Camera_{5 + i % 2}" for i in range(count)]
    made = Planted(root, "wad", names)
    for folder in ("train_color", "train_label"):
        (root / folder).mkdir(parents=True)
    for name in names:
        write_jpeg(made.picture(name), picture(rng))
        label = np.full(HW, 255, np.uint16)
        for number, (x0, y0, x1, y1) in enumerate(boxes(rng, HW, 4)):
            label[y0:y1, x0:x1] = (33, 36, 39, 38)[number] * 1000 + number
        label[0, :40] = 65535
        write_png(made.label(name), label)
    return made


def _clean_cityscapes(root: Path, rng: Rng, count: int, day: int) -> Planted:
    made = Planted(root, "cityscapes", [f"aachen_{i:06}_000019" for i in range(count)])
    for path in (made.picture("a"), made.label("a")):
        path.parent.mkdir(parents=True)
    for name in made.names:
        write_png(made.picture(name), picture(rng))
        label = np.full(HW, 7, np.uint16)
        label[:5] = 23
        for number, (x0, y0, x1, y1) in enumerate(boxes(rng, HW, 4)):
            label[y0:y1, x0:x1] = (26001, 24000, 27003, 26)[number]
        write_png(made.label(name), label)
    return made


def _clean_coco(root: Path, rng: Rng, count: int, day: int) -> Planted:
    made = Planted(root, "coco", [f"{day + i:012}.jpg" for i in range(count)])
    (root / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for index, name in enumerate(made.names):
        write_jpeg(made.picture(name), picture(rng))
        images.append({"id": index + 1, "file_name": name, "height": HW[0], "width": HW[1]})
        for number, box in enumerate(boxes(rng, HW, 4)):
            kept = {"id": len(rows) + 1, "image_id": index + 1, "category_id": 1 + number % 2}
            rows.append(kept | {"iscrowd": 0, **_outlined(box)})
    categories = [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}]
    made.document = {"images": images, "annotations": rows, "categories": categories}
    made.write_json()
    return made


def _outlined(box: tuple[int, int, int, int]) -> dict[str, Any]:
    x0, y0, x1, y1 = box
    return {
        "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
    }


Planter = Callable[[Planted, Rng], str]
"""Spoils one thing at a random place and returns the place."""
