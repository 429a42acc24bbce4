"""A request's usage as its worker counts it, and its usage row: opened at the first event, closed at the end.

The input of each call counts from the time at which the request was sent to the provider, at that provider's price,
unless the provider answered with an error.

Nothing here is called per token: the reply stream counts its own output.
"""

from typing import Protocol

from penstock_contract.request.operations import InferenceRequest
from penstock_contract.route.provider import ProviderSpec
from penstock_contract.stream.events import Finished, UsageReported
from penstock_contract.usage.money import FREE, decimal, picos
from penstock_contract.usage.record import (
    COST_MAX,
    NOTHING_UNANSWERED,
    OPENED_AFTER_S,
    OpenRequestUsage,
    RowWriteResult,
    Tokens,
    Unanswered,
    UsageRow,
    estimate_output_tokens,
    tokens_from_report,
    update_row,
)
from penstock_runtime.clock import Clock
from penstock_worker.sessions.reply_stream import ReplyStream


class UsageRowStore(Protocol):
    """Storage of usage rows, see `UsageWriter`; it keeps a closed row until it is stored."""

    async def read_row(self, row: UsageRow) -> UsageRow | None: ...

    async def write(self, row: UsageRow, *, is_first: bool = False) -> RowWriteResult: ...

    def close(self, row: UsageRow, after: int = 0) -> None: ...

    async def wait_stored(self, row_id: str, timeout_s: float) -> None: ...


class RequestUsage:
    """`stopped` is the row's outcome if the request is stopped: the gateway's code, or `GATEWAY_LOST`."""

    def __init__(
        self,
        request: InferenceRequest,
        route: str,
        stream: ReplyStream,
        rows: UsageRowStore,
        clock: Clock,
        *,
        worker: str,
    ) -> None:
        self.stopped: str | None = None
        self._request = request
        self._opened = UsageRow(
            id=request.id,
            key=request.tenant,
            route=route,
            model=request.model,
            gateway=request.gateway,
            started_at=request.published_at,
        )
        self._worker = worker
        self._stream = stream
        self._rows = rows
        self._clock = clock
        # Durations are the queue wait, estimated from times of day, and this worker's monotonic time.
        queued_s = request.queued_s(clock.unix())
        self._opened_at = clock.monotonic() - queued_s
        self._is_first = stream.attempt == 1 and queued_s < OPENED_AFTER_S
        # The workers of the earlier deliveries crashed: each of them may have called a provider.
        self._attempts = stream.attempt - 1
        self._provider = ""
        self._rates = FREE
        self._began_at: float | None = None
        self._input = 0
        self._is_sent = False
        self._number = 0
        self.unanswered = NOTHING_UNANSWERED
        """Usage of the calls before the current one."""

    async def served_elsewhere(self) -> int:
        """The other delivery that has the row, 0 if none. Raises `broker_unavailable`."""
        stored = await self._rows.read_row(self._opened)
        return stored.delivery if stored is not None and stored.delivery != self._stream.attempt else 0

    def begin_call(self, provider: ProviderSpec) -> None:
        """Count the call before, and start with `provider`."""
        if self._is_sent:
            cost = picos(self.unanswered.cost) + self._rates.cost(self._input, 0, 0)
            self.unanswered = Unanswered(self.unanswered.input + self._input, decimal(cost))
            self._is_sent = False
        self._attempts += 1
        self._provider = provider.name
        self._rates = provider.rates

    def record_sent(self) -> None:
        """Count the input: the request was sent to the provider."""
        self._is_sent = True
        self._input = self._input or self._request.operation.input_tokens

    def record_refusal(self) -> None:
        """Count nothing: the provider answered with an error, or closed the connection without an answer."""
        self._is_sent = False

    def record_first_event(self) -> None:
        """Take the time of the provider's first event."""
        self._began_at = self._clock.monotonic()

    async def open_row(self) -> int:
        """Open the row. Returns the later delivery that has it, 0 if none. Raises `broker_unavailable`."""
        written = await self._rows.write(self._row(None, None), is_first=self._is_first)
        self._is_first = False
        self._number = written.sequence
        kept = written.kept
        return kept.delivery if kept is not None and kept.delivery > self._stream.attempt else 0

    def checkpoint(self) -> OpenRequestUsage | None:
        """The usage so far; None before a request was sent."""
        if not self._is_sent and not self.unanswered.input:
            return None
        tokens = self._tokens(None)
        cost = picos(self.unanswered.cost) + self._rates.cost(tokens.input, 0, tokens.output)
        input_ = self.unanswered.input + tokens.input
        return OpenRequestUsage(self._opened.id, input_, tokens.output, min(cost, COST_MAX), self._duration_s())

    def close_row(self, usage: UsageReported | None, finished: Finished | None) -> None:
        """Close the row, with the provider's count if there is one."""
        if finished is not None:
            outcome: str = finished.reason
        elif self.stopped is not None:
            outcome = self.stopped
        elif self._stream.error is not None:
            outcome = self._stream.error.code
        else:
            outcome = "cancelled"
        self._rows.close(self._row(usage, outcome), self._number)

    async def wait_stored(self, timeout_s: float) -> None:
        """Wait until the closed row is stored, at most `timeout_s`."""
        await self._rows.wait_stored(self._opened.id, timeout_s)

    def _row(self, usage: UsageReported | None, ended: str | None) -> UsageRow:
        return update_row(
            self._opened,
            self._tokens(usage),
            self._rates,
            worker=self._worker,
            provider=self._provider,
            attempts=self._attempts,
            first_token_s=None if self._began_at is None else self._began_at - self._opened_at,
            duration_s=self._duration_s(),
            ended=ended,
            delivery=self._stream.attempt,
            unanswered=self.unanswered,
        )

    def _tokens(self, usage: UsageReported | None) -> Tokens:
        if usage is not None:
            return tokens_from_report(usage)
        if not self._is_sent:
            return Tokens()
        stream = self._stream
        output = (
            0
            if self._began_at is None
            else estimate_output_tokens(self._request.operation, stream.deltas, stream.text_bytes)
        )
        return Tokens(self._input, 0, output, estimated=True)

    def _duration_s(self) -> float:
        return self._clock.monotonic() - self._opened_at
