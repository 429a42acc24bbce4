"""Collects a whole chat completion for a client that did not request a stream."""

from typing import Any

import msgspec
from msgspec import UNSET

from penstock_contract.endpoint_responses import AssistantMessage, ChatCompletion, Choice
from penstock_contract.errors import PenstockError
from penstock_contract.request.messages import FunctionCall, ToolCall
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
from penstock_gateway.streaming.renderers.answer_fields import beside, fields_of, fields_of_event, join
from penstock_gateway.streaming.renderers.chat_stream import completion_usage


class ChatCollector:
    def __init__(self, id_: str, created: int, model: str) -> None:
        self._id = id_
        self._created = created
        self._model = model
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, tuple[str, str, list[str]]] = {}
        self._fields: dict[str, dict[str, Any]] = {"answer": {}, "choice": {}, "delta": {}}
        self._call_fields: dict[int, dict[str, Any]] = {}
        self._usage: UsageReported | None = None
        self._reason: FinishReason = "stop"
        self._error: PenstockError | None = None

    def around_text(self) -> None:
        return None

    def render(self, event: Event) -> bytes:
        match event:
            case TextDelta():
                self._text.append(event.text)
            case ReasoningDelta():
                self._reasoning.append(event.text)
            case RefusalDelta():
                self._refusal.append(event.text)
            case ToolCallDelta():
                id_, name, arguments = self._calls.get(event.index, ("", "", []))
                arguments.append(event.arguments)
                self._calls[event.index] = (id_ or event.id or "", name or event.name or "", arguments)
                if event.fields:
                    join(self._call_fields.setdefault(event.index, {}), fields_of(event.fields))
            case AnswerFields():
                self._keep(event)
            case UsageReported():
                self._usage = event
            case Finished():
                self._reason = event.reason
            case Failed():
                self._error = PenstockError.of(event.error)
        return b""

    def _keep(self, event: AnswerFields) -> None:
        fields, kept = fields_of_event(event), self._fields[event.place]
        if event.place == "delta":
            join(kept, fields)
            return
        for name, value in fields.items():
            if event.place == "choice" and (name == "logprobs" or isinstance(value, list)):
                join(kept, {name: value})
            else:
                kept[name] = value

    def completion(self) -> ChatCompletion | dict[str, Any]:
        """The answer; a dictionary if it has fields without an event.

        Raises `PenstockError` if the stream failed midway.
        """
        answer = self._with_known_fields()
        details = fields_of(self._usage.details) if self._usage is not None else {}
        if not (details or self._call_fields or any(self._fields.values())):
            return answer
        whole = beside(msgspec.to_builtins(answer), self._fields["answer"] | ({"usage": details} if details else {}))
        [choice] = whole["choices"]
        message = choice["message"] = beside(choice["message"], self._fields["delta"])
        for place, index in enumerate(sorted(self._calls)):
            message["tool_calls"][place] = beside(message["tool_calls"][place], self._call_fields.get(index, {}))
        whole["choices"] = [beside(choice, self._fields["choice"])]
        return whole

    def _with_known_fields(self) -> ChatCompletion:
        if self._error is not None:
            raise self._error
        calls = [
            ToolCall(id_, FunctionCall(name, "".join(arguments)))
            for _, (id_, name, arguments) in sorted(self._calls.items())
        ]
        text, refusal = "".join(self._text), "".join(self._refusal)
        message = AssistantMessage(
            text if text or not (calls or refusal) else None,
            refusal or None,
            tool_calls=calls or UNSET,
            reasoning_content="".join(self._reasoning) or UNSET,
        )
        return ChatCompletion(
            self._id,
            self._created,
            self._model,
            [Choice(message, self._reason)],
            usage=completion_usage(self._usage) if self._usage is not None else UNSET,
        )
