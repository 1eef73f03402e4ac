"""Every type of picture that is read: its pixels, its samples, its damage, and what it may take."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest
from _png import RGB, png_file
from jaxtyping import UInt8, UInt16
from PIL import Image

from tinyseg.data import open_data
from tinyseg.doctor import Place, examination_of, examine, kinds
from tinyseg.errors import ImageError
from tinyseg.image import ENDINGS, image_hw, is_picture, read_header, read_image, write_png
from tinyseg.labels import WAD_CLASSES
from tinyseg.predict import find_sources

HW = (40, 56)
CASES = Path(__file__).parents[2] / "shared/data/cases"


def scene() -> UInt8[np.ndarray, "h w 3"]:
    y, x = np.mgrid[0 : HW[0], 0 : HW[1]]
    return np.stack([x * 4, y * 6, np.full(HW, 40)], axis=2).astype(np.uint8)


def coded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(scene())).save(buffer, kind, **options)
    return buffer.getvalue()


def by_cv2(pixels: UInt16[np.ndarray, "..."], ending: str) -> bytes:
    ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    return cv2.imencode(ending, np.ascontiguousarray(ordered))[1].tobytes()


def off(image: UInt8[np.ndarray, "h w 3"], other: UInt8[np.ndarray, "h w 3"]) -> float:
    return float(np.abs(image.astype(int) - other).mean())


def save(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


OTHER = Image.fromarray(scene()[::-1].copy())
PALETTE = Image.fromarray(scene()).quantize(64)
ALPHA = Image.fromarray(np.dstack([scene(), np.full(HW, 9, np.uint8)]))

TYPES: dict[str, tuple[str, bytes]] = {
    "a.jpg": ("JPEG", coded("JPEG", quality=95)),
    "b.jfif": ("JPEG", coded("JPEG", quality=95)),
    "c.jpe": ("JPEG", coded("JPEG", quality=95, progressive=True)),
    "d.mpo": ("JPEG", coded("MPO", quality=95, save_all=True, append_images=[OTHER])),
    "e.png": ("PNG", coded("PNG")),
    "f.png": ("PNG", coded("PNG", save_all=True, append_images=[OTHER])),
    "g.webp": ("WebP", coded("WEBP", quality=95)),
    "h.webp": ("WebP", coded("WEBP", lossless=True)),
    "i.webp": ("WebP", coded("WEBP", ALPHA, lossless=True)),
    "j.webp": ("WebP", coded("WEBP", lossless=True, save_all=True, append_images=[ALPHA])),
    "k.bmp": ("BMP", coded("BMP")),
    "l.tif": ("TIFF", coded("TIFF")),
    "m.TIFF": ("TIFF", coded("TIFF", compression="tiff_lzw")),
    "n.tif": ("TIFF", coded("TIFF", compression="tiff_adobe_deflate")),
    "o.tif": ("TIFF", coded("TIFF", ALPHA)),
    "p.tif": ("TIFF", coded("TIFF", save_all=True, append_images=[ALPHA])),
    "q.avif": ("AVIF", coded("AVIF", quality=95)),
    "r.jp2": ("JPEG 2000", coded("JPEG2000")),
    "s.j2k": ("JPEG 2000", coded("JPEG2000", no_jp2=True)),
    "t.gif": ("GIF", coded("GIF", PALETTE)),
    "u.gif": ("GIF", coded("GIF", PALETTE, save_all=True, append_images=[PALETTE.rotate(180)])),
    "x.ppm": ("PNM", coded("PPM")),
    "y.pnm": ("PNM", b"P3\n# as text\n56 40 255\n" + " ".join(map(str, scene().ravel())).encode()),
    "v.jpg": ("WebP", coded("WEBP", lossless=True)),
}
"""A file's name, the type of its content, and the content: all show the scene first."""


@pytest.mark.parametrize("name", TYPES)
def test_a_picture_of_any_type_is_read(tmp_path: Path, name: str) -> None:
    kind, data = TYPES[name]
    path = save(tmp_path / name, data)
    assert is_picture(path)
    assert read_header(path).type == kind
    assert image_hw(path) == HW
    assert off(read_image(path), scene()) < (6 if kind == "GIF" else 3)


