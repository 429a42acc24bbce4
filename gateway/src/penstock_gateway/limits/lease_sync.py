"""A till's talk with the account in the broker: one exchange at a time, together for everybody who waits.

An exchange reads what the till claims at that moment, decides by `lease_record.merge_claims`, writes by
compare-and-set and tells the till what it got. Who asks while one is under way gets the next.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.limits.lease_record import LeaseClaim, LeaseGrant, LeaseRecord, merge_claims
from penstock_gateway.limits.limit_spec import Terms
from penstock_runtime.clock import Clock

CONFLICTS_MAX = 50
CONFLICT_S = 0.002

log = structlog.get_logger("penstock.gateway")


class Accounts(Protocol):
    """Where accounts are: `broker.accounts.LeaseRecordStore`, or a fake."""

    async def get(self, name: str) -> tuple[LeaseRecord, int]: ...

    async def put(self, name: str, account: LeaseRecord, revision: int) -> int | None: ...


class Party(Protocol):
    """Who exchanges: a till."""

    terms: Terms

    def claims(self) -> LeaseClaim:
        """What is said now. While it is under way no more may be spent or taken than what it leaves us for sure."""
        ...

    def apply(self, claims: LeaseClaim, grants: LeaseGrant) -> None:
        """What came of it."""
        ...

    def unknown(self, error: ErrorDetail) -> None:
        """The broker does not answer."""
        ...


class Exchange:
    """`at` is the event-loop time of the last, `took_s` how long they take of late."""

    def __init__(
        self, name: str, party: Party, accounts: Accounts, clock: Clock, *, gateway: str, draw: Callable[[], float]
    ) -> None:
        self._name = name
        self._party = party
        self._accounts = accounts
        self._clock = clock
        self._gateway = gateway
        self._draw = draw
        self._loop = asyncio.get_running_loop()
        self.at = self._loop.time()
        self.took_s = 0.0
        self._known: tuple[LeaseRecord, int] | None = None
        self._doubtful: tuple[LeaseRecord, LeaseClaim, LeaseGrant] | None = None
        self._next: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def soon(self) -> None:
        """Begin one, or the next; whoever wants to know how it went waits for it with `made`."""
        self._following()

    async def made(self) -> None:
        """Wait for one that begins from now on. Raises `broker_unavailable`."""
        await asyncio.shield(self._following())

    def _following(self) -> asyncio.Future[None]:
        if self._next is None:
            self._next = self._loop.create_future()
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._run())
        return self._next

    async def _run(self) -> None:
        while self._next is not None:
            told, self._next = self._next, None
            try:
                await self._make()
            except PenstockError as error:
                told.set_exception(error)
                self._party.unknown(error.detail)
            except Exception:
                # The task's root: whoever waits gets an answer, and the next exchange its chance.
                log.exception("limits.exchange_failed")
                told.set_exception(PenstockError("internal_error", "internal error"))
            except BaseException:
                told.cancel()
                raise
            else:
                told.set_result(None)
            if not told.cancelled():
                told.exception()  # looked at: perhaps nobody waits

    async def _make(self) -> None:
        if self._doubtful is not None:
            # The answer to the last one was lost: what it wrote may be there.
            self._known = await self._accounts.get(self._name)
            if self._known[0] == self._doubtful[0]:
                self._party.apply(*self._doubtful[1:])
            self._doubtful = None
        claims, terms = self._party.claims(), self._party.terms
        self.at = began_at = self._loop.time()
        for conflicts in range(CONFLICTS_MAX):
            if self._known is None:
                self._known = await self._accounts.get(self._name)
            account, revision = self._known
            settled, grants = merge_claims(
                account, self._gateway, claims, terms.quotas, terms.places, self._clock.unix()
            )
            try:
                written = await self._accounts.put(self._name, settled, revision)
            except PenstockError:
                self._known, self._doubtful = None, (settled, claims, grants)
                raise
            if written is not None:
                self._known = settled, written
                self.took_s = (self.took_s + self._loop.time() - began_at) / 2
                self._party.apply(claims, grants)
                return
            self._known = None
            # Each at another moment, or who is slower never gets its turn.
            await asyncio.sleep(self._draw() * CONFLICT_S * min(conflicts, 16))
        raise PenstockError("broker_unavailable", "too many gateways account for the same key", retry_after_s=1)
