"""`tinyseg calibrate`: predictions and labels -> a model's score calibration."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.calibrate import Judged, fit, log_loss, right_or_wrong, write_calibration
from tinyseg.cli.common import (
    DataOption,
    FormatOption,
    ImagesOption,
    LabelledOption,
    ListOption,
    OnErrorOption,
    SplitOption,
    watching,
)
from tinyseg.data import Place
from tinyseg.errors import PredictionsError
from tinyseg.files import check_output
from tinyseg.progress import console
from tinyseg.tasks import open_given, read_all_labels
from tinyseg.watch import OnError


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
    watch = watching(on_error)
    (given,), dataset = open_given([predictions], place, watch, classes=tuple)
    found = {frame.name: frame.instances for frame in given.frames}
    parts = []
    with watch.stage("matching", len(dataset.items)) as stage:
        for labels in read_all_labels(dataset.items, watch, stage):
            if labels.name not in found:
                raise PredictionsError(
                    "no predictions of a frame", path=predictions, got=labels.name
                )
            parts.append(right_or_wrong(found[labels.name], labels))
    judged = Judged.concatenate(parts)
    calibration = fit(judged)
    write_calibration(out, calibration)
    watch.report()
    console.print(f"{calibration.right} right and {calibration.wrong} wrong detections")
    console.print(
        f"log loss {log_loss(judged):.4f} -> {log_loss(judged, calibration):.4f} in {out}"
    )
