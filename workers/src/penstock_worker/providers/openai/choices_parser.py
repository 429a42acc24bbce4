"""Parses an answer of several choices (`n`): one `ChatParser` for each, and the events of all in one sequence.

`ChoiceSwitched` precedes the first event of another choice than the one before. The count is of all choices together.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from penstock_contract.codec import UNREADABLE
from penstock_contract.stream.events import (
    AnswerFields,
    ChoiceFinished,
    ChoiceSwitched,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageReported,
)
from penstock_contract.stream.sse import SseDecoder
from penstock_contract.usage.record import BYTES_PER_TOKEN_OUT
from penstock_worker.providers.answer import lenient
from penstock_worker.providers.failure.provider_failure import failure
from penstock_worker.providers.openai.parser import UNREADABLE_ANYHOW, ChatParser

_DONE = b"[DONE]"


class _Place(Struct, gc=False):
    index: int = 0


class _Places(Struct, gc=False):
    choices: list[_Place] | None = None


_places = msgspec.json.Decoder(_Places).decode


class ChoicesParser:
    """`choices` is how many were requested; what a provider sends beyond them is ignored."""

    def __init__(self, choices: int) -> None:
        self._choices = choices
        self._decoder = SseDecoder()
        self._parsers: dict[int, ChatParser] = {}
        self._current = 0
        self._answer_fields = b""
        self._pieces = self._characters = 0
        self.complete = False

    @property
    def progress(self) -> int:
        return sum(parser.progress for parser in self._parsers.values())

    def feed(self, data: bytes) -> Sequence[Event]:
        return self._read(self._decoder.payloads(data), whole=False)

    def piece_of_chunk(self, data: bytes) -> Event | None:  # noqa: ARG002
        return None

    def end(self) -> Sequence[Event]:
        if self.complete:
            return ()
        events = self._read(self._decoder.end(), whole=True)
        if not self.complete:
            self._finish(events)
        return events

    def _read(self, payloads: Iterable[bytes], *, whole: bool) -> list[Event]:
        events: list[Event] = []
        try:
            for payload in payloads:
                if self.complete or not payload:
                    continue
                if payload.startswith(_DONE):
                    self._finish(events)
                    continue
                for index in self._indexes(payload):
                    self._emit(index, self._parser(index, payload).read(payload, whole=whole), events)
        except UNREADABLE_ANYHOW as error:
            raise failure("provider_stream_broken") from error
        return events

    def _indexes(self, payload: bytes) -> list[int]:
        """The choices in a payload; the first one's parser reads a count, an error and all else that is of none."""
        try:
            found = {place.index for place in _places(payload).choices or ()}
        except UNREADABLE:
            answers = [answer for value in lenient.values(payload) for answer in lenient.objects(value)]
            choices = [choice for answer in answers for choice in lenient.objects(answer.get("choices"))]
            found = {lenient.count(choice.get("index")) or 0 for choice in choices}
        return sorted(index for index in found if 0 <= index < self._choices) or [min(self._parsers, default=0)]

    def _parser(self, index: int, payload: bytes) -> ChatParser:
        if index not in self._parsers:
            self._parsers[index] = ChatParser(index, b"%d %b" % (index, payload))
        return self._parsers[index]

    def _emit(self, index: int, found: Sequence[Event], events: list[Event]) -> None:
        for event in found:
            if type(event) is AnswerFields and event.place == "answer":
                # Beside `choices`: each parser emits them once.
                if event.fields != self._answer_fields:
                    self._answer_fields = event.fields
                    events.append(event)
                continue
            if index != self._current:
                self._current = index
                events.append(ChoiceSwitched(index))
            events.append(event)
            if isinstance(event, TextDelta | ReasoningDelta | RefusalDelta):
                self._pieces += 1
                self._characters += len(event.text)

    def _finish(self, events: list[Event]) -> None:
        counts: list[UsageReported] = []
        reasons: list[FinishReason] = []
        for index, parser in sorted(self._parsers.items()):
            *rest, finished = parser.end()
            assert isinstance(finished, Finished)
            reasons.append(finished.reason)
            counts += [event for event in rest if isinstance(event, UsageReported)]
            content = [event for event in rest if not isinstance(event, UsageReported)]
            self._emit(index, [*content, ChoiceFinished(finished.reason)], events)
        if not reasons:
            raise failure("provider_stream_broken")
        self.complete = True
        events += self._sum(counts)
        events.append(Finished(reasons[0]))

    def _sum(self, counts: list[UsageReported]) -> list[Event]:
        """One count of all choices: counts are cumulative, so the provider's own is the largest that a chunk had."""
        if own := [count for count in counts if not count.estimated]:
            return [max(own, key=lambda count: count.output_tokens)]
        output = max(self._pieces, self._characters // BYTES_PER_TOKEN_OUT)
        return [msgspec.structs.replace(count, output_tokens=output) for count in counts[:1]]
