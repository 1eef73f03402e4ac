"""`tinyseg evaluate`: predictions and labels -> scores, and where they are lost."""

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import orjson
import typer

from tinyseg.cli.common import (
    DataOption,
    FormatOption,
    ListOption,
    OnError,
    OnErrorOption,
    Skipped,
    named_alike,
    open_with,
    predictions_file,
    read_all_labels,
    rendered,
)
from tinyseg.cli.judging import (
    ClipPatternOption,
    ClipsOption,
    Draw,
    DrawOption,
    IntervalsOption,
    ResamplesOption,
    Rule,
    RuleOption,
    drawn_by,
    find_clips,
    interval_section,
    wad_section,
)
from tinyseg.data import DataSet
from tinyseg.errors import DataError, RecipeError
from tinyseg.evaluate.bootstrap import RESAMPLES
from tinyseg.evaluate.breakdown import breakdown
from tinyseg.evaluate.breakdown_table import breakdown_tables, breakdown_to_json
from tinyseg.evaluate.errors import Rects
from tinyseg.evaluate.pairs import FramePairs, pair_frames
from tinyseg.evaluate.score import score_pairs
from tinyseg.evaluate.shapes import ShapeRules
from tinyseg.evaluate.slices import PRECISION
from tinyseg.evaluate.table import scores_table, scores_to_json
from tinyseg.evaluate.wad_rule import pooled_interval
from tinyseg.labels import judged_classes
from tinyseg.predict.plan_choice import make_plan, read_choice
from tinyseg.predictions import Predictions, read_predictions
from tinyseg.progress import progress_bar
from tinyseg.views import FrameInfo

Buckets = dict[str, tuple[float, float]]


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="What `tinyseg predict` wrote.")],
    data: DataOption,
    listed: ListOption = None,
    format: FormatOption = None,
    json: Annotated[Path | None, typer.Option(help="Also write all figures to this file.")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Frames without predictions count as empty.")
    ] = False,
    on_error: OnErrorOption = OnError.stop,
    rule: RuleOption = Rule.coco,
    clips: ClipsOption = None,
    clip_pattern: ClipPatternOption = None,
    intervals: IntervalsOption = False,
    draw: DrawOption = Draw.frames,
    resamples: ResamplesOption = RESAMPLES,
    broken_down: Annotated[
        bool, typer.Option("--breakdown", help="Also by size, row, class, error and outline.")
    ] = False,
    bucket: Annotated[
        list[str] | None,
        typer.Option(help="With --breakdown: an own range of sides in px, such as pole=4:12."),
    ] = None,
    precision: Annotated[
        float, typer.Option(help="With --breakdown: the precision at which recall is told.")
    ] = PRECISION,
    boundary_px: Annotated[
        int, typer.Option(min=1, help="With --breakdown: least width of boundaries, .02 diagonal.")
    ] = 1,
    plan: Annotated[
        Path | None,
        typer.Option(help="With --breakdown: the plan's YAML file, so that its seams are known."),
    ] = None,
) -> None:
    """Score predictions: AP by size and class, COCO's rules, ignore regions honoured.

    Example: tinyseg evaluate found/predictions.json --data wad --list val.txt --breakdown
    """
    buckets = read_buckets(bucket or [])
    wanted = rule is Rule.wad or draw is Draw.clips
    clip_of = find_clips(data, clips, clip_pattern, wanted=wanted)
    drawn = drawn_by(draw, clip_of)
    given = read_predictions(predictions_file(predictions))
    dataset = open_with(data, format, listed, judged_classes(given.classes))
    shapes = ShapeRules(min_px=boundary_px)
    skipped = Skipped(on_error)
    given = named_alike(given, dataset)
    pairs = _pairs(given, dataset, skipped, allow_missing, shapes if broken_down else None)
    scores = score_pairs(pairs, dataset.classes, predicted=len(given.frames))
    figures = scores_to_json(scores)
    tables = [scores_table(scores)]
    if intervals:
        figures["intervals"], own_tables = interval_section(
            pairs, dataset.classes, drawn, resamples
        )
        tables += own_tables
    if rule is Rule.wad:
        interval_at = partial(
            pooled_interval, pairs, dataset.classes, resamples=resamples, clip_of=drawn
        )
        figures["challenge"], own_tables = wad_section(
            pairs, dataset.classes, clip_of, interval_at=interval_at if intervals else None
        )
        tables += own_tables
    if broken_down:
        views = None if plan is None else views_of(plan, pairs)
        result = breakdown(
            pairs, dataset.classes, buckets=buckets, precision=precision, shapes=shapes, views=views
        )
        figures["breakdown"] = breakdown_to_json(result, pairs)
        tables += breakdown_tables(result)
    if json is not None:
        json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    for table in tables:
        typer.echo(rendered(table))
    skipped.report()


def _pairs(
    given: Predictions,
    dataset: DataSet,
    skipped: Skipped,
    allow_missing: bool,
    shapes: ShapeRules | None,
) -> list[FramePairs]:
    with progress_bar("reading and pairing", len(dataset.items)) as bar:
        return pair_frames(
            given,
            read_all_labels(dataset.items, skipped, bar),
            classes=dataset.classes,
            allow_missing=allow_missing,
            shapes=shapes,
        )


def read_buckets(texts: list[str]) -> Buckets:
    """Ranges of sides in pixels written as NAME=LOW:HIGH; an end left out is 0 or no end."""
    buckets: Buckets = {}
    for text in texts:
        name, _, ends = text.partition("=")
        low, colon, high = ends.partition(":")
        try:
            buckets[name] = float(low or 0), float(high or 1e5)
        except ValueError:
            colon = ""
        if not name or not colon:
            rule = "a bucket is written NAME=LOW:HIGH, sides in pixels"
            raise DataError(rule, where="--bucket", expected="pole=4:12", got=text)
    return buckets


def views_of(path: Path, pairs: list[FramePairs]) -> dict[str, Rects]:
    """What the plan of a YAML file looks at on each frame; RecipeError if finds decide that."""
    choice = read_choice(path)
    if any(part.focus is not None for part in choice.parts):
        rule = "seams are known for plans of whole frames and tiles"
        raise RecipeError(rule, path=path, got="a plan that focuses")
    plan = make_plan(choice)
    views = {frame.name: plan.first(FrameInfo.named(frame.name, frame.hw)) for frame in pairs}
    return {
        name: np.array([p.view.rect for p in own]).reshape(-1, 4) for name, own in views.items()
    }
