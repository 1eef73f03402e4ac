"""The examination: a data set, and perhaps a validation set -> Findings.

Each frame is looked at once, several at a time, and only what is compared later is kept of it: a
few numbers an instance, two digests and a thumbnail. A frame that breaks a check itself becomes a
fault like any other, so nothing stops the run. Refused, as everywhere: a path in no known layout
and a list that is no text.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from tinyseg.data import FORMATS, Place, chosen_split, recognise, splits_of
from tinyseg.doctor import kinds
from tinyseg.doctor.advice import advise
from tinyseg.doctor.findings import Collector, ExaminedSet, Findings
from tinyseg.doctor.kinds import Fault
from tinyseg.doctor.labels import LabelLook, Objects
from tinyseg.doctor.pictures import PictureLook, look_at_picture
from tinyseg.doctor.sources import (
    ExaminedFrame,
    Survey,
    chosen,
    survey_cityscapes,
    survey_read,
    survey_wad,
)
from tinyseg.doctor.statistics import (
    Population,
    Statistics,
    anchor_cover,
    count_up,
    resolutions_of,
    rows_of_small,
    shrunk_at,
    tile_cover,
)
from tinyseg.doctor.twins import ComparedFrame, twin_faults
from tinyseg.errors import DataError
from tinyseg.recipes import RECIPES, Recipe, find_recipe

PARTS = ("train", "val")

SURVEYS: dict[str, Callable[[Path, tuple[str, ...], str | None], Survey]] = {
    "wad": survey_wad,
    "cityscapes": survey_cityscapes,
}

MOST_OF = 0.9
"""Share of frames that must have one size for another one to be told."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What is to be looked at: the frames of each part; and the faults of listing them."""

    sources: tuple[tuple[ExaminedFrame, ...], ...]
    faults: tuple[Fault, ...]
    parts: tuple[tuple[str, str, str], ...]
    """Name, path and format of each part."""

    def __len__(self) -> int:
        return sum(map(len, self.sources))


@dataclass(frozen=True, slots=True)
class _Look:
    """What one frame left behind."""

    seen: ComparedFrame
    labels: LabelLook
    faults: tuple[Fault, ...]

    @property
    def hw(self) -> tuple[int, int] | None:
        """The labels' size; None where they could not be read."""
        return self.labels.hw

    @property
    def objects(self) -> Objects:
        """What is labelled."""
        return self.labels.objects


def examination_of(train: Place, val: Place | None, classes: Sequence[str]) -> Examination:
    """Lists the frames of one or two sets; opens no picture and no label map."""
    sources, faults, parts = [], [], []
    for name, place in zip(PARTS, (train, val), strict=True):
        if place is None:
            continue
        format = recognise(place.path) if place.format is None else place.format
        if format not in FORMATS:
            raise DataError("unknown format", expected=" | ".join(FORMATS), got=format)
        by_reader = partial(survey_read, format=format, images=place.images)
        survey = by_reader if place.images else SURVEYS.get(format, by_reader)
        split = place.split
        if split is not None:
            split = chosen_split(split, splits_of(place.path, format), place.path)
        own, found = chosen(survey(place.path, tuple(classes), split), place.listed)
        if not own:
            found.append(Fault(kinds.NO_FRAMES, str(place.path), str(place.listed or "")))
        sources.append(tuple(own))
        faults += [_in_part(fault, name) for fault in found]
        parts.append((name, str(place.path), format))
    return Examination(tuple(sources), tuple(faults), tuple(parts))


def examine(
    plan: Examination,
    classes: Sequence[str],
    *,
    recipe: Recipe | None = None,
    fast: bool = False,
    threads: int = 2,
    on_frame: Callable[[str], None] = lambda name: None,
) -> Findings:
    """Looks at every frame of the plan; `on_frame` is told each name when it is done.

    With `fast` pictures are not decoded: damage in them and pictures that are alike go unseen.
    """
    collector = Collector()
    for fault in plan.faults:
        collector.add(fault)
    looks: list[_Look] = []
    for look in _look_at_all(plan, fast=fast, threads=threads):
        for fault in look.faults:
            collector.add(_in_part(fault, PARTS[look.seen.part]))
        looks.append(look)
        on_frame(look.seen.name)
    for fault in [*twin_faults([look.seen for look in looks]), *_set_faults(looks, plan, classes)]:
        collector.add(fault)
    statistics = _statistics(looks, tuple(classes), recipe)
    parts = []
    for index, about in enumerate(plan.parts):
        own = [look for look in looks if look.seen.part == index]
        instances = sum(len(look.objects) for look in own)
        parts.append(ExaminedSet(*about, frames=len(own), instances=instances))
    advice = advise(statistics, None if recipe is None else recipe.name)
    return Findings(tuple(parts), collector.groups(), statistics, advice, fast)


def _in_part(fault: Fault, part: str) -> Fault:
    """Places of the validation set say so."""
    if part == PARTS[0]:
        return fault
    return Fault(fault.kind, f"{part}: {fault.place}", fault.detail)


