"""Progress for long work: a bar with a rate and the time left."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from tinyseg.watch import Progress as Watched

console = Console(stderr=True, soft_wrap=True)
"""Where everything that is not a result goes."""


class RateColumn(ProgressColumn):
    """Finished units a second."""

    def render(self, task: Task) -> Text:
        """The rate, once there is one."""
        return Text("" if task.speed is None else f"{task.speed:.2f}/s", style="cyan")


class Bar:
    """One running piece of work."""

    def __init__(self, progress: Progress, title: str, total: int) -> None:
        self._progress, self._task = progress, progress.add_task(title, total=total, note="")

    def advance(self, note: str = "", count: int = 1) -> None:
        """So many units more are done."""
        self._progress.update(self._task, advance=count, note=note)


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Bar]:
    """A bar for `total` units of work, gone from the screen's live part at the end."""
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")  # what a narrow screen cuts first
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim", table_column=rest),
    )
    with Progress(*columns, console=console, refresh_per_second=4, expand=True) as progress:
        yield Bar(progress, title, total)


class _Bars:
    """A bar for the running stage of a task; called with how far that is."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[AbstractContextManager[Bar], Bar]] = {}

    def __call__(self, at: Watched) -> None:
        """Start, move or end the stage's bar; of nothing to do there is none."""
        if at.over:
            if at.stage in self._open:
                self._open.pop(at.stage)[0].__exit__(None, None, None)
            return
        if at.stage not in self._open and (at.total or at.done):
            manager = progress_bar(at.stage, at.total)
            self._open[at.stage] = manager, manager.__enter__()
        if at.done:
            self._open[at.stage][1].advance(at.note)


show_progress = _Bars()
"""What the verbs give to tasks as `on_progress`."""
