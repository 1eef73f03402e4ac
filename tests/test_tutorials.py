"""The tutorials' commands and code run as they stand, on small made data."""

import importlib
import itertools
import pickle
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from _tiny_network import network
from typer.testing import CliRunner

import tinyseg
from tinyseg.cli import app
from tinyseg.data import FORMATS, open_data
from tinyseg.data.dataset import Format
from tinyseg.doctor.kinds import Severity
from tinyseg.errors import DataError
from tinyseg.image import write_png
from tinyseg.networks import save_weights
from tinyseg.recipes import find_recipe, with_settings
from tinyseg.scenes import write_wad

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Tutorial:
    """A page, what it takes for granted, what makes its commands small (options by verb, or a text
    by another), and files that are there at its end."""

    page: str
    prepare: Callable[[Path], None]
    smaller: dict[str, str] = field(default_factory=dict)
    made: tuple[str, ...] = ()


def scenes(folder: Path, count: int = 2) -> list[Path]:
    write_wad(folder, count=count, seed=3, height=192, width=256, zoom=4.0)
    return sorted((folder / "train_color").iterdir())


def two_scenes(root: Path) -> None:
    scenes(root / "scenes")


def photo(root: Path) -> None:
    shutil.copy(scenes(root / "made", 1)[0], root / "photo.jpg")


def drive(root: Path) -> None:
    (root / "drive").mkdir()
    writer = cv2.VideoWriter(
        str(root / "drive/morning.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 5, (128, 96)
    )
    for index in range(2):
        writer.write(np.full((96, 128, 3), 60 * index, np.uint8))
    writer.release()


def ensemble(root: Path) -> None:
    (root / "frames").mkdir()
    for picture in scenes(root / "labelled", 1):
        shutil.copy(picture, root / "frames")
        shutil.copy(picture, root / "photo.jpg")
    for seed, name in enumerate("ab"):
        detector, recipe = network(seed)
        (root / f"runs/{name}").mkdir(parents=True)
        save_weights(root / f"runs/{name}/weights.safetensors", detector, recipe)


ONE_STEP = (
    "--set train.steps=1 --set train.batch=1 --set train.mixed=false --set sampling.view=64 "
    "--set sampling.sources=native_tiles --set predict.short_side=96 "
    "--set predict.longest_side=128 --set predict.min_score=0.2 --set predict.detections=20"
)
SMALL_SCENES = "--frames 1 --size 256x192 --zoom 4"

TUTORIALS = [
    Tutorial("docs/start.md", photo, made=("found/photo_overlay.jpg", "found.json", "found.jpg")),
    Tutorial("docs/concepts.md", photo),
    Tutorial(
        "docs/dashcam.md",
        drive,
        {"predict": "--budget 2MP"},
        made=("found/morning_000001_overlay.jpg", "found-quick/frames/morning_000000.json"),
    ),
    Tutorial(
        "docs/ensembles.md",
        ensemble,
        {"evaluate": "--resamples 10", "--scales 600,900": "--scales 160,240"},
        made=("both.yaml", "found-again/predictions.json"),
    ),
    Tutorial(
        "docs/challenge.md",
        lambda root: None,
        {
            "synth": SMALL_SCENES,
            "train": ONE_STEP,
            "predict": "--budget 1MP",
            "submit": "--size 256x192",
        },
        made=("submission.csv", "runs/wad/weights.safetensors"),
    ),
    Tutorial(
        "CONTRIBUTING.md",
        two_scenes,
        {"train": ONE_STEP},
        made=("runs/b/weights.safetensors",),
    ),
]


def blocks(page: str) -> list[tuple[str, str]]:
    """The page's shell and Python blocks in order."""
    return re.findall(r"```(sh|python)\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)


def run_line(line: str, smaller: dict[str, str]) -> None:
    for old, new in smaller.items():
        line = line.replace(old, new) if old.startswith("--") else line
    words = shlex.split(line, comments=True)
    if words[:1] != ["tinyseg"] or words[1:] == ["--version"]:
        return
    words += smaller.get(words[1], "").split()
    result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
    assert result.exit_code == 0, f"{line}: {result.output}"


@pytest.mark.filterwarnings("default::UserWarning")  # remarks of a plan without a prior
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda tutorial: Path(tutorial.page).stem)
def test_it_runs_as_it_stands(
    tutorial: Tutorial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutorial.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = blocks(tutorial.page)
    assert found
    for language, text in found:
        if language == "sh":
            for line in text.splitlines():
                run_line(line, tutorial.smaller)
        else:
            exec(compile(text, tutorial.page, "exec"), {})
    missing = [name for name in tutorial.made if not (tmp_path / name).exists()]
    assert missing == []


def test_the_new_format_of_the_page_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, code),) = blocks("docs/new-format.md")
    (tmp_path / "csv_boxes.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("csv_boxes")
    own = Format(module.fits, module.find, module.LAYOUT, module.class_ids)
    monkeypatch.setitem(FORMATS, "csv", own)
    data = tmp_path / "data"
    data.mkdir()
    for name in ("0001.png", "0002.png"):
        write_png(data / name, np.full((48, 64, 3), 90, np.uint8))
    rows = ["0001.png,car,10,20,42,38", "0001.png,bolt,1,1,5,5", "0002.png,car,3,3,nan,9"]
    (data / "labels.csv").write_text("\n".join(["picture,class,x0,y0,x1,y1", *rows]) + "\n")
    opened = open_data(data, classes=("car",))
    assert (opened.format, len(opened.items)) == ("csv", 2)
    labels = pickle.loads(pickle.dumps(opened.items[0])).read_labels()
    assert labels.instances.boxes.tolist() == [[10, 20, 42, 38]]
    assert labels.left_out == ("bolt",)
    with pytest.raises(DataError, match="object 0"):
        opened.items[1].read_labels()
    findings = tinyseg.examine(data, classes=("car",))
    assert any(group.kind.severity is Severity.error for group in findings.groups)


def test_the_recipes_page_sets_keys_that_exist() -> None:
    ((_, line),) = blocks("docs/recipes.md")
    words = shlex.split(line)
    settings = [value for name, value in itertools.pairwise(words) if name == "--set"]
    recipe = with_settings(find_recipe("lite"), settings)
    assert recipe.network.context_attention
    assert recipe.train.steps == 500


def test_every_page_with_code_is_run_somewhere() -> None:
    run = {tutorial.page for tutorial in TUTORIALS} | {"docs/new-format.md", "docs/recipes.md"}
    elsewhere = {"docs/your-own-data.md", "docs/from-sahi.md"}  # test_own_data, test_adapters
    needs_more = {"docs/at-scale.md", "docs/serving.md", "docs/other-runtimes.md"}  # services
    pages = [*(ROOT / "docs").glob("*.md")]
    code = {f"docs/{page.name}" for page in pages if blocks(f"docs/{page.name}")}
    assert code - run - elsewhere - needs_more == set()
