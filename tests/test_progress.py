"""Bars of long work: one for each stage that has something to do."""

from io import StringIO

import pytest
from rich.console import Console

from tinyseg import progress
from tinyseg.watch import Watch


@pytest.mark.parametrize(
    ("total", "done", "shown"),
    [(0, 0, ""), (2, 0, "0/2"), (2, 2, "2/2"), (0, 3, "3/0")],  # a download of unknown size
)
def test_a_stage_has_a_bar_if_there_is_something_to_do(
    total: int, done: int, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = StringIO()
    monkeypatch.setattr(progress, "console", Console(file=said, width=100))
    with Watch(on_progress=progress.show_progress).stage("reading", total) as stage:
        for _ in range(done):
            stage.advance()
    assert (shown in said.getvalue()) if shown else not said.getvalue().strip()
