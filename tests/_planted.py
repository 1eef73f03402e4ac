"""Small clean data sets of the three formats, and one fault of each kind planted in them.

A planter takes a clean set and a generator, spoils one thing at a random place, and returns the
place that the doctor must name. PLANTS says for each which set it wants, which kind must be told,
and which other kinds follow from the same fault.
"""

import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from tinyseg.doctor import Kind, Place, kinds
from tinyseg.image import write_jpeg, write_png

HW = (96, 128)
FRAMES = 6

Rng = np.random.Generator


@dataclass(slots=True)
class Planted:
    """A set on the disk: the folder, its format, its frames' names in order, and its parts."""

    root: Path
    format: str
    names: list[str]
    hw: tuple[int, int] = HW
    listed: Path | None = None
    val: Place | None = None
    document: dict[str, Any] = field(default_factory=dict)

    def picture(self, name: str) -> Path:
        if self.format == "wad":
            return self.root / "train_color" / f"{name}.jpg"
        if self.format == "coco":
            return self.root / "images" / name
        return self.root / "leftImg8bit/train/aachen" / f"{name}_leftImg8bit.png"

    def label(self, name: str) -> Path:
        if self.format == "wad":
            return self.root / "train_label" / f"{name}_instanceIds.png"
        return self.root / "gtFine/train/aachen" / f"{name}_gtFine_instanceIds.png"

    def map_of(self, name: str) -> UInt16[np.ndarray, "h w"]:
        found = cv2.imread(str(self.label(name)), cv2.IMREAD_UNCHANGED)
        return np.asarray(found, np.uint16)

    def some(self, rng: Rng, count: int = 1) -> list[str]:
        return [self.names[i] for i in rng.permutation(len(self.names))[:count]]

    def annotation(self, rng: Rng) -> dict[str, Any]:
        rows: list[dict[str, Any]] = self.document["annotations"]
        return rows[int(rng.integers(len(rows)))]

    def file_of(self, row: dict[str, Any]) -> str:
        return str(self.names[row["image_id"] - 1])

    def write_json(self) -> None:
        text = json.dumps(self.document)  # writes NaN where it must
        (self.root / "annotations.json").write_text(text)


Planter = Callable[[Planted, Rng], str]


@dataclass(frozen=True, slots=True)
class Plant:
    """A way to spoil a set, the kind that must be told, and the kinds that may be told too."""

    format: str
    kind: Kind
    planter: Planter
    also: Sequence[Kind] = ()
    frames: int = FRAMES


# Clean sets


