"""What each part of the system is worth: the winners' table, one budget for every row.

    python training/ablation.py --data wad --list train.txt --val-list val.txt --coco coco --out abl

Rows and their numbers are in ablation_rows.py. Figures that are in --out already are not made
again. Below the table stands what each row adds to the one that it changes, with 95 % intervals.
"""

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from ablation_rows import (
    ROWS,
    Basis,
    Figures,
    Fit,
    Judge,
    Judged,
    Row,
    Work,
    check_settings,
    gains,
    run_rows,
    to_markdown,
)

from tinyseg.cli.common import hw_of
from tinyseg.data import TRAIN, DataSet, Place
from tinyseg.errors import DataError, TinysegError, TrainingError
from tinyseg.files import check_folder, write_whole
from tinyseg.network import Device
from tinyseg.predict import Predictor, choose_plan, find_device, load_member
from tinyseg.progress import console, progress_bar, show_progress
from tinyseg.recipes import Predict, Recipe, find_recipe, with_settings
from tinyseg.scoring import score_frames
from tinyseg.stored import file_sha256, read_weights_prior
from tinyseg.tasks import Outlook, RunFile, open_with, read_all_labels, resume, train
from tinyseg.training import predict_labelled
from tinyseg.views import LocationPrior, Plan, learn_prior, resolved
from tinyseg.watch import Watch

WATCH = Watch(on_progress=show_progress, on_remark=console.print)
TABLE_NAME = "table.md"
WAD_HW = (2710, 3384)
"""Height and width of the challenge's frames, of which the slides' resolutions are told: a data set
whose objects are as large at zoom 1 is looked at with the same zooms."""
MULTI_SCALE = (1500, 1800, 2400)
"""Short sides of the row "+ MS", at the slides' resolutions."""


@dataclass(frozen=True, slots=True)
class Looking:
    """How rows look: resolution and zoomed megapixels of all, the network of another backbone, and
    the frames' height."""

    resolution: float
    budget: float
    other: Path | None = None
    height: int = WAD_HW[0]

    @property
    def scales(self) -> tuple[int, ...]:
        """The short sides of the row "+ MS"."""
        share = self.resolution * self.height / WAD_HW[0]
        return tuple(round(side * share) for side in MULTI_SCALE)

    def plan(self, name: str, limits: Predict) -> Plan:
        """A row's plan; "scales" is focus, at several scales of the whole frame, mirrored too.
        Focus looks closer alone, as on the slides."""
        if name == "whole":
            return choose_plan(limits, plan="whole")
        several = name == "scales"
        sides = self.scales if several else ()
        plan = choose_plan(limits, plan="focus", budget_mp=self.budget, scales=sides, flip=several)
        return plan.with_focus(lambda focus: replace(focus, coarser=0))

    def basis(self, frames: str) -> Basis:
        """What scores on these frames follow from beside the weights."""
        focused = f"{self.budget:g} MP, prior of the frames learnt from"
        sides = ", ".join(str(side) for side in self.scales)
        views = {"focus": focused, "scales": f"{focused}, short sides {sides}, mirrored"}
        other = {} if self.other is None else {"other": f"sha256 {file_sha256(self.other)}"}

        def of_row(row: Row) -> dict[str, str]:
            told = {"frames": frames, "views": views.get(row.plan, row.plan)}
            return told | other if row.with_other else told

        return of_row


