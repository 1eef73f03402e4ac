"""The predictions file: what is written comes back, and what is wrong is named."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from tinyseg import masks as mask_ops
from tinyseg.errors import OutputError, PredictionsError
from tinyseg.frame import Instances
from tinyseg.masks import CropMasks
from tinyseg.predictions import FramePredictions, Predictions, read_predictions, write_predictions

CLASSES = ("car", "person")


def rectangle(x0: int, y0: int, x1: int, y1: int) -> CropMasks:
    return CropMasks.pack_pixels([(x0, y0)], [np.full((y1 - y0, x1 - x0), 255, np.uint8)])


def two_frames() -> Predictions:
    masks = CropMasks.concatenate([rectangle(1, 2, 4, 6), rectangle(8, 0, 20, 3)])
    boxes = np.array([[0.98765, 2.1, 4.0, 6.25], [8.0, 0.0, 12.0, 3.0]])
    found = Instances(boxes, masks, np.array([1, 0]), np.array([0.123456789, 1.0]))
    return Predictions(
        CLASSES,
        (
            FramePredictions("a", "a.jpg", (10, 12), found),
            FramePredictions("b", "sub/b.png", (5, 5), Instances.empty()),
        ),
    )


def assert_same(came: Predictions, sent: Predictions) -> None:
    assert came.classes == sent.classes
    for new, old in zip(came.frames, sent.frames, strict=True):
        assert (new.name, new.file_name, new.hw) == (old.name, old.file_name, old.hw)
        pixels = mask_ops.rasterise(old.instances.masks, old.hw)
        kept = np.flatnonzero(pixels.grid_hw.prod(axis=1) > 0)
        expected = old.instances.select(kept)
        np.testing.assert_array_equal(new.instances.masks.boxes, pixels.boxes[kept])
        np.testing.assert_array_equal(new.instances.masks.coverage, pixels.coverage)
        np.testing.assert_array_equal(new.instances.labels, expected.labels)
        np.testing.assert_allclose(new.instances.scores, expected.scores, rtol=0, atol=1e-6)
        np.testing.assert_allclose(new.instances.boxes, expected.boxes, rtol=0, atol=1e-3)


def test_written_predictions_come_back(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.json", two_frames())
    assert_same(read_predictions(tmp_path / "p.json"), two_frames())


def random_predictions(seed: int) -> Predictions:
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(int(rng.integers(0, 4))):
        n, hw = int(rng.integers(0, 6)), (int(rng.integers(1, 60)), int(rng.integers(1, 60)))
        low = rng.uniform(-20, 60, (n, 2))
        boxes = np.concatenate([low, low + rng.uniform(0.1, 40, (n, 2))], axis=1)
        masks = mask_ops.from_roi_grids(boxes, rng.random((n, 5, 4)).astype(np.float32))
        found = Instances(boxes, masks, rng.integers(0, 2, n), rng.random(n))
        frames.append(FramePredictions(f"frame {number} ü", f"{number}.jpg", hw, found))
    return Predictions(CLASSES, tuple(frames))


@given(st.integers(0, 2**32))
def test_soft_masks_sticking_out_come_back_as_the_frames_pixels(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    path = tmp_path_factory.mktemp("predictions") / "p.json"
    write_predictions(path, random_predictions(seed))
    assert_same(read_predictions(path), random_predictions(seed))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_the_same_pixels(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.json", two_frames())
    document = orjson.loads((tmp_path / "p.json").read_bytes())
    coco = COCO()
    coco.dataset = document
    coco.createIndex()
    assert [image["file_name"] for image in document["images"]] == ["a.jpg", "sub/b.png"]
    first, second = coco.loadAnns([1, 2])
    assert (first["category_id"], first["category_name"]) == (2, "person")
    assert first["bbox"] == pytest.approx([0.98765, 2.1, 3.01235, 4.15], abs=1e-3)
    assert (first["area"], second["area"]) == (12, 12)  # the second is cut at column 12
    decoded = coco_mask.decode(first["segmentation"])
    np.testing.assert_array_equal(decoded[2:6, 1:4], 1)
    assert decoded.sum() == 12
    assert decoded.shape == (10, 12)


def test_an_instance_without_a_pixel_in_the_frame_is_left_out(tmp_path: Path) -> None:
    masks = CropMasks.concatenate([rectangle(50, 50, 60, 60), rectangle(0, 0, 1, 1)])
    found = Instances.from_labels(masks, np.array([0, 1]))
    sent = Predictions(CLASSES, (FramePredictions("a", "a.jpg", (10, 10), found),))
    write_predictions(tmp_path / "p.json", sent)
    (frame,) = read_predictions(tmp_path / "p.json").frames
    assert frame.instances.labels.tolist() == [1]


def test_the_old_file_stays_where_the_new_one_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.json"
    path.write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=r"p\.json: cannot be written .*No space"):
        write_predictions(path, two_frames())
    assert [p.name for p in tmp_path.iterdir()] == ["p.json"]
    assert path.read_text() == "old"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_predictions(tmp_path / "none" / "p.json", two_frames())
    with pytest.raises(PredictionsError, match="cannot be read"):
        read_predictions(tmp_path / "none.json")


def test_a_name_that_is_not_text_is_refused(tmp_path: Path) -> None:
    sent = Predictions(CLASSES, (FramePredictions("\udcff", "a.jpg", (10, 10), Instances.empty()),))
    with pytest.raises(PredictionsError, match="JSON"):
        write_predictions(tmp_path / "p.json", sent)


def test_records_that_do_not_fit_are_refused() -> None:
    frame = two_frames().frames[0]
    with pytest.raises(PredictionsError, match=r"each frame name comes once \(got 'a'\)"):
        Predictions(CLASSES, (frame, frame))
    with pytest.raises(PredictionsError, match="each class name comes once"):
        Predictions(("car", "car"), ())
    with pytest.raises(PredictionsError, match=r"frame 'a': labels .* 0 \.\.\. 0"):
        Predictions(("car",), (frame,))
    turned = Instances(
        frame.instances.boxes[:, [2, 1, 0, 3]],
        frame.instances.masks,
        frame.instances.labels,
        frame.instances.scores,
    )
    with pytest.raises(PredictionsError, match="frame 'a': boxes"):
        Predictions(CLASSES, (FramePredictions("a", "a.jpg", (10, 12), turned),))


def change(*keys: str | int, to: object) -> Callable[[Any], None]:
    def apply(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return apply


def remove(*keys: str | int) -> Callable[[Any], None]:
    def apply(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return apply


def two_cars(document: Any) -> None:
    change("categories", 1, "name", to="car")(document)
    change("annotations", 0, "category_name", to="car")(document)


first = ("annotations", 0)
WRONG = {
    "no info": (remove("info"), "'info' is a JSON object .*no such key"),
    "format": (change("info", "format", to="coco"), "info: wrong format"),
    "version": (change("info", "version", to=2), "info: wrong version"),
    "no images": (remove("images"), "needs a list 'images' .*no such key"),
    "images": (change("images", to={}), "needs a list 'images' .*JSON object"),
    "an image": (change("images", 0, to=[]), r"images\[0\]: each of 'images' is a JSON object"),
    "image twice": (change("images", 1, "id", to=1), "image 1: an id occurs once"),
    "name twice": (change("images", 1, "name", to="a"), "each frame name comes once"),
    "no height": (
        remove("images", 0, "height"),
        "image 1: 'height' is a whole number .*no such key",
    ),
    "height": (change("images", 1, "height", to=0), "image 2: 'height' is a whole number from 1"),
    "huge": (change("images", 1, "height", to=2**40), "a frame has 1"),
    "width": (change("images", 0, "width", to=12.0), "image 1: 'width' is a whole number"),
    "name": (change("images", 0, "name", to=3), "image 1: 'name' is text"),
    "category id": (change("categories", 0, "id", to=[1]), r"categories\[0\]: 'id'"),
    "category twice": (change("categories", 1, "id", to=1), "category 1: an id occurs once"),
    "class twice": (two_cars, "each class name comes once"),
    "no id": (remove(*first, "id"), r"annotations\[0\]: 'id' .*no such key"),
    "id twice": (change("annotations", 1, "id", to=1), "annotation 1: an id occurs once"),
    "true id": (change(*first, "id", to=True), r"annotations\[0\]: 'id' is an id"),
    "no image": (change(*first, "image_id", to=9), "annotation 1: 'image_id' leads nowhere"),
    "no class": (change(*first, "category_id", to=3), "annotation 1: 'category_id' leads nowhere"),
    "class name": (change(*first, "category_name", to="car"), "annotation 1: 'category_name'"),
    "score high": (change(*first, "score", to=1.01), "annotation 1: 'score' lies in 0"),
    "score low": (change(*first, "score", to=-1e-9), "annotation 1: 'score' lies in 0"),
    "score null": (change(*first, "score", to=None), "annotation 1: 'score' is a number"),
    "score true": (change(*first, "score", to=True), "annotation 1: 'score' is a number"),
    "score huge": (change(*first, "score", to=1 << 60), "annotation 1: 'score' lies in 0"),
    "no bbox": (change(*first, "bbox", to={}), "annotation 1: 'bbox' is a list of 4"),
    "short bbox": (change(*first, "bbox", to=[1, 2, 3]), "annotation 1: 'bbox' is a list of 4"),
    "bbox text": (change(*first, "bbox", to=[1, 2, 3, "4"]), "annotation 1: 'bbox' is a list"),
    "bbox size": (change(*first, "bbox", to=[1, 2, -3, 4]), "annotation 1: 'bbox' is x, y"),
    "bbox far": (change(*first, "bbox", to=[1.7e308, 2, 1.7e308, 4]), "boxes are finite"),
    "area": (change(*first, "area", to=13), r"annotation 1: 'area'.*expected 12, got 13"),
    "segmentation": (change(*first, "segmentation", to=[[1, 2]]), "annotation 1: polygon 0"),
    "size": (
        change(*first, "segmentation", "size", to=[12, 10]),
        "annotation 1: a run-length code has its",
    ),
    "counts": (change("annotations", 1, "segmentation", "counts", to="~"), "annotation 2: byte 0"),
    "cut counts": (change(*first, "segmentation", "counts", to="0"), "annotation 1: run lengths"),
    "list counts": (change(*first, "segmentation", "counts", to=[1]), "annotation 1: run lengths"),
    "no pixel": (change(*first, "segmentation", "counts", to="h3"), "annotation 1: .* one pixel"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_with_file_item_and_rule(tmp_path: Path, name: str) -> None:
    path = tmp_path / "p.json"
    write_predictions(path, two_frames())
    document = orjson.loads(path.read_bytes())
    spoil, message = WRONG[name]
    spoil(document)
    path.write_bytes(orjson.dumps(document))
    with pytest.raises(PredictionsError, match=message) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"a": NaN}', "[" * 100_000, "\xff"])
def test_what_is_not_a_json_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(text.encode("latin-1"))
    rule = r"p\.json: (.*is not JSON|a predictions file|'info' is)"
    with pytest.raises(PredictionsError, match=rule):
        read_predictions(path)


@given(data=st.data())
def test_any_change_of_a_byte_gives_predictions_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("spoilt") / "p.json"
    write_predictions(path, two_frames())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with contextlib.suppress(PredictionsError):
        assert len(read_predictions(path).frames) == 2


def test_masks_may_not_unpack_without_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyseg.predictions.MAX_TOTAL_COVERAGE_BYTES", 20)
    write_predictions(tmp_path / "p.json", two_frames())
    with pytest.raises(PredictionsError, match="image 1: the masks of a file may take 20 bytes"):
        read_predictions(tmp_path / "p.json")
