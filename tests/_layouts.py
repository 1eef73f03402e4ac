"""Data sets as users have them, made from one truth: each layout a function that writes it.

A frame has rectangles of two classes that never touch, and a region that is not judged; every
layout holds the same, as far as its format can.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from tinyseg import masks as mask_ops
from tinyseg.image import write_jpeg, write_png

HW = (96, 128)
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Truth:
    """One frame: its split, its picture, objects by class, and what is not judged."""

    name: str
    split: str
    picture: UInt8[np.ndarray, "h w 3"]
    objects: tuple[tuple[str, Box], ...]
    ignored: Box


@dataclass(frozen=True, slots=True)
class Layout:
    """What writes it, which frames have splits, and what the format cannot hold."""

    write: Callable[[Path, Sequence[Truth]], Path]
    has_splits: bool = True
    has_ignore: bool = True
    has_masks: bool = True


def truths(seed: int, train: int = 3, val: int = 2) -> list[Truth]:
    """Frames of one size, no two alike."""
    rng = np.random.default_rng(seed)
    return [
        _truth(rng, split, n) for split, c in (("train", train), ("val", val)) for n in range(c)
    ]


def _truth(rng: np.random.Generator, split: str, number: int) -> Truth:
    coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    picture = np.asarray(cv2.resize(coarse, HW[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
    objects = []
    for row, name in enumerate(("car", "person", "car")):
        w, h = (int(v) for v in rng.integers((8, 6), (40, 16)))
        x, y = int(rng.integers(1, HW[1] - w)), 4 + 24 * row + int(rng.integers(0, 20 - h))
        objects.append((name, (x, y, x + w, y + h)))
    return Truth(f"{split}_{number:02}", split, picture, tuple(objects), (0, 80, HW[1], HW[0]))


def _picture(path: Path, truth: Truth) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write = write_png if path.suffix == ".png" else write_jpeg
    write(path, truth.picture)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _json(path: Path, tree: object) -> None:
    _text(path, json.dumps(tree))


def _ring(box: Box) -> list[list[int]]:
    x0, y0, x1, y1 = box
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def _map(
    path: Path, truth: Truth, value_of: Callable[[str, int], int], background: int, ignore: int
) -> None:
    label: UInt16[np.ndarray, "h w"] = np.full(HW, background, np.uint16)
    for number, (name, (x0, y0, x1, y1)) in enumerate(truth.objects):
        label[y0:y1, x0:x1] = value_of(name, number)
    x0, y0, x1, y1 = truth.ignored
    label[y0:y1, x0:x1] = ignore
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, label)


def _channels(path: Path, pixels: UInt8[np.ndarray, "h w c"]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    turned = cv2.cvtColor(
        pixels, cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    )
    path.write_bytes(cv2.imencode(".png", turned)[1].tobytes())


def _of(frames: Sequence[Truth], split: str) -> list[Truth]:
    return [truth for truth in frames if truth.split == split]


# Label maps


def wad(root: Path, frames: Sequence[Truth]) -> Path:
    ids = {"car": 33, "person": 36}
    for truth in frames:
        _picture(root / f"train_color/{truth.name}.jpg", truth)
        path = root / f"train_label/{truth.name}_instanceIds.png"
        _map(path, truth, lambda name, n: ids[name] * 1000 + n, 255, 65535)
    return root


def cityscapes(root: Path, frames: Sequence[Truth]) -> Path:
    ids = {"car": 26, "person": 24}
    for truth in frames:
        _picture(root / f"leftImg8bit/{truth.split}/ulm/{truth.name}_leftImg8bit.png", truth)
        path = root / f"gtFine/{truth.split}/ulm/{truth.name}_gtFine_instanceIds.png"
        _map(path, truth, lambda name, n: ids[name] * 1000 + n, 7, 26)
    return root


def kitti(root: Path, frames: Sequence[Truth]) -> Path:
    ids = {"car": 26, "person": 24}
    for number, truth in enumerate(frames):
        _picture(root / f"training/image_2/{number:06}_10.png", truth)
        path = root / f"training/instance/{number:06}_10.png"
        _map(path, truth, lambda name, n: ids[name] * 256 + n + 1, 7 * 256, 26 * 256)
    return root


def mots_maps(root: Path, frames: Sequence[Truth]) -> Path:
    """As KITTI MOTS unpacks beside KITTI's tracking pictures."""
    for number, truth in enumerate(frames):
        place = f"{number // 3:04}/{number % 3:06}.png"
        _picture(root / "training/image_02" / place, truth)
        _map(root / "instances" / place, truth, _mots_value, 0, 10000)
    return root


