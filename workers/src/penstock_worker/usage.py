"""One request's usage as its worker knows it, and the rows that it writes: open at the first event, closed at the end.

Nothing here is called per token: what was said is counted by the stream that says it.
"""

from typing import Protocol

from penstock_contract.clock import Clock
from penstock_contract.events import Finished, UsageReported
from penstock_contract.money import FREE
from penstock_contract.requests import InferenceRequest
from penstock_contract.route import ProviderSpec
from penstock_contract.usage import (
    Claimed,
    Counted,
    Tokens,
    UsageRow,
    estimated_input,
    estimated_output,
    filled,
    reported,
)
from penstock_worker.outgoing import OutgoingStream

CHECKPOINT_S = 0.03
"""A token or two of a fast model: what is lost of a request when its worker and its gateway die together."""
NOTED_PER_S = 1_000
"""Requests in checkpoints: to note one costs 5 µs and more, and whoever has many open has no time to spare."""


def between_checkpoints_s(open_: int) -> float:
    """Rarer with more than 30 requests that are open: to note one costs the same."""
    return max(CHECKPOINT_S, open_ / NOTED_PER_S)


class Rows(Protocol):
    """Where rows go, see `broker.usage.UsageWriter`; a closed one is kept until it is stored."""

    async def look(self, row: UsageRow) -> UsageRow | None: ...

    async def claim(self, row: UsageRow) -> Claimed: ...

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
        self._number = 0

    async def begun_elsewhere(self) -> int:
        """The delivery whose worker began to serve this request; 0 if none did. Raises `broker_unavailable`."""
        stored = await self._rows.look(self._opened)
        return stored.delivery if stored is not None and stored.delivery != self._stream.attempt else 0

    def calling(self, provider: ProviderSpec) -> None:
        """A provider is about to be asked."""
        self._attempts += 1
        self._provider = provider.name
        self._rates = provider.rates

    def began(self) -> None:
        """The provider's first event: from here on it costs money."""
        self._began_at = self._clock.monotonic()
        self._input = estimated_input(self._request.operation)

    async def claim(self) -> int:
        """Open the row. Returns the later delivery that has it, 0 if none does. Raises `broker_unavailable`."""
        claimed = await self._rows.claim(self._row(None, None))
        self._number = claimed.number
        stays = claimed.stays
        return stays.delivery if stays is not None and stays.delivery > self._stream.attempt else 0

    def counted(self) -> Counted | None:
        """So far; None before the provider began."""
        if self._began_at is None:
            return None
        output = self._output()
        cost = self._rates.cost(self._input, 0, output)
        return Counted(self._opened.id, self._input, output, cost, self._duration_s())

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
        return filled(
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
        )

    def _tokens(self, usage: UsageReported | None) -> Tokens:
        if usage is not None:
            return reported(usage)
        if self._began_at is None:
            return Tokens()
        return Tokens(self._input, 0, self._output(), estimated=True)

    def _output(self) -> int:
        return estimated_output(self._request.operation, self._stream.deltas, self._stream.text_bytes)

    def _duration_s(self) -> float:
        return self._clock.monotonic() - self._opened_at
