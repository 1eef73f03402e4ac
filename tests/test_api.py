"""The door for Python: load, a model, and what it gives back."""

import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask

import tinyseg
from tinyseg.api import Model, as_image, load
from tinyseg.detections import Detections
from tinyseg.errors import DataError, ImageError, TinysegError
from tinyseg.frame import Instances
from tinyseg.image import read_image, write_png
from tinyseg.masks import CropMasks
from tinyseg.predict import Predictor, load_member
from tinyseg.predictions import read_predictions
from tinyseg.scenes import write_wad
from tinyseg.stored import own_weights
from tinyseg.views import FrameInfo, Planned, Whole
from tinyseg.views.focus import PRIOR_USED


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    write_wad(folder, count=1, seed=3, height=360, width=480)
    (made,) = (folder / "train_color").iterdir()
    return made


@pytest.fixture(scope="module")
def model() -> Model:
    return load(plan="whole")


def found_on(hw: tuple[int, int] = (20, 30)) -> Detections:
    grids = [np.full((4, 6), 255, np.uint8), np.full((2, 2), 255, np.uint8)]
    masks = CropMasks.pack_pixels([(1, 2), (10, 12)], grids)
    instances = Instances(masks.boxes, masks, np.array([1, 0]), np.array([0.9, 0.2]))
    image = np.zeros((*hw, 3), np.uint8)
    return Detections(instances, ("car", "person"), hw, "a.png", image)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, tinyseg; tinyseg.__version__; "
        "heavy = "
        "{'torch', 'cv2', 'numpy', 'pydantic', 'PIL'} & set(sys.modules); assert not heavy, heavy; "
        "assert set(tinyseg.__all__) <= set(dir(tinyseg))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there_and_no_other() -> None:
    for name in tinyseg.__all__:
        assert getattr(tinyseg, name) is not None
    with pytest.raises(AttributeError, match="No tinyseg attribute lod"):
        _ = getattr(tinyseg, "lod")  # noqa: B009 - which a type checker would refuse


def test_a_picture_is_the_same_in_every_form(model: Model, photo: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = read_image(photo)
        forms = [photo, str(photo), photo.read_bytes(), image, Image.open(photo)]
        first, *others = model(forms)
        assert isinstance(first, Detections)
        assert first.name == photo.name
        assert first.hw == image.shape[:2]
        assert len(first) > 0
        for other in others[:3]:
            np.testing.assert_array_equal(other.boxes, first.boxes)
            np.testing.assert_array_equal(other.scores, first.scores)
        alone = model(photo, min_score=float(np.median(first.scores)))
    assert isinstance(alone, Detections)
    assert 0 < len(alone) < len(first)


def test_a_prior_that_goes_unused_is_a_warning(photo: Path) -> None:
    focused = load(budget_mp=3.0)
    with pytest.warns(UserWarning, match="prior"):
        focused(read_image(photo))


def test_a_prior_that_is_used_is_no_warning(photo: Path) -> None:
    class Used:
        def remarks(self, info: object) -> tuple[str, ...]:
            return (f"{PRIOR_USED} 5 is used, learned on 11 frames",)

        def first(self, info: FrameInfo) -> list[Planned]:
            return Whole(96, 128).first(info)

        def then(self, info: object, found: object) -> list[Planned]:
            return []

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Model(Predictor([load_member(own_weights())], Used(), device=torch.device("cpu")))(photo)


def test_pictures_held_sideways_are_turned() -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    held = Image.fromarray(pixels)
    held.getexif()[0x0112] = 6
    stored = io.BytesIO()
    held.save(stored, "PNG", exif=held.getexif())
    wanted = np.rot90(pixels, -1)
    for picture in (stored.getvalue(), Image.open(io.BytesIO(stored.getvalue()))):
        np.testing.assert_array_equal(as_image(picture)[1], wanted)


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (b"", "empty"),
        (b"no picture at all", "picture"),
        (7, "a path, bytes, an RGB array or a PIL image"),
        (np.zeros((4, 4, 4), np.uint8), "red first"),
        (np.zeros((4, 4, 3)), "float64"),
        (np.zeros((0, 4, 3), np.uint8), "one pixel"),
        ("no/such/file.jpg", "no/such/file.jpg"),
    ],
)
def test_what_is_no_picture_is_refused(picture: object, told: str) -> None:
    with pytest.raises(TinysegError, match=told):
        as_image(picture)


def test_a_grey_array_is_a_picture() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    name, image = as_image(grey)
    assert name == "picture"
    np.testing.assert_array_equal(image, np.stack([grey] * 3, axis=2))


def test_detections_are_counted_taken_and_named() -> None:
    found = found_on()
    assert len(found) == 2
    assert found.class_names == ["person", "car"]
    assert repr(found) == "Detections('a.png', 1 car, 1 person)"
    assert found.areas.tolist() == [24, 4]
    assert found[0].class_names == ["person"]
    assert found[-1].class_names == ["car"]
    assert found[::-1].scores.tolist() == [0.2, 0.9]
    assert found[np.array([True, False])].scores.tolist() == [0.9]
    assert found[np.array([1, 0])].labels.tolist() == [0, 1]
    assert [one.class_names[0] for one in found] == ["person", "car"]
    assert found.above(0.5).class_names == ["person"]
    assert len(found.of("car")) == 1
    with pytest.raises(DataError, match="no such class"):
        found.of("cat")
    with pytest.raises(IndexError):
        found[2]


def test_a_bitmap_is_the_picture_sized_mask() -> None:
    bitmap = found_on().bitmap(0)
    assert bitmap.shape == (20, 30)
    assert bitmap[2:6, 1:7].all()
    assert bitmap.sum() == 24


def test_coco_rows_are_pycocotools_own() -> None:
    rows = found_on().to_coco(image_id=7)
    assert [row["category_id"] for row in rows] == [2, 1]
    assert rows[0]["image_id"] == 7
    assert rows[0]["bbox"] == [1, 2, 6, 4]
    orjson.dumps(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bitmap = coco_mask.decode(rows[0]["segmentation"])
    np.testing.assert_array_equal(bitmap, found_on().bitmap(0))


def test_detections_are_saved_by_the_ending(tmp_path: Path) -> None:
    found = found_on()
    found.save(tmp_path / "a.json")
    (frame,) = read_predictions(tmp_path / "a.json").frames
    np.testing.assert_array_equal(frame.instances.boxes, found.boxes)
    found.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == found.plot().shape
    found.save(tmp_path / "a.jpg")
    found.to_labelme(tmp_path / "label.json")
    assert b"person" in (tmp_path / "label.json").read_bytes()
    with pytest.raises(DataError, match="ending"):
        found.save(tmp_path / "a.txt")
    with pytest.raises(DataError, match="only the size"):
        Detections(found.instances, found.names, found.hw).plot()


def test_a_table_has_a_row_an_instance() -> None:
    pandas = pytest.importorskip("pandas", reason="the package pandas is not installed")
    table = found_on().to_dataframe()
    assert isinstance(table, pandas.DataFrame)
    assert table["class"].tolist() == ["person", "car"]
    assert table["area"].tolist() == [24, 4]


def test_models_and_plans_by_name(tmp_path: Path) -> None:
    assert "car" in load(plan="whole").names
    with pytest.raises(TinysegError, match="no plan of this name"):
        load(plan="hole")
    with pytest.raises(TinysegError, match="no such weights"):
        load("no-such-run")
    write_png(tmp_path / "broken.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes((tmp_path / "broken.png").read_bytes()[:40])
    with pytest.raises(ImageError, match=r"broken\.png"):
        load(plan="whole")(tmp_path / "broken.png")
