"""Text of a client becomes no subject, no KV key, no log line, no header and no metric label."""

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from harness.expect import error_of, ids_of
from harness.keyed import KeyedStack
from harness.provider_answers import text_stream
from harness.raw import raw
from harness.route_spec import completion
from nats.aio.msg import Msg

pytestmark = pytest.mark.asyncio(loop_scope="module")

STACK = {"models": ["*", "main"]}
MARK = "FORGED"
HOSTILE = [
    "FORGED.b.c",
    "FORGED>",
    ">",
    "*",
    "FORGED with space",
    'FORGED\r\nPUB penstock.control.default.main 1\r\nx\r\n{"event":"FORGED"}',
    "FORGED\x00",
    "\x1b[2JFORGED",
    "$JS.API.STREAM.DELETE.REQUESTS_default_main.FORGED",
    "../../FORGED",
    "${jndi:ldap://FORGED}",
    "\u202eFORGED\u2028",
    "FORGED'\"; --",
    "FORGED" * 40,
    "😀FORGED",
]
SUBJECT = re.compile(
    r"penstock\.(requests|replies|control|workers|gateways|usage|checkpoints|limits|activations)(\.[A-Za-z0-9_-]{1,63}){1,5}"
    r"|\$JS\.[A-Za-z0-9_.$>-]+|\$KV\.[a-z]+\.[A-Za-z0-9_.-]+|\$O\..*|_INBOX[A-Za-z0-9_.-]*|\$SYS\..*|\$SRV\..*"
)


def fields(text: str) -> dict[str, Any]:
    """A completion with `text` wherever a string may be."""
    tool = {"type": "function", "function": {"name": text[:64], "description": text, "parameters": {text: text}}}
    return {
        "model": text[:256],
        "messages": [
            {"role": "system", "content": text, "name": text},
            {"role": "user", "content": [{"type": "text", "text": text}], "name": text},
        ],
        "user": text,
        "metadata": {text: text},
        "prompt_cache_key": text,
        "stop": [text],
        "tools": [tool],
        "service_tier": text,
        "reasoning_effort": text,
        "verbosity": text,
        "unknown": {text: [text]},
    }


@pytest.mark.parametrize("text", HOSTILE, ids=[str(number) for number in range(len(HOSTILE))])
async def test_client_text_reaches_the_provider_as_text_and_no_subject(keyed: KeyedStack, text: str) -> None:
    subjects: list[str] = []

    async def receive(message: Msg) -> None:
        subjects.append(message.subject)

    subscription = await keyed.connection.client.subscribe(">", cb=receive)
    keyed.main.answers(text_stream("fine"))
    try:
        answer = await keyed.post("/v1/chat/completions", fields(text))
        assert answer.status_code == 200, answer.text
        for path, body in (
            ("/api/chat", {"messages": [{"role": "user", "content": text}], "model": text[:256]}),
            ("/api/generate", {"prompt": text, "model": text[:256]}),
            ("/v1/embeddings", {"input": text, "model": text[:256], "user": text}),
            ("/api/embed", {"text": text, "model": text[:256]}),
        ):
            assert (await keyed.post(path, body)).status_code in {200, 400, 404, 502}
        listed = await keyed.client.get("/v1/models/" + quote(text, safe=""))
        assert listed.status_code == 404
    finally:
        await subscription.unsubscribe()
    assert keyed.main.calls[0].body["messages"][1]["content"][0]["text"] == text
    assert subjects
    strange = [subject for subject in subjects if MARK in subject or not SUBJECT.fullmatch(subject)]
    assert not strange
    _nothing_forged(keyed)
    metrics = (await keyed.client.get("/metrics")).text
    assert MARK not in metrics


@pytest.mark.parametrize("text", HOSTILE, ids=[str(number) for number in range(len(HOSTILE))])
async def test_key_description_is_rejected_or_only_displayed(keyed: KeyedStack, text: str) -> None:
    spec = {"name": text[:100], "models": [text[:200]], "routes": [text[:200]], "metadata": {text[:60]: text[:500]}}
    answer = await keyed.admin.post("/admin/keys", json=spec)
    bucket = await keyed.connection.client.jetstream().key_value("keys")
    assert all(re.fullmatch(r"key_[A-Za-z0-9]{16}\.[0-9a-f]{64}", name) for name in await bucket.keys())
    if answer.status_code == 201:
        assert answer.json()["name"] == text[:100]
        assert (await keyed.admin.delete(f"/admin/keys/{answer.json()['id']}")).status_code == 200
    else:
        error_of(answer, 400, "invalid_request", param=answer.json()["error"]["param"])
    _nothing_forged(keyed)


FORGED_HEADERS = {
    "x-request-id": "req_FORGED0000000000000000",
    "request-id": "FORGED",
    "traceparent": "00-FORGED-FORGED-01",
    "tracestate": "FORGED=1",
    "baggage": "FORGED=1",
    "user-agent": "FORGED",
    "x-forwarded-for": "FORGED",
    "forwarded": "for=FORGED",
    "x-penstock-tenant": "FORGED",
    "nats-msg-id": "FORGED",
    "cookie": "FORGED=1",
    "referer": "https://FORGED",
    "openai-organization": "FORGED",
}


async def test_client_header_becomes_no_id_log_line_or_response_header(keyed: KeyedStack) -> None:
    for path, body in (("/v1/chat/completions", completion()), ("/v1/chat/completions", {}), ("/nowhere", {})):
        answer = await keyed.post(path, body, headers=FORGED_HEADERS)
        assert MARK not in ids_of(answer)
        assert MARK not in str(answer.headers)
        assert MARK not in answer.text
    await keyed.gateway.logged("gateway.request_ended")
    _nothing_forged(keyed)


async def test_gateway_does_not_log_raw_bytes_before_a_request(keyed: KeyedStack) -> None:
    for line in (b'FORGED\n{"event":"FORGED"}\r\n\r\n', b"GET /\x1b[2JFORGED HTTP/1.1\r\n\r\n", b"\x16\x03\x01FORGED"):
        async with raw(keyed.gateway_port) as client:
            await client.send(line)
            error_of(await client.answer(), 400, "invalid_request")
    _nothing_forged(keyed)


BAD_UTF8 = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x28\xa1", b"\x80"]


@pytest.mark.parametrize("noise", BAD_UTF8, ids=[noise.hex() for noise in BAD_UTF8])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/chat", b'{"messages":[{"role":"user","content":"%b"}]}'),
        ("/api/generate", b'{"prompt":"%b"}'),
        ("/api/embed", b'{"text":"%b"}'),
        ("/v1/chat/completions", b'{"model":"main","messages":[{"role":"user","content":"%b"}]}'),
        ("/v1/embeddings", b'{"model":"main","input":"%b"}'),
    ],
)
async def test_gateway_rejects_bytes_that_are_no_text(keyed: KeyedStack, path: str, body: bytes, noise: bytes) -> None:
    error_of(await keyed.client.post(path, content=body % noise), 400, "invalid_request")
    error_of(await keyed.client.post(path, content=b'{"%b":1}' % noise), 400, "invalid_request", param=None)
    assert not keyed.main.calls


async def test_gateway_rejects_an_incomplete_character(keyed: KeyedStack) -> None:
    body = rb'{"model":"main","messages":[{"role":"user","content":"\ud800"}]}'
    error_of(await keyed.client.post("/v1/chat/completions", content=body), 400, "invalid_request")


def _nothing_forged(keyed: KeyedStack) -> None:
    for process in keyed.processes:
        for line in process.log().splitlines():
            assert MARK not in line
            if process.name != "nats":
                assert isinstance(json.loads(line), dict), line
