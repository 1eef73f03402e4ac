"""No message repeats a Python exception's own text: it names file, place and rule in our words."""

import ast
from collections.abc import Iterator
from pathlib import Path

import tinyseg

ROOT = Path(tinyseg.__file__).parent
OURS = ("TinysegError", "DataError", "ImageError", "MaskError", "RecipeError", "OutputError")


def repeated(tree: ast.AST) -> Iterator[int]:
    """Lines where a caught error of the system or a library is put into one of ours as it is."""
    for handler in ast.walk(tree):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None:
            continue
        if handler.type is not None and any(name in ast.unparse(handler.type) for name in OURS):
            continue
        for node in ast.walk(handler):
            if isinstance(node, ast.keyword) and node.arg in ("got", "where", "expected"):
                plain = node.value
                words = [ast.unparse(part) for part in ast.walk(plain)]
                bare = isinstance(plain, ast.Name) and plain.id == handler.name
                told = {f"str({handler.name})", f"repr({handler.name})"} & set(words)
                either = isinstance(plain, ast.BoolOp) and handler.name in words[1:]
                if bare or told or either:
                    yield node.value.lineno


def test_the_walk_sees_each_way() -> None:
    code = """
try:
    pass
except OSError as error:
    raise A("r", got=error)
    raise A("r", got=str(error))
    raise A("r", where=repr(error))
    raise A("r", got=error.strerror or error)
    raise A("r", got=error.strerror) from error
"""
    assert len(list(repeated(ast.parse(code)))) == 4


def test_no_message_repeats_an_exception() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted(ROOT.rglob("*.py"))
        for line in repeated(ast.parse(path.read_text("utf-8")))
    ]
    assert found == []