def _mots_value(name: str, number: int) -> int:
    return {"car": 1000, "person": 2000}[name] + number


def mots_texts(root: Path, frames: Sequence[Truth]) -> Path:
    """As MOTSChallenge has it, its train/ and val/."""
    for split in ("train", "val"):
        lines = []
        base = root / split / f"MOTS20-{split}"
        for number, truth in enumerate(_of(frames, split), start=1):
            _picture(base / f"img1/{number:06}.jpg", truth)
            rows = [(_mots_value(name, n), box) for n, (name, box) in enumerate(truth.objects)]
            for value, box in [*rows, (10000, truth.ignored)]:
                code = mask_ops.to_coco_rle(mask_ops.filled(np.array([box], np.float64)), HW)[0]
                lines.append(f"{number} {value} {value // 1000} {HW[0]} {HW[1]} {code.decode()}")
        _text(base / "gt/gt.txt", "\n".join(lines) + "\n")
    return root


VISTAS = (
    ("object--vehicle--car", "Car", True, True),
    ("human--person--individual", "Person", True, True),
    ("human--person--person-group", "Person Group", True, True),
    ("construction--flat--road", "Road", False, True),
    ("object--bench", "Bench", True, True),
)


def mapillary(root: Path, frames: Sequence[Truth]) -> Path:
    keys = ("name", "readable", "instances", "evaluate")
    labels = [dict(zip(keys, row, strict=True)) for row in VISTAS]
    _json(root / "config_v2.0.json", {"labels": labels, "version": "2.0"})
    places = {"car": 0, "person": 1}
    for truth in frames:
        base = root / {"train": "training", "val": "validation"}[truth.split]
        _picture(base / f"images/{truth.name}.jpg", truth)
        path = base / f"v2.0/instances/{truth.name}.png"
        _map(path, truth, lambda name, n: places[name] * 256 + n, 3 * 256, 2 * 256)
    return root


