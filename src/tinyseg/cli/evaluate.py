"""`tinyseg evaluate`: predictions and labels -> scores."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from tinyseg.cli.common import (
    DataOption,
    FormatOption,
    ListOption,
    OnError,
    OnErrorOption,
    Skipped,
    named_alike,
    open_with,
    predictions_file,
    read_all_labels,
    rendered,
)
from tinyseg.evaluate.score import score
from tinyseg.evaluate.table import scores_table, scores_to_json
from tinyseg.labels import WAD_CLASSES
from tinyseg.predictions import read_predictions
from tinyseg.progress import progress_bar


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="What `tinyseg predict` wrote.")],
    data: DataOption,
    listed: ListOption = None,
    format: FormatOption = None,
    json: Annotated[Path | None, typer.Option(help="Also write the scores to this file.")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Frames without predictions count as empty.")
    ] = False,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Score predictions: AP by size and class, COCO's rules, ignore regions honoured.

    Example: tinyseg evaluate found/predictions.json --data wad --list val.txt --json scores.json
    """
    given = read_predictions(predictions_file(predictions))
    dataset = open_with(data, format, listed, WAD_CLASSES)
    given = named_alike(given, dataset)
    skipped = Skipped(on_error)
    with progress_bar("reading labels", len(dataset.items)) as bar:
        truth = list(read_all_labels(dataset.items, skipped, bar))
    scores = score(given, truth, classes=dataset.classes, allow_missing=allow_missing)
    if json is not None:
        json.write_bytes(orjson.dumps(scores_to_json(scores), option=orjson.OPT_INDENT_2))
    typer.echo(rendered(scores_table(scores)))
    skipped.report()
