"""The broker is killed, paused or disconnected: open streams stay complete, and service returns."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness.expect import error_of, ids_of
from harness.interrupted_streams import STREAMS, assert_whole, has_taken, is_queued, streams, without_broker
from harness.link import Link
from harness.processes import until
from harness.provider_answers import silence, text_stream, when
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Stack) -> AsyncIterator[Stack]:
    """Shared; what a test killed is started again before the next."""
    await module_stack.reset()
    yield module_stack
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


async def test_broker_restart_between_requests_loses_nothing(stack: Stack) -> None:
    assert (await stack.post("/api/chat", completion())).status_code == 200
    stack.nats.kill()
    await stack.restart_nats()
    for path in STREAMS:
        assert texts_of((await stack.post(path, completion(stream=True))).text) == "Hello"


async def test_broker_absence_is_503_until_it_returns(stack: Stack) -> None:
    stack.nats.kill()
    ready = await without_broker(stack)
    assert ready.json() == {"ready": True, "reason": "there is no connection to the message broker"}
    assert ready.status_code == 200, "the Service keeps it, so that clients read the error"
    ids_of(ready)
    assert await connected(stack) == 0
    for path in STREAMS:
        for fields in ({"stream": True}, {}):
            response = await stack.post(path, completion(**fields))
            error = error_of(response, 503, "broker_unavailable", retry_after=1)
            assert error["type"] == "service_unavailable_error"
    assert (await stack.client.get("/health")).status_code == 200, "health is not readiness"
    assert (await stack.client.get("/v1/models")).status_code == 200
    await stack.restart_nats()
    assert await connected(stack) == 1
    assert texts_of((await stack.post("/api/chat", completion())).text) == "Hello"


async def connected(stack: Stack) -> float:
    """The gauge on which the alert of an absent broker is."""
    lines = (await stack.client.get("/metrics")).text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("penstock_broker_connected"))


async def test_broker_restart_keeps_an_open_stream_complete(stack: Stack) -> None:
    async def restart() -> None:
        stack.nats.kill()
        await stack.restart_nats()

    assert_whole(await streams(stack, restart))
    assert len(stack.main.calls) == 2


async def test_broker_restart_keeps_an_unanswered_request(stack: Stack) -> None:
    gate = asyncio.Event()
    stack.main.answers(when(gate, text_stream("Hello")))
    request = asyncio.create_task(stack.post("/api/chat", completion()))
    await stack.main.called()
    stack.nats.kill()
    await stack.restart_nats()
    gate.set()
    assert texts_of((await request).text) == "Hello"
    assert len(stack.main.calls) == 1


async def test_broker_pause_keeps_an_open_stream_complete(stack: Stack) -> None:
    async def pause() -> None:
        stack.nats.process.signal(signal.SIGSTOP)
        await asyncio.sleep(0.5)
        stack.nats.process.signal(signal.SIGCONT)

    assert_whole(await streams(stack, pause))


async def test_broker_late_publish_of_an_ended_request_is_not_served(stack: Stack) -> None:
    stack.main.answers(silence)
    taken = await stack.taken()
    stack.nats.process.signal(signal.SIGSTOP)
    try:
        response = await stack.post("/api/chat", completion())
    finally:
        stack.nats.process.signal(signal.SIGCONT)
    error_of(response, 503, "broker_unavailable", retry_after=1)
    # The broker has had it in its socket all the time: a worker receives it now, and its cancellation, perhaps before
    # a provider call.
    await until(lambda: has_taken(stack, taken + 1), "the broker takes it")
    await until(lambda: is_queued(stack, 0), "the worker has discarded it", timeout_s=2)
    await stack.main.idle(timeout_s=2)


@pytest.mark.parametrize("end", ["gateway", "worker"])
async def test_broker_connection_loss_keeps_an_open_stream_complete(end: str) -> None:
    async with Stack(workers=0) as stack:
        link = await Link.start(stack.nats.port)
        try:
            if end == "gateway":
                await stack.gateway.end()
                await stack.start_gateway(PENSTOCK_NATS_URL=link.url)
                await stack.start_worker()
                process = stack.gateway
            else:
                process = await stack.start_worker(PENSTOCK_NATS_URL=link.url)

            async def blip() -> None:
                link.cut()
                await process.logged("broker.disconnected")
                await link.mend()
                await process.logged("broker.reconnected")

            assert_whole(await streams(stack, blip))
            assert len(stack.main.calls) == 2
        finally:
            await link.close()


async def test_broker_connection_loss_of_a_gateway_keeps_the_start_of_an_answer() -> None:
    async with Stack(workers=0) as stack:
        link = await Link.start(stack.nats.port)
        try:
            await stack.gateway.end()
            await stack.start_gateway(PENSTOCK_NATS_URL=link.url)
            requests = [asyncio.create_task(stack.post(path, completion(stream=True))) for path in STREAMS]
            await until(lambda: is_queued(stack, 2), "both are in the queue")
            assert (await stack.client.get("/health")).status_code == 200, "the gateway is healthy"
            link.cut()
            await stack.gateway.logged("broker.disconnected")
            worker = await stack.start_worker(PENSTOCK_LOG_LEVEL="DEBUG")
            await until(lambda: len(worker.events("worker.call_ended")) == 2, "the worker has ended both calls")
            await link.mend()
            assert [texts_of((await request).text) for request in requests] == ["Hello", "Hello"]
            assert len(stack.main.calls) == 2
        finally:
            await link.close()


async def test_broker_connection_loss_of_a_worker_delays_an_answer_without_a_second_call() -> None:
    async with Stack(workers=0) as stack:
        link = await Link.start(stack.nats.port)
        try:
            worker = await stack.start_worker(PENSTOCK_NATS_URL=link.url, PENSTOCK_LOG_LEVEL="DEBUG")
            gate = asyncio.Event()
            stack.main.answers(when(gate, text_stream("Hello")))
            requests = [asyncio.create_task(stack.post(path, completion(stream=True))) for path in STREAMS]
            await stack.main.called(2)
            link.cut()
            await worker.logged("broker.disconnected")
            gate.set()
            await until(lambda: len(worker.events("worker.call_ended")) == 2, "the worker has ended both calls")
            await link.mend()
            async with asyncio.timeout(3):
                assert [texts_of((await request).text) for request in requests] == ["Hello", "Hello"]
            # Its acks were lost as well: the queue delivers the requests again, and gets them acked.
            await until(lambda: is_queued(stack, 0), "the queue is empty", timeout_s=6)
            assert len(stack.main.calls) == 2
        finally:
            await link.close()
