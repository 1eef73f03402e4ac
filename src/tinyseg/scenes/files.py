"""Synthetic scenes as files in the WAD's own layout.

Goes out: `train_color/<stem>.jpg`, `train_label/<stem>_instanceIds.png` (16 bit) and `train.txt`.
A file is written beside its place and renamed, so that a killed run leaves no half of one.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from tinyseg.errors import DataError
from tinyseg.files import make_folder, write_whole
from tinyseg.scenes.scene import Scene, render_scene

JPEG_QUALITY = 92


def write_wad(
    out: Path,
    *,
    count: int,
    seed: int,
    height: int = 2710,
    width: int = 3384,
    first: int = 0,
    zoom: float = 1.0,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Render frames first ... first + count - 1 into `out`; `progress` hears of each one done."""
    make_folder(out)
    for folder in ("train_color", "train_label"):
        make_folder(out / folder)
    stems = []
    for index in range(first, first + count):
        scene = render_scene(seed=seed, index=index, height=height, width=width, zoom=zoom)
        stems.append(f"synth_{index:06d}_Camera_{5 + index % 2}")
        _write_scene(out, stems[-1], scene)
        if progress is not None:
            progress(index - first + 1)
    write_whole(out / "train.txt", "".join(f"{stem}\n" for stem in stems).encode())
    return stems


def _write_scene(out: Path, stem: str, scene: Scene) -> None:
    """The two files of one frame; the image last, for it is what a reader looks for."""
    # The label as a 16-bit PNG: run lengths only, as labels are long runs of one value
    how = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY]
    done, data = cv2.imencode(".png", scene.label, [*how, cv2.IMWRITE_PNG_STRATEGY_RLE])
    if not done:
        raise DataError("the label could not be encoded", got=scene.label.shape)
    write_whole(out / "train_label" / f"{stem}_instanceIds.png", np.asarray(data).tobytes())
    jpeg = simplejpeg.encode_jpeg(
        scene.image, quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="420"
    )
    write_whole(out / "train_color" / f"{stem}.jpg", jpeg)
