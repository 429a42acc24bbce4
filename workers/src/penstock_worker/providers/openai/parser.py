"""Parses chat completions of the OpenAI dialect into events: a stream, or a whole answer instead of one.

Lenient: fields with a meaning are read in every spelling that servers use, fields that are not needed are skipped, and
all others are kept for the client (`AnswerFields`). docs/reference/answers.md lists the fields and their events.
"""

from collections.abc import Sequence
from typing import Any

from penstock_contract.codec import UNREADABLE
from penstock_contract.stream.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from penstock_contract.stream.sse import SseDecoder
from penstock_worker.providers.answer import lenient
from penstock_worker.providers.answer.answer_fields import FieldsSeen, encoded
from penstock_worker.providers.answer.finish import FAILED_REASONS, agreed, read_reason, stronger
from penstock_worker.providers.answer.text_template import TextTemplate
from penstock_worker.providers.answer.token_counts import TokenCounts
from penstock_worker.providers.answer.tool_calls import ToolCalls
from penstock_worker.providers.failure.provider_failure import failure, failure_of_error
from penstock_worker.providers.openai.chunk import (
    Chunk,
    ChunkDelta,
    ChunkToolCall,
    ProviderChoice,
    decode_strictly,
    error_of,
    read,
)

_BRACKET = ord("[")
"""First byte of `[DONE]`."""
_DONE = b"[DONE]"
SEARCHES_MAX = 8
"""How often a template is searched in a stream whose chunks differ by more than their text."""
UNREADABLE_ANYHOW = (*UNREADABLE, ValueError)