def test_the_list_of_endings_has_each_type() -> None:
    assert {kind for kind, _ in TYPES.values()} == set(ENDINGS.values())
    assert not is_picture(Path("._a.jpg"))  # what a Mac leaves beside a.jpg
    assert is_picture(Path("DSC_0001.JPG"))


GREY = np.stack([scene()[..., 0]] * 3, axis=2)
BILEVEL = Image.fromarray(scene()).convert("1")
CMYK = Image.fromarray(scene()).convert("CMYK")

SAMPLES: dict[str, tuple[bytes, UInt8[np.ndarray, "h w 3"]]] = {
    "grey.bmp": (coded("BMP", Image.fromarray(scene()[..., 0])), GREY),
    "grey.tif": (coded("TIFF", Image.fromarray(scene()[..., 0])), GREY),
    "grey.webp": (coded("WEBP", Image.fromarray(scene()[..., 0]), lossless=True), GREY),
    "grey.jp2": (coded("JPEG2000", Image.fromarray(scene()[..., 0])), GREY),
    "palette.bmp": (coded("BMP", PALETTE), np.array(PALETTE.convert("RGB"))),
    "palette.tif": (coded("TIFF", PALETTE), np.array(PALETTE.convert("RGB"))),
    "bilevel.png": (coded("PNG", BILEVEL), np.array(BILEVEL.convert("RGB"))),
    "bilevel.bmp": (coded("BMP", BILEVEL), np.array(BILEVEL.convert("RGB"))),
    "bilevel.tif": (coded("TIFF", BILEVEL), np.array(BILEVEL.convert("RGB"))),
    "fax.tif": (coded("TIFF", BILEVEL, compression="group4"), np.array(BILEVEL.convert("RGB"))),
    "cmyk.tif": (coded("TIFF", CMYK), scene()),
    "cmyk.jpg": (coded("JPEG", CMYK, quality=98), scene()),
    "seethrough.gif": (
        coded("GIF", PALETTE, transparency=3),
        np.array(PALETTE.convert("RGB")),
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_of_any_kind_become_rgb(tmp_path: Path, name: str) -> None:
    data, expected = SAMPLES[name]
    assert off(read_image(save(tmp_path / name, data)), expected) < 2


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("ending", [".png", ".tif", ".pnm"])
@pytest.mark.parametrize("layers", [1, 3])
def test_deep_samples_keep_their_highest_8_bits(
    tmp_path: Path, bits: int, ending: str, layers: int
) -> None:
    """A camera of 12 bits writes up to 4095 into a file of 16: such a picture is not dark."""
    deep = scene().astype(np.uint16) << (bits - 8)
    deep = deep if layers == 3 else deep[..., 0]
    path = save(tmp_path / f"a{ending}", by_cv2(deep, ending))
    assert read_header(path).bits == 16
    assert np.array_equal(read_image(path), scene() if layers == 3 else GREY)


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_alpha_of_16_bits_is_dropped(tmp_path: Path, ending: str) -> None:
    deep = np.dstack([scene()[..., ::-1].astype(np.uint16) << 8, np.full(HW, 900, np.uint16)])
    data = cv2.imencode(ending, np.ascontiguousarray(deep))[1].tobytes()
    assert np.array_equal(read_image(save(tmp_path / f"a{ending}", data)), scene())


def test_12_bits_in_a_row_are_unpacked(tmp_path: Path) -> None:
    deep = (scene()[..., 0].astype(np.uint16) << 4).ravel()
    one, two = deep[::2], deep[1::2]
    packed = np.stack([one >> 4, (one & 15) << 4 | two >> 8, two & 255], axis=1).astype(np.uint8)
    path = save(tmp_path / "a.tif", tiff(packed.ravel(), plain_tags(12, 1)))
    assert np.array_equal(read_image(path), GREY)


def test_deep_jpeg_2000(tmp_path: Path) -> None:
    deep = Image.fromarray(scene()[..., 0].astype(np.uint16) << 8)
    path = save(tmp_path / "a.jp2", coded("JPEG2000", deep))
    assert np.array_equal(read_image(path), GREY)


def tiff(samples: UInt8[np.ndarray, " n"], tags: dict[int, tuple[int, int]]) -> bytes:
    """A TIFF of one strip, written by hand: (type, value) of each tag."""
    head = b"II*\0" + struct.pack("<I", 8)
    strip = 8 + 2 + 12 * (len(tags) + 2) + 4
    every = {**tags, 273: (4, strip), 279: (4, len(samples))}
    entries = [struct.pack("<HHII", tag, every[tag][0], 1, every[tag][1]) for tag in sorted(every)]
    directory = struct.pack("<H", len(every)) + b"".join(entries) + bytes(4)
    return head + directory + samples.tobytes()


def plain_tags(bits: int, colour: int, kind: int = 1) -> dict[int, tuple[int, int]]:
    sizes = {256: (3, HW[1]), 257: (3, HW[0]), 278: (3, HW[0])}
    return {**sizes, 258: (3, bits), 259: (3, 1), 262: (3, colour), 277: (3, 1), 339: (3, kind)}


def test_white_is_zero_where_a_tiff_says_so(tmp_path: Path) -> None:
    data = tiff(255 - scene()[..., 0].ravel(), plain_tags(8, 0))
    assert np.array_equal(read_image(save(tmp_path / "a.tif", data)), GREY)


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (plain_tags(32, 1, 3), "32 bits of kind 3"),  # float
        (plain_tags(32, 1), "32 bits of kind 1"),
        (plain_tags(16, 1, 2), "16 bits of kind 2"),  # negative too
        (plain_tags(16, 0), "grey of 16 bits"),  # white is zero
        (plain_tags(8, 8), "colours of kind 8"),  # CIE L*a*b*
    ],
)
def test_a_tiff_that_has_no_right_8_bits_is_refused(
    tmp_path: Path, tags: dict[int, tuple[int, int]], told: str
) -> None:
    path = save(tmp_path / "a.tif", tiff(np.zeros(HW[0] * HW[1] * 4, np.uint8), tags))
    for read in (read_image, image_hw):
        with pytest.raises(ImageError, match=rf"a\.tif: a TIFF.*{told}"):
            read(path)


