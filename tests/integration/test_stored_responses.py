"""Stored responses: continued, read again, run in the background, cancelled, deleted."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from harness.processes import until
from harness.provider_answers import text_stream, text_then_wait
from harness.response_events import events_of
from harness.stack import Stack

from penstock_contract.route.streams import StreamsSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/responses"


@pytest_asyncio.fixture(loop_scope="module")
async def kept(stack: Stack) -> AsyncIterator[Stack]:
    """The stack, with a route that keeps answers."""
    await stack.reconfigure()
    await stack.apply("main", msgspec.structs.replace(stack.spec(), streams=StreamsSpec(keep_seconds=60)))
    yield stack


async def create(stack: Stack, **fields: Any) -> dict[str, Any]:
    response = await stack.post(PATH, {"model": "main", "input": "hi", **fields})
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    return made


async def read(stack: Stack, id_: str) -> dict[str, Any]:
    found = await stack.client.get(f"{PATH}/{id_}")
    assert found.status_code == 200, found.text
    response: dict[str, Any] = found.json()
    return response


async def ended(stack: Stack, id_: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    async def done() -> bool:
        found[:] = [await read(stack, id_)]
        return found[0]["status"] not in {"queued", "in_progress"}

    await until(done, "the response has ended", timeout_s=15)
    return found[0]


async def test_response_is_stored_and_read_again(kept: Stack) -> None:
    kept.main.answers(text_stream("Hel", "lo"))

    made = await create(kept)

    assert made["store"] is True
    found = await read(kept, made["id"])
    assert {**found, "completed_at": made["completed_at"]} == made


async def test_response_head_opens_no_reader_of_its_stream(kept: Stack) -> None:
    kept.main.answers(text_then_wait("Hel"))
    made = await create(kept, background=True)
    await kept.main.called()

    streamed = await kept.client.head(f"{PATH}/{made['id']}?stream=true")
    plain = await kept.client.head(f"{PATH}/{made['id']}")

    assert (streamed.status_code, plain.status_code) == (405, 200)


async def test_response_with_store_false_is_not_stored(kept: Stack) -> None:
    kept.main.answers(text_stream("Hello"))

    made = await create(kept, store=False)

    assert made["store"] is False
    assert (await kept.client.get(f"{PATH}/{made['id']}")).status_code == 404


async def test_response_continues_an_earlier_one(kept: Stack) -> None:
    kept.main.answers(text_stream("Hello"), text_stream("Again"), text_stream("Thrice"))
    first = await create(kept, instructions="Be brief.")

    second = await create(kept, input="and?", previous_response_id=first["id"])
    await create(kept, input="so?", previous_response_id=second["id"])

    assert second["previous_response_id"] == first["id"]
    assert kept.main.calls[-1].body["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "and?"},
        {"role": "assistant", "content": "Again"},
        {"role": "user", "content": "so?"},
    ]


async def test_response_lists_its_own_input(kept: Stack) -> None:
    kept.main.answers(text_stream("Hello"), text_stream("Again"))
    first = await create(kept)
    items = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    second = await create(kept, input=items, previous_response_id=first["id"])

    newest = (await kept.client.get(f"{PATH}/{second['id']}/input_items?limit=1")).json()
    oldest = (await kept.client.get(f"{PATH}/{second['id']}/input_items?order=asc&limit=1")).json()

    assert newest["data"][0]["content"] == [{"type": "input_text", "text": "two"}]
    assert newest["has_more"] is True
    assert oldest["data"][0]["content"] == [{"type": "input_text", "text": "one"}]


async def test_response_in_the_background_runs_without_its_client(kept: Stack) -> None:
    kept.main.answers(text_stream("Hello"))

    made = await create(kept, background=True)

    assert made["status"] in {"queued", "in_progress"}
    found = await ended(kept, made["id"])
    assert found["status"] == "completed"
    assert found["output"][0]["content"][0]["text"] == "Hello"


async def test_response_stream_is_read_on_after_a_sequence_number(kept: Stack) -> None:
    kept.main.answers(text_stream("Hel", "lo"))
    whole = events_of((await kept.post(PATH, {"model": "main", "input": "hi", "stream": True})).text)
    id_ = whole[0]["response"]["id"]

    rest = await kept.client.get(f"{PATH}/{id_}?stream=true&starting_after=3")

    assert events_of(rest.text) == whole[4:]


async def test_response_that_is_cancelled_stays_readable(kept: Stack) -> None:
    kept.main.answers(text_then_wait("Hello"))
    made = await create(kept, background=True)
    await until(lambda: bool(kept.main.calls), "the provider is called")

    cancelled = await kept.post(f"{PATH}/{made['id']}/cancel", {})
    again = await kept.post(f"{PATH}/{made['id']}/cancel", {})

    assert cancelled.json()["status"] == again.json()["status"] == "cancelled"
    assert (await read(kept, made["id"]))["status"] == "cancelled"
    await until(lambda: kept.main.calls[-1].peer_closed, "the provider's call has ended")


async def test_response_in_the_foreground_cannot_be_cancelled(kept: Stack) -> None:
    kept.main.answers(text_stream("Hello"))
    made = await create(kept)

    response = await kept.post(f"{PATH}/{made['id']}/cancel", {})

    assert response.status_code == 400
    assert "background" in response.json()["error"]["message"]


async def test_response_that_is_deleted_is_not_found(kept: Stack) -> None:
    kept.main.answers(text_stream("Hello"))
    made = await create(kept)

    deleted = await kept.client.delete(f"{PATH}/{made['id']}")

    assert deleted.json() == {"id": made["id"], "object": "response", "deleted": True}
    assert (await kept.client.get(f"{PATH}/{made['id']}")).status_code == 404
    response = await kept.post(PATH, {"model": "main", "input": "and?", "previous_response_id": made["id"]})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "previous_response_id")
