"""A provider that is silent, a client that is slow: what each side hears meanwhile, and who is cut off."""

import asyncio

import pytest
from harness.expect import error_of, stream_error_of
from harness.provider import say, say_then_wait, silence, when
from harness.raw_http import IMPATIENT, STREAMS, RawClient, flood
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
STACK = IMPATIENT


@STREAMS
async def test_a_silent_stream_says_ping(stack: Stack, path: str) -> None:
    stack.main.answers(say_then_wait("Hel"))
    async with stack.stream(path, completion(stream=True)) as stream_:
        await stream_.event()
        assert await stream_.event() == ": ping"
        assert await stream_.event() == ": ping"


@STREAMS
async def test_a_request_that_waits_long_gets_its_200_and_pings_and_then_its_answer(stack: Stack, path: str) -> None:
    gate = asyncio.Event()
    stack.main.answers(when(gate, say("Hello")))
    async with stack.stream(path, completion(stream=True)) as stream_:
        assert stream_.response.status_code == 200
        assert await stream_.event() == ": ping"
        gate.set()
        body = await stream_.rest()
    assert texts_of(body) == "Hello"
    assert body.endswith("data: [DONE]\n\n")


@STREAMS
async def test_after_its_200_a_late_failure_is_the_dialects_event(stack: Stack, path: str) -> None:
    stack.main.answers(silence)
    response = await stack.post(path, completion(stream=True))
    events = stream_error_of(response, response.text, "first_token_timeout")
    assert set(events) == {": ping"}


async def test_an_answer_as_a_whole_waits_for_its_status_however_long_it_takes(stack: Stack) -> None:
    stack.main.answers(silence)
    error_of(await stack.post("/v1/chat/completions", completion()), 504, "first_token_timeout")


@STREAMS
async def test_a_client_that_does_not_read_is_cut_and_its_call_ended(stack: Stack, path: str) -> None:
    stack.main.answers(flood)
    async with RawClient.connected(stack.gateway_port) as client:
        client.send(path, completion(stream=True))
        await client.head()
        request_id = (await stack.gateway.said("gateway.request_ended"))["request_id"]
        ended = await stack.gateway.said("gateway.request_ended", request_id=request_id)
        assert ended["code"] == "slow_client"
        await stack.main.calls[0].left(2)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.chunks()


async def test_an_endless_answer_to_who_wants_it_whole_is_ended_and_its_call_too(stack: Stack) -> None:
    stack.main.answers(flood)
    error_of(await stack.post("/v1/chat/completions", completion()), 502, "answer_too_large")
    await stack.main.calls[0].left(2)


async def test_a_client_that_reads_a_little_late_loses_nothing(stack: Stack) -> None:
    tokens = [f"{number:05d} " * 10 for number in range(300)]
    stack.main.answers(say(*tokens))
    async with RawClient.connected(stack.gateway_port) as client:
        client.send("/api/chat", completion())
        await stack.gateway.said("gateway.request_ended", code=None)
        await client.head()
        assert texts_of(b"".join(await client.chunks()).decode()) == "".join(tokens)


async def test_a_request_that_never_ends_does_not_hold_up_the_others(stack: Stack) -> None:
    async with RawClient.connected(stack.gateway_port) as client:
        client.writer.write(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert texts_of((await stack.post("/api/chat", completion())).text) == "Hello"
