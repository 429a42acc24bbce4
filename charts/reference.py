# ruff: noqa: INP001 - a script
"""Writes values.schema.json and the table of README.md from the commented values.yaml: `make chart`.

The description of a key is the comment above it; its type is its default's. A line `schema:` of the comment adds
keywords of JSON Schema. Unknown keys are refused, except below a key with `free: true`. Every key needs a description.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).parent / "penstock"
TABLE = re.compile(r"(?<=<!-- values: made by `make chart` -->\n).*?(?=<!-- end -->)", re.DOTALL)
TYPES = {bool: "boolean", int: "integer", str: "string", list: "array"}
DIALECT = "http://json-schema.org/draft-07/schema#"
"""Helm 3 supports no newer one."""


class Value(NamedTuple):
    """One key of values.yaml. `inner` are the keys of a mapping whose keys are known."""

    name: str
    default: Any
    description: str
    keywords: dict[str, Any]
    inner: "list[Value]"

    @property
    def closed(self) -> bool:
        return bool(self.inner) and not self.keywords


class UndescribedError(ValueError):
    """A value without a description, or without the type of its content; the message names it."""


def read(text: str) -> list[Value]:
    """The values in their order."""
    return list(_values(yaml.compose(text), text.splitlines(), ""))


def schema(values: list[Value]) -> dict[str, Any]:
    """Of values.yaml."""
    return {"$schema": DIALECT, "title": "Values of the chart penstock", **_object(values)}


def table(values: list[Value]) -> str:
    """Markdown; a mapping with keys of its own has no row."""
    rows = ["| value | default | meaning |", "|---|---|---|"]
    rows += [f"| `{path}` | `{_shown(value)}` | {value.description} |" for path, value in _leaves(values, "")]
    return "\n".join(rows) + "\n"


def _values(node: Any, lines: list[str], prefix: str) -> Iterator[Value]:
    for key, child in node.value:
        path = f"{prefix}{key.value}"
        description, keywords = _comment(lines, key.start_mark.line, path)
        inner: list[Value] = []
        if isinstance(child, yaml.MappingNode) and child.value and not keywords:
            inner = list(_values(child, lines, f"{path}."))
        default = yaml.safe_load(yaml.serialize(child))
        if default in ({}, []) and not keywords:
            raise UndescribedError(f"{path}: add a line `schema:` with the type of its content")
        if not inner and not description:
            raise UndescribedError(f"{path}: add a comment with its meaning")
        yield Value(key.value, default, description, keywords, inner)


def _comment(lines: list[str], line: int, path: str) -> tuple[str, dict[str, Any]]:
    """The block of comments that ends right above `line`: its words, and the keywords of its line `schema:`."""
    words: list[str] = []
    keywords: dict[str, Any] = {}
    above = line - 1
    while above >= 0 and (found := re.match(r"\s*# ?(.*)", lines[above])):
        if found[1].startswith("schema:"):
            keywords = yaml.safe_load(found[1])["schema"]
        else:
            words.insert(0, found[1])
        above -= 1
    described = " ".join(words)
    if "|" in described:
        raise UndescribedError(f"{path}: a bar would end the table's cell")
    return described, keywords


def _object(values: list[Value]) -> dict[str, Any]:
    """Helm deletes a key that is null before it looks at the schema: so each key is required that may not be null."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [value.name for value in values if "null" not in value.keywords.get("type", ())],
        "properties": {value.name: _property(value) for value in values},
    }


def _property(value: Value) -> dict[str, Any]:
    described = {"description": value.description} if value.description else {}
    if value.closed:
        return described | _object(value.inner)
    keywords = dict(value.keywords)
    if keywords.pop("free", False):
        keywords["additionalProperties"] = True
    kind = "object" if isinstance(value.default, dict) else TYPES[type(value.default)]
    return described | {"type": kind} | keywords


def _leaves(values: list[Value], prefix: str) -> Iterator[tuple[str, Value]]:
    for value in values:
        if value.closed:
            yield from _leaves(value.inner, f"{prefix}{value.name}.")
        else:
            yield f"{prefix}{value.name}", value


def _shown(value: Value) -> str:
    return json.dumps(value.default, ensure_ascii=False)


def main() -> None:
    values = read((CHART / "values.yaml").read_text("utf-8"))
    (CHART / "values.schema.json").write_text(json.dumps(schema(values), indent=2, ensure_ascii=False) + "\n", "utf-8")
    readme = CHART / "README.md"
    readme.write_text(TABLE.sub(lambda _: table(values), readme.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    try:
        main()
    except UndescribedError as error:
        sys.exit(f"values.yaml: {error}")
