"""Random input of endpoints and broker causes no 5xx, no stack trace and no exit of a process. Bounded."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
import pytest_asyncio
from harness.expect import error_of
from harness.keyed import FIRST_KEY, KeyedStack
from harness.processes import until
from harness.raw import raw
from harness.route_spec import completion
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.support.structs import ANYTHING, JSON, values

from penstock_contract import codec, subjects
from penstock_contract.limits.api_keys import KeySpec
from penstock_contract.request.operations import (
    ChatCompletionRequest,
    ChatRequest,
    EmbeddingsRequest,
    EmbedRequest,
    GenerateRequest,
    InferenceRequest,
)
from penstock_contract.stream.frames import Batch, Control, GatewayHeartbeat, WorkerHeartbeat

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"limits": {"firstTokenTimeoutSeconds": 5, "queueTimeoutSeconds": 10}}
BOUNDED = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
ENDPOINTS: dict[str, Any] = {
    "/api/chat": ChatRequest,
    "/api/generate": GenerateRequest,
    "/api/embed": EmbedRequest,
    "/v1/chat/completions": ChatCompletionRequest,
    "/v1/embeddings": EmbeddingsRequest,
}


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def serves_afterwards(keyed: KeyedStack) -> AsyncIterator[None]:
    """The fixture `keyed` looks at the processes and their logs; here: a whole answer over the whole road."""
    yield
    assert (await keyed.post("/v1/chat/completions", completion())).status_code == 200
    for process in keyed.processes:
        assert "Traceback" not in process.log(), process.name


def check(answer: httpx.Response) -> None:
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 500, answer.text
        error = answer.json()["error"]
        error_of(answer, answer.status_code, error["code"], param=error["param"])


@pytest.mark.parametrize("path", ENDPOINTS)
@BOUNDED
@given(data=st.data())
async def test_gateway_handles_an_almost_valid_body(keyed: KeyedStack, path: str, data: st.DataObject) -> None:
    body = msgspec.to_builtins(data.draw(values(ENDPOINTS[path])))
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.sampled_from([*body, "extra", "seed", "tools", "user"]))] = data.draw(JSON)
    if "model" in body and data.draw(st.booleans()):
        body["model"] = "main"
    text = bytearray(json.dumps(body).encode())
    if data.draw(st.booleans()):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    check(await keyed.client.post(path, content=bytes(text)))


@pytest.mark.parametrize("path", [*ENDPOINTS, "/v1/models", "/nowhere"])
@BOUNDED
@given(body=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
async def test_gateway_handles_a_random_body(keyed: KeyedStack, path: str, body: bytes) -> None:
    check(await keyed.client.post(path, content=body))


@BOUNDED
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"]),
    path=st.text(st.characters(codec="utf-8"), max_size=40),
    headers=st.dictionaries(
        st.from_regex(r"[A-Za-z0-9-]{1,20}", fullmatch=True),
        st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=40),
        max_size=5,
    ),
)
async def test_gateway_handles_random_paths_and_headers(
    keyed: KeyedStack, method: str, path: str, headers: dict[str, str]
) -> None:
    reserved = {"content-length", "transfer-encoding", "host", "connection", "expect", "upgrade"}
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if name.lower() not in reserved]
    answer = await keyed.client.request(method, f"/{quote(path, safe='/')}", headers=httpx.Headers(sent))
    assert answer.status_code < 500, answer.text


HEAD = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {FIRST_KEY}\r\n".encode()
GOOD = HEAD + b"content-length: 2\r\nconnection: close\r\n\r\n{}"


@BOUNDED
@given(data=st.data())
async def test_gateway_handles_almost_valid_http(keyed: KeyedStack, data: st.DataObject) -> None:
    sent = bytearray(GOOD)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(sent) - 1))
        sent[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    async with raw(keyed.gateway_port) as client:
        await client.send(bytes(sent) + data.draw(st.binary(max_size=50)))
        client.end()
        answer = await client.rest()
    if answer:
        status = int(answer.split(b" ", 2)[1])
        assert status < 500
        assert b"Traceback" not in answer


@BOUNDED
@given(data=st.data())
async def test_gateway_handles_a_random_key(keyed: KeyedStack, data: st.DataObject) -> None:
    body = data.draw(values(KeySpec).map(msgspec.to_builtins) | ANYTHING)
    if isinstance(body, dict) and body:
        body[data.draw(st.sampled_from([*body]))] = data.draw(ANYTHING)
    answer = await keyed.admin.post("/admin/keys", json=body)
    assert answer.status_code in {201, 400}, answer.text


WIRE: dict[str, Any] = {
    "reply": Batch,
    "worker heartbeat": WorkerHeartbeat,
    "gateway heartbeat": GatewayHeartbeat,
    "control": Control,
    "control of one": Control,
    "request": InferenceRequest,
}


@pytest.mark.parametrize("kind", WIRE)
@BOUNDED
@given(data=st.data())
async def test_gateway_handles_random_messages_of_the_broker(keyed: KeyedStack, kind: str, data: st.DataObject) -> None:
    message = data.draw(st.binary(max_size=200) | values(WIRE[kind]).map(codec.encode))
    if message and data.draw(st.booleans()):
        damaged = bytearray(message)
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        message = bytes(damaged)
    subject = {
        "reply": f"penstock.replies.{await _gateway(keyed)}.default.main",
        "worker heartbeat": subjects.worker_heartbeat("default", "main", "someone"),
        "gateway heartbeat": subjects.gateway_heartbeat("someone"),
        "control": subjects.control_all("default", "main"),
        "control of one": subjects.control("default", "main", await _worker(keyed)),
        "request": subjects.request("default", "main", "someone"),
    }[kind]
    if kind.startswith("control") and _drains(message):
        return  # that is what it is for
    await keyed.connection.publish(subject, message)


def _drains(message: bytes) -> bool:
    """True if it is a control message that ends a worker."""
    try:
        return type(codec.decode_control(message)).__name__ == "Drain"
    except msgspec.DecodeError:
        return False


_names: dict[int, dict[str, str]] = {}


async def _gateway(keyed: KeyedStack) -> str:
    return (await _process_names(keyed))["gateway"]


async def _worker(keyed: KeyedStack) -> str:
    return (await _process_names(keyed))["worker"]


async def _process_names(keyed: KeyedStack) -> dict[str, str]:
    """The names of this stack's processes on the broker, from one heartbeat of each."""
    if id(keyed) in _names:
        return _names[id(keyed)]
    found: dict[str, str] = {}

    async def receive(message: Any) -> None:
        kind = "gateway" if message.subject.startswith("penstock.gateways.") else "worker"
        found[kind] = message.subject.rsplit(".", 1)[1]

    client = keyed.connection.client
    listening = [
        await client.subscribe(subject, cb=receive) for subject in ("penstock.gateways.*", "penstock.workers.>")
    ]
    await until(lambda: len(found) == 2, "gateway and worker have sent a heartbeat")
    for subscription in listening:
        await subscription.unsubscribe()
    _names[id(keyed)] = found
    return found


async def test_gateway_reports_random_provider_output_as_a_provider_error(keyed: KeyedStack) -> None:
    async with asyncio.timeout(30):
        for noise in (b"\xff" * 100, b"data: {\n\n", b"data: " + b"[" * 10_000 + b"\n\n", b"\x00"):

            async def babble(call: Any, noise: bytes = noise) -> None:
                await call.head()
                await call.write(noise)
                await call.end()

            keyed.main.answers(babble)
            answer = await keyed.post("/v1/chat/completions", completion())
            error_of(answer, 502, "provider_stream_broken")
    keyed.main.reset()
