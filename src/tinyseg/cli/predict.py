"""`tinyseg predict`: pictures, folders, lists and videos -> instances."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    OVERLAY_CUT,
    PREDICTIONS_NAME,
    DeviceOption,
    OnError,
    OnErrorOption,
    Skipped,
    ThreadsOption,
    find_device,
    megapixels,
)
from tinyseg.errors import DataError, RecipeError
from tinyseg.image import write_jpeg
from tinyseg.merge import MergeRules
from tinyseg.predict import (
    BatchLimits,
    MemberFile,
    Predictor,
    Results,
    Source,
    Wishes,
    choose,
    find_sources,
    is_ensemble,
    load,
    make_plan,
    read_ensemble,
    read_shots,
    stream,
    write_ensemble,
)
from tinyseg.predict.members import file_sha256, own_prior
from tinyseg.predict.plan_choice import with_priors
from tinyseg.predict.predictor import default_limits
from tinyseg.predict.stream import Image
from tinyseg.predictions import FramePredictions
from tinyseg.progress import console, progress_bar
from tinyseg.recipes import PlanChoice
from tinyseg.report.overlay import draw_overlay
from tinyseg.views import FrameInfo


def predict(
    images: Annotated[
        list[str], typer.Argument(help="Pictures, videos, folders, quoted globs, .txt lists.")
    ],
    out: Annotated[Path, typer.Option(help=f"Folder for {PREDICTIONS_NAME} and overlays.")],
    weights: Annotated[
        Path | None, typer.Option(help="A weights file, a run's folder, or an ensemble's file.")
    ] = None,
    model: Annotated[
        list[Path] | None, typer.Option("--model", help="One network of an ensemble; repeat it.")
    ] = None,
    calibration: Annotated[
        list[Path] | None,
        typer.Option("--calibration", help="What `calibrate` wrote: one for each network."),
    ] = None,
    plan: Annotated[
        str | None, typer.Option(help="whole, tiles, focus, or a plan's YAML file.")
    ] = None,
    tile: Annotated[
        int | None, typer.Option(min=64, help="Also look at native tiles of this side.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="View pixels that focus may spend: 12MP.")
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(help="Where instances stand, for --plan focus; else the weights' own."),
    ] = None,
    scales: Annotated[
        str | None, typer.Option(help="Whole frames at these short sides: 1500,1800,2400.")
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Look at each view mirrored too.")] = False,
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="A pixel belongs to one instance.")
    ] = False,
    memory: Annotated[
        int | None, typer.Option(min=1, help="MB that a batch of views may take.")
    ] = None,
    save_ensemble: Annotated[
        Path | None, typer.Option(help="Write networks and plan to this YAML file.")
    ] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Draw a picture of each frame.")
    ] = False,
    on_error: OnErrorOption = OnError.stop,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Find the instances of pictures: COCO-style JSON with scores from 0.01, and overlays.

    Each frame is written when it is ready; the same call again goes on where it stopped.

    Example: tinyseg predict 'frames/*.jpg' --weights runs/a --out found --tile 640 --overlay
    """
    sources = find_sources(images)
    files, own = _find_members(weights, model or [], calibration or [])
    members = [load(file) for file in files]
    wishes = Wishes(plan, tile, megapixels(budget), prior, _sides(scales), flip)
    choice = choose(wishes, members[0].recipe, own)
    if save_ensemble is not None:
        write_ensemble(save_ensemble, files, choice)
    where = find_device(device, threads)
    keep = max(member.recipe.predict.detections for member in members)
    predictor = Predictor(
        members,
        make_plan(choice, own_prior(members)),
        device=where,
        limits=BatchLimits(default_limits(where).pixels, memory),
        rules=MergeRules(keep=keep, exclusive=exclusive),
    )
    results = Results(out, _settings(predictor, choice), predictor.classes)
    _run(predictor, sources, results, overlay=overlay, skipped=Skipped(on_error))


