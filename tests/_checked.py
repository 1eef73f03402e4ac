"""Every call's types and shapes are checked, each once.

jaxtyping's import hook checks parameters twice, builds two functions for each one of the package,
and remembers shapes where there are none: up to half of the time of a file of tests. Here a
function without an array is checked by beartype alone, and one with arrays by beartype while
jaxtyping remembers what each dimension was, as its decorator does when it stands above beartype's.
"""

import inspect
from collections.abc import Callable
from dataclasses import InitVar
from functools import partial
from typing import Any, get_args

import jaxtyping
from beartype import beartype
from jaxtyping import AbstractArray, _decorator, install_import_hook

_as_jaxtyping_does: Callable[..., Any] = _decorator.jaxtyped


def check_signatures(package: str) -> None:
    """From now on, in all modules of the package that are imported."""
    # What the import hook calls, and what jaxtyping itself does for methods of a class.
    for place in (jaxtyping, _decorator):
        setattr(place, "jaxtyped", _checked)  # noqa: B010 - mypy knows another signature
    install_import_hook(package, "beartype.beartype")


def _checked(given: Any = None, *, typechecker: Any = None) -> Any:
    if given is None:
        return partial(_checked, typechecker=typechecker)
    slow = partial(_as_jaxtyping_does, given, typechecker=typechecker)
    if not inspect.isfunction(given) or inspect.isgeneratorfunction(given):
        return slow()  # classes, properties; a generator's return type is not what it returns
    hints = given.__annotations__.values()
    if any(isinstance(hint, str | InitVar) for hint in hints):
        return slow()  # a name that may not be known yet
    if not any(map(_has_arrays, hints)):
        return beartype(given)
    return _as_jaxtyping_does(beartype(given), typechecker=None)


def _has_arrays(hint: Any) -> bool:
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(map(_has_arrays, hint if isinstance(hint, list) else get_args(hint)))
