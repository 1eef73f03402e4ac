"""Data sets -> a run's folder with weights; and a run that was cut off goes on.

RUN/run.json keeps what the run was told, by absolute paths; its recipe has a file of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from pydantic import model_validator
from rich.table import Table

from tinyseg import files
from tinyseg.checked import checked
from tinyseg.data import TRAIN, VAL, Item, Place, check_apart
from tinyseg.errors import TinysegError, TrainingError
from tinyseg.files import make_folder, write_whole
from tinyseg.model import Detector
from tinyseg.networks import build_detector, load_imagenet, start_from
from tinyseg.predict import find_device
from tinyseg.recipes import (
    Recipe,
    Section,
    find_recipe,
    read_recipe_file,
    recipe_from_tree,
    with_settings,
)
from tinyseg.tasks.forecast import Forecast, forecast
from tinyseg.tasks.opening import class_list, open_with, place_of
from tinyseg.training import (
    CENSUS_FRAMES,
    RECIPE_NAME,
    SCAN_NAME,
    Census,
    Checkpoint,
    FrameStore,
    StepReport,
    TrainData,
    check_census,
    check_folder,
    launch_processes,
    mixed_pays,
    needs_labels,
    newest_checkpoint,
    open_folder,
    plan_draws,
    sampled_by_camera,
    take_census,
    train as take_steps,
    validate_on,
)
from tinyseg.watch import OnError, OnProgress, OnRemark, Watch

RUN_NAME = "run.json"


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A data set's part in a run: `share` of the frames come from it, against the other sets'
    shares; `zoom` is a factor on its views' zoom, below 1 where objects are large."""

    place: Place
    share: float = 1.0
    zoom: float = 1.0


Learnt = Path | str | Place | TrainingSet
"""What `train` learns from."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run is about to do, known before its first step.

    `recipe` has all choices made; `origin` says what the weights are from, and `notes`, in
    sentences, how weights and precision came about. A census counts what there is to learn in each
    data set; a run that goes on has none. `memory` is known for a dry run.
    """

    out: Path
    recipe: Recipe
    parameters: int
    frames: int
    origin: str
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    censuses: tuple[Census, ...] = ()
    memory: Forecast | None = None

    def census_table(self) -> Table:
        """Instances by class and data set, for a terminal, as rich's table."""
        table = Table("instances", *self.names, box=None)
        for index, name in enumerate(self.recipe.classes):
            shown = [
                "not labelled" if index in one.unlabelled else str(one.instances[index])
                for one in self.censuses
            ]
            table.add_row(name, *shown)
        rows: dict[str, list[object]] = {
            "boxes without a mask": [one.boxes_alone for one in self.censuses],
            "crowds, ignore regions": [one.ignored for one in self.censuses],
            "frames without an instance": [one.empty for one in self.censuses],
            "frames counted": [f"{one.read} of {one.frames}" for one in self.censuses],
        }
        for name, values in rows.items():
            table.add_row(name, *map(str, values))
        return table


OnStart = Callable[[Outlook], None]


class RunFile(Section):
    """What a run was told: the data, and where the weights come from."""

    data: tuple[TrainingSet, ...]
    val: Place | None = None
    on_error: OnError = OnError.stop
    init: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _columns(cls, tree: Any) -> Any:
        """Files of version 0.2 have a list for each option."""
        if not isinstance(tree, dict) or "lists" not in tree:
            return tree
        keys = {"listed": "lists", "split": "splits", "images": "images", "labelled": "labelled"}

        def part(index: int) -> dict[str, Any]:
            own = {key: tree[name][index] for key, name in keys.items() if tree.get(name)}
            place = {"path": tree["data"][index], "format": tree.get("format"), **own}
            factors = {"share": tree.get("shares"), "zoom": tree.get("zooms")}
            return {"place": place} | {key: v[index] for key, v in factors.items() if v}

        val = {"path": tree.get("val"), "format": tree.get("format")} | {
            key: tree.get(f"val_{name}")
            for key, name in (("listed", "list"), ("split", "split"), ("images", "images"))
        }
        return {
            "data": [part(index) for index in range(len(tree["data"]))],
            "val": None if tree.get("val") is None else val,
            "on_error": tree.get("on_error", OnError.stop),
            "init": tree.get("init"),
        }

    @staticmethod
    def of(
        data: "Learnt | Sequence[Learnt]",
        *,
        val: Path | str | Place | None = None,
        on_error: OnError | str = OnError.stop,
        init: Path | str | None = None,
    ) -> "RunFile":
        """What the arguments of `train` say."""
        given = [data] if isinstance(data, Path | str | Place | TrainingSet) else data
        sets = [
            one if isinstance(one, TrainingSet) else TrainingSet(place_of(one)) for one in given
        ]
        return RunFile(
            data=tuple(replace(one, place=_absolute(one.place)) for one in sets),
            val=None if val is None else _absolute(place_of(val)),
            on_error=OnError(on_error),
            init=None if init is None else str(init),
        )

    def write(self, run: Path) -> None:
        """Into the run's folder, which is made if it is not there."""
        write_whole(make_folder(run) / RUN_NAME, self.model_dump_json(indent=2).encode())

    @staticmethod
    def read(run: Path) -> "RunFile":
        """From the run's folder."""
        try:
            text = (run / RUN_NAME).read_bytes()
        except OSError:
            expected = f"a folder that `tinyseg train` made, with {RUN_NAME} in it"
            raise TrainingError("not a run's folder", path=run, expected=expected) from None
        return checked(RunFile, text, error=TrainingError, path=run / RUN_NAME)


