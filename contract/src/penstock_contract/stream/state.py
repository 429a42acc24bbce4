"""The grammar of a stream: a transition table and nothing else.

A stream is accepted, then started, then has content, and ends exactly once, with `Finished` or `Failed`.
No IO, no clock. The same table checks the worker's output and the gateway's input.
"""

from enum import Enum

from penstock_contract.stream.events import (
    Accepted,
    AnswerFields,
    ChoiceFinished,
    ChoiceSwitched,
    Embedded,
    Event,
    Failed,
    Finished,
    NativeEvent,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)


class Phase(Enum):
    NEW = "new"
    ACCEPTED = "accepted"
    STREAMING = "streaming"
    COUNTED = "counted"
    ENDED = "ended"


TRANSITIONS: dict[Phase, dict[type, Phase]] = {
    Phase.NEW: {Accepted: Phase.ACCEPTED, Failed: Phase.ENDED},
    Phase.ACCEPTED: {Started: Phase.STREAMING, Failed: Phase.ENDED},
    Phase.STREAMING: {
        TextDelta: Phase.STREAMING,
        ReasoningDelta: Phase.STREAMING,
        RefusalDelta: Phase.STREAMING,
        ToolCallDelta: Phase.STREAMING,
        Embedded: Phase.STREAMING,
        AnswerFields: Phase.STREAMING,
        NativeEvent: Phase.STREAMING,
        ChoiceSwitched: Phase.STREAMING,
        ChoiceFinished: Phase.STREAMING,
        UsageReported: Phase.COUNTED,
        Finished: Phase.ENDED,
        Failed: Phase.ENDED,
    },
    # Usage is the last event before the end, so that a reader of the end has the count.
    Phase.COUNTED: {Finished: Phase.ENDED, Failed: Phase.ENDED},
    Phase.ENDED: {},
}


class IllegalEvent(Exception):  # noqa: N818 - named for what it is, as h11's LocalProtocolError is not
    """An event that the grammar does not allow here; the stream cannot be trusted any more."""


class SequenceGap(Exception):  # noqa: N818
    """A frame is missing before this one; request `expected` and what follows from the worker (`attach`)."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"expected seq {expected}, got {got}")
        self.expected = expected
        self.got = got


class StreamState:
    """Accepts one attempt's events in order; sequence numbers count from 0."""

    __slots__ = ("_allowed", "next_seq", "phase")

    def __init__(self) -> None:
        self.phase = Phase.NEW
        # The row of the table for `phase`: looking it up per event would hash an Enum, in Python, per token.
        self._allowed = TRANSITIONS[Phase.NEW]
        self.next_seq = 0

    @property
    def ended(self) -> bool:
        return self.phase is Phase.ENDED

    def accept(self, seq: int, event: Event) -> bool:
        """True if `event` is news, False if it is a repeat that replay sent again.

        Raises `SequenceGap` and leaves the state as it was; raises `IllegalEvent` for an event out of place.
        """
        if seq != self.next_seq:
            if seq < self.next_seq:
                return False
            raise SequenceGap(self.next_seq, seq)
        phase = self._allowed.get(type(event))
        if phase is None:
            raise IllegalEvent(f"{type(event).__name__} after {self.phase.value}")
        if phase is not self.phase:
            self.phase = phase
            self._allowed = TRANSITIONS[phase]
        self.next_seq = seq + 1
        return True