class ChatParser:
    """Holds back the finish until `[DONE]` or the end of the body, because usage comes after it."""

    __slots__ = (
        "_calls",
        "_characters",
        "_counts",
        "_decoder",
        "_fields",
        "_fingerprint",
        "_halves",
        "_index",
        "_pieces",
        "_reason",
        "_searches",
        "_sought_at",
        "_source",
        "_template",
        "_tier",
        "_whole",
        "complete",
        "progress",
    )

    def __init__(self, index: int | None = None, seed: bytes = b"") -> None:
        """`index` is the choice to read, the first chunk's if None; `seed` is that of the ids of calls without one."""
        self._decoder = SseDecoder()
        self._reason: FinishReason | None = None
        self._counts = TokenCounts()
        self._calls = ToolCalls()
        self._calls.seed = seed
        self._fields = FieldsSeen()
        self._halves = lenient.Halves()
        self._tier: str | None = None
        self._fingerprint: str | None = None
        self._index = index
        self._source: str | None = None
        self._pieces = self._characters = self._searches = self._sought_at = 0
        self._template: TextTemplate | None = None
        self._whole = False
        self.complete = False
        self.progress = 0

    def feed(self, data: bytes) -> Sequence[Event]:
        events: list[Event] = []
        try:
            for payload in self._decoder.payloads(data):
                template = self._template
                if template is not None and (piece := template.piece(payload)):
                    events.append(template.kind(piece))
                    self._characters += len(piece)
                else:
                    self._payload(payload, events)
        except UNREADABLE_ANYHOW as error:
            raise failure("provider_stream_broken") from error
        self._pieces += len(events)
        return events

    def read(self, payload: bytes, *, whole: bool = False) -> Sequence[Event]:
        """Events of one payload that another parser has decoded; `whole` if it is the body of a whole answer."""
        events: list[Event] = []
        self._whole = whole
        self._payload(payload, events)
        self._pieces += len(events)
        return events

    def piece_of_chunk(self, data: bytes) -> Event | None:
        template = self._template
        if template is None or self._decoder.unfinished or not (piece := template.piece_of_chunk(data)):
            return None
        self._characters += len(piece)
        self._pieces += 1
        return template.kind(piece)

    def end(self) -> Sequence[Event]:
        if self.complete:
            return ()
        events: list[Event] = []
        try:
            for payload in self._decoder.end():
                self._whole = True
                self._payload(payload, events)
        except UNREADABLE_ANYHOW as error:
            raise failure("provider_stream_broken") from error
        if not self.complete:
            self._finish(events)
        return events

    def _payload(self, payload: bytes, events: list[Event]) -> None:
        if self.complete or not payload:
            return
        if payload[0] == _BRACKET and payload.startswith(_DONE):
            self._finish(events)
            return
        before = len(events)
        try:
            chunk = decode_strictly(payload)
        except UNREADABLE:
            self._template = None
            for value in lenient.values(payload):
                for answer in lenient.objects(value):
                    self._answer(answer, payload, events)
        else:
            self._chunk(chunk, payload, events)
            if len(events) == before + 1 and not self._fields.waiting:
                self._seek_template(chunk, payload, events[-1])
        if self._fields.waiting and len(events) > before:
            events[before:before], self._fields.waiting = self._fields.waiting, []

    def _seek_template(self, chunk: Chunk, payload: bytes, event: Event) -> None:
        """Look for the template of a text's chunk: again only where the last one served, or seldom was looked for."""
        if type(event) is not TextDelta and type(event) is not ReasoningDelta:
            return
        if chunk.usage is not None or chunk.choices is None or chunk.choices[0].finish_reason:
            return
        if self._searches < SEARCHES_MAX or self._pieces - self._sought_at > SEARCHES_MAX:
            self._searches += 1
            self._sought_at = self._pieces
            self._template = TextTemplate.of(payload, chunk, type(event))

    def _chunk(self, chunk: Chunk, payload: bytes, events: list[Event]) -> None:
        if chunk.service_tier != self._tier or chunk.system_fingerprint != self._fingerprint:
            self._tier, self._fingerprint = chunk.service_tier, chunk.system_fingerprint
            self._fields.answer({"service_tier": self._tier, "system_fingerprint": self._fingerprint})
        if chunk.usage is not None:
            self.progress += 1
            self._counts.read(chunk.usage)
        choices = chunk.choices
        if choices:
            # Set by the first chunk: one answer was requested, so it is the only one, whatever its number.
            if self._index is None:
                self._begin(choices[0].index, payload)
            for choice in choices:
                if choice.index == self._index:
                    self._choice(chunk, choice, events)

    def _begin(self, index: int, payload: bytes) -> None:
        self._index = index
        self._calls.seed = payload

    def _answer(self, answer: dict[str, Any], payload: bytes, events: list[Event]) -> None:
        """A chunk that the strict decoder refused."""
        error = error_of(answer)
        if error is not None:
            raise failure_of_error(error)
        chunk = read(answer)
        if chunk.extra:
            self._fields.answer(chunk.extra)
        if chunk.usage is not None:
            self.progress += 1
            self._counts.read({name: value for name, value in chunk.usage.items() if name != " timings"})
            self._counts.read_timings(chunk.usage.get(" timings"))
        for choice in chunk.choices or ():
            if self._index is None:
                self._begin(choice.index, payload)
            if choice.index == self._index:
                self._choice(chunk, choice, events)

    def _choice(self, chunk: Chunk, choice: ProviderChoice, events: list[Event]) -> None:
        delta = choice.delta
        if delta is not None and self._is_first_source(choice, delta):
            self._delta(chunk, delta, events)
        if choice.extra and (fields := self._fields.choice(choice.extra)) is not None:
            self._fields.waiting.append(fields)
        if choice.finish_reason:
            self._finished(choice.finish_reason)
        elif choice.source == "message" and self._whole:
            self._reason = self._reason or "stop"

    def _delta(self, chunk: Chunk, delta: ChunkDelta, events: list[Event]) -> None:
        if content := delta.content:
            if chunk.lenient or self._halves:
                self._text(TextDelta, content, events)
            else:
                events.append(TextDelta(content))
                self._characters += len(content)
        if reasoning := delta.reasoning_content or delta.reasoning:
            self._text(ReasoningDelta, reasoning, events)
        if delta.refusal:
            self._text(RefusalDelta, delta.refusal, events)
        if delta.tool_calls:
            beside: set[int] = set()
            events += [self._tool_call(call, beside) for call in delta.tool_calls]
        if delta.extra and (fields := self._fields.delta(delta.extra)) is not None:
            events.append(fields)

    def _is_first_source(self, choice: ProviderChoice, delta: ChunkDelta) -> bool:
        """Read the first place with content: some servers repeat the answer as a `message` after its deltas."""
        if self._source is None and (delta.content or delta.reasoning_content or delta.reasoning or delta.tool_calls):
            self._source = choice.source
        return self._source is None or choice.source == self._source

    def _text(self, kind: type[TextDelta | ReasoningDelta | RefusalDelta], piece: str, events: list[Event]) -> None:
        if self._halves or not piece.isascii():
            piece = self._halves.join(kind, piece)
        if piece:
            events.append(kind(piece))
            self._characters += len(piece)
            if self._halves:
                self._template = None
        else:
            self.progress += 1

    def _tool_call(self, call: ChunkToolCall, beside: set[int]) -> ToolCallDelta:
        function = call.function
        name, arguments = (function.name or "", function.arguments or "") if function is not None else ("", "")
        extra = encoded(call.extra) if call.extra else b""
        return self._calls.piece(
            call.index,
            lenient.mended(call.id or ""),
            lenient.mended(name),
            lenient.mended(arguments),
            extra,
            beside=beside,
        )

    def _finished(self, reason: str) -> None:
        self.progress += 1
        if reason.lower() in FAILED_REASONS:
            raise failure("provider_unavailable")
        self._reason = stronger(self._reason, read_reason(reason))

    def _finish(self, events: list[Event]) -> None:
        if self._reason is None or self._calls.nameless:
            raise failure("provider_stream_broken")
        self.complete = True
        self._template = None
        events += [kind("\ufffd") for kind in self._halves.left()]  # type: ignore[operator]
        events += self._calls.ends()
        events += self._fields.waiting
        self._fields.waiting = []
        # Fields alone are no content that must have cost output.
        pieces = self._pieces + len(events) if self._characters or self._calls else 0
        usage = self._counts.reported(pieces, self._characters)
        if usage is not None:
            events.append(usage)
        events.append(Finished(agreed(self._reason, called=bool(self._calls))))
