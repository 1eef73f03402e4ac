"""`tinyseg show`: labels or predictions drawn over the frames."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    OVERLAY_CUT,
    DataOption,
    FormatOption,
    ListOption,
    OnError,
    OnErrorOption,
    Skipped,
    SplitOption,
    named_alike,
    of_predicted_splits,
    open_with,
)
from tinyseg.cli.given import read_given
from tinyseg.data import class_ids
from tinyseg.errors import TinysegError
from tinyseg.files import check_folder, make_folder
from tinyseg.frame import Instances
from tinyseg.image import write_jpeg
from tinyseg.masks import CropMasks
from tinyseg.progress import console, progress_bar
from tinyseg.report.overlay import draw_overlay


def show(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")],
    predictions: Annotated[
        Path | None, typer.Option(help="Show these instead of the labels.")
    ] = None,
    listed: ListOption = None,
    split: SplitOption = None,
    format: FormatOption = None,
    count: Annotated[int, typer.Option(min=1, help="At most this many frames.")] = 8,
    min_score: Annotated[float, typer.Option(help="Lowest score shown.")] = OVERLAY_CUT,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Draw labels or predictions over the frames, with a strip that magnifies the horizon.

    Example: tinyseg show --data wad --list val.txt --predictions found/predictions.json --out seen
    """
    check_folder(out)
    given = None if predictions is None else read_given(predictions)
    classes = tuple(class_ids(data, format)) if given is None else given.classes
    dataset = open_with(data, format, listed, classes, split=split)
    if given is not None:
        given = named_alike(given, dataset)
        dataset = of_predicted_splits(dataset, listed, [given])
    by_name = {} if given is None else {frame.name: frame.instances for frame in given.frames}
    items = dataset.items[:count]
    make_folder(out)
    skipped = Skipped(on_error)
    with progress_bar("drawing", len(items)) as bar:
        for item in items:
            try:
                frame = item.read()
            except TinysegError as error:
                skipped(item.name, error)
                continue
            shown = frame.instances if given is None else by_name.get(item.name, Instances.empty())
            ignore: CropMasks = frame.ignore
            picture = draw_overlay(frame.image, shown, classes, ignore=ignore, min_score=min_score)
            write_jpeg(out / f"{Path(item.name).stem}_overlay.jpg", picture)
            bar.advance(item.name)
    console.print(f"{len(items) - len(skipped.errors)} pictures in {out}, scores from {min_score}")
    skipped.report()
