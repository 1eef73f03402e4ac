"""`tinyseg report`: predictions and labels -> one HTML file that shows what is wrong, and where."""

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
)
from tinyseg.cli.judging import (
    BoxesOption,
    ClipPatternOption,
    ClipsOption,
    DetectionsOption,
    Draw,
    DrawOption,
    MissingOption,
    ResamplesOption,
    SeedOption,
    resampling_of,
)
from tinyseg.data import Place
from tinyseg.progress import console, show_progress
from tinyseg.report import DRAWN_FROM
from tinyseg.tasks import MOST_DETECTIONS, ReportChoice, write_report
from tinyseg.watch import OnError

MEGA = 1_000_000


def report(
    predictions: Annotated[Path, typer.Argument(help="What `tinyseg predict` wrote.")],
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PREDICTIONS_B]",
            help="Other predictions of the same frames, to show beside them.",
        ),
    ] = None,
    *,
    data: DataOption,
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    listed: ListOption = None,
    split: SplitOption = None,
    labelled: LabelledOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    frames: Annotated[
        int, typer.Option(min=1, help="Number of frames to show: those with the worst errors.")
    ] = 20,
    score: Annotated[
        float, typer.Option(min=0, max=1, help="Score at which the page's slider starts.")
    ] = DRAWN_FROM,
    min_score: Annotated[
        float,
        typer.Option("--min-score", "--floor", min=0, max=1, help="Lowest score that is drawn."),
    ] = 0.05,
    megabytes: Annotated[float, typer.Option(min=1, help="Largest size of the file, in MB.")] = 15,
    boxes: BoxesOption = False,
    detections: DetectionsOption = MOST_DETECTIONS,
    draw: DrawOption = Draw.frames,
    clips: ClipsOption = None,
    clip_pattern: ClipPatternOption = None,
    resamples: ResamplesOption = None,
    seed: SeedOption = None,
    doctor: Annotated[
        bool, typer.Option("--doctor", help="Also show what `doctor` finds in the data set.")
    ] = False,
    allow_missing: MissingOption = False,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Write one HTML page with figures, errors and frames that opens in any browser, offline.

    Example: tinyseg report before after --data wad --list val.txt --out report.html
    """
    only_with("--draw clips", "--clips", "--clip-pattern", met=draw is Draw.clips)
    place = Place(data, listed, format, split, images, labelled)
    written = write_report(
        [path for path in (predictions, other) if path is not None],
        place,
        out,
        choice=ReportChoice(frames, score, min_score, int(megabytes * MEGA), doctor),
        boxes=boxes,
        max_detections=detections,
        resampling=resampling_of(place, draw, clips, clip_pattern, count=resamples, seed=seed),
        allow_missing=allow_missing,
        on_error=on_error,
        on_progress=show_progress,
        on_remark=remark,
    )
    size = f"{written.size_bytes / MEGA:.1f} MB, {written.frames} frames"
    console.print(f"{out}: {size}; open it in a browser", highlight=False)
