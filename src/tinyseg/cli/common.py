"""What the verbs share: options, skipping what cannot be read, data sets, devices."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import torch
import typer

from tinyseg.data import FORMATS, DataSet, Item, frame_key, open_data, split_of_kind
from tinyseg.errors import DataError, RecipeError, TinysegError
from tinyseg.files import write_whole
from tinyseg.frame import FrameLabels
from tinyseg.predictions import Predictions
from tinyseg.progress import Bar, console

PREDICTIONS_NAME = "predictions.json"
OVERLAY_CUT = 0.3


class OnError(StrEnum):
    """What to do with a frame that cannot be read."""

    stop = "stop"
    skip = "skip"


DataOption = Annotated[Path, typer.Option("--data", help="The data set: a folder, or a COCO JSON.")]
ListOption = Annotated[
    Path | None, typer.Option("--list", help="Only the frames named in this file, one a line.")
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", help=f"{' | '.join(FORMATS)}; recognised if not given."),
]
SplitOption = Annotated[
    str | None,
    typer.Option("--split", help="Only this split of the data set: train, val, test ..."),
]
LabelledOption = Annotated[
    str | None,
    typer.Option(
        "--labelled",
        help="The classes that the data set labels: car,person; others may stand there unlabelled.",
    ),
]
OnErrorOption = Annotated[
    OnError, typer.Option("--on-error", help="Stop at a bad file, or skip it and report the count.")
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.")
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads of the network on a CPU.")
]


class Skipped:
    """Counts what was left out, and says so once at the end."""

    def __init__(self, on_error: OnError) -> None:
        self.on_error = on_error
        self.errors: dict[str, TinysegError] = {}

    def __call__(self, name: str, error: TinysegError) -> None:
        """Keep the error in mind, or raise it where the user wants to stop."""
        if self.on_error is OnError.stop:
            raise error
        self.errors.setdefault(name, error)

    def report(self) -> None:
        """The number of frames left out, with the first reasons."""
        for error in list(self.errors.values())[:5]:
            console.print(f"[yellow]skipped[/] {error}", highlight=False)
        if self.errors:
            console.print(f"[yellow]{len(self.errors)} frames skipped[/]")


def open_with(
    data: Path,
    format: str | None,
    listed: Path | None,
    classes: Sequence[str],
    *,
    split: str | None = None,
    kind: str | None = None,
    labelled: str | None = None,
) -> DataSet:
    """The data set, and said aloud what is left out of it.

    Where neither `split` nor a list chooses, the split of this `kind` is taken if there is one.
    `labelled` are names with commas between.
    """
    if split is None and listed is None and kind is not None:
        split = split_of_kind(data, kind, format)
    own = None if labelled is None else [name.strip() for name in labelled.split(",")]
    dataset = open_data(
        data, format=format, classes=classes, listed=listed, split=split, labelled=own
    )
    if len(dataset.splits) > 1 and listed is None:
        taken = "all splits are taken" if dataset.split is None else f"split {dataset.split}"
        console.print(f"{data}: {taken} (of {', '.join(dataset.splits)})", highlight=False)
    for remark in dataset.remarks:
        console.print(f"{data}: {remark}", highlight=False)
    if dataset.missing:
        some = ", ".join(dataset.missing[:3])
        console.print(f"[yellow]{len(dataset.missing)} listed frames are not there[/] ({some} ...)")
    return dataset


def of_predicted_splits(
    dataset: DataSet, listed: Path | None, given: Sequence[Predictions]
) -> DataSet:
    """The splits that the predictions are of, where neither a split nor a list was asked for: the
    frames of the others are no misses. The predictions have the data set's names."""
    if listed is not None or dataset.split is not None or len(dataset.splits) < 2:
        return dataset
    predicted = {frame.name for one in given for frame in one.frames}
    own = {item.split for item in dataset.items if item.name in predicted}
    if not own:
        return dataset
    kept = [split for split in dataset.splits if split in own]
    console.print(f"the predictions are of the split {', '.join(kept)}", highlight=False)
    return replace(dataset, items=tuple(i for i in dataset.items if i.split in own))


def read_all_labels(items: Sequence[Item], skipped: Skipped, bar: Bar) -> Iterator[FrameLabels]:
    for item in items:
        try:
            labels = item.read_labels()
        except TinysegError as error:
            skipped(item.name, error)
            continue
        bar.advance()
        yield labels


def find_device(name: str, threads: int | None) -> torch.device:
    if threads is not None:
        torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError("no such device", where="--device", got=f"{name}: {reason}") from None
    return device


def named_alike(predictions: Predictions, dataset: DataSet) -> Predictions:
    """The predictions with the data set's frame names: a file's name, stem or item name will do."""
    names = {frame_key(item.name): item.name for item in dataset.items}
    frames = [replace(f, name=names.get(frame_key(f.name), f.name)) for f in predictions.frames]
    return replace(predictions, frames=tuple(frames))


def write_json(path: Path, document: object) -> None:
    """The document, indented, whole or not at all."""
    write_whole(path, orjson.dumps(document, option=orjson.OPT_INDENT_2))


def megapixels(text: str | None) -> float | None:
    """12MP, 12mp or 12 as millions of pixels."""
    if text is None:
        return None
    try:
        return float(text.strip().lower().removesuffix("mp"))
    except ValueError:
        rule = "a budget is written as megapixels"
        raise RecipeError(rule, where="--budget", expected="12MP", got=text) from None


def predictions_file(path: Path) -> Path:
    return path / PREDICTIONS_NAME if path.is_dir() else path


def rendered(table: object) -> str:
    with console.capture() as captured:
        console.print(table)
    return captured.get()
