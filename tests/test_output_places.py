"""Where results go: a place that cannot be written is told in one line, by every verb alike."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinyseg.errors import OutputError
from tinyseg.files import check_folder, check_output, make_folder, write_whole

VERBS = """
import os, sys
from tinyseg.cli import main
for words in sys.argv[2:]:
    sys.argv = ["tinyseg", *words.split()]
    try:
        main()
    except SystemExit as end:
        print("status", end.code, flush=True)
"""

WORDS = {
    "synth": "synth --out {place}/s --count 1 --size 64x64",
    "show": "show --data {data} --out {place}/new",
    "views": "show {data}/train_color/synth_000000_Camera_5.jpg --plan tiles --out {place}/v",
    "report": "report {found} --data {data} --out {place}/r.html",
    "evaluate": "evaluate {found} --data {data} --json {place}/e.json",
    "against": "evaluate {found} --against {found} --data {data} --json {place}/c.json",
    "doctor": "doctor {data} --json {place}/d.json",
    "export": "export {data} --out {place}/w.safetensors",
    "convert": "convert {data} --to coco --out {place}/c",
    "predict": "predict {data}/train_color --out {place}/p",
    "ensemble": "predict {data}/train_color --out p --save-ensemble {place}/e.yaml",
    "submit": "submit {found} --out {place}/s.csv",
    "check": "submit --check {data}/s.csv --json {place}/s.json",
    "calibrate": "calibrate {found} --data {data} --out {place}/c.json",
    "prior": "export --learn-prior --data {data} --out {place}/p.json",
    "train": "train --data {data} --out {place}/run",
}
"""A call of each verb that writes, which ends before it has read its data."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set and predictions as they need not be read, a folder that is closed, and a file."""
    from tinyseg.scenes import write_wad

    root = tmp_path_factory.mktemp("places")
    write_wad(root / "data", count=1, seed=1, height=64, width=96)
    (root / "file").write_text("")
    (root / "closed").mkdir(mode=0o555)
    return root


PLACES = {"closed": "Permission denied", "file": "Not a directory"}


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, list[str]]:
    """What each call says of each place, one line each; as a user without a superuser's rights."""
    calls = [
        words.format(place=place, data=folder / "data", found=folder / "found")
        for place in PLACES
        for words in WORDS.values()
    ]
    command = [sys.executable, "-c", VERBS, "-", *calls]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("a superuser may write everywhere, and setpriv is not there")
        command = [setpriv, "--bounding-set", "-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout.split("\n")[:-1] == ["status 2"] * len(calls), done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == len(calls), done.stderr
    return {
        place: lines[row * len(WORDS) : (row + 1) * len(WORDS)] for row, place in enumerate(PLACES)
    }


@pytest.mark.parametrize("place", PLACES)
def test_every_verb_says_in_one_line_what_cannot_be_written(
    told: dict[str, list[str]], place: str
) -> None:
    for name, line in zip(WORDS, told[place], strict=True):
        assert line.startswith(f"error: {place}/"), (name, line)
        assert line.endswith(f": cannot be written (got {PLACES[place]})"), (name, line)


def test_a_missing_parent_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file or directory"):
        check_output(tmp_path / "no/x.json")
    with pytest.raises(OutputError, match="Is a directory"):
        check_output(tmp_path)
    check_output(tmp_path / "x.json", None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    check_folder(tmp_path / "a/b/c")
    assert list(tmp_path.iterdir()) == []
    assert make_folder(tmp_path / "a/b/c").is_dir()
    write_whole(tmp_path / "a/b/f", b"1")
    for make in (make_folder, check_folder):
        with pytest.raises(OutputError, match=r"f/x: cannot be written \(got Not a directory\)"):
            make(tmp_path / "a/b/f/x")
        with pytest.raises(OutputError, match=r"f: cannot be written \(got Not a directory\)"):
            make(tmp_path / "a/b/f")
    assert sorted(path.name for path in (tmp_path / "a/b").iterdir()) == ["c", "f"]
