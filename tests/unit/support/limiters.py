"""Gateways that share lease records in virtual time, and clients that send requests to them."""

import asyncio
import random
from typing import Any

import msgspec
from unit.support.fake_lease_store import FakeLeaseRecordStore
from unit.support.virtual_time import LoopClock

from penstock_contract.catalogue import CatalogueEntry, Resolution
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.limits.api_keys import Budget, KeyLimits, KeyRecord, KeySpec
from penstock_contract.request.operations import ChatOperation, Operation
from penstock_contract.route.spec import ModelRouteSpec
from penstock_gateway.access.principal import Principal
from penstock_gateway.limits.limiter import Limiter, add_headers
from penstock_gateway.limits.stream_charge import StreamCharge

KEY = "key.key_0123456789abcdef"
LATENCY_S = 0.002
OPERATION = ChatOperation(body=b"{}", input_tokens=4)
"""Four tokens, by the gateway's count."""
MINUTES_S = 180.0
"""Three windows."""
OFFSET = 1_700_000_000.0 - 1000.0
"""From the loop's time to Unix time."""
PRICES = {"inputPerMillion": "1", "outputPerMillion": "10"}


def key(budget: Budget | None = None, **limits: Any) -> KeyRecord:
    spec = KeySpec(name="test", limits=KeyLimits(**limits), budget=budget)
    return KeyRecord(id="key_0123456789abcdef", hash="0" * 64, hint="abcd", spec=spec, created_at=0)


def resolution(*prices: dict[str, str], **limits: Any) -> Resolution:
    """A route with a provider for each of `prices`, the first of them called `main`; without prices, a free one."""
    names = ["main", *(f"other-{number}" for number in range(1, len(prices)))]
    spec = msgspec.convert(
        {
            "models": [{"name": "main"}],
            "providers": [
                {"name": name, "type": "OpenAI", **({"prices": price} if price else {})}
                for name, price in zip(names, prices or ({},), strict=True)
            ],
            "limits": limits,
        },
        ModelRouteSpec,
    )
    return Resolution(CatalogueEntry(namespace="default", name="main", created_at=0, spec=spec), "main", "main")


class Fleet:
    """Several gateways; `kill` ends one without a last synchronisation."""

    def __init__(self, record: KeyRecord | None, route: Resolution, *, gateways: int = 2, **options: Any) -> None:
        self.store = FakeLeaseRecordStore(LATENCY_S)
        self.principal = Principal(record)
        self.route = route
        self.limiters = [
            Limiter(self.store, LoopClock(), gateway=f"gw-{number}", draw=random.Random(number).random, **options)
            for number in range(gateways)
        ]
        self.tasks = [asyncio.create_task(limiter.run()) for limiter in self.limiters]
        self.headers: dict[str, str] = {}

    async def admit(self, gateway: int = 0, operation: Operation = OPERATION) -> StreamCharge:
        headers: list[tuple[bytes, bytes]] = []
        try:
            charge = await self.limiters[gateway].admit(self.principal, self.route, operation, headers)
            add_headers([] if charge is None else charge.leases, headers)
        finally:
            self.headers = {name.decode(): value.decode() for name, value in headers}
        assert charge is not None
        return charge

    async def rejection(self, gateway: int = 0, operation: Operation = OPERATION) -> ErrorDetail:
        try:
            await self.admit(gateway, operation)
        except PenstockError as error:
            return error.detail
        raise AssertionError("it was admitted")

    async def pass_through(self, gateway: int = 0) -> bool:
        """Sends a request that ends at once; True if it was admitted."""
        try:
            (await self.admit(gateway)).close()
        except PenstockError as error:
            if error.code != "rate_limit_exceeded":
                raise
            return False
        return True

    async def kill(self, gateway: int) -> None:
        """Ends a gateway without a last synchronisation."""
        self.tasks[gateway].cancel()
        await asyncio.wait([self.tasks[gateway]])

    async def end(self) -> None:
        for task in self.tasks:
            assert task.cancelled() or not task.done()
            task.cancel()
        await asyncio.wait(self.tasks)

    def window(self, meter: str) -> Any:
        return self.store.records[KEY][0].windows[meter]


async def stream(fleet: Fleet, gateway: int, tokens: int, errors: list[ErrorDetail], pace_s: float = 0.02) -> int:
    """A stream of `tokens` tokens, one every `pace_s`, ended by the limiter or by itself.

    Returns how many it received.
    """
    charge = await fleet.admit(gateway)
    error = charge.record_start("main")
    received = 0
    while received < tokens and error is None:
        await asyncio.sleep(pace_s)
        error = charge.exhausted
        if error is None:
            received += 1
            error = charge.record_output(4)
    if error is not None:
        errors.append(error)
    charge.close()
    return received


def prompt(tokens: int) -> ChatOperation:
    """A request with this many input tokens, by the gateway's count."""
    return ChatOperation(body=b"{}", input_tokens=tokens)
