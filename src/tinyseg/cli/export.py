"""`tinyseg export`: a trained run -> one file to give away, or to run elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
import yaml

from tinyseg.calibrate import read_calibration
from tinyseg.errors import DataError
from tinyseg.exporting.write import write_onnx, write_openvino
from tinyseg.fields import read_text
from tinyseg.files import check_output
from tinyseg.networks import Exported, Given, given_to_export, write_weights
from tinyseg.progress import console, told_while_fetching
from tinyseg.stored import Notes, find_weights

FORMATS = {"safetensors": ".safetensors", "onnx": ".onnx", "openvino": ".xml"}
"""What is written, each with its file's ending."""


def export(
    weights: Annotated[
        str, typer.Argument(help="A run's folder, a weights file, or a name, as for predict.")
    ],
    out: Annotated[Path, typer.Option(help="The file to write: .safetensors, .onnx or .xml.")],
    format: Annotated[
        str | None,
        typer.Option(help=f"{' | '.join(FORMATS)}; by the file's ending if not given."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="How it is used by default: predict.plan=focus"),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="What `calibrate` wrote; goes into the file.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="The weights' licence, in words.")] = None,
    card: Annotated[
        Path | None, typer.Option(help="The model card's fields: YAML, a text by name.")
    ] = None,
) -> None:
    """Write a network with all that `predict` needs, and say what is in it.

    As .safetensors in half precision; as ONNX or for OpenVINO with exact numbers, to run in these
    without this package. A location prior goes along where the weights have one (`tinyseg prior
    --into`).

    Example: tinyseg export runs/a --out lite.safetensors --set predict.plan=focus
    --set predict.budget_mp=12 --calibration calibration.json --card card.yaml
    Example: tinyseg export runs/a --out lite.onnx
    """
    write = WRITERS[_format_of(out, format)]
    check_output(out)
    text = None if calibration is None else read_calibration(calibration).model_dump_json()
    notes = Notes(text, licence, {} if card is None else read_card(card))
    with told_while_fetching(weights) as tell:
        source = find_weights(weights, on_progress=tell)
    given = given_to_export(source, settings=settings or [], notes=notes)
    written = write(given, out)
    for line in told(written, Notes.of(given.header, source)):
        console.print(line, highlight=False)
    typer.echo(f"{out}: {written.size_bytes} bytes, sha256 {written.sha256}")


WRITERS: dict[str, Callable[[Given, Path], Exported]] = {
    "safetensors": write_weights,
    "onnx": write_onnx,
    "openvino": write_openvino,
}


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
