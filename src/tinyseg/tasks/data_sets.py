"""Data sets: one in another format, and what is wrong with one."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tinyseg.conversion import Converted, Wanted, convert as run_job, kept_classes
from tinyseg.data import TRAIN, Place, class_ids, splits_of
from tinyseg.doctor import Findings, examination_of, examine as look_at
from tinyseg.errors import DataError
from tinyseg.files import check_folder
from tinyseg.labels import WAD_CLASSES, index_of
from tinyseg.recipes import Recipe
from tinyseg.tasks.opening import class_list, open_with, place_of
from tinyseg.watch import OnError, OnProgress, OnRemark, Watch

MOST_THREADS = 8
MASKS_OR_POLYGONS = ("coco", "labelme")
"""Formats in which an object is either."""


def convert(
    data: Path | str | Place,
    out: Path | str,
    to: str,
    *,
    classes: Sequence[str] | str | None = None,
    link: bool = False,
    polygons: bool = False,
    on_error: OnError | str = OnError.stop,
    on_progress: OnProgress | None = None,
    on_remark: OnRemark | None = None,
) -> Converted:
    """Write a data set in another format, as a whole or not at all.

    `to` is wad, coco, cityscapes, yolo or labelme. Pictures are copied, or with `link` linked;
    those with an EXIF orientation are written without it, turned as their labels are. `classes`
    keeps only these classes. The split of a Place is the one that is written; if the data set has
    no splits, it names the new one. Raises DataError or OutputError.

    >>> tinyseg.convert("scenes", "scenes-coco", "coco", on_remark=print).frames
    2
    """
    out = Path(out)
    check_folder(out)
    place = place_of(data)
    if polygons and to not in MASKS_OR_POLYGONS:
        expected, rule = " | ".join(MASKS_OR_POLYGONS), "the format leaves no choice of polygons"
        raise DataError(rule, where="polygons", expected=expected, got=to)
    ids = class_ids(place.path, place.format)
    own = list(class_list(classes, [place]) or ids)
    unknown = [name for name in own if index_of(name, list(ids)) is None]
    if unknown:
        rule = "only classes of the data set can be converted"
        raise DataError(rule, where="classes", expected=", ".join(ids), got=", ".join(unknown))
    watch = Watch(on_error, on_progress, on_remark)
    kept = kept_classes(to, own)
    left = [name for name in own if name not in kept]
    if left:
        watch.tell(f"left out, {to} has no such class: {', '.join(left)}")
    wanted = Wanted(to, "link" if link else "copy", place.split or TRAIN, polygons)
    if not splits_of(place.path, place.format):
        place = replace(place, split=None)
    dataset = open_with(place, kept, watch=watch)
    with watch.stage("converting", len(dataset.items)) as stage:
        done = run_job(dataset, out, wanted, source_ids=ids, on_frame=stage.advance, on_error=watch)
    for line in [*done.told(), *(f"lost: {line}" for line in done.lost.told())]:
        watch.tell(line)
    watch.report()
    return done


def examine(
    data: Path | str | Place,
    *,
    val: Path | str | Place | None = None,
    classes: Sequence[str] | str | None = None,
    recipe: Recipe | None = None,
    fast: bool = False,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> Findings:
    """What is wrong with a data set, and what would help.

    `val`, its validation set, is examined too, and both are checked for leaks. `recipe` is the one
    that will be trained; `classes` are those of `train`. With `fast` no picture is decoded.
    `workers` frames are read at the same time; by default as many as there are cores, up to 8.
    Broken files are findings, not errors.

    >>> sorted({group.kind.severity.value for group in tinyseg.examine("scenes").groups})
    ['note']
    """
    own, other = place_of(data), None if val is None else place_of(val)
    names = class_list(classes, [own]) or WAD_CLASSES
    plan = examination_of(own, other, names)
    workers = workers or min(len(os.sched_getaffinity(0)), MOST_THREADS)
    with Watch(on_progress=on_progress).stage("looking at frames", len(plan)) as stage:
        return look_at(
            plan,
            names,
            recipe=recipe,
            fast=fast,
            threads=workers,
            on_frame=lambda name: stage.advance(),
        )
