"""Processes die or are told to stop, and every stream has a defined, visible end."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import pytest_asyncio
from harness.expect import error_of, ids_of, stream_error_of
from harness.link import Link
from harness.plain_client import plain_client
from harness.processes import until
from harness.provider import Answer, Call, chunk, finish, say, say_then_wait, silence, usage, when
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMS = ("/api/chat", "/v1/chat/completions")
TOKENS = [f"token-{number} " for number in range(80)]
AFTERWARDS = 20


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Stack) -> AsyncIterator[Stack]:
    """Shared; what a test killed is started again before the next."""
    await module_stack.reset()
    yield module_stack
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


def flow(over: asyncio.Event) -> Answer:
    """All `TOKENS`, at the pace of a real model; the last ones not before it is `over`, however long that takes."""

    async def answer(call: Call) -> None:
        await call.head()
        for number, token in enumerate(TOKENS):
            if number == len(TOKENS) - AFTERWARDS:
                await over.wait()
            await call.write(chunk(token))
            await asyncio.sleep(0.02)
        await call.write(finish() + usage())
        await call.end()

    return answer


async def streams(stack: Stack, midway: Callable[[], object], after: int = 10) -> list[str]:
    """Open a stream at each door, do `midway` after some tokens and while more come, and return the whole bodies."""
    reading = 0
    over = asyncio.Event()
    stack.main.answers(flow(over))

    async def read(path: str) -> str:
        nonlocal reading
        async with stack.stream(path, completion(stream=True)) as stream:
            assert stream.response.status_code == 200
            for _ in range(after):
                await stream.event()
            reading += 1
            await stream.rest()
            return stream.raw.decode()

    reads = [asyncio.create_task(read(path)) for path in STREAMS]
    await until(lambda: reading == len(STREAMS) or any(task.done() for task in reads), "tokens flow")
    result = midway()
    if asyncio.iscoroutine(result):
        await result
    over.set()
    return await asyncio.gather(*reads)


def assert_whole(bodies: list[str]) -> None:
    """Every token exactly once, in order, and the end."""
    for body in bodies:
        assert texts_of(body) == "".join(TOKENS)
        assert body.endswith("data: [DONE]\n\n")
        assert body.count("[DONE]") == 1


# Workers


async def test_worker_killed_before_its_first_event_is_replaced_invisibly(stack: Stack) -> None:
    stack.main.answers(silence, silence, silence, say("Hello"))
    asks = [asyncio.create_task(stack.post(path, completion(stream=True))) for path in STREAMS]
    asks.append(asyncio.create_task(stack.post(STREAMS[1], completion())))
    await stack.main.called(3)
    await stack.start_worker()
    stack.workers[0].kill()
    responses = await asyncio.gather(*asks)
    assert [response.status_code for response in responses] == [200, 200, 200]
    assert [texts_of(response.text) for response in responses[:2]] == ["Hello", "Hello"]
    assert responses[2].json()["choices"][0]["message"]["content"] == "Hello"
    assert len(stack.main.calls) == 6
    for response in responses:
        ended = await stack.gateway.said("gateway.request_ended", request_id=ids_of(response))
        assert ended["attempt"] == 2


async def test_worker_killed_after_its_first_event_ends_streams_with_worker_lost_within_5_s(
    stack: Stack,
) -> None:
    stack.main.answers(say_then_wait("Hel"))

    async def fail(path: str) -> float:
        async with stack.stream(path, completion(stream=True)) as stream:
            await stream.event()
            body = await stream.rest()
            stream_error_of(stream.response, body, "worker_lost")
            return time.monotonic()

    ends = [asyncio.create_task(fail(path)) for path in STREAMS]
    whole = asyncio.create_task(stack.post(STREAMS[1], completion()))
    await stack.main.called(3)
    await until(lambda: _queued(stack, 0), "all have begun")
    await stack.start_worker()
    stack.workers[0].kill()
    killed = time.monotonic()
    for ended in await asyncio.gather(*ends):
        assert ended - killed < 5
    error_of(await whole, 502, "worker_lost")
    assert len(stack.main.calls) == 3, "what has begun is not run again"


async def test_worker_finishes_its_streams_on_sigterm_and_exits_0(stack: Stack) -> None:
    leaving = stack.workers[0]
    await stack.start_worker()
    stack.workers[1].terminate()
    assert await stack.workers[1].exited() == 0, "an idle one goes at once"

    async def stop() -> None:
        leaving.terminate()
        await leaving.said("worker.draining")
        await stack.start_worker()
        stack.main.answers(say("from the next"))
        assert texts_of((await stack.post("/api/chat", completion())).text) == "from the next"
        assert leaving.alive

    assert_whole(await streams(stack, stop))
    assert await leaving.exited() == 0


async def test_worker_stop_loses_and_delays_no_request(stack: Stack) -> None:
    await stack.reconfigure(slots=8)
    stack.main.answers(say("Hello"))
    leaving = stack.workers[0]
    await stack.start_worker()
    slowest = 0.0
    stop = asyncio.Event()

    async def keep_asking() -> None:
        nonlocal slowest
        # A connection of its own: a request can wait for seconds in httpx's shared pool before it is sent.
        async with plain_client(stack.url) as client:
            while not stop.is_set():
                began = time.monotonic()
                response = await client.post("/api/chat", json=completion())
                assert texts_of(response.text) == "Hello"
                slowest = max(slowest, time.monotonic() - began)

    asking = [asyncio.create_task(keep_asking()) for _ in range(12)]
    await stack.main.called(50)
    leaving.terminate()
    assert await leaving.exited() == 0
    await stack.main.called(len(stack.main.calls) + 50)
    stop.set()
    await asyncio.gather(*asking)
    # A delivery that is lost comes back only after the ack time of 4 s.
    assert slowest < 2


# The gateway


async def test_gateway_finishes_its_streams_on_sigterm_and_accepts_no_more(stack: Stack) -> None:
    gateway = stack.gateway

    async def stop() -> None:
        gateway.terminate()
        await until(lambda: _refuses(stack), "the gateway does not listen any more")
        assert gateway.alive

    assert_whole(await streams(stack, stop))
    assert await gateway.exited() == 0


async def test_gateway_killed_has_its_calls_ended_within_5_s(stack: Stack) -> None:
    stack.main.answers(say_then_wait("Hel"), silence)
    async with stack.stream("/api/chat", completion()) as stream:
        await stream.event()
        waiting = asyncio.create_task(stack.post("/api/chat", completion()))
        await stack.main.called(2)
        stack.gateway.kill()
        killed = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            await stream.rest()
    with pytest.raises(httpx.TransportError):
        await waiting
    for call in stack.main.calls:
        assert await call.left(10) - killed < 5
    await stack.start_gateway()
    stack.main.answers(say("Hello"))
    assert texts_of((await stack.post("/api/chat", completion())).text) == "Hello"
    assert len(stack.main.calls) == 3, "nobody runs the killed gateway's requests again"


# The broker


async def test_broker_restart_between_requests_loses_nothing(stack: Stack) -> None:
    assert (await stack.post("/api/chat", completion())).status_code == 200
    stack.nats.kill()
    await stack.restart_nats()
    for path in STREAMS:
        assert texts_of((await stack.post(path, completion(stream=True))).text) == "Hello"


async def test_broker_absence_is_503_until_it_returns(stack: Stack) -> None:
    stack.nats.kill()
    await until(lambda: _status(stack, "/ready", 503), "the gateway has noticed")
    ready = await stack.client.get("/ready")
    assert ready.json() == {"ready": False, "reason": "there is no connection to the message broker"}
    ids_of(ready)
    for path in STREAMS:
        for fields in ({"stream": True}, {}):
            response = await stack.post(path, completion(**fields))
            error = error_of(response, 503, "broker_unavailable", retry_after=1)
            assert error["type"] == "service_unavailable_error"
    assert (await stack.client.get("/health")).status_code == 200, "alive is not ready"
    assert (await stack.client.get("/v1/models")).status_code == 200
    await stack.restart_nats()
    assert texts_of((await stack.post("/api/chat", completion())).text) == "Hello"


async def test_broker_restart_keeps_an_open_stream_complete(stack: Stack) -> None:
    async def restart() -> None:
        stack.nats.kill()
        await stack.restart_nats()

    assert_whole(await streams(stack, restart))
    assert len(stack.main.calls) == 2


async def test_broker_restart_keeps_an_unanswered_request(stack: Stack) -> None:
    gate = asyncio.Event()
    stack.main.answers(when(gate, say("Hello")))
    ask = asyncio.create_task(stack.post("/api/chat", completion()))
    await stack.main.called()
    stack.nats.kill()
    await stack.restart_nats()
    gate.set()
    assert texts_of((await ask).text) == "Hello"
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
    # The broker has had it in its socket all the time: a worker gets it now, and is told to stop, perhaps before it
    # has called anybody.
    await until(lambda: _taken(stack, taken + 1), "the broker takes it")
    await until(lambda: _queued(stack, 0), "the worker has thrown it away", timeout_s=2)
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
                await process.said("broker.disconnected")
                await link.mend()
                await process.said("broker.reconnected")

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
            asks = [asyncio.create_task(stack.post(path, completion(stream=True))) for path in STREAMS]
            await until(lambda: _queued(stack, 2), "both are in the queue")
            assert (await stack.client.get("/health")).status_code == 200, "the gateway has heard so"
            link.cut()
            await stack.gateway.said("broker.disconnected")
            worker = await stack.start_worker(PENSTOCK_LOG_LEVEL="DEBUG")
            await until(lambda: len(worker.events("worker.call_ended")) == 2, "the worker has said everything")
            await link.mend()
            assert [texts_of((await ask).text) for ask in asks] == ["Hello", "Hello"]
            assert len(stack.main.calls) == 2
        finally:
            await link.close()


async def test_broker_connection_loss_of_a_worker_delays_an_answer_without_a_second_call() -> None:
    async with Stack(workers=0) as stack:
        link = await Link.start(stack.nats.port)
        try:
            worker = await stack.start_worker(PENSTOCK_NATS_URL=link.url, PENSTOCK_LOG_LEVEL="DEBUG")
            gate = asyncio.Event()
            stack.main.answers(when(gate, say("Hello")))
            asks = [asyncio.create_task(stack.post(path, completion(stream=True))) for path in STREAMS]
            await stack.main.called(2)
            link.cut()
            await worker.said("broker.disconnected")
            gate.set()
            await until(lambda: len(worker.events("worker.call_ended")) == 2, "the worker has said everything")
            await link.mend()
            async with asyncio.timeout(3):
                assert [texts_of((await ask).text) for ask in asks] == ["Hello", "Hello"]
            # Its acks were lost as well: the queue delivers the requests again, and gets them acked.
            await until(lambda: _queued(stack, 0), "the queue is empty", timeout_s=6)
            assert len(stack.main.calls) == 2
        finally:
            await link.close()


async def _queued(stack: Stack, count: int) -> bool:
    return await stack.queued() == count


async def _taken(stack: Stack, count: int) -> bool:
    return await stack.taken() == count


async def _status(stack: Stack, path: str, status: int) -> bool:
    return (await stack.client.get(path)).status_code == status


async def _refuses(stack: Stack) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", stack.gateway_port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False
