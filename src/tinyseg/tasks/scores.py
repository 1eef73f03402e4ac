"""Predictions and labels -> what the predictions are worth; two of them -> which is better."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.table import Table

from tinyseg.data import LISTS_FOLDER, ClipOf, Place, clips_from_lists, clips_from_pattern
from tinyseg.errors import DataError, PredictionsError, RecipeError
from tinyseg.exporting import require
from tinyseg.predict import choose_plan
from tinyseg.predictions import Predictions
from tinyseg.recipes import Predict
from tinyseg.scoring import (
    READINGS,
    RESAMPLES,
    SLICE_PRECISION,
    Breakdown,
    Comparison,
    FramePairs,
    Intervals,
    Rects,
    Remainder,
    Scores,
    ShapeRules,
    Tally,
    WadScores,
    break_down,
    breakdown_tables,
    breakdown_to_json,
    compare_scores,
    intervals,
    intervals_table,
    intervals_to_json,
    pair_frames,
    pooled_interval,
    refuse_missing,
    score_pairs,
    score_wad,
    scores_of,
    scores_table,
    scores_to_json,
    slice_count,
    sweep_table,
    wad_classes_table,
    wad_to_json,
)
from tinyseg.tasks.opening import open_for, open_given, parts_at, place_of, read_all_labels
from tinyseg.views import FrameInfo
from tinyseg.watch import OnError, OnProgress, OnRemark, Watch

MOST_DETECTIONS = 300
"""Of a class, on a frame, best first: those that count if nothing else is said."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: frames are drawn `count` times with replacement, or whole clips if
    `clip_of` gives the clip of a frame's name. The same seed draws the same."""

    count: int = RESAMPLES
    seed: int = 0
    clip_of: ClipOf | None = None


@dataclass(frozen=True, slots=True)
class BreakdownChoice:
    """What a breakdown shows.

    `buckets` are ranges of object sides (square root of the area, in pixels) by name; `precision`
    is where recall is read; `boundary_px` is the least width of boundaries in pixels; `plan` is the
    plan's YAML file, so that errors at its views' borders are recognised.
    """

    buckets: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    precision: float = SLICE_PRECISION
    boundary_px: int = 1
    plan: Path | str | None = None

    @property
    def shapes(self) -> ShapeRules:
        """How outlines are measured."""
        return ShapeRules(min_px=self.boundary_px)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of predictions, and what was asked for beside them; else None.

    `pooled` are the 95 % intervals of the challenge's pooled AP by score cut.
    """

    scores: Scores
    pairs: tuple[FramePairs, ...]
    of_boxes: bool
    intervals: Intervals | None = None
    challenge: WadScores | None = None
    pooled: Mapping[float, tuple[float, float]] = field(default_factory=dict)
    breakdown: Breakdown | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The scored classes, in order."""
        return tuple(one.name for one in self.scores.classes)

    def to_json(self) -> dict[str, object]:
        """All figures as plain values; figures that are unknown are None."""
        figures = scores_to_json(self.scores)
        if self.intervals is not None:
            figures["intervals"] = intervals_to_json(self.intervals, self.class_names)
        if self.challenge is not None:
            own = wad_to_json(self.challenge)
            if self.pooled:
                spans = self.pooled.items()
                own["pooled_intervals"] = [{"cut": c, "interval": list(s)} for c, s in spans]
            figures["challenge"] = own
        if self.breakdown is not None:
            figures["breakdown"] = breakdown_to_json(self.breakdown, self.pairs)
        return figures

    def tables(self) -> list[Table]:
        """The figures for a terminal, as rich's tables."""
        tables = [scores_table(self.scores, "box" if self.of_boxes else "mask")]
        if self.intervals is not None:
            tables.append(intervals_table(self.intervals, self.class_names))
        if self.challenge is not None:
            sweep = sweep_table(self.challenge)
            if self.pooled:
                spans = self.pooled.items()
                texts = [f"{low:.3f} ... {high:.3f} at cut {c:.2f}" for c, (low, high) in spans]
                sweep.caption = f"{sweep.caption}\npooled, 95 %: {', '.join(texts)}"
            tables += [sweep, wad_classes_table(self.challenge)]
        if self.breakdown is not None:
            tables += breakdown_tables(self.breakdown)
        return tables


