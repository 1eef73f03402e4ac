"""Reading and writing pictures: what goes in comes out, and damage is named."""

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from _png import png_file
from jaxtyping import UInt8, UInt16
from PIL import Image

from tinyseg.errors import ImageError, OutputError
from tinyseg.image import (
    decode,
    files,
    image_hw,
    read_image,
    read_label,
    write_jpeg,
    write_png,
)


def picture(h: int = 48, w: int = 64) -> UInt8[np.ndarray, "h w 3"]:
    """A smooth picture whose channels differ, so that an exchange would show."""
    y, x = np.mgrid[0:h, 0:w]
    return np.stack([x * 255 // w, y * 255 // h, np.full((h, w), 40)], axis=2).astype(np.uint8)


def label_map(h: int = 20, w: int = 30) -> UInt16[np.ndarray, "h w"]:
    return np.random.default_rng(0).integers(0, 2**16, (h, w), dtype=np.uint16)


def png_bytes(hw: tuple[int, int], bits: int, colour_type: int, pixels: bytes) -> bytes:
    """A PNG written by hand; each row of pixels begins with its filter byte."""
    return png_file(hw, [zlib.compress(pixels)], bits=bits, colour_type=colour_type)


def pillow_bytes(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def test_png_comes_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_png(path, picture())
    assert np.array_equal(read_image(path), picture())
    assert image_hw(path) == (48, 64)


def test_label_map_comes_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_png(path, label_map())
    label = read_label(path)
    assert label.dtype == np.uint16
    assert np.array_equal(label, label_map())


def test_jpeg_comes_back_nearly_as_written_and_in_rgb(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    write_jpeg(path, picture(), quality=95)
    assert np.abs(read_image(path).astype(int) - picture()).mean() < 2
    assert image_hw(path) == (48, 64)


def test_higher_quality_is_closer(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    errors = []
    for quality in (30, 92):
        write_jpeg(tmp_path / "a.jpg", noise, quality=quality)
        errors.append(np.abs(read_image(tmp_path / "a.jpg").astype(int) - noise).mean())
    assert errors[1] < errors[0]


def test_grey_becomes_rgb(tmp_path: Path) -> None:
    grey = picture()[..., 0]
    write_png(tmp_path / "a.png", grey)
    (tmp_path / "a.jpg").write_bytes(pillow_bytes(Image.fromarray(grey), "JPEG", quality=95))
    assert np.array_equal(read_image(tmp_path / "a.png"), np.stack([grey] * 3, axis=2))
    grey_jpeg = read_image(tmp_path / "a.jpg")
    assert grey_jpeg.shape == (48, 64, 3)
    assert np.array_equal(grey_jpeg[..., 0], grey_jpeg[..., 2])


def test_alpha_and_palette_become_rgb(tmp_path: Path) -> None:
    alpha = np.dstack([picture(), np.full((48, 64), 7, np.uint8)])
    (tmp_path / "a.png").write_bytes(pillow_bytes(Image.fromarray(alpha), "PNG"))
    assert np.array_equal(read_image(tmp_path / "a.png"), picture())
    palette = Image.fromarray(picture()).quantize(16)
    (tmp_path / "p.png").write_bytes(pillow_bytes(palette, "PNG"))
    assert np.array_equal(read_image(tmp_path / "p.png"), np.array(palette.convert("RGB")))


def test_16_bit_picture_keeps_its_high_byte(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 2**16, (9, 7, 3), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", deep[..., ::-1])[1].tobytes())
    assert np.array_equal(read_image(tmp_path / "a.png"), deep >> 8)
    write_png(tmp_path / "g.png", deep[..., 0])
    assert np.array_equal(read_image(tmp_path / "g.png")[..., 1], deep[..., 0] >> 8)


@pytest.mark.parametrize("kind", [{"progressive": True}, {"subsampling": "4:2:0"}, {"quality": 1}])
def test_jpeg_variants(tmp_path: Path, kind: dict[str, object]) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(pillow_bytes(Image.fromarray(picture()), "JPEG", **kind))
    with Image.open(path) as other:
        assert np.abs(read_image(path).astype(int) - np.array(other)).max() <= 4


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(pillow_bytes(Image.fromarray(picture()).convert("CMYK"), "JPEG"))
    assert read_image(path).shape == (48, 64, 3)


def test_three_jpeg_decoders_agree() -> None:
    data = simplejpeg.encode_jpeg(picture(), quality=95)
    decoded = [one(data) for one in decode.JPEG_DECODERS]
    assert len(decoded) == 3
    for one in decoded:
        assert one is not None
        assert np.abs(one.astype(int) - picture()).mean() < 3


def test_next_decoder_takes_a_kind_of_jpeg_that_the_first_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise ValueError("tjDecompressHeader3(): Could not determine subsampling level")

    write_jpeg(tmp_path / "a.jpg", picture())
    monkeypatch.setattr(simplejpeg, "decode_jpeg", unknown)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - picture()).mean() < 4


def jpeg(path: Path) -> bytes:
    write_jpeg(path, np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    return path.read_bytes()


@pytest.mark.parametrize("lost", [1, 2, 3, 50, 1000, 2000])
def test_truncated_jpeg_is_an_error(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(path)[:-lost])
    with pytest.raises(ImageError, match=r"a\.jpg: .*cut short"):
        read_image(path)


def test_truncated_jpeg_with_an_end_marker_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    data = jpeg(path)
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    with pytest.raises(ImageError, match="damaged"):
        read_image(path)


def test_truncated_jpeg_with_a_whole_thumbnail_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    data, thumbnail = jpeg(path), simplejpeg.encode_jpeg(picture(8, 8))
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    path.write_bytes(data[:2] + segment + data[2:])
    assert read_image(path).shape == (64, 64, 3)
    for kept in (len(data) // 2, len(segment) + 2 + 30, len(segment) + 250):
        path.write_bytes((data[:2] + segment + data[2:])[:kept])
        with pytest.raises(ImageError):
            read_image(path)


@pytest.mark.parametrize("lost", [1, 4, 12, 13, 30, 300])
def test_truncated_png_is_an_error(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "a.png"
    write_png(path, label_map())
    path.write_bytes(path.read_bytes()[:-lost])
    for read in (read_image, read_label):
        with pytest.raises(ImageError, match=r"a\.png: .*cut short"):
            read(path)


def test_changed_byte_in_a_png_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_png(path, label_map())
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ImageError, match="checksum"):
        read_label(path)


def test_png_with_too_few_rows_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes((10, 4), 16, 0, (b"\0" + bytes(8)) * 5))
    with pytest.raises(ImageError, match="cannot be decoded"):
        read_label(path)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff", "cut short in its header"),
        (b"\xff\xd8\xff\xe0\x00\x10JF", "cut short in its header"),
        (b"\xff\xd8\xff\xc0\x00\x11\x08\x00", "cut short in its header"),
        (b"\xff\xd8\xff\xd9\x00\x00", "states its size before"),
        (b"\xff\xd8\xff\xe0\x00\x02zz", "begins with a marker"),
        (b"\x89PNG\r\n\x1a\n", "header of 33 bytes"),
        (b"GIF89a" + bytes(40), "GIF"),
        (b"\x00", "a picture is JPEG"),
        (b"<html>not found</html>", "a picture is JPEG"),
    ],
)
@pytest.mark.parametrize("read", [read_image, read_label, image_hw])
def test_foreign_and_broken_heads(
    tmp_path: Path, content: bytes, rule: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rule) as caught:
        read(path)
    assert caught.value.path == path


@pytest.mark.parametrize("read", [read_image, read_label, image_hw])
def test_missing_file_folder_and_impossible_path(
    tmp_path: Path, read: Callable[[Path], object]
) -> None:
    for path, reason in (
        (tmp_path / "none.jpg", "No such file"),
        (tmp_path, "regular file"),
        (tmp_path / "a\0b", "null"),
        (tmp_path / ("a" * 4000), "too long"),
    ):
        with pytest.raises(ImageError, match=reason):
            read(path)


@pytest.mark.parametrize("hw", [(0, 5), (5, 0), (2**20, 2**20), (2**31 - 1, 2**31 - 1)])
def test_size_is_checked_before_decoding(tmp_path: Path, hw: tuple[int, int]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(hw, 16, 0, b""))
    for read in (read_image, read_label, image_hw):
        with pytest.raises(ImageError, match=r"an image has 1 \.\.\. 268435456 pixels"):
            read(path)


def test_bytes_are_limited_before_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_png(tmp_path / "a.png", label_map())
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 100)
    with pytest.raises(ImageError, match=r"size limit \(expected <= 100 bytes, got"):
        read_image(tmp_path / "a.png")


def test_pictures_over_pillow_s_own_limit_give_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    data = simplejpeg.encode_jpeg(picture())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    decoded = decode._decode_pillow_jpeg(data)
    assert decoded is not None
    assert decoded.shape == (48, 64, 3)


def test_8_bit_label_is_refused_with_the_rule(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", picture()[..., 0])
    rule = r"a\.png: a label map is a 16-bit PNG of one channel \(got 8-bit grey PNG\)"
    with pytest.raises(ImageError, match=rule):
        read_label(tmp_path / "a.png")


def test_jpeg_and_colour_labels_are_refused(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "a.png", picture())
    with pytest.raises(ImageError, match="got 8-bit RGB JPEG"):
        read_label(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(png_bytes((1, 1), 16, 2, bytes(7)))
    with pytest.raises(ImageError, match="got 16-bit RGB PNG"):
        read_label(tmp_path / "a.png")


def test_any_bytes_give_an_image_or_an_image_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng, path = np.random.default_rng(5), tmp_path / "a"
    write_png(tmp_path / "p", picture(16, 16))
    for good in (jpeg(tmp_path / "j"), (tmp_path / "p").read_bytes()):
        for _ in range(150):
            data = np.frombuffer(good, np.uint8).copy()
            data[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
            path.write_bytes(data.tobytes()[: rng.integers(1, len(data) + 1)])
            for read in (read_image, read_label, image_hw):
                with contextlib.suppress(ImageError):
                    read(path)
    capfd.readouterr()  # what libpng says of its own


def test_writing_leaves_no_other_file_and_replaces(tmp_path: Path) -> None:
    for value in (10, 200):
        write_png(tmp_path / "a.png", np.full((4, 4), value, np.uint8))
        write_jpeg(tmp_path / "a.jpg", np.full((8, 8, 3), value, np.uint8))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "a.png"]
    assert read_image(tmp_path / "a.png").max() == 200


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_png(tmp_path / "a.png", picture())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_png(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert np.array_equal(read_image(tmp_path / "a.png"), picture())


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        write_png(tmp_path / "none" / "a.png", picture())
    with pytest.raises(ImageError, match="quality"):
        write_jpeg(tmp_path / "a.jpg", picture(), quality=0)
    with pytest.raises(ImageError, match="sides"):
        write_jpeg(tmp_path / "a.jpg", np.zeros((0, 5, 3), np.uint8))
    with pytest.raises(ImageError, match="sides"):
        write_png(tmp_path / "a.png", np.zeros((5, 0), np.uint16))
    assert list(tmp_path.iterdir()) == []
