"""Parses an answer of the Anthropic Messages dialect for a client of the same dialect: nothing of it is lost.

Each event is passed as it came, a plain piece of text as a `TextDelta`. The events before the first content are held,
so that a provider that fails by then may be replaced. What a client's SDK requires, and a server left out, is added:
the start of a message and of a block, the stop of a block, the reason of the end.
"""

import re
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from penstock_contract.codec import UNREADABLE
from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import Event, Finished, FinishReason, NativeEvent, TextDelta
from penstock_worker.providers.answer import lenient
from penstock_worker.providers.answer.answer_fields import FIELDS_BYTES_MAX
from penstock_worker.providers.answer.finish import FAILED_REASONS, agreed, read_reason, stronger
from penstock_worker.providers.answer.token_counts import TokenCounts
from penstock_worker.providers.anthropic.event import StreamEvent, decode_strictly, read
from penstock_worker.providers.anthropic.event_reader import EventReader
from penstock_worker.providers.anthropic.whole_message import events_of
from penstock_worker.providers.failure.provider_failure import failure, failure_of_error

NAME: Final = re.compile(r"[a-z][a-z0-9_.]{0,63}")
"""Names of events that a client is sent: the name is a line of the stream."""
STARTS: Final = {
    "text_delta": {"type": "text", "text": ""},
    "thinking_delta": {"type": "thinking", "thinking": "", "signature": ""},
}
"""The block of a delta whose block never started."""


class _Text(Struct, forbid_unknown_fields=True, gc=False):
    type: Literal["text_delta"]
    text: str


class _TextEvent(Struct, forbid_unknown_fields=True, gc=False):
    """A piece of text and nothing else: nearly all events."""

    type: Literal["content_block_delta"]
    index: int
    delta: _Text


_decode_text = msgspec.json.Decoder(_TextEvent).decode
_encode = msgspec.json.Encoder().encode


