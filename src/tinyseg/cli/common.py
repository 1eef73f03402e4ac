"""What the verbs share: options, skipping what cannot be read, data sets, devices."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from tinyseg.data import FORMATS, DataSet, Item, Place, open_data, split_of_kind
from tinyseg.errors import DataError, RecipeError, TinysegError
from tinyseg.files import write_whole
from tinyseg.frame import FrameLabels
from tinyseg.predictions import PREDICTIONS_NAME
from tinyseg.progress import Bar, console

if TYPE_CHECKING:
    import torch


class OnError(StrEnum):
    """What to do with a frame that cannot be read."""

    stop = "stop"
    skip = "skip"


DataOption = Annotated[
    Path, typer.Option("--data", help="The data set: a folder, or its label file.")
]
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
ImagesOption = Annotated[
    Path | None,
    typer.Option("--images", help="The folder of the pictures that COCO's file names lead to."),
]
OnErrorOption = Annotated[
    OnError,
    typer.Option("--on-error", help="Stop at a bad file or object, or skip it and say how many."),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.")
]
BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="auto | torch | openvino | onnxruntime; auto takes OpenVINO where it is installed and "
        "there is no GPU.",
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads of the network on a CPU.")
]


class Skipped:
    """Counts the frames and the objects that were left out, and says so once at the end."""

    def __init__(self, on_error: OnError) -> None:
        self.on_error = on_error
        self.frames: dict[str, TinysegError] = {}
        self.objects: dict[str, TinysegError] = {}

    def __call__(self, name: str, error: TinysegError) -> None:
        """A frame that cannot be read; raised where the user wants to stop."""
        if self.on_error is OnError.stop:
            raise error
        self.frames.setdefault(name, error)

    def object(self, error: TinysegError) -> None:
        """A label that is broken, on a frame that is read without it, once however often that is;
        raised where the user wants to stop."""
        if self.on_error is OnError.stop:
            raise error
        self.objects.setdefault(str(error), error)

    def report(self) -> None:
        """The numbers, with the first reasons."""
        for left, noun in ((self.frames, "frames"), (self.objects, "objects")):
            for error in list(left.values())[:5]:
                console.print(f"[yellow]skipped[/] {error}", highlight=False)
            if left:
                console.print(f"[yellow]{len(left)} {noun} skipped[/]")


def open_with(
    place: Place,
    classes: Sequence[str],
    *,
    kind: str | None = None,
    skipped: Skipped | None = None,
) -> DataSet:
    """The data set, and said aloud what is left out of it.

    Where neither a split nor a list is named, the split of this `kind` is taken if there is one.
    """
    data, split, labelled = place.path, place.split, place.labelled
    if split is None and place.listed is None and kind is not None:
        split = split_of_kind(data, kind, place.format)
    dataset = open_data(
        data,
        format=place.format,
        classes=classes,
        listed=place.listed,
        split=split,
        images=place.images,
        labelled=None if labelled is None else [name.strip() for name in labelled.split(",")],
        on_fault=None if skipped is None else skipped.object,
    )
    if len(dataset.splits) > 1 and place.listed is None:
        taken = "all splits are taken" if dataset.split is None else f"split {dataset.split}"
        console.print(f"{data}: {taken} (of {', '.join(dataset.splits)})", highlight=False)
    for remark in dataset.remarks:
        console.print(f"{data}: {remark}", highlight=False)
    if dataset.missing:
        some = ", ".join(dataset.missing[:3])
        console.print(f"[yellow]{len(dataset.missing)} listed frames are not there[/] ({some} ...)")
    return dataset


def read_all_labels(items: Sequence[Item], skipped: Skipped, bar: Bar) -> Iterator[FrameLabels]:
    for item in items:
        try:
            labels = item.read_labels()
        except TinysegError as error:
            skipped(item.name, error)
            continue
        bar.advance()
        yield labels


def find_device(name: str, threads: int | None) -> "torch.device":
    import torch  # most verbs need none

    if threads is not None:
        torch.set_num_threads(threads)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        there = " | ".join(["cpu", *(f"cuda:{number}" for number in range(count))])
        raise DataError("no such device", where="--device", expected=there, got=name) from None
    return device


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
