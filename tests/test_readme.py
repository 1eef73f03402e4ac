"""What the README tells a reader to type runs as it stands, its Python with nothing imported."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.image import read_image
from tinyseg.scenes import write_wad

README = Path(__file__).parents[1] / "README.md"

SMALLER = {
    "synth": "--frames 2 --size 320x256 --zoom 4",
    "train": "--set train.steps=1 --set train.batch=1 --set sampling.view=64 "
    "--set train.mixed=false --set predict.short_side=256 --set predict.min_score=0.2 "
    "--set predict.detections=20",
    "predict": "--budget 1MP",
    "evaluate": "--resamples 10",
    "report": "--resamples 10",
}
"""Options after the README's own, which they replace: fewer and smaller scenes, one step."""


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), flags=re.DOTALL)


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [words for line in lines if (words := shlex.split(line, comments=True))]
    assert [words[1] for words in commands][:3] == ["synth", "doctor", "train"]
    for words in commands:
        assert words[0] == "tinyseg"
        words += SMALLER.get(words[1], "").split()
        result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert result.exit_code == 0, f"{shlex.join(words)}: {result.output}"
    assert Path("report.html").stat().st_size > 10_000


def test_the_python_code_runs_in_a_fresh_interpreter(tmp_path: Path) -> None:
    write_wad(tmp_path / "scenes", count=1, seed=3, height=256, width=320)
    (photo,) = (tmp_path / "scenes/train_color").iterdir()
    photo.rename(tmp_path / "photo.jpg")
    assert blocks("python")
    for code in blocks("python"):
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert min(read_image(tmp_path / "found.jpg").shape[:2]) > 200


def test_the_make_targets_exist() -> None:
    makefile = (README.parent / "Makefile").read_text()
    targets = re.findall(r"`make (\S+)`", README.read_text())
    assert {"docs", "demo", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_pictures_are_there_and_readable() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README.read_text())
    assert len(pictures) == 3
    for name in pictures:
        file = README.parent / name
        if file.suffix == ".svg":
            assert "<svg" in file.read_text()[:400]
        else:
            assert min(read_image(file).shape[:2]) > 200


def test_it_is_one_screen_without_long_lines() -> None:
    text = README.read_text()
    assert len(text.splitlines()) < 95
    assert len(text) < 6_000
    prose = [line for line in text.splitlines() if not line.startswith("|")]
    assert max(map(len, prose)) < 170
