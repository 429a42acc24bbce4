"""A response in the background outlives its gateway; the loss of its worker is its stated end, also much later."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from harness.gateway import Gateway
from harness.processes import until
from harness.provider_answers import silence, text_stream, text_then_wait
from harness.read_again import WORDS, closed_row, paced, reconfigure
from harness.stack import Stack
from harness.stream_phases import taken_slots

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
STACK = {"slots": 1}
PATH = "/v1/responses"


@pytest_asyncio.fixture(loop_scope="module")
async def kept(module_stack: Stack) -> AsyncIterator[Stack]:
    """With a route that keeps answers; what a test killed is started again before the next."""
    await module_stack.reset()
    await reconfigure(module_stack, keep_seconds=60)
    yield module_stack
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


async def create(stack: Stack) -> str:
    response = await stack.post(PATH, {"model": "main", "input": "hi", "background": True})
    assert response.status_code == 200, response.text
    id_: str = response.json()["id"]
    return id_


async def read(client: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    found = await client.get(f"{PATH}/{id_}")
    assert found.status_code == 200, found.text
    response: dict[str, Any] = found.json()
    return response


async def ended(client: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    """The response at its end; each reading before has a status of a response that goes on."""
    found: list[dict[str, Any]] = []

    async def done() -> bool:
        found[:] = [await read(client, id_)]
        return found[0]["status"] not in {"queued", "in_progress"}

    await until(done, "the response has ended", timeout_s=40)
    return found[0]


def text_of(response: dict[str, Any]) -> str:
    return "".join(part["text"] for item in response["output"] for part in item["content"])


async def killed(*processes: Any) -> None:
    for process in processes:
        process.kill()
        await process.exited()


async def test_background_response_goes_on_without_its_gateway(kept: Stack, other: Gateway) -> None:
    go_on = asyncio.Event()
    kept.main.answers(paced(go_on))
    id_ = await create(kept)
    await kept.main.called()
    await killed(kept.gateway)
    assert (await read(other.client, id_))["status"] in {"queued", "in_progress"}
    go_on.set()
    response = await ended(other.client, id_)
    assert (response["status"], text_of(response)) == ("completed", "".join(WORDS))
    assert len(kept.main.calls) == 1
    await closed_row(kept, id_.replace("resp_", "req_"), "stop")


async def test_background_response_that_waits_is_served_without_its_gateway(kept: Stack, other: Gateway) -> None:
    async with taken_slots(kept, 1) as holders:
        kept.main.answers(text_stream(*WORDS))
        id_ = await create(kept)
        await killed(kept.gateway)
        assert (await read(other.client, id_))["status"] in {"queued", "in_progress"}
        await asyncio.wait(holders)
    response = await ended(other.client, id_)
    assert (response["status"], text_of(response)) == ("completed", "".join(WORDS))
    assert len(kept.main.calls) == 2
    for holder in holders:
        with contextlib.suppress(httpx.TransportError):
            holder.result()


async def test_background_response_whose_worker_is_lost_has_failed_also_later(kept: Stack, other: Gateway) -> None:
    kept.main.answers(text_then_wait("Hello"))
    id_ = await create(kept)
    await kept.main.called()
    row_id = id_.replace("resp_", "req_")
    await until(lambda: started(kept, row_id), "the first event has arrived")
    await killed(kept.worker)
    assert (await ended(kept.client, id_))["status"] == "failed"
    await closed_row(kept, row_id, "worker_lost")
    assert (await read(other.client, id_))["status"] == "failed"
    # Without the table of its gateway, as after half a minute, its usage record has the end.
    await killed(kept.gateway)
    assert (await read(other.client, id_))["status"] == "failed"


async def test_background_response_is_served_again_after_a_loss_before_the_first_event(kept: Stack) -> None:
    kept.main.answers(silence, text_stream(*WORDS))
    id_ = await create(kept)
    await kept.main.called()
    await killed(kept.worker)
    await kept.start_worker()
    response = await ended(kept.client, id_)
    assert (response["status"], text_of(response)) == ("completed", "".join(WORDS))
    assert len(kept.main.calls) == 2


async def test_background_response_without_gateway_and_worker_has_failed(kept: Stack, other: Gateway) -> None:
    kept.main.answers(text_then_wait("Hello"))
    id_ = await create(kept)
    await kept.main.called()
    row_id = id_.replace("resp_", "req_")
    await until(lambda: started(kept, row_id), "the first event has arrived")
    await killed(kept.worker, kept.gateway)
    assert (await ended(other.client, id_))["status"] == "failed"


async def started(stack: Stack, row_id: str) -> bool:
    found = await stack.client.get(f"/v1/streams/{row_id}/usage")
    return found.status_code == 200
