"""Renders the stream of OpenAI's older Completions API: the text of one choice or several.

Reasoning and tool calls have no place in it; a refusal is text. The count and the end are those of a chat's stream.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET

from penstock_contract.endpoint_responses import TextChoice, TextCompletion
from penstock_contract.errors import error_json
from penstock_contract.stream.events import (
    AnswerFields,
    ChoiceFinished,
    ChoiceSwitched,
    Event,
    Failed,
    Finished,
    FinishReason,
    RefusalDelta,
    TextDelta,
    UsageReported,
)
from penstock_gateway.streaming.renderers.answer_fields import beside, fields_of, fields_of_event
from penstock_gateway.streaming.renderers.chat_stream import completion_usage
from penstock_gateway.streaming.renderers.completions.text_logprobs import text_logprobs
from penstock_gateway.streaming.renderers.renderer import DONE, data_event

REASONS: dict[FinishReason, Literal["stop", "length", "content_filter"]] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "stop",
}


class CompletionStreamRenderer:
    def __init__(self, choices: int, id_: str, created: int, model: str, *, include_usage: bool) -> None:
        self._id = id_
        self._created = created
        self._model = model
        self._include_usage = include_usage
        self._several = choices > 1
        self._lengths = [0] * choices
        self._current = 0
        self._logprobs: Any = None
        """Of the next piece: a provider has a token and its log probabilities in one chunk."""
        self._usage: UsageReported | None = None
        self._answer: dict[str, Any] = {}

    def render(self, event: Event) -> bytes:
        match event:
            case TextDelta() | RefusalDelta():
                return self._piece(event.text)
            case AnswerFields():
                return self._fields(event)
            case ChoiceSwitched():
                self._current = event.index if 0 <= event.index < len(self._lengths) else 0
                return b""
            case ChoiceFinished():
                return self._end(event.reason)
            case UsageReported():
                self._usage = event
                return b""
            case Finished():
                return (b"" if self._several else self._end(event.reason)) + self._usage_chunk() + DONE
            case Failed():
                return b"data: " + error_json(event.error) + b"\n\n"
            case _:
                return b""

    def around_text(self) -> None:
        """None: the offsets of log probabilities need every text."""

    def _piece(self, text: str, reason: FinishReason | None = None) -> bytes:
        offset, given = self._lengths[self._current], self._logprobs
        self._logprobs = None
        self._lengths[self._current] += len(text)
        logprobs = text_logprobs(given, offset) if given is not None else None
        choice = TextChoice(text, self._current, logprobs, REASONS[reason] if reason is not None else None)
        return self._chunk([choice])

    def _fields(self, event: AnswerFields) -> bytes:
        fields = fields_of_event(event)
        if event.place == "answer":
            self._answer |= fields
        if event.place != "choice" or "logprobs" not in fields:
            return b""
        before = self._piece("") if self._logprobs is not None else b""
        self._logprobs = fields["logprobs"]
        return before

    def _end(self, reason: FinishReason) -> bytes:
        return self._piece("", reason)

    def _chunk(self, choices: list[TextChoice]) -> bytes:
        usage = None if self._include_usage else UNSET
        chunk = TextCompletion(self._id, self._created, self._model, choices, usage=usage)
        return data_event(beside(msgspec.to_builtins(chunk), self._answer) if self._answer else chunk)

    def _usage_chunk(self) -> bytes:
        if not self._include_usage or self._usage is None:
            return b""
        chunk = TextCompletion(self._id, self._created, self._model, [], usage=completion_usage(self._usage))
        details = fields_of(self._usage.details)
        return data_event(beside(msgspec.to_builtins(chunk), {"usage": details, **self._answer}))
