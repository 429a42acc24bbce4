"""Renders the AI SDK's UI message stream, version 1: what `useChat` of `ai` 5 and 6 reads.

The client refuses an unknown chunk and a delta of a part that did not start, so each part has a start and an end. It
takes a stream without `finish` for a whole answer; a failure therefore always ends with an `error` chunk.
"""

from collections.abc import Iterator
from typing import Any, Literal

from penstock_contract.ai_sdk.ui_chunks import (
    AbortChunk,
    ErrorChunk,
    FileChunk,
    FinishChunk,
    FinishMetadata,
    FinishStepChunk,
    Queued,
    QueuedChunk,
    ReasoningDeltaChunk,
    ReasoningEndChunk,
    ReasoningStartChunk,
    SourceUrlChunk,
    StartChunk,
    StartMetadata,
    StartStepChunk,
    TextEndChunk,
    TextStartChunk,
    UIMessageChunk,
    UIUsage,
    UsageInputDetails,
    UsageOutputDetails,
)
from penstock_contract.stream.events import (
    AnswerFields,
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.ai_sdk.ui_tool_inputs import UIToolInputs
from penstock_gateway.streaming.renderers.answer_fields import fields_of, join
from penstock_gateway.streaming.renderers.progress import Progress
from penstock_gateway.streaming.renderers.renderer import DONE, data_event, encode_json

HEADER = (b"x-vercel-ai-ui-message-stream", b"v1")
REASONS: dict[FinishReason, Literal["stop", "length", "content-filter", "tool-calls"]] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
}


class UIStreamRenderer:
    """`message_id` is the id of the message that the answer is, or continues."""

    __slots__ = ("_begun", "_counted", "_details", "_open", "_parts", "_sources", "_start", "_text_head", "_tools")

    def __init__(self, message_id: str, model: str, request_id: str) -> None:
        self._start = StartChunk(message_id, StartMetadata(model, request_id))
        self._begun = False
        self._open: Literal["text", "reasoning"] | None = None
        self._parts = 0
        self._sources = 0
        self._details: dict[str, Any] = {}
        self._tools = UIToolInputs()
        self._counted: UsageReported | None = None
        self._text_head = b""
        """The bytes before a text delta's text while a text part is open, else empty."""

    def render(self, event: Event) -> bytes:
        if type(event) is TextDelta and self._text_head:
            return self._text_head + encode_json(event.text) + b"}\n\n"
        match event:
            case TextDelta() | RefusalDelta():
                return self._begin() + self._text(event.text)
            case ReasoningDelta():
                return self._begin() + self._switch("reasoning") + self._reasoning(event.text)
            case ToolCallDelta():
                return self._begin() + self._close() + _events(self._tools.piece(event))
            case AnswerFields():
                return self._fields(event)
            case UsageReported():
                self._counted = event
                return b""
            case Finished():
                return self._begin() + self._close() + _events(self._end(event.reason)) + DONE
            case Failed():
                stopped = event.error.code == "stopped"
                end = AbortChunk(event.error.message) if stopped else ErrorChunk(event.error.message)
                return self._close() + data_event(end) + DONE
            case _:
                return b""

    def around_text(self) -> tuple[bytes, bytes] | None:
        return (self._text_head, b"}\n\n") if self._text_head else None

    def progress(self, report: Progress) -> bytes:
        """A transient part: the page's `onData` gets it, and no message has it."""
        return data_event(QueuedChunk(Queued(report.position, report.cause)))

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return data_event(self._start) + data_event(StartStepChunk())

    def _text(self, text: str) -> bytes:
        return self._switch("text") + self._text_head + encode_json(text) + b"}\n\n"

    def _reasoning(self, text: str) -> bytes:
        return data_event(ReasoningDeltaChunk(self._id("reasoning"), text))

    def _id(self, kind: Literal["text", "reasoning"]) -> str:
        return f"{kind}-{self._parts}"

    def _switch(self, kind: Literal["text", "reasoning"]) -> bytes:
        """Start a part of this kind, unless it is open."""
        if self._open == kind:
            return b""
        closed = self._close()
        self._open = kind
        self._parts += 1
        id_ = self._id(kind)
        if kind == "reasoning":
            return closed + data_event(ReasoningStartChunk(id_))
        self._text_head = b'data: {"type":"text-delta","id":%b,"delta":' % encode_json(id_)
        return closed + data_event(TextStartChunk(id_))

    def _close(self) -> bytes:
        kind, self._open, self._text_head = self._open, None, b""
        if kind == "text":
            return data_event(TextEndChunk(self._id(kind)))
        if kind == "reasoning":
            details = self._details.pop("reasoning_details", None)
            metadata = {"penstock": {"reasoningDetails": details}} if details else None
            return data_event(ReasoningEndChunk(self._id(kind), metadata))
        return b""

    def _fields(self, event: AnswerFields) -> bytes:
        """Signatures, cited pages and pictures; other fields have no place in this dialect."""
        if event.place != "delta":
            return b""
        fields = fields_of(event.fields)
        made = b""
        if details := _objects(fields, "reasoning_details"):
            made += self._begin() + self._switch("reasoning")
            join(self._details, {"reasoning_details": details})
        chunks = [*self._cited(_objects(fields, "annotations")), *_pictures(_objects(fields, "images"))]
        return made + (self._begin() + self._close() + _events(chunks) if chunks else b"")

    def _cited(self, annotations: list[dict[str, Any]]) -> Iterator[UIMessageChunk]:
        for annotation in annotations:
            found = annotation.get("url_citation")
            if isinstance(found, dict) and isinstance(found.get("url"), str):
                title = found.get("title")
                yield SourceUrlChunk(self._source_id(), found["url"], title if isinstance(title, str) else None)

    def _source_id(self) -> str:
        """Unique in the message, which may have several answers."""
        self._sources += 1
        return f"{self._start.message_metadata.request_id}-{self._sources}"

    def _end(self, reason: FinishReason) -> Iterator[UIMessageChunk]:
        yield from self._tools.ends()
        yield FinishStepChunk()
        yield FinishChunk(REASONS[reason], FinishMetadata(ui_usage(self._counted)) if self._counted else None)


def ui_usage(counted: UsageReported) -> UIUsage:
    written, cached = counted.cache_write_input_tokens, counted.cached_input_tokens
    return UIUsage(
        counted.input_tokens,
        UsageInputDetails(max(0, counted.input_tokens - cached - written), cached, written),
        counted.output_tokens,
        UsageOutputDetails(max(0, counted.output_tokens - counted.reasoning_tokens), counted.reasoning_tokens),
        counted.input_tokens + counted.output_tokens,
        counted.reasoning_tokens,
        cached,
    )


def _events(chunks: Any) -> bytes:
    return b"".join(map(data_event, chunks))


def _objects(fields: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = fields.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _pictures(images: list[dict[str, Any]]) -> Iterator[UIMessageChunk]:
    for image in images:
        address = image.get("image_url")
        url = address.get("url") if isinstance(address, dict) else address
        if isinstance(url, str):
            media = url[5:].partition(";")[0].partition(",")[0] if url.startswith("data:") else ""
            yield FileChunk(url, media or "image/png")
