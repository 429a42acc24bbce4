"""The Anthropic Messages dialect, version 2023-06-01.

System text is top level, `max_tokens` is required, tool results are user content, usage is split between
`message_start` and `message_delta` (cumulative), and only `message_stop` proves that the answer is whole.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import ErrorCode, PenstockError
from penstock_contract.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_contract.messages import ImagePart, Message, NamedToolChoice, RefusalPart, TextPart
from penstock_contract.requests import ChatOperation, Operation
from penstock_contract.route import ProviderSpec
from penstock_worker.providers.adapter import HttpRequest, ResponseParser, failure
from penstock_worker.sse import EventTooLarge, SseDecoder

API_VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 4096

STOP_REASONS: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Anything else (`end_turn`, `stop_sequence`, `pause_turn`) is `stop`."""

ERROR_TYPES: dict[str, ErrorCode] = {
    "invalid_request_error": "provider_rejected",
    "authentication_error": "provider_auth_failed",
    "billing_error": "provider_auth_failed",
    "permission_error": "provider_auth_failed",
    "not_found_error": "provider_model_not_found",
    "request_too_large": "context_length_exceeded",
    "rate_limit_error": "provider_rate_limited",
}


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


class _Error(Struct, gc=False):
    type: str = ""


class _StreamEvent(Struct, gc=False):
    type: str
    index: int = 0
    message: _Message | None = None
    delta: _Delta | None = None
    content_block: _Block | None = None
    usage: _Usage | None = None
    error: _Error | None = None


_decode_event = msgspec.json.Decoder(_StreamEvent).decode


class AnthropicAdapter:
    provider_name = "anthropic"
    default_base_url = "https://api.anthropic.com/v1"

    def request(self, operation: Operation, model: str, spec: ProviderSpec, key: str | None) -> HttpRequest:
        del spec
        if not isinstance(operation, ChatOperation):
            raise PenstockError("unsupported_by_provider", "this provider has no embeddings")
        if operation.response_format is not None and operation.response_format.type != "text":
            raise PenstockError(
                "unsupported_by_provider", "this provider has no response_format", param="response_format"
            )
        headers = {"anthropic-version": API_VERSION}
        if key:
            headers["x-api-key"] = key
        return HttpRequest("/messages", headers, msgspec.json.encode(_body(operation, model)))

    def parser(self, operation: Operation) -> ResponseParser:
        del operation
        return MessageParser()


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
                    raise failure(ERROR_TYPES.get(event.error.type if event.error else "", "provider_unavailable"))
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


def _body(operation: ChatOperation, model: str) -> dict[str, Any]:
    system = [
        text for message in operation.messages if message.role in {"system", "developer"} for text in _texts(message)
    ]
    stop = operation.stop
    optional = {
        "system": "\n\n".join(system) or None,
        "temperature": min(operation.temperature, 1.0) if operation.temperature is not None else None,
        "top_p": operation.top_p,
        "stop_sequences": [stop] if isinstance(stop, str) else stop,
        "tools": _tools(operation),
        "tool_choice": _tool_choice(operation),
        "metadata": {"user_id": operation.user} if operation.user else None,
    }
    return {
        "model": model,
        "max_tokens": operation.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": _messages(operation.messages),
        "stream": True,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Neighbours of the same role are joined: Anthropic wants the turns to alternate."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role in {"system", "developer"}:
            continue
        role: Literal["user", "assistant"] = "assistant" if message.role == "assistant" else "user"
        content = _content(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += content
        elif content:
            turns.append({"role": role, "content": content})
    return turns


def _content(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": "".join(_texts(message))}
        return [result]
    blocks: list[dict[str, Any]] = []
    if isinstance(message.content, str):
        if message.content:
            blocks.append({"type": "text", "text": message.content})
    else:
        for part in message.content or []:
            if isinstance(part, ImagePart):
                blocks.append({"type": "image", "source": _image_source(part.image_url.url)})
            else:
                blocks.append({"type": "text", "text": part.text if isinstance(part, TextPart) else part.refusal})
    if message.refusal:
        blocks.append({"type": "text", "text": message.refusal})
    calls = message.tool_calls or []
    return blocks + [
        {"type": "tool_use", "id": call.id, "name": call.function.name, "input": _arguments(call.function.arguments)}
        for call in calls
    ]


def _texts(message: Message) -> list[str]:
    if isinstance(message.content, str):
        return [message.content]
    texts = [part for part in message.content or [] if not isinstance(part, ImagePart)]
    return [part.refusal if isinstance(part, RefusalPart) else part.text for part in texts]


def _image_source(url: str) -> dict[str, str]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    media_type, mark, data = url[5:].partition(";base64,")
    if not mark:
        raise PenstockError("invalid_request", "an image's data: URL is not base64", param="messages")
    return {"type": "base64", "media_type": media_type, "data": data}


def _arguments(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except UNREADABLE as error:
        raise PenstockError(
            "invalid_request", "the arguments of a tool call are not a JSON object", param="messages"
        ) from error


def _tools(operation: ChatOperation) -> list[dict[str, Any]] | None:
    if not operation.tools:
        return None
    return [
        {
            "name": tool.function.name,
            "input_schema": tool.function.parameters or {"type": "object"},
            **({"description": tool.function.description} if tool.function.description else {}),
        }
        for tool in operation.tools
    ]


def _tool_choice(operation: ChatOperation) -> dict[str, Any] | None:
    choice = operation.tool_choice
    if not operation.tools or (choice is None and operation.parallel_tool_calls is None):
        return None
    if isinstance(choice, NamedToolChoice):
        form: dict[str, Any] = {"type": "tool", "name": choice.function.name}
    else:
        form = {"type": {"required": "any", "none": "none"}.get(choice or "auto", "auto")}
    if operation.parallel_tool_calls is False and form["type"] != "none":
        form["disable_parallel_tool_use"] = True
    return form