def train(
    data: Learnt | Sequence[Learnt],
    out: Path | str,
    *,
    recipe: Recipe | Path | str = "lite",
    settings: Sequence[str] = (),
    classes: Sequence[str] | str | None = None,
    init: Path | str | None = None,
    val: Path | str | Place | None = None,
    dry_run: bool = False,
    device: str = "auto",
    threads: int | None = None,
    on_error: OnError | str = OnError.stop,
    on_start: OnStart | None = None,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> Outlook:
    """Train a network on one or more data sets; `out` gets weights, recipe, log and checkpoints.

    `recipe` is a Recipe, a preset's name or a recipe's file; `settings` change keys of it, as in
    "train.steps=500". `classes` are names, or "data" for those that the data sets have, else the
    recipe's. Weights start from `init`: a run, a weights file, or a name (imagenet, tinyseg-lite,
    maskrcnn_resnet50_fpn_coco ...). `val` is evaluated on, and the best weights are kept. Of a set
    with splits the training split is learnt and the validation split judged, where no other is
    named. `device` is cpu, cuda, cuda:1 ... or auto; `threads` are torch's. `on_start` is told what
    the run will do once all that can be refused is; with `dry_run` that is all, and nothing is
    written. Ctrl-C ends the running step, saves and raises KeyboardInterrupt: `resume` goes on.
    Raises RecipeError, DataError, WeightsError or TrainingError.

    >>> small = ["sampling.view=64", "train.steps=1", "predict.short_side=128"]
    >>> quiet = lambda remark: None
    >>> done = tinyseg.train("scenes", "run", settings=small, threads=1, on_remark=quiet)
    >>> tinyseg.load(done.out).names[0]
    'car'
    """
    told = RunFile.of(data, val=val, on_error=on_error, init=init)
    base = recipe if isinstance(recipe, Recipe) else find_recipe(recipe)
    own = class_list(classes, [one.place for one in told.data])
    base = base if own is None else base.model_copy(update={"classes": own})
    job = _Job(told, with_settings(base, settings), Path(out), device, threads, on_start)
    return job.run(Watch(on_error, on_progress, on_remark), dry=dry_run)


def resume(
    run: Path | str,
    *,
    device: str = "auto",
    threads: int | None = None,
    on_start: OnStart | None = None,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> Outlook | None:
    """Go on with a run from its newest good checkpoint, as if it had never stopped, with its own
    data and recipe; from the start if it had not made any. None where it has taken all its steps.

    The arguments are those of `train`. Raises TrainingError where no checkpoint can be read.
    """
    run = Path(run)
    told = RunFile.read(run)
    watch = Watch(told.on_error, on_progress, on_remark)
    found = newest_checkpoint(run)
    for error in found.refused:
        watch.tell(f"passed over {error}")
    start = found.checkpoint
    if start is None and found.refused:
        raise TrainingError("no checkpoint of the run can be read", path=run)
    recipe = (
        read_recipe_file(run / RECIPE_NAME) if start is None else recipe_from_tree(start.recipe)
    )
    if start is not None and start.step >= recipe.train.steps:
        watch.tell(f"the run in {run} has taken all of its {recipe.train.steps} steps")
        return None
    return _Job(told, recipe, run, device, threads, on_start).run(watch, start)


@dataclass(frozen=True, slots=True)
class _Job:
    """A run on this machine, or on those that torchrun started."""

    told: RunFile
    recipe: Recipe
    out: Path
    device: str
    threads: int | None
    on_start: OnStart | None

    def run(self, watch: Watch, start: Checkpoint | None = None, *, dry: bool = False) -> Outlook:
        """What can be refused is, weights, data and folder, before anything is written."""
        told, recipe, out = self.told, self.recipe, self.out
        if not (told.data or dry):
            raise TrainingError("a run needs a data set to learn from")
        files.check_folder(out)
        parts = [_open(one, recipe, watch) for one in told.data]
        fabric = launch_processes(find_device(self.device, self.threads))
        first = fabric.is_global_zero
        watch = watch if first else replace(watch, on_progress=None, on_remark=lambda text: None)
        if start is None and first and not dry:
            check_folder(out)
        torch.manual_seed(recipe.train.seed)
        detector = build_detector(recipe)
        origin, told_how = f"step {start.step}" if start else "", list[str]()
        if start is None:
            origin, told_how = start_weights(detector, recipe, told.init, watch)
        validate = None
        if told.val is not None:
            judged = open_with(told.val, recipe.classes, kind=VAL, watch=watch)
            check_apart([item for part in parts for item in part.items], judged.items)
            validate = validate_on(judged.items, recipe, fabric.device, on_skip=watch)
        counted = _count(parts, recipe.classes, watch) if start is None else ()
        if recipe.train.mixed == "auto":
            recipe, why = with_precision(recipe, detector, fabric)
            told_how.append(why)
        outlook = Outlook(
            out,
            recipe,
            sum(p.numel() for p in detector.parameters()),
            sum(len(part.items) for part in parts),
            origin,
            tuple(told_how),
            tuple(one.place.path.name for one in told.data) if counted else (),
            counted,
            forecast(recipe) if dry else None,
        )
        if first and self.on_start is not None:
            self.on_start(outlook)
        missing = check_census(counted, recipe.classes) if counted else ()
        if missing:
            watch.tell(f"no instance of {', '.join(missing)}")
        if dry:
            watch.report()
            return outlook
        frames = store_of(parts, recipe, watch, out)
        if start is None and first:
            open_folder(out, recipe)
            told.write(out)
        done = 0 if start is None else start.step
        with watch.stage("training", recipe.train.steps - done) as stage:
            take_steps(
                detector,
                recipe,
                frames,
                out,
                fabric=fabric,
                on_step=lambda report: stage.advance(note(report)),
                validate=validate,
                start=start,
            )
        watch.report()
        return outlook


def _absolute(place: Place) -> Place:
    listed, images = (
        None if path is None else path.absolute() for path in (place.listed, place.images)
    )
    return replace(place, path=place.path.absolute(), listed=listed, images=images)


def _open(one: TrainingSet, recipe: Recipe, watch: Watch) -> TrainData:
    opened = open_with(one.place, recipe.classes, kind=TRAIN, watch=watch)
    return TrainData(opened.items, one.share, one.zoom)


def start_weights(
    detector: Detector, recipe: Recipe, init: str | None, watch: Watch
) -> tuple[str, list[str]]:
    """Fill the fresh network; without `init`, from ImageNet weights that are installed, if any."""
    if init is None:
        return "ImageNet weights" if load_imagenet(detector, recipe) else "random weights", []
    with watch.fetching(init) as tell:
        lines = start_from(detector, recipe, init, on_progress=tell)
    return f"weights from {init}", [f"{init}: {line}" for line in lines]


def _count(parts: Sequence[TrainData], classes: Sequence[str], watch: Watch) -> tuple[Census, ...]:
    """What there is to learn."""
    total = sum(min(len(part.items), CENSUS_FRAMES) for part in parts)
    with watch.stage("counting labels", total) as stage:
        return tuple(
            take_census(
                part.items,
                classes,
                on_frame=stage.advance,
                on_skip=lambda item, error: watch(item.name, error),
            )
            for part in parts
        )


def with_precision(recipe: Recipe, detector: Detector, fabric: Fabric) -> tuple[Recipe, str]:
    """The recipe with train.mixed decided, by the first process for all; and why."""
    pays, figures = mixed_pays(detector.to(fabric.device), fabric.device)
    pays = bool(fabric.broadcast(pays))
    decided = recipe.train.model_copy(update={"mixed": pays})
    why = f"{'bfloat16' if pays else 'float32'}: {figures}"
    return recipe.model_copy(update={"train": decided}), why


def store_of(parts: Sequence[TrainData], recipe: Recipe, watch: Watch, out: Path) -> FrameStore:
    """The frames of all data sets in a row, drawn by their shares; if the recipe needs to know all
    labels first, they are summed up in a file of the run's folder."""
    items: list[Item] = [item for part in parts for item in part.items]

    def skip(item: Item, error: TinysegError) -> None:
        watch(item.name, error)

    read = items if needs_labels(recipe.sampling) else sampled_by_camera(items)
    with watch.stage("reading labels", len(read)) as stage:
        draws = plan_draws(
            parts,
            recipe.classes,
            recipe.sampling,
            out / SCAN_NAME,
            on_frame=stage.advance,
            on_skip=skip,
        )
    if recipe.sampling.copy_paste.share:
        for one in sorted({int(place) for place in draws.sets[np.isnan(draws.horizons)]}):
            watch.tell(
                f"no horizon fits the objects of data set {one}: nothing is pasted into its "
                "frames; sampling.copy_paste.horizon can give the row"
            )
    return FrameStore(items, on_skip=skip, draws=draws)


def note(report: StepReport) -> str:
    """One step for the eye: loss, speed, how long it waited for data, memory."""
    speed, waited = report.images / report.step_s, report.data_wait_s / report.step_s
    memory = f"{report.memory_mb / 1024:.1f} GB"
    return f"loss {report.total:.3f}, {speed:.1f} images/s, waiting {waited:.0%}, {memory}"
