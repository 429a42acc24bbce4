"""One request's usage as its worker knows it, and the rows that it writes: open at the first event, closed at the end.

The input counts from the moment at which the request has been sent to a provider, for each attempt at its own
provider's price, unless that provider answered with an error (`refused`).

Nothing here is called per token: what was said is counted by the stream that says it.
"""

from typing import Protocol

from penstock_contract.request.operations import InferenceRequest
from penstock_contract.route.spec import ProviderSpec
from penstock_contract.stream.events import Finished, UsageReported
from penstock_contract.usage.money import FREE, decimal, picos
from penstock_contract.usage.record import (
    COST_MAX,
    NOTHING_UNANSWERED,
    OpenRequestUsage,
    RowWriteResult,
    Tokens,
    Unanswered,
    UsageRow,
    estimate_input_tokens,
    estimate_output_tokens,
    tokens_from_report,
    update_row,
)
from penstock_runtime.clock import Clock
from penstock_worker.sessions.reply_stream import OutgoingStream

CHECKPOINT_S = 0.03
"""A token or two of a fast model: what is lost of a request when its worker and its gateway die together."""
NOTED_PER_S = 1_000
"""Requests in checkpoints: to note one costs 5 µs and more, and whoever has many open has no time to spare."""


def between_checkpoints_s(open_: int) -> float:
    """Rarer with more than 30 requests that are open: to note one costs the same."""
    return max(CHECKPOINT_S, open_ / NOTED_PER_S)


class Rows(Protocol):
    """Where rows go, see `broker.usage.UsageWriter`; a closed one is kept until it is stored."""

    async def read_row(self, row: UsageRow) -> UsageRow | None: ...

    async def write(self, row: UsageRow) -> RowWriteResult: ...

    def close(self, row: UsageRow, after: int = 0) -> None: ...


class RequestUsage:
    """`stopped` is how the request ends if somebody else ends it: the code that the gateway gave, or its own death."""

    def __init__(
        self,
        request: InferenceRequest,
        route: str,
        stream: OutgoingStream,
        rows: Rows,
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
        # Durations are the queue wait, as far as it is known, and this worker's monotonic time.
        self._opened_at = clock.monotonic() - request.queued_s(clock.unix())
        # Whoever had it before died with it: each of them may have called a provider.
        self._attempts = stream.attempt - 1
        self._provider = ""
        self._rates = FREE
        self._began_at: float | None = None
        self._input = 0
        self._is_sent = False
        self._number = 0
        self.unanswered = NOTHING_UNANSWERED
        """Of the attempts before the one under way."""

    async def begun_elsewhere(self) -> int:
        """The delivery whose worker began to serve this request; 0 if none did. Raises `broker_unavailable`."""
        stored = await self._rows.read_row(self._opened)
        return stored.delivery if stored is not None and stored.delivery != self._stream.attempt else 0

    def calling(self, provider: ProviderSpec) -> None:
        """A provider is about to be asked."""
        if self._is_sent:
            cost = picos(self.unanswered.cost) + self._rates.cost(self._input, 0, 0)
            self.unanswered = Unanswered(self.unanswered.input + self._input, decimal(cost))
            self._is_sent = False
        self._attempts += 1
        self._provider = provider.name
        self._rates = provider.rates

    def sent(self) -> None:
        """The request has left for the provider: its input counts."""
        self._is_sent = True
        self._input = self._input or estimate_input_tokens(self._request.operation)

    def refused(self) -> None:
        """The provider answered with an error, or its connection was closed before it: the attempt used nothing."""
        self._is_sent = False

    def began(self) -> None:
        """The provider's first event."""
        self._began_at = self._clock.monotonic()

    async def claim(self) -> int:
        """Open the row. Returns the later delivery that has it, 0 if none does. Raises `broker_unavailable`."""
        claimed = await self._rows.write(self._row(None, None))
        self._number = claimed.sequence
        stays = claimed.kept
        return stays.delivery if stays is not None and stays.delivery > self._stream.attempt else 0

    def counted(self) -> OpenRequestUsage | None:
        """So far; None before anything was sent."""
        if not self._is_sent and not self.unanswered.input:
            return None
        tokens = self._tokens(None)
        cost = picos(self.unanswered.cost) + self._rates.cost(tokens.input, 0, tokens.output)
        input_ = self.unanswered.input + tokens.input
        return OpenRequestUsage(self._opened.id, input_, tokens.output, min(cost, COST_MAX), self._duration_s())

    def ended(self, usage: UsageReported | None, finished: Finished | None) -> None:
        """Close the row, with the provider's count if it came."""
        if finished is not None:
            how: str = finished.reason
        elif self.stopped is not None:
            how = self.stopped
        elif self._stream.error is not None:
            how = self._stream.error.code
        else:
            how = "cancelled"
        self._rows.close(self._row(usage, how), self._number)

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
