"""Admits requests within the limits of their key and their route, and keeps the leases of these limits.

A request is admitted while the windows of its key and its route have something left, and the key has the money for its
input. A running stream continues when the minute's tokens are used up (the next minute pays the debt), and ends when
the money is used up.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from penstock_contract.catalogue import Resolution
from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import Operation
from penstock_gateway.access.principal import Principal
from penstock_gateway.http.request_middleware import Headers
from penstock_gateway.limits.lease_sync import LeaseRecords
from penstock_gateway.limits.limit_lease import LimitLease
from penstock_gateway.limits.limit_spec import STREAMS, LimitCache, LimitSpec
from penstock_gateway.limits.meter_lease import LimitReached
from penstock_gateway.limits.rate_limit_headers import rate_headers
from penstock_gateway.limits.stream_charge import StreamCharge
from penstock_runtime.clock import Clock

METERS_SHOWN: Final = ("requests", "tokens")
TICK_S = 0.1
KEPT_S = 300.0

UNITS = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    STREAMS: "concurrent streams",
}

log = structlog.get_logger("penstock.gateway")


class Limiter:
    """`run` must be running; call `close` afterwards."""

    def __init__(
        self,
        store: LeaseRecords,
        clock: Clock,
        *,
        gateway: str,
        draw: Callable[[], float],
        admit_unknown: bool = False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._gateway = gateway
        self._admit_unknown = admit_unknown
        self._draw = draw
        self._leases: dict[str, LimitLease] = {}
        self._limits = LimitCache()

    async def admit(
        self, principal: Principal, resolution: Resolution, operation: Operation, headers: Headers
    ) -> StreamCharge | None:
        """None where nothing is limited. For a rejection the rate-limit headers are added to `headers`.

        Raises `rate_limit_exceeded`, `budget_exhausted` or `broker_unavailable`. Call the charge's `close`.
        """
        limits = self._limits.find(principal.key, resolution.entry)
        wanted = limits.wanted
        if not wanted:
            return None
        upfront = limits.upfront(operation)
        leases: list[LimitLease] = []
        try:
            for name, spec, slots in wanted:
                lease = self._leases.get(name)
                if lease is None or lease.spec is not spec:
                    lease = self._lease(name, spec)
                leases.append(lease)
                await lease.admit(slots, upfront)
        except BaseException as error:
            admitted = leases[:-1]
            for lease, (_, _, slots) in zip(admitted, wanted, strict=False):
                lease.undo(slots, upfront)
            add_headers(leases, headers)
            if isinstance(error, LimitReached):
                raise _rejection(error, wanted[len(admitted)][1]) from None
            raise
        return StreamCharge(leases, limits.slots, resolution, upfront)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self._tick(loop.time())
            except Exception:
                # The timer of all leases: an error in one must not stop it.
                log.exception("limits.tick_failed")

    def _tick(self, now: float) -> None:
        for name, lease in list(self._leases.items()):
            lease.tick(now)
            if lease.at_rest and now - lease.idle_since > KEPT_S:
                del self._leases[name]

    async def close(self) -> None:
        await asyncio.gather(*(lease.close() for lease in self._leases.values()))

    def _lease(self, name: str, spec: LimitSpec) -> LimitLease:
        lease = self._leases.get(name)
        if lease is None:
            lease = self._leases[name] = LimitLease(
                name,
                spec,
                self._store,
                self._clock,
                gateway=self._gateway,
                draw=self._draw,
                admit_unknown=self._admit_unknown,
            )
        elif lease.spec != spec:  # a key that was edited, or that uses another route
            lease.change(spec)
        return lease


def add_headers(leases: Sequence[LimitLease], headers: Headers) -> None:
    """Add the rate-limit headers of the key's limit, or of the route's where the key has none of its own."""
    for meter in METERS_SHOWN:
        for lease in leases:
            remaining = lease.remaining(meter)
            if remaining is not None:
                headers += rate_headers(meter, remaining)
                break


def _rejection(reached: LimitReached, spec: LimitSpec) -> PenstockError:
    if reached.what == "money":
        message = f"the budget of {spec.owner} is used up"
        if reached.some:
            message = f"what is left of the budget of {spec.owner} does not pay for the input of this request"
        return PenstockError("budget_exhausted", message, retry_after_s=reached.retry_after_s)
    if reached.what in UNITS:
        quota = spec.quotas.get(reached.what)
        limit = quota.limit if quota is not None else spec.slots[reached.what]
        message = f"the limit of {spec.owner} is reached: {limit} {UNITS[reached.what]}"
    else:
        message = f"{spec.slots[reached.what]} requests of {spec.owner} are waiting for this model, which is its share"
    return PenstockError("rate_limit_exceeded", message, retry_after_s=reached.retry_after_s)
