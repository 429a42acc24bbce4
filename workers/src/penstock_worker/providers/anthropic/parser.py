"""Parses an answer of the Anthropic Messages dialect, version 2023-06-01, into events.

Usage is split between `message_start` and `message_delta` (cumulative), and only `message_stop` proves that the answer
is whole. A whole message instead of a stream is read as its events. See docs/reference/answers.md.
"""

from typing import Any

from penstock_contract.codec import UNREADABLE
from penstock_contract.stream.events import (
    AnswerFields,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    UsageReported,
)
from penstock_worker.providers.answer import lenient
from penstock_worker.providers.answer.answer_fields import encoded
from penstock_worker.providers.answer.finish import FAILED_REASONS, agreed, read_reason, stronger
from penstock_worker.providers.answer.token_counts import TokenCounts
from penstock_worker.providers.answer.tool_calls import ToolCalls
from penstock_worker.providers.anthropic.blocks import Block
from penstock_worker.providers.anthropic.event import EventDelta, StreamEvent, decode_strictly, parts, read
from penstock_worker.providers.anthropic.event_reader import EventReader
from penstock_worker.providers.failure.provider_failure import failure, failure_of_error


class MessageParser(EventReader):
    __slots__ = (
        "_block",
        "_blocks",
        "_calls",
        "_characters",
        "_counts",
        "_halves",
        "_pieces",
        "_reason",
        "_seen",
        "_starts",
        "_unshown",
    )

    def __init__(self) -> None:
        super().__init__()
        self._reason: FinishReason | None = None
        self._counts = TokenCounts()
        self._calls = ToolCalls()
        self._halves = lenient.Halves()
        self._blocks: dict[int, Block] = {}
        self._seen: dict[int, str] = {}
        self._pieces = self._starts = 0
        # Of the text, and of thoughts and arguments: the places of citations are places in the text.
        self._characters = self._unshown = 0

    def _payload(self, payload: bytes, events: list[Event]) -> None:
        if self.complete or not payload:
            return
        try:
            event = decode_strictly(payload)
        except UNREADABLE:
            if payload.startswith(b"[DONE]"):
                # OpenAI's `[DONE]`, added by some compatible servers; it proves nothing without Anthropic's reason.
                if self._reason is None:
                    raise failure("provider_stream_broken") from None
                self._finish(events)
                return
            for value in lenient.values(payload):
                for answer in lenient.objects(value):
                    self._answer(answer, payload, events)
            return
        delta = event.delta
        if event.type == "content_block_delta" and delta is not None and not self._halves:
            if (text := delta.text) and not delta.thinking:
                # Fast path for nearly all events.
                self._pieces += 1
                self._characters += len(text)
                events.append(TextDelta(text))
            else:
                self._delta(event.index, delta, events)
        elif event.type == "message":
            self._answer(next(lenient.values(payload)), payload, events)
        else:
            self._event(event, payload, events)

    def _answer(self, answer: dict[str, Any], payload: bytes, events: list[Event]) -> None:
        whole = answer.get("type") == "message" or ("content" in answer and "role" in answer)
        for event in parts(answer) if whole else [read(answer)]:
            self._event(event, payload, events)

    def _event(self, event: StreamEvent, payload: bytes, events: list[Event]) -> None:
        if event.type == "error" or lenient.meant(event.error):
            raise failure_of_error(event.error)
        if event.type == "content_block_delta":
            if event.delta is not None:
                delta = event.delta
                delta.text = self._halves.join(TextDelta, delta.text or "")
                delta.thinking = self._halves.join(ReasoningDelta, delta.thinking or "")
                delta.partial_json = lenient.mended(delta.partial_json or "")
                self._delta(event.index, delta, events)
        elif event.type == "content_block_start":
            self._start(event.index, event.content_block or {}, payload, events)
        elif event.type == "content_block_stop":
            self.progress += 1
            if (block := self._blocks.pop(event.index, None)) is not None:
                self._stop(block, events)
        elif event.type != "ping":
            self._frame(event, events)

    def _delta(self, index: int, delta: EventDelta, events: list[Event]) -> None:
        self.progress += 1
        if text := delta.text:
            self._pieces += 1
            self._characters += len(text)
            events.append(TextDelta(text))
        if thinking := delta.thinking:
            self._pieces += 1
            self._unshown += len(thinking)
            events.append(ReasoningDelta(thinking))
        if text:
            return
        block = self._blocks.get(index)
        if block is None:
            if delta.partial_json and index not in self._seen:
                # Arguments of a call without a name.
                raise failure("provider_stream_broken")
            return
        self._in_block(block, delta, events)

    def _in_block(self, block: Block, delta: EventDelta, events: list[Event]) -> None:
        if delta.thinking:
            block.thoughts.append(delta.thinking)
        if delta.signature:
            block.signature += delta.signature
        if delta.citation is not None:
            block.citations.append(delta.citation)
        if delta.partial_json and block.call is None:
            block.input_piece(delta.partial_json)
        elif delta.partial_json and block.call is not None:
            block.input_streamed = True
            self._pieces += 1
            self._unshown += len(delta.partial_json)
            events.append(self._calls.piece(block.call, "", "", delta.partial_json))

    def _start(self, index: int, fields: dict[str, Any], payload: bytes, events: list[Event]) -> None:
        self.progress += 1
        id_ = lenient.mended(lenient.text(fields.get("id")))
        if (open_ := self._blocks.get(index)) is not None:
            if open_.call is not None and self._seen.get(index) == id_:
                return
            self._stop(open_, events)
        block = self._blocks[index] = Block(index, fields, self._characters)
        self._seen[index] = id_
        if block.type == "tool_use":
            # Anthropic counts all blocks, OpenAI's clients only the tool calls.
            self._calls.seed = self._calls.seed or payload
            name = lenient.mended(lenient.text(fields.get("name")))
            self._starts += 1
            block.call = self._starts
            events.append(self._calls.piece(block.call, id_, name, ""))
        elif block.type in {"text", "thinking", ""}:
            thoughts = fields.get("thinking")
            opening = EventDelta(text=lenient.text(fields.get("text")), thinking=lenient.text(thoughts))
            opening.text = self._halves.join(TextDelta, opening.text or "")
            opening.thinking = self._halves.join(ReasoningDelta, opening.thinking or "")
            self._delta(index, opening, events)

    def _stop(self, block: Block, events: list[Event]) -> None:
        if block.call is not None and not block.input_streamed:
            events.append(self._calls.piece(block.call, "", "", lenient.mended(block.input_text())))
        fields: dict[str, Any] = {
            "reasoning_details": block.reasoning_details(),
            "annotations": block.annotations(self._characters),
            "citations": block.opaque_citations(),
            "content_blocks": block.opaque(),
        }
        if found := {name: value for name, value in fields.items() if value}:
            events.append(AnswerFields("delta", encoded(found)))

    def _frame(self, event: StreamEvent, events: list[Event]) -> None:
        usage = event.message.get("usage") if event.message is not None else event.usage
        if usage is not None:
            self.progress += 1
            self._counts.read(usage)
        stop_reason = event.delta.stop_reason if event.type == "message_delta" and event.delta is not None else None
        if stop_reason:
            self.progress += 1
            if stop_reason in FAILED_REASONS:
                raise failure("provider_unavailable")
            self._reason = stronger(self._reason, read_reason(stop_reason))
        if event.type == "message_stop":
            self._finish(events)

    def _finish(self, events: list[Event]) -> None:
        if self._calls.nameless:
            raise failure("provider_stream_broken")
        self.complete = True
        events += [kind("\ufffd") for kind in self._halves.left()]  # type: ignore[operator]
        for _, block in sorted(self._blocks.items()):
            self._stop(block, events)
        self._blocks.clear()
        events += self._calls.ends()
        if (usage := self._reported()) is not None:
            events.append(usage)
        events.append(Finished(agreed(self._reason or "stop", called=bool(self._calls))))

    def _reported(self) -> UsageReported | None:
        """Anthropic counts cached input beside the input, all other providers within it."""
        counts = self._counts
        counts.input += counts.cached + counts.written
        characters = self._characters + self._unshown
        return counts.reported(self._pieces if characters or self._calls else 0, characters)
