"""Examples in docstrings as code: lines from `>>>` on become a fenced block of the site."""

import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"(?:^>>> .*\n?(?:^(?!>>> )\S.*\n?)*)+", flags=re.MULTILINE)


class Doctests(Extension):
    """Runs over every docstring before it is rendered."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        """Fence the examples of one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(_fenced, obj.docstring.value)


def _fenced(match: re.Match[str]) -> str:
    return f"```pycon\n{match.group().rstrip()}\n```\n"
