"""The table of the original's local validation, trained row by row under one budget.

In: a base recipe, the rows to train, seeds, and the work: how a recipe is trained into a folder,
how what it left there is scored under a plan, and what both follow from. Out: a file of figures for
each row and seed, and a table with their mean and spread beside the slides' numbers. A figure that
is on disk is not made again, so an interrupted table goes on where it stopped. Refused: a folder
whose weights or figures were made with another recipe, budget, data or start.

Rows and numbers: Zhuang, Li, Yu, "Find Tiny Instance Segmentation for Autonomous Driving"
(CVPR 2018 WAD), slide of the local validation; mask AP in %.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import orjson

from tinyseg.errors import TrainingError
from tinyseg.files import make_folder, write_whole
from tinyseg.frame import FrameLabels
from tinyseg.predictions import Predictions, read_predictions, write_predictions
from tinyseg.recipes import Recipe, with_settings
from tinyseg.scoring import Averages, compare_scores, pair_frames
from tinyseg.scoring.compare import Difference
from tinyseg.scoring.pairs import FramePairs

FIGURES_NAME = "figures.json"
TRAINED_NAME = "trained.json"

CONTEXT = "network.context_attention=true"
PATHS = "network.path_aggregation=true"
PLAIN = ("network.context_attention=false", "network.path_aggregation=false")
"""What every row starts from, whatever the base recipe has."""


@dataclass(frozen=True, slots=True)
class Slide:
    """A row's numbers on the slides, in %."""

    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ap: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what it changes in the recipe, where it starts, how it looks.

    `scale` names the range of resolutions that it is trained at, `plan` the one it predicts with.
    `trained_as` is the row whose weights it shares, where only the plan differs.
    """

    name: str
    settings: tuple[str, ...] = ()
    from_coco: bool = True
    scale: str = "1500,1800"
    plan: str = "whole"
    trained_as: str | None = None
    slide: Slide | None = None
    seeds: int = 1
    """The networks of this many seeds look together ..."""
    with_other: bool = False
    """... and with them one of another backbone that was trained elsewhere."""
    than: str | None = None
    """The row that it adds one thing to."""

    @property
    def settings_taken(self) -> tuple[str, ...]:
        """All that the row says of the network: the base recipe has no word in it."""
        return (*PLAIN, *self.settings)

    @property
    def folder(self) -> str:
        """The name of the folder of its weights."""
        plain = (self.trained_as or self.name).lower()
        return "".join(c if c.isalnum() else "-" for c in plain).strip("-")

    @property
    def figures_name(self) -> str:
        """The name of the file of its figures, in the folder of its first network's weights."""
        return f"{self._name}-{FIGURES_NAME}"

    @property
    def predictions_name(self) -> str:
        """The name of the file of its predictions, beside the figures."""
        return f"{self._name}-predictions.json"

    @property
    def _name(self) -> str:
        seeds = f"-{self.seeds}-seeds" if self.seeds > 1 else ""
        return f"{self.plan}{seeds}{'-and-other' if self.with_other else ''}"