def evaluate(
    predictions: Path | str,
    data: Path | str | Place,
    *,
    boxes: bool = False,
    max_detections: int = MOST_DETECTIONS,
    resampling: Resampling | None = None,
    challenge: bool = False,
    clip_of: ClipOf | None = None,
    breakdown: BreakdownChoice | None = None,
    allow_missing: bool = False,
    cluster: str | None = None,
    workers: int | None = None,
    on_error: OnError | str = OnError.stop,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> Evaluation:
    """Scores of predictions by COCO's rules; ignore regions are honoured.

    `predictions` is what `predict` wrote, on a cluster too, a submission's CSV, or another tool's
    results in COCO's form; `data` a data set's path, or a Place where more must be said. With
    `boxes`, boxes are scored instead of masks. With `resampling` come 95 % intervals; with
    `challenge` the figures by the challenge's own rule, by clip where `clip_of` knows the clip of a
    frame's name; with `breakdown` those by size, row, class, kind of error and outline.
    `allow_missing` takes frames without predictions as empty. A cluster's results are scored part
    by part, in memory that their masks do not fill, if neither of the three is asked for; a
    `cluster` (as in `predict`) does it by so many `workers`. Raises DataError or PredictionsError.

    >>> evaluation = tinyseg.evaluate("found", "scenes", on_remark=print)
    >>> evaluation.scores.frames
    2
    >>> 0 <= evaluation.scores.any_class.ap50 <= 1
    True
    """
    if boxes and (challenge or breakdown is not None):
        rule = "boxes are scored alone: the challenge's rule and outlines need masks"
        raise DataError(rule, where="boxes", got="challenge" if challenge else "breakdown")
    watch = Watch(on_error, on_progress, on_remark)
    parts = parts_at(predictions)
    scores_alone = resampling is None and breakdown is None and not challenge
    if cluster is not None and not (parts and scores_alone):
        rule = "a cluster scores its own results, by COCO's rules and no more"
        raise DataError(rule, where="cluster", got=predictions)
    if parts is not None and scores_alone:
        how = PartsScoring(boxes, max_detections, allow_missing, cluster, workers)
        done = Evaluation(score_parts(parts, place_of(data), how, watch), (), boxes)
        watch.report()
        return done
    (given,), dataset = open_given([predictions], place_of(data), watch)
    classes = dataset.classes
    with watch.stage("reading and pairing", len(dataset.items)) as stage:
        pairs = pair_frames(
            given,
            read_all_labels(dataset.items, watch, stage),
            classes=classes,
            max_detections=max_detections,
            allow_missing=allow_missing,
            shapes=None if breakdown is None else breakdown.shapes,
            of_boxes=boxes,
        )
    tell_left_out(Remainder.of(pairs), max_detections, watch)
    scores = score_pairs(pairs, classes, predicted=len(given.frames), max_detections=max_detections)
    by_rule = None
    if challenge:
        by_rule = score_wad(pairs, classes, clip_of=clip_of, max_detections=max_detections)
    spans = slices = None
    if resampling is not None:
        spans = _intervals(pairs, classes, resampling, max_detections, watch)
    if breakdown is not None:
        slices = _broken_down(pairs, classes, breakdown, max_detections, watch)
    pooled = _pooled(pairs, classes, by_rule, resampling, max_detections)
    done = Evaluation(scores, tuple(pairs), boxes, spans, by_rule, pooled, slices)
    watch.report()
    return done


def compare(
    a: Path | str,
    b: Path | str,
    data: Path | str | Place,
    *,
    boxes: bool = False,
    max_detections: int = MOST_DETECTIONS,
    resampling: Resampling | None = None,
    allow_missing: bool = False,
    on_error: OnError | str = OnError.stop,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> Comparison:
    """Whether predictions B are better than A: differences B - A with 95 % intervals over paired
    resamples of the same frames. The arguments are those of `evaluate`.

    >>> compared = tinyseg.compare("found", "found", "scenes", on_remark=print)
    >>> compared.rows[0].of("ap").difference
    0.0
    """
    drawn = resampling or Resampling()
    watch = Watch(on_error, on_progress, on_remark)
    given, dataset = open_given([a, b], place_of(data), watch)
    with watch.stage("reading labels", len(dataset.items)) as stage:
        truth = list(read_all_labels(dataset.items, watch, stage))
    pairs_a, pairs_b = (
        pair_frames(
            one,
            truth,
            classes=dataset.classes,
            max_detections=max_detections,
            allow_missing=allow_missing,
            of_boxes=boxes,
        )
        for one in given
    )
    for pairs in (pairs_a, pairs_b):
        tell_left_out(Remainder.of(pairs), max_detections, watch)
    with watch.stage("drawing frames anew", 2 * len(dataset.classes) + 2) as stage:
        compared = compare_scores(
            pairs_a,
            pairs_b,
            dataset.classes,
            resamples=drawn.count,
            seed=drawn.seed,
            max_detections=max_detections,
            clip_of=drawn.clip_of,
            tick=stage.advance,
        )
    watch.report()
    return compared


def tell_left_out(rest: Remainder, most: int, watch: Watch) -> None:
    """Say what of both sides is not judged, with its count."""
    counts = {
        "labels are boxes without masks, and are ignored (boxes can be scored instead)": (
            rest.no_mask_labels
        ),
        "detections are boxes without masks and are left out (boxes can be scored instead)": (
            rest.no_mask_found
        ),
        "detections of classes that their frame's data set does not label are left out": (
            rest.unlabelled
        ),
        f"detections on {rest.frames_beyond} frames come after the best {most} of their class and "
        "do not count": rest.beyond,
    }
    for what, count in counts.items():
        if count:
            watch.tell(f"{count} {what}")


@dataclass(frozen=True, slots=True)
class PartsScoring:
    """How a cluster's results are scored; the fields are arguments of `evaluate`."""

    boxes: bool
    max_detections: int
    allow_missing: bool
    cluster: str | None
    workers: int | None


def score_parts(address: str, place: Place, how: PartsScoring, watch: Watch) -> Scores:
    """Scores of a cluster's results, a shard of them in memory at a time."""
    require("pyarrow")
    if how.cluster is not None:
        require("ray")
    from tinyseg.cluster import (
        Judge,
        Shard,
        Verdict,
        classes_of,
        judge_on_cluster,
        names_in,
        shards_of,
    )

    parts = names_in(address)
    found = Predictions(classes_of(address), tuple(f for frames in parts.values() for f in frames))
    (named,), dataset = open_for([found], place, watch)
    pairs = zip(found.frames, named.frames, strict=True)
    predicted = {frame.name for frame in named.frames}
    missing = [item.name for item in dataset.items if item.name not in predicted]
    if not how.allow_missing:
        refuse_missing(missing, len(dataset.items))
    judge = Judge(
        address,
        found.classes,
        {own.name: theirs.name for own, theirs in pairs if own.name != theirs.name},
        Judge.by_name(dataset.items),
        dataset.classes,
        how.max_detections,
        how.boxes,
    )
    shards = shards_of({name: len(frames) for name, frames in parts.items()}, missing)
    verdicts: Iterable[tuple[Shard, Verdict]]
    if how.cluster is None:
        verdicts = ((shard, judge(shard)) for shard in shards)
    else:
        verdicts = judge_on_cluster(judge, shards, cluster=how.cluster, workers=how.workers)
    tallies = []
    with watch.stage("reading and pairing", len(found.frames) + len(missing)) as stage:
        for shard, verdict in verdicts:
            for fault in verdict.faults:
                watch.object(fault)
            for name, error in verdict.unread:
                watch(name, error)
            if verdict.tally is None:
                raise verdict.fatal or PredictionsError("a shard has no scores", path=address)
            tallies.append(verdict.tally)
            for _ in range(shard.frames):
                stage.advance()
    whole = Tally.joined(tallies)
    tell_left_out(whole.remainder, how.max_detections, watch)
    return scores_of(
        whole,
        dataset.classes,
        predicted=len(found.frames),
        max_detections=how.max_detections,
    )


def clips_of(
    data: Path | str | Place,
    clips: Path | None = None,
    pattern: str | None = None,
) -> ClipOf | None:
    """How a frame's clip is known: by video lists (a folder, or one), by a regular expression over
    frame names, else by the data set's own lists if it has some."""
    if clips is not None and pattern is not None:
        rule = "clips come from lists or from a pattern"
        raise DataError(rule, where="clips", got="both")
    if pattern is not None:
        return clips_from_pattern(pattern)
    own = place_of(data).path / LISTS_FOLDER
    if clips is None and own.is_dir():
        clips = own
    return None if clips is None else clips_from_lists(clips)


def _intervals(
    pairs: Sequence[FramePairs],
    classes: Sequence[str],
    resampling: Resampling,
    most: int,
    watch: Watch,
) -> Intervals:
    with watch.stage("drawing frames anew", len(classes) + 1) as stage:
        return intervals(
            pairs,
            classes,
            resamples=resampling.count,
            seed=resampling.seed,
            max_detections=most,
            clip_of=resampling.clip_of,
            tick=stage.advance,
        )


def _pooled(
    pairs: Sequence[FramePairs],
    classes: Sequence[str],
    scores: WadScores | None,
    resampling: Resampling | None,
    most: int,
) -> dict[float, tuple[float, float]]:
    """The intervals of the pooled AP at no cut and at the best."""
    if scores is None or resampling is None:
        return {}
    cuts = sorted({0.0, scores.best(READINGS["pooled"]).cut})
    return {
        cut: pooled_interval(
            pairs,
            classes,
            cut,
            resamples=resampling.count,
            seed=resampling.seed,
            max_detections=most,
            clip_of=resampling.clip_of,
        )
        for cut in cuts
    }


def _broken_down(
    pairs: Sequence[FramePairs],
    classes: Sequence[str],
    choice: BreakdownChoice,
    most: int,
    watch: Watch,
) -> Breakdown:
    views = None if choice.plan is None else views_of(choice.plan, pairs)
    with watch.stage("breaking down", slice_count(choice.buckets)) as stage:
        return break_down(
            pairs,
            classes,
            buckets=choice.buckets,
            precision=choice.precision,
            shapes=choice.shapes,
            views=views,
            max_detections=most,
            tick=stage.advance,
        )


def views_of(name: Path | str, pairs: Sequence[FramePairs]) -> dict[str, Rects]:
    """What the plan of a YAML file looks at on each frame; RecipeError if finds decide that."""
    plan = choose_plan(Predict(), plan=str(name))
    if any(part.focus is not None for part in plan.parts):
        rule = "seams are known for plans of whole frames and tiles"
        raise RecipeError(rule, path=name, got="a plan that focuses")
    views = {frame.name: plan.first(FrameInfo.named(frame.name, frame.hw)) for frame in pairs}
    return {
        name: np.array([p.view.rect for p in own]).reshape(-1, 4) for name, own in views.items()
    }