@pytest.mark.parametrize("name", [name for name in TYPES if name[0] not in "djpu"])
def test_a_cut_file_is_an_error(tmp_path: Path, name: str) -> None:
    """Of whatever type, as long as it is one picture: nothing is filled up with grey."""
    _, data = TYPES[name]
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        with pytest.raises(ImageError):
            read_image(save(tmp_path / name, data[: int(len(data) * share)]))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"\0\0\0\x18ftypmp42" + bytes(40), "a film"),
        (b"%PDF-1.4", "PDF"),
        (b"PK\x03\x04" + bytes(9), "a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (bytes(100), "zeros: the copy was never finished"),
        (b"\n<!DOCTYPE html>", "a web page or XML"),
        (b"II+\0" + bytes(40), "first bytes"),  # BigTIFF
    ],
)
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(ImageError, match=rf"a picture is JPEG, TIFF.*got {told}"):
        read_image(save(tmp_path / "a.jpg", content))


# Limits before decoding.


def png_of(hw: tuple[int, int]) -> bytes:
    return png_file(hw, [zlib.compress(bytes(2**20), 9)], colour_type=RGB)


def jpeg_of(hw: tuple[int, int]) -> bytes:
    data = bytearray(coded("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", *(min(side, 65535) for side in hw))
    return bytes(data)


def webp_of(hw: tuple[int, int]) -> bytes:
    data = bytearray(coded("WEBP", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"))
    at = data.index(b"VP8X") + 12
    for place, side in ((at, hw[1]), (at + 3, hw[0])):
        data[place : place + 3] = (side - 1).to_bytes(3, "little")
    return bytes(data)


def bmp_of(hw: tuple[int, int]) -> bytes:
    data = bytearray(coded("BMP"))
    data[18:26] = struct.pack("<ii", hw[1], hw[0])
    return bytes(data)


def gif_of(hw: tuple[int, int]) -> bytes:
    data = bytearray(coded("GIF", PALETTE))
    data[6:10] = struct.pack("<HH", min(hw[1], 65535), min(hw[0], 65535))
    return bytes(data)


def tiff_of(hw: tuple[int, int]) -> bytes:
    tags = plain_tags(8, 1) | {256: (4, hw[1]), 257: (4, hw[0]), 278: (4, hw[0])}
    return tiff(np.zeros(9, np.uint8), tags)


def jp2_of(hw: tuple[int, int]) -> bytes:
    data = bytearray(coded("JPEG2000"))
    at = data.index(b"ihdr") + 4
    data[at : at + 8] = struct.pack(">II", *hw)
    at = data.index(b"\xff\x51") + 6
    data[at : at + 8] = struct.pack(">II", hw[1], hw[0])
    return bytes(data)


def avif_of(hw: tuple[int, int]) -> bytes:
    data = bytearray(coded("AVIF"))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", hw[1], hw[0])
    return bytes(data)


BOMBS: dict[str, Callable[[tuple[int, int]], bytes]] = {
    **{"a.png": png_of, "a.jpg": jpeg_of, "a.webp": webp_of, "a.bmp": bmp_of},
    **{"a.gif": gif_of, "a.tif": tiff_of, "a.jp2": jp2_of, "a.avif": avif_of},
    "a.ppm": lambda hw: f"P6\n{hw[1]} {hw[0]}\n255\n".encode() + bytes(99),
}

READ = """
import resource, sys
from pathlib import Path
import numpy as np
from tinyseg.errors import ImageError
from tinyseg.image import read_image
for path in sys.argv[2:]:  # once before, so that libraries have what they keep
    try:
        read_image(Path(path))
        print("read")
    except ImageError as error:
        print(str(error).replace("\\n", " "))
"""


@pytest.mark.parametrize("hw", [(16384, 16385), (60000, 60000), (12000, 12000)])
def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path, hw: tuple[int, int]) -> None:
    """In a process that may take 64 MB more than it has when it begins to read."""
    paths = [save(tmp_path / name, make(hw)) for name, make in BOMBS.items()]
    limit = """
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 2**26, size + 2**26))
"""
    small = [save(tmp_path / f"small{ending}", TYPES[name][1]) for ending, name in SMALL.items()]
    warm = "\n".join(f"read_image(Path({str(path)!r}))" for path in small)
    head, tail = READ.split("for path in")
    code = f"{head}{warm}\n{limit}\nfor path in{tail}"
    words = [sys.executable, "-c", code, "-", *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths)
    for path, line in zip(paths, lines, strict=True):
        assert line.startswith(f"{path}: "), line
        assert any(words in line for words in ("pixels", "damaged", "cut short")), line


SMALL = {
    **{".png": "e.png", ".jpg": "a.jpg", ".webp": "g.webp", ".bmp": "k.bmp", ".gif": "t.gif"},
    **{".tif": "m.TIFF", ".jp2": "r.jp2", ".avif": "q.avif"},
}


# Where pictures lie: verbs and readers.


def test_predict_takes_every_type_and_counts_what_is_none(tmp_path: Path) -> None:
    names = ["a.jpg", "g.webp", "k.bmp", "l.tif", "q.avif", "b.jfif", "t.gif", "d.mpo", "r.jp2"]
    for name in names:
        save(tmp_path / name, TYPES[name][1])
    for name in ("x.heic", "y.txt", "z.raw", "notes.md", ".DS_Store", "._a.jpg"):
        save(tmp_path / name, b"none")
    told: list[str] = []
    found = find_sources([str(tmp_path)], told.append)
    assert [source.path.name for source in found] == sorted(names)
    (remark,) = told
    assert "4 (notes.md, x.heic, y.txt, ...)" in remark
    assert len(find_sources([f"{tmp_path}/*"], told.append)) == len(names)
    assert len(told) == 2


@pytest.mark.parametrize("name", ["g.webp", "k.bmp", "l.tif", "q.avif", "m.TIFF"])
def test_the_wads_and_cityscapes_folders_take_every_type(tmp_path: Path, name: str) -> None:
    data, ending = TYPES[name][1], Path(name).suffix
    label = np.full(HW, 255, np.uint16)
    label[3:9, 4:20] = 33000
    save(tmp_path / f"wad/train_color/a{ending}", data)
    save(tmp_path / "wad/train_color/b.heic", b"none")
    (tmp_path / "wad/train_label").mkdir()
    write_png(tmp_path / "wad/train_label/a_instanceIds.png", label)
    save(tmp_path / f"city/leftImg8bit/train/b/a_leftImg8bit{ending}", data)
    save(tmp_path / "city/leftImg8bit/train/b/notes.md", b"none")
    folder = tmp_path / "city/gtFine/train/b"
    folder.mkdir(parents=True)
    write_png(folder / "a_gtFine_instanceIds.png", np.where(label == 33000, 26000, 0).astype("u2"))
    for root in ("wad", "city"):
        dataset = open_data(tmp_path / root, classes=WAD_CLASSES)
        (item,) = dataset.items
        assert off(item.read().image, scene()) < 3
        assert len(item.read().instances) == 1
        (remark,) = dataset.remarks
        assert "1 (b.heic)" in remark or "1 (notes.md)" in remark
        found = examine(
            examination_of(Place(tmp_path / root), None, WAD_CLASSES), WAD_CLASSES, threads=1
        )
        told = {group.kind: group.count for group in found.groups}
        assert told[kinds.FILE_UNREAD] == 1
        assert kinds.PICTURE_MISSING not in told


@pytest.mark.parametrize("ending", [".webp", ".bmp", ".tif", ".avif", ".JPG"])
def test_yolo_and_labelme_take_every_type(tmp_path: Path, ending: str) -> None:
    name = {".webp": "g.webp", ".bmp": "k.bmp", ".tif": "l.tif", ".avif": "q.avif"}.get(ending)
    data = TYPES[name or "a.jpg"][1]
    ring = "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5\n"
    for stem, of in (("a", ending), ("b", ".heic")):
        save(tmp_path / f"yolo/images/train/{stem}{of}", data)
        save(tmp_path / f"yolo/labels/train/{stem}.txt", ring.encode())
    save(tmp_path / "yolo/data.yaml", b"train: images/train\nnames: [car]\n")
    save(tmp_path / "yolo/labels/train/classes.txt", b"car\n")
    points = [[5, 4], [20, 4], [20, 20], [5, 20]]
    shape = {"label": "car", "points": points, "shape_type": "polygon", "group_id": None}
    sizes = {"imageHeight": HW[0], "imageWidth": HW[1], "imageData": None}
    for stem, of in (("a", ending), ("b", ".heic")):
        sheet = {"version": "5", "shapes": [shape], "imagePath": f"{stem}{of}", **sizes}
        save(tmp_path / f"labelme/{stem}.json", orjson.dumps(sheet))
    save(tmp_path / f"labelme/a{ending}", data)
    save(tmp_path / "labelme/c.heic", data)
    for root in ("yolo", "labelme"):
        dataset = open_data(tmp_path / root, format=root, classes=("car",))
        (item,) = dataset.items
        assert off(item.read().image, scene()) < 3
        assert len(item.read().instances) == 1
        assert dataset.missing == ("b",)
        assert any("that are no picture: 1" in remark for remark in dataset.remarks)
        place = Place(tmp_path / root, format=root)
        found = examine(examination_of(place, None, ("car",)), ("car",), threads=1).groups
        assert any("b" in one.place for group in found for one in group.examples)


@pytest.mark.skipif(not CASES.is_dir(), reason="the folder of cases is not there")
def test_the_case_of_other_pictures_in_a_yolo_set() -> None:
    dataset = open_data(CASES / "08-other-picture-formats/yolo", classes=("car",), split="train")
    assert len(dataset.items) == 3
    assert all(item.read().hw for item in dataset.items)
