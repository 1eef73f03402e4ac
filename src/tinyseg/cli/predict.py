"""`tinyseg predict`: pictures, folders, lists and videos -> instances."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.markup import escape

from tinyseg.allocator import keep_freed_memory
from tinyseg.cli.common import (
    BackendOption,
    DeviceOption,
    OnErrorOption,
    ThreadsOption,
    find_device,
    megapixels,
    watching,
)
from tinyseg.data import file_below
from tinyseg.errors import DataError, RecipeError
from tinyseg.exchange import MOST_CLASSES, to_label_map
from tinyseg.exporting import require
from tinyseg.files import check_folder, check_output, make_folder
from tinyseg.image import write_jpeg, write_png
from tinyseg.merge import MergeRules
from tinyseg.network import PROCESSOR, Device
from tinyseg.predict import (
    Backend,
    BatchLimits,
    Image,
    Member,
    MemberFile,
    Predictor,
    Results,
    Source,
    backend_of,
    choose_backend,
    choose_plan,
    default_limits,
    find_sources,
    folder_for,
    is_ensemble,
    load,
    predict_shots,
    read_ensemble,
    read_shots,
    write_ensemble,
)
from tinyseg.predictions import PREDICTIONS_NAME, FramePredictions
from tinyseg.progress import console, progress_bar, told_while_fetching
from tinyseg.report import DRAWN_FROM, draw_overlay
from tinyseg.stored import file_sha256, find_weights
from tinyseg.views import FrameInfo, Plan
from tinyseg.watch import OnError, Watch

if TYPE_CHECKING:
    from tinyseg.cluster import Listing


def predict(
    images: Annotated[
        list[str], typer.Argument(help="Pictures, videos, folders, quoted globs, .txt lists.")
    ],
    out: Annotated[
        str | None,
        typer.Option(
            help=f"Folder for {PREDICTIONS_NAME} and pictures; without it ./found. With --cluster "
            "also an address such as s3://bucket/found."
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="A weights file, a run's folder, an ensemble's file, or a name: tinyseg-lite (the "
            "package's own; used if nothing is said), coco-r50 "
            "(torchvision's, downloaded once)."
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="One network of an ensemble; repeat it.")
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            help="The form of networks that are not ours: yolo-seg (an .onnx, OpenVINO .xml or "
            ".tflite file)."
        ),
    ] = None,
    calibration: Annotated[
        list[Path] | None,
        typer.Option("--calibration", help="What `calibrate` wrote: one for each network."),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(help="whole, tiles, focus, or a plan's YAML file; else the weights' own."),
    ] = None,
    tile: Annotated[
        int | None, typer.Option(min=64, help="Also look at native tiles of this side.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="View pixels that focus may spend: 12MP.")
    ] = None,
    prior: Annotated[
        Path | None,
        typer.Option(help="Where instances stand, for the plan focus; else the weights' own."),
    ] = None,
    scales: Annotated[
        str | None, typer.Option(help="Whole frames at these short sides: 1500,1800,2400.")
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Look at each view mirrored too.")] = False,
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="A pixel belongs to one instance.")
    ] = False,
    detections: Annotated[
        int | None,
        typer.Option(
            min=1, help="Most instances of a frame; else 300, and more of one over 9 megapixels."
        ),
    ] = None,
    memory: Annotated[
        int | None, typer.Option(min=1, help="MB that a batch of views may take.")
    ] = None,
    save_ensemble: Annotated[
        Path | None, typer.Option(help="Write networks and plan to this YAML file.")
    ] = None,
    overlay: Annotated[
        bool | None,
        typer.Option(
            "--overlay/--no-overlay",
            help="Draw a picture of each frame; on where no --out is named.",
        ),
    ] = None,
    masks: Annotated[
        bool | None,
        typer.Option(
            "--masks/--no-masks",
            help="A 16-bit PNG of each frame, category id * 1000 + number, 0 for none; on where "
            "no --out is named.",
        ),
    ] = None,
    on_error: OnErrorOption = OnError.stop,
    device: DeviceOption = "auto",
    backend: BackendOption = None,
    threads: ThreadsOption = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Predict on a Ray cluster and write Parquet: auto (one that is there, else this "
            "machine), local, ray://HOST:PORT, or an address. Images may be addresses "
            "(s3://bucket/prefix), and a .csv or .parquet with a column of paths."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that hold the networks, --threads cores each."),
    ] = None,
) -> None:
    """Find the instances of pictures: COCO-style JSON with scores from 0.01, masks and overlays.

    Each frame is written when it is ready; the same call again goes on where it stopped. Without
    an option: the package's own weights and plan, and everything in ./found (./found-2 ... where
    that holds other results).

    Example: tinyseg predict photo.jpg
    Example: tinyseg predict frames --weights yolo.onnx --adapter yolo-seg --plan focus --budget 3MP
    Example: tinyseg predict 'frames/*.jpg' --weights runs/a --out found --tile 640 --overlay
    """
    keep_freed_memory()
    check_output(save_ensemble)
    job = _Job.wanted(cluster, workers, out, images, overlay or masks)
    sources = [] if job else find_sources(images, _remark)
    folder = None if job or out is None else Path(out)
    if folder is not None:
        check_folder(folder)
    files, own = _find_members(weights, model or [], calibration or [], adapter)
    asked = backend or (None if folder is None else backend_of(folder))
    runs = choose_backend(asked, device=device, threads=threads, tell=_remark)
    if detections is not None and runs.auto:  # an exported network keeps no more than it is set to
        runs = Backend("torch", auto=True)
    members = [load(file, runs) for file in files]
    chosen = choose_plan(
        members[0].predict,
        own,
        plan=plan,
        tile=tile,
        budget_mp=megapixels(budget),
        prior=prior,
        scales=_sides(scales),
        flip=flip,
    )
    if save_ensemble is not None:
        write_ensemble(save_ensemble, files, chosen)
    where: Device = PROCESSOR
    if any(member.backend == "torch" for member in members):
        where = find_device(device, threads)
    limits = BatchLimits(default_limits(where).pixels, memory)
    if detections is None:
        rules = MergeRules(keep=_most_kept(members), exclusive=exclusive)
    else:
        rules = MergeRules(keep=detections, keep_pixels=None, exclusive=exclusive)
        for member in members:
            member.network.keep(detections)
    predictor = Predictor(members, chosen, device=where, limits=limits, rules=rules)
    settings = _settings(predictor, chosen)
    if job:
        how = {"backend": replace(runs, tell=_quiet), "detections": detections, "memory_mb": memory}
        job.run(predictor, files, settings, threads=threads or 1, device=where.type, **how)
        return
    drawn = _Pictures.wanted(overlay, masks, predictor.classes, unnamed=out is None)
    folder = folder or folder_for(settings, predictor.classes, Path())
    results = Results(folder, settings, predictor.classes)
    _run(predictor, sources, results, pictures=drawn, watch=watching(on_error))


@dataclass(frozen=True, slots=True)
class _Job:
    """Prediction on a cluster: what there is to look at, and where the results go."""

    listing: "Listing"
    out: str
    cluster: str
    workers: int | None

    @staticmethod
    def wanted(
        cluster: str | None,
        workers: int | None,
        out: str | None,
        images: Sequence[str],
        pictures: bool | None,
    ) -> "_Job | None":
        """What the options say; None where they name no cluster."""
        if cluster is None:
            if workers is not None:
                raise DataError("workers belong to a cluster", where="--workers")
            return None
        if out is None or pictures:
            rule = "a cluster writes Parquet, to a place that is named"
            raise DataError(rule, where="--cluster", expected="--out, no --overlay or --masks")
        require("ray")
        from tinyseg.cluster import find_frames

        return _Job(find_frames(images, _remark), out, cluster, workers)

    def run(
        self,
        predictor: Predictor,
        files: Sequence[MemberFile],
        settings: Mapping[str, object],
        **how: Any,
    ) -> None:
        """Look at what is not finished yet, and say what there is."""
        from tinyseg.cluster import Engine, predict_on_cluster

        engine = Engine.of(predictor, files, settings, **how)
        done = predict_on_cluster(
            self.listing, engine, self.out, cluster=self.cluster, workers=self.workers
        )
        before = f", {done.before} finished before" if done.before else ""
        rate = f", {done.frames / done.seconds:.2f} frames/s" if done.frames else ""
        console.print(f"{done.frames + done.before} frames in {self.out}{before}{rate}")
        if done.frames:
            steps = ", ".join(
                f"{name[:-2]} {seconds:.1f} s" for name, seconds in done.steps.items()
            )
            console.print(f"{done.instances} instances; {steps}", highlight=False)
            slow = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in done.slowest)
            console.print(f"slowest: {slow}", highlight=False)
        if done.failed:
            _remark(f"{done.failed} frames failed: their rows in {self.out}/frames say why")


def _quiet(remark: str) -> None:
    """Workers tell nobody."""


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Which pictures are made of each frame."""

    overlay: bool
    masks: bool

    @staticmethod
    def wanted(
        overlay: bool | None, masks: bool | None, classes: Sequence[str], *, unnamed: bool
    ) -> "_Pictures":
        """What the options say; where they say nothing, all if no folder was named."""
        fit = len(classes) <= MOST_CLASSES
        if masks and not fit:
            rule = f"a picture of masks tells {MOST_CLASSES} classes apart"
            raise DataError(rule, where="--masks", got=len(classes))
        chosen = unnamed if overlay is None else overlay
        return _Pictures(chosen, unnamed and fit if masks is None else masks)

    def write(
        self, folder: Path, frame: FramePredictions, classes: Sequence[str], image: Image | None
    ) -> None:
        """Into this folder, of what is found with a score above the cut."""
        if self.overlay and image is not None:
            picture = draw_overlay(image, frame.instances, classes, min_score=DRAWN_FROM)
            file = file_below(folder, frame.name, "_overlay.jpg")
            make_folder(file.parent)
            write_jpeg(file, picture)
        if self.masks:
            sure = frame.instances.select(frame.instances.scores >= DRAWN_FROM)
            ids = range(1, len(classes) + 1)
            file = file_below(folder, frame.name, "_masks.png")
            make_folder(file.parent)
            write_png(file, to_label_map(sure, frame.hw, ids, background=0))


