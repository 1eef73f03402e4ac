"""`tinyseg show`: labels or predictions drawn over the frames."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    DataOption,
    FormatOption,
    ImagesOption,
    ListOption,
    OnErrorOption,
    SplitOption,
    watching,
)
from tinyseg.data import Place, apart, class_ids, file_below
from tinyseg.errors import TinysegError
from tinyseg.files import check_folder, make_folder
from tinyseg.frame import Instances
from tinyseg.image import write_jpeg
from tinyseg.masks import CropMasks
from tinyseg.progress import console
from tinyseg.report import DRAWN_FROM, draw_overlay
from tinyseg.tasks import open_given, open_with
from tinyseg.watch import OnError


def show(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")],
    predictions: Annotated[
        Path | None, typer.Option(help="Show these instead of the labels.")
    ] = None,
    listed: ListOption = None,
    split: SplitOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    count: Annotated[int, typer.Option(min=1, help="At most this many frames.")] = 8,
    min_score: Annotated[float, typer.Option(help="Lowest score shown.")] = DRAWN_FROM,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Draw labels or predictions over the frames, with a strip that magnifies the horizon.

    Example: tinyseg show --data wad --list val.txt --predictions found/predictions.json --out seen
    """
    check_folder(out)
    place, watch = Place(data, listed, format, split, images), watching(on_error)
    by_name: dict[str, Instances] | None = None
    if predictions is None:
        dataset = open_with(place, tuple(class_ids(data, format)), watch=watch)
    else:
        (given,), dataset = open_given([predictions], place, watch, classes=tuple)
        by_name = {frame.name: frame.instances for frame in given.frames}
    items = dataset.items[:count]
    make_folder(out)
    names = apart([item.name for item in items])
    with watch.stage("drawing", len(items)) as stage:
        for item, name in zip(items, names, strict=True):
            try:
                frame = item.read()
            except TinysegError as error:
                watch(item.name, error)
                continue
            shown = frame.instances
            if by_name is not None:
                shown = by_name.get(item.name, Instances.empty())
            ignore: CropMasks = frame.ignore
            picture = draw_overlay(
                frame.image, shown, dataset.classes, ignore=ignore, min_score=min_score
            )
            file = file_below(out, name, "_overlay.jpg")
            make_folder(file.parent)
            write_jpeg(file, picture)
            stage.advance(item.name)
    console.print(f"{len(items) - len(watch.frames)} pictures in {out}, scores from {min_score}")
    watch.report()
