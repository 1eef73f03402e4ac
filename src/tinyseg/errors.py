"""The errors of this package: one small family.

Each says which file, where in it, which rule was broken, what was expected and what was found, so
that the input can be mended without opening the code. Bad input raises nothing else; an error of
another class is a bug.
"""

from collections.abc import Sequence
from pathlib import Path


class TinysegError(Exception):
    """Bad input, named: `path: where: rule (expected ..., got ...)`, the parts that are known.

    `code` is the doctor's name of this kind of fault (doctor/kinds.py), where it has one.
    """

    def __init__(
        self,
        rule: str,
        *,
        path: Path | str | None = None,
        where: str | None = None,
        expected: object = None,
        got: object = None,
        code: str | None = None,
    ) -> None:
        self.rule, self.path, self.where = rule, path, where
        self.expected, self.got, self.code = expected, got, code
        super().__init__(rule)

    def __str__(self) -> str:
        return self.reason if self.path is None else f"{self.path}: {self.reason}"

    @property
    def reason(self) -> str:
        """All of it but for the file."""
        place = "" if self.where is None else f"{self.where}: "
        named = (("expected", self.expected), ("got", self.got))
        detail = ", ".join(f"{name} {value}" for name, value in named if value is not None)
        return f"{place}{self.rule}" + (f" ({detail})" if detail else "")

    def at(
        self, *, path: Path | str | None = None, where: str | None = None, code: str | None = None
    ) -> "TinysegError":
        """The same error, told by a caller who knows more of the place, or of the kind."""
        place = ": ".join(part for part in (where, self.where) if part is not None)
        return type(self)(
            self.rule,
            path=self.path if self.path is not None else path,
            where=place or None,
            expected=self.expected,
            got=self.got,
            code=self.code or code,
        )


class ImageError(TinysegError):
    """An image file that cannot be read, or is over the limits."""


class OutputError(TinysegError):
    """A file or folder that cannot be written: closed, occupied, or on a full disk."""


class MaskError(TinysegError):
    """A mask, run-length code or polygon that breaks its format's rules."""


class DataError(TinysegError):
    """A data set whose files, labels or annotations do not fit together."""


class RecipeError(TinysegError):
    """A recipe with an unknown key, a wrong value, or parts that do not fit each other."""


class PlanError(DataError, ValueError):
    """A plan of views that cannot be; a ValueError too, so that its place in a file is known."""


class WeightsError(TinysegError):
    """A weights file that is damaged, foreign, or made for another network."""


class PredictionsError(TinysegError):
    """A predictions file that does not follow the format, or not the data set it is scored on."""


class TrainingError(TinysegError):
    """A training run that cannot go on: a loss that is not finite, or nothing to learn from."""


class DeviceError(TinysegError):
    """A device or runtime that fails on a frame: its memory does not hold a single view, say."""


class ServerError(TinysegError):
    """A server that refuses a picture, cannot be reached, or does not answer as ours does."""


def first_few(names: Sequence[str]) -> str:
    """How many there are, and the first of them, for an error or a remark."""
    more = ", ..." if len(names) > 3 else ""
    return f"{len(names)} ({', '.join(names[:3])}{more})"