def ablate(
    data: Annotated[Path, typer.Option(help="The data set that rows learn from.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs, figures and the table.")],
    val_data: Annotated[
        Path | None, typer.Option(help="The data set that is scored, where it is another one.")
    ] = None,
    val_list: Annotated[
        Path | None, typer.Option(help="The frames of it that are scored; all without a list.")
    ] = None,
    frame_size: Annotated[
        str,
        typer.Option(
            help="WIDTHxHEIGHT of the scored frames, of which rows see the slides' share."
        ),
    ] = "3384x2710",
    coco: Annotated[
        Path | None, typer.Option(help="The COCO-format data that rows are pre-trained on.")
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            help="Instead of --coco: the run or weights file that those rows start from; what "
            "fits a row's network is carried over, classes by name."
        ),
    ] = None,
    other: Annotated[
        Path | None,
        typer.Option(help='For the row "+ another backbone": a trained run or weights file.'),
    ] = None,
    listed: Annotated[
        Path | None, typer.Option("--list", help="Only the frames named in this file.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only this split of it.")] = None,
    recipe: Annotated[
        str, typer.Option(help="Preset or file that every row changes; CA and PA are theirs.")
    ] = "lite",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change a key in every row; not sampling.sources, which rows set."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0, 1, ... of each row.")] = 2,
    resolution: Annotated[
        float,
        typer.Option(help="All of the slides' resolutions times this, in training and use."),
    ] = 1.0,
    tile: Annotated[
        str | None,
        typer.Option(
            help="Learn from tiles of WIDTHxHEIGHT, at the zooms that whole frames of the "
            "rows' resolutions have: far less to compute in a step.",
        ),
    ] = None,
    budget: Annotated[float, typer.Option(help="Megapixels of zoomed views a frame.")] = 12.0,
    only: Annotated[
        list[str] | None, typer.Option(help="Only the rows of these names; may be repeated.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ... or auto.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads on a CPU.")] = None,
) -> None:
    """Train the rows of the original's table under one budget and print it with its spread.

    Focus looks where instances stand in the frames that are learnt from. What is in --out already
    is not made again; it is refused where it was made from other frames, weights or settings.
    """
    check_folder(out)
    hw = hw_of(frame_size, "--frame-size")
    scales = scaled(resolution, hw_of(tile, "--tile") if tile else None, hw)
    check_settings(settings or [], scales)
    base = with_settings(find_recipe(recipe), settings or [])
    rows = tuple(row for row in choose_rows(only) if other is not None or not row.with_other)
    check_start(rows, coco, init)
    check_other(other, base)
    learnt = open_with(Place(data, listed, split=split), base.classes, kind=TRAIN, watch=WATCH)
    if val_data is None and val_list is None:
        raise TrainingError("rows are scored on other frames", expected="--val-data or --val-list")
    judged = open_with(Place(val_data or data, val_list), base.classes, watch=WATCH)
    looking = Looking(resolution, budget, other, hw[0])
    work = Work(
        fit=fit_on(data, listed, coco, split=split, device=device, threads=threads),
        judge=judge_on(judged, learnt, looking, find_device(device, threads)),
        learnt_from=learning_basis(learnt, coco, init),
        judged_by=looking.basis(names_of(judged)),
        start=init,
    )
    table = run_rows(
        base, rows, seeds=range(seeds), out=out, work=work, scales=scales, on_done=tell
    )
    with WATCH.stage("reading labels", len(judged.items)) as stage:
        labels = list(read_all_labels(judged.items, WATCH, stage))
    added = gains(rows, range(seeds), out, labels, judged.classes)
    text = f"{to_markdown(rows, table)}\n\n{added}"
    write_whole(out / TABLE_NAME, text.encode() + b"\n")
    typer.echo(text)


def check_start(rows: tuple[Row, ...], coco: Path | None, init: Path | None) -> None:
    """Refuses rows without a start, two starts, and what is no weights file of ours."""
    if (coco is None) == (init is None) and (init or any(row.from_coco for row in rows)):
        rule = "rows start from weights that --coco trains, or from those of --init"
        raise TrainingError(rule, where="--init", got="neither" if init is None else "both")
    if init is not None:
        read_weights_prior(init)


def check_other(other: Path | None, base: Recipe) -> None:
    """Refuses a network of other classes before anything is trained."""
    if other is not None and (classes := load_member(other).network.classes) != base.classes:
        rule = "a network that looks with the rows' has the table's class list"
        expected, got = ", ".join(base.classes), ", ".join(classes)
        raise TrainingError(rule, where="--other", path=other, expected=expected, got=got)


def learning_basis(learnt: DataSet, coco: Path | None, init: Path | None) -> Basis:
    """What weights follow from: the frames by their names, the start by its content."""
    frames = names_of(learnt)
    start = f"pre-trained on {coco}" if init is None else f"sha256 {file_sha256(init)}"
    return lambda row: {"frames": frames, "start": start if row.from_coco else "no COCO"}


def names_of(data: DataSet) -> str:
    """The frames' number and the sha256 of their names, one a line."""
    names = "\n".join(item.name for item in data.items)
    return f"{len(data.items)}, sha256 {hashlib.sha256(names.encode()).hexdigest()}"


def fit_on(
    data: Path,
    listed: Path | None,
    coco: Path | None,
    *,
    split: str | None,
    device: str,
    threads: int | None,
) -> Fit:
    """Training on the listed frames; of the recipe "pre-training" on all that --coco has."""

    def fit(chosen: Recipe, run: Path, start: Path | None) -> int:
        first = coco is not None and chosen.name == "pre-training"
        place = Place(coco) if coco is not None and first else Place(data, listed, split=split)
        told = RunFile.of(place, init=None if start is None else start.absolute())
        if not (run / "checkpoints").is_dir():
            train(
                place,
                run,
                recipe=chosen,
                init=told.init,
                device=device,
                threads=threads,
                on_start=begin,
                on_progress=show_progress,
                on_remark=console.print,
            )
        elif (begun := RunFile.read(run)) != told:
            rule = "the run was begun with other data or weights"
            raise TrainingError(rule, path=run, expected=told, got=begun)
        else:
            resume(
                run,
                device=device,
                threads=threads,
                on_start=begin,
                on_progress=show_progress,
                on_remark=console.print,
            )
        return chosen.train.steps

    return fit


