"""`tinyseg report`: predictions and labels -> one HTML file that shows what is wrong, and where."""

from collections.abc import Iterator, Sequence
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
)
from tinyseg.cli.given import open_given
from tinyseg.cli.judging import tell_left_out
from tinyseg.data import DataSet, Item
from tinyseg.doctor import Findings, Place, examine, plan_of
from tinyseg.files import check_output, write_whole
from tinyseg.frame import Frame, FrameLabels
from tinyseg.predictions import Predictions
from tinyseg.progress import Bar, console, progress_bar
from tinyseg.report.html.figures import Measured
from tinyseg.report.html.gather import Choice, Run, page_of, sheets_of, worst_frames
from tinyseg.report.html.page import to_html
from tinyseg.report.html.records import Finding, Page, Sheet
from tinyseg.report.overlay import DRAWN_FROM
from tinyseg.scoring.bootstrap import RESAMPLES, intervals
from tinyseg.scoring.breakdown import breakdown
from tinyseg.scoring.compare import Comparison, compare
from tinyseg.scoring.pairs import pair_frames
from tinyseg.scoring.score import score_pairs
from tinyseg.scoring.shapes import ShapeRules

MEGA = 1_000_000


def report(
    predictions: Annotated[Path, typer.Argument(help="What `tinyseg predict` wrote: run A.")],
    other: Annotated[
        Path | None,
        typer.Argument(metavar="[PREDICTIONS_B]", help="Run B, to be shown beside A."),
    ] = None,
    *,
    data: DataOption,
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    listed: ListOption = None,
    split: SplitOption = None,
    labelled: LabelledOption = None,
    format: FormatOption = None,
    images: ImagesOption = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames to show: those most in error.")] = 20,
    score: Annotated[
        float, typer.Option(min=0, max=1, help="Where the slider begins.")
    ] = DRAWN_FROM,
    floor: Annotated[float, typer.Option(min=0, max=1, help="Lowest score that is drawn.")] = 0.05,
    megabytes: Annotated[float, typer.Option(min=1, help="Largest size of the file.")] = 15,
    resamples: Annotated[int, typer.Option(min=1, help="For the intervals.")] = RESAMPLES,
    doctor: Annotated[bool, typer.Option("--doctor", help="With the data set's faults.")] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Frames without predictions count as empty.")
    ] = False,
    on_error: OnErrorOption = OnError.stop,
) -> None:
    """Write one HTML file with figures, errors and frames, to be opened in any browser, offline.

    Example: tinyseg report before after --data wad --list val.txt --out report.html
    """
    check_output(out)
    paths = [path for path in (predictions, other) if path is not None]
    place = Place(data, listed, format, split, images, labelled)
    skipped = Skipped(on_error)
    given, dataset = open_given(paths, place, skipped)
    with progress_bar("reading labels", len(dataset.items)) as bar:
        truth = list(read_all_labels(dataset.items, skipped, bar))
    runs = _measure(
        given,
        truth,
        dataset.classes,
        names=_names(paths),
        resamples=resamples,
        missing=allow_missing,
    )
    choice = Choice(f"{data.stem}: {_title(paths)}", frames, score, floor, int(megabytes * MEGA))
    sheets = _sheets(runs, dataset, choice)
    faults = _examine(place, dataset.classes) if doctor else None
    page = page_of(
        runs,
        _comparison(runs, dataset.classes, resamples),
        sheets,
        choice,
        classes=dataset.classes,
        findings=() if faults is None else _told(faults),
        advice=() if faults is None else faults.advice,
    )
    _write(out, page)
    skipped.report()


def _names(paths: Sequence[Path]) -> list[str]:
    """Names of the runs: the last parts of their paths, as many as tell them apart."""
    given = [path if path.is_dir() else path.with_suffix("") for path in paths]
    parts = [path.resolve().parts for path in given]
    depth = 1
    while len({part[-depth:] for part in parts}) < len(parts) and depth < 4:
        depth += 1
    return ["/".join(part[-depth:]) for part in parts]


def _title(paths: Sequence[Path]) -> str:
    return " and ".join(_names(paths))


def _measure(
    given: Sequence[Predictions],
    truth: Sequence[FrameLabels],
    classes: Sequence[str],
    *,
    names: Sequence[str],
    resamples: int,
    missing: bool,
) -> list[Run]:
    runs = []
    for one, name in zip(given, names, strict=True):
        pairs = pair_frames(one, truth, classes=classes, shapes=ShapeRules(), allow_missing=missing)
        tell_left_out(pairs, 300)
        with progress_bar(f"measuring {name}", len(classes) + 1) as bar:
            spans = intervals(pairs, classes, resamples=resamples, tick=bar.advance)
        scores, parts = score_pairs(pairs, classes=classes), breakdown(pairs, classes)
        runs.append(Run.of(Measured(name, tuple(pairs), scores, spans, parts), one))
    return runs


def _comparison(runs: Sequence[Run], classes: Sequence[str], resamples: int) -> Comparison | None:
    if len(runs) < 2:
        return None
    a, b = (run.measured.pairs for run in runs)
    with progress_bar("comparing", 2 * len(classes) + 2) as bar:
        return compare(a, b, classes, resamples=resamples, tick=bar.advance)


def _sheets(runs: Sequence[Run], dataset: DataSet, choice: Choice) -> list[Sheet]:
    """The chosen frames, read one at a time."""
    places = worst_frames(runs, choice.frames)
    by_name = {item.name: item for item in dataset.items}
    items = [by_name[runs[0].frames[place].pairs.name] for place in places]
    with progress_bar("drawing frames", len(items)) as bar:
        return sheets_of(runs, places, _read(items, bar), choice)


def _read(items: Sequence[Item], bar: Bar) -> Iterator[Frame]:
    for item in items:
        yield item.read()
        bar.advance(item.name)


def _examine(place: Place, classes: Sequence[str]) -> Findings:
    """What the doctor finds without decoding pictures."""
    plan = plan_of(place, None, classes)
    with progress_bar("looking for faults", len(plan)) as bar:
        return examine(plan, classes, fast=True, on_frame=lambda _: bar.advance())


def _told(found: Findings) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            group.kind.severity.value,
            group.kind.title,
            group.count,
            group.kind.advice,
            tuple(f"{one.place}: {one.detail}".rstrip(": ") for one in group.examples),
        )
        for group in found.groups
    )


def _write(out: Path, page: Page) -> None:
    content = to_html(page)
    write_whole(out, content)
    megabytes, shown = len(content) / MEGA, len(page.sheets)
    console.print(f"{out}: {megabytes:.1f} MB, {shown} frames; open it in a browser")
