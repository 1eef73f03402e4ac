"""`tinyseg export`: a trained run -> one small weights file to give away."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from tinyseg.build import Exported, Notes, export_weights, read_notes
from tinyseg.calibrate import read_calibration
from tinyseg.errors import DataError
from tinyseg.fields import read_text
from tinyseg.files import check_output
from tinyseg.progress import console

ENDING = ".safetensors"


def export(
    weights: Annotated[Path, typer.Argument(help="A run's folder, or a weights file.")],
    out: Annotated[Path, typer.Option(help="The file to write: .safetensors.")],
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
    """Write a network in half precision with all that `predict` needs, and say what is in it.

    A location prior goes along where the weights have one (`tinyseg prior --into`).

    Example: tinyseg export runs/a --out lite.safetensors --set predict.plan=focus
    --set predict.budget_mp=12 --calibration calibration.json --card card.yaml
    """
    if out.suffix.lower() != ENDING:
        rule = "weights are written as .safetensors alone, which `tinyseg predict` reads"
        raise DataError(rule, where="--out", expected=f"{out.stem}{ENDING}", got=out.name)
    check_output(out)
    text = None if calibration is None else read_calibration(calibration).model_dump_json()
    notes = Notes(text, licence, {} if card is None else read_card(card))
    written = export_weights(weights, out, settings=settings or [], notes=notes)
    for line in told(written, read_notes(out)):
        console.print(line, highlight=False)
    typer.echo(f"{out}: {written.size_bytes} bytes, sha256 {written.sha256}")


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
