"""OpenAI's chat wire, as its SDKs and everybody else's parsers accept it (wire.md §1.1, §1.3).

No `id:`, no `retry:`, no event without data. The role comes with the first real piece, as a role-only chunk makes
tools report a false time to first token. Errors are nested: a flat one is swallowed by openai-python.
"""

import base64
from array import array
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from penstock_contract.errors import PenstockError
from penstock_contract.request.messages import FunctionCall, ToolCall
from penstock_contract.responses import (
    AssistantMessage,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChunkChoice,
    CompletionTokensDetails,
    CompletionUsage,
    Delta,
    EmbeddingObject,
    EmbeddingsResponse,
    EmbeddingUsage,
    FunctionCallDelta,
    PromptTokensDetails,
    ToolCallChunk,
)
from penstock_contract.stream.events import (
    AnswerFields,
    Embedded,
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
from penstock_gateway.streaming.renderers.answer_fields import beside, fields_of, fields_of_event, join, sticky
from penstock_gateway.streaming.renderers.renderer import DONE, data_event, encode_json, error_json


class ChatStreamRenderer:
    """Text deltas, nearly all there is to render, are put together from bytes made once per stream."""

    __slots__ = (
        "_at_the_end",
        "_choice_fields",
        "_created",
        "_id",
        "_include_usage",
        "_repeated",
        "_role_sent",
        "_tail",
        "_text_head",
        "_usage",
        "model",
    )

    def __init__(self, id_: str, created: int, model: str, *, include_usage: bool) -> None:
        self._id = id_
        self._created = created
        self.model = model
        self._include_usage = include_usage
        self._role_sent = False
        self._usage: UsageReported | None = None
        self._text_head = (
            b'data: {"id":%b,"created":%d,"model":%b,"object":"chat.completion.chunk","choices":[{"index":0,"delta":{'
            % (encode_json(id_), created, encode_json(model))
        )
        self._repeated: dict[str, Any] = {}
        self._at_the_end: dict[str, Any] = {}
        self._choice_fields: dict[str, Any] = {}
        self._tail = self._text_tail()

    def render(self, event: Event) -> bytes:
        if type(event) is not TextDelta:
            return self._render_rare(event)
        if self._role_sent:
            return self._text_head + b'"content":' + encode_json(event.text) + self._tail
        self._role_sent = True
        return self._text_head + b'"role":"assistant","content":' + encode_json(event.text) + self._tail

    def _render_rare(self, event: Event) -> bytes:
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
                end = self._chunk(
                    Delta(self._role()), event.reason, choice=self._choice_fields, answer=self._at_the_end
                )
                return end + self._usage_chunk() + DONE
            case Failed():
                return b"data: " + error_json(event.error) + b"\n\n"
            case _:
                return b""

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
            # A list, or log probabilities, is a piece; any other value belongs to the end.
            pieces = {name: value for name, value in fields.items() if isinstance(value, list) or name == "logprobs"}
            self._choice_fields |= {name: value for name, value in fields.items() if name not in pieces}
            return self._chunk(Delta(self._role()), choice=pieces) if pieces else b""
        self._repeated |= sticky(fields)
        once = {name: value for name, value in fields.items() if name not in self._repeated}
        self._at_the_end |= once
        self._tail = self._text_tail()
        return self._chunk(Delta(self._role()), answer=once) if once else b""

    def _text_tail(self) -> bytes:
        # OpenAI sends a null usage on every chunk but the last when usage was asked for.
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
            [ChunkChoice(delta, finish_reason)],
            usage=None if self._include_usage else UNSET,
        )
        if not (delta_fields or choice or call or answer or self._repeated):
            return data_event(chunk)
        whole = beside(msgspec.to_builtins(chunk), {**self._repeated, **(answer or {})})
        made = whole["choices"][0]
        made["delta"] = beside(made["delta"], delta_fields or {})
        if call:
            made["delta"]["tool_calls"][0] = beside(made["delta"]["tool_calls"][0], call)
        whole["choices"][0] = beside(made, choice or {})
        return data_event(whole)

    def _usage_chunk(self) -> bytes:
        if not self._include_usage or self._usage is None:
            return b""
        usage = completion_usage(self._usage)
        chunk = ChatCompletionChunk(self._id, self._created, self.model, [], usage=usage)
        details = fields_of(self._usage.details)
        if not (details or self._repeated):
            return data_event(chunk)
        return data_event(beside(msgspec.to_builtins(chunk), {"usage": details, **self._repeated}))


class ChatCollector:
    """Keeps a whole answer for a client that did not ask for a stream."""

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
        """The answer, as an object if it has further fields.

        Raises `PenstockError` if the stream failed midway: half an answer is none.
        """
        answer = self._known()
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

    def _known(self) -> ChatCompletion:
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


class EmbeddingsCollector:
    def __init__(self, model: str) -> None:
        self._model = model
        self._vectors: dict[int, bytes] = {}
        self._input_tokens = 0
        self._error: PenstockError | None = None

    def render(self, event: Event) -> bytes:
        if isinstance(event, Embedded):
            self._vectors[event.index] = event.vector
        elif isinstance(event, UsageReported):
            self._input_tokens = event.input_tokens
        elif isinstance(event, Failed):
            self._error = PenstockError.of(event.error)
        return b""

    def vectors(self) -> list[bytes]:
        """In the order of the input, each little-endian float32. Raises `PenstockError` if the call failed."""
        if self._error is not None:
            raise self._error
        return [vector for _, vector in sorted(self._vectors.items())]

    def response(self, encoding_format: str) -> EmbeddingsResponse:
        encode = base64_vector if encoding_format == "base64" else float_vector
        data = [EmbeddingObject(index, encode(vector)) for index, vector in enumerate(self.vectors())]
        return EmbeddingsResponse(data, self._model, EmbeddingUsage(self._input_tokens, self._input_tokens))


def float_vector(vector: bytes) -> list[float]:
    return array("f", vector).tolist()


def base64_vector(vector: bytes) -> str:
    return base64.b64encode(vector).decode()


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
