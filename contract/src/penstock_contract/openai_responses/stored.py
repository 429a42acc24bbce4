"""Data kept of a response beside its frames: how it is rendered, and the items before its output.

The items are those of the whole conversation, as earlier responses expire before the one that continues them.
"""

from typing import Any

import msgspec
from msgspec import Struct

from penstock_contract.openai_responses.output_items import OutputItem
from penstock_contract.openai_responses.response import ResponseObject


class ResponseRendering(Struct, frozen=True):
    """The options of a stream's `Rendering`; `response` is the response before its first output."""

    response: ResponseObject
    encrypted: bool = False
    cancelled: bool = False


class StoredInput(Struct, frozen=True):
    """`items` from `begins_at` on are the request's own input; those before are of earlier responses."""

    items: list[dict[str, Any]]
    begins_at: int = 0


decode_rendering = msgspec.json.Decoder(ResponseRendering).decode
decode_input = msgspec.json.Decoder(StoredInput).decode


def as_input(output: list[OutputItem]) -> list[dict[str, Any]]:
    """Output items as the input of the next request."""
    return [msgspec.to_builtins(item) for item in output]


def listed(stored: StoredInput, suffix: str) -> list[dict[str, Any]]:
    """The request's own input as `GET …/input_items` lists it: each item with an id, contents as parts."""
    own = stored.items[stored.begins_at :]
    return [_listed(item, f"{suffix}_in{index}") for index, item in enumerate(own)]


def _listed(item: dict[str, Any], suffix: str) -> dict[str, Any]:
    kind = item.get("type", "message")
    prefix = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}.get(
        kind, "item"
    )
    made = {"id": f"{prefix}_{suffix}", "type": kind, "status": "completed", **item}
    if kind == "message" and isinstance(made.get("content"), str):
        part = "output_text" if made.get("role") == "assistant" else "input_text"
        annotations: dict[str, Any] = {"annotations": []} if part == "output_text" else {}
        made["content"] = [{"type": part, "text": made["content"], **annotations}]
    return made