ROWS = (
    Row("Mask R-CNN", from_coco=False, slide=Slide(25.4, 15.1, 7.1, 23.1, 35.9, 15.2)),
    Row("COCO", than="Mask R-CNN", slide=Slide(28.1, 16.8, 7.5, 26.9, 36.8, 16.9)),
    Row("COCO, CA", (CONTEXT,), than="COCO", slide=Slide(28.6, 17.0, 7.4, 28.0, 40.0, 17.2)),
    Row(
        "COCO, CA, PA",
        (CONTEXT, PATHS),
        than="COCO, CA",
        slide=Slide(29.4, 17.8, 8.2, 27.9, 40.2, 17.7),
    ),
    Row(
        "COCO, [1800,2400]",
        scale="1800,2400",
        than="COCO",
        slide=Slide(29.9, 18.3, 9.2, 27.5, 40.0, 18.3),
    ),
    Row(
        "COCO, VTR",
        scale="varied",
        than="COCO, [1800,2400]",
        slide=Slide(30.3, 19.5, 9.1, 30.5, 42.8, 18.9),
    ),
    Row("COCO, PA, VTR", (PATHS,), scale="varied", than="COCO, VTR"),
    Row(
        "COCO, PA, VTR, FI",
        (PATHS,),
        scale="varied",
        plan="focus",
        trained_as="COCO, PA, VTR",
        than="COCO, PA, VTR",
        slide=Slide(34.3, 21.5, 10.6, 33.1, 44.0, 21.2),
    ),
    Row(
        "+ MS",
        (PATHS,),
        scale="varied",
        plan="scales",
        trained_as="COCO, PA, VTR",
        than="COCO, PA, VTR, FI",
    ),
    Row(
        "+ ensemble of 2 seeds",
        (PATHS,),
        scale="varied",
        plan="scales",
        trained_as="COCO, PA, VTR",
        seeds=2,
        than="+ MS",
    ),
    Row(
        "+ another backbone",
        (PATHS,),
        scale="varied",
        plan="scales",
        trained_as="COCO, PA, VTR",
        seeds=2,
        with_other=True,
        than="+ ensemble of 2 seeds",
    ),
)
"""As on the slides, and "COCO, PA, VTR", whose weights the rows after it look with in other ways.
The slides measure MS and ensembles on the challenge's server alone: no numbers stand beside them.
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one row and seed gave: averages 0 ... 1 on `instances`, and what its training cost, of
    several seeds in all; what was trained elsewhere is not counted."""

    averages: Averages
    any_class: Averages
    instances: int
    steps: int
    train_minutes: float


@dataclass(frozen=True, slots=True)
class Trained:
    """A folder with weights, and what they cost."""

    folder: Path
    steps: int
    minutes: float


Fit = Callable[[Recipe, Path, Path | None], int]
"""Trains a recipe into a folder, started from a weights file if one is given; the steps taken."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What weights found, and what it is worth: classes' mean, all classes as one, instances."""

    averages: Averages
    any_class: Averages
    instances: int
    found: Predictions


Judge = Callable[[Sequence[Path], Row], Judged]
"""Scores the weights of folders, looking together under a row's plan."""

Basis = Callable[[Row], Mapping[str, str]]
"""What a row follows from beside its recipe, in words that are equal where the thing is."""


@dataclass(frozen=True, slots=True)
class Work:
    """How rows are made: `learnt_from` is what `fit` follows from, `judged_by` what `judge` does.

    `start` are the weights that COCO's rows start from; None: weights that are pre-trained here,
    once a seed, by `fit` with a recipe named "pre-training".
    """

    fit: Fit
    judge: Judge
    learnt_from: Basis
    judged_by: Basis
    start: Path | None = None


def run_rows(
    base: Recipe,
    rows: Sequence[Row],
    *,
    seeds: Sequence[int],
    out: Path,
    work: Work,
    scales: Mapping[str, Sequence[str]],
    on_done: Callable[[Row, Sequence[int], Figures], None],
) -> dict[str, list[Figures]]:
    """Figures of each row by its name, from disk where they are there: one for each seed, or for
    each group of seeds where networks look together; none where there are too few seeds.

    `scales` gives the settings of each range of resolutions.
    """
    table: dict[str, list[Figures]] = {row.name: [] for row in rows}
    for row, group in turns(rows, seeds):
        recipes = [_recipe(base, row, scales, seed) for seed in group]
        figures = _figures(recipes, row, out, work)
        table[row.name].append(figures)
        on_done(row, group, figures)
    return table


def turns(rows: Sequence[Row], seeds: Sequence[int]) -> list[tuple[Row, Sequence[int]]]:
    """The rows' figures in order, each with its seeds: all rows of a seed, then those of several
    seeds, which share no seed between two figures of a row."""
    alone: list[tuple[Row, Sequence[int]]]
    alone = [(row, (seed,)) for seed in seeds for row in rows if row.seeds == 1]
    together = [
        (row, seeds[first : first + row.seeds])
        for row in rows
        if row.seeds > 1
        for first in range(0, len(seeds) - row.seeds + 1, row.seeds)
    ]
    return alone + together


