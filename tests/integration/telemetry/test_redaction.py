"""No text of a client and no key is in the logs, spans and metrics of Penstock's processes."""

from typing import Any

import pytest
from harness.keyed import ADMIN_TOKEN, FIRST_KEY, KeyedStack
from harness.provider_answers import (
    DONE,
    chunk,
    data,
    embeddings,
    refuse,
    status,
    stream,
    text_stream,
    text_then_cut,
    text_then_wait,
)
from harness.provider_call import Call
from harness.route_spec import KEY, completion
from harness.stack import Stack
from harness.telemetry import MODELS, Receiver, scrape

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "xylophone-prompt-marker"
ANSWER = "quokka-answer-marker"
ARGUMENT = "marzipan-argument-marker"


def marked(**fields: Any) -> dict[str, Any]:
    """A request with a marker in every place that is a client's own."""
    tool = {
        "type": "function",
        "function": {"name": "f", "description": ARGUMENT, "parameters": {"properties": {ARGUMENT: {}}}},
    }
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": f'{{"x":"{ARGUMENT}"}}'}}
    return {
        "model": "main",
        "messages": [
            {"role": "system", "content": PROMPT},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": PROMPT},
                    {"type": "image_url", "image_url": {"url": f"https://example.com/{ARGUMENT}.png"}},
                ],
            },
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "content": ARGUMENT, "tool_call_id": "a"},
        ],
        "tools": [tool],
        "stop": [ARGUMENT],
        "user": ARGUMENT,
        "metadata": {"a": ARGUMENT},
        **fields,
    }


def echo(code: int, **fields: Any) -> Any:
    """A provider that quotes prompt and key in its refusal, as some do."""
    return status(code, body={"error": {"message": f"{PROMPT} {ANSWER} {KEY}", "code": ARGUMENT, **fields}})


