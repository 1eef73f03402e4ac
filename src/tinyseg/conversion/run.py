"""The job of converting a data set: whole or not at all.

In: a data set, opened with the classes that are kept, and a target format. Out: a folder in that
format, and converted.yaml in it, which says how classes and frames are called and numbered on both
sides and what was lost. Everything is written into a folder beside, which takes the target's place
when the last frame is done. Refused: a target that is there already, classes of which the format
holds none, two frames that would have one name, pictures whose size is not that of their labels.
"""

import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import orjson

from tinyseg import masks as mask_ops
from tinyseg.conversion.coco import COCO
from tinyseg.conversion.label_maps import CITYSCAPES, WAD
from tinyseg.conversion.labelme import LABELME
from tinyseg.conversion.page import ConvertedFrame, Job, Lost, Rows, Target
from tinyseg.conversion.yolo import YOLO
from tinyseg.data import SPLIT_KINDS, DataSet, Item
from tinyseg.errors import DataError, OutputError, TinysegError
from tinyseg.exchange import in_pixels
from tinyseg.files import write_whole, writing
from tinyseg.frame import FrameLabels, Instances
from tinyseg.image import PlainFile, plain_file
from tinyseg.masks import CropMasks

TARGETS: dict[str, Target] = {
    "wad": WAD,
    "coco": COCO,
    "cityscapes": CITYSCAPES,
    "yolo": YOLO,
    "labelme": LABELME,
}

MAPPING_NAME = "converted.yaml"
"""JSON, which is YAML too; by its ending no reader of annotations takes it for some."""

ENDINGS = {".jpeg": ".jpg"}
"""Endings of pictures that are written in another way."""

