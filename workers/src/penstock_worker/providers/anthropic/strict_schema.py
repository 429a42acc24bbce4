"""A JSON Schema in the subset that Anthropic's structured output accepts, converted as in Anthropic's SDK.

Each object is closed. Bounds that the API refuses become part of the description: the model reads them there. Pure.
"""

from typing import Any, Final

import msgspec

BOUNDS: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)
MAPS: Final = ("properties", "$defs", "definitions")
LISTS: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
NESTING_MAX: Final = 100


def strict_schema(schema: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """A converted copy of the schema."""
    if depth > NESTING_MAX:
        return schema
    made = {name: value for name, value in schema.items() if name not in BOUNDS}
    if bounds := [f"{name}: {msgspec.json.encode(schema[name]).decode()}" for name in BOUNDS if name in schema]:
        described = made.get("description")
        made["description"] = "\n\n".join([*([described] if isinstance(described, str) else []), ", ".join(bounds)])
    for name in MAPS:
        if isinstance(made.get(name), dict):
            made[name] = {key: _nested(value, depth) for key, value in made[name].items()}
    for name in LISTS:
        if isinstance(made.get(name), list):
            made[name] = [_nested(value, depth) for value in made[name]]
    if "items" in made:
        made["items"] = _nested(made["items"], depth)
    if made.get("type") == "object" or "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def _nested(value: Any, depth: int) -> Any:
    return strict_schema(value, depth + 1) if isinstance(value, dict) else value