def _run(
    predictor: Predictor,
    sources: Sequence[Source],
    results: Results,
    *,
    pictures: _Pictures,
    watch: Watch,
) -> None:
    """Look at what is not finished yet; each frame is written by the thread that merges it."""

    def finish(frame: FramePredictions, mark: str, image: Image | None) -> None:
        pictures.write(results.folder, frame, predictor.classes, image)
        results.add(frame, mark)

    remarks: list[str] = []
    try:
        with progress_bar("predicting", sum(s.frames or 0 for s in sources)) as bar:

            def meet(name: str, mark: str) -> bool:
                done = results.meet(name, mark)
                if done:
                    bar.advance(f"{name}: finished before")
                return done

            found = predict_shots(
                predictor,
                read_shots(sources, meet, remarks.append),
                on_error=watch,
                finish=finish,
                pictures=pictures.overlay,
            )
            with closing(found) as frames:
                for frame in frames:
                    bar.advance(f"{frame.name}: {len(frame.instances)}")
    finally:  # an interruption or a bad file does not cost the frames before it
        for remark in remarks:
            _remark(remark)
        _tell(results, predictor)
    if pictures.overlay or pictures.masks:
        console.print(f"pictures show scores from {DRAWN_FROM}")
    watch.report()


def _remark(text: str) -> None:
    console.print(f"[yellow]{escape(text)}[/]", highlight=False)


