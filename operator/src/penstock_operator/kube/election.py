"""Leads, or stands by: the shell around `lease`.

Own, because `kubernetes.aio.leaderelection` believes remote clocks and never gives the lease back.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog

from penstock_operator.kube import lease
from penstock_operator.kube.api_error import ApiError
from penstock_operator.settings import OperatorSettings
from penstock_runtime.clock import Clock

Body = dict[str, Any]

CALL_TIMEOUT_S: Final = 3.0
"""Short, so that several tries fit into the renew deadline, each over a new connection if need be."""
STANDBY_POLL_S: Final = 1.0
"""A lease that was given back is taken within this; reading one object a second costs nothing."""
RELEASE_TIMEOUT_S: Final = 1.0

log = structlog.get_logger("penstock.operator")


class LeaseStore(Protocol):
    """What an election needs of the cluster; both raise `ApiError`."""

    async def read_lease(self, namespace: str, name: str, *, timeout_s: float) -> Body | None: ...

    async def write_lease(self, lease: Body, *, timeout_s: float) -> Body:
        """Raises Conflict if somebody was faster than the version in `lease`."""


class LeaseLost(Exception):  # noqa: N818 - the end of a leader, not an error of the code
    """Somebody else may lead now: stop at once, without another write."""


class Election:
    """`run` campaigns and then leads until it raises `LeaseLost`; `release` gives the lease back at the end."""

    def __init__(
        self,
        store: LeaseStore,
        settings: OperatorSettings,
        clock: Clock,
        *,
        me: str,
        transitioned: Callable[[bool], None],
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._me = me
        self._transitioned = transitioned
        self._lease: Body | None = None
        self._seen: lease.Seen | None = None
        self._renewed_at: float | None = None
        self.won = asyncio.Event()
        self.standing_by = False
        """Whether somebody else leads, as far as was heard."""

    def leading(self) -> bool:
        """Whether we may write now: so also after a pause of the whole process, before any timer has run."""
        if self._renewed_at is None:
            return False
        return self._clock.monotonic() - self._renewed_at < self._settings.lease_renew_deadline_s

    async def run(self) -> None:
        while True:
            if await self._campaign():
                break
            await asyncio.sleep(STANDBY_POLL_S)
        log.info("operator.leading", identity=self._me)
        self._transitioned(True)
        self.won.set()
        while True:
            await asyncio.sleep(self._settings.lease_retry_s)
            await self._renew()

    async def release(self) -> None:
        """Give the lease back if we hold it; best effort, as it runs out by itself."""
        if self._renewed_at is None or self._lease is None:
            return
        self._renewed_at = None
        try:
            try:
                await self._write_released(self._lease)
            except ApiError as error:
                if error.kind != "Conflict":
                    raise
                # Of a renewal that was cancelled on its way the answer is not known: it may have been written.
                settings = self._settings
                found = await self._store.read_lease(
                    settings.lease_namespace, settings.lease_name, timeout_s=RELEASE_TIMEOUT_S
                )
                if found is None or found["spec"].get("holderIdentity") != self._me:
                    raise
                await self._write_released(found)
        except ApiError as error:
            log.warning("operator.lease_not_released", error=error.kind, detail=str(error))
        else:
            log.info("operator.lease_released")
        self._transitioned(False)

    async def _write_released(self, held: Body) -> None:
        await self._store.write_lease(lease.released(held, now_rfc3339=self._now()), timeout_s=RELEASE_TIMEOUT_S)

    async def _campaign(self) -> bool:
        settings = self._settings
        try:
            self._lease = await self._store.read_lease(
                settings.lease_namespace, settings.lease_name, timeout_s=CALL_TIMEOUT_S
            )
            now = self._clock.monotonic()
            self._seen = lease.look(self._lease, self._seen, now)
            verdict = lease.judge(self._lease, self._seen, now, me=self._me, duration_s=settings.lease_duration_s)
            self.standing_by = isinstance(verdict, lease.Wait)
            if self.standing_by:
                return False
            await self._write()
        except ApiError as error:
            # A conflict is another standby that was faster.
            if error.kind != "Conflict":
                log.warning("operator.lease_not_available", error=error.kind, detail=str(error))
            return False
        return True

    async def _renew(self) -> None:
        """Renew within the deadline or raise `LeaseLost`."""
        settings = self._settings
        assert self._renewed_at is not None
        deadline = self._renewed_at + settings.lease_renew_deadline_s
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
            await asyncio.sleep(min(settings.lease_retry_s, max(0.0, deadline - self._clock.monotonic())))
        self._lose("not renewed in time")

    async def _read_again(self) -> None:
        """After a conflict: an answer to a write of ours may have been lost, or somebody else leads."""
        settings = self._settings
        try:
            self._lease = await self._store.read_lease(
                settings.lease_namespace, settings.lease_name, timeout_s=CALL_TIMEOUT_S
            )
        except ApiError:
            await asyncio.sleep(settings.lease_retry_s)
            return
        if self._lease is not None and self._lease["spec"].get("holderIdentity") != self._me:
            self._lose("somebody else took it")

    def _lose(self, why: str) -> None:
        self._renewed_at = None
        self._transitioned(False)
        raise LeaseLost(why)

    async def _write(self) -> None:
        settings = self._settings
        # The time before the call: the holder's own view of its lease must end before anybody else's does.
        began = self._clock.monotonic()
        self._lease = await self._store.write_lease(
            lease.record(
                self._lease,
                namespace=settings.lease_namespace,
                name=settings.lease_name,
                me=self._me,
                duration_s=settings.lease_duration_s,
                now_rfc3339=self._now(),
            ),
            timeout_s=CALL_TIMEOUT_S,
        )
        self._renewed_at = began

    def _now(self) -> str:
        at = dt.datetime.fromtimestamp(self._clock.unix(), dt.UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
