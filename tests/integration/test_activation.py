"""A request without a free slot: the gateway publishes an activation, waits, and returns the cause to the client."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness.expect import error_of, stream_error_of
from harness.processes import until
from harness.provider_answers import text_stream, when
from harness.route_spec import completion
from harness.stack import Stack
from harness.stack_routes import NAMESPACE
from harness.stream_reader import texts_of

from penstock_broker import queue_state
from penstock_broker.connection import Connection
from penstock_contract import codec, subjects

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"workers": 0, "gateway_env": {"PENSTOCK_COMMIT_AFTER_S": "1"}}
CAUSE = "the worker's image cannot be pulled: manifest unknown"


class Subscriber:
    """Subscribes to activations as the operator does."""

    def __init__(self, stack: Stack) -> None:
        self.received: list[tuple[float, str]] = []
        self.connection = Connection(stack.nats.url, "subscriber", inbox_prefix="_INBOX_subscriber")
        self.connection.listen(subjects.ALL_ACTIVATIONS, self._on_activation)

    def _on_activation(self, subject: str, data: bytes) -> None:
        assert codec.decode_activation(data).gateway
        self.received.append((asyncio.get_running_loop().time(), subjects.route_key(subject)))


@pytest_asyncio.fixture(loop_scope="module")
async def subscriber(stack: Stack) -> AsyncIterator[Subscriber]:
    made = Subscriber(stack)
    await made.connection.start()
    await until(lambda: made.connection.connected, "it listens")
    yield made
    await made.connection.close()


async def test_gateway_activates_a_route_without_workers_and_serves_when_one_starts(
    stack: Stack, subscriber: Subscriber
) -> None:
    pending = asyncio.create_task(stack.post("/api/chat", completion()))
    await until(lambda: subscriber.received, "the operator receives it", timeout_s=1)
    state = await queue_state.read(stack.connection, NAMESPACE, "main")
    assert state.pending == 1, "what wakes the operator is already in the queue that it reads"
    assert {route for _, route in subscriber.received} == {"default.main"}
    await stack.start_worker()
    assert texts_of((await pending).text) == "Hello"


async def test_gateway_publishes_one_activation_per_100_ms_in_a_burst(stack: Stack, subscriber: Subscriber) -> None:
    requests = [asyncio.create_task(stack.post("/api/chat", completion())) for _ in range(100)]
    await until(lambda: _pending(stack, 100), "all wait")
    assert subscriber.received
    await stack.start_worker()
    await asyncio.gather(*requests)
    times = [at for at, _ in subscriber.received]
    # Measured by the gateway's clock, behind a broker and on a busy machine: one more may fit in.
    assert len(times) <= 2 + (times[-1] - times[0]) / 0.1


async def test_gateway_repeats_the_activation_of_a_waiting_request(stack: Stack, subscriber: Subscriber) -> None:
    pending = asyncio.create_task(stack.post("/api/chat", completion()))
    await until(lambda: len(subscriber.received) >= 3, "an operator that subscribes later receives it", timeout_s=5)
    await stack.start_worker()
    assert texts_of((await pending).text) == "Hello"


async def test_gateway_publishes_no_activation_while_slots_are_free(stack: Stack, subscriber: Subscriber) -> None:
    await stack.start_worker(PENSTOCK_WORKER_NAME="heard")
    await until(
        lambda: "heard" in stack.heartbeats and stack.heartbeats["heard"].slots == 64, "its heartbeat has its slots"
    )
    assert (await stack.client.get("/health")).status_code == 200
    subscriber.received.clear()
    for _ in range(20):
        assert (await stack.post("/api/chat", completion())).status_code == 200
    assert subscriber.received == []


async def test_gateway_publishes_an_activation_when_all_slots_are_used(stack: Stack, subscriber: Subscriber) -> None:
    await stack.reconfigure(slots=2)
    gate = asyncio.Event()
    stack.main.answers(when(gate, text_stream("Hello")))
    await stack.start_worker()
    requests = [asyncio.create_task(stack.post("/api/chat", completion())) for _ in range(2)]
    await stack.main.called(2)
    subscriber.received.clear()
    requests.append(asyncio.create_task(stack.post("/api/chat", completion())))
    await until(lambda: subscriber.received, "the third activates it", timeout_s=1)
    gate.set()
    assert {response.status_code for response in await asyncio.gather(*requests)} == {200}


async def test_gateway_returns_the_cause_after_the_queue_timeout(stack: Stack) -> None:
    await stack.reconfigure(limits={"queueTimeoutSeconds": 0.5})
    await stack.apply("main", stack.spec(), cause=CAUSE)
    error = error_of(await stack.post("/api/chat", completion()), 503, "queue_timeout", retry_after=5)
    assert error["message"] == f"no worker took the request within 0.5 s: {CAUSE}"


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
async def test_gateway_ends_a_committed_stream_with_the_cause(stack: Stack, path: str) -> None:
    await stack.reconfigure(limits={"queueTimeoutSeconds": 2})
    pending = asyncio.create_task(stack.post(path, completion(stream=True)))
    await until(lambda: _pending(stack, 1), "it waits")
    await stack.apply("main", stack.spec(), cause=CAUSE)
    response = await pending
    stream_error_of(response, response.text, "queue_timeout")
    assert CAUSE in response.text


async def _pending(stack: Stack, count: int) -> bool:
    return (await queue_state.read(stack.connection, NAMESPACE, "main")).pending == count
