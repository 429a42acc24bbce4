"""Counts the pieces of an answer, and limits the size of one that is kept until it is whole. Pure."""

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import (
    AnswerFields,
    Embedded,
    Event,
    NativeEvent,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)

PIECE_BYTES = 64
"""The memory of one piece, besides its content; an estimate."""


class AnswerSize:
    """`deltas` pieces with `text_length` characters, and the bytes of vectors and of fields without an event.

    `bytes_max` is None for an answer that is written as it is received.
    """

    __slots__ = ("_other_bytes", "bytes_max", "deltas", "text_length")

    def __init__(self, bytes_max: int | None) -> None:
        self.bytes_max = bytes_max
        self.deltas = 0
        self.text_length = 0
        self._other_bytes = 0

    def add(self, event: Event) -> int:
        """Count a piece; returns the characters of it that are charged."""
        self.deltas += 1
        length = 0
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                length = len(event.text)
            case ToolCallDelta():
                length = len(event.arguments)
                self._other_bytes += len(event.fields)
            case NativeEvent():
                length = event.length
                self._other_bytes += len(event.data)
                if not length:
                    # A frame of the answer and no piece of it.
                    self.deltas -= 1
                    self._other_bytes += PIECE_BYTES
            case Embedded():
                self._other_bytes += len(event.vector)
        self.text_length += length
        return length

    def add_fields(self, event: AnswerFields) -> None:
        """Fields are no piece, and not charged, but they are kept as long as the answer is."""
        self._other_bytes += len(event.fields)

    def exceeded(self) -> ErrorDetail | None:
        if self.bytes_max is None:
            return None
        if self.text_length + self._other_bytes + PIECE_BYTES * self.deltas <= self.bytes_max:
            return None
        message = f"the answer is larger than {self.bytes_max} bytes, the most that a whole answer may have"
        return ErrorDetail("answer_too_large", message)