Pictures = Literal["copy", "link"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The format, how pictures get there, the split of frames that have none, polygons where there
    is a choice."""

    format: str
    pictures: Pictures = "copy"
    split: str = "train"
    polygons: bool = False


@dataclass(frozen=True, slots=True)
class Converted:
    """What was done: frames, objects, what was lost, and pictures that an EXIF tag turned."""

    frames: int
    instances: int
    lost: Lost
    turned: int
    """Pictures whose labels are upright: their pixels were turned and stored as PNG."""
    untagged: int
    """Pictures whose labels lie on the stored pixels: only the tag was taken out."""

    def told(self) -> list[str]:
        """What became of pictures, a fact a line."""
        words = {
            "pictures with an EXIF turn written upright, as PNG without loss": self.turned,
            "pictures written without their EXIF turn: labels lie on stored pixels": self.untagged,
        }
        return [f"{count} {what}" for what, count in words.items() if count]


def kept_classes(format: str, classes: Sequence[str]) -> tuple[str, ...]:
    """Those of the classes that the format can hold; raises DataError if it holds none."""
    ids = TARGETS[_known(format)].holds(classes)
    kept = tuple(name for name, number in zip(classes, ids, strict=True) if number is not None)
    if not kept:
        raise DataError(
            "the format holds none of the classes", where=format, got=", ".join(classes)
        )
    return kept


def convert(
    dataset: DataSet,
    target: Path,
    wanted: Wanted,
    *,
    source_ids: Mapping[str, int | str],
    on_frame: Callable[[str], None],
    on_error: Callable[[str, TinysegError], None],
) -> Converted:
    """Write the data set to the target folder; a frame that cannot be read is told to `on_error`,
    which may raise. `source_ids` are its classes' ids before. Raises DataError if nothing is left.
    """
    format = TARGETS[_known(wanted.format)]
    ids = tuple(number for number in format.holds(dataset.classes) if number is not None)
    if len(ids) != len(dataset.classes):
        rule = "the format does not hold all of the classes"
        raise DataError(rule, where=wanted.format, got=", ".join(dataset.classes))
    splits = [_called(item.split or wanted.split, wanted.format) for item in dataset.items]
    stems = _stems(dataset.items, splits if format.apart else [""] * len(splits))
    done: list[_Done] = []
    with _whole_folder(target) as folder:
        job = Job(folder, dataset.classes, ids, wanted.polygons, wanted.pictures == "link")
        for item, split, stem in zip(dataset.items, splits, stems, strict=True):
            try:
                one = _convert_one(job, item, (split, stem), format, number=len(done) + 1)
            except OutputError:
                raise
            except TinysegError as error:
                on_error(item.name, error)
                continue
            done.append(one)
            on_frame(item.name)
        if not done:
            raise DataError("no frame could be converted", path=target)
        format.close(job, [one.page for one in done], [one.rows for one in done])
        lost = sum((one.lost for one in done), Lost())
        turned, untagged = (sum(one.turned is how for one in done) for how in (True, False))
        converted = Converted(len(done), sum(d.instances for d in done), lost, turned, untagged)
        _write_mapping(job, dataset.format, source_ids, done, converted)
    return converted


@dataclass(frozen=True, slots=True)
class _Done:
    """A frame that is written: where it is from, its page without masks, what it leaves behind,
    and whether pixels were turned (None: the picture's own bytes)."""

    source: str
    page: ConvertedFrame
    instances: int
    rows: Rows
    lost: Lost
    turned: bool | None


def _convert_one(
    job: Job, item: Item, names: tuple[str, str], target: Target, *, number: int
) -> _Done:
    labels, (split, stem) = item.read_labels(), names
    plain = plain_file(item.image_path, labels.hw)
    ending = item.image_path.suffix.lower() if plain is None else plain.ending
    picture = target.picture(stem, ENDINGS.get(ending, ending), split)
    # Its objects in pixels, boxes apart
    has_mask = labels.instances.has_mask
    found = in_pixels(labels.instances.select(has_mask), labels.hw)
    ignore = mask_ops.rasterise(labels.ignore, labels.hw)
    boxes = labels.instances.select(~has_mask)
    in_frame = FrameLabels(labels.name, labels.hw, found, ignore)
    page = ConvertedFrame(number, split, stem, picture, in_frame, boxes)
    rows, lost = target.write(job, page)
    lost += Lost(gone=int(has_mask.sum()) - len(found))
    _place(item.image_path, plain, job.folder / picture, link=job.link)
    count = len(found) + len(boxes) - lost.boxes
    # What is needed of it at the end: its masks would fill the memory
    bare = FrameLabels(labels.name, labels.hw, Instances.empty(), CropMasks.empty())
    page = replace(page, labels=bare, boxes=Instances.empty())
    return _Done(item.name, page, count, rows, lost, None if plain is None else plain.turned)


def _known(format: str) -> str:
    if format not in TARGETS:
        raise DataError("unknown format", expected=" | ".join(TARGETS), got=format)
    return format


def _called(split: str, format: str) -> str:
    """The split's name in the new format."""
    name = TARGETS[format].called(split)
    if name is None:
        rule = "the format has no such split"
        raise DataError(rule, where="split", expected=" | ".join(SPLIT_KINDS), got=split)
    return name


def _stems(items: Sequence[Item], groups: Sequence[str]) -> list[str]:
    """The new name of each frame: the last part of its own without the picture's ending, or all
    parts joined by '_' where frames of one group would be alike.

    Frames of one group are to have different names.
    """
    plain = [i.name.replace("\\", "/").removesuffix(i.image_path.suffix) for i in items]
    last = Counter(
        (group, name.rpartition("/")[2]) for group, name in zip(groups, plain, strict=True)
    )
    alike = {group for (group, _), count in last.items() if count > 1}
    stems: dict[tuple[str, str], str] = {}
    for item, group, name in zip(items, groups, plain, strict=True):
        stem = name.replace("/", "_") if group in alike else name.rpartition("/")[2]
        if (group, stem) in stems:
            rule = "two frames would have one name"
            raise DataError(rule, where=item.name, got=f"also {stems[group, stem]}")
        stems[group, stem] = item.name
    return [stem for _, stem in stems]


def _place(source: Path, plain: PlainFile | None, target: Path, *, link: bool) -> None:
    """The picture's own bytes, or a link to where they lie, or what is plain; a full disk ends the
    job. A link to a picture that an EXIF tag turns would show it in two ways."""
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if plain is not None:
            write_whole(target, plain.data)
        elif link:
            target.symlink_to(source.resolve())
        else:
            shutil.copyfile(source, target)


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target that takes its place if the block ends well."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError("the target is there already", path=target, expected="a new folder")
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with writing(target):
            beside.mkdir(parents=True)
        yield beside
        with writing(target):
            os.replace(beside, target)
    except OutputError as error:
        got = error.got if error.path == target else f"{error.got}: {error.path}"
        raise OutputError(error.rule, path=target, got=got) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write_mapping(
    job: Job,
    source: str,
    source_ids: Mapping[str, int | str],
    done: Sequence[_Done],
    converted: Converted,
) -> None:
    """How classes and frames are called and numbered on both sides."""
    classes = [
        {"name": name, "id": number, "source_id": source_ids.get(name)}
        for name, number in zip(job.classes, job.ids, strict=True)
    ]
    frames = [
        {"source": one.source, "number": one.page.number, "picture": str(one.page.picture)}
        for one in done
    ]
    counts = {"turned": converted.turned, "untagged": converted.untagged}
    lost = asdict(converted.lost)
    tree = {"from": source, "classes": classes, "frames": frames, "lost": lost, **counts}
    write_whole(job.folder / MAPPING_NAME, orjson.dumps(tree, option=orjson.OPT_INDENT_2))
