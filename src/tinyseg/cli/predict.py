"""`tinyseg predict`: pictures -> instances."""

import glob as globbing
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    OVERLAY_CUT,
    PREDICTIONS_NAME,
    DeviceOption,
    OnError,
    OnErrorOption,
    Skipped,
    ThreadsOption,
    find_device,
)
from tinyseg.errors import DataError, TinysegError
from tinyseg.image import read_image, write_jpeg
from tinyseg.predict import load_predictor
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.progress import console, progress_bar
from tinyseg.report.overlay import draw_overlay

PICTURES = {".jpg", ".jpeg", ".png"}


def predict(
    images: Annotated[list[str], typer.Argument(help="Pictures, folders, or quoted globs.")],
    weights: Annotated[Path, typer.Option(help="A weights file, or a run's folder.")],
    out: Annotated[Path, typer.Option(help=f"Folder for {PREDICTIONS_NAME} and overlays.")],
    tile: Annotated[
        int | None, typer.Option(min=64, help="Also look at native tiles of this side.")
    ] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Draw a picture of each frame.")
    ] = False,
    on_error: OnErrorOption = OnError.stop,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Find the instances of pictures: COCO-style JSON with scores from 0.01, and overlays.

    Example: tinyseg predict 'frames/*.jpg' --weights runs/a --out found --tile 640 --overlay
    """
    paths = list(_find_pictures(images))
    predictor = load_predictor(weights, device=find_device(device, threads), tile=tile)
    out.mkdir(parents=True, exist_ok=True)
    done: list[FramePredictions] = []
    skipped = Skipped(on_error)
    try:
        with progress_bar("predicting", len(paths)) as bar:
            for path in paths:
                try:
                    image = read_image(path)
                except TinysegError as error:
                    skipped(path.name, error)
                    continue
                found = predictor(image)
                done.append(FramePredictions(path.stem, path.name, image.shape[:2], found))
                if overlay:
                    picture = draw_overlay(image, found, predictor.classes, min_score=OVERLAY_CUT)
                    write_jpeg(out / f"{path.stem}_overlay.jpg", picture)
                bar.advance(f"{path.name}: {len(found)}")
    finally:  # an interruption or a bad file does not cost the frames before it
        write_predictions(out / PREDICTIONS_NAME, Predictions(predictor.classes, tuple(done)))
        console.print(f"{len(done)} frames in {out / PREDICTIONS_NAME}")
    if overlay:
        console.print(f"overlays show scores from {OVERLAY_CUT}")
    skipped.report()


def _find_pictures(words: Sequence[str]) -> Iterator[Path]:
    """The picture files that paths, folders and globs name, each once, in order."""
    seen: dict[Path, None] = {}
    for word in words:
        if os.path.isdir(word):
            found = sorted(p for p in Path(word).iterdir() if p.suffix.lower() in PICTURES)
        elif os.path.exists(word):
            found = [Path(word)]
        else:
            found = [Path(p) for p in sorted(globbing.glob(word, recursive=True))]
        if not found:
            raise DataError("no picture of this name", path=word, expected="a file, folder or glob")
        seen.update(dict.fromkeys(found))
    by_stem: dict[str, Path] = {}
    for path in seen:
        if path.stem in by_stem:
            rule = "pictures of one call need names of their own"
            raise DataError(rule, path=path, got=f"the same name as {by_stem[path.stem]}")
        by_stem[path.stem] = path
    yield from seen
