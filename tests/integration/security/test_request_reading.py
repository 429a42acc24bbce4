"""Reading of requests: slow and endless headers and bodies, smuggling, invalid bytes; other clients are served."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

import pytest
from harness.expect import error_of
from harness.keyed import FIRST_KEY, KeyedStack
from harness.provider_answers import chunk, finish, text_stream
from harness.provider_call import Call
from harness.raw import raw
from harness.route_spec import completion

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {
    "gateway_env": {
        "PENSTOCK_HEADER_TIMEOUT_S": "1",
        "PENSTOCK_BODY_TIMEOUT_S": "1.5",
        "PENSTOCK_HEADER_BYTES_MAX": "16384",
        "PENSTOCK_BODY_BYTES_MAX": "65536",
        "PENSTOCK_CONNECTIONS_MAX": "40",
    }
}
KEY = f"authorization: Bearer {FIRST_KEY}\r\n".encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" + KEY
BODY = json.dumps(completion()).encode()
WHOLE = HEAD + b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)


async def test_gateway_closes_a_silent_connection_without_a_response(keyed: KeyedStack) -> None:
    async with raw(keyed.gateway_port) as client:
        assert await client.closed()


@pytest.mark.parametrize("start", [b"P", b"POST /v1/chat/comple", HEAD, HEAD + b"x-a: b"])
async def test_gateway_rejects_late_headers_with_408(keyed: KeyedStack, start: bytes) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(start)
        error_of(await client.answer(), 408, "receive_timeout")
        assert await client.closed()


async def test_gateway_does_not_extend_the_header_timeout_for_slow_headers(keyed: KeyedStack) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(HEAD)
        trickling = asyncio.create_task(_trickle(client.send))
        error_of(await client.answer(timeout_s=3), 408, "receive_timeout")
        trickling.cancel()
        await asyncio.wait([trickling])


async def test_gateway_restarts_the_header_timeout_for_the_next_request(keyed: KeyedStack) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(WHOLE)
        assert (await client.answer()).status_code == 200
        await client.send(HEAD)
        error_of(await client.answer(), 408, "receive_timeout")


@pytest.mark.parametrize("part", [b"", BODY[:10]])
async def test_gateway_rejects_a_late_body_with_408(keyed: KeyedStack, part: bytes) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(HEAD + b"content-length: 100\r\n\r\n" + part)
        error_of(await client.answer(), 408, "receive_timeout")
        assert await client.closed()
    assert not keyed.main.calls


async def test_gateway_does_not_apply_the_body_timeout_to_a_stream(keyed: KeyedStack) -> None:
    release = asyncio.Event()

    async def slow(call: Call) -> None:
        await call.head()
        await call.write(chunk("a"))
        await release.wait()
        await call.write(chunk("b") + finish() + b"data: [DONE]\n\n")
        await call.end()

    keyed.main.answers(slow, text_stream("next"))
    async with raw(keyed.gateway_port) as streaming, raw(keyed.gateway_port) as late:
        body = json.dumps(completion(stream=True)).encode()
        # A second request waits behind the stream on the same connection: its client is not slow.
        await streaming.send(HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body) + WHOLE)
        await late.send(HEAD + b"content-length: 5\r\n\r\n")
        error_of(await late.answer(), 408, "receive_timeout")
        release.set()
        assert (await streaming.answer()).text.endswith("data: [DONE]\n\n")
        assert "next" in (await streaming.answer()).text


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nhost: localhost\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx-long: " + b"x" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x-many: 1\r\n" * 2_000,
        b"GET / HTTP/1.1\r\nhost: localhost\r\ncookie: " + b"x" * 300_000,
    ],
    ids=["path", "header", "many headers", "cookie"],
)
@pytest.mark.parametrize("end", [b"\r\n\r\n", b""], ids=["whole", "open"])
async def test_gateway_rejects_oversized_headers_with_431(keyed: KeyedStack, head: bytes, end: bytes) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(head + end)
        error_of(await client.answer(), 431, "headers_too_large")


async def test_gateway_rejects_an_endless_header_name_with_431(keyed: KeyedStack) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x" * 20_000)
        error_of(await client.answer(), 431, "headers_too_large")


async def test_gateway_rejects_an_oversized_body_with_413(keyed: KeyedStack) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(HEAD + b"content-length: 70000\r\n\r\n" + b"x" * 70_000)
        error_of(await client.answer(), 413, "request_too_large")
    async with raw(keyed.gateway_port) as client:
        await client.send(HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"11170\r\n" + b"x" * 70_000)
        error_of(await client.answer(), 413, "request_too_large")


async def test_gateway_closes_at_endless_chunk_extensions(keyed: KeyedStack) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(40):
            await client.send(b"1;" + b"e" * 16_000 + b"\r\nx\r\n")
        answer = await client.rest()
        assert not answer or b"413" in answer.split(b"\r\n")[0] or b"400" in answer.split(b"\r\n")[0]


async def test_gateway_does_not_read_a_rejected_clients_endless_body(keyed: KeyedStack) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        error_of(await client.answer(), 401, "invalid_api_key")
        pouring = asyncio.create_task(_trickle(client.send, b"4000\r\n" + b"x" * 0x4000 + b"\r\n", 0))
        assert await client.closed()
        pouring.cancel()
        await asyncio.wait([pouring])


async def test_gateway_does_not_read_trailers_as_headers(keyed: KeyedStack) -> None:
    async with raw(keyed.gateway_port) as client:
        head = HEAD.replace(KEY, b"") + b"transfer-encoding: chunked\r\n\r\n"
        await client.send(head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(BODY), BODY, KEY))
        error_of(await client.answer(), 401, "invalid_api_key")


SMUGGLED = {
    "two lengths": b"content-length: 5\r\ncontent-length: 6\r\n\r\n",
    "length and chunks": b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    "chunks twice": b"transfer-encoding: chunked, chunked\r\n\r\n",
    "unknown coding": b"transfer-encoding: xchunked\r\n\r\n",
    "length with sign": b"content-length: +5\r\n\r\n",
    "length in hex": b"content-length: 0x5\r\n\r\n",
    "length of many digits": b"content-length: 99999999999999999999\r\n\r\n",
    "space before the colon": b"content-length : 5\r\n\r\n",
    "folded header": b"x-a: b\r\n c\r\n\r\n",
    "bare carriage return": b"x-a: b\rc\r\n\r\n",
    "zero byte": b"x-a: b\x00c\r\n\r\n",
    "no name": b": b\r\n\r\n",
    "control in a name": b"x\x01a: b\r\n\r\n",
}


@pytest.mark.parametrize("headers", SMUGGLED.values(), ids=SMUGGLED)
async def test_gateway_rejects_ambiguous_framing(keyed: KeyedStack, headers: bytes) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(HEAD + headers + b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        answer = await client.answer()
        assert answer.status_code == 400
        error_of(answer, 400, "invalid_request")
        assert await client.closed()
    assert not keyed.main.calls


@pytest.mark.parametrize(
    "line",
    [
        b"CONNECT example.com:443 HTTP/1.1",
        b"GET http://example.com/v1/models HTTP/1.1",
        b"GET //example.com/v1/models HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"GET /%00 HTTP/1.1",
        b"GET /%ff%fe HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET /v1/models\x00 HTTP/1.1",
        b"GET /../../etc/passwd HTTP/1.1",
        b"GET /v1/models/%2e%2e%2f HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET / HTTP/9.9",
        b"PRI * HTTP/2.0",
        b"TRACE / HTTP/1.1",
    ],
)
async def test_gateway_rejects_an_invalid_request_line_with_a_4xx(keyed: KeyedStack, line: bytes) -> None:
    for key in (KEY, b""):
        async with raw(keyed.gateway_port) as client:
            await client.send(line + b"\r\nhost: localhost\r\nconnection: close\r\n" + key + b"\r\n")
            answer = await client.answer()
            assert 400 <= answer.status_code < 500 or (line.startswith(b"GET http:") and key)
            if answer.status_code >= 400:
                error_of(
                    answer, answer.status_code, answer.json()["error"]["code"], param=answer.json()["error"]["param"]
                )


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c", b"nonsense"])
async def test_gateway_does_not_upgrade_the_protocol(keyed: KeyedStack, protocol: bytes) -> None:
    requested = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: " + protocol + b"\r\n"
    async with raw(keyed.gateway_port) as client:
        await client.send(requested + b"\r\n")
        error_of(await client.answer(), 401, "invalid_api_key")
    async with raw(keyed.gateway_port) as client:
        await client.send(requested + KEY + b"\r\n")
        assert (await client.answer()).status_code == 200


async def test_gateway_sends_no_server_header(keyed: KeyedStack) -> None:
    for answer in (
        await keyed.client.get("/v1/models"),
        await keyed.caller().get("/v1/models"),
        await keyed.client.get("/nowhere"),
    ):
        assert "server" not in answer.headers
        assert "x-powered-by" not in answer.headers
        assert "uvicorn" not in str(answer.headers).lower()


async def test_gateway_closes_silent_connections_at_the_connection_limit(keyed: KeyedStack) -> None:
    async with contextlib.AsyncExitStack() as many, raw(keyed.gateway_port) as streaming:
        await streaming.send(WHOLE)
        assert (await streaming.answer()).status_code == 200
        clients = [await many.enter_async_context(raw(keyed.gateway_port)) for _ in range(45)]
        assert await clients[0].closed(timeout_s=0.7), "before the header timeout"
        for client in (clients[-1], streaming):
            await client.send(WHOLE)
            assert (await client.answer()).status_code == 200
    assert (await keyed.client.get("/v1/models")).status_code == 200


async def _trickle(send: Callable[[bytes], Awaitable[None]], data: bytes = b"x-a: b\r\n", every_s: float = 0.1) -> None:
    """The pace of the client is what is tested here."""
    while True:
        await send(data)
        await asyncio.sleep(every_s)
