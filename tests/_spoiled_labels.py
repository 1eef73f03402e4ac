"""Faults planted in instances, COCO's JSON and validation sets; each returns its place."""

import json
import shutil
from typing import Any

import numpy as np
from _clean_sets import HW, Planted, Planter, Rng, _outlined, clean
from _spoiled_files import change_map, cut, save
from jaxtyping import UInt16
from PIL import Image

from tinyseg.doctor import Place

# Instances


def one_pixel(made: Planted, rng: Rng) -> str:
    def change(label: UInt16[np.ndarray, "h w"]) -> None:
        free = np.flatnonzero(label.ravel() == 255)
        label.reshape(-1)[rng.choice(free)] = 33000 + int(rng.integers(100, 999))

    return change_map(made, rng, change)


def far_parts(made: Planted, rng: Rng) -> str:
    def change(label: UInt16[np.ndarray, "h w"]) -> None:
        row = int(rng.integers(1, HW[0] - 5))
        label[row : row + 5, 0:5] = label[row : row + 5, -6:] = 33777

    return change_map(made, rng, change)


def add_row(made: Planted, row: dict[str, Any], **changes: Any) -> None:
    rows: list[dict[str, Any]] = made.document["annotations"]
    rows.append({**json.loads(json.dumps(row)), "id": len(rows) + 1, **changes})
    made.write_json()


def sliver(made: Planted, rng: Rng) -> str:
    row = made.annotation(rng)
    add_row(made, row, segmentation=[[5, 5, 25, 5, 25, 5.1]], bbox=None)
    return made.file_of(row)


def labelled_twice(made: Planted, rng: Rng) -> str:
    row = made.annotation(rng)
    add_row(made, row)
    return made.file_of(row)


def two_classes(made: Planted, rng: Rng) -> str:
    row = made.annotation(rng)
    add_row(made, row, category_id=3 - row["category_id"])
    return made.file_of(row)


def overlapping(made: Planted, rng: Rng) -> str:
    row = made.annotation(rng)
    x0, y0, w, h = row["bbox"]
    wide = max(round(w * rng.uniform(0.6, 0.7)), 1)
    add_row(made, row, **_outlined((x0, y0, x0 + wide, y0 + h)))
    return made.file_of(row)


# COCO's JSON


def broken_json(made: Planted, rng: Rng) -> str:
    path = made.root / "annotations.json"
    cut(path, rng)
    return path.name


def no_list(made: Planted, rng: Rng) -> str:
    key = ("images", "annotations", "categories")[int(rng.integers(3))]
    made.document[key] = (None, {}, "none")[int(rng.integers(3))]
    made.write_json()
    return "annotations.json"


def wrong_key(made: Planted, rng: Rng) -> str:
    where, key = (
        ("images", "height"),
        ("images", "file_name"),
        ("images", "id"),
        ("annotations", "id"),
        ("annotations", "image_id"),
        ("annotations", "category_id"),
        ("categories", "name"),
    )[int(rng.integers(7))]
    rows = made.document[where]
    at = int(rng.integers(len(rows)))
    number = rows[at]["id"]
    wrong: tuple[object, ...] = (
        (1.5, True, [], "") if key == "height" else (None, -1, 1.5, True, [])
    )
    rows[at][key] = wrong[int(rng.integers(len(wrong)))]
    made.write_json()
    nouns = {"images": "image", "annotations": "annotation", "categories": "category"}
    return f"{where}[{at}]" if key == "id" else f"{nouns[where]} {number}"


def same_id(key: str) -> Planter:
    def planter(made: Planted, rng: Rng) -> str:
        rows = made.document[key]
        one, other = sorted(int(i) for i in rng.permutation(len(rows))[:2])
        rows[other]["id"] = rows[one]["id"]
        made.write_json()
        return f"{key}[{other}]"

    return planter


def dangling_image(made: Planted, rng: Rng) -> str:
    at = int(rng.integers(len(made.document["annotations"])))
    made.document["annotations"][at]["image_id"] = 10**6
    made.write_json()
    return f"annotation {at + 1}"


def changed_row(**changes: Any) -> Planter:
    """An annotation with other values."""

    def planter(made: Planted, rng: Rng) -> str:
        row = made.annotation(rng)
        row.update(changes)
        made.write_json()
        return made.file_of(row)

    return planter


