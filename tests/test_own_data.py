"""The page on own data: its commands run as they stand, on made data with classes of its own."""

import json
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from _tiny_network import TINY
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.cli.common import class_names
from tinyseg.data import Place
from tinyseg.image import write_jpeg
from tinyseg.labels import WAD_CLASSES, judged_classes
from tinyseg.predictions import read_predictions
from tinyseg.stored import read_recipe
from tinyseg.tasks.opening import class_list

PAGE = Path(__file__).parents[1] / "docs/your-own-data.md"

SMALLER = {
    "train": "--set train.steps=1 --set train.batch=1 --set sampling.view=64 "
    "--set predict.short_side=96 --set predict.longest_side=128 "
    "--set predict.min_score=0.2 --set predict.detections=20"
    + "".join(f" --set '{setting}'" for setting in TINY),
    "export": "--set predict.budget_mp=1",
    "report": "--resamples 10",
}
"""Options after the page's own: a tiny network, one step, one closer look."""


def made_split(root: Path, split: str, first: int, count: int) -> None:
    """Bright discs (bolt, id 1) and dark squares (nut, id 7) on noise."""
    rng = np.random.default_rng(first)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    (root / split).mkdir(parents=True)
    for number in range(first, first + count):
        image = rng.integers(90, 130, (96, 128, 3)).astype(np.uint8)
        x, y = (int(v) for v in rng.integers(10, 40, 2))
        cv2.circle(image, (x, y), 8, (240, 240, 200), -1)
        image[50:64, 70:90] = 10
        name = f"{number:04d}.jpg"
        write_jpeg(root / split / name, image)
        images.append({"id": number, "file_name": name, "width": 128, "height": 96})
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        disc = np.stack([x + 0.5 + 8.5 * np.cos(angles), y + 0.5 + 8.5 * np.sin(angles)], axis=1)
        shapes = [(1, disc.round(2).ravel().tolist()), (7, [70, 50, 90, 50, 90, 64, 70, 64])]
        for category, shape in shapes:
            row = {"id": len(annotations) + 1, "image_id": number, "category_id": category}
            annotations.append({**row, "iscrowd": 0, "segmentation": [shape]})
    categories = [{"id": 1, "name": "bolt"}, {"id": 7, "name": "nut"}]
    document = {"images": images, "categories": categories, "annotations": annotations}
    (root / "annotations").mkdir(exist_ok=True)
    (root / f"annotations/instances_{split}.json").write_text(json.dumps(document))


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made_split(tmp_path / "parts", "train", 1, 4)
    made_split(tmp_path / "parts", "val", 101, 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "parts"


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_the_pages_commands_run(parts: Path) -> None:
    verbs = [shlex.split(line)[1] for line in commands()]
    assert {"doctor", "show", "train", "predict", "evaluate", "report", "export"} <= set(verbs)
    for line in commands():
        words = shlex.split(line)
        words += shlex.split(SMALLER.get(words[1], ""))
        result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert result.exit_code == 0, f"{line}: {result.output}"
    assert read_recipe(Path("runs/parts")).classes == ("bolt", "nut")
    assert read_predictions(Path("found/predictions.json")).classes == ("bolt", "nut")
    scores = json.loads(Path("scores.json").read_text())
    assert [row["name"] for row in scores["classes"]] == ["bolt", "nut"]
    assert Path("report.html").stat().st_size > 10_000
    assert Path("found-2/0101_masks.png").is_file()
    assert len(list(Path("seen").glob("*_overlay.jpg"))) == 4


def test_the_json_on_the_page_is_json() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert set(json.loads(text)) == {"images", "categories", "annotations"}


def test_classes_come_from_the_option(parts: Path) -> None:
    both = [parts / "annotations/instances_train.json", parts / "annotations/instances_val.json"]
    places = [Place(path) for path in both]
    assert class_list(class_names(None), places) is None
    assert class_list(class_names("data"), places) == ("bolt", "nut")
    assert class_list(class_names(" nut, bolt"), places) == ("nut", "bolt")
    assert judged_classes(["car", "pedestrian"]) == WAD_CLASSES
    assert judged_classes(["car", "bolt"]) == ("car", "bolt")