def _recipe(base: Recipe, row: Row, scales: Mapping[str, Sequence[str]], seed: int) -> Recipe:
    seeded = f"train.seed={seed}"
    return with_settings(base, [*row.settings_taken, *scales[row.scale], seeded])


def taken_keys(scales: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The keys that rows set themselves."""
    own = [setting for row in ROWS for setting in row.settings_taken]
    own += [setting for settings in scales.values() for setting in settings]
    return frozenset({"train.seed", *(setting.partition("=")[0] for setting in own)})


def check_settings(settings: Sequence[str], scales: Mapping[str, Sequence[str]]) -> None:
    """Refuses settings of the base recipe that every row would put aside without a word."""
    taken = taken_keys(scales)
    for setting in settings:
        key = setting.partition("=")[0]
        if any(own == key or own.startswith(f"{key}.") for own in taken):
            rule = "the table's rows set this key themselves"
            raise TrainingError(rule, where=key, expected=f"no key of {', '.join(sorted(taken))}")


def _figures(recipes: Sequence[Recipe], row: Row, out: Path, work: Work) -> Figures:
    """From disk, or made and written there."""
    seeds = [recipe.train.seed for recipe in recipes]
    path = out / f"seed-{seeds[0]}" / row.folder / row.figures_name
    basis = _basis(recipes[0], work.learnt_from(row)) | {"judged_by": dict(work.judged_by(row))}
    if len(seeds) > 1:
        basis["seeds"] = seeds
    kept = _read(path, basis, row)
    if kept is not None:
        return _parse(kept["figures"])
    trained = [_train_once(recipe, row, out, work) for recipe in recipes]
    judged = work.judge([one.folder for one in trained], row)
    write_predictions(path.with_name(row.predictions_name), judged.found)
    steps, minutes = sum(one.steps for one in trained), sum(one.minutes for one in trained)
    figures = Figures(judged.averages, judged.any_class, judged.instances, steps, minutes)
    _write(path, basis | {"figures": asdict(figures)})
    return figures


def _train_once(recipe: Recipe, row: Row, out: Path, work: Work) -> Trained:
    """The row's weights, trained unless they are there; rows that differ in their plan share."""
    seed_folder = out / f"seed-{recipe.train.seed}"
    place = seed_folder / row.folder
    basis = _basis(recipe, work.learnt_from(row))
    facts = _read(place / TRAINED_NAME, basis, row)
    if facts is None:
        make_folder(place)
        start = (work.start or _pre_trained(recipe, seed_folder, work)) if row.from_coco else None
        begun = time.perf_counter()
        steps = work.fit(recipe, place / "run", start)
        minutes = (time.perf_counter() - begun) / 60
        facts = basis | {"steps": steps, "minutes": minutes}
        _write(place / TRAINED_NAME, facts)
    return Trained(place / "run", facts["steps"], facts["minutes"])


def _pre_trained(recipe: Recipe, seed_folder: Path, work: Work) -> Path:
    """Weights that the seed's rows start from: the plain network, trained on COCO once."""
    folder = seed_folder / "pre-training"
    done = folder / TRAINED_NAME
    if not done.is_file():
        make_folder(folder)
        plain = with_settings(recipe, PLAIN).model_copy(update={"name": "pre-training"})
        _write(done, {"steps": work.fit(plain, folder / "run", None)})
    return folder / "run"


def _basis(recipe: Recipe, learnt_from: Mapping[str, str]) -> dict[str, Any]:
    return {"recipe": recipe.model_dump(mode="json"), "learnt_from": dict(learnt_from)}


def _write(path: Path, document: Mapping[str, Any]) -> None:
    write_whole(path, orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _read(path: Path, basis: Mapping[str, Any], row: Row) -> dict[str, Any] | None:
    """The document on disk, None if there is none; refuses one that follows from anything else."""
    if not path.is_file():
        return None
    document: dict[str, Any] = orjson.loads(path.read_bytes())
    for key, value in basis.items():
        kept = document.get(key)
        if kept != value:
            rule = "the folder's row was made with another recipe, budget, data or start"
            where = f"{row.name}, {key}"
            expected, got = (None, None) if key == "recipe" else (value, kept)
            raise TrainingError(rule, path=path, where=where, expected=expected, got=got)
    return document


def _parse(kept: Mapping[str, Any]) -> Figures:
    averages, any_class = (
        Averages(*(float("nan") if v is None else v for v in kept[key].values()))
        for key in ("averages", "any_class")
    )
    return Figures(averages, any_class, kept["instances"], kept["steps"], kept["train_minutes"])


def to_markdown(rows: Sequence[Row], table: dict[str, list[Figures]]) -> str:
    """The table in %: mean over seeds +- half the spread, and the slides' numbers below each."""
    heads = ("row", "AP50", "AP75", "AP_tiny", "AP_s", "AP_m", "AP_l", "AP", "any AP")
    lines = [_line([*heads, "steps", "minutes"]), _line(["---", *["---:"] * 10])]
    for row in (row for row in rows if table[row.name]):
        figures = table[row.name]
        columns = zip(*(astuple(f.averages) for f in figures), strict=True)
        cells = [_percent(values) for values in columns]
        cells.append(_percent([f.any_class.ap for f in figures]))
        steps = " / ".join(sorted({str(f.steps) for f in figures}))
        minutes = f"{mean(f.train_minutes for f in figures):.1f}"
        lines.append(_line([row.name, *cells, steps, minutes]))
        if row.slide is not None:
            s = row.slide
            told = (s.ap50, s.ap75, None, s.ap_small, s.ap_medium, s.ap_large, s.ap)
            on_slides = ["" if v is None else f"*{v:.1f}*" for v in told]
            lines.append(_line(["*slides*", *on_slides, "", "", ""]))
    return "\n".join(lines)


GAINED = {"AP": "ap", "AP_s": "ap_small", "AP_tiny": "ap_tiny"}
"""Of which figures the gains are told, by the names in the table."""


def gains(
    rows: Sequence[Row],
    seeds: Sequence[int],
    out: Path,
    labels: Sequence[FrameLabels],
    classes: Sequence[str],
) -> str:
    """What each row adds to the one that it changes, in % of any class, with 95 % intervals.

    The detections of all seeds are pooled; a frame is drawn together with all that seeds found on
    it. A row of several networks is compared with each of the networks alone.
    """
    by_name, groups = {row.name: row for row in rows}, turns(rows, seeds)

    @cache
    def pairs_in(path: Path) -> list[FramePairs]:
        return pair_frames(read_predictions(path), labels, classes=classes)

    def pairs_of(row: Row, first: int, place: int) -> list[FramePairs]:
        found = pairs_in(out / f"seed-{first}" / row.folder / row.predictions_name)
        return [replace(frame, name=f"{place} {frame.name}") for frame in found]

    lines = [_line(["row", "against", *GAINED]), _line(["---", "---", *["---:"] * len(GAINED)])]
    for row in rows:
        base = by_name.get(row.than or "")
        if base is None:
            continue
        before, after = [], []
        for group in (group for one, group in groups if one is row):
            for seed in group if base.seeds == 1 else group[:1]:
                before += pairs_of(base, seed, seed)
                after += pairs_of(row, group[0], seed)
        if not after:
            continue
        compared = compare_scores(
            before, after, classes, clip_of=lambda name: name.partition(" ")[2]
        )
        told = [compared.rows[1].of(figure) for figure in GAINED.values()]
        lines.append(_line([row.name, base.name, *map(_gain, told)]))
    return "\n".join(lines)


def _gain(told: Difference) -> str:
    """`+1.2 (-0.3 to +2.5)`."""
    plus, low, high = (100 * value for value in (told.difference, told.low, told.high))
    return f"{plus:+.1f} ({low:+.1f} to {high:+.1f})"


def _percent(values: Sequence[float]) -> str:
    """`12.3 +-0.4`: the mean, and half of the distance between the best and the worst seed."""
    known = [100 * v for v in values if v == v]
    if not known:
        return "-"
    spread = (max(known) - min(known)) / 2
    return f"{mean(known):.1f}" + (f" ±{spread:.1f}" if len(known) > 1 else "")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
