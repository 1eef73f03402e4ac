"""`tinyseg export`: a trained run -> one file to give away, or to run elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg import tasks
from tinyseg.cli.common import (
    FormatOption,
    ImagesOption,
    ListOption,
    OnErrorOption,
    SplitOption,
    only_with,
    remark,
)
from tinyseg.data import Place
from tinyseg.errors import DataError
from tinyseg.progress import console, show_progress
from tinyseg.tasks import EightBits
from tinyseg.views import LocationPrior
from tinyseg.watch import OnError

OF_DATA = ("--list", "--split", "--format", "--images", "--on-error")
OF_WEIGHTS = ("--set", "--calibration", "--licence", "--card", "--int8")


def export(
    out: Annotated[
        Path,
        typer.Option(help="The file to write: .safetensors, .onnx or .xml; .json for a prior."),
    ],
    weights: Annotated[
        str | None,
        typer.Argument(help="A run's folder, a weights file, or a name, as for predict."),
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
    learn_prior: Annotated[
        bool,
        typer.Option(
            "--learn-prior",
            help="Learn a location prior from the frames of --data, in place of the weights' own.",
        ),
    ] = False,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="For OpenVINO: in 8 bits, with ranges measured on --data."),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="The data set for --learn-prior, and to measure for --int8."),
    ] = None,
    listed: ListOption = None,
    split: SplitOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    camera: Annotated[
        str | None, typer.Option(help="Camera of all frames, if their names do not say it.")
    ] = None,
    frames: Annotated[
        int, typer.Option(min=1, help="With --int8: number of frames, evenly spread over --data.")
    ] = EightBits().frames,
    most_loss: Annotated[
        float,
        typer.Option(
            min=0, help="With --int8: refuse a larger loss of average precision than this."
        ),
    ] = EightBits().most_loss,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Write a network as one file with all that `predict` needs, to give away or to run elsewhere.

    As .safetensors in half precision; as ONNX or for OpenVINO in full precision, to run there
    without this package. The location prior that every run learns goes along;
    --learn-prior learns it from other frames, and without weights writes it alone, as .json. Of a
    data set with splits the training split is taken.

    Example: tinyseg export runs/a --out lite.safetensors --set predict.plan=focus
    --set predict.budget_mp=12 --calibration calibration.json --card card.yaml
    Example: tinyseg export runs/a --out lite.onnx
    Example: tinyseg export runs/a --out lite.xml --int8 --data wad --list train.txt
    Example: tinyseg export runs/a --out lite.safetensors --learn-prior --data wad --list train.txt
    Example: tinyseg export --learn-prior --data wad --out prior.json
    """
    only_with("--data", *OF_DATA, met=data)
    only_with("--int8", "--frames", "--most-loss", met=int8)
    only_with("--learn-prior", "--camera", met=learn_prior)
    place = None if data is None else Place(data, listed, format, split, images)
    alone = out.suffix.lower() == ".json"
    if alone != (weights is None) or (alone and not learn_prior):
        rule = "weights go to .safetensors, .onnx or .xml, and --learn-prior alone to .json"
        raise DataError(rule, where="--out", got=out.name)
    if alone:
        only_with("weights", *OF_WEIGHTS, met=False)
        if place is None:
            raise DataError("a prior is learned from a data set", where="--data")
        learned = tasks.write_prior(
            place,
            out,
            camera=camera,
            on_error=on_error,
            on_progress=show_progress,
            on_remark=remark,
        )
        tell_prior(learned)
        return
    written = tasks.export(
        weights,
        out,
        settings=settings or [],
        calibration=calibration,
        licence=licence,
        card=card,
        data=place,
        learn_prior=learn_prior,
        camera=camera,
        int8=EightBits(frames, most_loss) if int8 else None,
        on_error=on_error,
        on_progress=show_progress,
        on_remark=remark,
    )
    tell(written)


def tell(written: "tasks.WrittenWeights") -> None:
    """What the file holds, a fact a line."""
    exported, notes, worth = written.exported, written.notes, written.worth
    use = exported.recipe.predict
    plan = use.plan if isinstance(use.plan, str) else "parts of its own"
    budget = f", {use.budget_mp:g} MP" if use.plan == "focus" else ""
    if worth is not None:
        what = f"on {worth.frames} frames, {worth.instances} instances"
        figures = f"{worth.exact_ap:.3f} in 32 bits, {worth.int8_ap:.3f} in 8"
        console.print(f"average precision {what}: {figures}", highlight=False)
    if written.prior is not None:
        tell_prior(written.prior)
    lines = [
        f"{exported.recipe.name}: {exported.numbers / 1e6:.2f} M numbers, "
        f"{exported.size_bytes / 1e6:.2f} MB",
        f"classes: {', '.join(exported.recipe.classes)}",
        f"plan: {plan}{budget}; scores {'calibrated' if notes.calibration else 'as they are'}",
        f"licence: {notes.licence or 'not stated'}",
        *(f"{key}: {text}" for key, text in notes.card.items()),
    ]
    console.print("\n".join(lines), highlight=False)
    typer.echo(f"{written.path}: {exported.size_bytes} bytes, sha256 {exported.sha256}")


def tell_prior(prior: LocationPrior) -> None:
    """What it is of."""
    for one in prior.cameras:
        size = f"{one.hw[1]} x {one.hw[0]}"
        text = f"camera {one.camera}, {size}: {one.counts.sum()} instances on {one.frames} frames"
        console.print(text, highlight=False)
