"""Charges of a budget: a key gets at most its budget, the input of each open request and a piece of each stream.

The evidence is the provider's log: the bodies that it received and did not answer with an error status, and the
pieces that it wrote, at the route's prices and by Penstock's rule for tokens.
"""

import asyncio
import base64
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from harness.budgeted_keys import PER_MILLION, PRICES, budgeted, closed_rows, spent, tokens_sent
from harness.keyed import KeyedStack
from harness.large_requests import CONTENT, FIELDS, LARGE
from harness.provider import Upstream
from harness.provider_answers import (
    DONE,
    chunk,
    data,
    finish,
    silence,
    status,
    stream,
    text_stream,
    text_then_wait,
    when,
)
from harness.provider_call import Answer, Call
from harness.route_spec import completion, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
ABSURD = [-(10**6), -1, 0, 10**9, 2**53, 2**63, 10**30, 2.5, 1e300, "12", None, [], {}]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def module_stack() -> AsyncIterator[KeyedStack]:
    async with KeyedStack(slots=64) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: KeyedStack) -> AsyncIterator[KeyedStack]:
    await module_stack.reset()
    await module_stack.reconfigure(
        providers=[provider("main", module_stack.main.base_url, prices=PRICES)],
        limits={"firstTokenTimeoutSeconds": 1},
        routing={"retries": 0},
    )
    yield module_stack
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


async def leave(client: httpx.AsyncClient, upstream: Upstream, path: str, body: dict[str, Any], pieces: int) -> int:
    """Send a request and close its connection after so many pieces of the answer, 0 for none; returns its status."""
    called = len(upstream.calls)
    if not pieces:
        pending = asyncio.create_task(client.post(path, json=body))
        arrived = asyncio.create_task(upstream.called(called + 1))
        await asyncio.wait({pending, arrived}, return_when=asyncio.FIRST_COMPLETED)
        if pending.done():
            arrived.cancel()
            await asyncio.wait({arrived})
            return pending.result().status_code
        pending.cancel()
        await asyncio.wait({pending})
        return 200
    async with client.stream("POST", path, json=body) as response:
        if response.status_code != 200:
            return response.status_code
        async for line in response.aiter_lines():
            pieces -= '"content"' in line
            if not pieces:
                break
    return 200


async def drain(
    stack: KeyedStack, key: str, client: httpx.AsyncClient, path: str, body: dict[str, Any], pieces: int
) -> int:
    """Send requests and disconnect until the key is rejected; returns the number of provider calls."""
    for served in range(12):
        code = await leave(client, stack.main, path, body, pieces)
        if code == 429:
            return served
        if code == 400:  # refused before a provider is called
            return 0
        assert code == 200
        await closed_rows(stack, key, served + 1)
    return 12


def picture() -> str:
    return "data:image/png;base64," + base64.b64encode(random.Random(1).randbytes(3_000)).decode()


async def all_but_the_usage(call: Call) -> None:
    await call.head()
    for piece in (chunk("one"), chunk("two"), finish()):
        await call.write(piece)


STAGES = {
    "before the first event": (silence, 0),
    "after the first piece": (text_then_wait("one", "two"), 1),
    "before the usage": (all_but_the_usage, 2),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("field", FIELDS)
async def test_budget_charges_a_disconnected_client_for_sent_input(stack: KeyedStack, field: str, stage: str) -> None:
    answer, pieces = STAGES[stage]
    stack.main.answers(answer)
    key, client = await budgeted(stack, "30")
    served = await drain(
        stack, key, client, "/v1/chat/completions", {**completion(stream=True), **FIELDS[field]}, pieces
    )
    assert len(stack.main.calls) == served
    if tokens_sent(stack.main) < 1_000 * served or not served:
        return  # the field is refused or is not passed on: nothing of it was sent
    assert served in (2, 3), "three inputs of about 12.00 are more than 30.00, two are less"
    counted = await spent(stack, key, served)
    assert counted >= 0.95 * tokens_sent(stack.main) * PER_MILLION / 10**6


async def test_budget_charges_images_by_their_own_rule(stack: KeyedStack) -> None:
    stack.main.answers(silence)
    key, client = await budgeted(stack, "30")
    parts = [{"type": "image_url", "image_url": {"url": picture()}}] * 16
    body = {**completion(stream=True), "messages": [{"role": "user", "content": parts}]}
    served = await drain(stack, key, client, "/v1/chat/completions", body, 0)
    assert served in (2, 3)
    assert await spent(stack, key, served) >= 16 * 765 * PER_MILLION / 10**6 * served


EMBEDDINGS = {
    "texts": {"model": "main", "input": [LARGE]},
    "tokens": {"model": "main", "input": [[100] * 12_000]},
}


@pytest.mark.parametrize("input_", EMBEDDINGS)
async def test_budget_charges_embeddings_that_are_left_before_their_answer(stack: KeyedStack, input_: str) -> None:
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url, prices=PRICES)], models=[{"name": "main", "type": "Embedding"}]
    )
    stack.main.answers(silence)
    key, client = await budgeted(stack, "30")
    served = await drain(stack, key, client, "/v1/embeddings", EMBEDDINGS[input_], 0)
    assert served in (2, 3)
    assert len(stack.main.calls) == served
    assert await spent(stack, key, served) >= 12 * served


