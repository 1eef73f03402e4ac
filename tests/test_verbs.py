"""The command line's own rules: options with one meaning and an effect, completion, old names."""

import inspect
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import get_args

import pytest
from typer.testing import CliRunner

import tinyseg
from tinyseg.cli import GONE, VERBS, app, load_verb
from tinyseg.cli.common import hw_of
from tinyseg.data import Place
from tinyseg.errors import DataError, RecipeError, TinysegError
from tinyseg.predict import choose_plan
from tinyseg.recipes import Predict
from tinyseg.scenes import write_wad
from tinyseg.tasks import RunFile, TrainingSet
from tinyseg.watch import OnError


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small scenes in the WAD's layout."""
    out = tmp_path_factory.mktemp("scenes")
    write_wad(out, count=2, seed=1, height=256, width=320, zoom=4.0)
    return out


def refused(*words: object) -> str:
    """What the error of a call says."""
    ended = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(ended.exception, TinysegError), ended.output
    return str(ended.exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train --resume RUN --recipe lite", "got --recipe"),
        ("train --resume RUN --on-error skip --format wad", "got --format, --on-error"),
        ("train --data D --out o --val-images d", "--val-images: the option has no effect"),
        ("train --data D --data D --out o --val-list l", "--val-list: the option has no effect"),
        ("train --data D --data D --out o --zoom 1", "--view-zoom: one for each --data"),
        ("doctor D --val-images d", "--val-images: the option has no effect"),
        ("show --data D --out o --budget 4MP", "frames of --data are shown, or pictures with"),
        ("show a.jpg --out o", "frames of --data are shown, or pictures with"),
        ("show a.jpg --plan whole --count 3 --out o", "--frames: the option has no effect"),
        ("submit --check c.csv --min-score 0.1", "--min-score: the option has no effect"),
        ("submit found --out s.csv --json j", "--json: the option has no effect"),
        ("predict D --workers 3", "--workers: the option has no effect"),
        ("predict D --cluster local --out o --on-error skip", "--on-error: on a cluster"),
        ("predict D --plan whole --tile 640", "tile: a tile's side belongs to the plan tiles"),
        ("evaluate f --data D --seed 0", "--seed: the option has no effect"),
        ("evaluate f --data D --bucket a=1:2", "--bucket: the option has no effect"),
        ("convert D --out o --to yolo --polygons", "polygons"),
    ],
)
def test_options_without_effect_are_refused(
    words: str, said: str, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [
        str(scenes / "train_color" if w == "D" and "predict" in words else scenes)
        if w == "D"
        else w
        for w in words.split()
    ]
    assert said in refused(*given)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_the_data_set_itself_may_be_judged(scenes: Path, tmp_path: Path) -> None:
    """--val-list without --val, as doctor has it: here it is the frames that are learnt from."""
    listed = tmp_path / "list.txt"
    listed.write_text((scenes / "train.txt").read_text().split()[0])
    words = ("--data", scenes, "--val-list", listed, "--out", tmp_path / "run")
    assert "1 of 1" in refused("train", *words, "--set", "sampling.view=64")


def test_a_tile_belongs_to_tiles() -> None:
    assert choose_plan(Predict(), tile=96) == choose_plan(Predict(), plan="tiles", tile=96)
    with pytest.raises(RecipeError, match="tile: a tile's side belongs to the plan tiles"):
        choose_plan(Predict(), plan="focus", tile=96)


@pytest.mark.parametrize("text", ["640", "640x", "ax64", "640x-3", "640x32", "64x64x64", ""])
def test_one_parser_of_sizes(text: str) -> None:
    assert hw_of("640X480", least=64) == (480, 640)
    with pytest.raises(DataError, match="--size: a size is WIDTHxHEIGHT, at least 64x64"):
        hw_of(text, least=64)


def test_what_a_run_was_told_comes_back(tmp_path: Path) -> None:
    one = TrainingSet(Place(Path("/a"), Path("/l.txt"), "wad", labelled="car"), 0.8, 0.5)
    told = RunFile.of([one, "/b"], val=Place(Path("/v"), split="val"), init="imagenet")
    told.write(tmp_path)
    assert RunFile.read(tmp_path) == told
    assert told.data[1] == TrainingSet(Place(Path("/b")))


def test_a_run_of_the_version_before_goes_on(tmp_path: Path) -> None:
    """run.json had a list for each option."""
    old = {
        "data": ["/a", "/b"], "lists": ["/l.txt", "/m.txt"], "splits": [], "labelled": [],
        "images": [], "shares": [0.8, 0.2], "zooms": [], "format": "coco", "val": "/v",
        "val_list": None, "val_split": "val", "val_images": "/p", "on_error": "skip", "init": None,
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(old))
    told = RunFile.read(tmp_path)
    first, second = told.data
    assert first == TrainingSet(Place(Path("/a"), Path("/l.txt"), "coco"), 0.8)
    assert second == TrainingSet(Place(Path("/b"), Path("/m.txt"), "coco"), 0.2)
    assert told.val == Place(Path("/v"), None, "coco", "val", Path("/p"))
    assert (told.on_error, told.init) == (OnError.skip, None)


def test_a_dry_run_counts_and_writes_nothing(scenes: Path, tmp_path: Path) -> None:
    words = ["train", "--dry-run", "--data", str(scenes), "--out", str(tmp_path / "run")]
    ended = CliRunner().invoke(app, [*words, "--set", "sampling.view=64"])
    assert ended.exit_code == 0, ended.output
    for said in ("frames counted", "2 of 2", "activations kept", "proposal head", "2 frames\n"):
        assert said in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_one() -> None:
    said = CliRunner().invoke(app, ["--version"]).stdout
    assert said == f"tinyseg {tinyseg.__version__}\n"


@pytest.mark.parametrize(
    ("words", "there"),
    [("tinyseg tr", ["train"]), ("tinyseg train --re", ["--resume", "--recipe"])],
)
def test_shells_complete_verbs_and_options(words: str, there: list[str]) -> None:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    variables = {**os.environ, "_TINYSEG_COMPLETE": "complete_bash", **asked}
    code = "from tinyseg.cli import main; import sys; sys.argv = ['tinyseg']; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True
    )
    assert done.stdout.split() == there, done.stderr


def test_old_names_are_gone_and_say_what_takes_their_place() -> None:
    assert not set(GONE) & set(VERBS)
    for name, call in GONE.items():
        assert call in refused(name, "x")
        verb = call.split()[1]
        assert verb in VERBS or name == "ablate"


def test_options_of_one_name_take_one_kind_of_value() -> None:
    """One value, or in train one for each data set; predict's folder may be an address."""
    kinds: dict[str, set[object]] = {}
    for verb in VERBS:
        function = getattr(import_module(f"tinyseg.cli.{VERBS[verb][0]}"), verb)
        parameters = inspect.signature(function, eval_str=True).parameters
        for option in load_verb(verb).params:
            kind = get_args(parameters[option.name].annotation)[0]
            inner = [one for one in get_args(kind) if one is not NoneType] or [kind]
            kinds.setdefault(option.opts[0], set()).add((get_args(inner[0]) or inner)[0])
    mixed = {name for name, own in kinds.items() if len(own) > 1 and name[0] == "-"}
    assert mixed == {"--out"}
    assert len(kinds) > 60
