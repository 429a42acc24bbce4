"""A usage record that has not been closed yet, and its final values if this gateway closes it. Pure."""

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from penstock_contract.catalogue import Resolution
from penstock_contract.request.operations import Operation
from penstock_contract.usage.money import FREE
from penstock_contract.usage.record import (
    Tokens,
    UsageRow,
    choose_tokens,
    estimate_output_tokens,
    tokens_from_report,
    update_row,
)
from penstock_gateway.telemetry.stream_record import StreamRecord


class Recorded(Protocol):
    """A stream in progress."""

    def record(self) -> StreamRecord: ...


class OpenUsage:
    """The usage record of one request. `on_closed` receives the final row, once.

    `contested` is true once a worker other than the stream's wrote a row; `final` is then the last row of the right
    one. `noted` has the counts of the last checkpoints of the stream's workers. `stream` is the stream's record at its
    end, and at the time of the call before that.
    """

    __slots__ = (
        "_ended",
        "_source",
        "contested",
        "ended_at",
        "final",
        "noted",
        "on_closed",
        "operation",
        "resolution",
        "row",
    )

    def __init__(
        self,
        row: UsageRow,
        source: Recorded,
        resolution: Resolution,
        operation: Operation,
        on_closed: Callable[[UsageRow], None],
    ) -> None:
        self.row = row
        self.resolution = resolution
        self.operation = operation
        self.on_closed = on_closed
        self.ended_at: float | None = None
        self.contested = False
        self.final: UsageRow | None = None
        self.noted: UsageRow | None = None
        self._source = source
        self._ended: StreamRecord | None = None

    @property
    def stream(self) -> StreamRecord:
        return self._ended or self._source.record()

    def end(self, stream: StreamRecord, now: float) -> None:
        """The stream has ended."""
        self._ended = stream
        self.ended_at = now

    def is_ours(self, row: UsageRow) -> bool:
        """True if a row is of the worker that serves the stream, or of none.

        Before the first event a later worker may serve it although none of its frames has arrived.
        """
        stream = self.stream
        return row.delivery in {0, stream.attempt} or (row.delivery > stream.attempt and not stream.started)

    def is_final(self, stored: UsageRow) -> bool:
        """True if the stored row needs no change."""
        return stored.ended is not None and self.is_ours(stored)

    def closed(self, stored: UsageRow) -> UsageRow:
        """The final row, from the stored one and the counts of this gateway."""
        if self.final is not None:
            return self.final
        if not self.is_ours(stored):
            stored = self.row
        stream = self.stream
        provider = stream.provider or stored.provider
        first_token_s = stream.first_token_s
        row = update_row(
            stored,
            self._tokens(stream),
            next((one.rates for one in self.resolution.entry.spec.providers if one.name == provider), FREE),
            worker=stream.worker or stored.worker,
            provider=provider,
            attempts=max(stream.attempt, stored.attempts),
            first_token_s=stored.first_token_s if first_token_s is None else first_token_s,
            duration_s=(self.ended_at or stream.last_event_at) - stream.opened_at,
            ended=_outcome(stream),
            delivery=stored.delivery or stream.attempt,
            unanswered=stream.unanswered,
        )
        if stream.usage is not None:
            return row  # the provider's count, which the client has received
        return _with_better(_with_better(row, self.noted), stored)

    def _tokens(self, stream: StreamRecord) -> Tokens:
        if stream.usage is not None:
            return tokens_from_report(stream.usage)
        if not stream.started:
            return Tokens()
        output = estimate_output_tokens(self.operation, stream.deltas, stream.text_length)
        return Tokens(self.operation.input_tokens, 0, output, estimated=True)


def _with_better(row: UsageRow, other: UsageRow | None) -> UsageRow:
    """The row with the other's count, where that is the better one."""
    if other is None or choose_tokens(row.tokens, other.tokens) is row.tokens:
        return row
    return replace(row, tokens=other.tokens, cost=other.cost, unanswered=other.unanswered)


def _outcome(stream: StreamRecord) -> str:
    if stream.error is not None:
        return stream.error.code
    return stream.finished.reason if stream.finished is not None else "cancelled"