def picture(rng: Rng, hw: tuple[int, int] = HW) -> UInt8[np.ndarray, "h w 3"]:
    """Soft blotches: two of them are as unlike as two streets."""
    coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, hw[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def boxes(rng: Rng, hw: tuple[int, int], count: int) -> list[tuple[int, int, int, int]]:
    """Boxes in a row of their own each, so that they never meet."""
    height = hw[0] // count
    found = []
    for row in range(count):
        w, h = (int(v) for v in rng.integers((6, 5), (hw[1] // 3, height - 2)))
        x, y = int(rng.integers(0, hw[1] - w)), row * height + int(rng.integers(0, height - h))
        found.append((x, y, x + w, y + h))
    return found


def clean(root: Path, format: str, rng: Rng, count: int = FRAMES, day: int = 170908) -> Planted:
    """A set without a fault, at least one car and one person in each frame."""
    makers = {"wad": _clean_wad, "cityscapes": _clean_cityscapes, "coco": _clean_coco}
    return makers[format](root, rng, count, day)


def _clean_wad(root: Path, rng: Rng, count: int, day: int) -> Planted:
    names = [f"{day}_{6 + i // 60:02}{i % 60:02}15042_Camera_{5 + i % 2}" for i in range(count)]
    made = Planted(root, "wad", names)
    for folder in ("train_color", "train_label"):
        (root / folder).mkdir(parents=True)
    for name in names:
        write_jpeg(made.picture(name), picture(rng))
        label = np.full(HW, 255, np.uint16)
        for number, (x0, y0, x1, y1) in enumerate(boxes(rng, HW, 4)):
            label[y0:y1, x0:x1] = (33, 36, 39, 38)[number] * 1000 + number
        label[0, :40] = 65535
        write_png(made.label(name), label)
    return made


def _clean_cityscapes(root: Path, rng: Rng, count: int, day: int) -> Planted:
    made = Planted(root, "cityscapes", [f"aachen_{i:06}_000019" for i in range(count)])
    for path in (made.picture("a"), made.label("a")):
        path.parent.mkdir(parents=True)
    for name in made.names:
        write_png(made.picture(name), picture(rng))
        label = np.full(HW, 7, np.uint16)
        label[:5] = 23
        for number, (x0, y0, x1, y1) in enumerate(boxes(rng, HW, 4)):
            label[y0:y1, x0:x1] = (26001, 24000, 27003, 26)[number]
        write_png(made.label(name), label)
    return made


def _clean_coco(root: Path, rng: Rng, count: int, day: int) -> Planted:
    made = Planted(root, "coco", [f"{day + i:012}.jpg" for i in range(count)])
    (root / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for index, name in enumerate(made.names):
        write_jpeg(made.picture(name), picture(rng))
        images.append({"id": index + 1, "file_name": name, "height": HW[0], "width": HW[1]})
        for number, box in enumerate(boxes(rng, HW, 4)):
            kept = {"id": len(rows) + 1, "image_id": index + 1, "category_id": 1 + number % 2}
            rows.append(kept | {"iscrowd": 0, **_outlined(box)})
    categories = [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}]
    made.document = {"images": images, "annotations": rows, "categories": categories}
    made.write_json()
    return made


def _outlined(box: tuple[int, int, int, int]) -> dict[str, Any]:
    x0, y0, x1, y1 = box
    return {
        "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
    }


# Folders and lists


def no_label(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    made.label(name).unlink()
    return name


def no_picture(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    made.picture(name).unlink()
    return name


def other_ending(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    ending = (".jpeg", ".JPG", ".PNG", ".bmp")[int(rng.integers(4))]
    made.picture(name).rename(made.picture(name).with_suffix(ending))
    return f"{name}{ending}"


def unlisted_picture(made: Planted, rng: Rng) -> str:
    write_jpeg(made.picture("more.jpg"), picture(rng))
    return "more.jpg"


def twice_in_splits(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    other = made.root / "leftImg8bit/val/aachen"
    other.mkdir(parents=True)
    shutil.copy(made.picture(name), other)
    return name


def twice_in_json(made: Planted, rng: Rng) -> str:
    one, other = rng.permutation(len(made.names))[:2]
    made.document["images"][int(one)]["file_name"] = made.names[int(other)]
    made.write_json()
    return made.names[int(other)]


def write_list(made: Planted, lines: Sequence[str]) -> None:
    made.listed = made.root / "list.txt"
    made.listed.write_text("".join(f"{line}\n" for line in lines))


def listed_nowhere(made: Planted, rng: Rng) -> str:
    line = int(rng.integers(len(made.names) + 1))
    write_list(made, [*made.names[:line], "170908_999999999_Camera_5", *made.names[line:]])
    return f"line {line + 1}"


def listed_again(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    write_list(made, [*made.names, f"some/folder/{name}.jpg"])
    return f"line {len(made.names) + 1}"


def listed_for_two(made: Planted, rng: Rng) -> str:
    one, other = rng.permutation(len(made.names))[:2]
    for index, folder in ((int(one), "a"), (int(other), "b")):
        (made.root / "images" / folder).mkdir()
        made.picture(made.names[index]).rename(made.root / "images" / folder / "x.jpg")
        made.document["images"][index]["file_name"] = f"{folder}/x.jpg"
    made.write_json()
    rest = [n for i, n in enumerate(made.names) if i not in (one, other)]
    write_list(made, [*rest, "x.jpg"])
    return f"line {len(rest) + 1}"


def listed_askew(made: Planted, rng: Rng) -> str:
    at = int(rng.integers(len(made.names)))
    own = [f"a\\{n}.jpg\tb\\{n}_instanceIds.png" for n in made.names]
    own[at] = own[at].replace("5042_Camera_5_i", "5043_Camera_5_i")
    own[at] = own[at].replace("5042_Camera_6_i", "5043_Camera_6_i")
    write_list(made, own)
    return f"line {at + 1}"


def nothing_listed(made: Planted, rng: Rng) -> str:
    write_list(made, ["nobody"])
    return str(made.root)


# Pictures


def empty_picture(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    made.picture(name).write_bytes(b"")
    return name


def foreign_picture(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    others = [b"GIF89a...", b"BM......", b"<html>not found</html>", b"version https://git-lfs.com/"]
    others += [bytes(500), b"RIFF....WEBP", b"noise that is nothing at all"]
    made.picture(name).write_bytes(others[int(rng.integers(len(others)))])
    return name


def cut(path: Path, rng: Rng) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * rng.uniform(0.3, 0.95))])


def cut_picture(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    cut(made.picture(name), rng)
    return name


def flip_byte(path: Path, rng: Rng) -> None:
    """Somewhere in a PNG's pixels."""
    data = bytearray(path.read_bytes())
    at = data.find(b"IDAT") + 4 + int(rng.integers(0, max(len(data) - 80, 1)))
    data[min(at, len(data) - 20)] ^= 0x5A
    path.write_bytes(bytes(data))


def damaged_picture(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    flip_byte(made.picture(name), rng)
    return name


def lying_ending(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    write_png(made.picture(name), picture(rng))
    return name


def save(path: Path, image: Image.Image, form: str, **how: Any) -> None:
    stream = io.BytesIO()
    image.save(stream, form, **how)
    path.write_bytes(stream.getvalue())


def grey_or_so(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    mode = ("L", "CMYK")[int(rng.integers(2))]
    save(made.picture(name), Image.fromarray(picture(rng)).convert(mode), "JPEG")
    return name


def with_alpha_or_so(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    mode = ("L", "P", "RGBA", "LA")[int(rng.integers(4))]
    save(made.picture(name), Image.fromarray(picture(rng)).convert(mode), "PNG")
    return name


def deep_picture(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    deep = picture(rng).astype(np.uint16) * 257
    made.picture(name).write_bytes(cv2.imencode(".png", deep)[1].tobytes())
    return name


def rotated_picture(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    exif = Image.Exif()
    exif[0x0112] = int(rng.integers(2, 9))
    save(made.picture(name), Image.fromarray(picture(rng)), "JPEG", exif=exif)
    return name


def blank_picture(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    grey = np.full((*HW, 3), rng.integers(0, 256), np.uint8)
    write_jpeg(made.picture(name), grey)
    return name


def same_picture(made: Planted, rng: Rng) -> str:
    one, other = sorted(made.some(rng, 2))
    shutil.copy(made.picture(one), made.picture(other))
    return other


def nearly_same_picture(made: Planted, rng: Rng) -> str:
    one, other = sorted(made.some(rng, 2))
    pixels = Image.open(made.picture(one)).convert("RGB")
    save(made.picture(other), pixels, "JPEG", quality=int(rng.integers(40, 80)))
    return other


# Label files


def empty_label(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    made.label(name).write_bytes(b"")
    return name


def jpeg_label(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    shutil.copy(made.picture(name), made.label(name))
    return name


def cut_label(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    cut(made.label(name), rng)
    return name


def damaged_label(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    flip_byte(made.label(name), rng)
    return name


def eight_bits(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    write_png(made.label(name), (made.map_of(name) // 1000).astype(np.uint8))
    return name


def coloured_label(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    mode = ("RGB", "P", "RGBA")[int(rng.integers(3))]
    save(made.label(name), Image.fromarray(picture(rng)).convert(mode), "PNG")
    return name


def same_label(made: Planted, rng: Rng) -> str:
    one, other = sorted(made.some(rng, 2))
    shutil.copy(made.label(one), made.label(other))
    return other


def other_size(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    label = made.map_of(name)
    smaller = (label[::2, ::2], label[:, :-1], label[:-3], np.rot90(label))[int(rng.integers(4))]
    write_png(made.label(name), np.ascontiguousarray(smaller))
    return name


def unusual_size(made: Planted, rng: Rng) -> str:
    (name,) = made.some(rng)
    write_png(made.label(name), np.ascontiguousarray(made.map_of(name)[:-8]))
    write_jpeg(made.picture(name), picture(rng, (HW[0] - 8, HW[1])))
    return name


# Label values


def change_map(made: Planted, rng: Rng, change: Callable[[UInt16[np.ndarray, "h w"]], None]) -> str:
    (name,) = made.some(rng)
    label = made.map_of(name)
    change(label)
    write_png(made.label(name), label)
    return name


def zero_background(made: Planted, rng: Rng) -> str:
    def change(label: UInt16[np.ndarray, "h w"]) -> None:
        label[label == 255] = 0

    return change_map(made, rng, change)


def only_classes(made: Planted, rng: Rng) -> str:
    def change(label: UInt16[np.ndarray, "h w"]) -> None:
        label[(label > 1000) & (label < 65535)] //= 1000

    return change_map(made, rng, change)


def foreign_values(made: Planted, rng: Rng) -> str:
    """A Cityscapes map in a WAD folder."""

    def change(label: UInt16[np.ndarray, "h w"]) -> None:
        label[label == 255], label[label == 65535] = 7, 23
        for own, other in ((33, 26), (36, 24), (39, 28), (38, 27)):
            label[label // 1000 == own] = other * 1000 + 1

    return change_map(made, rng, change)


def unknown_value(made: Planted, rng: Rng) -> str:
    value = (1, 254, 999, 32999, 41000, 60000, 65534)[int(rng.integers(7))]
    y, x = int(rng.integers(1, HW[0])), int(rng.integers(HW[1]))

    def change(label: UInt16[np.ndarray, "h w"]) -> None:
        label[y, x] = value

    return change_map(made, rng, change)


def noise(made: Planted, rng: Rng) -> str:
    def change(label: UInt16[np.ndarray, "h w"]) -> None:
        label[:] = rng.integers(33000, 41000, label.shape)

    return change_map(made, rng, change)


def all_ignored(made: Planted, rng: Rng) -> str:
    share = rng.uniform(0.55, 0.9)

    def change(label: UInt16[np.ndarray, "h w"]) -> None:
        free = np.flatnonzero(label.ravel() == 255)
        label.reshape(-1)[free[: int(share * label.size)]] = 65535

    return change_map(made, rng, change)


def no_instance(made: Planted, rng: Rng) -> str:
    def change(label: UInt16[np.ndarray, "h w"]) -> None:
        label[label > 1000] = 255

    return change_map(made, rng, change)


def no_instances(made: Planted, rng: Rng) -> str:
    for name in made.names:
        write_png(made.label(name), np.full(HW, 255, np.uint16))
    return str(made.root)


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
    rows[at][key] = (None, -1, 1.5, True, [])[int(rng.integers(5))]
    made.write_json()
    return f"{where}[{at}]"


def same_id(key: str) -> Planter:
    def planter(made: Planted, rng: Rng) -> str:
        rows = made.document[key]
        one, other = sorted(int(i) for i in rng.permutation(len(rows))[:2])
        rows[other]["id"] = rows[one]["id"]
        made.write_json()
        return made.file_of(rows[other]) if key == "annotations" else f"{key}[{other}]"

    return planter


def dangling_image(made: Planted, rng: Rng) -> str:
    at = int(rng.integers(len(made.document["annotations"])))
    made.document["annotations"][at]["image_id"] = 10**6
    made.write_json()
    return f"annotations[{at}]"


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
    made.write_json()
    return "annotations.json"


def no_category(made: Planted, rng: Rng) -> str:
    for row, name in zip(made.document["categories"], ("Auto", "Mensch"), strict=True):
        row["name"] = name
    made.write_json()
    return "annotations.json"


def odd_file_name(made: Planted, rng: Rng) -> str:
    at = int(rng.integers(len(made.names)))
    name = made.names[at]
    odd = (f"/data/{name}", f"..\\images\\{name}", f"../images/{name}")[int(rng.integers(3))]
    made.document["images"][at]["file_name"] = odd
    made.write_json()
    return f"images[{at}]"


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


_MEETING = (kinds.INSTANCES_OVERLAP, kinds.INSTANCE_TWICE, kinds.INSTANCE_CLASSES)
"""A shape that was moved may lie on another one."""

_RLE: dict[str, Any] = {"size": list(HW), "counts": [5, 10, HW[0] * HW[1] - 15]}

PLANTS: dict[str, Plant] = {
    "label missing": Plant("wad", kinds.LABEL_MISSING, no_label),
    "picture missing": Plant("wad", kinds.PICTURE_MISSING, no_picture),
    "picture missing, city": Plant("cityscapes", kinds.PICTURE_MISSING, no_picture),
    "picture missing, coco": Plant("coco", kinds.PICTURE_MISSING, no_picture),
    "other ending": Plant("wad", kinds.FILE_UNREAD, other_ending, (kinds.PICTURE_MISSING,)),
    "unlisted picture": Plant("coco", kinds.PICTURE_UNLISTED, unlisted_picture),
    "name in two splits": Plant("cityscapes", kinds.NAME_TWICE, twice_in_splits),
    "name twice": Plant("coco", kinds.NAME_TWICE, twice_in_json, (kinds.PICTURE_UNLISTED,)),
    "listed nowhere": Plant("wad", kinds.LISTED_MISSING, listed_nowhere),
    "listed twice": Plant("wad", kinds.LISTED_TWICE, listed_again),
    "listed for two": Plant("coco", kinds.LISTED_AMBIGUOUS, listed_for_two),
    "list askew": Plant("wad", kinds.LISTED_PAIR, listed_askew),
    "nothing listed": Plant("wad", kinds.NO_FRAMES, nothing_listed, (kinds.LISTED_MISSING,)),
    "empty picture": Plant("wad", kinds.PICTURE_EMPTY, empty_picture),
    "foreign picture": Plant("wad", kinds.PICTURE_FOREIGN, foreign_picture),
    "cut picture": Plant("wad", kinds.PICTURE_CUT, cut_picture),
    "cut PNG": Plant("cityscapes", kinds.PICTURE_CUT, cut_picture),
    "damaged picture": Plant("cityscapes", kinds.PICTURE_DAMAGED, damaged_picture),
    "lying ending": Plant("wad", kinds.PICTURE_ENDING, lying_ending),
    "grey picture": Plant("wad", kinds.PICTURE_MODE, grey_or_so),
    "picture with alpha": Plant("cityscapes", kinds.PICTURE_MODE, with_alpha_or_so),
    "deep picture": Plant("cityscapes", kinds.PICTURE_MODE, deep_picture),
    "rotated picture": Plant("coco", kinds.PICTURE_ROTATED, rotated_picture),
    "blank picture": Plant("wad", kinds.PICTURE_BLANK, blank_picture),
    "same picture": Plant("wad", kinds.PICTURE_TWICE, same_picture),
    "nearly same picture": Plant("wad", kinds.PICTURE_ALIKE, nearly_same_picture),
    "empty label": Plant("wad", kinds.LABEL_EMPTY, empty_label),
    "JPEG label": Plant("wad", kinds.LABEL_NOT_PNG, jpeg_label),
    "cut label": Plant("wad", kinds.LABEL_CUT, cut_label),
    "damaged label": Plant("wad", kinds.LABEL_DAMAGED, damaged_label),
    "label of 8 bits": Plant("wad", kinds.LABEL_8_BIT, eight_bits),
    "coloured label": Plant("cityscapes", kinds.LABEL_COLOUR, coloured_label),
    "same label": Plant("wad", kinds.LABEL_TWICE, same_label),
    "size differs": Plant("wad", kinds.SIZE_DIFFERS, other_size),
    "unusual size": Plant("wad", kinds.SIZE_UNUSUAL, unusual_size, frames=10),
    "background is 0": Plant("wad", kinds.BACKGROUND_ZERO, zero_background),
    "classes alone": Plant("wad", kinds.CLASS_ALONE, only_classes, (kinds.FRAME_EMPTY,)),
    "groups only": Plant("cityscapes", kinds.GROUPS_ONLY, only_classes, (kinds.FRAME_EMPTY,)),
    "values of Cityscapes": Plant("wad", kinds.OTHER_FORMAT, foreign_values, (kinds.FRAME_EMPTY,)),
    "unknown class": Plant("wad", kinds.UNKNOWN_CLASS, unknown_value),
    "noise": Plant("wad", kinds.LABEL_NOISE, noise, (kinds.FRAME_EMPTY,)),
    "all ignored": Plant("wad", kinds.IGNORE_LARGE, all_ignored),
    "no instance": Plant("wad", kinds.FRAME_EMPTY, no_instance),
    "no instances": Plant("wad", kinds.NO_INSTANCES, no_instances, (kinds.FRAME_EMPTY,)),
    "one pixel": Plant("wad", kinds.INSTANCE_PIXEL, one_pixel),
    "far parts": Plant("wad", kinds.INSTANCE_APART, far_parts),
    "sliver": Plant("coco", kinds.INSTANCE_EMPTY, sliver),
    "labelled twice": Plant("coco", kinds.INSTANCE_TWICE, labelled_twice),
    "two classes": Plant("coco", kinds.INSTANCE_CLASSES, two_classes),
    "overlapping": Plant("coco", kinds.INSTANCES_OVERLAP, overlapping),
    "broken JSON": Plant("coco", kinds.JSON_DAMAGED, broken_json, (kinds.NO_FRAMES,)),
    "no list": Plant(
        "coco",
        kinds.JSON_LIST,
        no_list,
        (
            *(kinds.NO_FRAMES, kinds.NO_INSTANCES, kinds.FRAME_EMPTY),
            *(kinds.IMAGE_DANGLING, kinds.CATEGORY_DANGLING),
        ),
    ),
    "wrong key": Plant(
        "coco",
        kinds.JSON_KEY,
        wrong_key,
        (kinds.IMAGE_DANGLING, kinds.CATEGORY_DANGLING, kinds.PICTURE_UNLISTED),
    ),
    "image id twice": Plant(
        "coco",
        kinds.IMAGE_ID_TWICE,
        same_id("images"),
        (kinds.IMAGE_DANGLING, kinds.PICTURE_UNLISTED),
    ),
    "category id twice": Plant(
        "coco", kinds.CATEGORY_ID_TWICE, same_id("categories"), (kinds.CATEGORY_DANGLING,)
    ),
    "annotation id twice": Plant("coco", kinds.ANNOTATION_ID_TWICE, same_id("annotations")),
    "image dangling": Plant("coco", kinds.IMAGE_DANGLING, dangling_image),
    "category dangling": Plant("coco", kinds.CATEGORY_DANGLING, changed_row(category_id=0)),
    "category twice": Plant("coco", kinds.CATEGORY_TWICE, same_category),
    "category foreign": Plant("coco", kinds.CATEGORY_FOREIGN, foreign_category),
    "no category": Plant(
        "coco",
        kinds.CATEGORY_NONE,
        no_category,
        (kinds.CATEGORY_FOREIGN, kinds.NO_INSTANCES, kinds.FRAME_EMPTY),
    ),
    "odd file name": Plant(
        "coco", kinds.FILE_NAME, odd_file_name, (kinds.IMAGE_DANGLING, kinds.PICTURE_UNLISTED)
    ),
    "no mask": Plant("coco", kinds.SHAPE_MISSING, changed_row(segmentation=[])),
    "short polygon": Plant("coco", kinds.POLYGON_SHORT, changed_row(segmentation=[[1, 1, 9, 9]])),
    "polygon of NaN": Plant(
        "coco", kinds.POLYGON_NUMBERS, changed_row(segmentation=[[1, 1, 9, 9, float("nan"), 3]])
    ),
    "polygon outside": Plant("coco", kinds.POLYGON_OUTSIDE, outside, _MEETING),
    "size of run lengths": Plant(
        "coco", kinds.RLE_SIZE, changed_row(segmentation={**_RLE, "size": [HW[1], HW[0]]})
    ),
    "damaged run lengths": Plant(
        "coco", kinds.RLE_DAMAGED, changed_row(segmentation={**_RLE, "counts": [5, 10]})
    ),
    "damaged code": Plant(
        "coco", kinds.RLE_DAMAGED, changed_row(segmentation={**_RLE, "counts": "PPY"})
    ),
    "damaged box": Plant("coco", kinds.BOX_DAMAGED, changed_row(bbox=[5, 5, -3, 4])),
    "box outside": Plant("coco", kinds.BOX_OUTSIDE, box_outside),
    "corners for a box": Plant("coco", kinds.BOX_DIFFERS, corners_for_box, _MEETING),
    "leaked frame": Plant("wad", kinds.LEAK_FRAME, leaked_frame),
    "leaked picture": Plant("wad", kinds.LEAK_PICTURE, leaked_picture),
    "leaked, compressed again": Plant("wad", kinds.LEAK_ALIKE, leaked_again),
    "neighbour of a clip": Plant("wad", kinds.LEAK_CLIP, neighbour),
    "class never learnt": Plant("wad", kinds.CLASS_UNLEARNT, never_learnt),
}
"""Every kind, some of them in several ways."""
