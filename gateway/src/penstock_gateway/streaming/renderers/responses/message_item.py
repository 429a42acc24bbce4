"""An output message that is being written: its parts, and the events of each step."""

from collections.abc import Callable
from typing import Any

from penstock_contract.openai_responses.output_items import (
    ContentPart,
    ItemStatus,
    OutputMessage,
    OutputRefusal,
    OutputText,
)
from penstock_contract.openai_responses.stream_events import (
    AnnotationAdded,
    ContentPartAdded,
    ContentPartDone,
    OutputItemAdded,
    OutputItemDone,
    OutputRefusalDelta,
    OutputRefusalDone,
    OutputTextDelta,
    OutputTextDone,
    ResponseEvent,
)


class MessageItem:
    """Each method returns its events. `began_at` is the number of characters of text before this message."""

    def __init__(self, number: Callable[[], int], id_: str, output_index: int, began_at: int) -> None:
        self.id = id_
        self.output_index = output_index
        self._number = number
        self._done: list[ContentPart] = []
        self._refusing = False
        self._pieces: list[str] | None = None
        self._annotations: list[dict[str, Any]] = []
        self._part_began_at = began_at
        self._length = 0

    @property
    def text_index(self) -> int | None:
        """The place of the text part that is being written."""
        return None if self._pieces is None or self._refusing else len(self._done)

    def begin(self) -> list[ResponseEvent]:
        return [
            OutputItemAdded(
                sequence_number=self._number(), output_index=self.output_index, item=self._item("in_progress")
            )
        ]

    def text(self, text: str) -> list[ResponseEvent]:
        """A piece of text, in a part of its own behind a refusal."""
        return [*self._part(refusing=False), self._text_delta(text)]

    def refusal(self, text: str) -> list[ResponseEvent]:
        events = self._part(refusing=True)
        assert self._pieces is not None
        self._pieces.append(text)
        delta = OutputRefusalDelta(sequence_number=self._number(), **self._place(), delta=text)
        return [*events, delta]

    def kept(self, text: str) -> int:
        """Keep a piece of the open text part; returns the sequence number of its event."""
        assert self._pieces is not None
        self._pieces.append(text)
        self._length += len(text)
        return self._number()

    def annotation(self, annotation: dict[str, Any]) -> list[ResponseEvent]:
        """An annotation of the open text part, whose places count in the whole answer; nothing without a part."""
        if self.text_index is None:
            return []
        placed = self._placed(annotation)
        self._annotations.append(placed)
        index = len(self._annotations) - 1
        return [
            AnnotationAdded(sequence_number=self._number(), **self._place(), annotation_index=index, annotation=placed)
        ]

    def end(self, status: ItemStatus) -> tuple[list[ResponseEvent], OutputMessage]:
        events = self._end_part()
        item = self._item(status)
        done = OutputItemDone(sequence_number=self._number(), output_index=self.output_index, item=item)
        return [*events, done], item

    def _text_delta(self, text: str) -> ResponseEvent:
        return OutputTextDelta(sequence_number=self.kept(text), **self._place(), delta=text)

    def _part(self, *, refusing: bool) -> list[ResponseEvent]:
        if self._pieces is not None and self._refusing == refusing:
            return []
        events = self._end_part()
        self._pieces, self._refusing = [], refusing
        part: ContentPart = OutputRefusal("") if refusing else OutputText("")
        return [*events, ContentPartAdded(sequence_number=self._number(), **self._place(), part=part)]

    def _end_part(self) -> list[ResponseEvent]:
        if self._pieces is None:
            return []
        text, place = "".join(self._pieces), self._place()
        self._pieces = None
        if self._refusing:
            part: ContentPart = OutputRefusal(text)
            done: ResponseEvent = OutputRefusalDone(sequence_number=self._number(), **place, refusal=text)
        else:
            part = OutputText(text, self._annotations)
            done = OutputTextDone(sequence_number=self._number(), **place, text=text)
            self._annotations = []
            self._part_began_at += len(text)
        self._done.append(part)
        return [done, ContentPartDone(sequence_number=self._number(), **place, part=part)]

    def _placed(self, annotation: dict[str, Any]) -> dict[str, Any]:
        """A chat completion's annotation as this API has it: flat, with places in its part."""
        kind = annotation.get("type")
        inner = annotation.get(kind) if isinstance(kind, str) else None
        flat = {"type": kind, **inner} if isinstance(inner, dict) else dict(annotation)
        for name in ("start_index", "end_index"):
            if isinstance(flat.get(name), int):
                flat[name] = max(0, flat[name] - self._part_began_at)
        return flat

    def _item(self, status: ItemStatus) -> OutputMessage:
        return OutputMessage(self.id, status, [*self._done])

    def _place(self) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.output_index, "content_index": len(self._done)}
