"""Pictures are upright: EXIF's eight orientations, in each type of file, reader and verb."""

import base64
import io
import re
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest
import yaml
from jaxtyping import UInt8, UInt16
from PIL import Image, ImageOps
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.data import open_data
from tinyseg.doctor import Place, examination_of, examine, kinds
from tinyseg.errors import DataError, TinysegError
from tinyseg.frame import Instances
from tinyseg.image import image_hw, plain_file, read_image, read_label, write_jpeg, write_png
from tinyseg.masks import CropMasks, area, paint
from tinyseg.predictions import FramePredictions, Predictions, write_predictions
from tinyseg.recipes import Sampling, lite
from tinyseg.training.batches import FrameStore, make_sample
from tinyseg.training.sampler import shape_of

HW = (40, 60)
TURNED = range(1, 9)
KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]
REAL = Path(__file__).parents[2] / "shared/data/cases"

Picture = UInt8[np.ndarray, "h w 3"]


def scene() -> Picture:
    """An upright picture: a bright car at the left top, smooth so that codes are near."""
    y, x = np.mgrid[0 : HW[0], 0 : HW[1]]
    image = np.stack([x * 3, y * 4, np.full(HW, 40)], axis=2).astype(np.uint8)
    image[4:12, 8:24] = (250, 240, 230)
    return image


def stored(orientation: int, upright: Picture | None = None) -> Picture:
    """What a camera held that way stores: turned upright by Pillow, it is the picture again."""
    image = Image.fromarray(scene() if upright is None else upright)
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return np.array(image if orientation == 1 else image.transpose(back[orientation]))


def save(path: Path, pixels: Picture, orientation: int, kind: str = "JPEG") -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    lossless = kind == "WEBP"
    Image.fromarray(pixels).save(path, kind, exif=exif, quality=95, lossless=lossless)


