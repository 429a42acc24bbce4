"""Renders OpenAI's chat completion chunks, in the form that its SDKs and other parsers accept.

No `id:`, no `retry:`, no event without data. The role comes with the first real piece, because a role-only chunk makes
tools report a false time to first token. Errors are nested: openai-python ignores a flat one.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from penstock_contract.endpoint_responses import (
    ChatCompletionChunk,
    ChunkChoice,
    CompletionTokensDetails,
    CompletionUsage,
    Delta,
    FunctionCallDelta,
    PromptTokensDetails,
    ToolCallChunk,
)
from penstock_contract.errors import error_json
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
from penstock_gateway.streaming.renderers.answer_fields import beside, fields_of, fields_of_event, sticky
from penstock_gateway.streaming.renderers.renderer import DONE, data_event, encode_json


class ChatStreamRenderer:
    """Text deltas, nearly all events, are assembled from bytes that are encoded once per stream."""

    __slots__ = (
        "_choice_fields",
        "_created",
        "_final_fields",
        "_held",
        "_id",
        "_include_usage",
        "_index",
        "_plain",
        "_repeated",
        "_role_sent",
        "_tail",
        "_text_head",
        "_usage",
        "model",
    )

    def __init__(self, id_: str, created: int, model: str, *, include_usage: bool, index: int = 0) -> None:
        self._id = id_
        self._created = created
        self.model = model
        self._include_usage = include_usage
        self._index = index
        self._role_sent = False
        self._held: dict[str, Any] = {}
        """Fields of a choice for its next chunk: a provider has a token and its log probabilities in one chunk."""
        self._plain = False
        """True if the next text delta's chunk has nothing but its text: the role was sent, and nothing is held."""
        self._usage: UsageReported | None = None
        self._text_head = (
            b'data: {"id":%b,"created":%d,"model":%b,"object":"chat.completion.chunk","choices":[{"index":%d,"delta":{'
            % (encode_json(id_), created, encode_json(model), index)
        )
        self._repeated: dict[str, Any] = {}
        self._final_fields: dict[str, Any] = {}
        self._choice_fields: dict[str, Any] = {}
        self._tail = self._text_tail()

    def render(self, event: Event) -> bytes:
        if type(event) is not TextDelta:
            return self._render_other(event)
        if self._plain:
            return self._text_head + b'"content":' + encode_json(event.text) + self._tail
        if self._held:
            return self._chunk(Delta(self._role(), content=event.text))
        self._role_sent = self._plain = True
        return self._text_head + b'"role":"assistant","content":' + encode_json(event.text) + self._tail

    def around_text(self) -> tuple[bytes, bytes] | None:
        return (self._text_head + b'"content":', self._tail) if self._plain else None

    def _render_other(self, event: Event) -> bytes:
        match event:
            case ReasoningDelta():
                return self._chunk(Delta(self._role(), reasoning_content=event.text))
            case RefusalDelta():
                return self._chunk(Delta(self._role(), refusal=event.text))
            case ToolCallDelta():
                delta = Delta(self._role(), tool_calls=[_tool_call_chunk(event)])
                extra = fields_of(event.fields)
                return self._chunk(delta, call=extra) if extra else self._chunk(delta)
            case UsageReported():
                self._usage = event
                return b""
            case AnswerFields():
                return self._fields(event)
            case Finished():
                return self.finish(event.reason) + self.usage_chunk() + DONE
            case Failed():
                return self._flush() + b"data: " + error_json(event.error) + b"\n\n"
            case _:
                return b""

    def finish(self, reason: FinishReason) -> bytes:
        """The last chunk of the choice."""
        return self._chunk(Delta(self._role()), reason, choice=self._choice_fields, answer=self._final_fields)

    def _flush(self) -> bytes:
        return self._chunk(Delta(self._role())) if self._held else b""

    def _role(self) -> Literal["assistant"] | UnsetType:
        if self._role_sent:
            return UNSET
        self._role_sent = True
        return "assistant"

    def _fields(self, event: AnswerFields) -> bytes:
        fields = fields_of_event(event)
        if not fields:
            return b""
        if event.place == "delta":
            return self._chunk(Delta(self._role()), delta_fields=fields)
        if event.place == "choice":
            # A list, or log probabilities, is a piece of the answer; any other value belongs to the end.
            pieces = {name: value for name, value in fields.items() if isinstance(value, list) or name == "logprobs"}
            self._choice_fields |= {name: value for name, value in fields.items() if name not in pieces}
            if not pieces:
                return b""
            before = self._flush()
            self._held, self._plain = pieces, False
            return before
        self._repeated |= sticky(fields)
        once = {name: value for name, value in fields.items() if name not in self._repeated}
        self._final_fields |= once
        self._tail = self._text_tail()
        return self._chunk(Delta(self._role()), answer=once) if once else b""

    def _text_tail(self) -> bytes:
        # OpenAI sends a null usage on every chunk but the last when usage was requested.
        usage = b',"usage":null' if self._include_usage else b""
        repeated = b"," + encode_json(self._repeated)[1:-1] if self._repeated else b""
        return b'},"logprobs":null,"finish_reason":null}]' + usage + repeated + b"}\n\n"

    def _chunk(
        self,
        delta: Delta,
        finish_reason: FinishReason | None = None,
        *,
        delta_fields: dict[str, Any] | None = None,
        choice: dict[str, Any] | None = None,
        call: dict[str, Any] | None = None,
        answer: dict[str, Any] | None = None,
    ) -> bytes:
        chunk = ChatCompletionChunk(
            self._id,
            self._created,
            self.model,
            [ChunkChoice(delta, finish_reason, self._index)],
            usage=None if self._include_usage else UNSET,
        )
        if self._held:
            choice, self._held = {**(choice or {}), **self._held}, {}
        self._plain = self._role_sent
        if not (delta_fields or choice or call or answer or self._repeated):
            return data_event(chunk)
        whole = beside(msgspec.to_builtins(chunk), {**self._repeated, **(answer or {})})
        made = whole["choices"][0]
        made["delta"] = beside(made["delta"], delta_fields or {})
        if call:
            made["delta"]["tool_calls"][0] = beside(made["delta"]["tool_calls"][0], call)
        whole["choices"][0] = beside(made, choice or {})
        return data_event(whole)

    def usage_chunk(self) -> bytes:
        if not self._include_usage or self._usage is None:
            return b""
        usage = completion_usage(self._usage)
        chunk = ChatCompletionChunk(self._id, self._created, self.model, [], usage=usage)
        details = fields_of(self._usage.details)
        if not (details or self._repeated):
            return data_event(chunk)
        return data_event(beside(msgspec.to_builtins(chunk), {"usage": details, **self._repeated}))


def completion_usage(usage: UsageReported) -> CompletionUsage:
    return CompletionUsage(
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens + usage.output_tokens,
        PromptTokensDetails(usage.cached_input_tokens, usage.cache_write_input_tokens or UNSET),
        CompletionTokensDetails(usage.reasoning_tokens),
    )


def _tool_call_chunk(event: ToolCallDelta) -> ToolCallChunk:
    return ToolCallChunk(
        event.index,
        FunctionCallDelta(event.arguments, event.name if event.name is not None else UNSET),
        id=event.id if event.id is not None else UNSET,
        type="function" if event.id is not None else UNSET,
    )
