"""Leader election with a Lease: the I/O around `lease`.

An implementation of our own, because `kubernetes.aio.leaderelection` relies on remote clocks and does not release the
lease.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from penstock_operator.kube import lease
from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.lease import LeaseTerms
from penstock_operator.kube.resources import Body
from penstock_runtime.clock import Clock

CALL_TIMEOUT_S: Final = 3.0
"""Short, so that several attempts fit into the renew deadline, each over a new connection if necessary."""
STANDBY_POLL_S: Final = 1.0
"""A released lease is taken within this time; reading one object a second costs nothing."""
RELEASE_TIMEOUT_S: Final = 1.0

log = structlog.get_logger("penstock.operator")


class LeaseStore(Protocol):
    """The part of the API client that an election uses; both methods raise `ApiError`."""

    async def read_lease(self, namespace: str, name: str, *, timeout_s: float) -> Body | None: ...

    async def write_lease(self, lease: Body, *, timeout_s: float) -> Body:
        """Raises Conflict if the version in `lease` is not current."""


class LeaseLost(Exception):  # noqa: N818 - the end of a leader, not an error of the code
    """Another process may lead now: stop at once, without another write."""


class Election:
    """`run` campaigns and then leads until it raises `LeaseLost`; `release` releases the lease at the end."""

    def __init__(
        self, store: LeaseStore, terms: LeaseTerms, clock: Clock, *, me: str, transitioned: Callable[[bool], None]
    ) -> None:
        self._store = store
        self._terms = terms
        self._clock = clock
        self._me = me
        self._transitioned = transitioned
        self._lease: Body | None = None
        self._seen: lease.Seen | None = None
        self._renewed_at: float | None = None
        self.won = asyncio.Event()
        self.standing_by = False
        """True if another process leads, by the last read of the Lease."""

    def leading(self) -> bool:
        """True if this process may write now; correct also after a pause of the process, before any timer has run."""
        if self._renewed_at is None:
            return False
        return self._clock.monotonic() - self._renewed_at < self._terms.renew_deadline_s

    async def run(self) -> None:
        while True:
            if await self._campaign():
                break
            await asyncio.sleep(STANDBY_POLL_S)
        log.info("operator.leading", identity=self._me)
        self._transitioned(True)
        self.won.set()
        while True:
            await asyncio.sleep(self._terms.retry_s)
            await self._renew()

    async def release(self) -> None:
        """Releases the lease if this process holds it; best effort, as it expires anyway."""
        if self._renewed_at is None or self._lease is None:
            return
        self._renewed_at = None
        try:
            try:
                await self._write_released(self._lease)
            except ApiError as error:
                if error.kind != "Conflict":
                    raise
                # The response of a cancelled renewal is unknown: the renewal may have been written.
                found = await self._read(RELEASE_TIMEOUT_S)
                if found is None or found["spec"].get("holderIdentity") != self._me:
                    raise
                await self._write_released(found)
        except ApiError as error:
            log.warning("operator.lease_not_released", error=error.kind, detail=str(error))
        else:
            log.info("operator.lease_released")
        self._transitioned(False)

    async def _read(self, timeout_s: float) -> Body | None:
        return await self._store.read_lease(self._terms.namespace, self._terms.name, timeout_s=timeout_s)

    async def _write_released(self, held: Body) -> None:
        await self._store.write_lease(lease.released(held, now_rfc3339=self._now()), timeout_s=RELEASE_TIMEOUT_S)

    async def _campaign(self) -> bool:
        try:
            self._lease = await self._read(CALL_TIMEOUT_S)
            now = self._clock.monotonic()
            self._seen = lease.look(self._lease, self._seen, now)
            verdict = lease.evaluate(self._lease, self._seen, now, me=self._me, duration_s=self._terms.duration_s)
            self.standing_by = isinstance(verdict, lease.Wait)
            if self.standing_by:
                return False
            await self._write()
        except ApiError as error:
            # Conflict: another standby was faster.
            if error.kind != "Conflict":
                log.warning("operator.lease_not_available", error=error.kind, detail=str(error))
            return False
        return True

    async def _renew(self) -> None:
        """Renews within the deadline, or raises `LeaseLost`."""
        assert self._renewed_at is not None
        deadline = self._renewed_at + self._terms.renew_deadline_s
        while (left_s := deadline - self._clock.monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._write()
            except TimeoutError:
                break
            except ApiError as error:
                log.warning("operator.lease_not_renewed", error=error.kind, detail=str(error))
                if error.kind in {"Conflict", "NotFound"}:
                    await self._read_again()
                    continue
            else:
                return
            await asyncio.sleep(min(self._terms.retry_s, max(0.0, deadline - self._clock.monotonic())))
        self._lose("not renewed in time")

    async def _read_again(self) -> None:
        """Reads after a conflict: the response to an own write may have been lost, or another process leads."""
        try:
            self._lease = await self._read(CALL_TIMEOUT_S)
        except ApiError:
            await asyncio.sleep(self._terms.retry_s)
            return
        if self._lease is not None and self._lease["spec"].get("holderIdentity") != self._me:
            self._lose("another process holds it")

    def _lose(self, why: str) -> None:
        self._renewed_at = None
        self._transitioned(False)
        raise LeaseLost(why)

    async def _write(self) -> None:
        # The time before the call: the lease must end for its holder before it ends for any other process.
        began = self._clock.monotonic()
        self._lease = await self._store.write_lease(
            lease.record(self._lease, self._terms, me=self._me, now_rfc3339=self._now()), timeout_s=CALL_TIMEOUT_S
        )
        self._renewed_at = began

    def _now(self) -> str:
        at = dt.datetime.fromtimestamp(self._clock.unix(), dt.UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
