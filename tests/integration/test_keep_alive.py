"""A silent provider and a slow client: keep-alive comments, the commit, and the end of connections."""

import asyncio

import pytest
from harness.expect import error_of, stream_error_of
from harness.provider_answers import silence, text_stream, text_then_wait, when
from harness.raw_http import IMPATIENT, STREAMS, RawClient, flood
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
STACK = IMPATIENT


@STREAMS
async def test_gateway_writes_a_keep_alive_comment_to_a_silent_stream(stack: Stack, path: str) -> None:
    stack.main.answers(text_then_wait("Hel"))
    async with stack.stream(path, completion(stream=True)) as stream_:
        await stream_.event()
        assert await stream_.event() == ": ping"
        assert await stream_.event() == ": ping"


@STREAMS
async def test_gateway_commits_a_long_wait_with_keep_alive_comments_before_the_answer(stack: Stack, path: str) -> None:
    gate = asyncio.Event()
    stack.main.answers(when(gate, text_stream("Hello")))
    async with stack.stream(path, completion(stream=True)) as stream_:
        assert stream_.response.status_code == 200
        assert await stream_.event() == ": ping"
        gate.set()
        body = await stream_.rest()
    assert texts_of(body) == "Hello"
    assert body.endswith("data: [DONE]\n\n")


@STREAMS
async def test_gateway_writes_a_failure_after_the_commit_as_the_dialects_event(stack: Stack, path: str) -> None:
    stack.main.answers(silence)
    response = await stack.post(path, completion(stream=True))
    events = stream_error_of(response, response.text, "first_token_timeout")
    assert set(events) == {": ping"}


async def test_gateway_delays_the_status_of_a_complete_answer_until_it_ends(stack: Stack) -> None:
    stack.main.answers(silence)
    error_of(await stack.post("/v1/chat/completions", completion()), 504, "first_token_timeout")


@STREAMS
async def test_gateway_closes_a_client_that_does_not_read_and_ends_its_call(stack: Stack, path: str) -> None:
    stack.main.answers(flood)
    async with RawClient.connected(stack.gateway_port) as client:
        client.send(path, completion(stream=True))
        await client.head()
        # By its code: log lines are written in batches, and those of the test before may follow its reset.
        await stack.gateway.logged("gateway.request_ended", code="slow_client")
        await stack.main.calls[0].left(2)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.chunks()


async def test_gateway_ends_an_endless_complete_answer_and_its_call(stack: Stack) -> None:
    stack.main.answers(flood)
    error_of(await stack.post("/v1/chat/completions", completion()), 502, "answer_too_large")
    await stack.main.calls[0].left(2)


async def test_gateway_sends_every_event_to_a_client_that_reads_late(stack: Stack) -> None:
    tokens = [f"{number:05d} " * 10 for number in range(300)]
    stack.main.answers(text_stream(*tokens))
    async with RawClient.connected(stack.gateway_port) as client:
        client.send("/api/chat", completion())
        await stack.gateway.logged("gateway.request_ended", code=None)
        await client.head()
        assert texts_of(b"".join(await client.chunks()).decode()) == "".join(tokens)


async def test_gateway_serves_others_beside_a_request_that_never_ends(stack: Stack) -> None:
    async with RawClient.connected(stack.gateway_port) as client:
        client.writer.write(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert texts_of((await stack.post("/api/chat", completion())).text) == "Hello"
