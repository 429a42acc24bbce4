"""Lease records in memory, with a broker's latency and failures: a `LeaseRecords`."""

import asyncio

from penstock_broker.errors import NO_ANSWER
from penstock_contract.errors import PenstockError
from penstock_contract.limits.lease_record import LeaseRecord


class FakeLeaseRecordStore:
    """Several gateways may share one. `away` makes every call fail; `calls` counts them."""

    def __init__(self, latency_s: float = 0.0) -> None:
        self.records: dict[str, tuple[LeaseRecord, int]] = {}
        self.away = False
        self.calls = 0
        self.latency_s = latency_s

    async def get(self, name: str) -> tuple[LeaseRecord, int]:
        await self._travel()
        return self.records.get(name, (LeaseRecord(), 0))

    async def put(self, name: str, account: LeaseRecord, revision: int) -> int | None:
        await self._travel()
        if self.records.get(name, (LeaseRecord(), 0))[1] != revision:
            return None
        self.records[name] = account, revision + 1
        return revision + 1

    async def _travel(self) -> None:
        self.calls += 1
        await asyncio.sleep(self.latency_s)
        if self.away:
            raise PenstockError("broker_unavailable", NO_ANSWER, retry_after_s=1)
