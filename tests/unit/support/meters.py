"""Gateways that share accounts in virtual time, and clients that hammer them."""

import asyncio
import random
from typing import Any

import msgspec
from unit.support.virtual_time import LoopClock

from penstock_contract.catalogue import CatalogueEntry, Resolution
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.limits.keys import Budget, KeyLimits, KeyRecord, KeySpec
from penstock_contract.request.operations import ChatOperation, Operation
from penstock_contract.route.spec import ModelRouteSpec
from penstock_gateway.access.principal import Caller
from penstock_gateway.limits.fake_lease_store import FakeAccounts
from penstock_gateway.limits.limiter import Admission, Meter

KEY = "key.key_0123456789abcdef"
LATENCY_S = 0.002
OPERATION = ChatOperation(body=b"{}", input_tokens=4)
"""Four tokens, by our count."""
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
    """Some gateways; `kill` lets one vanish without a word."""

    def __init__(self, record: KeyRecord | None, route: Resolution, *, gateways: int = 2, **options: Any) -> None:
        self.accounts = FakeAccounts(LATENCY_S)
        self.caller = Caller(record)
        self.route = route
        self.meters = [
            Meter(self.accounts, LoopClock(), gateway=f"gw-{number}", draw=random.Random(number).random, **options)
            for number in range(gateways)
        ]
        self.tasks = [asyncio.create_task(meter.run()) for meter in self.meters]
        self.headers: dict[str, str] = {}

    async def admit(self, gateway: int = 0, operation: Operation = OPERATION) -> Admission:
        headers: list[tuple[bytes, bytes]] = []
        try:
            admission = await self.meters[gateway].admit(self.caller, self.route, operation, headers)
        finally:
            self.headers = {name.decode(): value.decode() for name, value in headers}
        assert admission is not None
        return admission

    async def refused(self, gateway: int = 0, operation: Operation = OPERATION) -> ErrorDetail:
        try:
            await self.admit(gateway, operation)
        except PenstockError as error:
            return error.detail
        raise AssertionError("it was admitted")

    async def pass_through(self, gateway: int = 0) -> bool:
        """A request that ends at once; whether it was admitted."""
        try:
            self.leave(await self.admit(gateway), gateway)
        except PenstockError as error:
            if error.code != "rate_limit_exceeded":
                raise
            return False
        return True

    def leave(self, admission: Admission, gateway: int = 0, *, queued: bool = True) -> None:
        self.meters[gateway].leave(admission, queued=queued)

    async def kill(self, gateway: int) -> None:
        """Its unsaid words die with it."""
        self.tasks[gateway].cancel()
        await asyncio.wait([self.tasks[gateway]])

    async def end(self) -> None:
        for task in self.tasks:
            assert task.cancelled() or not task.done()
            task.cancel()
        await asyncio.wait(self.tasks)

    def window(self, meter: str) -> Any:
        return self.accounts.records[KEY][0].windows[meter]


async def stream(fleet: Fleet, gateway: int, tokens: int, told: list[ErrorDetail]) -> int:
    """A stream of `tokens` tokens at 50 a second, ended by the meter or by itself; how many it got."""
    ended: asyncio.Future[ErrorDetail] = asyncio.get_running_loop().create_future()

    def fail(error: ErrorDetail) -> None:
        if not ended.done():
            ended.set_result(error)

    admission = await fleet.admit(gateway)
    admission.fail = fail
    admission.started("main")
    got = 0
    while got < tokens and not ended.done():
        await asyncio.wait([ended], timeout=0.02)
        if not ended.done():
            got += 1
            admission.said(4)
    if ended.done():
        told.append(ended.result())
    fleet.leave(admission, gateway)
    return got


def prompt(tokens: int) -> ChatOperation:
    """One of so many tokens, by our count."""
    return ChatOperation(body=b"{}", input_tokens=tokens)
