"""The challenge's own rule, beside COCO's: mask AP as the CVPR 2018 WAD page words it.

In go the pairs of labelled frames and perhaps which clip each frame is from; out come the scores at
each of a row of score cuts. The scorer was never published. Known from the page, as participants
report it:
- mask AP averaged over IoU .50:.05:.95, "over all classes and all video clips";
- of several predictions that match one instance, that of the largest IoU is the true positive (by
  COCO's rule that of the best score), the others are false;
- predictions on ignore labels by more than the IoU threshold are dropped, and so are group classes.

Inferred here, and to be doubted:
- a prediction matches an instance of its own class of the same frame, at an IoU of the threshold
  or more, and at most one: pairs are made from the largest IoU down, of equal ones the better
  score's first;
- "by more than the threshold" is the share of the prediction's own pixels on the ignore region,
  group and rider labels included, over all of them together; a true positive is not dropped;
- AP is read at COCO's 101 recalls, with precision made to fall;
- "all video clips" can be read as one pool of the frames of all clips (`pooled`: the mean over
  classes of a class's AP) or as one score a clip (`per_clip`: the mean over clips of the mean over
  the classes that have instances in the clip). Both are given; neither is known to be meant.

Teams saw the scorer punish boxes of low scores, which COCO's AP does not. Largest-IoU matching can
do it: a prediction of low score and slightly larger IoU makes a false one of the confident other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64
from rich.table import Table

from tinyseg.errors import DataError
from tinyseg.scoring.bootstrap import RESAMPLES, ClipOf, draw_units, ends, mean_known, units_of
from tinyseg.scoring.curves import average_precision, resampled_precision
from tinyseg.scoring.matches import IOUS, NOTHING, Matches, Pool, gather
from tinyseg.scoring.pairs import FramePairs
from tinyseg.scoring.tables import figure_text, plain_table, to_plain

CUTS = tuple(round(0.05 * step, 2) for step in range(20))
"""The score cuts that are tried: predictions of at least this score are kept."""


@dataclass(frozen=True, slots=True)
class CutScore:
    """AP 0 ... 1 by the rule when only predictions of score `cut` and above are handed in.

    `pooled` and `per_clip` are the two readings of "all video clips", the latter nan where no
    clip with an instance is known; `pooled_50` is the former at IoU .50 alone; `classes` are the
    pooled AP of each class, nan for those without instances.
    """

    cut: float
    detections: int
    pooled: float
    pooled_50: float
    per_clip: float
    classes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WadScores:
    """The scores at every cut; `clips` counts those that have an instance.

    Frames of unknown clip count in the pool alone.
    """

    classes: tuple[str, ...]
    instances: tuple[int, ...]
    cuts: tuple[CutScore, ...]
    frames: int
    clips: int
    frames_without_clip: int

    def best(self, reading: Callable[[CutScore], float]) -> CutScore:
        """The cut that scores best under a reading, the lowest of equals."""

        def rank(one: CutScore) -> tuple[float, float]:
            value = reading(one)
            return -1.0 if math.isnan(value) else value, -one.cut

        return max(self.cuts, key=rank)


def score_wad(
    pairs: Sequence[FramePairs],
    classes: Sequence[str],
    *,
    clip_of: ClipOf | None = None,
    cuts: Sequence[float] = CUTS,
    max_detections: int = 300,
) -> WadScores:
    """Scores under the challenge's rule, of frames whose labels are indices into `classes`.

    `clip_of` tells the clip of a frame's name, None where it is not known. Raises DataError for
    cuts that are none or outside 0 ... 1.
    """
    if not cuts or not all(0 <= cut <= 1 for cut in cuts):
        raise DataError("score cuts lie in 0 ... 1, one or more", got=list(cuts))
    pools = [gather(pairs, label, max_detections=max_detections) for label, _ in enumerate(classes)]
    clips, clip = _clips([frame.name for frame in pairs], clip_of)
    with_instances = {int(c) for pool in pools for c in clip[pool.truth.frame].tolist()} - {-1}
    return WadScores(
        tuple(classes),
        tuple(len(pool.truth) for pool in pools),
        tuple(_score_cut(pools, cut, clip, len(clips)) for cut in cuts),
        frames=len(pairs),
        clips=len(with_instances),
        frames_without_clip=int(np.count_nonzero(clip < 0)),
    )


def _clips(
    names: Sequence[str], clip_of: ClipOf | None
) -> tuple[list[str], Int64[np.ndarray, " frames"]]:
    """The clips' names, and the place of each frame's clip among them, -1 where none is known."""
    own = [None if clip_of is None else clip_of(name) for name in names]
    clips = sorted({clip for clip in own if clip is not None})
    place = {clip: index for index, clip in enumerate(clips)}
    return clips, np.array([-1 if clip is None else place[clip] for clip in own], np.int64)


def _score_cut(
    pools: Sequence[Pool], cut: float, clip: Int64[np.ndarray, " frames"], clips: int
) -> CutScore:
    matches = [match_wad(pool, cut) for pool in pools]
    by_class = np.stack([average_precision(one) for one in matches])
    by_clip = []
    for place in range(clips):
        own = [_of_clip(one, clip == place) for one in matches]
        averages = np.array([average_precision(one).mean() for one in own])
        by_clip.append(mean_known(averages).item())
    return CutScore(
        cut,
        sum(int(np.count_nonzero(pool.scores >= cut)) for pool in pools),
        pooled=mean_known(by_class.mean(axis=1)).item(),
        pooled_50=mean_known(by_class[:, 0]).item(),
        per_clip=mean_known(np.array(by_clip, np.float64)).item(),
        classes=tuple(by_class.mean(axis=1).tolist()),
    )


def _of_clip(matches: Matches, own: Bool[np.ndarray, " frames"]) -> Matches:
    """What concerns the frames of one clip; the others have no instance and no detection."""
    kept = own[matches.frame]
    return Matches(
        matches.frame[kept],
        matches.score[kept],
        matches.row[kept],
        matches.true_positive[:, kept],
        matches.ignored[:, kept],
        matches.label_row[:, kept],
        np.where(own, matches.instances, 0),
    )


def pooled_interval(
    pairs: Sequence[FramePairs],
    classes: Sequence[str],
    cut: float,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    max_detections: int = 300,
    clip_of: ClipOf | None = None,
) -> tuple[float, float]:
    """The 95 % interval of the pooled AP at a cut, over resamples of the frames or their clips.

    A cut chosen as the best on the same frames flatters: the interval does not know of the choice.
    """
    weights = draw_units(units_of(pairs, clip_of), resamples, seed=seed)
    by_class = []
    for label, _ in enumerate(classes):
        pool = gather(pairs, label, max_detections=max_detections)
        by_class.append(resampled_precision(match_wad(pool, cut), weights).mean(axis=1))
    low, high = ends(mean_known(np.stack(by_class))[:, None, None])
    return low.item(), high.item()


def match_wad(pool: Pool, cut: float = 0.0) -> Matches:
    """Who found what under the rule, at each of the IOUS; detections under the cut are not there.

    Pairs from the largest IoU down do not depend on the threshold: those of the threshold or more
    come first. So one pass serves all.
    """
    order = pool.order[pool.scores[pool.order] >= cut]
    label, iou = _largest_first(pool, cut)
    true_positive = (label != NOTHING) & (iou >= IOUS[:, None])
    ignored = ~true_positive & (pool.on_ignore > IOUS[:, None])
    return Matches(
        pool.found.frame[order],
        pool.scores[order],
        order,
        true_positive[:, order],
        ignored[:, order],
        np.where(true_positive, label, NOTHING)[:, order],
        np.bincount(pool.truth.frame, minlength=pool.frames),
    )


def _largest_first(
    pool: Pool, cut: float
) -> tuple[Int64[np.ndarray, " found"], Float64[np.ndarray, " found"]]:
    """The label that each detection takes, or NOTHING, and the IoU of the two.

    From the largest IoU down a pair is made where both are free. A pair that comes first of all
    pairs of both its detection and its label is made in any case, so all such pairs are made at
    once, then those of what is left. Detections of a frame lie best first: a smaller row is the
    better score.
    """
    label, taken_iou = np.full(len(pool.found), NOTHING), np.zeros(len(pool.found))
    pairs = pool.candidates
    order = np.lexsort((pairs.truth, pairs.found, -pairs.iou))
    order = order[pool.scores[pairs.found[order]] >= cut]
    while len(order):
        found, truth = pairs.found[order], pairs.truth[order]
        made = _is_first(found) & _is_first(truth)
        label[found[made]], taken_iou[found[made]] = truth[made], pairs.iou[order[made]]
        order = order[~(np.isin(found, found[made]) | np.isin(truth, truth[made]))]
    return label, taken_iou


def _is_first(values: Int64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """True where a value comes for the first time."""
    first = np.zeros(len(values), np.bool_)
    first[np.unique(values, return_index=True)[1]] = True
    return first


READINGS = {
    "pooled": lambda one: one.pooled,
    "per_clip": lambda one: one.per_clip,
}
"""The two readings of "all video clips"."""


def wad_to_json(scores: WadScores) -> dict[str, object]:
    """Every cut, unrounded, and under `best` the cut that each reading likes best."""
    best = {name: scores.best(reading).cut for name, reading in READINGS.items()}
    if not scores.clips:
        del best["per_clip"]
    return {
        "rule": "wad",
        **asdict(replace(scores, cuts=())),
        "cuts": [to_plain(asdict(one)) for one in scores.cuts],
        "best": best,
    }


def sweep_table(scores: WadScores) -> Table:
    """The score cuts, with the best of each reading marked."""
    caption = (
        f"{sum(scores.instances):,} instances, {scores.frames:,} frames; {_clips_text(scores)}"
    )
    table = Table(
        title="Mask AP by the challenge's rule", caption=caption, box=None, pad_edge=False
    )
    for head in ("score cut", "found", "pooled AP50", "pooled AP", "per clip", ""):
        table.add_column(head, justify="right", no_wrap=True)
    best = {name: scores.best(reading) for name, reading in READINGS.items()}
    if not scores.clips:
        del best["per_clip"]
    for one in scores.cuts:
        marks = [name.replace("_", " ") for name, own in best.items() if own is one]
        figures = map(figure_text, (one.pooled_50, one.pooled, one.per_clip))
        mark = f"best {' and '.join(marks)}" if marks else ""
        cut = f"{one.cut:.2f}".removeprefix("0")
        style = "bold" if marks else None
        table.add_row(cut, f"{one.detections:,}", *figures, mark, style=style)
    return table


def _clips_text(scores: WadScores) -> str:
    if not scores.clips:
        return "which clips they are from is not known"
    text = f"{scores.clips:,} clips with instances"
    without = scores.frames_without_clip
    frames = "1 frame" if without == 1 else f"{without:,} frames"
    return text + (f", {frames} of no known clip" if without else "")


def wad_classes_table(scores: WadScores) -> Table:
    """Each class's pooled AP with everything handed in, and at the cut that is best pooled."""
    first, best = scores.cuts[0], scores.best(READINGS["pooled"])
    shown = [first] if best is first else [first, best]
    heads = ("class", "n", *(f"cut {one.cut:.2f}" for one in shown))
    table = plain_table("By class, pooled", heads)
    for place, (name, count) in enumerate(zip(scores.classes, scores.instances, strict=True)):
        table.add_row(name, f"{count:,}", *(figure_text(one.classes[place]) for one in shown))
    return table
