"""Parses answers of the OpenAI dialect into events: chat completions as a stream, embeddings as one body.

Deviations of compatible servers that are handled: CRLF, comments, empty choices, no `[DONE]`, a tool call without
index or id or with both in every piece, `reasoning` for `reasoning_content`, content as parts, errors inside a 200
(nested, flat, vLLM's, and as a finish reason).
"""

from array import array
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from penstock_contract.codec import UNREADABLE
from penstock_contract.events import (
    Embedded,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_worker.providers.failures import failure, failure_of_error
from penstock_worker.sse import EventTooLarge, SseDecoder

EMBEDDINGS_BYTES_MAX = 64 * 1024 * 1024

FINISH_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "model_length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
"""Anything else that a provider calls an end (`stop`, `eos`, `end_turn`) is `stop`."""


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct, gc=False):
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(Struct, gc=False):
    cached_tokens: int | None = None


class _CompletionDetails(Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    object: str | None = None


class _Embedding(Struct):
    index: int
    embedding: list[float]


class _Embeddings(Struct):
    data: list[_Embedding]
    usage: _Usage = msgspec.field(default_factory=_Usage)


_BRACKET = ord("[")
"""Of `[DONE]`."""
_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_embeddings = msgspec.json.Decoder(_Embeddings).decode


class ChatParser:
    """Holds back the finish until `[DONE]` or the end of the body, because usage comes after it."""

    __slots__ = ("_decoder", "_reason", "_tools", "_usage", "complete")

    def __init__(self) -> None:
        self._decoder = SseDecoder()
        self._reason: FinishReason | None = None
        self._usage: _Usage | None = None
        self._tools: dict[int, tuple[str | None, str | None]] = {}
        self.complete = False

    def feed(self, data: bytes) -> Sequence[Event]:
        try:
            events: list[Event] = []
            for payload in self._decoder.feed(data):
                if not payload:
                    continue
                if payload[0] == _BRACKET:
                    events += self.end()
                    continue
                chunk = _decode_chunk(payload)
                choices = chunk.choices
                if not choices or chunk.usage is not None or chunk.error is not None:
                    self._aside(chunk)
                if choices and not self.complete:
                    self._choice(choices[0], events)
        except (*UNREADABLE, EventTooLarge) as error:
            raise failure("provider_stream_broken") from error
        return events

    def end(self) -> Sequence[Event]:
        if self.complete:
            return ()
        if self._reason is None:
            raise failure("provider_stream_broken")
        self.complete = True
        finished = Finished(self._reason)
        return (finished,) if self._usage is None else (_usage_event(self._usage), finished)

    def _choice(self, choice: _Choice, events: list[Event]) -> None:
        delta = choice.delta
        if delta is not None:
            if content := delta.content:
                text = content if isinstance(content, str) else _text_of_parts(content)
                if text:
                    events.append(TextDelta(text))
            if reasoning := delta.reasoning_content or delta.reasoning:
                events.append(ReasoningDelta(reasoning))
            if delta.refusal:
                events.append(RefusalDelta(delta.refusal))
            if delta.tool_calls:
                events += [self._tool_call(call) for call in delta.tool_calls]
        if choice.finish_reason:
            if choice.finish_reason == "error":
                raise failure("provider_unavailable")
            self._reason = FINISH_REASONS.get(choice.finish_reason, "stop")

    def _tool_call(self, call: _ToolCall) -> ToolCallDelta:
        function = call.function or _Function()
        id_, name = call.id or None, function.name or None
        index = call.index if call.index is not None else self._index_of(id_, name)
        known_id, known_name = self._tools.get(index, (None, None))
        self._tools[index] = (known_id or id_, known_name or name)
        # Clients join the pieces: an id that came twice would be doubled.
        return ToolCallDelta(index, None if known_id else id_, None if known_name else name, function.arguments or "")

    def _index_of(self, id_: str | None, name: str | None) -> int:
        """Gemini's compatible endpoint sends calls without an index, some with an empty id."""
        if id_ is None and name is None:
            return max(0, len(self._tools) - 1)
        known = (index for index, (known_id, _) in self._tools.items() if id_ is not None and known_id == id_)
        return next(known, len(self._tools))

    def _aside(self, chunk: _Chunk) -> None:
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.error is not None or chunk.object == "error":
            raise failure_of_error(chunk.error)


class EmbeddingsParser:
    __slots__ = ("_body", "complete")

    def __init__(self) -> None:
        self._body = bytearray()
        self.complete = False

    def feed(self, data: bytes) -> Sequence[Event]:
        self._body += data
        if len(self._body) > EMBEDDINGS_BYTES_MAX:
            raise failure("provider_stream_broken")
        return ()

    def end(self) -> Sequence[Event]:
        try:
            answer = _decode_embeddings(self._body)
        except UNREADABLE as error:
            raise failure("provider_stream_broken") from error
        self.complete = True
        vectors: list[Event] = [Embedded(item.index, array("f", item.embedding).tobytes()) for item in answer.data]
        return [*vectors, _usage_event(answer.usage), Finished("stop")]


def _usage_event(usage: _Usage) -> UsageReported:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return UsageReported(
        usage.prompt_tokens or 0,
        usage.completion_tokens or 0,
        (prompt.cached_tokens or 0) if prompt else 0,
        (completion.reasoning_tokens or 0) if completion else 0,
    )


def _text_of_parts(parts: list[dict[str, Any]]) -> str:
    """Mistral's content parts; its `thinking` parts are not text for the reader."""
    return "".join(part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str))