def off(image: Picture, other: Picture) -> float:
    """The mean difference; infinite for pictures of two sizes."""
    if image.shape != other.shape:
        return float("inf")
    return float(np.abs(image.astype(int) - other).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", TURNED)
def test_a_picture_is_read_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "a"
    save(path, stored(orientation), orientation, kind)
    with Image.open(path) as other:  # a second implementation
        assert off(np.array(ImageOps.exif_transpose(other).convert("RGB")), scene()) < 3
    assert image_hw(path) == HW
    assert off(read_image(path), scene()) < 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", TURNED)
def test_labels_say_which_pixels_they_lie_on(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "a"
    save(path, stored(orientation), orientation, kind)
    as_stored = stored(orientation)
    assert off(read_image(path, HW), scene()) < 3
    if orientation >= 5:
        assert off(read_image(path, HW[::-1]), as_stored) < 3
    sizes = r"\(40, 60\)" + (r" or \(60, 40\) as it is stored" if orientation >= 5 else "")
    with pytest.raises(DataError, match=rf"a: image and label .* {sizes}, got \(41, 60\)"):
        read_image(path, (41, 60))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["B", "H", "I"])
def test_both_byte_orders_and_each_form_of_number(tmp_path: Path, order: str, kind: str) -> None:
    number = {"B": 1, "H": 3, "I": 4}[kind]
    value = struct.pack(order + kind, 6).ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    entry = struct.pack(f"{order}HHI", 274, number, 1) + value
    body = b"Exif\0\0" + head + struct.pack(f"{order}H", 1) + entry + bytes(4)
    buffer = io.BytesIO()
    Image.fromarray(stored(6)).save(buffer, "JPEG", quality=95)
    data, segment = buffer.getvalue(), b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    (tmp_path / "a.jpg").write_bytes(data[:2] + segment + data[2:])
    assert off(read_image(tmp_path / "a.jpg"), scene()) < 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", TURNED)
def test_a_plain_file_is_the_same_to_every_tool(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    save(path, stored(orientation), orientation, kind)
    for hw in {HW, stored(orientation).shape[:2]}:
        plain = plain_file(path, hw)
        if orientation == 1:
            assert plain is None
            continue
        assert plain is not None
        assert plain.turned == (hw == HW)
        other = Image.open(io.BytesIO(plain.data))
        assert other.getexif().get(0x0112, 1) == 1
        own = read_image(path, hw)
        assert off(own, scene() if plain.turned else stored(orientation)) < 3
        assert off(np.array(other.convert("RGB")), own) < 1
        by_cv2 = cv2.imdecode(np.frombuffer(plain.data, np.uint8), cv2.IMREAD_COLOR)
        assert by_cv2 is not None
        assert off(cv2.cvtColor(by_cv2, cv2.COLOR_BGR2RGB), own) < 1
        if not plain.turned and kind != "AVIF":
            assert len(plain.data) == path.stat().st_size


def test_a_damaged_tag_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for value in (0, 9, 1000):
        save(path, scene(), value)
        assert off(read_image(path), scene()) < 3
    save(path, scene(), 6)
    data = path.read_bytes()
    at = data.index(b"Exif\0\0") + 6
    for kept in (4, 8, 10, 15):
        path.write_bytes(data[: at + kept] + b"\xff" * (22 - kept) + data[at + 22 :])
        assert off(read_image(path), scene()) < 3


def test_a_label_map_is_never_turned(tmp_path: Path) -> None:
    label = label_map()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(label).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_label(tmp_path / "a.png"), label)


# Every reader: a car at (8, 4) to (24, 12) of the upright picture, or where it lies as stored.


def label_map(hw: tuple[int, int] = HW) -> UInt16[np.ndarray, "h w"]:
    label = np.full(hw, 255, np.uint16)
    label[4:12, 8:24] = 33000
    return label


def wad(root: Path, orientation: int) -> None:
    save(root / "train_color/a.jpg", stored(orientation), orientation)
    (root / "train_label").mkdir()
    write_png(root / "train_label/a_instanceIds.png", label_map())


def cityscapes(root: Path, orientation: int) -> None:
    save(root / "leftImg8bit/train/b/a_leftImg8bit.png", stored(orientation), orientation, "PNG")
    path = root / "gtFine/train/b/a_gtFine_instanceIds.png"
    path.parent.mkdir(parents=True)
    label = label_map()
    write_png(path, np.where(label == 33000, 26000, 0).astype(np.uint16))


def coco(root: Path, orientation: int, hw: tuple[int, int] = HW) -> None:
    save(root / "images/a.jpg", stored(orientation), orientation)
    ring = [8, 4, 24, 4, 24, 12, 8, 12]
    row = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [ring]}
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": hw[0], "width": hw[1]}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{**row, "bbox": [8, 4, 16, 8], "area": 128}],
    }
    (root / "instances_x.json").write_bytes(orjson.dumps(document))


def yolo(root: Path, orientation: int) -> None:
    save(root / "images/train/a.jpg", stored(orientation), orientation)
    (root / "labels/train").mkdir(parents=True)
    shares = [8 / 60, 4 / 40, 24 / 60, 4 / 40, 24 / 60, 12 / 40, 8 / 60, 12 / 40]
    (root / "labels/train/a.txt").write_text(" ".join(map(str, [0, *shares])))
    (root / "data.yaml").write_text("train: images/train\nnames: [car]\n")


def labelme(root: Path, orientation: int) -> None:
    save(root / "a.jpg", stored(orientation), orientation)
    points = [[8, 4], [24, 4], [24, 12], [8, 12]]
    shape = {"label": "car", "points": points, "shape_type": "polygon", "group_id": None}
    document = {"version": "5", "shapes": [shape], "imagePath": "a.jpg"}
    sizes = {"imageHeight": HW[0], "imageWidth": HW[1], "imageData": None}
    (root / "a.json").write_bytes(orjson.dumps({**document, **sizes}))


SETS = {"wad": wad, "cityscapes": cityscapes, "coco": coco, "yolo": yolo, "labelme": labelme}


