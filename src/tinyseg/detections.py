"""Detections: what was found on one picture, with everything that its use needs.

Instances know boxes, masks, labels and scores; Detections add the class names, the picture's size,
name and pixels, so that saving, drawing and handing on take no further argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from tinyseg import masks as mask_ops
from tinyseg.errors import DataError
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.report import DRAWN_FROM, draw_overlay

if TYPE_CHECKING:
    import pandas
    import supervision

Image = UInt8[np.ndarray, "_height _width 3"]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """n instances on a picture of height and width `hw`, best first, in its own pixels.

    `names` is the class list that `labels` index. `image` is the RGB picture itself (not a copy),
    None where only its size is known. Indexing by an integer, a slice, or an array of integers or
    booleans gives Detections again; iterating gives them one by one.
    """

    instances: Instances
    names: tuple[str, ...]
    hw: tuple[int, int]
    name: str = "picture"
    image: Image | None = None

    def __len__(self) -> int:
        return len(self.instances)

    def __getitem__(
        self, which: int | slice | Int64[np.ndarray, " k"] | Bool[np.ndarray, " n"]
    ) -> Detections:
        index = np.arange(len(self))[which]
        return replace(self, instances=self.instances.select(np.atleast_1d(index)))

    def __iter__(self) -> Iterator[Detections]:
        return (self[place] for place in range(len(self)))

    def __repr__(self) -> str:
        counts = np.bincount(self.labels, minlength=len(self.names))
        told = ", ".join(f"{n} {name}" for n, name in zip(counts, self.names, strict=True) if n)
        return f"Detections({self.name!r}, {told or 'nothing'})"

    @property
    def boxes(self) -> Float64[np.ndarray, "n 4"]:
        """x0, y0, x1, y1 in pixels, half open."""
        return self.instances.boxes

    @property
    def labels(self) -> Int64[np.ndarray, " n"]:
        """Indices into `names`."""
        return self.instances.labels

    @property
    def scores(self) -> Float64[np.ndarray, " n"]:
        """0 ... 1."""
        return self.instances.scores

    @property
    def masks(self) -> CropMasks:
        """One mask an instance, each a crop: never an n x height x width array."""
        return self.instances.masks

    @property
    def class_names(self) -> list[str]:
        """The class of each instance."""
        return [self.names[label] for label in self.labels.tolist()]

    @property
    def areas(self) -> Int64[np.ndarray, " n"]:
        """Pixels of each mask."""
        return mask_ops.area(self.masks)

    def bitmap(self, index: int) -> Bool[np.ndarray, "height width"]:
        """One instance's mask as a picture-sized array."""
        one = self.instances.select(np.array([index]))
        return mask_ops.paint(one.masks, self.hw) > 0

    def above(self, score: float) -> Detections:
        """Only what has at least this score."""
        return self[self.scores >= score]

    def of(self, *names: str) -> Detections:
        """Only the instances of these classes; raises DataError for a name outside `names`."""
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise DataError("no such class", expected=", ".join(self.names), got=unknown[0])
        return self[np.isin(self.labels, [self.names.index(name) for name in names])]

    def to_coco(self, *, image_id: int | str | None = None) -> list[dict[str, Any]]:
        """A row an instance as pycocotools' `loadRes` takes it: category ids count from 1."""
        codes = mask_ops.to_coco_rle(self.masks, self.hw)
        rows = zip(
            self.boxes.tolist(), self.labels.tolist(), self.scores.tolist(), codes, strict=True
        )
        return [
            {
                "image_id": self.name if image_id is None else image_id,
                "category_id": label + 1,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "score": score,
                "segmentation": {"size": list(self.hw), "counts": code.decode("ascii")},
            }
            for (x0, y0, x1, y1), label, score, code in rows
        ]

    def to_supervision(self) -> supervision.Detections:
        """supervision's Detections with compact masks; needs the package supervision."""
        from tinyseg.exchange import to_supervision

        return to_supervision(self.instances, self.hw, self.names)

    def to_dataframe(self) -> pandas.DataFrame:
        """A row an instance: class, score, box, area; needs the package pandas."""
        try:
            import pandas
        except ImportError:
            expected = "pip install pandas"
            raise DataError("this needs the package pandas", expected=expected) from None
        columns = dict(zip(("x0", "y0", "x1", "y1"), self.boxes.T, strict=True))
        head = {"name": self.name, "class": self.class_names, "score": self.scores}
        return pandas.DataFrame({**head, **columns, "area": self.areas})

    def to_labelme(self, path: Path | str) -> None:
        """Write a LabelMe file of masks, for an annotator to go on with."""
        from tinyseg.exchange import write_labelme

        write_labelme(Path(path), self._frame(), self.names)

    def plot(self, *, min_score: float = DRAWN_FROM, max_width: int | None = None) -> Image:
        """The picture with outlines, names and a legend, and the magnified rows where small
        instances are; RGB, as wide as the picture or `max_width`."""
        if self.image is None:
            raise DataError("only the size of this picture is known", where=self.name)
        return draw_overlay(
            self.image, self.instances, self.names, min_score=min_score, max_width=max_width
        )

    def save(self, path: Path | str) -> None:
        """By the ending: .json as `tinyseg predict` writes it, .jpg or .png the plotted picture."""
        from tinyseg.image import write_jpeg, write_png

        target = Path(path)
        ending = target.suffix.lower()
        if ending == ".json":
            write_predictions(target, Predictions(self.names, (self._frame(),)))
        elif ending in (".jpg", ".jpeg"):
            write_jpeg(target, self.plot())
        elif ending == ".png":
            write_png(target, self.plot())
        else:
            expected = ".json, .jpg or .png"
            raise DataError("the ending says the form", path=target, expected=expected, got=ending)

    def _frame(self) -> FramePredictions:
        return FramePredictions(self.name, self.name, self.hw, self.instances)
