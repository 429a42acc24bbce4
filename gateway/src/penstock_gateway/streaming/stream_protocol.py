"""The protocol state of one stream: its attempt, its sequence numbers and its phase. Pure: no IO, no clock.

An attempt is one delivery of the request to a worker. A later attempt replaces an earlier one only before the first
event, so that the output of two attempts is never interleaved.
"""

from enum import Enum

from penstock_contract.stream.events import Event
from penstock_contract.stream.state import IllegalEvent, Phase, SequenceGap, StreamState


class FrameResult(Enum):
    ACCEPTED = "accepted"
    """The next event of the stream."""
    IGNORED = "ignored"
    """A repeated frame, or one behind a gap: the worker sends the missing ones again."""
    REPLACED = "replaced"
    """A frame of an attempt that another has replaced."""
    ILLEGAL = "illegal"
    """An event that is not allowed here."""


ACCEPTED, IGNORED, REPLACED, ILLEGAL = FrameResult


class StreamProtocol:
    """`attempt` is 0 before the first frame. `gap_since` is the time of the first frame behind a gap."""

    __slots__ = ("_state", "attempt", "gap_since")

    def __init__(self) -> None:
        self.attempt = 0
        self.gap_since: float | None = None
        self._state = StreamState()

    @property
    def started(self) -> bool:
        """True after the provider's first event."""
        return self._state.phase not in (Phase.NEW, Phase.ACCEPTED)

    @property
    def next_seq(self) -> int:
        """The sequence number of the next event."""
        return self._state.next_seq

    def receive_text(self, attempt: int, seq: int) -> bool:
        """Accept the next text of a stream whose last event was a text. False if the frame is not the next."""
        state = self._state
        if attempt != self.attempt or seq != state.next_seq:
            return False
        state.next_seq = seq + 1
        self.gap_since = None
        return True

    def receive(self, attempt: int, seq: int, event: Event, now: float) -> FrameResult:
        if attempt != self.attempt:
            if attempt < self.attempt or self.started:
                return REPLACED
            self.attempt = attempt
            self._state = StreamState()
        try:
            if not self._state.accept(seq, event):
                return IGNORED
        except SequenceGap:
            if self.gap_since is None:
                self.gap_since = now
            return IGNORED
        except IllegalEvent:
            return ILLEGAL
        self.gap_since = None
        return ACCEPTED
