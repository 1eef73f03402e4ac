"""What comes from outside, checked: plain values, JSON text or a YAML file -> a record.

In: a record's type (pydantic's or a dataclass) and what a file or the command line says. Out: the
record, or the first thing wrong in it as one of this package's errors, with its place there.
"""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from tinyseg.errors import RecipeError, TinysegError

Record = TypeVar("Record")


def checked(
    kind: type[Record],
    content: object,
    *,
    error: type[TinysegError] = RecipeError,
    path: Path | str | None = None,
    rule: str = "",
) -> Record:
    """The content, JSON if it is text, as a record; `rule` stands before what is wrong with it."""
    adapter = TypeAdapter(kind)
    try:
        if isinstance(content, str | bytes):
            return adapter.validate_json(content)
        return adapter.validate_python(content)
    except ValidationError as failure:
        first = failure.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or None
    own = first.get("ctx", {}).get("error")
    if isinstance(own, TinysegError):  # a record's own rule, broken
        raise error(rule + own.rule, path=path, where=where, expected=own.expected, got=own.got)
    got = first.get("input")
    message = rule + first["msg"].removeprefix("Value error, ")
    raise error(message, path=path, where=where, got=None if isinstance(got, dict | bytes) else got)


def read_tree(path: Path) -> object:
    """The plain values of a YAML or JSON file; raises RecipeError if it is neither."""
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise RecipeError("cannot be read", path=path, got=error.strerror) from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = None if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        raise RecipeError("is neither YAML nor JSON", path=path, where=where) from None
