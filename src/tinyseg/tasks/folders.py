"""Pictures, folders, lists and videos -> a folder with what is found on each frame; it goes on."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from tinyseg.data import file_below
from tinyseg.errors import DataError
from tinyseg.exchange import MOST_CLASSES, to_label_map
from tinyseg.exporting import require
from tinyseg.files import check_folder, check_output, make_folder
from tinyseg.image import write_jpeg, write_png
from tinyseg.merge import MergeRules
from tinyseg.network import PROCESSOR, Device
from tinyseg.predict import (
    AUTO,
    Backend,
    BatchLimits,
    Image,
    MemberFile,
    Predictor,
    Results,
    backend_of,
    choose_backend,
    choose_plan,
    default_limits,
    find_device,
    find_sources,
    folder_for,
    is_ensemble,
    load,
    predict_shots,
    read_ensemble,
    read_shots,
    write_ensemble,
)
from tinyseg.predictions import FramePredictions
from tinyseg.report import DRAWN_FROM, draw_overlay
from tinyseg.stored import file_sha256, find_weights
from tinyseg.views import FrameInfo, Plan
from tinyseg.watch import OnError, OnProgress, OnRemark, Stage, Watch

if TYPE_CHECKING:
    from tinyseg.cluster import Summary

Name = Path | str


@dataclass(frozen=True, slots=True)
class PredictChoice:
    """Networks, and how they look.

    `weights` are a file, a run's folder, an ensemble's file or a name, or several for an ensemble;
    None is the package's own. `adapter` is the form of files that are not ours (yolo-seg), and
    `calibrations` are what `calibrate` wrote, one for each network. `plan` is whole, tiles, focus,
    or a plan's file; else the weights' own. `tile` is the side of native tiles, `budget_mp` the
    millions of view pixels for focus, `prior` its location prior; `scales` are short sides of whole
    frames; `flip` looks at each view mirrored too. A pixel belongs to one instance where
    `exclusive`; `detections` are the most of a frame, `memory_mb` what a batch of views may take.
    """

    weights: Name | Sequence[Name] | None = None
    adapter: str | None = None
    calibrations: Sequence[Path] = ()
    plan: str | None = None
    tile: int | None = None
    budget_mp: float | None = None
    prior: Path | None = None
    scales: Sequence[int] = ()
    flip: bool = False
    exclusive: bool = False
    detections: int | None = None
    memory_mb: int | None = None
    device: str = "auto"
    backend: str | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a folder holds of a call's frames: how many, how many of them from before; instances by
    class with scores from `DRAWN_FROM`; and what plan and limits have to remark, by frames."""

    folder: Path
    frames: int
    before: int
    counts: Counter[str]
    remarks: Counter[str]