def brightness_of_the_car(image: Picture, mask: UInt8[np.ndarray, "h w"]) -> float:
    """How bright the picture is where the car is labelled: 240 if the label lies on it."""
    return float(image[mask > 0].mean())


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("format", SETS)
def test_every_reader_gives_an_upright_frame(tmp_path: Path, format: str, orientation: int) -> None:
    SETS[format](tmp_path, orientation)
    (item,) = open_data(tmp_path, format=format, classes=("car",)).items
    frame = item.read()
    assert frame.hw == HW
    assert off(frame.image, scene()) < 3
    assert brightness_of_the_car(frame.image, paint(frame.instances.masks, frame.hw)) > 230


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_coco_of_the_stored_size_lies_on_stored_pixels(tmp_path: Path, orientation: int) -> None:
    coco(tmp_path, orientation, HW[::-1])
    (item,) = open_data(tmp_path, classes=("car",)).items
    frame = item.read()
    assert frame.hw == HW[::-1]
    assert off(frame.image, stored(orientation)) < 3


def test_neither_size_names_both(tmp_path: Path) -> None:
    coco(tmp_path, 6, (41, 60))
    (item,) = open_data(tmp_path, classes=("car",)).items
    told = r"a\.jpg: image and label need one size .*\(40, 60\) or \(60, 40\) as it is stored.*41"
    with pytest.raises(DataError, match=told):
        item.read()


# Every verb. A reader gives each of them the frame that was tested above, so that a verb meets each
# format and each orientation once, and not all pairs of them.
IN_TURN = [*zip([*SETS, *SETS], TURNED, strict=False)]


