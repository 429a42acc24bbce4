"""Turns the events of a stream into those of Anthropic's Messages API, as JSON objects. Pure.

Events of a provider of the same API are passed as they came, but for the model's name and what a client's SDK requires.
"""

from typing import Any, Final

import msgspec

from penstock_contract.anthropic.errors import messages_error
from penstock_contract.anthropic.responses import StopReason
from penstock_contract.stream.events import (
    AnswerFields,
    Event,
    Failed,
    Finished,
    FinishReason,
    NativeEvent,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.answer_fields import fields_of
from penstock_gateway.streaming.renderers.anthropic.blocks import ContentBlocks, Json
from penstock_gateway.streaming.renderers.anthropic.options import NO_OPTIONS, MessageOptions
from penstock_gateway.streaming.renderers.anthropic.usage import end_usage, start_usage

STOP_REASONS: Final[dict[FinishReason, StopReason]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
CALL_FIELDS: Final = frozenset(("extra_content",))
"""Fields of a tool call that its provider requires in the next turn: Gemini's signature of a thought."""


class MessageEvents:
    """The messages of one stream; `text_index` is for the shorter way of a text."""

    __slots__ = (
        "_blocks",
        "_ended",
        "_id",
        "_model",
        "_native",
        "_options",
        "_refused",
        "_request_id",
        "_started",
        "_stop_sequence",
        "_usage",
        "text_index",
    )

    def __init__(self, request_id: str, model: str, options: MessageOptions = NO_OPTIONS) -> None:
        self._request_id = request_id
        self._id = f"msg_{request_id.removeprefix('req_')}"
        self._model = model
        self._options = options
        self._blocks = ContentBlocks()
        self._native = self._refused = self._started = self._ended = False
        self._stop_sequence: str | None = None
        self._usage: UsageReported | None = None
        self.text_index = -1
        """The index of the open block of text, which a further `TextDelta` continues; -1 if there is none."""

    def of(self, event: Event) -> list[Json]:
        """The objects of any event. A `TextDelta` that continues the open block may be written without this method."""
        match event:
            case NativeEvent():
                return [self._of_native(event)]
            case TextDelta() if self._native:
                return [_text(self.text_index, event.text)] if self.text_index >= 0 else []
            case AnswerFields():
                self._read(event)
            case UsageReported():
                self._usage = event
            case Finished():
                return [] if self._native else self._end(event)
            case Failed():
                error = messages_error(event.error, self._request_id)
                return [] if self._ended else [msgspec.to_builtins(error)]
            case _:
                return self._of_piece(event)
        return []

    def _of_piece(self, event: Event) -> list[Json]:
        """The objects of a piece of an answer that came without blocks."""
        match event:
            case TextDelta():
                return self._content(self._blocks.text(event.text))
            case RefusalDelta():
                self._refused = True
                return self._content(self._blocks.text(event.text))
            case ReasoningDelta():
                made = self._blocks.thinking(event.text) if self._options.with_thinking else []
                return self._content(made)
            case ToolCallDelta():
                fields = {name: value for name, value in fields_of(event.fields).items() if name in CALL_FIELDS}
                made = self._blocks.call(event.index, event.id, event.name, event.arguments, fields)
                return self._content(made)
            case _:
                return []

    def note(self, event: NativeEvent) -> None:
        """Note an event that is written as it came."""
        self._native = True
        if event.name == "content_block_start":
            self.text_index = event.index
        elif event.name == "content_block_stop":
            self.text_index = -1
        elif event.name == "message_stop":
            self._ended = True

    def _of_native(self, event: NativeEvent) -> Json:
        self.note(event)
        found = fields_of(event.data)
        if event.name == "message_start":
            message = found.get("message") or {}
            found["message"] = {
                **self._message(),
                **message,
                "model": self._model,
                "content": message.get("content") or [],
                "usage": _filled(message.get("usage"), start_usage(self._options.input_tokens)),
            }
        elif event.name == "message_delta":
            found["delta"] = found.get("delta") or {}
            found["usage"] = _filled(found.get("usage"), end_usage(None))
        return found

    def _content(self, made: list[Json]) -> list[Json]:
        self.text_index = self._blocks.open_text
        return self._start() + made

    def _start(self) -> list[Json]:
        if self._started:
            return []
        self._started = True
        return [{"type": "message_start", "message": self._message()}]

    def _message(self) -> Json:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "container": None,
            "usage": start_usage(self._options.input_tokens),
        }

    def _end(self, event: Finished) -> list[Json]:
        self.text_index = -1
        self._ended = True
        reason = STOP_REASONS[event.reason]
        if reason == "end_turn":
            reason = "refusal" if self._refused else "stop_sequence" if self._stop_sequence is not None else reason
        delta: Json = {
            "stop_reason": reason,
            "stop_sequence": self._stop_sequence if reason == "stop_sequence" else None,
            "stop_details": None,
            "container": None,
        }
        usage = end_usage(self._usage)
        ended: Json = {"type": "message_delta", "delta": delta, "usage": usage}
        return [*self._start(), *self._blocks.end(), ended, {"type": "message_stop"}]

    def _read(self, event: AnswerFields) -> None:
        """Servers like vLLM and SGLang name the sequence at which the answer stopped; other servers do not."""
        if event.place != "choice":
            return
        fields: dict[str, Any] = fields_of(event.fields)
        for name in ("stop_reason", "matched_stop"):
            if self._options.has_stop(fields.get(name)):
                self._stop_sequence = fields[name]


def _text(index: int, text: str) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}


def _filled(given: object, defaults: Json) -> Json:
    """A provider's usage with the counts that it left out: SDKs calculate with them."""
    usage = given if isinstance(given, dict) else {}
    return {**defaults, **{name: value for name, value in usage.items() if value is not None or name not in defaults}}
