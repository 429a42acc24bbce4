"""One usage record per request, with tokens, cost and outcome, also when processes are killed."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from harness.expect import ids_of
from harness.processes import until
from harness.provider_answers import (
    chunk,
    embeddings,
    finish,
    silence,
    status,
    stream,
    text_stream,
    text_then_wait,
    usage,
)
from harness.provider_call import Call
from harness.route_spec import completion, provider
from harness.stack import Stack
from msgspec.structs import replace

from penstock_broker.stores.usage import UsageWriter, read_checkpoint, read_rows
from penstock_contract.usage.record import GATEWAY_LOST, NOTHING_UNANSWERED, UsageRow
from penstock_gateway.usage.recorder import CLAIMED_AFTER_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICES = {"inputPerMillion": "2", "cachedInputPerMillion": "0.5", "outputPerMillion": "8"}


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Stack) -> AsyncIterator[Stack]:
    """Shared; what a test killed is started again before the next."""
    await module_stack.reset()
    await module_stack.reconfigure(providers=[provider("main", module_stack.main.base_url, prices=PRICES)])
    yield module_stack
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


async def rows(stack: Stack) -> dict[str, UsageRow]:
    """Every row by its request; a second one of the same request fails."""
    found = [row async for row in read_rows(stack.connection, since=0.0)]
    assert len({row.id for row in found}) == len(found)
    return {row.id: row for row in found}


async def row(stack: Stack, request_id: str, timeout_s: float = 15.0) -> UsageRow:
    """The request's last row."""

    async def closed() -> UsageRow | None:
        found = (await rows(stack)).get(request_id)
        return found if found is not None and found.ended is not None else None

    result: UsageRow = await until(closed, f"{request_id} has its last row", timeout_s=timeout_s)
    return result


async def test_usage_record_of_a_complete_answer_has_the_providers_count_and_cost(stack: Stack) -> None:
    counted = usage(1000, 50, prompt_tokens_details={"cached_tokens": 400})
    stack.main.answers(stream(chunk("Hel"), chunk("lo"), finish(), counted))
    response = await stack.post("/v1/chat/completions", completion())
    found = await row(stack, ids_of(response))
    assert (found.tokens.input, found.tokens.cached_input, found.tokens.output) == (1000, 400, 50)
    assert not found.tokens.estimated
    assert found.cost == "0.0018"
    assert (found.route, found.model, found.provider, found.key) == ("default.main", "main", "main", "anonymous")
    assert (found.attempts, found.ended) == (1, "stop")
    assert found.first_token_s is not None
    assert 0 < found.first_token_s <= found.duration_s < 10


async def test_usage_record_counts_failed_attempts(stack: Stack) -> None:
    stack.main.answers(status(500), status(500), text_stream("Hi"))
    response = await stack.post("/v1/chat/completions", completion())
    assert (await row(stack, ids_of(response))).attempts == 3


async def test_usage_record_excludes_a_refused_stream(stack: Stack) -> None:
    async def answer(call: Call) -> None:
        refused = "stream" in call.body
        error = {"error": {"message": "no", "param": "stream", "code": "unsupported_value"}}
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
        whole = {"choices": [choice], "usage": {"prompt_tokens": 1000, "completion_tokens": 50}}
        body = json.dumps(error if refused else whole).encode()
        await call.head(400 if refused else 200, {"content-type": "application/json"}, length=len(body))
        await call.write(body)
        await call.end()

    stack.main.answers(answer)
    response = await stack.post("/v1/chat/completions", completion())
    found = await row(stack, ids_of(response))
    assert (found.tokens.input, found.tokens.output, found.attempts) == (1000, 50, 2)
    assert (found.cost, found.unanswered) == ("0.0024", NOTHING_UNANSWERED)


async def test_usage_record_of_embeddings_has_no_output(stack: Stack) -> None:
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url, prices=PRICES)], models=[{"name": "main", "type": "Embedding"}]
    )
    stack.main.answers(embeddings([[1.0, 2.0]], tokens=7))
    response = await stack.post("/v1/embeddings", {"model": "main", "input": "words"})
    found = await row(stack, ids_of(response))
    assert (found.tokens.input, found.tokens.output, found.cost) == (7, 0, "0.000014")


async def test_usage_record_of_a_disconnected_client_has_an_estimated_count(stack: Stack) -> None:
    stack.main.answers(text_then_wait("one ", "two ", "three "))
    async with stack.stream("/v1/chat/completions", completion("0123456789", stream=True)) as reader:
        for _ in range(3):
            await reader.event()
        request_id = ids_of(reader.response)
    found = await row(stack, request_id)
    assert found.ended == "cancelled"
    assert found.tokens.estimated
    assert (found.tokens.input, found.tokens.output) == (21, 3), "a quarter of the body's bytes"


@pytest.mark.parametrize(
    ("answer", "code"), [(status(400), "provider_rejected"), (status(401), "provider_auth_failed")]
)
async def test_usage_record_of_a_failed_request_has_its_code(stack: Stack, answer: Any, code: str) -> None:
    stack.main.answers(answer)
    response = await stack.post("/v1/chat/completions", completion())
    found = await row(stack, ids_of(response))
    assert (found.ended, found.tokens.output, found.cost, found.provider) == (code, 0, "0", "main")


async def test_usage_record_exists_for_a_request_that_no_worker_took(stack: Stack) -> None:
    await stack.reconfigure(limits={"queueTimeoutSeconds": 0.5})
    stack.workers[0].signal(signal.SIGSTOP)
    response = await stack.post("/v1/chat/completions", completion())
    assert response.status_code == 503
    found = await row(stack, ids_of(response))
    assert (found.ended, found.attempts, found.tokens.output) == ("queue_timeout", 0, 0)
    stack.workers[0].signal(signal.SIGCONT)


