"""`tinyseg evaluate`: predictions and labels -> scores, and where they are lost."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tinyseg.cli.breaking_down import (
    Asked,
    BoundaryOption,
    BucketOption,
    PrecisionOption,
    SeamsOption,
    breakdown_section,
    read_buckets,
)
from tinyseg.cli.common import (
    DataOption,
    FormatOption,
    ImagesOption,
    LabelledOption,
    ListOption,
    OnError,
    OnErrorOption,
    Skipped,
    SplitOption,
    read_all_labels,
    rendered,
    write_json,
)
from tinyseg.cli.given import open_given
from tinyseg.cli.judging import (
    BoxesOption,
    ClipPatternOption,
    ClipsOption,
    DetectionsOption,
    Draw,
    DrawOption,
    IntervalsOption,
    ResamplesOption,
    Rule,
    RuleOption,
    drawn_by,
    find_clips,
    interval_section,
    tell_left_out,
    wad_section,
)
from tinyseg.data import Place
from tinyseg.errors import DataError
from tinyseg.files import check_output
from tinyseg.progress import progress_bar
from tinyseg.scoring.bootstrap import RESAMPLES
from tinyseg.scoring.pairs import pair_frames
from tinyseg.scoring.score import score_pairs
from tinyseg.scoring.shapes import ShapeRules
from tinyseg.scoring.slices import PRECISION
from tinyseg.scoring.table import scores_table, scores_to_json
from tinyseg.scoring.wad_rule import pooled_interval


def evaluate(
    predictions: Annotated[
        Path, typer.Argument(help="What `tinyseg predict` wrote, or a submission's CSV.")
    ],
    data: DataOption,
    listed: ListOption = None,
    split: SplitOption = None,
    labelled: LabelledOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    json: Annotated[Path | None, typer.Option(help="Also write all figures to this file.")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Frames without predictions count as empty.")
    ] = False,
    on_error: OnErrorOption = OnError.stop,
    boxes: BoxesOption = False,
    detections: DetectionsOption = 300,
    rule: RuleOption = Rule.coco,
    clips: ClipsOption = None,
    clip_pattern: ClipPatternOption = None,
    intervals: IntervalsOption = False,
    draw: DrawOption = Draw.frames,
    resamples: ResamplesOption = RESAMPLES,
    broken_down: Annotated[
        bool, typer.Option("--breakdown", help="Also by size, row, class, error and outline.")
    ] = False,
    bucket: BucketOption = None,
    precision: PrecisionOption = PRECISION,
    boundary_px: BoundaryOption = 1,
    plan: SeamsOption = None,
) -> None:
    """Score predictions: AP by size and class, COCO's rules, ignore regions honoured.

    Example: tinyseg evaluate found/predictions.json --data wad --list val.txt --breakdown
    """
    check_output(json)
    if boxes and (rule is Rule.wad or broken_down):
        rule_text = "--boxes scores boxes alone; the challenge's rule and outlines need masks"
        raise DataError(rule_text, where="--boxes", got="--rule wad or --breakdown")
    asked = Asked(read_buckets(bucket or []), precision, ShapeRules(min_px=boundary_px), plan)
    wanted = rule is Rule.wad or draw is Draw.clips
    clip_of = find_clips(data, clips, clip_pattern, wanted=wanted)
    drawn = drawn_by(draw, clip_of)
    place = Place(data, listed, format, split, images, labelled)
    skipped = Skipped(on_error)
    (given,), dataset = open_given([predictions], place, skipped)
    with progress_bar("reading and pairing", len(dataset.items)) as bar:
        pairs = pair_frames(
            given,
            read_all_labels(dataset.items, skipped, bar),
            classes=dataset.classes,
            max_detections=detections,
            allow_missing=allow_missing,
            shapes=asked.shapes if broken_down else None,
            of_boxes=boxes,
        )
    tell_left_out(pairs, detections)
    scores = score_pairs(
        pairs, dataset.classes, predicted=len(given.frames), max_detections=detections
    )
    figures = scores_to_json(scores)
    tables = [scores_table(scores, "box" if boxes else "mask")]
    if intervals:
        figures["intervals"], own_tables = interval_section(
            pairs, dataset.classes, drawn, resamples, detections
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
        figures["breakdown"], own_tables = breakdown_section(
            pairs, dataset.classes, asked, detections
        )
        tables += own_tables
    for table in tables:
        typer.echo(rendered(table))
    if json is not None:
        write_json(json, figures)
    skipped.report()
