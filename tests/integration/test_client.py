"""The client against real sockets, and a clock that nobody waits for."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from harness.provider import embeddings, say_then_cut, say_then_wait
from harness.scripted_gateway import (
    DONE,
    ERROR,
    PATIENCE_S,
    Call,
    Gateway,
    Script,
    hang_up,
    refuse,
    respond,
    stall,
    stream,
    text,
)
from harness.stack import Stack

from penstock_client import AsyncClient, Client, GatewayError, GatewayUnreachable, ResponseInfo, StreamTruncated
from penstock_contract.endpoints import (
    CHAT,
    CHAT_COMPLETION,
    CHAT_COMPLETION_STREAM,
    EMBED,
    EMBEDDINGS,
    HEALTH,
    MODELS,
    READY,
)
from penstock_contract.request.messages import Message
from penstock_contract.request.operations import (
    ChatCompletionRequest,
    ChatMessage,
    ChatRequest,
    EmbeddingsRequest,
    EmbedRequest,
)
from penstock_contract.responses import EmbedResponse, Model, Readiness

HELLO = ChatRequest([ChatMessage("user", "hello")])
MAIN = ChatCompletionRequest(model="main", messages=[Message("user", "hi")])
COMPLETION = ChatCompletionRequest(model="m", messages=[Message("user", "hello")])


@dataclass
class Both:
    """A sync client, and the asyncio one with the same face: every test below is about both."""

    run: Callable[[Gateway], Any]
    pauses: list[float]
    seen: list[ResponseInfo]


class AsyncFacade:
    """Drives an `AsyncClient` from sync tests, in an event loop of its own."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def call(self, *arguments: Any) -> Any:
        return self._runner.run(self._client.call(*arguments))

    def models(self) -> Any:
        return self._runner.run(self._client.models())

    @contextlib.contextmanager
    def stream(self, *arguments: Any) -> Iterator[Any]:
        opened = self._client.stream(*arguments)
        chunks = self._runner.run(opened.__aenter__())
        try:
            yield AsyncChunksFacade(chunks, self._runner)
        finally:
            self._runner.run(opened.__aexit__(None, None, None))


class AsyncChunksFacade:
    def __init__(self, chunks: Any, runner: asyncio.Runner) -> None:
        self.request_id = chunks.request_id
        self._chunks = chunks
        self._runner = runner

    def __iter__(self) -> "AsyncChunksFacade":
        return self

    def __next__(self) -> Any:
        async def step() -> Any:
            return await anext(self._chunks, None)

        if (chunk := self._runner.run(step())) is None:
            raise StopIteration
        return chunk


@pytest.fixture(params=["Client", "AsyncClient"])
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    pauses: list[float] = []
    seen: list[ResponseInfo] = []
    options: dict[str, Any] = {"api_key": "k", "timeout": PATIENCE_S, "dice": lambda: 0.0, "on_response": seen.append}

    async def async_sleep(seconds: float) -> None:
        pauses.append(seconds)

    with contextlib.ExitStack() as stack:

        def client(gateway: Gateway) -> Any:
            if request.param == "Client":
                return stack.enter_context(Client(gateway.url, sleep=pauses.append, **options))
            runner = stack.enter_context(asyncio.Runner())
            asynchronous = AsyncClient(gateway.url, sleep=async_sleep, **options)
            stack.callback(lambda: runner.run(asynchronous.aclose()))
            return AsyncFacade(asynchronous, runner)

        yield Both(client, pauses, seen)


def read(chunks: Any) -> str:
    return "".join(chunk.text for chunk in chunks)


def consume(client: Any, received: list[str]) -> None:
    """Enter, read to the end, leave; `received` is what came, also if it ended badly."""
    with client.stream(CHAT, HELLO) as chunks:
        received.extend(chunk.text for chunk in chunks)


# A good answer


def test_client_calls_an_endpoint(both: Both) -> None:
    """A typed request goes out as JSON with the key, a typed answer comes back."""
    with Gateway(respond({"embedding": [1.0, 2.0], "dimensions": 2})) as gateway:
        answer = both.run(gateway).call(EMBED, EmbedRequest("cat"))

    assert answer == EmbedResponse([1.0, 2.0], 2)
    [call] = gateway.calls
    assert (call.path, call.body) == ("/api/embed", {"text": "cat"})
    assert (call.headers["authorization"], call.headers["content-type"]) == ("Bearer k", "application/json")


def test_client_calls_an_endpoint_without_a_body(both: Both) -> None:
    """Models are listed as objects of the contract."""
    model = {"id": "org/m", "object": "model", "created": 1, "owned_by": "penstock"}
    with Gateway(respond({"object": "list", "data": [model]})) as gateway:
        models = both.run(gateway).models()

    assert models == [Model("org/m", 1, "penstock")]
    assert gateway.calls[0].body is None