def run(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, TinysegError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("to", ["wad", "coco", "cityscapes", "yolo", "labelme"])
@pytest.mark.parametrize(("orientation", "images"), [(3, "link"), (6, "copy")])
def test_convert_writes_what_every_tool_shows_alike(
    tmp_path: Path, to: str, orientation: int, images: str
) -> None:
    for hw in {HW, stored(orientation).shape[:2]}:
        source, out = tmp_path / f"from{hw[0]}", tmp_path / f"to{hw[0]}"
        source.mkdir()
        coco(source, orientation, hw)
        if hw != HW:  # the car, where it is on the stored pixels
            shutil.copy(source / "images/a.jpg", tmp_path / "s.jpg")
        told = run("convert", source, "--out", out, "--to", to, "--pictures", images)
        assert "pictures" in told
        kept = yaml.safe_load((out / "converted.yaml").read_text())
        assert (kept["turned"], kept["untagged"]) == ((1, 0) if hw == HW else (0, 1))
        (name,) = [frame["picture"] for frame in kept["frames"]]
        assert not (out / name).is_symlink()
        with Image.open(out / name) as other:
            assert other.getexif().get(0x0112, 1) == 1
            assert other.size == hw[::-1]
            own = scene() if hw == HW else stored(orientation)
            assert off(np.array(other.convert("RGB")), own) < 3
        before = open_data(source, classes=("car",)).items[0].read()
        after = open_data(out, format=to, classes=("car",)).items[0].read()
        assert np.array_equal(after.image, before.image)
        assert area(after.instances.masks) == pytest.approx(area(before.instances.masks), rel=0.3)


def test_convert_leaves_pictures_without_a_turn_alone(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    coco(tmp_path / "s", 1)
    run("convert", tmp_path / "s", "--out", tmp_path / "o", "--to", "yolo")
    assert (tmp_path / "o/images/train/a.jpg").read_bytes() == (
        tmp_path / "s/images/a.jpg"
    ).read_bytes()
    kept = yaml.safe_load((tmp_path / "o/converted.yaml").read_text())
    assert (kept["turned"], kept["untagged"]) == (0, 0)


@pytest.mark.parametrize("orientation", [2, 6, 7])
def test_show_and_views_draw_upright(tmp_path: Path, orientation: int) -> None:
    yolo(tmp_path, orientation)
    run("show", "--data", tmp_path, "--out", tmp_path / "seen")
    (drawn,) = (tmp_path / "seen").glob("*.jpg")
    overlay = read_image(drawn)
    assert overlay.shape[1] == HW[1]
    assert off(overlay[20:40], scene()[20:40]) < 6
    assert overlay[6:10, 10:22].mean() > 170
    run("show", tmp_path / "images/train/a.jpg", "--plan", "whole", "--out", tmp_path / "v")
    assert image_hw(tmp_path / "v/a_views.jpg")[1] > image_hw(tmp_path / "v/a_views.jpg")[0] * 0.5


@pytest.mark.parametrize(("format", "orientation"), IN_TURN[1:])
def test_what_is_found_on_the_upright_picture_is_scored_and_shown(
    tmp_path: Path, format: str, orientation: int
) -> None:
    """The finder sees pixels alone: whatever is bright is a car."""
    (tmp_path / "s").mkdir()
    SETS[format](tmp_path / "s", orientation)
    (item,) = open_data(tmp_path / "s", format=format, classes=("car",)).items
    bright = (read_image(item.image_path).min(axis=2) > 200).astype(np.uint8) * np.uint8(255)
    found = Instances.from_labels(CropMasks.pack_pixels([(0, 0)], [bright]), np.array([0]))
    scored = replace(found, scores=np.array([0.9]))
    frame = FramePredictions(item.name, item.image_path.name, HW, scored)
    write_predictions(tmp_path / "found.json", Predictions(("car",), (frame,)))
    words = ("--data", tmp_path / "s", "--format", format)
    run("evaluate", tmp_path / "found.json", *words, "--json", tmp_path / "scores.json")
    assert orjson.loads((tmp_path / "scores.json").read_bytes())["averages"]["ap50"] == 1
    run("report", tmp_path / "found.json", *words, "--out", tmp_path / "page.html")
    shown = re.findall(r"data:image/webp;base64,([^\"')]+)", (tmp_path / "page.html").read_text())
    assert any(off(np.array(opened(code)), scene()) < 12 for code in shown)


def opened(code: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB")


@pytest.mark.parametrize(("format", "orientation"), IN_TURN)
def test_training_learns_from_upright_views(tmp_path: Path, format: str, orientation: int) -> None:
    SETS[format](tmp_path, orientation)
    items = open_data(tmp_path, format=format, classes=("car",)).items
    chosen = Sampling.model_validate({"view": 64, "flip": 0.0})
    recipe = lite().model_copy(update={"sampling": chosen})
    shape = shape_of(0, chosen, 0)
    views = [make_sample(FrameStore(list(items)), index, shape, recipe) for index in range(6)]
    cars = [view for view in views if len(view.instances)]
    assert cars
    for view in cars:
        mask = paint(view.instances.masks, view.hw)
        assert view.image[mask > 0].mean() > 150
        assert (view.image[mask == 0].min(axis=-1) > 200).mean() < 0.03


def test_the_doctor_sees_upright_pictures(tmp_path: Path) -> None:
    for format, make in SETS.items():
        for orientation in (3, 6):
            root = tmp_path / f"{format}{orientation}"
            root.mkdir()
            make(root, orientation)
            plan = examination_of(Place(root, format=format), None, ("car",))
            found = {group.kind for group in examine(plan, ("car",), threads=1).groups}
            assert kinds.PICTURE_ROTATED in found, (format, orientation)
            assert not found & {kinds.SIZE_DIFFERS, kinds.TURN_UNSEEN}, (format, orientation)


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder of cases is not there")
def test_the_cases_of_turned_pictures(tmp_path: Path) -> None:
    case = REAL / "02-exif-predict"
    images = [read_image(case / name) for name in ("exif6.jpg", "exif3.jpg", "upright.jpg")]
    assert off(images[0], images[2]) < 3
    assert off(images[1], images[2]) < 3
    case = REAL / "20-convert-exif"
    for to in ("yolo", "coco"):
        run("convert", case / "instances_x.json", "--out", tmp_path / to, "--to", to)
        kept = yaml.safe_load((tmp_path / to / "converted.yaml").read_text())
        assert kept["turned"] + kept["untagged"] == 1
        (picture,) = [tmp_path / to / frame["picture"] for frame in kept["frames"]]
        with Image.open(picture) as other:
            assert other.getexif().get(0x0112, 1) == 1


def test_a_square_picture_is_upright(tmp_path: Path) -> None:
    square = np.zeros((32, 32, 3), np.uint8)
    square[:8, :8] = 255
    save(tmp_path / "a.jpg", stored(6, square), 6)
    assert off(read_image(tmp_path / "a.jpg", (32, 32)), square) < 3
    write_jpeg(tmp_path / "b.jpg", square)
    assert image_hw(tmp_path / "b.jpg") == (32, 32)