def choose_rows(only: list[str] | None) -> tuple[Row, ...]:
    """The rows of these names; all if none is named."""
    names = [row.name for row in ROWS]
    for name in only or []:
        if name not in names:
            raise TrainingError("no row of this name", expected=" | ".join(names), got=name)
    return ROWS if not only else tuple(row for row in ROWS if row.name in only)


def scaled(
    resolution: float, tile: tuple[int, int] | None = None, frame_hw: tuple[int, int] = WAD_HW
) -> dict[str, tuple[str, ...]]:
    """Settings of each range of resolutions: the slides' (short side, longest side), scaled.

    "1500,1800" and "1800,2400" are trained and used at that size; "varied" draws the short side
    from all in between in training, and is used at the larger size. With `tile` what is learnt
    from are tiles of that height and width, zoomed as a frame of the challenge is at that size.
    """

    def zoom(short: int, longest: int) -> float:
        return min(round(short * resolution) / WAD_HW[0], round(longest * resolution) / WAD_HW[1])

    def use(short: int, longest: int) -> tuple[str, str]:
        sides = [round(short * resolution), round(longest * resolution)]
        if frame_hw != WAD_HW:
            sides = [round(side * zoom(short, longest)) for side in frame_hw]
        return f"predict.short_side={sides[0]}", f"predict.longest_side={sides[1]}"

    def learn(low: int, high: int, longest: int) -> str:
        if tile is not None:
            zooms = [round(zoom(side, longest), 3) for side in (low, high)]
            return f"sampling.sources=[{{kind: tile, view: {list(tile)}, zoom: {zooms}}}]"
        sides, limit = (
            [round(side * resolution) for side in (low, high)],
            round(longest * resolution),
        )
        return f"sampling.sources=[{{kind: whole, short_side: {sides}, longest_side: {limit}}}]"

    return {
        "1500,1800": (learn(1500, 1500, 1800), *use(1500, 1800)),
        "1800,2400": (learn(1800, 1800, 2400), *use(1800, 2400)),
        "varied": (learn(1500, 1800, 2400), *use(1800, 2400)),
    }


def judge_on(judged: DataSet, learnt: DataSet, looking: Looking, device: Device) -> Judge:
    """Scores of runs' weights on the judged frames, looked at by a row's plan."""
    prior = prior_of(learnt)

    def judge_row(runs: Sequence[Path], row: Row) -> Judged:
        others = [looking.other] if row.with_other and looking.other is not None else []
        members = [load_member(path) for path in (*runs, *others)]
        plan = looking.plan(row.plan, members[0].predict)
        predictor = Predictor(
            members, plan if row.plan == "whole" else resolved(plan, prior()), device=device
        )
        with progress_bar(f"scoring {row.name}", len(judged.items)) as bar:
            found, truth = predict_labelled(predictor, judged.items, on_frame=bar.advance)
        scores = score_frames(found, truth, classes=judged.classes)
        return Judged(scores.averages, scores.any_class, scores.instances, found)

    return judge_row


def prior_of(learnt: DataSet) -> Callable[[], LocationPrior | None]:
    """Where instances stand in these frames, learned when first asked for; None, said aloud, where
    no frame's name tells its camera."""

    @cache
    def prior() -> LocationPrior | None:
        with WATCH.stage("reading labels", len(learnt.items)) as stage:
            labels = read_all_labels(learnt.items, WATCH, stage)
            try:
                return learn_prior(labels)
            except DataError as error:
                if error.path is not None:
                    raise  # a frame's own, not that none has a camera
                console.print(f"[yellow]focus has no prior:[/] {error}", highlight=False)
                return None

    return prior


def begin(outlook: Outlook) -> None:
    """A run starts."""
    told = f"{outlook.recipe.name}: {outlook.origin}, {outlook.frames} frames"
    console.print(*outlook.notes, told, sep="\n", highlight=False)


def tell(row: Row, seeds: Sequence[int], figures: Figures) -> None:
    """A row is done."""
    ap = f"AP {figures.averages.ap:.3f} on {figures.instances} instances"
    of = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(str(seed) for seed in seeds)}"
    console.print(f"{row.name}, {of}: {ap}", highlight=False)


if __name__ == "__main__":
    try:
        typer.run(ablate)
    except TinysegError as error:
        console.print(f"[red]error:[/] {error}", highlight=False)
        sys.exit(2)
