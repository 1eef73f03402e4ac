"""`tinyseg calibrate`: predictions and labels -> a model's score calibration."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    DataOption,
    FormatOption,
    ImagesOption,
    LabelledOption,
    ListOption,
    OnErrorOption,
    SplitOption,
    remark,
)
from tinyseg.data import Place
from tinyseg.progress import console, show_progress
from tinyseg.tasks import calibrate as run_fit
from tinyseg.watch import OnError


def calibrate(
    predictions: Annotated[Path, typer.Argument(help="What `tinyseg predict` wrote.")],
    data: DataOption,
    out: Annotated[Path, typer.Option(help="JSON file to write the calibration to.")],
    listed: ListOption = None,
    split: SplitOption = None,
    labelled: LabelledOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Fit scores to how often they are right, on frames that were not trained on.

    Example: tinyseg calibrate found --data wad --list val.txt --out calibration.json
    """
    done = run_fit(
        predictions,
        Place(data, listed, format, split, images, labelled),
        out,
        on_error=on_error,
        on_progress=show_progress,
        on_remark=remark,
    )
    fitted = done.calibration
    console.print(f"{fitted.right} right and {fitted.wrong} wrong detections")
    console.print(f"log loss {done.before:.4f} -> {done.after:.4f} in {out}")
    console.print(
        f"expected calibration error {done.error_before:.4f} -> {done.error_after:.4f}, on the "
        "frames that it was fitted on"
    )
