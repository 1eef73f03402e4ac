"""`tinyseg ablate`: what each part of the system is worth, one budget for every row."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.ablate import ROWS, Figures, Row, to_markdown
from tinyseg.ablate import ablate as run_rows
from tinyseg.cli.common import (
    DataOption,
    DeviceOption,
    ListOption,
    ThreadsOption,
    find_device,
    open_with,
)
from tinyseg.cli.run_file import RunFile
from tinyseg.cli.train import go_on, run_training
from tinyseg.errors import TrainingError
from tinyseg.evaluate.score import Averages
from tinyseg.files import write_whole
from tinyseg.predict import Predictor
from tinyseg.predict.members import load_member
from tinyseg.predict.plan_choice import Wishes, choose, make_plan
from tinyseg.progress import console, progress_bar
from tinyseg.recipes import Recipe, find_recipe, with_settings
from tinyseg.train.validation import judge

TABLE_NAME = "table.md"


def ablate(
    data: DataOption,
    val_list: Annotated[Path, typer.Option(help="The frames that are scored.")],
    coco: Annotated[Path, typer.Option(help="The COCO-format data that rows start from.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs, figures and the table.")],
    listed: ListOption = None,
    recipe: Annotated[str, typer.Option(help="Preset that every row changes.")] = "lite",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key in every row.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0, 1, ... of each row.")] = 2,
    resolution: Annotated[
        float,
        typer.Option(help="All of the slides' resolutions times this, in training and use."),
    ] = 1.0,
    budget: Annotated[float, typer.Option(help="Megapixels of zoomed views a frame.")] = 12.0,
    only: Annotated[
        list[str] | None, typer.Option(help="Only the rows of these names; may be repeated.")
    ] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Train the rows of the original's table under one budget and print it with its spread.

    Example: tinyseg ablate --data wad --list train.txt --val-list val.txt --coco coco --out abl
    --set train.steps=200 --resolution 0.5
    """
    base = with_settings(find_recipe(recipe), settings or [])
    rows = choose_rows(only)
    scales = scaled(resolution)

    def fit(chosen: Recipe, run: Path, start: Path | None) -> int:
        first = chosen.name == "pre-training"
        told = RunFile(
            data=((coco if first else data).absolute(),),
            lists=() if first or listed is None else (listed.absolute(),),
            init=None if start is None else str(start),
        )
        train_or_go_on(told, chosen, run, device=device, threads=threads)
        return chosen.train.steps

    table = run_rows(
        base,
        rows,
        seeds=range(seeds),
        out=out,
        fit=fit,
        judge=judge_on(data, val_list, budget, device=device, threads=threads),
        scales=scales,
        on_done=tell,
    )
    text = to_markdown(rows, table)
    write_whole(out / TABLE_NAME, text.encode() + b"\n")
    typer.echo(text)


def choose_rows(only: list[str] | None) -> tuple[Row, ...]:
    """The rows of these names; all if none is named."""
    names = [row.name for row in ROWS]
    for name in only or []:
        if name not in names:
            raise TrainingError("no row of this name", expected=" | ".join(names), got=name)
    return ROWS if not only else tuple(row for row in ROWS if row.name in only)


def scaled(resolution: float) -> dict[str, tuple[str, ...]]:
    """Settings of each range of resolutions: the slides' (short side, longest side), scaled.

    "1500,1800" and "1800,2400" are trained and used at that size; "varied" draws the short side
    from all in between in training, and is used at the larger size.
    """

    def use(short: int, longest: int) -> tuple[str, str]:
        sides = round(short * resolution), round(longest * resolution)
        return f"predict.short_side={sides[0]}", f"predict.longest_side={sides[1]}"

    def learn(low: int, high: int, longest: int) -> str:
        sides = [round(low * resolution), round(high * resolution)]
        limit = round(longest * resolution)
        return f"sampling.sources=[{{kind: whole, short_side: {sides}, longest_side: {limit}}}]"

    return {
        "1500,1800": (learn(1500, 1500, 1800), *use(1500, 1800)),
        "1800,2400": (learn(1800, 1800, 2400), *use(1800, 2400)),
        "varied": (learn(1500, 1800, 2400), *use(1800, 2400)),
    }


def train_or_go_on(
    told: RunFile, recipe: Recipe, run: Path, *, device: str, threads: int | None
) -> None:
    """The run from its start, or from where it was cut off."""
    if (run / "checkpoints").is_dir():
        go_on(run, device, threads)
    else:
        run_training(told, recipe, run, None, device=device, threads=threads)


def judge_on(
    data: Path, val_list: Path, budget: float, *, device: str, threads: int | None
) -> Callable[[Path, Row], tuple[Averages, Averages, int]]:
    """Scores of a run's weights on the listed frames, looked at by a row's plan."""

    def judge_row(run: Path, row: Row) -> tuple[Averages, Averages, int]:
        member = load_member(run)
        focused = budget if row.plan == "focus" else None
        plan = make_plan(choose(Wishes(plan=row.plan, budget_mp=focused), member.recipe))
        predictor = Predictor([member], plan, device=find_device(device, threads))
        items = open_with(data, None, val_list, member.recipe.classes).items
        with progress_bar(f"scoring {row.name}", len(items)) as bar:
            scores = judge(predictor, items, on_frame=bar.advance)
        return scores.averages, scores.any_class, scores.instances

    return judge_row


def tell(row: Row, seed: int, figures: Figures) -> None:
    """A row is done."""
    ap = f"AP {figures.averages.ap:.3f} on {figures.instances} instances"
    console.print(f"{row.name}, seed {seed}: {ap}", highlight=False)
