"""What the verbs share: options, what they mean, and remarks on the console."""

import re
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from tinyseg.data import FORMATS, Place
from tinyseg.errors import DataError, RecipeError
from tinyseg.files import write_whole
from tinyseg.progress import console
from tinyseg.tasks import OF_THE_DATA
from tinyseg.watch import OnError

WRITTEN = "COMMANDLINE"
"""Where an option's value comes from, in click's words."""

_WRITTEN: ContextVar[tuple[str, ...]] = ContextVar("written", default=())

DataOption = Annotated[
    Path, typer.Option("--data", help="Data set: its folder, or its label file.")
]
ListOption = Annotated[
    Path | None, typer.Option("--list", help="Only the frames named in this text file, one a line.")
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", help=f"Label format, recognised if not given: {' | '.join(FORMATS)}."),
]
SplitOption = Annotated[
    str | None,
    typer.Option("--split", help="Only this split of the data set: train, val, test ..."),
]
LabelledOption = Annotated[
    str | None,
    typer.Option(
        "--labelled",
        help="Classes that the data set labels: car,person. Others may be there unlabelled.",
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option("--images", help="Folder of the pictures that COCO's file names refer to."),
]
OnErrorOption = Annotated[
    OnError,
    typer.Option("--on-error", help="Stop at a bad file or object, or skip and count it."),
]
RecipeOption = Annotated[
    str | None,
    typer.Option("--recipe", help="A preset's name, or a recipe's file; lite if not given."),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a key of the recipe: train.steps=500; may be repeated."),
]
ClassesOption = Annotated[
    str | None,
    typer.Option(
        "--classes",
        help=f"Class names: car,person; or '{OF_THE_DATA}' for those of the data sets; "
        "default: WAD's seven.",
    ),
]
BudgetOption = Annotated[
    str | None, typer.Option("--budget", help="Budget of a focus in megapixels of views: 12MP.")
]
PriorOption = Annotated[
    Path | None,
    typer.Option(
        "--prior", help="Location prior for a focus, a JSON file; default: the weights' own."
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.")
]
BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        help="auto | torch | openvino | onnxruntime; auto takes OpenVINO if it is installed and "
        "there is no GPU.",
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, help="CPU threads of the network.")
]


def remark(text: str) -> None:
    """A sentence on the console, as it stands."""
    console.print(text, highlight=False, markup=False, style="yellow")


class Verb(typer.core.TyperCommand):
    """A verb that knows which options were written on the command line."""

    def invoke(self, ctx: Any) -> Any:
        """Run it, with those in `written_options`."""
        sources = {one.opts[0]: ctx.get_parameter_source(one.name) for one in self.params}
        written = (name for name, source in sources.items() if source and source.name == WRITTEN)
        token = _WRITTEN.set(tuple(written))
        try:
            return super().invoke(ctx)
        finally:
            _WRITTEN.reset(token)


def written_options() -> tuple[str, ...]:
    """The options of the running verb that were written on the command line, by their first names;
    those that have their defaults are not among them."""
    return _WRITTEN.get()


def only_with(other: str, *options: str, met: object) -> None:
    """Refuses options that have no effect without another."""
    idle = [name for name in written_options() if name in options]
    if idle and not met:
        rule = "the option has no effect without another"
        raise DataError(rule, where=", ".join(idle), expected=other)


def class_names(text: str | None) -> list[str] | str | None:
    """What --classes says, for a task."""
    if text is None or text.strip() == OF_THE_DATA:
        return text and OF_THE_DATA
    return [name.strip() for name in text.split(",")]


def val_place(
    own: Place, val: Path | None, listed: Path | None, split: str | None, images: Path | None
) -> Place | None:
    """The data set to be judged on: --val, or other frames of the data set itself."""
    if val is None and listed is None and split is None:
        return None
    if val is None:
        return replace(own, listed=listed, split=split)
    return Place(val, listed, own.format, split, images)


def hw_of(text: str, where: str = "--size", *, least: int = 1) -> tuple[int, int]:
    """WIDTHxHEIGHT as height and width."""
    found = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text.lower())
    if found is None or min(int(found[1]), int(found[2])) < least:
        rule = f"a size is WIDTHxHEIGHT, at least {least}x{least}"
        raise DataError(rule, where=where, expected="3384x2710", got=text)
    return int(found[2]), int(found[1])


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
