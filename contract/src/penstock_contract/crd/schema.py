"""A Struct as a structural schema: msgspec's JSON schema in the dialect that Kubernetes takes.

No references, no null, one type per place, and an object's default written out in full: the API server checks a default
against the CEL rules before it fills in what is below it.
"""

from inspect import cleandoc
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

Schema: TypeAlias = dict[str, Any]

# Keywords that Kubernetes lacks, or replaces by another one that is inserted below.
_DROPPED: Final = frozenset({"$ref", "anyOf", "title", "default", "additionalProperties", "exclusiveMinimum"})
_FIRST: Final = ("description", "type")


def structural(kind: type[Struct]) -> Schema:
    """The schema of `kind`, its fields in the Struct's order."""
    (reference,), components = msgspec.json.schema_components([kind])
    return _convert(reference, components)


def _convert(schema: Schema, components: dict[str, Schema]) -> Schema:
    schema = _merged(schema, components)
    first = {key: schema[key] for key in _FIRST if key in schema}
    # An empty `required` is one that Kubernetes refuses.
    out = first | {key: value for key, value in schema.items() if key not in _DROPPED and value != []}
    if "description" in out:
        out["description"] = cleandoc(out["description"])
    if "pattern" in out:
        out["pattern"] = _re2(out["pattern"])
    if "enum" in out:
        out["type"] = "string"
    if "items" in out:
        out["items"] = _convert(out["items"], components)
    if isinstance(entries := schema.get("additionalProperties"), dict):
        out["additionalProperties"] = _convert(entries, components)
    if (above := schema.get("exclusiveMinimum")) is not None:
        out |= {"minimum": above, "exclusiveMinimum": True}
    if "properties" in out:
        out["properties"] = {name: _convert(value, components) for name, value in out["properties"].items()}
    if schema.get("default") is not None:
        out["default"] = _default(out, schema["default"])
    return out


def _re2(pattern: str) -> str:
    r"""Without Python's `\Z`: RE2, the API server's, has only `$`, which is the end of the text and nothing else."""
    return pattern[:-2] + "$" if pattern.endswith(r"\Z") else pattern


def _merged(schema: Schema, components: dict[str, Schema]) -> Schema:
    """With the schema that it refers to, local keywords taking precedence; without null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) > 1:
        return _int_or_string(schema, choices)
    for inner in (*choices, schema):
        if "$ref" in inner:
            target = components[inner["$ref"].rpartition("/")[2]]
            return target | schema
    return choices[0] | schema if choices else schema


def _int_or_string(schema: Schema, choices: list[Schema]) -> Schema:
    """The one choice of types that a structural schema can express; the bounds of both stand beside it."""
    if sorted(choice["type"] for choice in choices) != ["integer", "string"]:
        raise NotImplementedError(f"a choice of types other than integer and string: {schema}")
    bounds = {key: value for choice in choices for key, value in choice.items() if key != "type"}
    return {**schema, **bounds, "x-kubernetes-int-or-string": True}


def _default(out: Schema, value: Any) -> Any:
    if out.get("type") == "object":
        inner = {name: field["default"] for name, field in out.get("properties", {}).items() if "default" in field}
        return inner | value
    # 30.0 would be served as 30.
    return int(value) if isinstance(value, float) and value.is_integer() else value