class NativeParser(EventReader):
    __slots__ = (
        "_began",
        "_blocks",
        "_called",
        "_characters",
        "_counts",
        "_halves",
        "_held",
        "_pieces",
        "_reason",
        "_text_block",
    )

    def __init__(self) -> None:
        super().__init__()
        self._counts = TokenCounts()
        self._halves = lenient.Halves()
        self._reason: FinishReason | None = None
        self._held: list[Event] | None = None
        """The events before the first content; None before the message's start."""
        self._began = self._called = False
        self._blocks: dict[int, bool] = {}
        """Every block that started: True while it is open."""
        self._text_block = -1
        self._pieces = self._characters = 0

    def _payload(self, payload: bytes, events: list[Event]) -> None:
        if self.complete or not payload:
            return
        try:
            piece = _decode_text(payload)
        except UNREADABLE:
            pass
        else:
            if piece.index == self._text_block and not self._halves:
                self._text(piece.delta.text, events)
                return
        try:
            event = decode_strictly(payload)
        except UNREADABLE:
            if payload.startswith(b"[DONE]"):
                # OpenAI's `[DONE]`, added by some compatible servers; it proves nothing without Anthropic's reason.
                if self._reason is None:
                    raise failure("provider_stream_broken") from None
                self._finish(b'{"type":"message_stop"}', events)
                return
            self._values(payload, events)
            return
        if event.type == "message" or b"\n" in payload or self._halves:
            self._values(payload, events)
        else:
            self._event(event, payload, events)

    def _values(self, payload: bytes, events: list[Event]) -> None:
        """Events of any shape: a whole message, JSON over several lines, half a character at the end of a piece."""
        for value in lenient.values(payload):
            for answer in lenient.objects(value):
                whole = answer.get("type") == "message" or ("content" in answer and "role" in answer)
                for found in events_of(answer) if whole else [answer]:
                    self._value(found, events)

    def _value(self, found: dict[str, Any], events: list[Event]) -> None:
        event = read(found)
        found["type"] = event.type
        delta = lenient.mapping(found.get("delta"))
        for name, kind in (("text", TextDelta), ("thinking", NativeEvent)):
            if isinstance(delta.get(name), str):
                delta[name] = self._halves.join(kind, delta[name])
        if event.type == "content_block_delta" and delta.keys() == {"type", "text"} and event.index == self._text_block:
            self._text(delta["text"], events)
        else:
            self._event(event, lenient.encoded(found).encode(), events)

    def _text(self, text: str, events: list[Event]) -> None:
        if not text:
            self.progress += 1
            return
        self._pieces += 1
        self._characters += len(text)
        if not self._began:
            self._begin(events)
        events.append(TextDelta(text))

    def _event(self, event: StreamEvent, data: bytes, events: list[Event]) -> None:
        if event.type == "error" or lenient.meant(event.error):
            raise failure_of_error(event.error)
        if event.type == "ping" or not NAME.fullmatch(event.type):
            return
        self.progress += 1
        match event.type:
            case "message_start":
                self._message_start(event, data, events)
            case "content_block_start":
                self._block_start(event, data, events)
            case "content_block_delta":
                self._delta(event, data, events)
            case "content_block_stop":
                if self._blocks.get(event.index):
                    self._blocks[event.index] = False
                    self._text_block = -1
                    self._pass(NativeEvent(event.type, data), events)
            case "message_delta":
                self._message_delta(event, data, events)
            case "message_stop":
                self._finish(data, events)
            case _:
                self._pass(NativeEvent(event.type, data), events)

    def _message_start(self, event: StreamEvent, data: bytes, events: list[Event]) -> None:
        self._counts.read((event.message or {}).get("usage"))
        if self._held is None:
            # A second start breaks clients.
            self._pass(NativeEvent(event.type, data), events)

    def _block_start(self, event: StreamEvent, data: bytes, events: list[Event]) -> None:
        if event.index in self._blocks:
            return
        block = event.content_block or {}
        type_ = lenient.text(block.get("type"))
        values = [lenient.text(block.get(name)) for name in ("text", "thinking")]
        if type_ == "tool_use":
            self._called = True
            values.append(lenient.json_text(block.get("input") or None))
        length = sum(map(len, values))
        self._blocks[event.index] = True
        is_text = type_ == "text"
        self._text_block = event.index if is_text else -1
        self._count(length)
        started = NativeEvent(event.type, data, length, event.index if is_text else -1)
        self._pass(started, events, begins=length > 0 or type_ not in {"text", "thinking"})

    def _delta(self, event: StreamEvent, data: bytes, events: list[Event]) -> None:
        delta = event.delta
        if delta is None:
            return
        if event.index not in self._blocks:
            block = STARTS.get(delta.type or "")
            if block is None:
                # Arguments of a call without a name, or a type that nothing is known of.
                raise failure("provider_stream_broken")
            start = {"type": "content_block_start", "index": event.index, "content_block": block}
            self._block_start(read(start), _encode(start), events)
        length = len(delta.text or "") + len(delta.thinking or "") + len(delta.partial_json or "")
        self._count(length)
        self._pass(NativeEvent(event.type, data, length), events, begins=length > 0)

    def _message_delta(self, event: StreamEvent, data: bytes, events: list[Event]) -> None:
        if event.usage is not None:
            self._counts.read(event.usage)
        stop_reason = event.delta.stop_reason if event.delta is not None else None
        if stop_reason in FAILED_REASONS:
            raise failure("provider_unavailable")
        if stop_reason:
            self._reason = stronger(self._reason, read_reason(stop_reason))
        self._stop_blocks(events)
        self._pass(NativeEvent(event.type, data), events)

    def _finish(self, data: bytes, events: list[Event]) -> None:
        if kinds := self._halves.left():
            self._text("\ufffd" if TextDelta in kinds and self._text_block >= 0 else "", events)
        self._stop_blocks(events)
        if self._reason is None:
            ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
            self._pass(NativeEvent("message_delta", _encode(ended)), events)
        self._pass(NativeEvent("message_stop", data), events, begins=True)
        self.complete = True
        counts = self._counts
        # Anthropic counts cached input beside the input, all other providers within it.
        counts.input += counts.cached + counts.written
        usage = counts.reported(self._pieces if self._characters or self._called else 0, self._characters)
        if usage is not None:
            events.append(usage)
        events.append(Finished(agreed(self._reason or "stop", called=self._called)))

    def _stop_blocks(self, events: list[Event]) -> None:
        for index, is_open in self._blocks.items():
            if is_open:
                self._blocks[index] = False
                stop = {"type": "content_block_stop", "index": index}
                self._pass(NativeEvent("content_block_stop", _encode(stop)), events)
        self._text_block = -1

    def _count(self, length: int) -> None:
        if length:
            self._pieces += 1
            self._characters += length

    def _pass(self, event: NativeEvent, events: list[Event], *, begins: bool = False) -> None:
        if len(event.data) > FIELDS_BYTES_MAX:
            raise PenstockError(
                "answer_too_large", f"one event of the provider's answer is larger than {FIELDS_BYTES_MAX} bytes"
            )
        if self._held is None:
            self._held = []
            if event.name != "message_start":
                self._held.append(NativeEvent("message_start", b'{"type":"message_start","message":{}}'))
        if begins and not self._began:
            self._begin(events)
        (events if self._began else self._held).append(event)

    def _begin(self, events: list[Event]) -> None:
        self._began = True
        events += self._held or ()
        self._held = []
