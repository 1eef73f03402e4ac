"""What the site makes from the repository when it is built, so that it cannot differ from it.

README.md is the first page, and CHANGELOG.md, CONTRIBUTING.md and SECURITY.md have pages of their
own. A line `<!-- generated: NAME -->` of a page becomes the text of GENERATED: options of every
verb, keys of a recipe, the public names.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.models import ArgumentInfo, OptionInfo

import tinyseg
from tinyseg.cli import GONE, VERBS
from tinyseg.recipes import RECIPES, Mosaic, Recipe, Tile, Whole
from tinyseg.recipes.sampling import MIXTURES

Schema = dict[str, Any]

ROOT = Path(__file__).parents[1]

ROOT_PAGES = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
}
"""Pages of the site that are files of the repository's root."""

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
MARKER = re.compile(r"^<!-- generated: (\w+) -->$", flags=re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by MkDocs with the pages of docs/."""
    for name, source in ROOT_PAGES.items():
        text = LINK.sub(_link_from_root, (ROOT / source).read_text())
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Called by MkDocs with each page's text."""
    return MARKER.sub(lambda match: GENERATED[match.group(1)](), markdown)


def _link_from_root(match: re.Match[str]) -> str:
    """A link of a file in the root as one of a page: into docs/, to another page, or text alone."""
    mark, text, target = match.groups()
    pages = {source: page for page, source in ROOT_PAGES.items()}
    path, hash_, anchor = target.partition("#")
    if ":" in target or not path:
        return match.group()
    if path.startswith("docs/"):
        return f"{mark}[{text}]({path.removeprefix('docs/')}{hash_}{anchor})"
    return f"{mark}[{text}]({pages[path]}{hash_}{anchor})" if path in pages else text


def verbs_text() -> str:
    """Every verb: its sentences, examples, arguments and options."""
    return "\n\n".join(_verb(name, function_of(name)) for name in VERBS)


def gone_text() -> str:
    """Verbs of earlier versions, each with the call that took its place."""
    rows = [f"| `{name}` | `{_cell(call)}` |" for name, call in GONE.items()]
    return "| verb | now |\n|---|---|\n" + "\n".join(rows)


def function_of(verb: str) -> Callable[..., None]:
    """The function whose parameters are a verb's arguments and options."""
    return getattr(import_module(f"tinyseg.cli.{VERBS[verb][0]}"), verb)


def _verb(name: str, function: Callable[..., None]) -> str:
    prose, *examples = re.split(r"^Example: ", inspect.getdoc(function) or "", flags=re.MULTILINE)
    code = (
        " ".join("\n".join(examples).split())
        .replace("Then: ", "")
        .replace(" tinyseg ", "\ntinyseg ")
    )
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    rows = [row for parameter in parameters if (row := _row(parameter)) is not None]
    table = "| argument or option | value | default | |\n|---|---|---|---|\n" + "\n".join(rows)
    return f"## {name}\n\n{_text(prose.strip())}\n\n```sh\n{code}\n```\n\n{table}"


def _row(parameter: inspect.Parameter) -> str | None:
    """A line of the table; None for an option that is not shown."""
    kind, info = get_args(parameter.annotation)[:2]
    if info.hidden:
        return None
    option = isinstance(info, OptionInfo)
    own = parameter.name.replace("_", "-")
    # typer takes the first name of an annotation for a default, until it has both
    own_names = [name for name in (info.default, *(info.param_decls or ())) if name is not ...]
    names = own_names or [f"--{own}"] if option else [info.metavar or own.upper()]
    needed = parameter.default in (inspect.Parameter.empty, ...)
    shown = "required" if needed else _default_of(parameter.default)
    cells = [", ".join(f"`{name}`" for name in names), _value(kind, info), shown, _text(info.help)]
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _value(kind: Any, info: ArgumentInfo | OptionInfo) -> str:
    """What is written behind an option's name."""
    kinds = [one for one in get_args(kind) if one is not NoneType]
    if get_origin(kind) is list:
        return f"{_value(kinds[0], info)}, repeatable"
    if kinds:
        return _value(kinds[0], info)
    if issubclass(kind, Enum):
        return " or ".join(f"`{one.value}`" for one in kind)
    low, high = info.min, info.max
    span = f", {low:g} to {high:g}" if high is not None else f", from {low:g}" if low else ""
    return WORDS[kind] + span


WORDS = {bool: "", str: "text", int: "number", float: "number", Path: "path"}


def _default_of(value: object) -> str:
    if value is None or value is False:
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _text(words: str | None) -> str:
    """A help text as Markdown: what looks like HTML or a link is text."""
    return (words or "").replace("<", "&lt;").replace("[", "\\[")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def recipe_text() -> str:
    """Every key with its values, default and meaning: a table a section, a source a section."""
    schema = Recipe.model_json_schema()
    tables = list(_tables(schema, schema, "", "name and classes"))
    for source in (Tile, Whole, Mosaic):
        own = source.model_json_schema()
        title = f"A source of `sampling.sources`: {source.__name__.lower()}"
        tables += _tables(own, own, "", title)
    return "\n\n".join(tables)


def _tables(schema: Schema, root: Schema, prefix: str, title: str) -> Iterator[str]:
    """The section's own keys, and then the sections in it."""
    rows, inner = [], []
    for name, key in schema["properties"].items():
        own = _section_of(key, root)
        if own is not None:
            inner.append((own, f"{prefix}{name}"))
            continue
        needed = name in schema.get("required", [])
        default = "required" if needed else f"`{json.dumps(key.get('default', {}))}`"
        if prefix + name == "sampling.sources":
            default = "`native_tiles`"
        if prefix + name == "predict.plan":
            key = key | {"anyOf": [*key["anyOf"][:1], {"type": "a plan, as in a file"}]}
        cells = f"`{prefix}{name}`", _cell(_kind(key, root)), default, _cell(key["description"])
        rows.append(f"| {' | '.join(cells)} |")
    lines = "\n".join(["| key | value | default | |", "|---|---|---|---|", *rows])
    meaning = "" if title == "name and classes" else schema.get("description", "")
    yield f"## {title}\n\n{inspect.cleandoc(meaning)}\n\n{lines}"
    for own, place in inner:
        yield from _tables(own, root, f"{place}.", place)


def _section_of(key: Schema, root: Schema) -> Schema | None:
    own = root["$defs"].get(key.get("$ref", "").rpartition("/")[2]) if "$defs" in root else None
    return own if own and "properties" in own else None


def _kind(key: Schema, root: Schema) -> str:
    """A JSON schema's value in words."""
    if "anyOf" in key:
        return " or ".join(_kind(one, root) for one in key["anyOf"])
    if "enum" in key or "const" in key:
        return " or ".join(f"`{one}`" for one in key.get("enum", [key.get("const")]))
    if "prefixItems" in key:
        parts = [_kind(one, root) for one in key["prefixItems"]]
        return f"{len(parts)} of: {parts[0]}"
    if key.get("type") == "array":
        items = key["items"]
        return f"list of: {'sources' if 'discriminator' in items else _kind(items, root)}"
    if key.get("type") == "object":
        return f"by name: {_kind(key['additionalProperties'], root)}"
    kind = str(key["type"])
    return KINDS.get(kind, kind) + _span(key)


def _span(key: Schema) -> str:
    words = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "to",
        "exclusiveMaximum": "below",
        "multipleOf": "in steps of",
    }
    return "".join(f" {word} {key[name]:g}" for name, word in words.items() if name in key)