def mapillary_panoptic(root: Path, frames: Sequence[Truth]) -> Path:
    categories = [
        {"id": 7, "name": "Car", "supercategory": "object--vehicle--car", "isthing": 1},
        {"id": 9, "name": "Person", "supercategory": "human--person", "isthing": 1},
        {"id": 20, "name": "Road", "supercategory": "construction--flat", "isthing": 0},
    ]
    ids = {"car": 7, "person": 9}
    for split, folder in (("train", "training"), ("val", "validation")):
        annotations = []
        for truth in _of(frames, split):
            _picture(root / folder / f"images/{truth.name}.jpg", truth)
            codes = np.full(HW, 70_000, np.uint32)
            segments: list[dict[str, int]] = [{"id": 70_000, "category_id": 20, "iscrowd": 0}]
            rows = [(ids[name], box, 0) for name, box in truth.objects]
            for number, (category, box, crowd) in enumerate([*rows, (7, truth.ignored, 1)]):
                own, (x0, y0, x1, y1) = 100_000 + 777 * number, box
                codes[y0:y1, x0:x1] = own
                segments.append({"id": own, "category_id": category, "iscrowd": crowd})
            pixels = np.stack([codes % 256, codes // 256 % 256, codes // 65536], axis=2)
            _channels(root / folder / f"panoptic/{truth.name}.png", pixels.astype(np.uint8))
            row = {"image_id": truth.name, "file_name": f"{truth.name}.png"}
            annotations.append({**row, "segments_info": segments})
        tree = {"images": [], "categories": categories, "annotations": annotations}
        _json(root / folder / "panoptic/panoptic_2018.json", tree)
    return root


def bdd_bitmasks(root: Path, frames: Sequence[Truth]) -> Path:
    ids = {"car": 3, "person": 1}
    for truth in frames:
        _picture(root / f"images/10k/{truth.split}/{truth.name}.jpg", truth)
        pixels = np.zeros((*HW, 4), np.uint8)
        rows = [(ids[name], 4 * (n % 2), box) for n, (name, box) in enumerate(truth.objects)]
        for number, (category, attributes, box) in enumerate([*rows, (3, 2, truth.ignored)]):
            x0, y0, x1, y1 = box
            own = 300 + number
            pixels[y0:y1, x0:x1] = (category, attributes, own // 256, own % 256)
        _channels(root / f"labels/ins_seg/bitmasks/{truth.split}/{truth.name}.png", pixels)
    return root


# JSON and XML


def bdd_polygons(root: Path, frames: Sequence[Truth]) -> Path:
    for split in ("train", "val"):
        rows = []
        for truth in _of(frames, split):
            _picture(root / f"images/10k/{split}/{truth.name}.jpg", truth)
            labels = [
                _scalabel({"car": "car", "person": "pedestrian"}[name], box, {"occluded": False})
                for name, box in truth.objects
            ]
            labels.append(_scalabel("car", truth.ignored, {"crowd": True}))
            rows.append({"name": f"{truth.name}.jpg", "labels": labels})
        _json(root / f"labels/ins_seg/polygons/ins_seg_{split}.json", rows)
    return root


def _scalabel(category: str, box: Box, attributes: dict[str, bool]) -> dict[str, Any]:
    ring = {"vertices": _ring(box), "types": "LLLL", "closed": True}
    return {"id": "1", "category": category, "attributes": attributes, "poly2d": [ring]}


def coco(root: Path, frames: Sequence[Truth]) -> Path:
    for split in ("train", "val"):
        tree = _coco_tree(_of(frames, split), crowds=True, masks=True)
        _json(root / f"annotations/instances_{split}2017.json", tree)
        for truth in _of(frames, split):
            _picture(root / f"{split}2017/{truth.name}.jpg", truth)
    return root


def coco_file(root: Path, frames: Sequence[Truth]) -> Path:
    _json(root / "labels.json", _coco_tree(frames, crowds=True, masks=True))
    for truth in frames:
        _picture(root / f"images/{truth.name}.jpg", truth)
    return root / "labels.json"


def coco_roboflow(root: Path, frames: Sequence[Truth]) -> Path:
    for split, folder in (("train", "train"), ("val", "valid")):
        tree = _coco_tree(_of(frames, split), crowds=False, masks=True)
        _json(root / folder / "_annotations.coco.json", tree)
        for truth in _of(frames, split):
            _picture(root / folder / f"{truth.name}.jpg", truth)
    return root


def coco_boxes(root: Path, frames: Sequence[Truth]) -> Path:
    for split in ("train", "val"):
        tree = _coco_tree(_of(frames, split), crowds=False, masks=False)
        _json(root / f"annotations/instances_{split}.json", tree)
        for truth in _of(frames, split):
            _picture(root / f"images/{split}/{truth.name}.jpg", truth)
    return root


def _coco_tree(frames: Sequence[Truth], *, crowds: bool, masks: bool) -> dict[str, Any]:
    ids = {"car": 3, "person": 1}
    images, rows = [], []
    for number, truth in enumerate(frames, start=1):
        images.append(
            {"id": number, "file_name": f"{truth.name}.jpg", "height": HW[0], "width": HW[1]}
        )
        for name, (x0, y0, x1, y1) in truth.objects:
            shape: object = [[v for pair in _ring((x0, y0, x1, y1)) for v in pair]]
            row: dict[str, object] = {"image_id": number, "category_id": ids[name], "iscrowd": 0}
            row |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
            rows.append(row | {"segmentation": shape if masks else []})
        if crowds:
            mask = mask_ops.filled(np.array([truth.ignored], np.float64))
            code = {"size": list(HW), "counts": mask_ops.to_coco_rle(mask, HW)[0].decode()}
            box = [0, 80, HW[1], 16]
            crowd = {"image_id": number, "iscrowd": 1, "bbox": box, "segmentation": code}
            rows += [{**crowd, "category_id": own, "area": 16 * HW[1]} for own in ids.values()]
    categories = [{"id": own, "name": name} for name, own in ids.items()]
    numbered = [{"id": place, **row} for place, row in enumerate(rows, start=1)]
    return {"images": images, "annotations": numbered, "categories": categories}


def via_project(root: Path, frames: Sequence[Truth]) -> Path:
    images = {}
    for truth in frames:
        _picture(root / f"{truth.name}.jpg", truth)
        regions: list[object] = [_via_region(name, box) for name, box in truth.objects]
        x0, y0, x1, y1 = truth.ignored
        shape = {"name": "rect", "x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0}
        regions.append({"shape_attributes": shape, "region_attributes": {"class": "ignore"}})
        key = f"{truth.name}.jpg12345"
        images[key] = {"filename": f"{truth.name}.jpg", "size": 12345, "regions": regions}
    tree = {"_via_settings": {"ui": {}}, "_via_img_metadata": images, "_via_attributes": {}}
    _json(root / "via_project.json", tree)
    return root


def via_splits(root: Path, frames: Sequence[Truth]) -> Path:
    """Plain exports of version 1 in train/ and val/: regions are numbered."""
    for split in ("train", "val"):
        images = {}
        for truth in _of(frames, split):
            _picture(root / split / f"{truth.name}.jpg", truth)
            regions = [_via_region(name, box) for name, box in truth.objects]
            images[truth.name] = {
                "fileref": "",
                "filename": f"{truth.name}.jpg",
                "regions": {str(n): region for n, region in enumerate(regions)},
            }
        _json(root / split / "via_region_data.json", images)
    return root


def _via_region(name: str, box: Box) -> dict[str, Any]:
    x, y = zip(*_ring(box), strict=True)
    shape = {"name": "polygon", "all_points_x": list(x), "all_points_y": list(y)}
    return {"shape_attributes": shape, "region_attributes": {"class": name}}


def cvat(root: Path, frames: Sequence[Truth]) -> Path:
    """Polygons and masks, both subsets in one file."""
    parts = ["<?xml version='1.0' encoding='utf-8'?><annotations><version>1.1</version><meta>"]
    names = "".join(f"<label><name>{name}</name></label>" for name in ("car", "person"))
    parts.append(f"<project><labels>{names}</labels></project></meta>")
    for number, truth in enumerate(frames):
        _picture(root / f"images/{truth.split.title()}/{truth.name}.jpg", truth)
        about = f"subset='{truth.split.title()}' width='{HW[1]}' height='{HW[0]}'"
        parts.append(f"<image id='{number}' name='{truth.name}.jpg' {about}>")
        for place, (name, box) in enumerate(truth.objects):
            points = ";".join(f"{x:.2f},{y:.2f}" for x, y in _ring(box))
            x0, y0, x1, y1 = box
            frame = f"left='{x0}' top='{y0}' width='{x1 - x0}' height='{y1 - y0}'"
            mask = f"<mask label='{name}' rle='0, {(x1 - x0) * (y1 - y0)}' {frame}></mask>"
            polygon = f"<polygon label='{name}' occluded='0' points='{points}'></polygon>"
            parts.append(mask if place == 1 else polygon)
        points = ";".join(f"{x},{y}" for x, y in _ring(truth.ignored))
        crowd = "<attribute name='is_crowd'>true</attribute>"
        parts.append(f"<polygon label='car' points='{points}'>{crowd}</polygon></image>")
    _text(root / "annotations.xml", "".join([*parts, "</annotations>"]))
    return root


# LabelMe


def labelme(root: Path, frames: Sequence[Truth]) -> Path:
    for truth in frames:
        _picture(root / f"{truth.name}.jpg", truth)
        _sheet(root / f"{truth.name}.json", truth, f"{truth.name}.jpg", rectangles=False)
    return root


def labelme_apart(root: Path, frames: Sequence[Truth]) -> Path:
    """X-AnyLabeling's rectangles of four corners, labels apart from pictures, in two splits."""
    for truth in frames:
        _picture(root / f"{truth.split}/images/{truth.name}.JPG", truth)
        path = root / f"{truth.split}/labels/{truth.name}.json"
        _sheet(path, truth, f"..\\images\\{truth.name}.JPG", rectangles=True)
    return root


def labelme_embedded(root: Path, frames: Sequence[Truth]) -> Path:
    for truth in frames:
        _picture(root / "one.png", truth)
        data = base64.b64encode((root / "one.png").read_bytes()).decode()
        path = root / f"{truth.name}.json"
        _sheet(path, truth, "C:\\gone\\x.png", rectangles=False, data=data)
    (root / "one.png").unlink()
    return root


def _sheet(
    path: Path, truth: Truth, picture: str, *, rectangles: bool, data: str | None = None
) -> None:
    rows = [*truth.objects, ("ignore", truth.ignored)]
    kind = "rectangle" if rectangles else "polygon"
    shapes: list[object] = [
        {"label": name, "points": _ring(box), "group_id": None, "shape_type": kind, "flags": {}}
        for name, box in rows
    ]
    tree = {"version": "5.4.1", "imageData": data, "shapes": shapes, "imagePath": picture}
    _json(path, tree | {"imageHeight": HW[0], "imageWidth": HW[1]})


# YOLO


def yolo(root: Path, frames: Sequence[Truth]) -> Path:
    """Ultralytics' folders, described by an absolute path of another machine."""
    for truth in frames:
        _picture(root / f"images/{truth.split}/{truth.name}.jpg", truth)
        _text(root / f"labels/{truth.split}/{truth.name}.txt", _lines(truth, boxes=False))
    places = "path: /home/x/street\ntrain: images/train\nval: images/val\ntest:\n"
    _text(root / "data.yaml", f"{places}names:\n  0: car\n  1: person\n")
    return root


def yolo_roboflow(root: Path, frames: Sequence[Truth]) -> Path:
    for truth in frames:
        folder = root / {"train": "train", "val": "valid"}[truth.split]
        name = f"{truth.name}_jpg.rf.0123456789abcdef"
        _picture(folder / f"images/{name}.jpg", truth)
        _text(folder / f"labels/{name}.txt", _lines(truth, boxes=False))
    places = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    _text(root / "data.yaml", f"{places}\nnc: 2\nnames: ['car', 'person']\n")
    return root


def yolo_lists(root: Path, frames: Sequence[Truth]) -> Path:
    for truth in frames:
        _picture(root / f"images/{truth.name}.png", truth)
        _text(root / f"labels/{truth.name}.txt", _lines(truth, boxes=False))
    for split in ("train", "val"):
        lines = [f"/data/street/images/{truth.name}.png" for truth in _of(frames, split)]
        _text(root / f"{split}.txt", "\n".join(lines))
    _text(root / "street.yaml", "train: train.txt\nval: val.txt\nnames: [car, person]\n")
    return root


def yolo_boxes(root: Path, frames: Sequence[Truth]) -> Path:
    for truth in frames:
        _picture(root / f"{truth.split}/images/{truth.name}.jpg", truth)
        _text(root / f"{truth.split}/labels/{truth.name}.txt", _lines(truth, boxes=True))
    _text(root / "data.yaml", "train: train/images\nval: val/images\nnames: [car, person]\n")
    return root


def _lines(truth: Truth, *, boxes: bool) -> str:
    lines = []
    for name, (x0, y0, x1, y1) in truth.objects:
        corners = [(x / HW[1], y / HW[0]) for x, y in _ring((x0, y0, x1, y1))]
        values = [v for corner in corners for v in corner]
        if boxes:
            values = [(x0 + x1) / 2 / HW[1], (y0 + y1) / 2 / HW[0]]
            values += [(x1 - x0) / HW[1], (y1 - y0) / HW[0]]
        number = {"car": 0, "person": 1}[name]
        lines.append(" ".join([str(number), *(f"{value:.8f}" for value in values)]))
    return "\n".join(lines) + "\n"


LAYOUTS = {
    "wad": Layout(wad, has_splits=False),
    "cityscapes": Layout(cityscapes),
    "kitti": Layout(kitti, has_splits=False),
    "mots_maps": Layout(mots_maps, has_splits=False),
    "mots_texts": Layout(mots_texts),
    "mapillary": Layout(mapillary),
    "mapillary_panoptic": Layout(mapillary_panoptic),
    "bdd_bitmasks": Layout(bdd_bitmasks),
    "bdd_polygons": Layout(bdd_polygons),
    "coco": Layout(coco),
    "coco_file": Layout(coco_file, has_splits=False),
    "coco_roboflow": Layout(coco_roboflow, has_ignore=False),
    "coco_boxes": Layout(coco_boxes, has_ignore=False, has_masks=False),
    "via_project": Layout(via_project, has_splits=False),
    "via_splits": Layout(via_splits, has_ignore=False),
    "cvat": Layout(cvat),
    "labelme": Layout(labelme, has_splits=False),
    "labelme_apart": Layout(labelme_apart),
    "labelme_embedded": Layout(labelme_embedded, has_splits=False),
    "yolo": Layout(yolo, has_ignore=False),
    "yolo_roboflow": Layout(yolo_roboflow, has_ignore=False),
    "yolo_lists": Layout(yolo_lists, has_ignore=False),
    "yolo_boxes": Layout(yolo_boxes, has_ignore=False, has_masks=False),
}