async def test_budget_is_exceeded_at_most_by_open_requests_when_all_are_left(
    stack: KeyedStack,
) -> None:
    stack.main.answers(silence)
    key, client = await budgeted(stack, "60")
    body = {**completion(stream=True), **CONTENT["content"]}
    pending = [asyncio.create_task(client.post("/v1/chat/completions", json=body)) for _ in range(12)]
    await stack.main.called(4)
    answers = [task for task in pending if task.done()]
    for task in pending:
        task.cancel()
    await asyncio.wait(pending)
    assert all(task.result().status_code == 429 for task in answers)
    assert len(stack.main.calls) in (4, 5), "five inputs are 60.00 and a little more"
    assert await leave(client, stack.main, "/v1/chat/completions", body, 0) == 429
    await closed_rows(stack, key, len(stack.main.calls))


async def test_budget_refunds_the_input_of_an_error_status(stack: KeyedStack) -> None:
    stack.main.answers(status(500))
    key, client = await budgeted(stack, "13")
    body = {**completion(), **CONTENT["content"]}
    for count in range(1, 5):
        assert (await client.post("/v1/chat/completions", json=body)).status_code == 502
        assert await spent(stack, key, count) == 0
    assert len(stack.main.calls) == 4


async def test_budget_refunds_the_input_of_an_error_before_any_content(stack: KeyedStack) -> None:
    stack.main.answers(stream(data({"error": {"message": "no", "type": "server_error"}})))
    key, client = await budgeted(stack, "13")
    for count in range(1, 4):
        answer = await client.post("/v1/chat/completions", json={**completion(), **CONTENT["content"]})
        assert answer.status_code == 502
        assert await spent(stack, key, count) == 0


async def cut_unanswered(call: Call) -> None:
    call.cut()


async def head_then_cut(call: Call) -> None:
    await call.head()
    call.cut()


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("failover", silence),
        ("failover", cut_unanswered),
        ("failover", head_then_cut),
        ("retry", cut_unanswered),
        ("retry", head_then_cut),
    ],
)
async def test_budget_charges_each_sent_attempt_at_its_providers_price(
    stack: KeyedStack, path: str, first: Answer
) -> None:
    other = stack.provider.upstream("other")
    dear = {"inputPerMillion": str(2 * PER_MILLION), "outputPerMillion": str(PER_MILLION)}
    providers = [provider("main", stack.main.base_url, prices=dear)]
    if path == "failover":
        providers.append(provider("other", other.base_url, prices=PRICES, priority=1))
        other.answers(text_stream("Hi"))
        stack.main.answers(first)
    else:
        stack.main.answers(first, text_stream("Hi"))
    await stack.reconfigure(
        providers=providers, limits={"firstTokenTimeoutSeconds": 1}, routing={"retries": 1 if path == "retry" else 0}
    )
    key, client = await budgeted(stack, "100")
    answer = await client.post("/v1/chat/completions", json={**completion(), **CONTENT["content"]})
    assert answer.status_code == 200, answer.text
    [row] = await closed_rows(stack, key, 1)
    lost = tokens_sent(stack.main) if path == "failover" else tokens_sent(stack.main) // 2
    assert row.attempts == 2
    assert row.tokens.estimated
    assert row.tokens.input - 3 == pytest.approx(lost, rel=0.02), "the scripted provider counts its prompt as 3"
    assert float(row.cost) == pytest.approx(lost * 2 * PER_MILLION / 10**6, rel=0.02)


@pytest.mark.parametrize("prompt_tokens", ABSURD, ids=repr)
@pytest.mark.parametrize("completion_tokens", [5, -(10**6), 10**30], ids=repr)
async def test_budget_is_never_credited_by_a_providers_count(
    stack: KeyedStack, prompt_tokens: object, completion_tokens: object
) -> None:
    gate = asyncio.Event()
    counted = data({"choices": [], "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}})
    key, client = await budgeted(stack, "0.02")
    stack.main.answers(
        when(gate, text_stream("Hel", "lo")),
        stream(chunk("one"), chunk("two"), finish(), counted, DONE),
        text_stream("Hel", "lo"),
    )
    neighbour = asyncio.create_task(stack.client.post("/v1/chat/completions", json=completion()))
    await stack.main.called()
    async with asyncio.timeout(15):
        await client.post("/v1/chat/completions", json=completion())
        gate.set()
        assert (await neighbour).json()["choices"][0]["message"]["content"] == "Hello"
        [row] = await closed_rows(stack, key, 1)
        assert (float(row.cost) >= 0, row.tokens.input >= 0, row.tokens.output >= 0) == (True, True, True)
        answers = [await client.post("/v1/chat/completions", json=completion()) for _ in range(8)]
    served = [answer.status_code for answer in answers].count(200)
    assert served <= 4, "0.005 each, of 0.02"