def same_category(made: Planted, rng: Rng) -> str:
    made.document["categories"].append(
        {"id": 3, "name": ("Car", "car ", "pedestrian")[int(rng.integers(3))]}
    )
    made.write_json()
    return "annotations.json"


def foreign_category(made: Planted, rng: Rng) -> str:
    made.document["categories"].append({"id": 3, "name": "giraffe"})
    made.annotation(rng)["category_id"] = 3
    made.write_json()
    return "giraffe"


def all_crowds(made: Planted, rng: Rng) -> str:
    """As CVAT writes masks."""
    for row in made.document["annotations"]:
        row["iscrowd"] = 1
    made.write_json()
    return f"{len(made.document['annotations'])} of"


def no_category(made: Planted, rng: Rng) -> str:
    for row, name in zip(made.document["categories"], ("Auto", "Mensch"), strict=True):
        row["name"] = name
    made.write_json()
    return "annotations.json"


def odd_file_name(made: Planted, rng: Rng) -> str:
    """Two pictures of one name, which now lie in one folder."""
    one, other = (made.document["images"][int(i)] for i in rng.permutation(len(made.names))[:2])
    made.picture(other["file_name"]).unlink()
    names = (f"/data/{place}/{one['file_name']}" for place in ("a", "b"))
    one["file_name"], other["file_name"] = names
    made.write_json()
    return f"{other['file_name']}"


def outside(made: Planted, rng: Rng) -> str:
    row = made.annotation(rng)
    x0, y0, _, h = row["bbox"]
    far = int(rng.integers(4, 40))
    row.update(_outlined((x0, y0, HW[1] + far, y0 + h)))
    row["bbox"] = [x0, y0, HW[1] - x0, h]
    made.write_json()
    return made.file_of(row)


def box_outside(made: Planted, rng: Rng) -> str:
    row = made.annotation(rng)
    row["bbox"][2] = HW[1] - row["bbox"][0] + int(rng.integers(2, 50))
    row["segmentation"] = _outlined(
        (row["bbox"][0], row["bbox"][1], HW[1], row["bbox"][1] + row["bbox"][3])
    )["segmentation"]
    made.write_json()
    return made.file_of(row)


def corners_for_box(made: Planted, rng: Rng) -> str:
    """x, y, x, y where x, y, width, height belong."""
    row = made.annotation(rng)
    row.update(_outlined((60, 40, 75, 48)))
    row["bbox"] = [60, 40, 68, 48]
    made.write_json()
    return made.file_of(row)


# Validation


def with_val(made: Planted, rng: Rng) -> Planted:
    """A clean validation set of the same format beside it, of another day."""
    other = clean(made.root.with_name(f"{made.root.name}-val"), made.format, rng, 3, day=171001)
    made.val = Place(other.root)
    return other


def leaked_frame(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    listed = made.root / "val.txt"
    listed.write_text(f"{name}\n")
    made.val = Place(made.root, listed)
    return name


def leaked_picture(made: Planted, rng: Rng) -> str:
    other = with_val(made, rng)
    (name,), (copy,) = made.some(rng), other.some(rng)
    shutil.copy(made.picture(name), other.picture(copy))
    return copy


def leaked_again(made: Planted, rng: Rng) -> str:
    other = with_val(made, rng)
    (name,), (copy,) = made.some(rng), other.some(rng)
    pixels = Image.open(made.picture(name)).convert("RGB")
    save(other.picture(copy), pixels, "JPEG", quality=int(rng.integers(40, 80)))
    return copy


def neighbour(made: Planted, rng: Rng) -> str:
    other = with_val(made, rng)
    (name,), (old,) = made.some(rng), other.some(rng)
    day, clock, _, camera = name.split("_")
    new = f"{day}_{int(clock) + int(rng.integers(1, 4900)):09}_Camera_{camera}"
    other.picture(old).rename(other.picture(new))
    other.label(old).rename(other.label(new))
    return new


def never_learnt(made: Planted, rng: Rng) -> str:
    other = with_val(made, rng)

    def change(label: UInt16[np.ndarray, "h w"]) -> None:
        label[label // 1000 == 33] += np.uint16(7000)

    change_map(other, rng, change)
    return "tricycle"
