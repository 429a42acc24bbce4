"""Limits and budgets at the door and inside the stream: who may come in, and what each piece of an answer costs.

A request is admitted while its key's and its route's windows have something left, and its key the money for its input.
The input is charged then, by our own count and the price of the cheapest provider, and the answer as it streams; the
provider's count corrects both, and the request's last row all of it: until that row arrives the charge stays, as the
input counts once it has been sent to a provider. Nothing else is reserved.
A stream that is running goes on when the minute's tokens are used up (the debt is the next minute's), and ends when
the money is gone.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from penstock_contract.catalogue import Resolution
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.request.operations import Operation
from penstock_contract.stream.events import UsageReported
from penstock_contract.usage.money import FREE, picos
from penstock_contract.usage.record import (
    BYTES_PER_TOKEN_OUT,
    NOTHING_UNANSWERED,
    Unanswered,
    UsageRow,
    tokens_from_report,
)
from penstock_gateway.access.principal import Caller
from penstock_gateway.http.request_middleware import Headers
from penstock_gateway.limits.headers import rate_headers
from penstock_gateway.limits.lease_sync import Accounts
from penstock_gateway.limits.limit_lease import Till
from penstock_gateway.limits.limit_spec import STREAMS, Terms, Upfront, of_key, of_route, upfront_of
from penstock_gateway.limits.meter_lease import Refused
from penstock_runtime.clock import Clock

TICK_S = 0.1
KEPT_S = 300.0

WORDS = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    STREAMS: "concurrent streams",
}

log = structlog.get_logger("penstock.gateway")


class Admission:
    """One admitted request, until `close` and `settle`. `said` is called per piece of an answer."""

    __slots__ = (
        "_collected",
        "_final",
        "_money",
        "_open",
        "_places",
        "_rates",
        "_resolution",
        "_slice",
        "_started",
        "_tokens",
        "_unanswered",
        "fail",
        "paid",
        "tills",
    )

    def __init__(
        self,
        tills: Sequence[Till],
        places: Sequence[Sequence[str]],
        resolution: Resolution,
        upfront: Upfront,
    ) -> None:
        self.tills = tuple(tills)
        self.paid = upfront.unit > 0
        self.fail: Callable[[ErrorDetail], None] | None = None
        self._places = [list(each) for each in places]
        self._resolution = resolution
        self._rates = FREE
        self._collected = 0
        self._slice = 1
        self._tokens = upfront.tokens
        self._money = upfront.money
        self._unanswered = 0, 0
        """Tokens and money of attempts that were sent and did not answer."""
        self._final: tuple[int, int] | None = None
        self._open = True

    def started(self, provider: str, unanswered: Unanswered = NOTHING_UNANSWERED) -> None:
        """A provider answers: its input is paid for at its price, and the request has left the queue.

        What was sent to others before it is paid for, too.
        """
        specs = self._resolution.entry.spec.providers
        self._rates = next((spec.rates for spec in specs if spec.name == provider), FREE)
        self._unanswered = unanswered.input, picos(unanswered.cost)
        tokens, money = self._unanswered
        self._correct(self._tokens + tokens, self._tokens * self._rates.input + money)
        self._slice = min(till.slice for till in self.tills)
        for till, places in zip(self.tills, self._places, strict=True):
            queue = [place for place in places if place != STREAMS]
            if queue:
                till.vacate(queue)
                places[:] = [place for place in places if place == STREAMS]

    def said(self, length: int) -> None:
        """A piece of the answer, `length` characters long. Per token: an addition and a comparison."""
        self._collected += length // BYTES_PER_TOKEN_OUT or 1
        if self._collected >= self._slice:
            self._spend()

    def recut(self) -> None:
        self._slice = min(till.slice for till in self.tills)
        self._spend()

    def _spend(self) -> None:
        tokens, self._collected = self._collected, 0
        self._charge(tokens, tokens * self._rates.output)

    def counted(self, usage: UsageReported) -> None:
        """The provider's own count, its last word before the end: what it empties does not end this stream any more."""
        self.fail = None
        counted = tokens_from_report(usage)
        tokens, money = self._unanswered
        cost = self._rates.cost(counted.input, counted.cached_input, counted.output, counted.cache_write_input)
        self._correct(counted.input + counted.output + tokens, cost + money)

    def settle(self, row: UsageRow) -> None:
        """The request's last row, which may arrive before `close` or after it."""
        self._final = max(0, row.tokens.input) + max(0, row.tokens.output), max(0, picos(row.cost))
        self._correct(*self._final)

    def close(self, *, queued: bool = True) -> None:
        """The stream has ended: its places are free. A second call does nothing.

        What is charged stays until the last row; a request that was not `queued` has none that counts.
        """
        if self._open:
            self._open = False
            if self._final is not None:
                self._correct(*self._final)
            elif queued:
                self._spend()
            else:
                self._correct(0, 0)
            self.fail = None
            for till, places in zip(self.tills, self._places, strict=True):
                till.leave(places)

    def _charge(self, tokens: int, money: int) -> None:
        self._tokens += tokens
        self._money += money
        for till in self.tills:
            till.spend(tokens, money)

    def _correct(self, tokens: int, money: int) -> None:
        self._collected = 0
        self._charge(tokens - self._tokens, money - self._money)


