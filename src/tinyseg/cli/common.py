"""What the verbs share: options, progress on the console, devices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from tinyseg.data import FORMATS
from tinyseg.errors import DataError, RecipeError
from tinyseg.files import write_whole
from tinyseg.progress import console, show_progress
from tinyseg.watch import OnError, Watch

if TYPE_CHECKING:
    import torch


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


def watching(on_error: OnError) -> Watch:
    """Progress as bars, remarks on the console."""
    return Watch(on_error, show_progress, remark)


def remark(text: str) -> None:
    """A sentence on the console, as it stands."""
    console.print(text, highlight=False, markup=False, style="yellow")


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


def megapixels(text: str | None, where: str = "--budget") -> float | None:
    """12MP, 12mp or 12 as millions of pixels."""
    if text is None:
        return None
    try:
        return float(text.strip().lower().removesuffix("mp"))
    except ValueError:
        rule = "a number of pixels is written as megapixels"
        raise RecipeError(rule, where=where, expected="12MP", got=text) from None


def rendered(table: object) -> str:
    with console.capture() as captured:
        console.print(table)
    return captured.get()
