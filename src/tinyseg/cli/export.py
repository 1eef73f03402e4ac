"""`tinyseg export`: a trained run -> one file to give away, or to run elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
import yaml

from tinyseg.calibrate import read_calibration
from tinyseg.cli.common import ListOption, SplitOption, watching
from tinyseg.data import Place
from tinyseg.errors import DataError
from tinyseg.exporting import write_onnx, write_openvino
from tinyseg.fields import read_text
from tinyseg.files import check_output
from tinyseg.networks import Exported, Given, given_to_export, write_weights
from tinyseg.progress import console, told_while_fetching
from tinyseg.stored import Notes, find_weights
from tinyseg.watch import OnError

FORMATS = {"safetensors": ".safetensors", "onnx": ".onnx", "openvino": ".xml"}
"""What is written, each with its file's ending."""


def export(
    weights: Annotated[
        str, typer.Argument(help="A run's folder, a weights file, or a name, as for predict.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write: .safetensors, .onnx or .xml.")],
    format: Annotated[
        str | None,
        typer.Option(help=f"{' | '.join(FORMATS)}; default: by the file's ending."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a default of prediction: predict.plan=focus"),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="What `calibrate` wrote, to store in the file.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="The weights' licence, as a text.")] = None,
    card: Annotated[
        Path | None, typer.Option(help="The model card: a YAML file of names and texts.")
    ] = None,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="For OpenVINO: in 8 bits, with ranges measured on --data."),
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="With --int8: the data set to measure ranges and loss on.")
    ] = None,
    listed: ListOption = None,
    split: SplitOption = None,
    frames: Annotated[
        int, typer.Option(min=1, help="With --int8: number of frames, evenly spread over --data.")
    ] = 32,
    most_loss: Annotated[
        float,
        typer.Option(
            min=0, help="With --int8: refuse a larger loss of average precision than this."
        ),
    ] = 0.01,
) -> None:
    """Write a network as one file with all that `predict` needs, to give away or to run elsewhere.

    As .safetensors in half precision; as ONNX or for OpenVINO in full precision, to run there
    without this package. A location prior goes along where the weights have one (`tinyseg prior
    --into`).

    Example: tinyseg export runs/a --out lite.safetensors --set predict.plan=focus
    --set predict.budget_mp=12 --calibration calibration.json --card card.yaml
    Example: tinyseg export runs/a --out lite.onnx
    Example: tinyseg export runs/a --out lite.xml --int8 --data wad --list train.txt
    """
    named = _format_of(out, format)
    _check_int8(int8, named, data)
    check_output(out)
    text = None if calibration is None else read_calibration(calibration).model_dump_json()
    notes = Notes(text, licence, {} if card is None else read_card(card))
    with told_while_fetching(weights) as tell:
        source = find_weights(weights, on_progress=tell)
    given = given_to_export(source, settings=settings or [], notes=notes)
    if data is not None:
        place = Place(data, listed, None, split)
        written = _in_8_bits(given, out, place, frames, most_loss)
    else:
        written = WRITERS[named](given, out)
    for line in told(written, Notes.of(given.header, source)):
        console.print(line, highlight=False)
    typer.echo(f"{out}: {written.size_bytes} bytes, sha256 {written.sha256}")


WRITERS: dict[str, Callable[[Given, Path], Exported]] = {
    "safetensors": write_weights,
    "onnx": write_onnx,
    "openvino": write_openvino,
}


def _check_int8(int8: bool, format: str, data: Path | None) -> None:
    if int8 and format != "openvino":
        raise DataError("8 bits are for OpenVINO", where="--int8", expected="an .xml", got=format)
    if int8 != (data is not None):
        rule = "8 bits are set by frames of a data set: --int8 and --data belong together"
        raise DataError(rule, where="--int8")


def _in_8_bits(given: Given, out: Path, place: Place, most: int, most_loss: float) -> Exported:
    from tinyseg.quantise import write_int8  # with what it needs to judge
    from tinyseg.tasks import open_with

    watch = watching(OnError.stop)
    items = open_with(place, given.recipe.classes, kind="train", watch=watch).items
    some = items[:: -(-len(items) // most)]
    with watch.stage("in 32 bits, then in 8", 2 * len(some)) as stage:
        written, worth = write_int8(given, out, some, most_loss=most_loss, advance=stage.advance)
    console.print(
        f"average precision on {worth.frames} frames, {worth.instances} instances: "
        f"{worth.exact_ap:.3f} in 32 bits, {worth.int8_ap:.3f} in 8",
        highlight=False,
    )
    return written


def _format_of(out: Path, format: str | None) -> str:
    """The format that is named, or that the file's ending says; they must agree."""
    if format is not None and format not in FORMATS:
        expected = " | ".join(FORMATS)
        raise DataError("no such format", where="--format", expected=expected, got=format)
    fitting = [name for name, ending in FORMATS.items() if ending == out.suffix.lower()]
    if not fitting or format not in (None, *fitting):
        wanted = FORMATS.values() if format is None else [FORMATS[format]]
        rule = "a file's ending says its format"
        expected = " | ".join(f"{out.stem}{ending}" for ending in wanted)
        raise DataError(rule, where="--out", expected=expected, got=out.name)
    return fitting[0]


def told(written: Exported, notes: Notes) -> list[str]:
    """What the file holds, a fact a line."""
    use = written.recipe.predict
    plan = use.plan if isinstance(use.plan, str) else "parts of its own"
    budget = f", {use.budget_mp:g} MP" if use.plan == "focus" else ""
    return [
        f"{written.recipe.name}: {written.numbers / 1e6:.2f} M numbers, "
        f"{written.size_bytes / 1e6:.2f} MB",
        f"classes: {', '.join(written.recipe.classes)}",
        f"plan: {plan}{budget}; scores {'calibrated' if notes.calibration else 'as they are'}",
        f"licence: {notes.licence or 'not stated'}",
        *(f"{key}: {text}" for key, text in notes.card.items()),
    ]


def read_card(path: Path) -> dict[str, str]:
    """The fields of a model card; raises DataError for anything but texts and numbers by name."""
    try:
        tree = yaml.safe_load(read_text(path))
    except (ValueError, yaml.YAMLError):
        raise DataError("the card is not YAML", path=path) from None
    plain = isinstance(tree, dict) and all(
        isinstance(key, str) and isinstance(value, str | int | float) for key, value in tree.items()
    )
    if not plain:
        raise DataError("a card is YAML: a text or a number by name", path=path)
    return {key: str(value).strip() for key, value in tree.items()}
