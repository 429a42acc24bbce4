"""Gives the events of each stream a name, so that generators without OpenAPI 3.2's `itemSchema` have types for them.

The body of a stream is also described as the list of its events, which is what `schema` means for a sequential media
type (OpenAPI 3.2 §4.14.4): openapi-typescript 7 reads `schema` only. `…Event` is one event, `…Data` its decoded data.
"""

import re
from typing import Any, Final

Json = dict[str, Any]

MEDIA_TYPE: Final = "text/event-stream"
ERROR: Final = "ErrorBody"
_WORD: Final = re.compile(r"[A-Za-z0-9]+")


def name_events(document: Json) -> None:
    """Move the `itemSchema` of each stream of `document` to its components, and add `schema`."""
    schemas: Json = document["components"]["schemas"]
    for path, item in document.get("paths", {}).items():
        for operation in item.values():
            for response in operation.get("responses", {}).values() if isinstance(operation, dict) else ():
                media = response.get("content", {}).get(MEDIA_TYPE, {})
                if "itemSchema" in media:
                    _name_events(media, path, schemas)


def _name_events(media: Json, path: str, schemas: Json) -> None:
    event: Json = media["itemSchema"]
    alternatives: list[Json] = event["properties"]["data"]["anyOf"]
    decoded = [one.get("contentSchema", one) for one in alternatives]
    chunks = [name for one in decoded if (name := one.get("$ref", "").rpartition("/")[2]) not in {"", ERROR}]
    base = chunks[0] if len(chunks) == 1 else "".join(word.capitalize() for word in _WORD.findall(path))
    schemas[f"{base}Event"] = {"description": f"One server-sent event; `data` is JSON of `{base}Data`.", **event}
    schemas[f"{base}Data"] = {"description": f"The decoded `data` of a `{base}Event`.", "anyOf": decoded}
    reference = {"$ref": f"#/components/schemas/{base}Event"}
    media["itemSchema"] = reference
    media["schema"] = {"type": "array", "items": reference}