def test_client_returns_not_ready_as_a_response(both: Both) -> None:
    """`/ready` says no with a 503 that is not an error."""
    not_ready = json.dumps({"ready": False, "reason": "the message broker is away"}).encode()
    with Gateway(lambda call: call.answer(503, not_ready)) as gateway:
        assert both.run(gateway).call(READY) == Readiness(False, "the message broker is away")


def test_client_streams(both: Both) -> None:
    """Chunks arrive in order through heartbeats, and the request id can be read."""
    frames = [b": ping\n\n", text("Hel"), b": ping\n\n" + text("lo") + text("!"), DONE]
    with Gateway(stream(*frames)) as gateway, both.run(gateway).stream(CHAT, HELLO) as chunks:
        assert chunks.request_id == "req_1"
        assert read(chunks) == "Hello!"

    assert gateway.calls[0].body == {"messages": [{"role": "user", "content": "hello"}]}
    assert both.seen == [ResponseInfo("POST", "/api/chat", 200, "req_1", 0)]


def test_client_streams_the_openai_dialect(both: Both) -> None:
    """The door asks for a stream by itself."""
    frame = {"id": "c", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
    script = stream(b"data: " + json.dumps(frame).encode() + b"\n\n", DONE)
    with Gateway(script) as gateway, both.run(gateway).stream(CHAT_COMPLETION_STREAM, COMPLETION) as chunks:
        assert [chunk.choices[0].delta.content for chunk in chunks] == ["Hi"]

    assert gateway.calls[0].body["stream"] is True


def test_client_reads_a_stream_byte_by_byte(both: Both) -> None:
    """However small the network's portions are."""
    wire = text("Grüß") + text(" dich") + DONE
    script = stream(*(wire[i : i + 1] for i in range(len(wire))))
    with Gateway(script) as gateway, both.run(gateway).stream(CHAT, HELLO) as chunks:
        assert read(chunks) == "Grüß dich"


def test_client_returns_its_connection_after_a_complete_answer(both: Both) -> None:
    """The second request needs no second connection."""
    with Gateway(stream(text("a"), DONE), stream(text("b"), DONE)) as gateway:
        client = both.run(gateway)
        for expected in "ab":
            with client.stream(CHAT, HELLO) as chunks:
                assert read(chunks) == expected

        assert gateway.calls[0].connection is gateway.calls[1].connection


# Trying again


def test_client_retries_after_the_gateways_retry_after(both: Both) -> None:
    """`retry-after` is waited, `retry-after-ms` more finely, without a hint half a second doubles."""
    full = [refuse(429, retry_after="3"), refuse(503, retry_after="2", retry_after_ms="1250")]
    with Gateway(*full, stream(text("a"), DONE), refuse(500), refuse(502), respond({"data": []})) as gateway:
        client = both.run(gateway)
        with client.stream(CHAT, HELLO) as chunks:
            assert read(chunks) == "a"
        assert client.call(MODELS).data == []

    assert both.pauses == [3.0, 1.25, 0.5, 1.0]
    assert [(seen.status, seen.request_id, seen.attempt) for seen in both.seen[:3]] == [
        (429, "req_0", 0),
        (503, "req_0", 1),
        (200, "req_1", 2),
    ]


def test_client_raises_the_gateways_message_after_the_last_retry(both: Both) -> None:
    """After two retries the last refusal is raised, whole."""
    with Gateway(*[refuse(429, retry_after="2")] * 4) as gateway, pytest.raises(GatewayError) as caught:
        consume(both.run(gateway), [])

    error = caught.value
    assert (error.status, error.code, error.message) == (429, "queue_full", "the worker is gone")
    assert (error.request_id, error.retry_after_s, error.retryable) == ("req_0", 2.0, True)
    assert len(gateway.calls) == 3


@pytest.mark.parametrize(
    "refusal",
    [refuse(400), refuse(429, retry_after="121"), refuse(503, x_should_retry="false")],
    ids=["a bad request", "a hint above 120 s", "x-should-retry: false"],
)
def test_client_does_not_retry_a_permanent_error(both: Both, refusal: Script) -> None:
    """One request, no pause."""
    with Gateway(refusal) as gateway, pytest.raises(GatewayError):
        both.run(gateway).call(EMBED, EmbedRequest("cat"))

    assert (len(gateway.calls), both.pauses) == (1, [])


@pytest.mark.parametrize(
    "broken",
    [hang_up, stream(end=b""), stream(b": ping\n\n", end=b""), stream()],
    ids=["no answer", "cut before an event", "cut after a heartbeat", "ended before an event"],
)
def test_client_retries_a_connection_lost_before_the_first_event(both: Both, broken: Script) -> None:
    """Nobody has seen anything of that answer yet."""
    with Gateway(broken, stream(text("a"), DONE)) as gateway, both.run(gateway).stream(CHAT, HELLO) as chunks:
        assert read(chunks) == "a"

    assert both.pauses == [0.5]


def test_client_raises_when_the_connection_is_refused(both: Both) -> None:
    """It is tried three times, then said in plain words."""
    with Gateway() as gateway:
        pass
    with pytest.raises(GatewayUnreachable, match=f"no answer from {gateway.url}: ") as caught:
        both.run(gateway).call(MODELS)

    assert both.pauses == [0.5, 1.0]
    assert (caught.value.code, caught.value.status) == ("gateway_unreachable", None)


# A stream that goes wrong


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"], ids=["cut", "ended cleanly"])
def test_client_raises_on_a_truncated_stream(both: Both, end: bytes) -> None:
    """What came is handed over, then it is said that it is not everything; the request is not sent again."""
    received: list[str] = []
    with Gateway(stream(text("a"), text("b"), end=end)) as gateway, pytest.raises(StreamTruncated) as caught:
        consume(both.run(gateway), received)

    assert (received, caught.value.request_id) == (["a", "b"], "req_1")
    assert (len(gateway.calls), both.pauses) == (1, [])


@pytest.mark.parametrize("frame", [b"event: error\ndata: ", b"data: "], ids=["simple", "OpenAI"])
@pytest.mark.parametrize("before", [[], ["a"]], ids=["first", "midway"])
def test_client_raises_on_an_error_event(both: Both, frame: bytes, before: list[str]) -> None:
    """With the code of the gateway's table, and without another try."""
    received: list[str] = []
    script = stream(*map(text, before), frame + ERROR + b"\n\n")
    with Gateway(script) as gateway, pytest.raises(GatewayError, match="the worker is gone") as caught:
        consume(both.run(gateway), received)

    assert received == before
    assert (caught.value.code, caught.value.status, caught.value.request_id) == ("worker_lost", 200, "req_1")
    assert (len(gateway.calls), both.pauses) == (1, [])


def test_client_raises_on_a_page_instead_of_a_stream(both: Both) -> None:
    """Also one with status 200."""

    def page(call: Call) -> None:
        call.answer(200, b"<html>", content_type="text/html")

    with Gateway(page) as gateway, pytest.raises(GatewayError, match="expected text/event-stream, got text/html"):
        consume(both.run(gateway), [])


def test_client_raises_on_an_unknown_endpoint(both: Both) -> None:
    """A stream where one answer was asked for is not mistaken for it."""
    script = stream(text("a"), DONE)
    with Gateway(script) as gateway, pytest.raises(GatewayError, match="did not answer with a ChatCompletion"):
        both.run(gateway).call(CHAT_COMPLETION, COMPLETION)


# Leaving


def test_client_closes_the_connection_when_a_stream_is_left(both: Both) -> None:
    """The gateway sees it at once, which is what stops the provider."""
    with Gateway(stall(text("a"), text("b"))) as gateway:
        with both.run(gateway).stream(CHAT, HELLO) as chunks:
            assert next(chunks).text == "a"

        assert gateway.calls[0].left.wait(PATIENCE_S)


def test_client_closes_the_connection_on_an_exception_in_the_block(both: Both) -> None:
    """And passes through unchanged."""
    with Gateway(stall(text("a"))) as gateway:
        with pytest.raises(AssertionError, match="mine"), both.run(gateway).stream(CHAT, HELLO) as chunks:
            assert next(chunks).text == "b", "mine"

        assert gateway.calls[0].left.wait(PATIENCE_S)


@contextlib.asynccontextmanager
async def streaming_task(gateway: Gateway) -> AsyncIterator[tuple[asyncio.Task[None], asyncio.Event]]:
    """A task that reads a stream to its end, and an event for its first chunk."""
    first = asyncio.Event()

    async def consume(client: AsyncClient) -> None:
        async with client.stream(CHAT, HELLO) as chunks:
            async for _ in chunks:
                first.set()

    async with AsyncClient(gateway.url) as client:
        yield asyncio.create_task(consume(client)), first


async def test_client_closes_the_connection_when_the_task_is_cancelled() -> None:
    """Between two chunks, with the client itself still open."""
    with Gateway(stall(text("a"))) as gateway:
        async with streaming_task(gateway) as (task, first):
            await first.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert await asyncio.to_thread(gateway.calls[0].left.wait, PATIENCE_S)


async def test_client_closes_the_connection_when_cancelled_before_the_first_event() -> None:
    """While the request waits in the gateway's queue, behind heartbeats."""
    begun = threading.Event()

    def queued(call: Call) -> None:
        call.begin()
        call.chunk(b": ping\n\n")
        begun.set()
        call.wait_until_left()

    with Gateway(queued) as gateway:
        async with streaming_task(gateway) as (task, _):
            assert await asyncio.to_thread(begun.wait, PATIENCE_S)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert await asyncio.to_thread(gateway.calls[0].left.wait, PATIENCE_S)


async def test_client_closes_the_connection_on_a_timeout_around_the_stream() -> None:
    """`asyncio.timeout` is a cancellation too."""

    async def consume_for(limit: asyncio.Timeout, client: AsyncClient) -> None:
        async with limit, client.stream(CHAT, HELLO) as chunks:
            async for _ in chunks:
                limit.reschedule(asyncio.get_running_loop().time())

    with Gateway(stall(text("a"))) as gateway:
        async with AsyncClient(gateway.url) as client:
            with pytest.raises(TimeoutError):
                await consume_for(asyncio.timeout(None), client)

            assert await asyncio.to_thread(gateway.calls[0].left.wait, PATIENCE_S)


# The real road: gateway, broker and worker, in front of a scripted provider


@pytest.mark.asyncio(loop_scope="module")
async def test_client_reads_every_endpoint_of_a_gateway_as_its_type(stack: Stack) -> None:
    """What the contract declares is what comes over the wire."""
    models = ["main", {"name": "vectors", "type": "Embedding"}]
    await stack.reconfigure(models=models)
    async with AsyncClient(stack.url) as client:
        assert await client.call(READY) == Readiness(True, "ok")
        assert (await client.call(HEALTH)).status == "ok"
        assert {"main", "vectors"} <= {model.id for model in await client.models()}
        async with client.chat([ChatMessage("user", "hi")], "main") as chunks:
            assert [chunk.text async for chunk in chunks] == ["Hel", "lo"]
            assert chunks.request_id
        async with client.generate("hi", "main") as chunks:
            assert "".join([chunk.text async for chunk in chunks]) == "Hello"
        completion = await client.call(CHAT_COMPLETION, MAIN)
        assert completion.choices[0].message.content == "Hello"
        async with client.stream(CHAT_COMPLETION_STREAM, MAIN) as completions:
            deltas = [chunk.choices[0].delta.content or "" async for chunk in completions]
        assert "".join(deltas) == "Hello"
        stack.main.answers(embeddings([[1.0, 2.0]]))
        assert await client.embed("cat", "vectors") == EmbedResponse([1.0, 2.0], 2)
        answer = await client.call(EMBEDDINGS, EmbeddingsRequest(model="vectors", input="cat"))
        assert answer.data[0].embedding == [1.0, 2.0]


@pytest.mark.asyncio(loop_scope="module")
async def test_client_reads_the_codes_of_a_gateways_errors(stack: Stack) -> None:
    """Before the stream with their status, inside it with what came so far."""
    received: list[str] = []

    async def consume_all(client: AsyncClient) -> None:
        async with client.chat([ChatMessage("user", "hi")]) as chunks:
            async for chunk in chunks:
                received.append(chunk.text)  # noqa: PERF401 - an async comprehension would lose what came

    async with AsyncClient(stack.url) as client:
        with pytest.raises(GatewayError) as unknown:
            await client.call(EMBED, EmbedRequest("cat", "unknown"))
        with pytest.raises(GatewayError) as invalid:
            await client.call(EMBED, EmbedRequest(""))
        stack.main.answers(say_then_cut("Hel"))
        with pytest.raises(GatewayError) as broken:
            await consume_all(client)

    assert (unknown.value.status, unknown.value.code) == (404, "model_not_found")
    assert (invalid.value.status, invalid.value.code, invalid.value.param) == (400, "invalid_request", "text")
    assert (broken.value.status, broken.value.code, received) == (200, "provider_stream_broken", ["Hel"])
    assert all(caught.value.request_id for caught in (unknown, invalid, broken))


@pytest.mark.asyncio(loop_scope="module")
async def test_client_ends_the_provider_call_when_a_stream_is_left(stack: Stack) -> None:
    """All the way from the client's `async with` to the provider's connection."""
    stack.main.answers(say_then_wait("Hel"))
    async with AsyncClient(stack.url) as client:
        async with client.chat([ChatMessage("user", "hi")]) as chunks:
            assert (await anext(chunks)).text == "Hel"
        await stack.main.calls[0].left()
