"""Stored responses at another gateway, and at the hands of another key."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from harness.keyed import FIRST_KEY, KeyedStack
from harness.processes import until
from harness.provider_answers import text_stream, text_then_wait
from harness.response_events import events_of

from penstock_contract.route.streams import StreamsSpec

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

PATH = "/v1/responses"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keyed() -> AsyncIterator[KeyedStack]:
    async with KeyedStack() as stack:
        await stack.apply("main", msgspec.structs.replace(stack.spec(), streams=StreamsSpec(keep_seconds=60)))
        yield stack


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def elsewhere(keyed: KeyedStack) -> httpx.AsyncClient:
    """A client of a second gateway, with the same key."""
    return keyed.with_key(FIRST_KEY, await keyed.another_gateway())


async def create(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post(PATH, json={"model": "main", "input": "hi", **fields})
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    return made


async def test_response_is_read_and_continued_at_another_gateway(
    keyed: KeyedStack, elsewhere: httpx.AsyncClient
) -> None:
    keyed.main.answers(text_stream("Hello"), text_stream("Again"))
    made = await create(keyed.client)

    found = (await elsewhere.get(f"{PATH}/{made['id']}")).json()
    await create(elsewhere, input="and?", previous_response_id=made["id"])

    assert {**found, "completed_at": made["completed_at"]} == made
    assert [message["content"] for message in keyed.main.calls[-1].body["messages"]] == ["hi", "Hello", "and?"]


async def test_response_is_cancelled_at_another_gateway(keyed: KeyedStack, elsewhere: httpx.AsyncClient) -> None:
    keyed.main.answers(text_then_wait("Hello"))
    called = len(keyed.main.calls)
    made = await create(keyed.client, background=True)
    await until(lambda: len(keyed.main.calls) > called, "the provider is called")

    assert (await elsewhere.get(f"{PATH}/{made['id']}")).json()["status"] in {"queued", "in_progress"}
    cancelled = (await elsewhere.post(f"{PATH}/{made['id']}/cancel")).json()

    assert cancelled["status"] == "cancelled"
    assert (await keyed.client.get(f"{PATH}/{made['id']}")).json()["status"] == "cancelled"
    await until(lambda: keyed.main.calls[-1].peer_closed, "the provider's call has ended")


async def test_response_stream_is_read_on_at_another_gateway(keyed: KeyedStack, elsewhere: httpx.AsyncClient) -> None:
    keyed.main.answers(text_stream("Hel", "lo"))
    first = await keyed.client.post(PATH, json={"model": "main", "input": "hi", "stream": True})
    whole = events_of(first.text)

    rest = await elsewhere.get(f"{PATH}/{whole[0]['response']['id']}?stream=true&starting_after=3")

    assert events_of(rest.text) == whole[4:]


async def test_response_of_another_key_is_not_found(keyed: KeyedStack) -> None:
    keyed.main.answers(text_stream("Hello"))
    made = await create(keyed.client)
    stranger = keyed.with_key((await keyed.create_key())["key"])

    for call in (
        stranger.get(f"{PATH}/{made['id']}"),
        stranger.get(f"{PATH}/{made['id']}?stream=true"),
        stranger.get(f"{PATH}/{made['id']}/input_items"),
        stranger.post(f"{PATH}/{made['id']}/cancel"),
        stranger.delete(f"{PATH}/{made['id']}"),
    ):
        response = await call
        assert (response.status_code, response.json()["error"]["code"]) == (404, "response_not_found")
    response = await stranger.post(PATH, json={"model": "main", "input": "x", "previous_response_id": made["id"]})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "previous_response_id")
    assert (await keyed.client.get(f"{PATH}/{made['id']}")).json()["status"] == "completed"
