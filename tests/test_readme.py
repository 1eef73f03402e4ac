"""What the README tells a reader to type runs as it stands."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tinyseg.cli import app
from tinyseg.image import read_image

README = Path(__file__).parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    """The README's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), flags=re.DOTALL)


SMALLER = {
    "synth": "--count 2 --size 320x256 --zoom 4",
    "submit": "--size 320x256",
    "train": "--set train.steps=1 --set sampling.view=64 --set predict.short_side=256",
}
"""Options after the README's own, which they replace: fewer and smaller scenes, one step."""


def test_the_commands_and_the_code_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [line for line in blocks("sh")[1].splitlines() if line]
    assert [shlex.split(line)[1] for line in commands][:2] == ["synth", "train"]
    for line in commands:
        words = shlex.split(line)
        words += SMALLER.get(words[1], "").split()
        result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert result.exit_code == 0, f"{line}: {result.output}"
    names: dict[str, object] = {}
    exec(compile(blocks("python")[0], "README.md", "exec"), names)
    assert "found" in names


def test_the_make_targets_exist() -> None:
    makefile = (README.parent / "Makefile").read_text()
    for line in blocks("sh")[0].splitlines():
        target = line.split()[1]
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_pictures_are_there_and_readable() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README.read_text())
    assert pictures
    for name in pictures:
        assert min(read_image(README.parent / name).shape[:2]) > 200


def test_it_is_short() -> None:
    assert len(README.read_text().splitlines()) < 150