def _tell(results: Results, predictor: Predictor) -> None:
    """Put the call's frames into one file, and say what there is."""
    tallies = results.write_all(DRAWN_FROM)
    path = results.folder / PREDICTIONS_NAME
    before = f", {results.before} of them finished before" if results.before else ""
    console.print(f"{len(results)} frames in {path}{before}")
    counts = Counter(name for tally in tallies for name in tally.sure)
    if counts:
        told = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        console.print(f"found with scores from {DRAWN_FROM}: {told}", highlight=False)
    remarks = Counter(
        remark
        for tally in tallies
        for remark in predictor.plan.remarks(FrameInfo.named(tally.name, tally.hw))
    )
    full = sum(tally.count >= predictor.rules.most(tally.hw) for tally in tallies)
    if full:
        remarks["the most instances that are kept were reached: --detections keeps more"] = full
    for remark, count in remarks.items():
        console.print(f"[yellow]{count} frames:[/] {remark}", highlight=False)


def _find_members(
    weights: str | None,
    models: Sequence[str],
    calibrations: Sequence[Path],
    adapter: str | None,
) -> tuple[list[MemberFile], Plan | None]:
    """The networks that the options name, and the plan of an ensemble's file."""
    if weights is not None and models:
        rule = "name the networks: --weights FILE, or --model FILE once for each"
        raise DataError(rule, where="--weights", got="both")
    if adapter is not None and weights is None and not models:
        rule = "an adapter belongs to weights of that form"
        raise DataError(rule, where="--adapter", expected="--weights FILE", got="no weights")
    if weights is not None and is_ensemble(Path(weights)):
        if adapter is not None:
            rule = "an ensemble's file names its adapters itself"
            raise DataError(rule, where="--adapter", path=weights)
        if calibrations:
            rule = "an ensemble's file names its calibrations itself"
            raise DataError(rule, where="--calibration", path=weights)
        ensemble = read_ensemble(Path(weights))
        return list(ensemble.members), ensemble.plan
    names: list[str | None] = [*models] or [weights]
    paths = [_path_of(name) for name in names]
    if calibrations and len(calibrations) != len(paths):
        rule = "there is one calibration for each network, in order, or none"
        raise DataError(rule, where="--calibration", expected=len(paths), got=len(calibrations))
    own: list[Path | None] = [*calibrations] if calibrations else [None] * len(paths)
    pairs = zip(paths, own, strict=True)
    return [MemberFile(weights=path, calibration=one, adapter=adapter) for path, one in pairs], None


