"""Progress, remarks and bad input of long work.

In: callbacks of a caller, or none. Out: a Watch, which the functions of tasks/ pass on.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from tinyseg.errors import TinysegError

SHOWN_REASONS = 5
MEGA = 1_000_000


class OnError(StrEnum):
    """What to do with a frame that cannot be read."""

    stop = "stop"
    skip = "skip"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage of long work is: `done` of `total` units, the last of which was `note`.

    `over` is true once for each stage, at its end, after an error too.
    """

    stage: str
    done: int
    total: int
    note: str = ""
    over: bool = False


OnProgress = Callable[[Progress], None]
OnRemark = Callable[[str], None]


class Stage:
    """One running stage."""

    def __init__(self, title: str, total: int, on_progress: OnProgress) -> None:
        self._at, self._call = Progress(title, 0, total), on_progress
        on_progress(self._at)

    @property
    def done(self) -> int:
        """Finished units."""
        return self._at.done

    def advance(self, note: str = "", *, over: bool = False) -> None:
        """One unit is done; or, with `over`, the stage."""
        old = self._at
        done = old.done if over else old.done + 1
        self._at = Progress(old.stage, done, old.total, note, over)
        self._call(self._at)


def warn(text: str) -> None:
    """A remark as a Python warning: what is done with it where nobody else wants it."""
    warnings.warn(text, stacklevel=3)


@dataclass(frozen=True, slots=True)
class Watch:
    """Tells of progress and remarks, and counts the frames and objects that were left out."""

    on_error: OnError | str = OnError.stop
    on_progress: OnProgress | None = None
    on_remark: OnRemark | None = None
    frames: dict[str, TinysegError] = field(default_factory=dict)
    objects: dict[str, TinysegError] = field(default_factory=dict)

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Stage]:
        """A stage of `total` units, each of which calls `advance`."""
        stage = Stage(title, total, self.on_progress or (lambda progress: None))
        try:
            yield stage
        finally:
            stage.advance(over=True)

    @contextmanager
    def fetching(self, name: str) -> Iterator[Callable[[int, int | None], None]]:
        """What a download is to tell of its bytes: a stage of megabytes, if it begins at all."""
        with ExitStack() as stack:
            stages: list[Stage] = []

            def tell(done: int, total: int | None) -> None:
                if not stages:
                    size = (total or 0) // MEGA
                    stages.append(stack.enter_context(self.stage(f"fetching {name}, MB", size)))
                while stages[0].done < done // MEGA:
                    stages[0].advance()

            yield tell

    def tell(self, text: str) -> None:
        """One sentence for the user."""
        (self.on_remark or warn)(text)

    def __call__(self, name: str, error: TinysegError) -> None:
        """A frame that cannot be read; raised where the user wants to stop."""
        if self.on_error == OnError.stop:
            raise error
        self.frames.setdefault(name, error)

    def object(self, error: TinysegError) -> None:
        """A label that is broken, on a frame that is read without it, once however often that is;
        raised where the user wants to stop."""
        if self.on_error == OnError.stop:
            raise error
        self.objects.setdefault(str(error), error)

    def report(self) -> None:
        """The numbers of what was left out, with the first reasons."""
        for left, noun in ((self.frames, "frames"), (self.objects, "objects")):
            for error in list(left.values())[:SHOWN_REASONS]:
                self.tell(f"skipped {error}")
            if left:
                self.tell(f"{len(left)} {noun} skipped")
