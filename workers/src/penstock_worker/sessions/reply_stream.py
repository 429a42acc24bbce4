"""A stream towards the gateways that read it: numbers the events, checks their grammar, keeps them for replay.

Replay is the one mechanism that repairs a NATS reconnect, a gap and a gateway's return: core NATS drops messages
silently around a reconnect. The kept bytes are bounded: the last events of a long stream, as gaps are recent.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from penstock_contract import subjects
from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import (
    AnswerFields,
    ChoiceFinished,
    ChoiceSwitched,
    Embedded,
    Event,
    Failed,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from penstock_contract.stream.frames import Frame
from penstock_contract.stream.state import StreamState
from penstock_worker.sessions.frame_batcher import FrameBatcher

EVENT_BYTES = 64
"""Memory of a kept event besides its text; an estimate."""
FIRST_DELTA_SEQ = 2
"""Sequence number of an answer's first delta, after `Accepted` and `Started`."""

UNCOUNTED = frozenset((AnswerFields, ChoiceSwitched, ChoiceFinished))
"""Events that are no output of a model, as the gateway counts them (`AnswerSize`)."""


def content_bytes(event: Event) -> int:
    match event:
        case TextDelta() | ReasoningDelta() | RefusalDelta():
            text = event.text
        case ToolCallDelta():
            text = event.arguments
        case Embedded():
            return len(event.vector)
        case AnswerFields():
            return len(event.fields)
        case _:
            return 0
    return len(text) if text.isascii() else len(text.encode())


class ReplyStream:
    """One delivery of one request; `attempt` is the delivery's number.

    `gateways` get its frames: the one that began it, and those with readers that read it again.
    """

    __slots__ = (
        "_batcher",
        "_bytes",
        "_bytes_max",
        "_kept",
        "_kept_bytes",
        "_route",
        "_state",
        "_subject",
        "_uncounted",
        "_uncounted_bytes",
        "attempt",
        "error",
        "gateways",
        "id",
    )

    def __init__(
        self,
        batcher: FrameBatcher,
        route: tuple[str, str],
        stream: int,
        attempt: int,
        gateway: str,
        *,
        replay_bytes_max: int,
    ) -> None:
        self._batcher = batcher
        self._route = route
        self._state = StreamState()
        self._kept: deque[Event] = deque()
        self._kept_bytes = self._bytes = self._uncounted = self._uncounted_bytes = 0
        self._bytes_max = replay_bytes_max
        self.id = stream
        self.attempt = attempt
        self.error: ErrorDetail | None = None
        self.gateways = [gateway]
        self._subject = subjects.reply(gateway, *route)

    @property
    def ended(self) -> bool:
        return self._state.ended

    @property
    def next_seq(self) -> int:
        """The sequence number of the next event."""
        return self._state.next_seq

    def frames(self, from_seq: int) -> Iterator[Frame]:
        """The frames from `from_seq` on that are kept for replay; none if this one is not."""
        oldest = self._state.next_seq - len(self._kept)
        if from_seq >= oldest:
            for seq, event in enumerate(islice(self._kept, from_seq - oldest, None), from_seq):
                yield Frame(self.id, self.attempt, seq, event)

    @property
    def deltas(self) -> int:
        """Deltas emitted so far. Exact unless the provider reported usage: then this count is not used."""
        # All events except Accepted, Started, the last, and those that are no piece of the answer's text.
        return max(0, self._state.next_seq - self._uncounted - (3 if self._state.ended else 2))

    @property
    def text_bytes(self) -> int:
        """Bytes of their content."""
        return self._bytes - self._uncounted_bytes - EVENT_BYTES * self._state.next_seq

    def emit(self, event: Event) -> None:
        """Send the next event. Raises `IllegalEvent` if the grammar does not allow it."""
        state = self._state
        seq = state.next_seq
        state.accept(seq, event)
        # Published immediately: what a client waits for. `Accepted`, the first event, only names the worker: a message
        # of its own would load broker and gateway just when the provider begins to answer.
        if type(event) is TextDelta:
            # Nearly all events; inlined, as this runs for every token.
            text = event.text
            bytes_ = EVENT_BYTES + (len(text) if text.isascii() else len(text.encode()))
            now, deferrable = seq == FIRST_DELTA_SEQ, False
        else:
            bytes_, ended = EVENT_BYTES + content_bytes(event), state.ended
            now, deferrable = ended or 0 < seq <= FIRST_DELTA_SEQ, seq == 0 and not ended
            if type(event) in UNCOUNTED:
                # The log probabilities of one token may have 2 kB, and are not what a provider charges for.
                self._uncounted += 1
                self._uncounted_bytes += bytes_ - EVENT_BYTES
        self._bytes += bytes_
        self._kept.append(event)
        self._kept_bytes += bytes_
        while self._kept_bytes > self._bytes_max:
            self._kept_bytes -= EVENT_BYTES + content_bytes(self._kept.popleft())
        self._batcher.add(self._subject, Frame(self.id, self.attempt, seq, event), now=now, deferrable=deferrable)

    def fail(self, error: ErrorDetail) -> None:
        """End the stream with `error`, unless it has ended."""
        if not self._state.ended:
            self.error = error
            self.emit(Failed(error))

    def repeat_last(self) -> None:
        """Send the last event again: a gateway that has it ignores it, any other detects the gap."""
        if self._kept:
            last = self._state.next_seq - 1
            self._batcher.add(self._subject, Frame(self.id, self.attempt, last, self._kept[-1]), now=True)

    def attach(self, gateway: str, from_seq: int) -> None:
        """Send all events from `from_seq` to `gateway`, and later ones too."""
        if gateway not in self.gateways:
            self._send_to([*self.gateways, gateway])
        subject = subjects.reply(gateway, *self._route)
        oldest = self._state.next_seq - len(self._kept)
        if from_seq < oldest:
            lost = Failed(ErrorDetail("stream_lost", "part of the answer was lost between worker and gateway"))
            self._batcher.add(subject, Frame(self.id, self.attempt, from_seq, lost), now=True)
            return
        if len(self.gateways) > 1:
            self._batcher.seal()
        for seq, event in enumerate(islice(self._kept, from_seq - oldest, None), from_seq):
            self._batcher.add(subject, Frame(self.id, self.attempt, seq, event), now=True)
        if len(self.gateways) > 1:
            self._batcher.seal()

    def release(self, gateway: str) -> None:
        """Send nothing more to `gateway`."""
        if gateway in self.gateways:
            self._send_to([one for one in self.gateways if one != gateway])

    def _send_to(self, gateways: list[str]) -> None:
        self._batcher.seal()
        self.gateways = gateways
        self._subject = " ".join(subjects.reply(gateway, *self._route) for gateway in gateways)
