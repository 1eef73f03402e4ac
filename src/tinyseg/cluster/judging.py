"""Predictions in parts, and labels -> tallies of shards, here or by workers on a cluster.

In: a Judge, which travels to workers, and shards: a few parts each, or labelled frames that no part
has. Out: a Verdict a shard; the tallies of all of them are joined and scored (scoring/tally.py).
One shard's masks are in memory at a time. Labels are read where the shard is judged: on a cluster
their files have to lie at the same path on every node.
"""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tinyseg.cluster.parts import frames_in
from tinyseg.data import Item
from tinyseg.errors import TinysegError
from tinyseg.frame import FrameLabels
from tinyseg.predictions import FramePredictions, Predictions
from tinyseg.scoring import FramePairs, Tally, pair_frames

FRAMES_A_SHARD = 64
"""About so many: a shard's masks are in memory together."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Parts, by name, and how many frames are in them; or labelled frames that no part has."""

    frames: int
    parts: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class Verdict:
    """What became of a shard: its tally, what could not be read of which frame, and where an error
    ended it, that alone."""

    tally: Tally | None = None
    unread: list[tuple[str, TinysegError]] = field(default_factory=list)
    faults: list[TinysegError] = field(default_factory=list)
    fatal: TinysegError | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Predictions at an address, of their own `found_classes`; `names` has the data set's names of
    their frames, `items` the labelled ones with their places in the data set."""

    address: str
    found_classes: tuple[str, ...]
    names: Mapping[str, str]
    items: Mapping[str, tuple[int, Item]]
    classes: tuple[str, ...]
    max_detections: int
    of_boxes: bool

    @staticmethod
    def by_name(items: Sequence[Item]) -> dict[str, tuple[int, Item]]:
        """Items with their places, without their way to tell of faults, which stays here."""
        bare = [replace(item, on_fault=None) for item in items]
        return {item.name: (place, item) for place, item in enumerate(bare)}

    def __call__(self, shard: Shard) -> Verdict:
        """The tally of a shard's frames that are labelled."""
        verdict, pairs, places = Verdict(), list[FramePairs](), list[int]()
        try:
            for name, given in self._frames(shard):
                place, item = self.items[name]
                labels = _labels(item, verdict)
                if labels is not None:
                    places.append(place)
                    pairs += self._paired(labels, given)
            verdict.tally = Tally.of(
                pairs, len(self.classes), places=places, max_detections=self.max_detections
            )
        except TinysegError as error:
            verdict.fatal = error
        return verdict

    def _frames(self, shard: Shard) -> Iterator[tuple[str, tuple[FramePredictions, ...]]]:
        for frame in frames_in(self.address, shard.parts):
            name = self.names.get(frame.name, frame.name)
            if name in self.items:
                yield name, (replace(frame, name=name),)
        yield from ((name, ()) for name in shard.missing)

    def _paired(self, labels: FrameLabels, given: tuple[FramePredictions, ...]) -> list[FramePairs]:
        return pair_frames(
            Predictions(self.found_classes, given),
            [labels],
            classes=self.classes,
            max_detections=self.max_detections,
            allow_missing=True,
            of_boxes=self.of_boxes,
        )


def _labels(item: Item, verdict: Verdict) -> FrameLabels | None:
    try:
        return item.read_labels(verdict.faults.append)
    except TinysegError as error:
        verdict.unread.append((item.name, error))
        return None


def shards_of(frames: Mapping[str, int], missing: Sequence[str]) -> list[Shard]:
    """Shards of about FRAMES_A_SHARD frames, from the parts' counts and the frames without any."""
    shards, parts, held = list[Shard](), list[str](), 0
    for name, count in frames.items():
        if parts and held + count > FRAMES_A_SHARD:
            shards.append(Shard(held, tuple(parts)))
            parts, held = [], 0
        parts.append(name)
        held += count
    if parts:
        shards.append(Shard(held, tuple(parts)))
    for start in range(0, len(missing), FRAMES_A_SHARD):
        some = tuple(missing[start : start + FRAMES_A_SHARD])
        shards.append(Shard(len(some), missing=some))
    return shards


class _Judging:
    """What Ray Data makes an actor of."""

    def __init__(self, judge: Any, shards: Any) -> None:
        import ray

        self.judge, self.shards = ray.get(judge), ray.get(shards)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        (number,) = batch["id"].tolist()
        return {"id": [number], "verdict": [pickle.dumps(self.judge(self.shards[number]))]}


def judge_on_cluster(
    judge: Judge, shards: Sequence[Shard], *, cluster: str, workers: int | None = None
) -> Iterator[tuple[Shard, Verdict]]:
    """Each shard's verdict, as they are ready; `cluster` and `workers` as in predict_on_cluster."""
    import ray
    import ray.data

    from tinyseg.cluster.connect import connected

    with connected(cluster, workers) as many:
        context = ray.data.DataContext.get_current().copy()
        context.enable_progress_bars = False
        with ray.data.DataContext.current(context):
            rows = ray.data.range(len(shards), override_num_blocks=len(shards)).map_batches(
                _Judging,
                fn_constructor_args=(ray.put(judge), ray.put(shards)),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=many),
                num_cpus=1,
            )
            for row in rows.iter_rows():
                yield shards[row["id"]], pickle.loads(row["verdict"])
