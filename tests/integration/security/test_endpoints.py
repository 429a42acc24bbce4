"""The same attacks on every endpoint that takes a prompt: each is an error of the one shape, and calls no provider.

Requests without a valid key, and models of others, are in `test_keys`; invalid text and injection in
`test_injection`.
"""

import json
import time
from typing import Any

import httpx
import pytest
import pytest_asyncio
from harness.expect import error_of
from harness.keyed import FIRST_KEY, KeyedStack
from harness.processes import until
from harness.raw import raw
from harness.route_spec import chat, completion

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {
    "gateway_env": {
        "PENSTOCK_HEADER_TIMEOUT_S": "1",
        "PENSTOCK_BODY_TIMEOUT_S": "1",
        "PENSTOCK_HEADER_BYTES_MAX": "16384",
        "PENSTOCK_BODY_BYTES_MAX": "65536",
        "PENSTOCK_CORS_ORIGINS": "https://app.example.com",
    }
}
ENDPOINTS: dict[str, dict[str, Any]] = {
    "/api/chat": chat(),
    "/api/generate": {"prompt": "x"},
    "/api/embed": {"text": "x"},
    "/v1/chat/completions": completion(),
    "/v1/embeddings": {"model": "main", "input": "x"},
}
EVERY_ENDPOINT = pytest.mark.parametrize("path", ENDPOINTS)
SMUGGLED = {
    "two lengths": b"content-length: 5\r\ncontent-length: 6\r\n\r\n",
    "length and chunks": b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    "unknown coding": b"transfer-encoding: xchunked\r\n\r\n",
    "zero byte": b"x-a: b\x00c\r\n\r\n",
}


def head(path: str) -> bytes:
    """Of a request with a key, without the end of its headers."""
    fields = f"host: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer {FIRST_KEY}\r\n"
    return f"POST {path} HTTP/1.1\r\n{fields}".encode()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def expired(keyed_stack: KeyedStack) -> str:
    """A key that was good once."""
    made = await keyed_stack.create_key(expires_at=int(time.time()) + 2)
    client = keyed_stack.with_key(made["key"])

    async def refused() -> bool:
        return (await client.get("/v1/models")).status_code == 401

    await until(refused, "the key has expired")
    return str(made["key"])


@EVERY_ENDPOINT
async def test_endpoint_rejects_an_expired_key(keyed: KeyedStack, expired: str, path: str) -> None:
    error = error_of(await keyed.with_key(expired).post(path, json=ENDPOINTS[path]), 401, "invalid_api_key")
    assert error["message"] == "the API key has expired"
    assert not keyed.main.calls


@EVERY_ENDPOINT
async def test_endpoint_sends_no_cors_headers_to_a_foreign_origin(keyed: KeyedStack, path: str) -> None:
    foreign = {"origin": "https://evil.example"}
    requested = foreign | {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    preflight = await keyed.caller().options(path, headers=requested)
    error_of(preflight, 403, "origin_not_allowed")
    without_key = await keyed.caller().post(path, json=ENDPOINTS[path], headers=foreign)
    error_of(without_key, 401, "invalid_api_key")
    for answer in (preflight, without_key, await keyed.client.post(path, json=ENDPOINTS[path], headers=foreign)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@EVERY_ENDPOINT
async def test_endpoint_rejects_an_oversized_body_with_413(keyed: KeyedStack, path: str) -> None:
    large = json.dumps(ENDPOINTS[path] | {"user": "x" * 70_000}).encode()
    error_of(await keyed.client.post(path, content=large), 413, "request_too_large")

    async def pieces() -> Any:
        yield large

    error_of(await keyed.client.post(path, content=pieces()), 413, "request_too_large")
    assert not keyed.main.calls


@EVERY_ENDPOINT
@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"a":' * 10_000, b'{"model":"main","n":' + b"9" * 60_000 + b"}"])
async def test_endpoint_rejects_deep_bodies_and_long_numbers_with_400(
    keyed: KeyedStack, path: str, body: bytes
) -> None:
    answer = await keyed.client.post(path, content=body)
    error_of(answer, 400, "invalid_request", param=answer.json()["error"]["param"])
    assert not keyed.main.calls


@EVERY_ENDPOINT
async def test_endpoint_rejects_oversized_headers_with_431(keyed: KeyedStack, path: str) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(head(path) + b"x-long: " + b"x" * 20_000)
        error_of(await client.answer(), 431, "headers_too_large")


@EVERY_ENDPOINT
async def test_endpoint_rejects_late_headers_and_bodies_with_408(keyed: KeyedStack, path: str) -> None:
    for start in (head(path), head(path) + b"content-length: 100\r\n\r\n{"):
        async with raw(keyed.gateway_port) as client:
            await client.send(start)
            error_of(await client.answer(), 408, "receive_timeout")
            assert await client.closed()
    assert not keyed.main.calls


@EVERY_ENDPOINT
@pytest.mark.parametrize("headers", SMUGGLED.values(), ids=SMUGGLED)
async def test_endpoint_rejects_ambiguous_framing(keyed: KeyedStack, path: str, headers: bytes) -> None:
    async with raw(keyed.gateway_port) as client:
        await client.send(head(path) + headers + b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        answer: httpx.Response = await client.answer()
        error_of(answer, 400, "invalid_request")
        assert await client.closed()
    assert not keyed.main.calls
