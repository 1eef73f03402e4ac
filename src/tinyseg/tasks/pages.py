"""Predictions and labels -> one HTML file that shows what is wrong, and where."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyseg.data import DataSet, Item, Place
from tinyseg.doctor import Findings, examination_of, examine
from tinyseg.files import check_output, write_whole
from tinyseg.frame import Frame, FrameLabels
from tinyseg.predictions import Predictions
from tinyseg.report import (
    DRAWN_FROM,
    Finding,
    JudgedRun,
    Measured,
    PageChoice,
    Sheet,
    page_of,
    sheets_of,
    to_html,
    worst_frames,
)
from tinyseg.scoring import (
    Comparison,
    Remainder,
    ShapeRules,
    break_down,
    compare_scores,
    intervals,
    pair_frames,
    score_pairs,
)
from tinyseg.tasks.opening import open_given, place_of, read_all_labels
from tinyseg.tasks.scores import MOST_DETECTIONS, Resampling, tell_left_out
from tinyseg.watch import OnError, OnProgress, OnRemark, Stage, Watch

MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class ReportChoice:
    """What a report shows: at most `frames` frames, those with the worst errors; a slider of scores
    that starts at `cut` and ends at `floor`; all in at most `max_bytes`; with `faults`, what the
    doctor says of the data set."""

    frames: int = 20
    cut: float = DRAWN_FROM
    floor: float = 0.05
    max_bytes: int = 15 * MEGA
    faults: bool = False


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """The file, its size, and how many frames it shows."""

    path: Path
    size_bytes: int
    frames: int


@dataclass(frozen=True, slots=True)
class _Judging:
    """By what the runs are measured."""

    boxes: bool
    max_detections: int
    resampling: Resampling
    allow_missing: bool


def write_report(
    predictions: Path | str | Sequence[Path | str],
    data: Path | str | Place,
    out: Path | str = "report.html",
    *,
    choice: ReportChoice | None = None,
    boxes: bool = False,
    max_detections: int = MOST_DETECTIONS,
    resampling: Resampling | None = None,
    allow_missing: bool = False,
    on_error: OnError | str = OnError.stop,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> WrittenReport:
    """Write one HTML file with figures, errors and frames, to be opened in any browser, offline.

    `predictions` are those of one run, or of two to show side by side; the other arguments are
    those of `evaluate`. Raises OutputError if the file cannot be written.

    >>> tinyseg.write_report("found", "scenes", "report.html", on_remark=print).frames
    2
    """
    out = Path(out)
    check_output(out)
    given_paths = [predictions] if isinstance(predictions, Path | str) else predictions
    paths = [Path(path) for path in given_paths]
    shown, place = choice or ReportChoice(), place_of(data)
    rules = _Judging(boxes, max_detections, resampling or Resampling(), allow_missing)
    watch = Watch(on_error, on_progress, on_remark)
    given, dataset = open_given(paths, place, watch)
    with watch.stage("reading labels", len(dataset.items)) as stage:
        truth = list(read_all_labels(dataset.items, watch, stage))
    names = _names(paths)
    runs = [
        _measured(one, truth, dataset.classes, name, rules, watch)
        for one, name in zip(given, names, strict=True)
    ]
    title = f"{place.path.stem}: {' and '.join(names)}"
    wanted = PageChoice(title, shown.frames, shown.cut, shown.floor, shown.max_bytes)
    sheets = _sheets(runs, dataset, wanted, watch)
    faults = _examine(place, dataset.classes, watch) if shown.faults else None
    page = page_of(
        runs,
        _comparison(runs, dataset.classes, rules, watch),
        sheets,
        wanted,
        classes=dataset.classes,
        findings=() if faults is None else _told(faults),
        advice=() if faults is None else faults.advice,
    )
    content = to_html(page)
    write_whole(out, content)
    watch.report()
    return WrittenReport(out, len(content), len(page.sheets))


def _names(paths: Sequence[Path]) -> list[str]:
    """Names of the runs: the last parts of their paths, as many as tell them apart."""
    given = [path if path.is_dir() else path.with_suffix("") for path in paths]
    parts = [path.resolve().parts for path in given]
    depth = 1
    while len({part[-depth:] for part in parts}) < len(parts) and depth < 4:
        depth += 1
    return ["/".join(part[-depth:]) for part in parts]


def _measured(
    given: Predictions,
    truth: Sequence[FrameLabels],
    classes: Sequence[str],
    name: str,
    rules: _Judging,
    watch: Watch,
) -> JudgedRun:
    most, drawn = rules.max_detections, rules.resampling
    pairs = pair_frames(
        given,
        truth,
        classes=classes,
        max_detections=most,
        shapes=None if rules.boxes else ShapeRules(),
        allow_missing=rules.allow_missing,
        of_boxes=rules.boxes,
    )
    tell_left_out(Remainder.of(pairs), most, watch)
    with watch.stage(f"measuring {name}", len(classes) + 1) as stage:
        spans = intervals(
            pairs,
            classes,
            resamples=drawn.count,
            seed=drawn.seed,
            max_detections=most,
            clip_of=drawn.clip_of,
            tick=stage.advance,
        )
    scores = score_pairs(pairs, classes=classes, max_detections=most)
    parts = break_down(pairs, classes, max_detections=most)
    return JudgedRun.of(Measured(name, tuple(pairs), scores, spans, parts), given)


def _comparison(
    runs: Sequence[JudgedRun], classes: Sequence[str], rules: _Judging, watch: Watch
) -> Comparison | None:
    if len(runs) < 2:
        return None
    a, b = (run.measured.pairs for run in runs)
    with watch.stage("comparing", 2 * len(classes) + 2) as stage:
        return compare_scores(
            a,
            b,
            classes,
            resamples=rules.resampling.count,
            seed=rules.resampling.seed,
            max_detections=rules.max_detections,
            clip_of=rules.resampling.clip_of,
            tick=stage.advance,
        )


def _sheets(
    runs: Sequence[JudgedRun], dataset: DataSet, choice: PageChoice, watch: Watch
) -> list[Sheet]:
    """The chosen frames, read one at a time."""
    places = worst_frames(runs, choice.frames)
    by_name = {item.name: item for item in dataset.items}
    items = [by_name[runs[0].frames[place].pairs.name] for place in places]
    with watch.stage("drawing frames", len(items)) as stage:
        return sheets_of(runs, places, _read(items, stage), choice)


def _read(items: Sequence[Item], stage: Stage) -> Iterator[Frame]:
    for item in items:
        yield item.read()
        stage.advance(item.name)


def _examine(place: Place, classes: Sequence[str], watch: Watch) -> Findings:
    """What the doctor finds without decoding pictures."""
    plan = examination_of(place, None, classes)
    with watch.stage("looking for faults", len(plan)) as stage:
        return examine(plan, classes, fast=True, on_frame=lambda _: stage.advance())


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
