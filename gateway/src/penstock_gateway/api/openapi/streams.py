"""Gives the events of each stream a name, so that generators without OpenAPI 3.2's `itemSchema` have types for them.

The body of a stream is also described as the list of its events, which is what `schema` means for a sequential media
type (OpenAPI 3.2 §4.14.4): openapi-typescript 7 reads `schema` only. `…Event` is one event, `…Data` its decoded data.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from penstock_contract.endpoints import STREAMS_PATH

Json = dict[str, Any]

MEDIA_TYPE: Final = "text/event-stream"
ERRORS: Final = frozenset(("ErrorBody", "MessagesErrorBody"))
ANY: Final = "StreamEvent"
"""An event of any dialect: `/v1/streams/{id}` reads a stream again in the dialect that it was begun in."""
_WORD: Final = re.compile(r"[A-Za-z0-9]+")


def name_events(document: Json) -> None:
    """Move the `itemSchema` of each stream of `document` to its components, and add `schema`."""
    schemas: Json = document["components"]["schemas"]
    again = []
    references: dict[str, None] = {}
    for path, media in _streams(document):
        if path.startswith(f"{STREAMS_PATH}/"):
            again.append(media)
        else:
            references[_name_events(media, path, schemas)] = None
    for media in again:
        schemas[ANY] = {
            "description": "One server-sent event, in the dialect that the stream was begun in.",
            "anyOf": [{"$ref": reference} for reference in references],
        }
        _set_event(media, f"#/components/schemas/{ANY}")


def _streams(document: Json) -> Iterator[tuple[str, Json]]:
    """The path and the media type object of each stream."""
    for path, item in document.get("paths", {}).items():
        for operation in item.values():
            for response in operation.get("responses", {}).values() if isinstance(operation, dict) else ():
                media = response.get("content", {}).get(MEDIA_TYPE, {})
                if "itemSchema" in media:
                    yield path, media


def _name_events(media: Json, path: str, schemas: Json) -> str:
    """Name the events of one stream; returns the reference to their schema."""
    event: Json = media["itemSchema"]
    alternatives: list[Json] = event["properties"]["data"]["anyOf"]
    decoded = [one.get("contentSchema", one) for one in alternatives]
    chunks = [name for one in decoded if (name := one.get("$ref", "").rpartition("/")[2]) not in {"", *ERRORS}]
    base = chunks[0] if len(chunks) == 1 else "".join(word.capitalize() for word in _WORD.findall(path))
    schemas[f"{base}Event"] = {"description": f"One server-sent event; `data` is JSON of `{base}Data`.", **event}
    schemas[f"{base}Data"] = {"description": f"The decoded `data` of a `{base}Event`.", "anyOf": decoded}
    reference = f"#/components/schemas/{base}Event"
    _set_event(media, reference)
    return reference


def _set_event(media: Json, reference: str) -> None:
    media["itemSchema"] = {"$ref": reference}
    media["schema"] = {"type": "array", "items": {"$ref": reference}}
