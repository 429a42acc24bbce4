"""Turns the events of a stream into those of Anthropic's Messages API, as JSON objects. Pure.

Events of a provider of the same API are passed as they came, but for the model's name and what a client's SDK requires.
"""

from typing import Any, Final

import msgspec

from penstock_contract.message_errors import messages_error
from penstock_contract.message_responses import StopReason
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
from penstock_gateway.streaming.answer_size import AnswerSize
from penstock_gateway.streaming.renderers.answer_fields import fields_of
from penstock_gateway.streaming.renderers.anthropic.blocks import ContentBlocks, Json
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
    """`thinks`: the client requested thinking, and is sent it. `stops` are its stop sequences."""

    __slots__ = (
        "_blocks",
        "_characters",
        "_ended",
        "_id",
        "_input_tokens",
        "_model",
        "_native",
        "_pieces",
        "_refused",
        "_request_id",
        "_started",
        "_stop_sequence",
        "_stops",
        "_thinks",
        "_usage",
        "size",
        "text_index",
    )

    def __init__(
        self, request_id: str, model: str, *, input_tokens: int = 0, thinks: bool = True, stops: tuple[str, ...] = ()
    ) -> None:
        self._request_id = request_id
        self._id = f"msg_{request_id.removeprefix('req_')}"
        self._model = model
        self._input_tokens = input_tokens
        self._thinks = thinks
        self._stops = stops
        self._blocks = ContentBlocks()
        self._native = self._refused = self._started = self._ended = False
        self._stop_sequence: str | None = None
        self._usage: UsageReported | None = None
        self._pieces = self._characters = 0
        self.size: AnswerSize | None = None
        """Of the stream, which writes pieces of text without this object: their count, if the provider has none."""
        self.text_index = -1
        """The index of the open block of text, which a further `TextDelta` continues; -1 if there is none."""

    def of(self, event: Event) -> list[Json]:
        """The objects of any event. A `TextDelta` that continues the open block has a shorter way: see `text`."""
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
                return self._content(self._blocks.text(event.text), len(event.text))
            case RefusalDelta():
                self._refused = True
                return self._content(self._blocks.text(event.text), len(event.text))
            case ReasoningDelta():
                made = self._blocks.thinking(event.text) if self._thinks else []
                return self._content(made, len(event.text))
            case ToolCallDelta():
                fields = {name: value for name, value in fields_of(event.fields).items() if name in CALL_FIELDS}
                made = self._blocks.call(event.index, event.id, event.name, event.arguments, fields)
                return self._content(made, len(event.arguments))
            case _:
                return []

    def text(self, text: str) -> None:
        """Count a piece of text that was written without `of`."""
        self._pieces += 1
        self._characters += len(text)

    def note(self, event: NativeEvent) -> None:
        """Count an event that is written as it came."""
        self._native = True
        if event.name == "content_block_start":
            self.text_index = event.index
        elif event.name == "content_block_stop":
            self.text_index = -1
        elif event.name == "message_stop":
            self._ended = True
        if event.length:
            self._pieces += 1
            self._characters += event.length

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
                "usage": _filled(message.get("usage"), start_usage(self._input_tokens)),
            }
        elif event.name == "message_delta":
            found["delta"] = found.get("delta") or {}
            found["usage"] = _filled(found.get("usage"), self._end_usage(None))
        return found

    def _content(self, made: list[Json], length: int) -> list[Json]:
        self._pieces += 1
        self._characters += length
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
            "usage": start_usage(self._input_tokens),
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
        usage = self._end_usage(self._usage)
        ended: Json = {"type": "message_delta", "delta": delta, "usage": usage}
        return [*self._start(), *self._blocks.end(), ended, {"type": "message_stop"}]

    def _end_usage(self, reported: UsageReported | None) -> Json:
        size = self.size
        pieces = (self._pieces, self._characters) if size is None else (size.deltas, size.text_length)
        return end_usage(reported, *pieces)

    def _read(self, event: AnswerFields) -> None:
        """Servers like vLLM and SGLang name the sequence at which the answer stopped; other servers do not."""
        if event.place != "choice":
            return
        fields: dict[str, Any] = fields_of(event.fields)
        for name in ("stop_reason", "matched_stop"):
            if fields.get(name) in self._stops and isinstance(fields[name], str):
                self._stop_sequence = fields[name]


def _text(index: int, text: str) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}


def _filled(given: object, defaults: Json) -> Json:
    """A provider's usage with the counts that it left out: SDKs calculate with them."""
    usage = given if isinstance(given, dict) else {}
    return {**defaults, **{name: value for name, value in usage.items() if value is not None or name not in defaults}}