TOOL_CALL = data(
    {
        "choices": [
            {"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ARGUMENT}}]}}
        ]
    }
)
PATHS: dict[str, Any] = {
    "whole": text_stream(ANSWER, ANSWER),
    "tool call": stream(TOOL_CALL, chunk(ANSWER), data({"choices": [{"delta": {}, "finish_reason": "stop"}]}), DONE),
    "refused key": echo(401),
    "rejected": echo(400),
    "rate limited": echo(429),
    "broken": echo(500),
    "unreachable": refuse,
    "cut": text_then_cut(ANSWER),
    "malformed": stream(chunk(ANSWER), f"data: {{{PROMPT}\n\n".encode()),
    "not UTF-8": stream(chunk(ANSWER), b'data: {"x":"\xff' + PROMPT.encode() + b'"}\n\n'),
    "other shape": stream(data({"choices": {PROMPT: ANSWER}})),
    "not HTTP": None,
    "error inside a 200": stream(chunk(ANSWER), data({"error": {"message": f"{PROMPT} {KEY}", "code": PROMPT}})),
    "never finished": stream(chunk(ANSWER), DONE),
}


def not_http(call: Call) -> Any:
    async def answer() -> None:
        await call.raw(f"{PROMPT} {ANSWER} {KEY}\r\n\r\n".encode())
        call.close()

    return answer()


async def request_everything(stack: Stack) -> None:
    """Every path through success and failure, at every endpoint."""
    for name, answer in PATHS.items():
        stack.main.answers(answer or not_http)
        for path, fields in (
            ("/v1/chat/completions", {"stream": True}),
            ("/v1/chat/completions", {}),
            ("/api/chat", {"messages": [{"role": "user", "content": PROMPT}]}),
            ("/api/generate", {"prompt": PROMPT}),
        ):
            body = {"model": "main", **fields} if path.startswith("/api/") else marked(**fields)
            response = await stack.post(path, body)
            assert response.status_code, name
    stack.main.answers(embeddings([[0.125]]))
    await stack.post("/v1/embeddings", {"model": "vectors", "input": PROMPT})
    stack.main.answers(echo(400))
    await stack.post("/v1/embeddings", {"model": "vectors", "input": [PROMPT]})
    await stack.post("/api/embed", {"text": PROMPT})
    for body in (
        marked(temperature=9, user=PROMPT),
        marked(messages=[{"role": PROMPT, "content": PROMPT}]),
        marked(tools=PROMPT),
    ):
        assert (await stack.post("/v1/chat/completions", body)).status_code == 400
    for raw in (f'{{"model": "{PROMPT}"'.encode(), b'{"model": "\xff' + PROMPT.encode() + b'"}'):
        headers = {"content-type": "application/json"}
        assert (await stack.client.post("/v1/chat/completions", content=raw, headers=headers)).status_code == 400
    stack.main.answers(text_then_wait(ANSWER))
    simple = {"model": "main", "messages": [{"role": "user", "content": PROMPT}]}
    async with stack.stream("/api/chat", simple) as reader:
        await reader.event()


async def test_telemetry_contains_no_prompt_answer_or_key(receiver: Receiver) -> None:
    environ = {**receiver.environ, "PENSTOCK_LOG_LEVEL": "DEBUG"}
    async with Stack(models=MODELS, routing={"retries": 1}, gateway_env=environ, worker_env=environ) as stack:
        await request_everything(stack)
        metrics = await scrape(stack)
        spans = len(receiver.spans)
        stack.gateway.terminate()
        await stack.gateway.exited()
        stack.worker.terminate()
        await stack.worker.exited()
        logs = {process.name: process.log() for process in stack.processes}

    assert logs["gateway"].count("gateway.request_ended") > len(PATHS)
    assert logs[stack.worker.name].count("worker.call_ended") > len(PATHS)
    assert len(receiver.spans) >= spans > 4 * len(PATHS)
    outputs = {
        **logs,
        "metrics": metrics,
        "OTLP": b"\n".join(receiver.bodies).decode("latin-1"),
    }
    for place, text in outputs.items():
        for secret in (PROMPT, ANSWER, ARGUMENT, KEY):
            assert secret not in text, f"{secret} is in {place}: {around(text, secret)}"
        assert "Traceback" not in text, f"a traceback is in {place}: {around(text, 'Traceback')}"


async def test_telemetry_contains_no_client_key_or_admin_token(receiver: Receiver) -> None:
    environ = {**receiver.environ, "PENSTOCK_LOG_LEVEL": "DEBUG"}
    unknown, not_the_token = f"sk-penstock-{'9' * 44}", "not-the-token-of-the-admin-but-as-long"
    async with KeyedStack(gateway_env=environ, worker_env=environ) as stack:
        made = (await stack.create_key())["key"]
        limited = (await stack.create_key(limits={"requests_per_minute": 1}))["key"]
        for key in (FIRST_KEY, made, limited, limited, unknown):
            client = stack.with_key(key)
            for path in ("/v1/chat/completions", "/api/chat"):
                await client.post(path, json=completion())
            await client.get("/v1/models", headers={"x-api-key": key})
        for token in (ADMIN_TOKEN, not_the_token):
            admin = stack.caller(f"http://127.0.0.1:{stack.admin_port}", {"authorization": f"Bearer {token}"})
            for path in ("/admin/keys", "/admin/usage", "/admin/nothing"):
                await admin.get(path)
        metrics = await scrape(stack)
        for process in (stack.gateway, stack.worker):
            process.terminate()
            await process.exited()
        logs = {process.name: process.log() for process in stack.processes}

    assert logs["gateway"].count("gateway.request_ended") >= 5
    assert len(receiver.spans) > 4 * 5
    outputs = {**logs, "metrics": metrics, "OTLP": b"\n".join(receiver.bodies).decode("latin-1")}
    for place, text in outputs.items():
        for secret in (FIRST_KEY, made, limited, unknown, ADMIN_TOKEN, not_the_token):
            assert secret not in text, f"{secret} is in {place}: {around(text, secret)}"


def around(text: str, word: str) -> str:
    place = text.index(word)
    return text[max(0, place - 300) : place + 300]
