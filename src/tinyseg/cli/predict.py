"""`tinyseg predict`: pictures, folders, lists and videos -> instances."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyseg.allocator import keep_freed_memory
from tinyseg.cli.common import (
    BackendOption,
    BudgetOption,
    DeviceOption,
    OnErrorOption,
    PriorOption,
    ThreadsOption,
    megapixels,
    only_with,
    remark,
    written_options,
)
from tinyseg.errors import DataError, RecipeError
from tinyseg.predictions import PREDICTIONS_NAME
from tinyseg.progress import console, show_progress
from tinyseg.report import DRAWN_FROM
from tinyseg.tasks import PredictChoice, Predicted, predict_folder, predict_job
from tinyseg.watch import OnError

if TYPE_CHECKING:
    from tinyseg.cluster import Summary


def predict(
    images: Annotated[
        list[str],
        typer.Argument(help="Pictures, videos, folders, quoted globs, text files of paths."),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            help=f"Folder for {PREDICTIONS_NAME} and pictures; default: ./found. With --cluster "
            "also an address: s3://bucket/found."
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="A weights file, a run's folder, an ensemble's file, or a name: tinyseg-lite (the "
            "package's own, the default), coco-r50 (torchvision's, downloaded once)."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A network of an ensemble; repeat it for each."),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            help="Form of another library's network: yolo-seg (.onnx, OpenVINO's .xml, .tflite)."
        ),
    ] = None,
    calibration: Annotated[
        list[Path] | None,
        typer.Option(
            "--calibration", help="Score calibration that `calibrate` wrote, one for each network."
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(help="whole, tiles, focus, or a plan's YAML file; default: the weights' own."),
    ] = None,
    tile: Annotated[
        int | None, typer.Option(min=64, help="Also look at native tiles of this side, in pixels.")
    ] = None,
    budget: BudgetOption = None,
    prior: PriorOption = None,
    scales: Annotated[
        str | None,
        typer.Option(help="Look at the whole frame at these short sides: 1500,1800,2400."),
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Look at each view mirrored, too.")] = False,
    exclusive: Annotated[
        bool,
        typer.Option(
            "--exclusive", help="Each pixel belongs to at most one instance, the best one."
        ),
    ] = False,
    detections: Annotated[
        int | None,
        typer.Option(
            min=1, help="Most instances of a frame; default: 300, more over 9 megapixels."
        ),
    ] = None,
    memory: Annotated[
        int | None, typer.Option(min=1, help="Memory limit of a batch of views, in MB.")
    ] = None,
    save_ensemble: Annotated[
        Path | None, typer.Option(help="Write networks and plan to this YAML file, for --weights.")
    ] = None,
    overlay: Annotated[
        bool | None,
        typer.Option(
            "--overlay/--no-overlay",
            help="Draw what is found on each frame; on if there is no --out.",
        ),
    ] = None,
    masks: Annotated[
        bool | None,
        typer.Option(
            "--masks/--no-masks",
            help="Write a 16-bit PNG of each frame: category id * 1000 + number, 0 for background; "
            "on if there is no --out.",
        ),
    ] = None,
    on_error: OnErrorOption = OnError.stop,
    device: DeviceOption = "auto",
    backend: BackendOption = None,
    threads: ThreadsOption = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Predict on a Ray cluster and write Parquet: auto (a running one, else this "
            "machine), local, ray://HOST:PORT, or an address. Pictures may also be addresses "
            "(s3://bucket/prefix), or a .csv or .parquet with a column of paths."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="With --cluster: worker processes, --threads cores each."),
    ] = None,
) -> None:
    """Find the instances of pictures and videos: COCO-style JSON, label maps and overlays.

    Each frame is written when it is ready; the same call again continues where it stopped. Without
    options the package's own weights are used and results go to ./found (or ./found-2 ... if that
    holds other results).

    Example: tinyseg predict photo.jpg
    Example: tinyseg predict frames --weights yolo.onnx --adapter yolo-seg --plan focus --budget 3MP
    Example: tinyseg predict 'frames/*.jpg' --weights runs/a --out found --tile 640 --overlay
    """
    keep_freed_memory()
    only_with("--cluster", "--workers", met=cluster)
    if weights is not None and model:
        rule = "name the networks: --weights FILE, or --model FILE once for each"
        raise DataError(rule, where="--weights", got="both")
    choice = PredictChoice(
        model or weights,
        adapter,
        calibration or (),
        plan,
        tile,
        megapixels(budget),
        prior,
        _sides(scales),
        flip,
        exclusive,
        detections,
        memory,
        device,
        backend,
        threads,
    )
    if cluster is not None:
        if out is None or overlay or masks:
            rule = "a cluster writes Parquet, to a place that is named"
            raise DataError(rule, where="--cluster", expected="--out, no --overlay or --masks")
        if "--on-error" in written_options():
            rule = "on a cluster a frame that fails is a row with its error, and the others go on"
            raise DataError(rule, where="--on-error", expected="no --on-error with --cluster")
        done = predict_job(
            images,
            out,
            choice,
            cluster=cluster,
            workers=workers,
            save_ensemble=save_ensemble,
            on_remark=remark,
        )
        _tell_job(done, out)
        return
    predict_folder(
        images,
        out,
        choice,
        overlays=overlay,
        label_maps=masks,
        save_ensemble=save_ensemble,
        on_error=on_error,
        on_end=_tell,
        on_progress=show_progress,
        on_remark=remark,
    )
    if overlay or masks or out is None:
        console.print(f"pictures show scores from {DRAWN_FROM}")


def _tell(done: Predicted) -> None:
    """What there is."""
    before = f", {done.before} of them finished before" if done.before else ""
    console.print(f"{done.frames} frames in {done.folder / PREDICTIONS_NAME}{before}")
    if done.counts:
        told = ", ".join(f"{count} {name}" for name, count in done.counts.most_common())
        console.print(f"found with scores from {DRAWN_FROM}: {told}", highlight=False)
    for text, count in done.remarks.items():
        remark(f"{count} frames: {text}")


def _tell_job(done: "Summary", out: str) -> None:
    before = f", {done.before} finished before" if done.before else ""
    rate = f", {done.frames / done.seconds:.2f} frames/s" if done.frames else ""
    console.print(f"{done.frames + done.before} frames in {out}{before}{rate}")
    if done.frames:
        steps = ", ".join(f"{name[:-2]} {seconds:.1f} s" for name, seconds in done.steps.items())
        console.print(f"{done.instances} instances; {steps}", highlight=False)
        slow = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in done.slowest)
        console.print(f"slowest: {slow}", highlight=False)
    if done.failed:
        why = f"{done.failed} frames failed: their rows in {out}/frames say why"
        remark(f"{why}; once that is mended, delete the parts that hold them and call again")


def _sides(text: str | None) -> tuple[int, ...]:
    """1500,1800 as numbers."""
    parts = [] if text is None else text.split(",")
    if not all(part.strip().isdigit() and int(part) >= 32 for part in parts):
        rule = "scales are short sides of at least 32 pixels"
        raise RecipeError(rule, where="--scales", expected="1500,1800,2400", got=text)
    return tuple(int(part) for part in parts)