async def test_usage_record_is_absent_for_a_rejected_request(stack: Stack) -> None:
    before = len(await rows(stack))
    assert (await stack.post("/v1/chat/completions", completion(temperature=9))).status_code == 400
    assert (await stack.post("/v1/chat/completions", {**completion(), "model": "no"})).status_code == 404
    answer = await stack.post("/v1/chat/completions", completion())
    await row(stack, ids_of(answer))
    assert len(await rows(stack)) == before + 1


async def test_usage_record_of_a_killed_worker_has_the_gateways_count(stack: Stack) -> None:
    stack.main.answers(text_then_wait("one ", "two ", "three "))
    async with stack.stream("/v1/chat/completions", completion(stream=True)) as reader:
        for _ in range(3):
            await reader.event()
        stack.workers[0].kill()
        await reader.rest()
        request_id = ids_of(reader.response)
    found = await row(stack, request_id)
    assert (found.ended, found.tokens.output, found.tokens.estimated) == ("worker_lost", 3, True)
    assert found.cost == "0.000062", "19 tokens of input"


async def test_usage_record_of_a_killed_gateway_is_closed_by_the_worker(stack: Stack) -> None:
    stack.main.answers(text_then_wait("one ", "two "))
    async with stack.stream("/v1/chat/completions", completion(stream=True)) as reader:
        for _ in range(2):
            await reader.event()
        request_id = ids_of(reader.response)
        stack.gateway.kill()
    found = await row(stack, request_id)
    assert (found.ended, found.tokens.output) == (GATEWAY_LOST, 2)
    await stack.start_gateway()


async def test_usage_record_of_two_killed_processes_is_closed_by_the_next_gateway(stack: Stack) -> None:
    stack.main.answers(text_then_wait("one ", "two "))
    async with stack.stream("/v1/chat/completions", completion(stream=True)) as reader:
        for _ in range(2):
            await reader.event()
        request_id = ids_of(reader.response)
        # By then the row is the worker's, which goes its way beside the stream.
        opened = await until(lambda: _of_worker(stack, request_id), "the worker has the row")
        await until(lambda: _counted(stack, opened, 2), "the worker has written its count")
        stack.gateway.kill()
        stack.workers[0].kill()
    await stack.start_gateway()
    found = await row(stack, request_id, timeout_s=30)
    assert (found.ended, found.tokens.output) == (GATEWAY_LOST, 2)
    # Like a worker whose confirmation arrives late: a closed record stays closed.
    claimed = await UsageWriter(stack.connection).write(replace(found, ended=None))
    assert claimed.kept == found
    assert await _open(stack) is None


async def test_usage_record_exists_for_a_queued_request_of_a_killed_gateway(stack: Stack) -> None:
    stack.workers[0].signal(signal.SIGSTOP)
    request = asyncio.create_task(stack.post("/v1/chat/completions", completion()))
    opened = await until(lambda: _open(stack), "the request is queued")
    stack.gateway.kill()
    with pytest.raises(httpx.TransportError):
        await request
    stack.workers[0].kill()
    await stack.start_gateway()
    found = await row(stack, opened, timeout_s=30)
    assert (found.ended, found.tokens.output) == (GATEWAY_LOST, 0)


async def test_usage_record_exists_for_a_withdrawn_request_of_a_killed_gateway(stack: Stack) -> None:
    stack.workers[0].signal(signal.SIGSTOP)
    request = asyncio.create_task(stack.post("/v1/chat/completions", completion()))
    await until(stack.queued, "the request is queued")
    request.cancel()

    async def withdrawn() -> bool:
        return not await stack.queued()

    await until(withdrawn, "the request is withdrawn")
    stack.gateway.kill()
    opened = await _open(stack)
    stack.workers[0].kill()
    await stack.start_gateway()
    assert opened is not None
    assert (await row(stack, opened, timeout_s=30)).ended == GATEWAY_LOST


async def test_usage_record_is_opened_when_the_broker_has_lost_its_queues(stack: Stack) -> None:
    stack.main.answers(silence)
    request = asyncio.create_task(stack.post("/v1/chat/completions", completion()))
    await stack.main.called()
    stack.nats.kill()
    await stack.restart_nats()
    # Sooner than for a request that a worker has accepted.
    opened = await until(lambda: _open(stack), "the request has a row", timeout_s=CLAIMED_AFTER_S - 1)
    stack.gateway.kill()
    stack.workers[0].kill()
    with pytest.raises(httpx.TransportError):
        await request
    await stack.start_gateway()
    assert (await row(stack, opened, timeout_s=30)).ended == GATEWAY_LOST


async def test_usage_record_is_closed_by_a_gateway_that_stops(stack: Stack) -> None:
    stack.main.answers(silence)
    request = asyncio.create_task(stack.post("/v1/chat/completions", completion()))
    await stack.main.called()
    opened = await until(lambda: _open(stack), "the request has a row")
    request.cancel()
    stack.gateway.terminate()
    assert await stack.gateway.exited() == 0
    assert (await rows(stack))[opened].ended == "cancelled"
    await stack.start_gateway()


async def _open(stack: Stack) -> str | None:
    return next((found.id for found in (await rows(stack)).values() if found.ended is None), None)


async def _of_worker(stack: Stack, request_id: str) -> UsageRow | None:
    row = (await rows(stack)).get(request_id)
    return row if row is not None and row.worker else None


async def _counted(stack: Stack, row: UsageRow, output: int) -> bool:
    checkpoint = await read_checkpoint(stack.connection, row)
    return checkpoint is not None and any(one.id == row.id and one.output == output for one in checkpoint.open)
