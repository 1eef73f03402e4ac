"""`tinyseg evaluate`: predictions and labels -> scores, and where they are lost."""

from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.common import (
    DataOption,
    FormatOption,
    ImagesOption,
    LabelledOption,
    ListOption,
    OnErrorOption,
    SplitOption,
    only_with,
    remark,
    rendered,
    write_json,
)
from tinyseg.cli.judging import (
    BoundaryOption,
    BoxesOption,
    BucketOption,
    ClipPatternOption,
    ClipsOption,
    DetectionsOption,
    Draw,
    DrawOption,
    IntervalsOption,
    MissingOption,
    PrecisionOption,
    ResamplesOption,
    Rule,
    RuleOption,
    SeamsOption,
    SeedOption,
    read_buckets,
    resampling_of,
)
from tinyseg.data import Place
from tinyseg.files import check_output
from tinyseg.progress import show_progress
from tinyseg.scoring import SLICE_PRECISION, comparison_table, comparison_to_json
from tinyseg.tasks import (
    MOST_DETECTIONS,
    BreakdownChoice,
    clips_of,
    compare,
    evaluate as run_evaluation,
)
from tinyseg.watch import OnError


def evaluate(
    predictions: Annotated[
        str,
        typer.Argument(
            help="What `tinyseg predict` wrote, a submission's CSV, or the address of a cluster's "
            "results."
        ),
    ],
    data: DataOption,
    against: Annotated[
        Path | None,
        typer.Option(help="Predictions B of the same frames: is B better than these?"),
    ] = None,
    listed: ListOption = None,
    split: SplitOption = None,
    labelled: LabelledOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    json: Annotated[Path | None, typer.Option(help="Also write all figures to this file.")] = None,
    allow_missing: MissingOption = False,
    on_error: OnErrorOption = OnError.stop,
    boxes: BoxesOption = False,
    detections: DetectionsOption = MOST_DETECTIONS,
    rule: RuleOption = Rule.coco,
    clips: ClipsOption = None,
    clip_pattern: ClipPatternOption = None,
    intervals: IntervalsOption = False,
    draw: DrawOption = Draw.frames,
    resamples: ResamplesOption = None,
    seed: SeedOption = None,
    broken_down: Annotated[
        bool,
        typer.Option("--breakdown", help="Also by size, row, class, kind of error, and outline."),
    ] = False,
    bucket: BucketOption = None,
    precision: PrecisionOption = None,
    boundary_px: BoundaryOption = None,
    plan: SeamsOption = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Score a cluster job's results on a Ray cluster: auto, local, or an address."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --cluster: worker processes, each on one core.")
    ] = None,
) -> None:
    """Score predictions against labels: AP by size and class, by COCO's rules, with ignore regions.

    With --against, the differences between two results and their 95 % intervals.

    Example: tinyseg evaluate found/predictions.json --data wad --list val.txt --breakdown
    Example: tinyseg evaluate before --against after --data wad --list val.txt --json compared.json
    """
    check_output(json)
    wad = rule is Rule.wad
    drawn = intervals or against is not None
    whole = ("--intervals", "--breakdown", "--cluster")
    only_with("an evaluation without --against", *whole, met=against is None)
    only_with("--breakdown", "--bucket", "--precision", "--boundary-px", "--plan", met=broken_down)
    only_with("--intervals or --against", "--resamples", "--seed", "--draw", met=drawn)
    clip_wise = wad or draw is Draw.clips
    only_with("--draw clips or --rule wad", "--clips", "--clip-pattern", met=clip_wise)
    only_with("--cluster", "--workers", met=cluster)
    if wad:
        only_with("an evaluation without --against", "--rule", met=against is None)
    place = Place(data, listed, format, split, images, labelled)
    resampling = resampling_of(place, draw, clips, clip_pattern, count=resamples, seed=seed)
    if against is not None:
        compared = compare(
            predictions,
            against,
            place,
            boxes=boxes,
            max_detections=detections,
            resampling=resampling,
            allow_missing=allow_missing,
            on_error=on_error,
            on_progress=show_progress,
            on_remark=remark,
        )
        tables, figures = [comparison_table(compared)], comparison_to_json(compared)
    else:
        scored = run_evaluation(
            predictions,
            place,
            boxes=boxes,
            max_detections=detections,
            resampling=resampling if intervals else None,
            challenge=wad,
            clip_of=clips_of(place, clips, clip_pattern) if wad else None,
            breakdown=BreakdownChoice(
                read_buckets(bucket or []),
                SLICE_PRECISION if precision is None else precision,
                1 if boundary_px is None else boundary_px,
                plan,
            )
            if broken_down
            else None,
            allow_missing=allow_missing,
            cluster=cluster,
            workers=workers,
            on_error=on_error,
            on_progress=show_progress,
            on_remark=remark,
        )
        tables, figures = scored.tables(), scored.to_json()
    for table in tables:
        typer.echo(rendered(table))
    if json is not None:
        write_json(json, figures)
