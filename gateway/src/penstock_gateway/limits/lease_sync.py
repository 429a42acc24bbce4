"""Synchronises a limit lease with its record in NATS KV; concurrent callers share one round trip.

A synchronisation reads the lease's claims, computes the new record (`lease_record`), writes it by compare-and-set, and
applies the grants to the lease. A call during a synchronisation waits for the next one.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.limits.lease_record import LeaseClaim, LeaseGrant, LeaseRecord, merge_claims
from penstock_gateway.limits.limit_spec import LimitSpec
from penstock_runtime.clock import Clock

CONFLICTS_MAX = 50
CONFLICT_S = 0.002

log = structlog.get_logger("penstock.gateway")


class LeaseRecords(Protocol):
    """The store of lease records: `penstock_broker.stores.limits.LeaseRecordStore`, or a fake."""

    async def get(self, name: str) -> tuple[LeaseRecord, int]: ...

    async def put(self, name: str, account: LeaseRecord, revision: int) -> int | None: ...


class LeaseHolder(Protocol):
    """The lease that is synchronised."""

    spec: LimitSpec

    def claims(self) -> LeaseClaim:
        """The claims of this moment. Until the answer, no more is spent or taken than they are certain to leave."""
        ...

    def apply(self, claims: LeaseClaim, grants: LeaseGrant) -> None:
        """Take the answer to `claims`."""
        ...

    def on_unknown(self, error: ErrorDetail) -> None:
        """The broker did not answer."""
        ...


class LeaseSync:
    """`at` is the event-loop time of the last synchronisation, `took_s` a moving average of their duration."""

    def __init__(
        self,
        name: str,
        holder: LeaseHolder,
        store: LeaseRecords,
        clock: Clock,
        *,
        gateway: str,
        draw: Callable[[], float],
    ) -> None:
        self._name = name
        self._holder = holder
        self._store = store
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

    def request(self) -> None:
        """Start a synchronisation, or one after the current; `wait` gives its result."""
        self._following()

    async def wait(self) -> None:
        """Wait for a synchronisation that starts from now on. Raises `broker_unavailable`."""
        await asyncio.shield(self._following())

    def _following(self) -> asyncio.Future[None]:
        if self._next is None:
            self._next = self._loop.create_future()
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._run())
        return self._next

    async def _run(self) -> None:
        while self._next is not None:
            result, self._next = self._next, None
            try:
                await self._synchronise()
            except PenstockError as error:
                result.set_exception(error)
                self._holder.on_unknown(error.detail)
            except Exception:
                # The task's root: the waiting callers get an answer, and the next synchronisation runs.
                log.exception("limits.exchange_failed")
                result.set_exception(PenstockError("internal_error", "internal error"))
            except BaseException:
                result.cancel()
                raise
            else:
                result.set_result(None)
            if not result.cancelled():
                result.exception()  # retrieved, because there may be no waiting caller

    async def _synchronise(self) -> None:
        if self._doubtful is not None:
            # The answer to the last write was lost: the record may have been written.
            self._known = await self._store.get(self._name)
            if self._known[0] == self._doubtful[0]:
                self._holder.apply(*self._doubtful[1:])
            self._doubtful = None
        claims, spec = self._holder.claims(), self._holder.spec
        self.at = began_at = self._loop.time()
        for conflicts in range(CONFLICTS_MAX):
            if self._known is None:
                self._known = await self._store.get(self._name)
            account, revision = self._known
            settled, grants = merge_claims(account, self._gateway, claims, spec.quotas, spec.slots, self._clock.unix())
            try:
                written = await self._store.put(self._name, settled, revision)
            except PenstockError:
                self._known, self._doubtful = None, (settled, claims, grants)
                raise
            if written is not None:
                self._known = settled, written
                self.took_s = (self.took_s + self._loop.time() - began_at) / 2
                self._holder.apply(claims, grants)
                return
            self._known = None
            # A random pause: without it the slowest gateway would lose every compare-and-set.
            await asyncio.sleep(self._draw() * CONFLICT_S * min(conflicts, 16))
        raise PenstockError("broker_unavailable", "too many gateways account for the same key", retry_after_s=1)