def _path_of(name: str | None) -> Path:
    with told_while_fetching(name or "") as tell:
        return find_weights(name, on_progress=tell)


def _most_kept(members: Sequence[Member]) -> int:
    return max(member.predict.detections for member in members)


def _settings(predictor: Predictor, plan: Plan) -> dict[str, object]:
    """What results follow from; files by their content, so that a copy elsewhere is the same."""
    members = [
        {
            "sha256": m.sha256,
            "weight": m.weight,
            "calibration": None if m.calibration is None else m.calibration.model_dump(),
        }
        for m in predictor.members
    ]
    plan = plan.with_priors(lambda prior: Path(file_sha256(prior)))
    return {
        "networks": members,
        "backend": ", ".join(dict.fromkeys(m.backend for m in predictor.members)),
        "plan": TypeAdapter(Plan).dump_python(plan, mode="json"),
        "rules": asdict(predictor.rules),
    }


def _sides(text: str | None) -> tuple[int, ...]:
    """1500,1800 as numbers."""
    parts = [] if text is None else text.split(",")
    if not all(part.strip().isdigit() and int(part) >= 32 for part in parts):
        rule = "scales are short sides of at least 32 pixels"
        raise RecipeError(rule, where="--scales", expected="1500,1800,2400", got=text)
    return tuple(int(part) for part in parts)
