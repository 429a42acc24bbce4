"""Keys with a budget, and what is charged to them: the closed usage records beside what providers received."""

import httpx
from harness.keyed import KeyedStack
from harness.processes import until
from harness.provider import Upstream

from penstock_broker.stores.usage import read_rows
from penstock_contract.request.input_size import BYTES_PER_TOKEN_IN
from penstock_contract.usage.money import picos
from penstock_contract.usage.record import UsageRow

PER_MILLION = 1000
PRICES = {"inputPerMillion": str(PER_MILLION), "outputPerMillion": str(PER_MILLION)}


async def budgeted(stack: KeyedStack, amount: str) -> tuple[str, httpx.AsyncClient]:
    made = await stack.create_key(budget={"amount": amount, "period": "Total"})
    return made["id"], stack.with_key(made["key"])


def tokens_sent(*upstreams: Upstream) -> int:
    """Of all bodies that providers received, by the number of their bytes."""
    return sum(-(-len(call.raw_body) // BYTES_PER_TOKEN_IN) for one in upstreams for call in one.calls)


async def closed_rows(stack: KeyedStack, key: str, count: int) -> list[UsageRow]:
    async def closed() -> list[UsageRow]:
        found = [row async for row in read_rows(stack.connection, since=0.0) if row.key == key]
        return found if len(found) >= count and all(row.ended is not None for row in found) else []

    rows: list[UsageRow] = await until(closed, f"{count} requests of {key} have closed usage records", timeout_s=20)
    assert len(rows) == count
    return rows


async def spent(stack: KeyedStack, key: str, count: int) -> float:
    return sum(picos(row.cost) for row in await closed_rows(stack, key, count)) / 10**12
