"""`tinyseg compare`: two sets of predictions, and labels -> which is better, and how surely."""

from pathlib import Path
from typing import Annotated

import typer

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
    Draw,
    DrawOption,
    ResamplesOption,
    drawn_by,
    find_clips,
    tell_left_out,
)
from tinyseg.data import Place
from tinyseg.files import check_output
from tinyseg.progress import progress_bar
from tinyseg.scoring.bootstrap import RESAMPLES
from tinyseg.scoring.compare import compare as compare_pairs
from tinyseg.scoring.interval_table import comparison_table, comparison_to_json
from tinyseg.scoring.pairs import pair_frames


def compare(
    a: Annotated[Path, typer.Argument(help="What `tinyseg predict` wrote: the one to beat.")],
    b: Annotated[Path, typer.Argument(help="Other predictions of the same frames.")],
    data: DataOption,
    listed: ListOption = None,
    split: SplitOption = None,
    labelled: LabelledOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    json: Annotated[Path | None, typer.Option(help="Also write all figures to this file.")] = None,
    boxes: BoxesOption = False,
    resamples: ResamplesOption = RESAMPLES,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same intervals.")] = 0,
    draw: DrawOption = Draw.frames,
    clips: ClipsOption = None,
    clip_pattern: ClipPatternOption = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Frames without predictions count as empty.")
    ] = False,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Say whether B is better than A: differences with 95 % intervals over the frames.

    Example: tinyseg compare before after --data wad --list val.txt --json compared.json
    """
    check_output(json)
    clip_of = find_clips(data, clips, clip_pattern, wanted=draw is Draw.clips)
    drawn = drawn_by(draw, clip_of)
    place = Place(data, listed, format, split, images, labelled)
    skipped = Skipped(on_error)
    given, dataset = open_given([a, b], place, skipped)
    with progress_bar("reading labels", len(dataset.items)) as bar:
        truth = list(read_all_labels(dataset.items, skipped, bar))
    pairs_a, pairs_b = (
        pair_frames(
            one, truth, classes=dataset.classes, allow_missing=allow_missing, of_boxes=boxes
        )
        for one in given
    )
    for pairs in (pairs_a, pairs_b):
        tell_left_out(pairs, 300)
    with progress_bar("drawing frames anew", 2 * len(dataset.classes) + 2) as bar:
        compared = compare_pairs(
            pairs_a,
            pairs_b,
            dataset.classes,
            resamples=resamples,
            seed=seed,
            clip_of=drawn,
            tick=bar.advance,
        )
    typer.echo(rendered(comparison_table(compared)))
    if json is not None:
        write_json(json, comparison_to_json(compared))
    skipped.report()