def predict_folder(
    pictures: Name | Sequence[Name],
    out: Name | None = None,
    choice: PredictChoice | None = None,
    *,
    overlays: bool | None = None,
    label_maps: bool | None = None,
    save_ensemble: Name | None = None,
    on_error: OnError | str = OnError.stop,
    on_end: Callable[[Predicted], None] | None = None,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> Predicted:
    """Find the instances of pictures and write them, each frame when it is ready, into `out`.

    `pictures` are pictures, videos, folders, globs and .txt lists. predictions.json has all frames;
    the same call again goes on where it stopped. `overlays` are pictures of what is found,
    `label_maps` 16-bit PNG with category id * 1000 + number; both are on where no folder is named:
    then it is ./found, or ./found-2 ... where that holds results of something else. Networks and
    plan go into the file `save_ensemble`. `on_end` is told what there is, after an interruption
    too. Raises DataError, WeightsError, RecipeError or PredictionsError.

    >>> choice = tinyseg.PredictChoice(plan="whole", threads=1)
    >>> tinyseg.predict_folder("scenes/train_color", "out", choice).frames
    2
    """
    watch = Watch(on_error, on_progress, on_remark)
    given = [pictures] if isinstance(pictures, Path | str) else pictures
    folder = None if out is None else Path(out)
    ensemble = None if save_ensemble is None else Path(save_ensemble)
    check_output(ensemble)
    sources = find_sources([str(one) for one in given], watch.tell)
    if folder is not None:
        check_folder(folder)
    opened = _open(choice or PredictChoice(), watch, folder, ensemble)
    predictor, settings = opened.predictor, opened.settings
    classes = predictor.classes
    drawn = _Drawn.wanted(overlays, label_maps, classes, unnamed=folder is None)
    results = Results(folder or folder_for(settings, classes, Path()), settings, classes)

    def finish(frame: FramePredictions, mark: str, image: Image | None) -> None:
        drawn.write(results.folder, frame, classes, image)
        results.add(frame, mark)

    remarks: list[str] = []
    try:
        with watch.stage("predicting", sum(s.frames or 0 for s in sources)) as stage:
            shots = read_shots(sources, _meeting(results, stage), remarks.append)
            found = predict_shots(
                predictor, shots, on_error=watch, finish=finish, pictures=drawn.overlays
            )
            with closing(found) as frames:
                for frame in frames:
                    stage.advance(f"{frame.name}: {len(frame.instances)}")
    finally:  # an interruption or a bad file does not cost the frames before it
        for remark in remarks:
            watch.tell(remark)
        done = _sum_up(results, predictor)
        if on_end is not None:
            on_end(done)
    watch.report()
    return done


def predict_job(
    pictures: Sequence[str],
    out: str,
    choice: PredictChoice | None = None,
    *,
    cluster: str = "auto",
    workers: int | None = None,
    save_ensemble: Name | None = None,
    on_remark: OnRemark | None = None,
) -> "Summary":
    """The same on a Ray cluster, into Parquet in a folder or at an address (s3://bucket/found).

    `cluster` is auto (one that is there, else this machine), local, ray://HOST:PORT or an address;
    `workers` processes hold the networks, with the choice's threads as cores each.
    """
    require("ray")
    from tinyseg.cluster import Engine, find_frames, predict_on_cluster

    watch, chosen = Watch(on_remark=on_remark), choice or PredictChoice()
    ensemble = None if save_ensemble is None else Path(save_ensemble)
    check_output(ensemble)
    listing = find_frames(pictures, watch.tell)
    opened = _open(chosen, watch, None, ensemble)
    engine = Engine.of(
        opened.predictor,
        opened.files,
        opened.settings,
        backend=replace(opened.backend, tell=_quiet),
        detections=chosen.detections,
        memory_mb=chosen.memory_mb,
        threads=chosen.threads or 1,
        device=opened.predictor.device.type,
    )
    return predict_on_cluster(listing, engine, out, cluster=cluster, workers=workers)


def _quiet(remark: str) -> None:
    """Workers tell nobody."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """The networks of a choice, their files, and what results follow from."""

    predictor: Predictor
    files: tuple[MemberFile, ...]
    plan: Plan
    backend: Backend
    settings: dict[str, object]


def _open(
    choice: PredictChoice, watch: Watch, folder: Path | None, ensemble: Path | None
) -> _Opened:
    """In the runtime of the folder's results, where none is named."""
    files, own = _files(choice, watch)
    asked = None if choice.backend == AUTO else choice.backend
    asked = asked or (None if folder is None else backend_of(folder)) or choice.backend
    runs = choose_backend(asked, device=choice.device, threads=choice.threads, tell=watch.tell)
    members = [load(file, runs, detections=choice.detections) for file in files]
    plan = choose_plan(
        members[0].predict,
        own,
        plan=choice.plan,
        tile=choice.tile,
        budget_mp=choice.budget_mp,
        prior=choice.prior,
        scales=choice.scales,
        flip=choice.flip,
    )
    if ensemble is not None:
        write_ensemble(ensemble, files, plan)
    where: Device = PROCESSOR
    if any(member.backend == "torch" for member in members):
        where = find_device(choice.device, choice.threads)
    if choice.detections is None:
        most = max(member.predict.detections for member in members)
        rules = MergeRules(keep=most, exclusive=choice.exclusive)
    else:
        rules = MergeRules(keep=choice.detections, keep_pixels=None, exclusive=choice.exclusive)
    limits = BatchLimits(default_limits(where).pixels, choice.memory_mb)
    predictor = Predictor(members, plan, device=where, limits=limits, rules=rules)
    return _Opened(predictor, tuple(files), plan, runs, _settings(predictor, plan))


def _files(choice: PredictChoice, watch: Watch) -> tuple[Sequence[MemberFile], Plan | None]:
    """The networks that are named, and the plan of an ensemble's file."""
    given, names = choice.weights, list[Name | None]()
    if given is None or isinstance(given, Path | str):
        names.append(given)
    else:
        names.extend(given)
    if choice.adapter is not None and names == [None]:
        rule = "an adapter belongs to weights of that form"
        raise DataError(rule, where="adapter", expected="weights", got="none")
    first = Path(names[0] or "")
    if len(names) == 1 and is_ensemble(first):
        own_words = {"adapters": choice.adapter, "calibrations": choice.calibrations}
        for what in (word for word, said in own_words.items() if said):
            raise DataError(f"an ensemble's file names its {what} itself", path=first, where=what)
        ensemble = read_ensemble(first)
        return ensemble.members, ensemble.plan
    own: Sequence[Path | None] = choice.calibrations or [None] * len(names)
    if len(own) != len(names):
        rule = "there is one calibration for each network, in order, or none"
        raise DataError(rule, where="calibrations", expected=len(names), got=len(own))
    files = []
    for name, calibration in zip(names, own, strict=True):
        with watch.fetching(str(name)) as tell:
            path = find_weights(None if name is None else str(name), on_progress=tell)
        files.append(MemberFile(weights=path, calibration=calibration, adapter=choice.adapter))
    return files, None


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


def _meeting(results: Results, stage: Stage) -> Callable[[str, str], bool]:
    def meet(name: str, mark: str) -> bool:
        done = results.meet(name, mark)
        if done:
            stage.advance(f"{name}: finished before")
        return done

    return meet


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Which pictures are made of each frame."""

    overlays: bool
    label_maps: bool

    @staticmethod
    def wanted(
        overlays: bool | None, label_maps: bool | None, classes: Sequence[str], *, unnamed: bool
    ) -> "_Drawn":
        """What is asked for; where nothing is said, all if no folder was named."""
        fit = len(classes) <= MOST_CLASSES
        if label_maps and not fit:
            rule = f"a picture of masks tells {MOST_CLASSES} classes apart"
            raise DataError(rule, where="label maps", got=len(classes))
        chosen = unnamed if overlays is None else overlays
        return _Drawn(chosen, unnamed and fit if label_maps is None else label_maps)

    def write(
        self, folder: Path, frame: FramePredictions, classes: Sequence[str], image: Image | None
    ) -> None:
        """Into this folder, of what is found with a score above the cut."""
        if self.overlays and image is not None:
            picture = draw_overlay(image, frame.instances, classes, min_score=DRAWN_FROM)
            file = file_below(folder, frame.name, "_overlay.jpg")
            make_folder(file.parent)
            write_jpeg(file, picture)
        if self.label_maps:
            sure = frame.instances.select(frame.instances.scores >= DRAWN_FROM)
            ids = range(1, len(classes) + 1)
            file = file_below(folder, frame.name, "_masks.png")
            make_folder(file.parent)
            write_png(file, to_label_map(sure, frame.hw, ids, background=0))


def _sum_up(results: Results, predictor: Predictor) -> Predicted:
    """Put the call's frames into one file, and count what there is."""
    tallies = results.write_all(DRAWN_FROM)
    remarks = Counter(
        remark
        for tally in tallies
        for remark in predictor.plan.remarks(FrameInfo.named(tally.name, tally.hw))
    )
    full = sum(tally.count >= predictor.rules.most(tally.hw) for tally in tallies)
    if full:
        remarks["the most instances that are kept were reached: more detections can be kept"] = full
    counts = Counter(name for tally in tallies for name in tally.sure)
    return Predicted(results.folder, len(results), results.before, counts, remarks)
