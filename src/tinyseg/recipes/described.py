"""A recipe as a YAML file that says of each key what it is: value, what values it takes, meaning.

Types and sentences are read from the records themselves (pydantic's schema, which has the texts
below their fields), so that they are those of the code. What comes out can be given back as a file.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tinyseg.recipes.recipe import Recipe
from tinyseg.recipes.sampling import Mosaic, Tile, Whole

Schema = Mapping[str, Any]

END = "...\n"
"""What YAML puts behind a value alone."""

WORDS = {"integer": "whole number", "boolean": "true | false", "string": "text"}
BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "in steps of {}",
}


def described(recipe: Recipe) -> str:
    """All keys of the recipe; behind them, as comments, those that a source may have."""
    schema = Recipe.model_json_schema()
    lines = list(_section(recipe.model_dump(mode="json"), schema, schema["$defs"], "", ""))
    for source in (Tile, Whole, Mosaic):
        own = source.model_json_schema()
        kind = own["properties"]["kind"]["const"]
        lines += ["", f"# a source of the kind {kind}: {_meaning(own)}"]
        for key, value in own["properties"].items():
            lines.append(f"#   {key}: {_type(value, own)}. {_meaning(value)}".rstrip())
    return "\n".join(lines) + "\n"


def _section(
    tree: Mapping[str, Any], schema: Schema, known: Schema, indent: str, place: str
) -> Iterator[str]:
    for key, value in schema["properties"].items():
        own = known.get(value.get("$ref", "").rpartition("/")[2], value)
        what = _meaning(value) or _meaning(own)
        if "properties" in own:
            yield from ["", f"{indent}# {what}", f"{indent}{key}:"]
            yield from _section(tree[key], own, known, f"{indent}  ", f"{place}{key}.")
            continue
        flat = yaml.safe_dump(tree[key], default_flow_style=True, width=10**6).removesuffix(END)
        yield f"{indent}# {_type(value, {'$defs': known})}. {what}".rstrip()
        yield f"{indent}{key}: {flat.strip()}"


def _meaning(schema: Schema) -> str:
    """The text in one line, its first sentence."""
    text = " ".join(schema.get("description", "").split())
    return re.split(r"(?<!\bal)(?<!\.\.)(?<=\.) ", text)[0]


def _type(schema: Schema, root: Schema) -> str:
    """What values a key takes."""
    if "$ref" in schema:
        return _type(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return " | ".join(_type(one, root) for one in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " | ".join(map(str, schema.get("enum", [schema.get("const")])))
    if "prefixItems" in schema:
        each = [_type(one, root) for one in schema["prefixItems"]]
        return f"{len(each)} x {each[0]}"
    kind = schema.get("type")
    if kind == "array":
        items = schema["items"]
        return f"list of {'sources, below' if 'oneOf' in items else _type(items, root)}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"{_type(inner, root)} by name" if inner else "a plan, as in its own file"
    bounds = [words.format(f"{schema[b]:g}") for b, words in BOUNDS.items() if b in schema]
    return " ".join([WORDS.get(str(kind), str(kind)), *bounds])
