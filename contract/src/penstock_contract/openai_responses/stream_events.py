"""Events of a response's stream. `sequence_number` counts from 0 without a gap."""

from typing import Any

from msgspec import Struct

from penstock_contract.openai_responses.output_items import ContentPart, OutputItem, ReasoningText, SummaryText
from penstock_contract.openai_responses.response import ResponseObject


class _Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    sequence_number: int


class _OfResponse(_Event, frozen=True, kw_only=True):
    response: ResponseObject


class ResponseCreated(_OfResponse, frozen=True, tag="response.created"):
    pass


class ResponseQueued(_OfResponse, frozen=True, tag="response.queued"):
    pass


class ResponseInProgress(_OfResponse, frozen=True, tag="response.in_progress"):
    pass


class ResponseCompleted(_OfResponse, frozen=True, tag="response.completed"):
    pass


class ResponseIncomplete(_OfResponse, frozen=True, tag="response.incomplete"):
    pass


class ResponseFailed(_OfResponse, frozen=True, tag="response.failed"):
    pass


class _OfOutput(_Event, frozen=True, kw_only=True):
    output_index: int


class OutputItemAdded(_OfOutput, frozen=True, kw_only=True, tag="response.output_item.added"):
    item: OutputItem


class OutputItemDone(_OfOutput, frozen=True, kw_only=True, tag="response.output_item.done"):
    item: OutputItem


class _OfItem(_OfOutput, frozen=True, kw_only=True):
    item_id: str


class _OfContent(_OfItem, frozen=True, kw_only=True):
    content_index: int


class ContentPartAdded(_OfContent, frozen=True, kw_only=True, tag="response.content_part.added"):
    part: ContentPart | ReasoningText


class ContentPartDone(_OfContent, frozen=True, kw_only=True, tag="response.content_part.done"):
    part: ContentPart | ReasoningText


class OutputTextDelta(_OfContent, frozen=True, kw_only=True, tag="response.output_text.delta"):
    delta: str
    logprobs: list[dict[str, Any]] = []


class OutputTextDone(_OfContent, frozen=True, kw_only=True, tag="response.output_text.done"):
    text: str
    logprobs: list[dict[str, Any]] = []


class AnnotationAdded(_OfContent, frozen=True, kw_only=True, tag="response.output_text.annotation.added"):
    annotation_index: int
    annotation: dict[str, Any]


class OutputRefusalDelta(_OfContent, frozen=True, kw_only=True, tag="response.refusal.delta"):
    delta: str


class OutputRefusalDone(_OfContent, frozen=True, kw_only=True, tag="response.refusal.done"):
    refusal: str


class ReasoningTextDelta(_OfContent, frozen=True, kw_only=True, tag="response.reasoning_text.delta"):
    delta: str


class ReasoningTextDone(_OfContent, frozen=True, kw_only=True, tag="response.reasoning_text.done"):
    text: str


class _OfSummary(_OfItem, frozen=True, kw_only=True):
    summary_index: int


class SummaryPartAdded(_OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_part.added"):
    part: SummaryText


class SummaryTextDelta(_OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_text.delta"):
    delta: str


class SummaryTextDone(_OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_text.done"):
    text: str


class SummaryPartDone(_OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_part.done"):
    part: SummaryText


class ArgumentsDelta(_OfItem, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"):
    delta: str


class ArgumentsDone(_OfItem, frozen=True, kw_only=True, tag="response.function_call_arguments.done"):
    name: str
    arguments: str


class StreamError(_Event, frozen=True, kw_only=True, tag="error"):
    """Both forms at once: OpenAI's flat one, and the nested one that its SDKs raise and Open Responses requires."""

    code: str
    message: str
    param: str | None
    error: dict[str, Any]


ResponseEvent = (
    ResponseCreated
    | ResponseQueued
    | ResponseInProgress
    | ResponseCompleted
    | ResponseIncomplete
    | ResponseFailed
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | AnnotationAdded
    | OutputRefusalDelta
    | OutputRefusalDone
    | ReasoningTextDelta
    | ReasoningTextDone
    | SummaryPartAdded
    | SummaryTextDelta
    | SummaryTextDone
    | SummaryPartDone
    | ArgumentsDelta
    | ArgumentsDone
    | StreamError
)