KINDS = {
    "integer": "whole number",
    "boolean": "true or false",
    "null": "none (`null`)",
    "string": "text",
}


def mixtures_text() -> str:
    """The mixtures of sources by name."""
    package = griffe.load("tinyseg", search_paths=[ROOT / "src"])
    rows = []
    for name in MIXTURES:
        meaning = package[f"recipes.sampling.{name.upper()}"].docstring
        rows.append(f"| `{name}` | {_cell(meaning.value if meaning else '')} |")
    return "| mixture | |\n|---|---|\n" + "\n".join(rows)


def presets_text() -> str:
    """The presets by name."""
    rows = [f"| `{name}` | {_cell(inspect.getdoc(RECIPES[name]) or '')} |" for name in RECIPES]
    return "| recipe | |\n|---|---|\n" + "\n".join(rows)


def names_text(kind: Literal["functions", "classes"]) -> str:
    """The public functions or classes, for mkdocstrings to describe."""
    own = [name for name in tinyseg.__all__ if not name.startswith("_")]
    chosen = [n for n in own if inspect.isclass(getattr(tinyseg, n)) == (kind == "classes")]
    return "\n\n".join(f"::: tinyseg.{name}" for name in chosen)


GENERATED: dict[str, Callable[[], str]] = {
    "verbs": verbs_text,
    "gone": gone_text,
    "keys": recipe_text,
    "presets": presets_text,
    "mixtures": mixtures_text,
    "functions": lambda: names_text("functions"),
    "classes": lambda: names_text("classes"),
}
"""What a marker in a page becomes."""
