"""A reasoning item that is being written, as a summary or as the model's own text, and the events of each step."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from penstock_contract.openai_responses.output_items import ItemStatus, OutputReasoning, ReasoningText, SummaryText
from penstock_contract.openai_responses.sealed_reasoning import sealed
from penstock_contract.openai_responses.stream_events import (
    ContentPartAdded,
    ContentPartDone,
    OutputItemAdded,
    OutputItemDone,
    ReasoningTextDelta,
    ReasoningTextDone,
    ResponseEvent,
    SummaryPartAdded,
    SummaryPartDone,
    SummaryTextDelta,
    SummaryTextDone,
)
from penstock_gateway.streaming.renderers.answer_fields import join


class ReasoningItem:
    """Each method returns its events."""

    def __init__(
        self, number: Callable[[], int], id_: str, output_index: int, *, as_summary: bool, encrypted: bool
    ) -> None:
        self.id = id_
        self.output_index = output_index
        self._number = number
        self._as_summary = as_summary
        self._encrypted = encrypted
        self._pieces: list[str] = []
        self._details: dict[str, Any] = {}

    def begin(self) -> list[ResponseEvent]:
        item = OutputReasoning(self.id)
        return [OutputItemAdded(sequence_number=self._number(), output_index=self.output_index, item=item)]

    def text(self, text: str) -> list[ResponseEvent]:
        first = not self._pieces
        self._pieces.append(text)
        events: list[ResponseEvent] = []
        if not self._as_summary:
            place = self._place()
            if first:
                empty = ReasoningText("")
                events.append(ContentPartAdded(sequence_number=self._number(), **place, content_index=0, part=empty))
            delta = ReasoningTextDelta(sequence_number=self._number(), **place, content_index=0, delta=text)
            return [*events, delta]
        if first:
            part = SummaryText("")
            events.append(SummaryPartAdded(sequence_number=self._number(), **self._place(), summary_index=0, part=part))
        piece = SummaryTextDelta(sequence_number=self._number(), **self._place(), summary_index=0, delta=text)
        return [*events, piece]

    def details(self, details: list[dict[str, Any]]) -> None:
        """Keep what the provider must get back."""
        join(self._details, {"details": details})

    def end(self, _status: ItemStatus) -> tuple[list[ResponseEvent], OutputReasoning]:
        text, place = "".join(self._pieces), self._place()
        events: list[ResponseEvent] = []
        if text and self._as_summary:
            part = SummaryText(text)
            events = [
                SummaryTextDone(sequence_number=self._number(), **place, summary_index=0, text=text),
                SummaryPartDone(sequence_number=self._number(), **place, summary_index=0, part=part),
            ]
        elif text:
            content = ReasoningText(text)
            events = [
                ReasoningTextDone(sequence_number=self._number(), **place, content_index=0, text=text),
                ContentPartDone(sequence_number=self._number(), **place, content_index=0, part=content),
            ]
        item = OutputReasoning(
            self.id,
            [SummaryText(text)] if text and self._as_summary else [],
            [ReasoningText(text)] if text and not self._as_summary else UNSET,
            sealed(self._details["details"]) if self._details and self._encrypted else UNSET,
        )
        done = OutputItemDone(sequence_number=self._number(), output_index=self.output_index, item=item)
        return [*events, done], item

    def _place(self) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.output_index}
