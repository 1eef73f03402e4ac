"""Faults planted in folders, lists, pictures and label maps; each returns its place."""

import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _clean_sets import HW, Planted, Rng, picture
from jaxtyping import UInt8, UInt16
from PIL import Image

from tinyseg.image import write_jpeg, write_png

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
    ending = (".jpg_", ".heic", ".txt", ".raw")[int(rng.integers(4))]
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
    others = [
        b"%PDF-1.7...",
        b"PK\3\4....",
        b"<html>not found</html>",
        b"version https://git-lfs.com/",
    ]
    others += [bytes(500), b"RIFF....WAVE", b"noise that is nothing at all"]
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
    """A picture as phones store it, which is of the labels' size when it is turned."""
    (name,), turned = made.some(rng), int(rng.integers(2, 9))
    stored = picture(rng) if turned < 5 else picture(rng).swapaxes(0, 1)
    save_turned(made.picture(name), stored, turned)
    return name


def turn_unseen(made: Planted, rng: Rng) -> str:
    """A picture whose labels have the size of the stored pixels alone."""
    (name,) = made.some(rng)
    save_turned(made.picture(name), picture(rng), int(rng.integers(5, 9)))
    return name


def save_turned(path: Path, pixels: UInt8[np.ndarray, "h w 3"], orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(path, Image.fromarray(np.ascontiguousarray(pixels)), "JPEG", exif=exif)


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
