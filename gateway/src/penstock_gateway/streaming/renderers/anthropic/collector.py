"""Collects a whole message of Anthropic's API for a client that did not request a stream. Pure.

The deltas are joined by the rules of Anthropic's SDKs (anthropic-python 2.14.0, `lib/streaming/_messages.py`). A delta
of an unknown type adds its fields to its block.
"""

from typing import Any

from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import Event, Failed, TextDelta
from penstock_gateway.streaming.renderers.answer_fields import fields_of
from penstock_gateway.streaming.renderers.anthropic.message_events import MessageEvents

Json = dict[str, Any]


class MessageCollector:
    def __init__(self, events: MessageEvents) -> None:
        self._events = events
        self._message: Json = {}
        self._content: dict[int, Json] = {}
        self._texts: dict[tuple[int, str], list[str]] = {}
        self._error: PenstockError | None = None

    def around_text(self) -> None:
        return None

    def render(self, event: Event) -> bytes:
        if type(event) is TextDelta and self._events.text_index >= 0:
            self._add(self._events.text_index, "text", event.text)
        elif isinstance(event, Failed):
            self._error = PenstockError.of(event.error)
        else:
            for one in self._events.of(event):
                self._take(one)
        return b""

    def message(self) -> Json:
        """The message. Raises `PenstockError` if the stream failed midway."""
        if self._error is not None:
            raise self._error
        for (index, name), pieces in self._texts.items():
            self._content[index][name] = _input("".join(pieces)) if name == "input" else "".join(pieces)
        return {**self._message, "content": [self._content[index] for index in sorted(self._content)]}

    def _take(self, event: Json) -> None:
        match event.get("type"):
            case "message_start":
                self._message = event["message"]
            case "content_block_start":
                block = dict(event.get("content_block") or {})
                self._content[event.get("index", 0)] = {**block, **_required(block)}
            case "content_block_delta":
                self._delta(event.get("index", 0), event.get("delta") or {})
            case "message_delta":
                self._message_delta(event)

    def _message_delta(self, event: Json) -> None:
        usage = {name: count for name, count in event["usage"].items() if count is not None}
        rest = {name: value for name, value in event.items() if name not in {"type", "delta", "usage"}}
        self._message = {
            **self._message,
            **rest,
            **event["delta"],
            "usage": {**self._message.get("usage", {}), **usage},
        }

    def _delta(self, index: int, delta: Json) -> None:
        block = self._content.get(index)
        if block is None:
            return
        match delta.get("type"):
            case "text_delta":
                self._add(index, "text", delta.get("text"))
            case "thinking_delta":
                self._add(index, "thinking", delta.get("thinking"))
            case "input_json_delta":
                self._add(index, "input", delta.get("partial_json"))
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or ()), delta.get("citation")]
            case _:
                block |= {name: value for name, value in delta.items() if name != "type"}

    def _add(self, index: int, name: str, piece: object) -> None:
        """Keep a piece of a text, after the one with which its block started; an input replaces that."""
        pieces = self._texts.get((index, name))
        if pieces is None:
            begun = self._content[index].get(name)
            pieces = self._texts[index, name] = [begun] if isinstance(begun, str) else []
        if isinstance(piece, str):
            pieces.append(piece)


def _required(block: Json) -> Json:
    """Fields that Anthropic's schema requires in a block, and a compatible server left out."""
    match block.get("type"):
        case "text":
            return {"citations": block.get("citations")}
        case "tool_use":
            return {"caller": block.get("caller") or {"type": "direct"}}
        case _:
            return {}


def _input(text: str) -> object:
    """The input of a tool; the text itself where the model wrote no JSON, so that nothing is lost."""
    try:
        return fields_of(text.encode()) if text.lstrip()[:1] in {"{", ""} else text
    except (ValueError, RecursionError):
        return text
