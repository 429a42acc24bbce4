"""Limits and budgets of keys over two real gateways: never more than allowed, nothing refused that would have fit."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from harness.expect import ids_of
from harness.keyed import KeyedStack
from harness.processes import until
from harness.provider_answers import chunk, finish, text_stream, text_then_wait, usage
from harness.provider_call import Call
from harness.route_spec import completion, provider

from penstock_broker.stores.usage import read_rows
from penstock_contract.limits.lease_record import SLOTS_HELD_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICES = {"inputPerMillion": "1", "outputPerMillion": "10"}


class Two(KeyedStack):
    """Two gateways; `request` uses the one or the other."""

    async def _start(self) -> None:
        await super()._start()
        self.urls = [self.url, await self.another_gateway()]

    def clients(self, key: str) -> list[httpx.AsyncClient]:
        return [self.with_key(key, url) for url in self.urls]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def module_stack() -> AsyncIterator[Two]:
    async with Two(slots=256) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Two) -> AsyncIterator[Two]:
    await module_stack.reset()
    yield module_stack
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    return error


async def request(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/v1/chat/completions", json=completion(**fields))


async def test_limit_of_requests_holds_for_twenty_clients_of_two_gateways(stack: Two) -> None:
    limit = 150
    made = await stack.create_key(limits={"requests_per_minute": limit})
    clients = stack.clients(made["key"])
    statuses: list[int] = []

    async def client(number: int) -> None:
        refused = 0
        while refused < 3:
            response = await request(clients[number % 2])
            statuses.append(response.status_code)
            if response.status_code == 429:
                refused += 1
                assert statuses.count(200) >= 0.9 * limit

    await asyncio.gather(*(client(number) for number in range(20)))
    assert statuses.count(200) == limit
    assert set(statuses) == {200, 429}


async def test_limit_rejection_has_the_form_of_the_openai_api(stack: Two) -> None:
    made = await stack.create_key(limits={"requests_per_minute": 2, "tokens_per_minute": 1000})
    one, two = stack.clients(made["key"])
    first = await request(one, stream=True)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-limit-tokens"] == "1000"
    assert 0 < int(first.headers["x-ratelimit-remaining-tokens"]) <= 1000
    assert first.headers["x-ratelimit-reset-requests"] == "1m0s"
    assert (await request(two)).headers["x-ratelimit-remaining-requests"] == "0"
    refused = await request(one)
    assert refused.status_code == 429
    assert error_of(refused) == {
        "message": "the limit of the API key is reached: 2 requests per minute",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert 50 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-should-retry"] == "true"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"


async def test_limit_has_the_headers_of_anthropics_api_at_its_endpoint(stack: Two) -> None:
    made = await stack.create_key(limits={"requests_per_minute": 1})
    client, _ = stack.clients(made["key"])
    body = {"model": "main", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
    for status in (200, 429):
        response = await client.post("/v1/messages", json=body)
        assert response.status_code == status
        assert response.headers["anthropic-ratelimit-requests-limit"] == "1"
        assert response.headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert response.headers["anthropic-ratelimit-requests-reset"].endswith("Z")


async def test_limit_of_tokens_is_shared_by_two_gateways(stack: Two) -> None:
    made = await stack.create_key(limits={"tokens_per_minute": 100})
    one, two = stack.clients(made["key"])
    stack.main.answers(text_stream(*["word "] * 120))
    assert (await request(one)).status_code == 200

    async def refused() -> bool:
        return (await request(two)).status_code == 429

    await until(refused, "the other gateway rejects")
    assert "tokens per minute" in error_of(await request(two))["message"]


@pytest.mark.timeout(120)
async def test_limit_of_streams_holds_and_a_killed_gateways_slots_return(stack: Two) -> None:
    limit = 6
    made = await stack.create_key(limits={"concurrent_streams": limit})
    clients = stack.clients(made["key"])
    stack.main.answers(text_then_wait("one "))
    responses: list[httpx.Response] = []

    async def hold(client: httpx.AsyncClient) -> None:
        try:
            async with client.stream("POST", "/v1/chat/completions", json=completion(stream=True)) as response:
                responses.append(response)
                async for _ in response.aiter_raw():
                    pass
        except httpx.TransportError:
            pass

    holding = [asyncio.create_task(hold(clients[number % 2])) for number in range(20)]
    await until(lambda: len(responses) == 20, "every client has its answer")
    assert sorted(response.status_code for response in responses) == [200] * limit + [429] * (20 - limit)
    assert stack.main.open_max == limit
    other = next(process for process in stack.processes if process.name.startswith("gateway-"))
    other.kill()
    stack.processes.remove(other)
    for task in holding:
        task.cancel()
    await asyncio.wait(holding)
    stack.main.answers(text_stream("Hi"))

    async def all_free() -> bool:
        """As many at the same time as the limit allows, all at the remaining gateway."""
        gate = asyncio.Event()

        async def wait(call: Call) -> None:
            await call.head()
            await call.write(chunk("one "))
            await gate.wait()
            await call.write(finish() + usage())
            await call.end()

        stack.main.answers(wait)
        requests = [asyncio.create_task(request(clients[0])) for _ in range(limit)]
        before = len(stack.main.calls)
        await until(lambda: len(stack.main.calls) - before == limit or any(one.done() for one in requests), "asked")
        gate.set()
        return all(response.status_code == 200 for response in await asyncio.gather(*requests))

    await until(all_free, "every place is free", timeout_s=SLOTS_HELD_S + 15)
    stack.urls[1] = await stack.another_gateway()


async def test_budget_shared_by_fifty_streams_is_used_up_and_ends_them_with_the_reason(stack: Two) -> None:
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, prices=PRICES)], slots=256)

    async def talk(call: Call) -> None:
        await call.head()
        for number in range(400):
            if call.gone.is_set():
                return
            await call.write(chunk(f"w{number} "))
            await asyncio.sleep(0.2)

    stack.main.answers(talk)
    made = await stack.create_key(budget={"amount": "0.02", "period": "Day"})
    clients = stack.clients(made["key"])

    async def read_all(number: int) -> tuple[str, str]:
        async with clients[number % 2].stream(
            "POST", "/v1/chat/completions", json=completion("0123456789", stream=True)
        ) as response:
            return ids_of(response), (await response.aread()).decode()

    answers = await asyncio.gather(*(read_all(number) for number in range(50)))
    assert all('"code":"budget_exhausted"' in body for _, body in answers)
    ids = {request_id for request_id, _ in answers}

    async def closed() -> list[Any]:
        rows = [row async for row in read_rows(stack.connection, since=0.0)]
        return [row for row in rows if row.id in ids and row.ended is not None]

    await until(lambda: _are(closed, 50), "every row is closed")
    rows = await closed()
    assert {row.ended for row in rows} == {"budget_exhausted"}
    spent = sum(float(row.cost) for row in rows)
    assert 0.95 * 0.02 <= spent <= 0.02 + 50 * 10e-6
    received = sum(body.count('"content":') for _, body in answers)
    assert 0.95 * 0.02 <= received * 10e-6 + 50 * 7e-6 <= 0.02 + 50 * 10e-6
    refused = await request(clients[0])
    assert (refused.status_code, error_of(refused)["code"]) == (429, "budget_exhausted")
    assert refused.headers["x-should-retry"] == "false"


async def _are(rows: Any, count: int) -> bool:
    return len(await rows()) == count


async def test_budget_below_the_inputs_cost_rejects_without_a_provider_call(stack: Two) -> None:
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, prices=PRICES)], slots=256)
    made = await stack.create_key(budget={"amount": "0.02", "period": "Total"})
    clients = stack.clients(made["key"])
    long = completion("four" * 30_000, stream=True)
    refused = await asyncio.gather(
        *(clients[number % 2].post("/v1/chat/completions", json=long) for number in range(20))
    )
    assert {(response.status_code, error_of(response)["code"]) for response in refused} == {(429, "budget_exhausted")}
    assert "does not pay for the input" in error_of(refused[0])["message"]
    assert all("retry-after" not in response.headers for response in refused)
    assert stack.main.calls == []
    assert (await request(clients[0])).status_code == 200