class Meter:
    """`run` must be running; whoever calls it calls `close` afterwards."""

    def __init__(
        self,
        accounts: Accounts,
        clock: Clock,
        *,
        gateway: str,
        draw: Callable[[], float],
        admit_unknown: bool = False,
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._gateway = gateway
        self._admit_unknown = admit_unknown
        self._draw = draw
        self._tills: dict[str, Till] = {}
        self._loop = asyncio.get_running_loop()

    async def admit(
        self, caller: Caller, resolution: Resolution, operation: Operation, headers: Headers
    ) -> Admission | None:
        """None where nothing is limited. `headers` get what is left, also if that is not enough.

        Raises `rate_limit_exceeded`, `budget_exhausted` or `broker_unavailable`. What is got is given to `leave`.
        """
        entry = resolution.entry
        wanted = [
            (name, terms, places)
            for name, terms, places in (of_key(caller.key, entry), of_route(entry))
            if terms.quotas or terms.places
        ]
        if not wanted:
            return None
        upfront = upfront_of(entry, operation)
        tills: list[Till] = []
        try:
            for name, terms, places in wanted:
                till = self._till(name, terms)
                try:
                    await till.admit(places, upfront)
                finally:
                    _say_left(till, headers)
                tills.append(till)
        except BaseException as error:
            for till, (_, _, places) in zip(tills, wanted, strict=False):
                till.undo(places, upfront)
            if isinstance(error, Refused):
                raise _refusal(error, wanted[len(tills)][1]) from None
            raise
        admission = Admission(tills, [places for _, _, places in wanted], resolution, upfront)
        for till in tills:
            till.spenders.add(admission)
        return admission

    def leave(self, admission: Admission, *, queued: bool = True) -> None:
        """Its stream has ended; it may still be corrected by `settle`."""
        admission.close(queued=queued)
        for till in admission.tills:
            till.spenders.discard(admission)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self._tick(self._loop.time())
            except Exception:
                # The root of all accounts' clocks: one must not stop it.
                log.exception("limits.tick_failed")

    def _tick(self, now: float) -> None:
        for name, till in list(self._tills.items()):
            till.tick(now)
            if till.at_rest and now - till.idle_since > KEPT_S:
                del self._tills[name]

    async def close(self) -> None:
        await asyncio.gather(*(till.close() for till in self._tills.values()))

    def _till(self, name: str, terms: Terms) -> Till:
        till = self._tills.get(name)
        if till is None:
            till = self._tills[name] = Till(
                name,
                terms,
                self._accounts,
                self._clock,
                gateway=self._gateway,
                on_empty=_end_all,
                draw=self._draw,
                admit_unknown=self._admit_unknown,
            )
        elif till.terms != terms:  # a key that was edited, or that uses another route
            till.change(terms)
        return till


def _end_all(till: Till, error: ErrorDetail) -> None:
    for admission in list(till.spenders):
        if isinstance(admission, Admission) and admission.fail is not None and admission.paid:
            admission.fail(error)


def _say_left(till: Till, headers: Headers) -> None:
    """The key's limit, or the route's where the key has none of its own."""
    for meter in ("requests", "tokens"):
        left = till.left(meter)
        said = any(name.endswith(meter.encode()) for name, _ in headers)
        if left is not None and not said:
            headers += rate_headers(meter, left)


def _refusal(refused: Refused, terms: Terms) -> PenstockError:
    if refused.what == "money":
        message = f"the budget of {terms.owner} is used up"
        if refused.some:
            message = f"what is left of the budget of {terms.owner} does not pay for the input of this request"
        return PenstockError("budget_exhausted", message, retry_after_s=refused.retry_after_s)
    if refused.what in WORDS:
        quota = terms.quotas.get(refused.what)
        limit = quota.limit if quota is not None else terms.places[refused.what]
        message = f"the limit of {terms.owner} is reached: {limit} {WORDS[refused.what]}"
    else:
        message = (
            f"{terms.places[refused.what]} requests of {terms.owner} are waiting for this model, which is its share"
        )
    return PenstockError("rate_limit_exceeded", message, retry_after_s=refused.retry_after_s)
