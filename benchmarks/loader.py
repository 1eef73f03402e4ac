"""Training views a second on one core: the package's loader against a plain PyTorch data set.

    python benchmarks/loader.py [--data DIR] [--views N] [--repeats N]

The plain one is a `torch.utils.data.Dataset` with one view a sample: it decodes picture and label
map with Pillow, makes a bitmap of each instance, and cuts and resizes all of them to the view.
"whole frames" makes the bitmaps of the frame and then cuts them, as tutorials do; "cut label map"
cuts first. Views are the same ones (recipe `lite`, without changes of colour), and both sides keep
an object by the same rules; before anything is timed their classes and pixels are compared. No
frame is kept decoded beyond the views that are cut from it in a row: a data set is larger than
memory. The frames are those of a folder in the WAD's layout, or synthetic ones if it is not there.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from _report import machine, table
from jaxtyping import Bool, Float, Int64, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from tinyseg.data import open_data
from tinyseg.frame import Frame
from tinyseg.labels import WAD_CLASSES, WAD_IDS
from tinyseg.model.targets import Target
from tinyseg.recipes import Recipe, lite, with_settings
from tinyseg.scenes import write_wad
from tinyseg.training.batches import FrameStore, make_sample
from tinyseg.training.sampler import SMALLEST_SIDE, draw_view, frame_of, shape_of
from tinyseg.views import View

DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data" / "wad"
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class DenseView:
    """One view as a plain data set hands it out."""

    image: UInt8[Tensor, "3 h w"]
    boxes: Float[Tensor, "n 4"]
    labels: Int64[Tensor, " n"]
    masks: Bool[Tensor, "n h w"]


class PlainViews(Dataset[DenseView]):
    """View i: Pillow, a bitmap for each instance, OpenCV's resize."""

    def __init__(
        self, folder: Path, names: Sequence[str], views: Sequence[View], *, cut_first: bool
    ):
        self.folder, self.names, self.views, self.cut_first = folder, names, views, cut_first

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, index: int) -> DenseView:
        """The view's image and dense targets."""
        name, view = self.names[index], self.views[index]
        with Image.open(self.folder / "train_color" / f"{name}.jpg") as file:
            image = np.asarray(file.convert("RGB"))
        with Image.open(self.folder / "train_label" / f"{name}_instanceIds.png") as file:
            label = np.asarray(file).astype(np.int32)
        window = view_of(image, view)
        window = cv2.resize(window, view.out_hw[::-1], interpolation=cv2.INTER_AREA)
        values, masks = self.dense_masks(label, view)
        if view.flip:
            window, masks = window[:, ::-1], masks[:, :, ::-1]
        boxes = [box_of(mask) for mask in masks]
        classes = [WAD_CLASSES.index(WAD_IDS[value // 1000]) for value in values]
        return DenseView(
            torch.from_numpy(np.ascontiguousarray(window.transpose(2, 0, 1))),
            torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            torch.tensor(classes, dtype=torch.int64),
            torch.from_numpy(masks.copy()),
        )

    def dense_masks(
        self, label: np.ndarray, view: View
    ) -> tuple[list[int], Bool[np.ndarray, "n h w"]]:
        """Values and bitmaps in the view of the objects that are kept."""
        part = view_of(label, view, outside=255)
        seen = [v for v in np.unique(part).tolist() if v // 1000 in WAD_IDS]
        areas = np.bincount(label.ravel(), minlength=2**16)
        values, masks = [], []
        for value in seen:
            whole = part == value if self.cut_first else view_of(label == value, view)
            x0, y0, x1, y1 = box_of(whole)
            shown = min((x1 - x0) * view.scale_xy[0], (y1 - y0) * view.scale_xy[1])
            if np.count_nonzero(whole) < 0.25 * areas[value] or shown < SMALLEST_SIDE:
                continue
            size = view.out_hw[::-1]
            mask = cv2.resize(whole.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            if mask.any():
                values.append(value)
                masks.append(mask.astype(bool))
        return values, np.array(masks, bool).reshape(len(masks), *view.out_hw)


def view_of(pixels: np.ndarray, view: View, *, outside: int = 0) -> np.ndarray:
    """The whole pixels of the view's rectangle."""
    x0, y0, x1, y1 = (int(edge) for edge in view.rect)
    height, width = pixels.shape[:2]
    part = pixels[max(y0, 0) : y1, max(x0, 0) : x1]
    rims = [(max(-y0, 0), max(y1 - height, 0)), (max(-x0, 0), max(x1 - width, 0))]
    if not any(map(any, rims)):
        return part
    rims += [(0, 0)] * (pixels.ndim - 2)
    return np.pad(part, rims, constant_values=114 if pixels.ndim == 3 else outside)


def box_of(mask: Bool[np.ndarray, "h w"]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 around the set pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def make_ours(data: Path, recipe: Recipe, count: int) -> list[Frame]:
    """The package's views with their targets, a frame kept for the views in a row alone."""
    store = FrameStore(open_data(data).items, kept_bytes=1)
    shape = shape_of(0, recipe.sampling, recipe.train.seed)
    made = []
    for index in range(count):
        sample = make_sample(store, index, shape, recipe)
        torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))
        Target.of(sample.instances, sample.ignore, CPU)
        made.append(sample)
    return made


def same_views(data: Path, recipe: Recipe, count: int) -> tuple[list[str], list[View]]:
    """Frames' names and views of the first samples of a run."""
    store, names, views = FrameStore(open_data(data).items), [], []
    rules, seed = recipe.sampling, recipe.train.seed
    shape = shape_of(0, rules, seed)
    for index in range(count):
        which = frame_of(index, draws=store.draws, shape=shape, rules=rules, seed=seed)
        names.append(store.items[which].name)
        views.append(draw_view(store[which], index, shape, rules, seed=seed))
    return names, views


def make_all(plain: PlainViews) -> list[DenseView]:
    """All views of the plain data set, one after the other."""
    return [plain[index] for index in range(len(plain))]


def compare(ours: Sequence[Frame], plain: Sequence[DenseView]) -> str:
    """How alike the two sides' views are, in words; raises if they are not the same views."""
    alike, apart = 0, []
    for one, other in zip(ours, plain, strict=True):
        alike += sorted(one.instances.labels.tolist()) == sorted(other.labels.tolist())
        apart.append(np.abs(one.image.transpose(2, 0, 1).astype(int) - other.image.numpy()).mean())
    if alike < 0.9 * len(ours) or np.mean(apart) > 4:
        raise SystemExit(
            f"not the same views: {alike} of {len(ours)} alike, {np.mean(apart)} apart"
        )
    return (
        f"{alike} of {len(ours)} views have the same classes on both sides; "
        f"pixels differ by {np.mean(apart):.2f} of 255 in the mean"
    )


def measure(data: Path, *, views: int, repeats: int) -> None:
    """The table for the frames of a folder."""
    once, shared = (
        with_settings(lite(), ["sampling.colour=0", f"sampling.views_per_frame={n}"])
        for n in (1, lite().sampling.views_per_frame)
    )
    places = same_views(data, shared, views)
    whole, cut = (PlainViews(data, *places, cut_first=first) for first in (False, True))
    told = compare(make_ours(data, shared, views), make_all(cut))
    several = f"ours, {shared.sampling.views_per_frame} views a decoded frame (the recipe)"
    jobs: dict[str, Callable[[], object]] = {
        "plain, bitmaps of whole frames": partial(make_all, whole),
        "plain, bitmaps of the cut label map": partial(make_all, cut),
        "ours, 1 view a decoded frame (other views)": partial(make_ours, data, once, views),
        several: partial(make_ours, data, shared, views),
    }
    times = processor_times(jobs, repeats=repeats)
    base = times["plain, bitmaps of whole frames"]
    rows = [
        (name, f"{views / seconds:.2f}", f"{base / seconds:.1f}") for name, seconds in times.items()
    ]
    print(table((f"{views} views of 640 px", "views/s/core", "times as fast"), rows))
    print(f"\n{told}. Medians of {repeats} rounds in turns. {machine()}")


def processor_times(jobs: dict[str, Callable[[], object]], *, repeats: int) -> dict[str, float]:
    """Median seconds of one core that each job takes, run in turns: whatever else the machine does,
    since all that a job does is done by one thread."""
    runs: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            start = time.process_time()
            job()
            runs[name].append(time.process_time() - start)
    return {name: median(seconds) for name, seconds in runs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--views", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if arguments.data.is_dir():
        measure(arguments.data, views=arguments.views, repeats=arguments.repeats)
        return
    with TemporaryDirectory() as folder:
        write_wad(Path(folder), count=8, seed=0)
        measure(Path(folder), views=arguments.views, repeats=arguments.repeats)


if __name__ == "__main__":
    main()
