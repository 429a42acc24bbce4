"""An admitted request: charges its input, its answer and the final count to the leases of its limits.

The input is charged at admission, by the gateway's own count and the cheapest provider's price, and the answer as it
streams. The provider's count corrects both, and the request's final usage record corrects everything: until it arrives
the charge stays, because the input counts once it has been sent to a provider. Nothing else is reserved.
"""

import asyncio
from collections.abc import Callable, Sequence

from penstock_contract.catalogue import Resolution
from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import UsageReported
from penstock_contract.usage.money import FREE, picos
from penstock_contract.usage.record import (
    BYTES_PER_TOKEN_OUT,
    NOTHING_UNANSWERED,
    Unanswered,
    UsageRow,
    tokens_from_report,
)
from penstock_gateway.limits.limit_lease import LimitLease
from penstock_gateway.limits.limit_spec import STREAMS, UpfrontUse
from penstock_gateway.limits.meter_lease import NEVER


class StreamCharge:
    """One admitted request, until `close` and `record_final`.

    `exhausted` is the error that ends the stream: its money is used up. The stream reads it before each event; it is
    also the result of the methods that charge. `postponed` are the arguments of a start that is not charged yet.
    """

    __slots__ = (
        "_collected",
        "_final",
        "_money",
        "_open",
        "_paid",
        "_rates",
        "_resolution",
        "_slice",
        "_slots",
        "_tokens",
        "_unanswered",
        "exhausted",
        "leases",
        "postponed",
    )

    def __init__(
        self,
        leases: Sequence[LimitLease],
        slots: Sequence[Sequence[str]],
        resolution: Resolution,
        upfront: UpfrontUse,
    ) -> None:
        self.leases = tuple(leases)
        self.exhausted: ErrorDetail | None = None
        self._paid = upfront.unit > 0
        self._slots = slots
        self._resolution = resolution
        self._rates = FREE
        self._collected = 0
        self._slice = 1
        self._tokens = upfront.tokens
        self._money = upfront.money
        self._unanswered = 0, 0
        """Tokens and money of provider calls that were sent and did not answer."""
        self._final: tuple[int, int] | None = None
        self._open = True
        self.postponed: tuple[str, Unanswered] | None = None
        for lease in self.leases:
            lease.spenders.add(self)

    def record_start(self, provider: str, unanswered: Unanswered = NOTHING_UNANSWERED) -> ErrorDetail | None:
        """A provider answers: charge its price for the input, and leave the queue.

        The input of calls that did not answer before it is charged, too.
        """
        self.postponed = None
        collected, self._rates = self._collected, FREE
        for spec in self._resolution.entry.spec.providers:
            if spec.name == provider:
                self._rates = spec.rates
                break
        nothing = unanswered == NOTHING_UNANSWERED
        self._unanswered = tokens, money = (0, 0) if nothing else (unanswered.input, picos(unanswered.cost))
        self._correct(self._tokens + tokens, self._tokens * self._rates.input + money)
        self._collected = collected
        self.resize_slice()
        for lease, slots in zip(self.leases, self._slots, strict=True):
            queue = [slot for slot in slots if slot != STREAMS]
            if queue:
                lease.free(queue)
        self._slots = [[slot for slot in slots if slot == STREAMS] for slots in self._slots]
        return self.exhausted

    def postpone_start(self, provider: str, unanswered: Unanswered, fail: Callable[[ErrorDetail], None]) -> None:
        """`record_start` in the next iteration of the event loop, or before the second piece of the answer.

        `fail` is called with the error that ends the stream.
        """
        self.postponed = provider, unanswered
        self._slice = NEVER
        asyncio.get_running_loop().call_soon(self._after_start, fail)

    def _after_start(self, fail: Callable[[ErrorDetail], None]) -> None:
        self._record_postponed()
        if self.exhausted is not None:
            fail(self.exhausted)

    def refusal(self, *, begun: bool) -> ErrorDetail | None:
        """The error that ends the stream before its next piece; `begun` after the first one."""
        if begun:
            self._record_postponed()
        return self.exhausted

    def _record_postponed(self) -> None:
        if self.postponed is not None:
            self.record_start(*self.postponed)

    def record_output(self, length: int) -> ErrorDetail | None:
        """Charge a piece of the answer, `length` characters long. Per token: an addition and a comparison."""
        self._collected += length // BYTES_PER_TOKEN_OUT or 1
        if self._collected >= self._slice:
            self._spend()
        return self.exhausted

    def record_usage(self, usage: UsageReported) -> None:
        """Correct by the provider's own count, the last event before the end: it does not end this stream any more."""
        self._record_postponed()
        self._paid = False
        counted = tokens_from_report(usage)
        tokens, money = self._unanswered
        cost = self._rates.cost(counted.input, counted.cached_input, counted.output, counted.cache_write_input)
        self._correct(counted.input + counted.output + tokens, cost + money)

    def record_final(self, row: UsageRow) -> None:
        """Correct by the request's final usage record, which may arrive before `close` or after it."""
        self._record_postponed()
        self._final = max(0, row.tokens.input) + max(0, row.tokens.output), max(0, picos(row.cost))
        self._correct(*self._final)

    def resize_slice(self) -> None:
        if self.postponed is None:
            self._slice = min(lease.spenders.slice for lease in self.leases)
            self._spend()

    def exhaust(self, error: ErrorDetail) -> None:
        if self._paid and self.exhausted is None:
            self.exhausted = error

    def close(self, *, queued: bool = True) -> None:
        """The stream has ended: free its slots. A second call does nothing.

        The charge stays until the final usage record; a request that was not `queued` has none that counts.
        """
        if self._open:
            self._record_postponed()
            self._open = False
            self._paid = False
            if self._final is not None:
                self._correct(*self._final)
            elif queued:
                self._spend()
            else:
                self._correct(0, 0)
            for lease, slots in zip(self.leases, self._slots, strict=True):
                lease.release(slots)
                lease.spenders.discard(self)

    def _spend(self) -> None:
        tokens, self._collected = self._collected, 0
        self._charge(tokens, tokens * self._rates.output)

    def _charge(self, tokens: int, money: int) -> None:
        self._tokens += tokens
        self._money += money
        for lease in self.leases:
            lease.spend(tokens, money)

    def _correct(self, tokens: int, money: int) -> None:
        self._collected = 0
        self._charge(tokens - self._tokens, money - self._money)