def _look_at_all(plan: Examination, *, fast: bool, threads: int) -> Iterator[_Look]:
    """In order; only as many frames are under way as keep the threads busy."""
    tasks = ((s, part) for part, own in enumerate(plan.sources) for s in own)
    pool = ThreadPoolExecutor(threads)
    try:
        running: list[Future[_Look]] = []
        for source, part in tasks:
            running.append(pool.submit(_look_at, source, part, fast=fast))
            if len(running) > 2 * threads:
                yield running.pop(0).result()
        yield from (one.result() for one in running)
    finally:
        pool.shutdown(cancel_futures=True)


def _look_at(source: ExaminedFrame, part: int, *, fast: bool) -> _Look:
    try:
        picture = look_at_picture(source.picture, source.name, fast=fast)
        labels = source.labels()
    except Exception as error:  # whatever it is, it is this frame's, and the others go on
        told = f"{type(error).__name__}: {str(error)[:200]}"
        failed = Fault(kinds.CHECK_FAILED, source.name, told)
        picture, labels = PictureLook(None), LabelLook.unreadable(failed)
    faults = [*picture.faults, *labels.faults]
    if labels.hw is not None and len(labels.objects) == 0:
        faults.append(Fault(kinds.FRAME_EMPTY, source.name))
    if picture.hw is not None and labels.hw not in (None, picture.hw):
        told = f"picture {_size(picture.hw)}, labels {_size(labels.hw)}"
        fits = labels.hw == picture.stored_hw
        faults.append(Fault(kinds.TURN_UNSEEN if fits else kinds.SIZE_DIFFERS, source.name, told))
    seen = ComparedFrame(
        source.name, part, source.picture, picture.digest, labels.digest, picture.thumbnail
    )
    return _Look(seen, replace(labels, faults=()), tuple(faults))


def _size(hw: tuple[int, int]) -> str:
    return f"{hw[1]} x {hw[0]}"


def _set_faults(
    looks: Sequence[_Look], plan: Examination, classes: Sequence[str]
) -> Iterator[Fault]:
    """What only all frames of a set together say."""
    by_class = []
    for index, (name, path, format) in enumerate(plan.parts):
        own = [look for look in looks if look.seen.part == index]
        labels = Objects.concatenate([look.objects for look in own]).labels
        by_class.append(np.bincount(labels, minlength=len(classes)))
        if len(own) and len(labels) == 0:
            yield _in_part(Fault(kinds.NO_INSTANCES, path), name)
            ignored = sum(look.labels.ignored for look in own)
            if ignored:
                yield _in_part(Fault(kinds.ALL_IGNORED, path, f"{ignored} of {ignored}"), name)
        elif len(labels):
            for label in np.flatnonzero(by_class[-1] == 0).tolist():
                yield _in_part(Fault(kinds.CLASS_ABSENT, classes[label]), name)
        left_out = Counter(one for look in own for one in look.labels.left_out)
        for foreign, count in left_out.most_common():
            yield _in_part(Fault(kinds.CLASS_FOREIGN, foreign, f"{count} labels"), name)
        if format in ("wad", "cityscapes"):  # from one camera; elsewhere sizes vary
            yield from (_in_part(fault, name) for fault in _unusual_sizes(own))
    if len(by_class) == 2 and by_class[0].sum():
        for label in np.flatnonzero((by_class[1] > 0) & (by_class[0] == 0)).tolist():
            told = f"{by_class[1][label]} instances"
            yield Fault(kinds.CLASS_UNLEARNT, classes[label], told)


def _unusual_sizes(looks: Sequence[_Look]) -> Iterator[Fault]:
    sizes = [look.hw for look in looks if look.hw is not None]
    if not sizes:
        return
    common, count = Counter(sizes).most_common(1)[0]
    if count < MOST_OF * len(sizes):
        return
    for look in looks:
        if look.hw is not None and look.hw != common:
            told = f"{_size(look.hw)}, most {_size(common)}"
            yield Fault(kinds.SIZE_UNUSUAL, look.seen.name, told)


def _statistics(
    looks: Sequence[_Look], classes: tuple[str, ...], recipe: Recipe | None
) -> Statistics:
    """Of the training part, or of the only one."""
    own = [look for look in looks if look.seen.part == 0 and look.hw is not None]
    objects = Objects.concatenate([look.objects for look in own])
    sizes = [np.tile(np.array(look.hw, np.float64), (len(look.objects), 1)) for look in own]
    people = Population(objects, np.concatenate([np.zeros((0, 2)), *sizes]))
    # Recipes that differ in anchors or sampling, the first of each kind; the one that is asked for
    # stands in place of the preset that it has its name from
    recipes = [] if recipe is None else [recipe]
    for one in (find_recipe(name) for name in RECIPES if recipe is None or name != recipe.name):
        pairs = [(kept.network.proposals, kept.sampling) for kept in recipes]
        if (one.network.proposals, one.sampling) not in pairs:
            recipes.append(one)
    band = rows_of_small(people)
    return Statistics(
        classes,
        count_up(people, classes),
        shrunk_at(people, resolutions_of(recipe)),
        anchor_cover(people, recipes),
        tile_cover(people, band),
        band,
    )
