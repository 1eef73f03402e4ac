"""The size of the house: files, code lines, and private functions that are called once.

    python benchmarks/house.py [ROOT]

A code line is one that holds a token of code: no blank, no comment, no docstring. A private
function (a leading underscore, no dunder) is used once where its name is read once in its file,
beside its definition.
"""

import ast
import io
import sys
import tokenize
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

SKIPPED = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


@dataclass
class Size:
    """Counts of a room."""

    files: int = 0
    code: int = 0
    functions: int = 0
    once: int = 0

    def add(self, other: "Size") -> None:
        """These too."""
        self.files += other.files
        self.code += other.code
        self.functions += other.functions
        self.once += other.once


def size_of(path: Path) -> Size:
    """One file's."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    strings = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if isinstance(node.value.value, str)
    }
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in SKIPPED and token.type != tokenize.ENDMARKER
        for line in range(token.start[0], token.end[0] + 1)
    }
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    defined = [node.name for node in ast.walk(tree) if isinstance(node, kinds)]
    read = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    read += Counter(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    private = [name for name in defined if name[0] == "_" and not name.endswith("__")]
    once = sum(read[name] == 1 for name in private)
    return Size(1, len(lines - strings), len(defined), once)


def main() -> None:
    """Print a row for each room, and their sum."""
    default = Path(__file__).parents[1] / "src/tinyseg"
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    rooms: dict[str, Size] = {}
    total = Size()
    for path in sorted(root.rglob("*.py")):
        own = size_of(path)
        rooms.setdefault(path.relative_to(root).parts[0], Size()).add(own)
        total.add(own)
    print(
        f"{'room':24} {'files':>6} {'code lines':>11} {'functions':>10} {'private, used once':>19}"
    )
    for name, size in [*sorted(rooms.items(), key=lambda item: -item[1].code), ("all", total)]:
        share = f"{size.once} ({size.once / max(size.functions, 1):.0%})"
        print(f"{name:24} {size.files:6} {size.code:11} {size.functions:10} {share:>19}")


if __name__ == "__main__":
    main()