def _run(
    predictor: Predictor,
    sources: Sequence[Source],
    results: Results,
    *,
    overlay: bool,
    skipped: Skipped,
) -> None:
    """Look at what is not finished yet; each frame is written by the thread that merges it."""
    drawn = results.folder

    def finish(frame: FramePredictions, mark: str, image: Image | None) -> None:
        if image is not None:
            classes = predictor.classes
            picture = draw_overlay(image, frame.instances, classes, min_score=OVERLAY_CUT)
            write_jpeg(drawn / f"{frame.name}_overlay.jpg", picture)
        results.add(frame, mark)

    remarks: dict[str, int] = {}
    try:
        with progress_bar("predicting", sum(s.frames or 0 for s in sources)) as bar:

            def meet(name: str, mark: str) -> bool:
                done = results.meet(name, mark)
                if done:
                    bar.advance(f"{name}: finished before")
                return done

            shots = read_shots(sources, meet)
            found = stream(predictor, shots, on_error=skipped, finish=finish, pictures=overlay)
            with closing(found) as frames:
                for frame in frames:
                    bar.advance(f"{frame.name}: {len(frame.instances)}")
                    for remark in predictor.plan.remarks(FrameInfo.named(frame.name, frame.hw)):
                        remarks[remark] = remarks.get(remark, 0) + 1
    finally:  # an interruption or a bad file does not cost the frames before it
        path = results.write_all()
        before = f", {results.before} of them finished before" if results.before else ""
        console.print(f"{len(results)} frames in {path}{before}")
        for remark, count in remarks.items():
            console.print(f"[yellow]{count} frames:[/] {remark}", highlight=False)
    if overlay:
        console.print(f"overlays show scores from {OVERLAY_CUT}")
    skipped.report()


def _find_members(
    weights: Path | None, models: Sequence[Path], calibrations: Sequence[Path]
) -> tuple[list[MemberFile], PlanChoice | None]:
    """The networks that the options name, and the plan of an ensemble's file."""
    if (weights is None) == (not models):
        rule = "name the networks: --weights FILE, or --model FILE once for each"
        raise DataError(rule, where="--weights", got="both" if models else "neither")
    if weights is not None and is_ensemble(weights):
        if calibrations:
            rule = "an ensemble's file names its calibrations itself"
            raise DataError(rule, where="--calibration", path=weights)
        ensemble = read_ensemble(weights)
        return list(ensemble.members), ensemble.plan
    paths = list(models) if weights is None else [weights]
    if calibrations and len(calibrations) != len(paths):
        rule = "there is one calibration for each network, in order, or none"
        raise DataError(rule, where="--calibration", expected=len(paths), got=len(calibrations))
    own: list[Path | None] = [*calibrations] if calibrations else [None] * len(paths)
    pairs = zip(paths, own, strict=True)
    return [MemberFile(weights=path, calibration=one) for path, one in pairs], None


def _settings(predictor: Predictor, choice: PlanChoice) -> dict[str, object]:
    """What results follow from; files by their content, so that a copy elsewhere is the same."""
    members = [
        {
            "sha256": m.sha256,
            "weight": m.weight,
            "calibration": None if m.calibration is None else m.calibration.model_dump(),
        }
        for m in predictor.members
    ]
    plan = with_priors(choice, lambda prior: Path(file_sha256(prior)))
    return {
        "networks": members,
        "plan": plan.model_dump(mode="json"),
        "rules": asdict(predictor.rules),
    }


def _sides(text: str | None) -> tuple[int, ...]:
    """1500,1800 as numbers."""
    parts = [] if text is None else text.split(",")
    if not all(part.strip().isdigit() and int(part) >= 32 for part in parts):
        rule = "scales are short sides of at least 32 pixels"
        raise RecipeError(rule, where="--scales", expected="1500,1800,2400", got=text)
    return tuple(int(part) for part in parts)
