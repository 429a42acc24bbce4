"""Parses an answer of the Anthropic Messages dialect, version 2023-06-01, into events.

Usage is split between `message_start` and `message_delta` (cumulative), and only `message_stop` proves that the answer
is whole.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from penstock_contract.codec import UNREADABLE
from penstock_contract.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_worker.providers.failures import failure, failure_of_error
from penstock_worker.sse import EventTooLarge, SseDecoder

STOP_REASONS: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Anything else (`end_turn`, `stop_sequence`, `pause_turn`) is `stop`."""


class _Usage(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Message(Struct, gc=False):
    usage: _Usage | None = None


class _Delta(Struct, gc=False):
    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None


class _Block(Struct, gc=False):
    type: str
    id: str | None = None
    name: str | None = None


class _StreamEvent(Struct, gc=False):
    type: str
    index: int = 0
    message: _Message | None = None
    delta: _Delta | None = None
    content_block: _Block | None = None
    usage: _Usage | None = None
    error: Any = None


_decode_event = msgspec.json.Decoder(_StreamEvent).decode


class MessageParser:
    __slots__ = ("_cached", "_created", "_decoder", "_output", "_reason", "_tools", "_uncached", "complete")

    def __init__(self) -> None:
        self._decoder = SseDecoder()
        self._reason: FinishReason = "stop"
        self._uncached = self._cached = self._created = self._output = 0
        self._tools: dict[int, int] = {}
        self.complete = False

    def feed(self, data: bytes) -> Sequence[Event]:
        events: list[Event] = []
        try:
            for payload in self._decoder.feed(data):
                if self.complete:
                    break
                event = _decode_event(payload)
                if event.type == "content_block_delta":
                    if event.delta is not None:
                        self._delta(event.index, event.delta, events)
                elif event.type == "content_block_start":
                    self._block(event.index, event.content_block, events)
                elif event.type == "error":
                    raise failure_of_error(event.error)
                else:
                    self._frame(event, events)
        except (*UNREADABLE, EventTooLarge) as error:
            raise failure("provider_stream_broken") from error
        return events

    def end(self) -> Sequence[Event]:
        if not self.complete:
            raise failure("provider_stream_broken")
        return ()

    def _delta(self, index: int, delta: _Delta, events: list[Event]) -> None:
        if delta.text:
            events.append(TextDelta(delta.text))
        elif delta.thinking:
            events.append(ReasoningDelta(delta.thinking))
        elif delta.partial_json and index in self._tools:
            events.append(ToolCallDelta(self._tools[index], None, None, delta.partial_json))

    def _block(self, index: int, block: _Block | None, events: list[Event]) -> None:
        if block is not None and block.type == "tool_use":
            # Anthropic counts all blocks, OpenAI's clients only the tool calls.
            self._tools[index] = len(self._tools)
            events.append(ToolCallDelta(self._tools[index], block.id, block.name, ""))

    def _frame(self, event: _StreamEvent, events: list[Event]) -> None:
        usage = event.message.usage if event.message is not None else event.usage
        if usage is not None:
            self._count(usage)
        if event.type == "message_delta" and event.delta is not None and event.delta.stop_reason:
            self._reason = STOP_REASONS.get(event.delta.stop_reason, "stop")
        elif event.type == "message_stop":
            self.complete = True
            # Anthropic counts cached input beside the input, everybody else within it.
            input_tokens = self._uncached + self._cached + self._created
            events += [UsageReported(input_tokens, self._output, self._cached), Finished(self._reason)]

    def _count(self, usage: _Usage) -> None:
        """Each number is cumulative; one that is left out stays as it was."""
        if usage.input_tokens is not None:
            self._uncached = usage.input_tokens
        if usage.cache_read_input_tokens is not None:
            self._cached = usage.cache_read_input_tokens
        if usage.cache_creation_input_tokens is not None:
            self._created = usage.cache_creation_input_tokens
        if usage.output_tokens is not None:
            self._output = usage.output_tokens
