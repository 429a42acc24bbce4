"""The typed clients' functions of the Responses API, with a route that keeps answers."""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec
import pytest
import pytest_asyncio
from harness.link import Link
from harness.processes import until
from harness.provider_answers import text_stream, text_then_wait
from harness.read_again import WORDS, paced
from harness.stack import Stack

from penstock_client import AsyncClient, Client, GatewayError
from penstock_contract.endpoints import CHAT
from penstock_contract.openai_responses.request import ResponseRequest
from penstock_contract.openai_responses.response import ResponseObject
from penstock_contract.openai_responses.stream_events import OutputTextDelta, ResponseCompleted, ResponseEvent
from penstock_contract.request.operations import ChatMessage
from penstock_contract.route.streams import StreamsSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = ResponseRequest(model="main", input="hello")
BACKGROUND = msgspec.structs.replace(HELLO, background=True)
TEXT = "".join(WORDS)


@pytest_asyncio.fixture(loop_scope="module")
async def kept(stack: Stack) -> Stack:
    await stack.apply("main", msgspec.structs.replace(stack.spec(), streams=StreamsSpec(keep_seconds=60)))
    return stack


def text_of(response: ResponseObject) -> str:
    made: list[dict[str, list[dict[str, str]]]] = [msgspec.to_builtins(item) for item in response.output]
    return "".join(part["text"] for item in made for part in item["content"])


def deltas(events: list[ResponseEvent]) -> str:
    return "".join(event.delta for event in events if isinstance(event, OutputTextDelta))


async def ended(client: AsyncClient, id_: str) -> ResponseObject:
    found: list[ResponseObject] = []

    async def done() -> bool:
        found[:] = [await client.responses.retrieve(id_)]
        return found[0].status not in {"queued", "in_progress"}

    await until(done, "the response has ended", timeout_s=15)
    return found[0]


async def test_client_creates_retrieves_and_deletes_a_response(kept: Stack) -> None:
    kept.main.answers(text_stream("Hel", "lo"))

    def run() -> None:
        with Client(kept.url) as client:
            made = client.responses.create(HELLO)
            assert (made.status, text_of(made)) == ("completed", "Hello")
            assert client.responses.retrieve(made.id).output == made.output
            assert client.responses.input_tokens(HELLO).input_tokens > 0
            with client.responses.stream(HELLO) as events:
                received = list(events)
            assert [event.sequence_number for event in received] == list(range(len(received)))
            assert deltas(received) == "Hello"
            last = received[-1]
            assert isinstance(last, ResponseCompleted)
            with client.responses.resume(last.response.id, starting_after=3) as rest:
                assert list(rest) == received[4:]
            assert client.responses.delete(made.id).deleted
            with pytest.raises(GatewayError, match="response_not_found"):
                client.responses.retrieve(made.id)

    await asyncio.to_thread(run)


async def test_async_client_pages_the_input_of_a_response(kept: Stack) -> None:
    kept.main.answers(text_stream("Hello"))
    turns = [{"role": "user", "content": text} for text in ("one", "two", "three")]
    async with AsyncClient(kept.url) as client:
        made = await client.responses.create(msgspec.structs.replace(HELLO, input=turns))
        page = await client.responses.input_items(made.id, limit=2, order="asc")
        rest = await client.responses.input_items(made.id, order="asc", after=page.last_id)
        assert (len(page.data), page.has_more, len(rest.data), rest.has_more) == (2, True, 1, False)
        with pytest.raises(GatewayError) as caught:
            await client.responses.input_items(made.id, limit=0)
    assert caught.value.param == "limit"


async def test_async_client_cancels_a_background_response(kept: Stack) -> None:
    kept.main.answers(text_then_wait("Hel"))
    async with AsyncClient(kept.url) as client:
        made = await client.responses.create(BACKGROUND)
        assert made.status == "queued"
        assert (await client.responses.cancel(made.id)).status == "cancelled"
        assert (await client.responses.retrieve(made.id)).status == "cancelled"
        assert (await client.responses.delete(made.id)).id == made.id


async def test_async_client_leaves_a_background_response_and_reads_it_on(kept: Stack) -> None:
    go_on = asyncio.Event()
    kept.main.answers(paced(go_on))
    async with AsyncClient(kept.url) as client:
        async with client.responses.stream(BACKGROUND) as events:
            first = [await anext(events) for _ in range(6)]
        id_ = first[0].response.id if hasattr(first[0], "response") else ""
        async with client.responses.resume(id_, starting_after=5) as events:
            first.append(await anext(events))
        go_on.set()
        async with client.responses.resume(id_, starting_after=6) as events:
            rest = [event async for event in events]
        assert text_of(await ended(client, id_)) == deltas([*first, *rest]) == TEXT
    assert len(kept.main.calls) == 1


async def test_async_client_reads_a_response_on_after_a_cut(kept: Stack, link: Link) -> None:
    go_on = asyncio.Event()
    kept.main.answers(paced(go_on))
    received: list[ResponseEvent] = []
    async with AsyncClient(f"http://127.0.0.1:{link.port}") as client, client.responses.stream(HELLO) as events:
        async for event in events:
            received.append(event)
            if len(received) in {6, 30}:
                link.cut()
                await link.mend()
                go_on.set()
    assert [event.sequence_number for event in received] == list(range(len(received)))
    assert deltas(received) == TEXT
    assert len(kept.main.calls) == 1


async def resumed_async(url: str, id_: str, received: int, cut: Callable[[], None]) -> list[str]:
    async with AsyncClient(url) as client, client.resume(id_, CHAT, received) as chunks:
        texts = [(await anext(chunks)).text]
        cut()
        return [*texts, *[chunk.text async for chunk in chunks]]


def resumed(url: str, id_: str, received: int, cut: Callable[[], None]) -> list[str]:
    with Client(url) as client, client.resume(id_, CHAT, received) as chunks:
        texts = [next(chunks).text]
        cut()
        return [*texts, *[chunk.text for chunk in chunks]]


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
async def test_client_reads_a_resumed_stream_on_after_a_cut_at_its_position(kept: Stack, link: Link, kind: str) -> None:
    """The position of a second resumption counts from the beginning of the stream."""
    go_on, loop = asyncio.Event(), asyncio.get_running_loop()
    kept.main.answers(paced(go_on))
    begun: list[str] = []
    first = AsyncClient(kept.url)
    opened = first.chat([ChatMessage("user", "hello")], "main")
    chunks = await opened.__aenter__()
    begun.extend([(await anext(chunks)).text for _ in range(10)])

    def cut() -> None:
        link.cut()
        asyncio.run_coroutine_threadsafe(link.mend(), loop)
        loop.call_soon_threadsafe(go_on.set)

    url, id_ = f"http://127.0.0.1:{link.port}", str(chunks.request_id)
    if kind == "Client":
        rest = await asyncio.to_thread(partial(resumed, url, id_, len(begun), cut))
    else:
        rest = await resumed_async(url, id_, len(begun), cut)
    assert [*begun, *rest] == WORDS
    await opened.__aexit__(None, None, None)
    await first.aclose()
