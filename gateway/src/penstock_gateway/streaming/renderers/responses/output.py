"""The output of a response as a state machine: events of a stream in, events of the Responses API out.

Items are closed when another kind of content begins. Calls may interleave: one is closed before the next only if its
arguments are complete JSON, else at the end, because its event of the end repeats all arguments.
"""

import itertools
from typing import Any

from msgspec.structs import replace

from penstock_contract.errors import ErrorDetail
from penstock_contract.openai_responses.output_items import ItemStatus, OutputItem
from penstock_contract.openai_responses.response import IncompleteDetails, ResponseObject
from penstock_contract.openai_responses.stream_events import (
    ResponseCompleted,
    ResponseCreated,
    ResponseEvent,
    ResponseFailed,
    ResponseIncomplete,
    ResponseInProgress,
    ResponseQueued,
    StreamError,
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
from penstock_gateway.streaming.renderers.answer_fields import fields_of, fields_of_event, join
from penstock_gateway.streaming.renderers.responses.call_item import CallItem
from penstock_gateway.streaming.renderers.responses.failure import failure_of, stream_error, usage_of
from penstock_gateway.streaming.renderers.responses.message_item import MessageItem
from penstock_gateway.streaming.renderers.responses.reasoning_item import ReasoningItem


class ResponseOutput:
    """`response` is the response so far; `further` are fields of the provider that this API does not have."""

    def __init__(self, response: ResponseObject, *, encrypted: bool) -> None:
        self.response = response
        self.further: dict[str, Any] = {}
        self.usage_details: dict[str, Any] = {}
        self.message: MessageItem | None = None
        self._suffix = response.id.removeprefix("resp_")
        self._as_summary = response.reasoning.get("summary") is not None
        self._encrypted = encrypted
        self._number = itertools.count().__next__
        self._reasoning: ReasoningItem | None = None
        self._calls: dict[int, CallItem | None] = {}
        """Calls by their place among the calls; None for one that is closed."""
        self._items: dict[int, OutputItem] = {}
        self._next = 0
        self._characters = 0

    def begin(self) -> list[ResponseEvent]:
        """The events before any output."""
        response = self.response
        if response.background:
            queued = replace(response, status="queued")
            created: list[ResponseEvent] = [
                ResponseCreated(sequence_number=self._number(), response=queued),
                ResponseQueued(sequence_number=self._number(), response=queued),
            ]
        else:
            created = [ResponseCreated(sequence_number=self._number(), response=response)]
        return [*created, ResponseInProgress(sequence_number=self._number(), response=response)]

    def add(self, event: Event) -> list[ResponseEvent]:
        match event:
            case TextDelta():
                return self._text(event.text)
            case ReasoningDelta():
                return [*self._reason(), *(self._reasoning.text(event.text) if self._reasoning else ())]
            case RefusalDelta():
                events = self._begin_text()
                return [*events, *(self.message.refusal(event.text) if self.message else ())]
            case ToolCallDelta():
                return self._call(event)
            case AnswerFields():
                return self._fields(event)
            case UsageReported():
                self.response = replace(self.response, usage=usage_of(event))
                self.usage_details = fields_of(event.details)
                return []
            case Finished():
                return self._finish(event.reason)
            case Failed():
                return self._fail(event.error)
            case _:
                return []

    def kept(self, text: str) -> int:
        """Keep a piece of the open text part; returns the sequence number of its event."""
        assert self.message is not None
        self._characters += len(text)
        return self.message.kept(text)

    def _text(self, text: str) -> list[ResponseEvent]:
        events = self._begin_text()
        assert self.message is not None
        events += self.message.text(text)
        self._characters += len(text)
        return events

    def _begin_text(self) -> list[ResponseEvent]:
        if self.message is not None:
            return []
        events = self._close()
        self.message = MessageItem(self._number, f"msg_{self._suffix}_{self._next}", self._take(), self._characters)
        return [*events, *self.message.begin()]

    def _reason(self) -> list[ResponseEvent]:
        if self._reasoning is not None:
            return []
        events = self._close()
        id_ = f"rs_{self._suffix}_{self._next}"
        self._reasoning = ReasoningItem(
            self._number, id_, self._take(), as_summary=self._as_summary, encrypted=self._encrypted
        )
        return [*events, *self._reasoning.begin()]

    def _call(self, event: ToolCallDelta) -> list[ResponseEvent]:
        if event.index in self._calls:
            call = self._calls[event.index]
            # Behind complete JSON only blanks can come that change nothing.
            return [] if call is None else call.arguments(event.arguments)
        events = self._close()
        id_ = f"fc_{self._suffix}_{self._next}"
        call = CallItem(self._number, id_, self._take(), event.id or id_, event.name or "")
        self._calls[event.index] = call
        if event.fields:
            join(self.further.setdefault("function_calls", {}).setdefault(id_, {}), fields_of(event.fields))
        return [*events, *call.begin(), *call.arguments(event.arguments)]

    def _fields(self, event: AnswerFields) -> list[ResponseEvent]:
        fields, events = fields_of_event(event), list[ResponseEvent]()
        if event.place == "answer":
            if isinstance(tier := fields.pop("service_tier", None), str):
                self.response = replace(self.response, service_tier=tier)
            self.further |= fields
            return []
        details, annotations = fields.pop("reasoning_details", None), fields.get("annotations")
        if details and isinstance(details, list):
            events += self._reason()
            if self._reasoning is not None:
                self._reasoning.details([each for each in details if isinstance(each, dict)])
        if isinstance(annotations, list) and self.message is not None and self.message.text_index is not None:
            del fields["annotations"]
            for each in annotations:
                events += self.message.annotation(each) if isinstance(each, dict) else ()
        join(self.further, fields)
        return events

    def _finish(self, reason: FinishReason) -> list[ResponseEvent]:
        cut = reason in {"length", "content_filter"}
        events = self._close("incomplete" if cut else "completed", everything=True)
        if cut:
            why = IncompleteDetails("max_output_tokens" if reason == "length" else "content_filter")
            self.response = replace(self._with_output(), status="incomplete", incomplete_details=why)
            return [*events, ResponseIncomplete(sequence_number=self._number(), response=self.response)]
        self.response = replace(self._with_output(), status="completed")
        return [*events, ResponseCompleted(sequence_number=self._number(), response=self.response)]

    def _fail(self, error: ErrorDetail) -> list[ResponseEvent]:
        events = self._close("incomplete", everything=True)
        self.response = replace(self._with_output(), status="failed", error=failure_of(error))
        error_event: StreamError = stream_error(self._number(), error)
        return [*events, error_event, ResponseFailed(sequence_number=self._number(), response=self.response)]

    def _close(self, status: ItemStatus = "completed", *, everything: bool = False) -> list[ResponseEvent]:
        """Close open items; calls whose arguments may go on are closed with everything only."""
        events: list[ResponseEvent] = []
        for item in (self._reasoning, self.message):
            if item is not None:
                events += self._done(item, status)
        self._reasoning = self.message = None
        for index, call in self._calls.items():
            if call is not None and (everything or call.whole):
                events += self._done(call, status if not call.whole else "completed")
                self._calls[index] = None
        return events

    def _done(self, item: MessageItem | ReasoningItem | CallItem, status: ItemStatus) -> list[ResponseEvent]:
        events, made = item.end(status)
        self._items[item.output_index] = made
        return events

    def _with_output(self) -> ResponseObject:
        return replace(self.response, output=[self._items[index] for index in sorted(self._items)])

    def _take(self) -> int:
        self._next += 1
        return self._next - 1
