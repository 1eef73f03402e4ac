"""`tinyseg calibrate`: predictions and labels -> a model's score calibration."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.calibrate import Judged, fit, judge, log_loss, write_calibration
from tinyseg.cli.common import (
    DataOption,
    FormatOption,
    ImagesOption,
    LabelledOption,
    ListOption,
    OnError,
    OnErrorOption,
    Skipped,
    SplitOption,
    read_all_labels,
)
from tinyseg.cli.given import open_given
from tinyseg.data import Place
from tinyseg.errors import PredictionsError
from tinyseg.files import check_output
from tinyseg.progress import console, progress_bar


def calibrate(
    predictions: Annotated[Path, typer.Argument(help="What `tinyseg predict` wrote.")],
    data: DataOption,
    out: Annotated[Path, typer.Option(help="The calibration, a JSON file.")],
    listed: ListOption = None,
    split: SplitOption = None,
    labelled: LabelledOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Fit a model's scores to how often they are right, on frames it did not learn from.

    Example: tinyseg calibrate found --data wad --list val.txt --out calibration.json
    """
    check_output(out)
    place = Place(data, listed, format, split, images, labelled)
    skipped = Skipped(on_error)
    (given,), dataset = open_given([predictions], place, skipped, classes=tuple)
    found = {frame.name: frame.instances for frame in given.frames}
    parts = []
    with progress_bar("matching", len(dataset.items)) as bar:
        for labels in read_all_labels(dataset.items, skipped, bar):
            if labels.name not in found:
                raise PredictionsError(
                    "no predictions of a frame", path=predictions, got=labels.name
                )
            parts.append(judge(found[labels.name], labels))
    judged = Judged.concatenate(parts)
    calibration = fit(judged)
    write_calibration(out, calibration)
    skipped.report()
    console.print(f"{calibration.right} right and {calibration.wrong} wrong detections")
    console.print(
        f"log loss {log_loss(judged):.4f} -> {log_loss(judged, calibration):.4f} in {out}"
    )
